//! Instructions and their leases, and when builds are looked at.

use rida_core::{
    BuildId, BuildState, EffectId, LeaseTimes, LookTimes, PendingEffect, StoreError, TakenEffect, Timestamp, WorkerId,
};
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, SimpleExpr};
use sea_orm::{ColumnTrait, Condition, DatabaseTransaction, EntityTrait};
use sea_orm::{QueryFilter, QueryOrder, QuerySelect, Select, SelectExt};

use crate::convert::{self, plain};
use crate::database::Database;
use crate::entities::{effects, module_builds};
use crate::error::Failed;

/// How many rows are taken at once at most; databases limit the values of a statement.
const MOST: usize = 1000;

/// How much of an error is kept with an instruction.
const ERROR_CHARACTERS: usize = 2000;

/// Leases due instructions to a worker, oldest first.
pub(crate) async fn take(
    database: &Database,
    worker: &WorkerId,
    times: LeaseTimes,
    limit: usize,
) -> Result<Vec<TakenEffect>, StoreError> {
    take_rows(database, worker, times, limit).await.map_err(|error| error.during("lease instructions"))
}

async fn take_rows(
    database: &Database,
    worker: &WorkerId,
    times: LeaseTimes,
    limit: usize,
) -> Result<Vec<TakenEffect>, Failed> {
    use effects::Column;
    let (due, until) = (past(Column::DueAt, times.now, times.latest).map(|due| due_effects(due, times)), times.until);
    // Who only looks leaves the writers alone.
    if limit == 0 || !any(database, &due).await? {
        return Ok(Vec::new());
    }
    let due = due.map(|due| {
        due.order_by_asc(Column::DueAt)
            .order_by_asc(Column::BuildId)
            .order_by_asc(Column::Number)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
    });
    let take = || {
        async |tx: &DatabaseTransaction| {
            let mut taken = Vec::new();
            for due in &due {
                if taken.len() < limit {
                    taken.extend(due.clone().limit(rows(limit - taken.len())).all(tx).await?);
                }
            }
            let update = effects::Entity::update_many()
                .col_expr(Column::LeaseOwner, Expr::value(plain(&worker.0)))
                .col_expr(Column::LeaseUntil, Expr::value(until.millis()))
                .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1))
                .filter(Column::Id.is_in(ids(&taken)));
            update.exec(tx).await?;
            Ok(taken)
        }
    };
    // What was leased and not learnt of would wait for the end of the lease.
    let is_leased = |taken: &Vec<effects::Model>| {
        // By their keys alone: a condition on the lease would be judged before the lock is waited for.
        let named = effects::Entity::find().filter(Column::Id.is_in(ids(taken))).lock_exclusive();
        let (all, owner) = (taken.len(), plain(&worker.0));
        async move |tx: &DatabaseTransaction| {
            let ours = |row: &effects::Model| {
                row.lease_owner.as_deref() == Some(&*owner) && row.lease_until == Some(until.millis())
            };
            Ok(named.all(tx).await?.iter().filter(|row| ours(row)).count() == all)
        }
    };
    let taken = database.write_once(take, is_leased).await?;
    Ok(taken.into_iter().filter_map(taken_effect).collect())
}

fn ids(rows: &[effects::Model]) -> impl Iterator<Item = &str> {
    rows.iter().map(|row| row.id.as_str())
}

fn due_effects(due: SimpleExpr, LeaseTimes { now, latest, .. }: LeaseTimes) -> Select<effects::Entity> {
    use effects::Column;
    let ended = past(Column::LeaseUntil, now, latest).into_iter().fold(Condition::any(), Condition::add);
    effects::Entity::find().filter(due).filter(ended.add(Column::LeaseUntil.is_null()))
}

/// A time that has come, and one that nobody gives whose clock is right. They are asked for one after the other: an
/// index finds the first few of each, and not of both together.
fn past(column: impl ColumnTrait, now: Timestamp, latest: Timestamp) -> [SimpleExpr; 2] {
    [column.lte(now.millis()), column.gt(latest.max(now).millis())]
}

/// Tells whether there is a row of any of these.
async fn any<E: EntityTrait>(database: &Database, selects: &[Select<E>; 2]) -> Result<bool, Failed> {
    let exists = database.read(|| {
        async |connection| {
            let [first, second] = selects;
            Ok(first.clone().exists(connection).await? || second.clone().exists(connection).await?)
        }
    });
    exists.await
}

/// Returns the instructions of a build that are not answered yet.
pub(crate) async fn pending(database: &Database, id: BuildId) -> Result<Vec<PendingEffect>, StoreError> {
    use effects::Column;
    let rows = effects::Entity::find().filter(Column::BuildId.eq(id.get())).order_by_asc(Column::Number);
    let rows = database.read(|| async |connection| Ok(rows.clone().all(connection).await?)).await;
    let rows = rows.map_err(|error| error.during("read the instructions of a build"))?;
    let pending = |row: effects::Model| {
        Ok(PendingEffect {
            effect: convert::parse(&row.effect, format_args!("instruction {}", row.id))?,
            due: Timestamp::from_millis(row.due_at),
            attempts: u32::try_from(row.attempts).unwrap_or(u32::MAX),
            error: row.last_error,
        })
    };
    rows.into_iter().map(pending).collect()
}

/// Reads an instruction back. One that cannot be read stays leased and is told of: it must not hold up the others.
fn taken_effect(row: effects::Model) -> Option<TakenEffect> {
    let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
    let (attempts, failures) = (count(row.attempts), count(row.failures));
    match convert::parse(&row.effect, format_args!("instruction {}", row.id)) {
        Ok(effect) => Some(TakenEffect { effect, attempts, failures }),
        Err(error) => {
            tracing::error!(%error, effect.id = row.id, "an instruction cannot be read and is left alone");
            None
        }
    }
}

/// How many leases are renewed by one statement.
const RENEWED_AT_ONCE: usize = 100;

/// Moves the end of the leases that a worker holds of these instructions.
pub(crate) async fn renew(
    database: &Database,
    worker: &WorkerId,
    ids: &[EffectId],
    until: Timestamp,
) -> Result<(), StoreError> {
    use effects::Column;
    if ids.is_empty() {
        return Ok(());
    }
    let named = |id: &EffectId| Column::BuildId.eq(id.build.get()).and(Column::Number.eq(i64::from(id.number)));
    let renewed = database.write(|| {
        async |tx| {
            for some in ids.chunks(RENEWED_AT_ONCE) {
                let update = effects::Entity::update_many()
                    .col_expr(Column::LeaseUntil, Expr::value(until.millis()))
                    .filter(Column::LeaseOwner.eq(plain(&worker.0)))
                    .filter(some.iter().map(named).fold(Condition::any(), Condition::add));
                update.exec(tx).await?;
            }
            Ok(())
        }
    });
    renewed.await.map_err(|error: Failed| error.during("renew leases"))
}

/// Ends all leases, whoever holds them, and returns how many there were.
pub(crate) async fn release(database: &Database) -> Result<u64, StoreError> {
    use effects::Column;
    let update = effects::Entity::update_many()
        .col_expr(Column::LeaseOwner, Expr::value(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<i64>))
        .filter(Column::LeaseUntil.is_not_null());
    let released = database.write(|| async |tx| Ok(update.clone().exec(tx).await?)).await;
    released.map(|released| released.rows_affected).map_err(|error| error.during("end leases"))
}

/// Gives a leased instruction back.
pub(crate) async fn retry(
    database: &Database,
    worker: &WorkerId,
    id: EffectId,
    due: Timestamp,
    failures: u32,
    error: &str,
) -> Result<(), StoreError> {
    use effects::Column;
    let error: String = plain(error).chars().take(ERROR_CHARACTERS).collect();
    let update = effects::Entity::update_many()
        .col_expr(Column::DueAt, Expr::value(due.millis()))
        .col_expr(Column::LeaseOwner, Expr::value(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<i64>))
        .col_expr(Column::Failures, Expr::value(i64::from(failures)))
        .col_expr(Column::LastError, Expr::value(error))
        .filter(Column::Id.eq(id.to_string()))
        .filter(Column::LeaseOwner.eq(plain(&worker.0)));
    let given = database.write(|| async |tx| Ok(update.clone().exec(tx).await?)).await;
    given.map(|_| ()).map_err(|error| error.during("give an instruction back"))
}

/// Removes an instruction.
pub(crate) async fn remove(database: &Database, id: EffectId) -> Result<(), StoreError> {
    let delete = effects::Entity::delete_by_id(id.to_string());
    let removed = database.write(|| async |tx| Ok(delete.clone().exec(tx).await?)).await;
    removed.map(|_| ()).map_err(|error| error.during("remove an instruction"))
}

/// Returns builds that it is time to look at, and moves that time.
pub(crate) async fn take_builds(
    database: &Database,
    times: LookTimes,
    limit: usize,
) -> Result<Vec<BuildId>, StoreError> {
    let taken = take_build_rows(database, times, limit).await;
    taken
        .and_then(|ids| ids.into_iter().map(|id| Ok(convert::build_id(id)?)).collect::<Result<Vec<_>, Failed>>())
        .map_err(|error| error.during("take builds to look at"))
}

async fn take_build_rows(database: &Database, times: LookTimes, limit: usize) -> Result<Vec<i64>, Failed> {
    use module_builds::Column;
    let LookTimes { now, building, others, latest } = times;
    let due = past(Column::LookAt, now, latest).map(|due| module_builds::Entity::find().filter(due));
    let builds = Column::State.eq(i32::from(BuildState::Build.code()));
    let next = Expr::case(builds, building.millis()).finally(others.millis());
    if limit == 0 || !any(database, &due).await? {
        return Ok(Vec::new());
    }
    let due = due.map(|due| {
        due.select_only()
            .column(Column::Id)
            .order_by_asc(Column::LookAt)
            .order_by_asc(Column::Id)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
    });
    database
        .write(|| {
            async |tx| {
                let mut ids: Vec<i64> = Vec::new();
                for due in &due {
                    if ids.len() < limit {
                        ids.extend(due.clone().limit(rows(limit - ids.len())).into_tuple::<i64>().all(tx).await?);
                    }
                }
                let update = module_builds::Entity::update_many()
                    .col_expr(Column::LookAt, next.clone().into())
                    .filter(Column::Id.is_in(ids.iter().copied()));
                update.exec(tx).await?;
                Ok(ids)
            }
        })
        .await
}

fn rows(limit: usize) -> u64 {
    u64::try_from(limit.min(MOST)).unwrap_or(u64::MAX)
}
