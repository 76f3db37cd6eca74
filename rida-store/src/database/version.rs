//! The version of the tables, and whom the database belongs to.

use rida_core::StoreError;
use sea_orm::{ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait};
use sea_orm_migration::{MigratorTrait, SchemaManager, seaql_migrations};

use super::Database;
use crate::entities::settings;
use crate::error::{Failed, SetupError, corrupt};
use crate::migration::{Migrator, NEEDED_STEPS};

/// The setting that names the build system whose builds are recorded.
const BUILD_SYSTEM: &str = "build_system";

/// Taken by whoever changes the tables; `rida` in letters.
const MIGRATION_LOCK: i64 = 0x7269_6461;

impl Database {
    /// Brings the tables to this version: all of it or nothing. Afterwards columns are filled in that rows of earlier
    /// versions do not have yet. Any number of processes may do so at once.
    ///
    /// Tables of a newer version are left as they are when this software can work with them.
    ///
    /// # Errors
    /// When the tables are of a newer version that this software cannot work with, or the database cannot be written.
    pub async fn migrate(&self) -> Result<(), SetupError> {
        // Changing large tables may take its time, and so may waiting for who does it.
        let patient = Self { answer_timeout: None, ..self.clone() };
        // One transaction around all steps: who comes second waits, and finds nothing left to do.
        let migrated = patient.write(|| {
            async |tx| {
                if tx.get_database_backend() == DbBackend::Postgres {
                    // Waiting for a table may not take its time: whoever uses the table next waits behind.
                    let lock = format!(
                        "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0; \
                     SELECT pg_advisory_xact_lock({MIGRATION_LOCK}); SET LOCAL lock_timeout TO DEFAULT"
                    );
                    tx.execute_unprepared(&lock).await?;
                }
                Migrator::install(tx).await?;
                let newer = newer(tx).await?;
                if newer.is_none() {
                    Migrator::up(tx, None).await?;
                }
                Ok(newer)
            }
        });
        match migrated.await {
            Ok(None) => patient.fill().await.map_err(|error| SetupError::Migrate(error.during("fill columns in"))),
            Ok(Some(newer)) => newer.judge(),
            Err(error) => Err(SetupError::Migrate(error.during("migrate"))),
        }
    }

    /// Tells whether the tables are of this version, or of a newer one that this software can work with.
    ///
    /// # Errors
    /// When the tables are of a newer version that this software cannot work with, or the database cannot be read.
    pub async fn is_migrated(&self) -> Result<bool, SetupError> {
        let looked = self.read(|| {
            async |connection| {
                if !SchemaManager::new(connection).has_table("seaql_migrations").await? {
                    return Ok((0, None));
                }
                Ok((applied(connection).await?.len(), newer(connection).await?))
            }
        });
        let (applied, newer) = looked.await.map_err(|error| SetupError::Ask(error.during("read the version")))?;
        match newer {
            Some(newer) => newer.judge().map(|()| true),
            None => Ok(applied == Migrator::migrations().len()),
        }
    }

    /// Records which build system the builds in this database are built by, when none is recorded yet. With another
    /// one, their tasks and packages would not be found.
    ///
    /// # Errors
    /// When another one is recorded, or the database cannot be written.
    pub async fn belong_to(&self, build_system: &str) -> Result<(), SetupError> {
        let ours = crate::convert::plain(build_system);
        let claimed = self.write(|| {
            async |tx| {
                let row = settings::ActiveModel { name: Set(BUILD_SYSTEM.to_owned()), value: Set(ours.clone()) };
                let insert = settings::Entity::insert(row).on_conflict_do_nothing_on([settings::Column::Name]);
                insert.exec_without_returning(tx).await?;
                let row = settings::Entity::find_by_id(BUILD_SYSTEM).one(tx).await?;
                Ok(row.ok_or_else(|| corrupt("the build system"))?.value)
            }
        });
        let theirs = claimed.await.map_err(|error| SetupError::Ask(error.during("record the build system")))?;
        if theirs == ours { Ok(()) } else { Err(SetupError::OtherBuildSystem { theirs, ours }) }
    }

    /// Tells whether the database can answer, and this software can still work with its tables.
    pub(crate) async fn check_version(&self) -> Result<(), Failed> {
        let needed = self.read(|| async |connection| needed(connection).await).await?;
        if needed > known() {
            let message = "the database was brought to a newer version that this software is too old for";
            return Err(StoreError::new(rida_core::StoreErrorKind::Corrupt, message).into());
        }
        Ok(())
    }
}

/// Tables that were brought through steps which this software does not know.
struct Newer {
    newest: String,
    /// How many steps software must know to work with them.
    needed: usize,
}

impl Newer {
    fn judge(self) -> Result<(), SetupError> {
        if self.needed > known() {
            return Err(SetupError::TooNew { newest: self.newest });
        }
        tracing::info!(newest = self.newest, "the database is of a newer version, which this software can work with");
        Ok(())
    }
}

fn known() -> usize {
    Migrator::migrations().len()
}

async fn newer(connection: &impl ConnectionTrait) -> Result<Option<Newer>, Failed> {
    let ours: Vec<String> = Migrator::migrations().iter().map(|step| step.name().to_owned()).collect();
    let unknown = applied(connection).await?.into_iter().filter(|step| !ours.contains(step)).max();
    let Some(newest) = unknown else { return Ok(None) };
    Ok(Some(Newer { newest, needed: needed(connection).await? }))
}

/// Returns the steps that the tables were brought through.
async fn applied(connection: &impl ConnectionTrait) -> Result<Vec<String>, Failed> {
    let applied = seaql_migrations::Entity::find().all(connection).await?;
    Ok(applied.into_iter().map(|step| step.version).collect())
}

async fn needed(connection: &impl ConnectionTrait) -> Result<usize, Failed> {
    let row = settings::Entity::find_by_id(NEEDED_STEPS).one(connection).await?;
    let row = row.ok_or_else(|| corrupt("the version of the tables"))?;
    Ok(row.value.parse().map_err(|_| corrupt("the version of the tables"))?)
}
