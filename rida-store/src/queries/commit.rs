//! Writing a change: all of it in one transaction.

use std::sync::Arc;

use rida_core::{BuildId, Commit, ComponentBuild, ModuleBuild, StoreError, StoreErrorKind};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter, QuerySelect};

use crate::convert::{self, column, counted};
use crate::database::Database;
use crate::entities::module_submissions;
use crate::entities::{component_builds, counters, effects, events, module_build_requires, module_builds};
use crate::error::{Failed, corrupt};
use crate::queries::{load, queue};

/// How many rows one statement inserts; databases limit the values of a statement.
const ROWS_AT_ONCE: usize = 500;

/// Returns the next build id.
pub(crate) async fn reserve_id(database: &Database) -> Result<BuildId, StoreError> {
    let number = database.write(|| async |tx| next(tx, "build").await).await;
    convert::build_id(number.map_err(|error| error.during("reserve a build id"))?)
}

/// Writes a change and returns the sequence number of its log line.
pub(crate) async fn commit(database: &Database, commit: Commit<'_>) -> Result<u64, StoreError> {
    commit_all(database, &[&commit]).await
}

/// Writes changes of different builds and returns the sequence number of the last one's log line.
pub(crate) async fn commit_all(database: &Database, commits: &[&Commit<'_>]) -> Result<u64, StoreError> {
    let Some(last) = commits.last().copied() else { return Ok(0) };
    let write = || {
        async |tx: &DatabaseTransaction| {
            // Locks are taken in one order: all builds before anything that they share.
            for commit in commits {
                match commit.before {
                    None => insert_build(tx, commit).await?,
                    Some(_) => update_build(tx, commit).await?,
                }
                write_effects(tx, commit).await?;
            }
            for commit in commits {
                if let Some(room) = commit.room {
                    queue::check_room(tx, commit.after, &room).await?;
                }
                if let Some(revision) = commit.queue_revision {
                    grant_slot(tx, revision).await?;
                }
            }
            // Last: until the end of the transaction nobody else gets a sequence number.
            let mut sequence = 0;
            for commit in commits {
                sequence = append(tx, commit).await?;
            }
            Ok(sequence)
        }
    };
    let is_written = |sequence: &i64| {
        let sequence = *sequence;
        async move |tx: &DatabaseTransaction| is_appended(tx, last, sequence).await
    };
    match database.write_once(write, is_written).await {
        Ok(sequence) => counted(sequence),
        Err(error) if error.is_duplicate() => Err(taken(database, commits).await),
        Err(error) => Err(error.during("write a change")),
    }
}

async fn insert_build(tx: &DatabaseTransaction, commit: &Commit<'_>) -> Result<(), Failed> {
    let build = commit.after;
    let row = convert::build_row(build, commit.look_at)?;
    module_builds::Entity::insert(row).exec_without_returning(tx).await?;
    module_submissions::Entity::insert(convert::submission_row(build)?).exec_without_returning(tx).await?;
    module_build_requires::Entity::insert_many(convert::require_rows(build)).exec_without_returning(tx).await?;
    write_components(tx, commit.after, &[]).await
}

async fn update_build(tx: &DatabaseTransaction, commit: &Commit<'_>) -> Result<(), Failed> {
    use module_builds::Column;
    let (before, build) = (commit.before.map_or(0, |before| before.revision), commit.after);
    let row = convert::build_row(build, commit.look_at)?;
    let update = module_builds::Entity::update_many().set(row);
    let update = update.filter(Column::Id.eq(build.id.get())).filter(Column::Revision.eq(column(before)?));
    if update.exec(tx).await?.rows_affected == 0 {
        return Err(conflict(format!("build {} was changed meanwhile", build.id)).into());
    }
    let Some(before) = commit.before else { return Ok(()) };
    if Arc::ptr_eq(&before.submission, &build.submission) || before.submission == build.submission {
        write_components(tx, build, &before.components).await
    } else {
        replace_submission(tx, build).await
    }
}

/// Writes another submission of a build in the place of the one before, with its components and requires.
async fn replace_submission(tx: &DatabaseTransaction, build: &ModuleBuild) -> Result<(), Failed> {
    let id = build.id.get();
    module_submissions::Entity::update(convert::submission_row(build)?).exec(tx).await?;
    module_build_requires::Entity::delete_many().filter(module_build_requires::Column::BuildId.eq(id)).exec(tx).await?;
    module_build_requires::Entity::insert_many(convert::require_rows(build)).exec_without_returning(tx).await?;
    component_builds::Entity::delete_many().filter(component_builds::Column::BuildId.eq(id)).exec(tx).await?;
    write_components(tx, build, &[]).await
}

async fn write_components(
    tx: &DatabaseTransaction,
    build: &ModuleBuild,
    before: &[ComponentBuild],
) -> Result<(), Failed> {
    use component_builds::Column;
    let rows = convert::component_rows(before, build)?;
    for rows in rows.chunks(ROWS_AT_ONCE) {
        let mut replace = OnConflict::columns([Column::BuildId, Column::Position]);
        replace.update_columns([
            Column::State,
            Column::TaskId,
            Column::Nvr,
            Column::Attempt,
            Column::Reason,
            Column::SourceCommit,
            Column::Document,
        ]);
        let insert = component_builds::Entity::insert_many(rows.iter().cloned()).on_conflict(replace);
        insert.exec_without_returning(tx).await?;
    }
    Ok(())
}

async fn write_effects(tx: &DatabaseTransaction, commit: &Commit<'_>) -> Result<(), Failed> {
    for some in commit.effects.chunks(ROWS_AT_ONCE) {
        let rows: Result<Vec<_>, _> = some.iter().map(|effect| convert::effect_row(effect, commit.event.at)).collect();
        effects::Entity::insert_many(rows?).exec_without_returning(tx).await?;
    }
    if let Some(answered) = commit.answers {
        effects::Entity::delete_by_id(answered.to_string()).exec(tx).await?;
    }
    Ok(())
}

async fn grant_slot(tx: &DatabaseTransaction, revision: u64) -> Result<(), Failed> {
    use counters::Column;
    let revision = column(revision).map_err(|_| conflict("the queue never had that revision"))?;
    let update = counters::Entity::update_many().col_expr(Column::Value, Expr::col(Column::Value).add(1));
    let update = update.filter(Column::Name.eq("queue")).filter(Column::Value.eq(revision));
    match update.exec(tx).await?.rows_affected {
        0 => Err(conflict("the queue was changed meanwhile").into()),
        _ => Ok(()),
    }
}

/// Appends a line to the log and returns its number.
pub(crate) async fn append(tx: &DatabaseTransaction, commit: &Commit<'_>) -> Result<i64, Failed> {
    let sequence = next(tx, "log").await?;
    let row = events::ActiveModel {
        sequence: Set(sequence),
        build_id: Set(commit.after.id.get()),
        revision: Set(column(commit.after.revision)?),
        at: Set(commit.event.at.millis()),
        event: Set(convert::json(commit.event)?),
        announcements: Set(convert::json(&commit.announcements)?),
    };
    events::Entity::insert(row).exec_without_returning(tx).await?;
    Ok(sequence)
}

/// Tells whether a line is in the log, once whoever was appending has ended.
async fn is_appended(tx: &DatabaseTransaction, commit: &Commit<'_>, sequence: i64) -> Result<bool, Failed> {
    // Every commit holds this row from its last statement to its end. One whose answer was lost may still be under way
    // in the database; nothing is known before it has let go.
    counters::Entity::find_by_id("log").lock_exclusive().one(tx).await?;
    let Some(line) = events::Entity::find_by_id(sequence).one(tx).await? else { return Ok(false) };
    // Had the transaction been rolled back, its number would have been given to somebody else.
    Ok(line.build_id == commit.after.id.get()
        && line.revision == column(commit.after.revision)?
        && line.event == convert::json(commit.event)?)
}

/// Raises a counter and returns its value.
async fn next(tx: &DatabaseTransaction, name: &'static str) -> Result<i64, Failed> {
    use counters::Column;
    let update = counters::Entity::update_many().col_expr(Column::Value, Expr::col(Column::Value).add(1));
    let rows = update.filter(Column::Name.eq(name)).exec_with_returning(tx).await?;
    let row = rows.first().ok_or_else(|| corrupt(format_args!("the counter {name}")))?;
    Ok(row.value)
}

/// Tells whose row is in the way of a new build.
async fn taken(database: &Database, commits: &[&Commit<'_>]) -> StoreError {
    for commit in commits.iter().filter(|commit| commit.before.is_none()) {
        let nsvc = commit.after.nsvc();
        match load::find(database, nsvc).await {
            Ok(Some(build)) => {
                let kind = StoreErrorKind::Exists { id: build.id, state: build.state };
                return StoreError::new(kind, format!("{nsvc} exists as build {}", build.id));
            }
            Ok(None) => {}
            Err(error) => return error,
        }
    }
    conflict("a build of that id is there already")
}

fn conflict(message: impl Into<String>) -> StoreError {
    StoreError::new(StoreErrorKind::Conflict, message)
}
