//! Looking for contradictions in what is stored.

use std::collections::BTreeMap;

use rida_core::{BuildId, Effect, ModuleBuild, StoreError, StoreErrorKind, Timestamp};
use sea_orm::{
    ColumnTrait, ConnectionTrait, DatabaseConnection, DbBackend, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    Statement, TryIntoModel,
};

use crate::convert;
use crate::database::Database;
use crate::entities::{component_builds, counters, effects, events, module_builds};
use crate::error::Failed;
use crate::queries::load;

/// How many problems are told at most.
const MOST: usize = 100;

/// How many rows are read at once.
const ROWS_AT_ONCE: u64 = 200;

impl Database {
    /// Reads everything that is stored and returns what contradicts itself or cannot be read, in words; nothing when
    /// all is well. At most 100 problems are told. Takes time and reads the whole database; the service may go on.
    ///
    /// # Errors
    /// When the database cannot answer.
    pub async fn integrity_check(&self) -> Result<Vec<String>, StoreError> {
        let mut found = Vec::new();
        let checked = self.check_file(&mut found).await;
        told(&mut found, "the database file", checked)?;
        let checked = self.check_builds(&mut found).await;
        told(&mut found, "the builds", checked)?;
        let checked = self.check_log(&mut found).await;
        told(&mut found, "the log", checked)?;
        let checked = self.check_effects(&mut found).await;
        told(&mut found, "the instructions", checked)?;
        found.truncate(MOST);
        Ok(found)
    }

    /// Asks the database itself.
    async fn check_file(&self, found: &mut Vec<String>) -> Result<(), Failed> {
        let backend = self.backend();
        if backend != DbBackend::Sqlite {
            return Ok(());
        }
        for row in self.readers.query_all_raw(Statement::from_string(backend, "PRAGMA integrity_check(100)")).await? {
            let message: String = row.try_get_by_index(0)?;
            if message != "ok" {
                found.push(format!("the database file is damaged: {message}"));
            }
        }
        for row in self.readers.query_all_raw(Statement::from_string(backend, "PRAGMA foreign_key_check")).await? {
            let table: String = row.try_get_by_index(0)?;
            found.push(format!("a row of {table} belongs to a build that is not there"));
        }
        Ok(())
    }

    async fn check_builds(&self, found: &mut Vec<String>) -> Result<(), Failed> {
        let mut last = i64::MIN;
        while found.len() < MOST {
            let some = module_builds::Entity::find()
                .filter(module_builds::Column::Id.gt(last))
                .order_by_asc(module_builds::Column::Id)
                .limit(ROWS_AT_ONCE);
            let rows = self.read(|| async |connection| Ok(some.clone().all(connection).await?)).await?;
            let Some(end) = rows.last() else { break };
            last = end.id;
            for row in rows {
                self.check_build(row, found).await?;
            }
        }
        Ok(())
    }

    async fn check_build(&self, row: module_builds::Model, found: &mut Vec<String>) -> Result<(), Failed> {
        let loaded = match BuildId::new(row.id) {
            Some(id) => load::load(self, id).await,
            None => Err(crate::error::corrupt(format_args!("the build id {}", row.id))),
        };
        let build = match loaded {
            Ok(Some(build)) => build,
            Ok(None) => return Ok(()),
            Err(error) if *error.kind() == StoreErrorKind::Corrupt => {
                found.push(error.to_string());
                return Ok(());
            }
            Err(error) => return Err(error.into()),
        };
        // Who changed it meanwhile wrote row and document together.
        if i64::try_from(build.revision).ok() != Some(row.revision) {
            return Ok(());
        }
        let look_at = row.look_at.map(Timestamp::from_millis);
        let expected = convert::build_row(&build, look_at)?.try_into_model()?;
        if expected != row {
            found.push(format!("the columns of build {} differ from its document", row.id));
        }
        self.check_components(&build, found).await
    }

    async fn check_components(&self, build: &ModuleBuild, found: &mut Vec<String>) -> Result<(), Failed> {
        let of_build = component_builds::Entity::find()
            .filter(component_builds::Column::BuildId.eq(build.id.get()))
            .order_by_asc(component_builds::Column::Position);
        let rows = self.read(|| async |connection| Ok(of_build.clone().all(connection).await?)).await?;
        for (row, (index, component)) in rows.into_iter().zip(build.components.iter().enumerate()) {
            let expected = convert::component_row(build, index, component)?;
            // A component that changed meanwhile has another document.
            let same_document = convert::json(component)? == row.document;
            if same_document && expected.try_into_model()? != row {
                found.push(format!(
                    "the columns of component {} of build {} differ from its document",
                    row.name, build.id
                ));
            }
        }
        Ok(())
    }

    async fn check_log(&self, found: &mut Vec<String>) -> Result<(), Failed> {
        let mut last = 0;
        let mut revisions: BTreeMap<i64, i64> = BTreeMap::new();
        while found.len() < MOST {
            let some = events::Entity::find()
                .filter(events::Column::Sequence.gt(last))
                .order_by_asc(events::Column::Sequence)
                .limit(ROWS_AT_ONCE);
            let rows = self.read(|| async |connection| Ok(some.clone().all(connection).await?)).await?;
            let Some(end) = rows.last() else { break };
            let end = end.sequence;
            for row in rows {
                if row.sequence != last + 1 {
                    found.push(format!("the log has nothing between its lines {last} and {}", row.sequence));
                }
                last = row.sequence;
                if let Err(error) = convert::log_line(&row) {
                    found.push(error.to_string());
                }
                if revisions.insert(row.build_id, row.revision).is_some_and(|before| before >= row.revision) {
                    found.push(format!("line {} of the log has an older revision of build {}", last, row.build_id));
                }
            }
            last = end;
        }
        let log =
            || async |connection: &DatabaseConnection| Ok(counters::Entity::find_by_id("log").one(connection).await?);
        let counter = self.read(log).await?;
        if counter.is_none_or(|counter| counter.value < last) {
            found.push(format!("the log has line {last}, which was never given out"));
        }
        Ok(())
    }

    async fn check_effects(&self, found: &mut Vec<String>) -> Result<(), Failed> {
        for row in self.read(|| async |connection| Ok(effects::Entity::find().all(connection).await?)).await? {
            let read = convert::parse::<Effect>(&row.effect, format_args!("instruction {}", row.id));
            match read {
                Ok(effect) if effect.id.to_string() == row.id => {}
                Ok(_) => found.push(format!("the columns of instruction {} differ from its document", row.id)),
                Err(error) => found.push(error.to_string()),
            }
        }
        Ok(())
    }
}

/// Tells of a check that could not come to its end because of what it met.
fn told(found: &mut Vec<String>, what: &str, checked: Result<(), Failed>) -> Result<(), StoreError> {
    let Err(error) = checked else { return Ok(()) };
    let error = error.during(&format!("check {what}"));
    match error.kind() {
        StoreErrorKind::Corrupt => {
            let source = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            found.push(format!("{error}: {source}"));
            Ok(())
        }
        _ => Err(error),
    }
}
