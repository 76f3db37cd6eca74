//! Connections to an SQLite file.

use std::path::Path;
use std::time::{Duration, Instant};

use sea_orm::sqlx::Connection;
use sea_orm::sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sea_orm::{ConnectOptions, DatabaseConnection};

use crate::config::{Durability, StoreConfig};
use crate::error::{SetupError, is_busy};

/// How long to wait for a connection that others of this process use, beside the time that they wait for the lock.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);

/// Opens the connection that writes, and those that read.
pub(super) async fn connect(
    file: &Path,
    config: &StoreConfig,
) -> Result<(DatabaseConnection, DatabaseConnection), SetupError> {
    let synchronous = match config.durability {
        Durability::Full => SqliteSynchronous::Full,
        Durability::Normal => SqliteSynchronous::Normal,
    };
    let (file, busy_timeout) = (file.to_owned(), config.busy_timeout);
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
    Ok((writer, readers))
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
