//! The connections, and the one way to write.

use std::time::{Duration, Instant};

use rida_core::StoreError;
use sea_orm::sqlx::Connection;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, DatabaseConnection, DatabaseTransaction, SqliteTransactionMode};
use sea_orm::{TransactionOptions, TransactionTrait};
use sea_orm_migration::MigratorTrait;

use crate::config::{Durability, Location, StoreConfig};
use crate::error::{Failed, SetupError, is_busy};
use crate::memory::Memory;
use crate::migration::Migrator;
use crate::queries::effects;

/// How often the write lock is asked for. SQLite waits for most holders as long as it is told to, but answers at once
/// while another process recovers the journal.
const LOCK_TRIES: u32 = 3;

/// How long to wait for a connection that others of this process use, beside the time that they wait for the lock.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// An SQL database that keeps builds. Its clones share the connections.
#[derive(Clone, Debug)]
pub struct Database {
    /// Can only read: the database itself refuses anything else.
    pub(crate) readers: DatabaseConnection,
    /// One connection where the database has one writer at a time anyway: who waits does so in order, without polling.
    writer: DatabaseConnection,
    busy_timeout: Duration,
    pub(crate) memory: Memory,
}

impl Database {
    /// Opens the database. The tables are as they were: see [`Self::migrate`].
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn connect(config: &StoreConfig) -> Result<Self, SetupError> {
        let Location::Sqlite(file) = &config.location;
        let synchronous = match config.durability {
            Durability::Full => SqliteSynchronous::Full,
            Durability::Normal => SqliteSynchronous::Normal,
        };
        let (file, busy_timeout) = (file.clone(), config.busy_timeout);
        let configure = move |options: SqliteConnectOptions| {
            options
                .filename(&file)
                .journal_mode(SqliteJournalMode::Wal)
                .synchronous(synchronous)
                .foreign_keys(true)
                .busy_timeout(busy_timeout)
                // A burst of writes does not keep the disk space of its journal for ever.
                .pragma("journal_size_limit", "67108864")
        };

        let mut writing = options(1, busy_timeout.saturating_add(CONNECTION_TIMEOUT));
        let writer_options = configure.clone();
        writing.map_sqlx_sqlite_opts(move |options| writer_options(options).create_if_missing(true));
        // A full disk ends a transaction without the pool's knowledge. Such a connection is not used again: it would
        // take the next transaction for a part of that one.
        writing.map_sqlx_sqlite_before_acquire(|connection, _| {
            let clean = !connection.is_in_transaction();
            Box::pin(async move { Ok(clean) })
        });
        // The writer comes first: it makes the file.
        let writer = patiently(writing, busy_timeout).await?;

        let mut reading = options(config.readers.max(1), CONNECTION_TIMEOUT);
        reading.map_sqlx_sqlite_opts(move |options| configure(options).pragma("query_only", "ON"));
        let readers = patiently(reading, busy_timeout).await?;
        Ok(Self { readers, writer, busy_timeout, memory: Memory::new(config.remembered) })
    }

    /// Brings the tables to this version: all of it or nothing. Any number of processes may do so at once.
    ///
    /// # Errors
    /// When the tables are of a newer version than this software, or the database cannot be written.
    pub async fn migrate(&self) -> Result<(), SetupError> {
        // One transaction around all steps: who comes second waits, and finds nothing left to do.
        let migrated = self.write(async |tx| Ok(Migrator::up(tx, None).await?)).await;
        migrated.map_err(|error| SetupError::Migrate(error.during("migrate")))
    }

    /// Tells whether the tables are of this version.
    ///
    /// # Errors
    /// When the tables are of a newer version than this software, or the database cannot be read.
    pub async fn is_migrated(&self) -> Result<bool, SetupError> {
        let pending = Migrator::get_pending_migrations_read_only(&self.readers).await;
        let pending = pending.map_err(|error| SetupError::Migrate(Failed::from(error).during("read the version")))?;
        Ok(pending.is_empty())
    }

    /// Ends every lease, so that what workers who are gone were performing is due at once, and returns how many there
    /// were.
    ///
    /// Only for a process that is known to be the only one on this database, before it takes anything itself: what a
    /// worker still performs would be performed a second time meanwhile.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn release_leases(&self) -> Result<u64, StoreError> {
        effects::release(self).await
    }

    /// Closes all connections, and puts what is in the journal into the database file.
    pub async fn close(&self) {
        for pool in [&self.readers, &self.writer] {
            if let Err(error) = pool.close_by_ref().await {
                tracing::warn!(%error, "cannot close the database's connections");
            }
        }
    }

    /// Does all of `work` in one transaction, or none of it.
    ///
    /// The one way to write. The transaction has the write lock from its start on: one that takes it later fails at
    /// once when somebody else wrote in between, however long it is told to wait.
    pub(crate) async fn write<T>(
        &self,
        work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<T, Failed>,
    ) -> Result<T, Failed> {
        let tx = self.begin().await?;
        match work(&tx).await {
            Ok(done) => {
                tx.commit().await?;
                Ok(done)
            }
            Err(error) => {
                if let Err(error) = tx.rollback().await {
                    // A full disk has ended the transaction already; the pool drops a connection that has not.
                    tracing::debug!(%error, "cannot roll back");
                }
                Err(error)
            }
        }
    }

    async fn begin(&self) -> Result<DatabaseTransaction, Failed> {
        let options = TransactionOptions {
            sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
            ..TransactionOptions::default()
        };
        let (start, mut tries) = (Instant::now(), 1);
        loop {
            match self.writer.begin_with_options(options).await.map_err(Failed::from) {
                Err(error) if error.is_busy() && tries < LOCK_TRIES && start.elapsed() < self.busy_timeout => {
                    tracing::warn!(tries, "another process holds the database's write lock; asking again");
                    tries += 1;
                }
                begun => return begun,
            }
        }
    }
}

/// Connects, again while another process makes the database: SQLite does not wait for the lock that changes the journal.
async fn patiently(options: ConnectOptions, busy_timeout: Duration) -> Result<DatabaseConnection, SetupError> {
    let start = Instant::now();
    loop {
        match sea_orm::Database::connect(options.clone()).await {
            Err(error) if is_busy(&error) && start.elapsed() < busy_timeout => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            connected => return connected.map_err(SetupError::Connect),
        }
    }
}

fn options(connections: u32, acquire_timeout: Duration) -> ConnectOptions {
    let mut options = ConnectOptions::new("sqlite:");
    options
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(acquire_timeout)
        .test_before_acquire(false)
        .idle_timeout(None::<Duration>)
        .max_lifetime(None::<Duration>)
        .sqlx_logging(false);
    options
}

#[cfg(test)]
mod tests;
