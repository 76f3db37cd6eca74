//! Connections to a PostgreSQL server.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sea_orm::sqlx::Connection;
use sea_orm::sqlx::postgres::PgConnectOptions;
use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, DbBackend, DbErr, RuntimeErr, Statement};

use crate::address::PostgresUrl;
use crate::config::{Durability, StoreConfig};
use crate::error::SetupError;

/// How long a connection may lie idle before it is looked at anew: the server may have been restarted meanwhile.
const TRUSTED: Duration = Duration::from_secs(1);

/// How long a connection that is given back may take to show that somebody is still there.
const ALIVE: Duration = Duration::from_secs(5);

/// How long a connection is used at most, so that none holds on to a server that others have left.
const LIFETIME: Duration = Duration::from_secs(1800);

/// How long a connection that nobody needs is kept.
const IDLE: Duration = Duration::from_secs(300);

/// The oldest version of PostgreSQL that is let pass; the tests run on what the distribution has.
const OLDEST: i32 = 120_000;

/// Opens the connections that write, and those that read.
pub(super) async fn connect(
    url: &PostgresUrl,
    config: &StoreConfig,
    outdated: &Outdated,
) -> Result<(DatabaseConnection, DatabaseConnection), SetupError> {
    let reach = |source: DbErr| SetupError::Reach { address: url.to_string(), source };
    let unreadable = |error| reach(DbErr::Conn(RuntimeErr::SqlxError(std::sync::Arc::new(error))));
    let session = session(url.options().map_err(unreadable)?, config);
    let writing = options(config.writers, config, outdated, session.clone());
    let reading = options(config.readers, config, outdated, session.options([("default_transaction_read_only", "on")]));
    let writers = sea_orm::Database::connect(writing).await.map_err(reach)?;
    let readers = sea_orm::Database::connect(reading).await.map_err(reach)?;
    check_server(&readers).await?;
    Ok((writers, readers))
}

/// Sets what holds in every session, whatever the server's own settings are.
fn session(options: PgConnectOptions, config: &StoreConfig) -> PgConnectOptions {
    let millis = |time: Duration| time.as_millis().clamp(1, 2_147_483_647).to_string();
    let named = options.get_application_name().is_some();
    let options = if named { options } else { options.application_name("rida") };
    options.options([
        // What is read and written within one transaction relies on row locks and on conditions that are looked at
        // again once they are held.
        ("default_transaction_isolation", "read committed".to_owned()),
        ("statement_timeout", millis(config.statement_timeout)),
        ("lock_timeout", millis(config.busy_timeout)),
        // Somebody who was cut off in the middle of a transaction holds nobody up for longer than that.
        ("idle_in_transaction_session_timeout", millis(config.busy_timeout / 2)),
        (
            "synchronous_commit",
            match config.durability {
                Durability::Full => "on".to_owned(),
                Durability::Normal => "off".to_owned(),
            },
        ),
    ])
}

/// Knows which connections are not to be used any more, because they have prepared statements for tables of before.
#[derive(Clone, Debug, Default)]
pub(super) struct Outdated(Arc<Mutex<Option<Instant>>>);

impl Outdated {
    /// Lets all connections be that there are.
    pub(super) fn all_until_now(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is(&self, age: Duration) -> bool {
        let until = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_some_and(|until| age >= until.elapsed())
    }
}

fn options(connections: u32, config: &StoreConfig, outdated: &Outdated, session: PgConnectOptions) -> ConnectOptions {
    let outdated = outdated.clone();
    // The address stays out of here: what is here is shown in traces.
    let mut options = ConnectOptions::new("postgres://localhost/");
    options
        .max_connections(connections.max(1))
        .min_connections(0)
        .connect_timeout(config.connect_timeout)
        .acquire_timeout(config.connect_timeout)
        .test_before_acquire_if_idle_for(TRUSTED)
        .idle_timeout(Some(IDLE))
        .max_lifetime(Some(LIFETIME))
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(move |_| session.clone())
        .map_sqlx_postgres_before_acquire(move |_, connection| {
            let usable = !outdated.is(connection.age);
            Box::pin(async move { Ok(usable) })
        })
        .map_sqlx_postgres_pool_opts(|pool| {
            pool.after_release(|connection, _| {
                // The pool asks, too, but waits for the answer as long as the network does: a quarter of an hour.
                let asked = tokio::time::timeout(ALIVE, connection.ping());
                Box::pin(async move { Ok(matches!(asked.await, Ok(Ok(())))) })
            })
        });
    options
}

/// Refuses a server that is too old, and a database that cannot keep every text.
async fn check_server(connection: &DatabaseConnection) -> Result<(), SetupError> {
    let sql = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding'), \
               current_setting('server_version')";
    let unknown = |error: DbErr| SetupError::Ask(crate::error::Failed::from(error).during("ask for its version"));
    let row = connection.query_one_raw(Statement::from_string(DbBackend::Postgres, sql)).await.map_err(unknown)?;
    let Some(row) = row else { return Ok(()) };
    let (number, encoding, version): (i32, String, String) =
        sea_orm::TryGetableMany::try_get_many_by_index(&row).map_err(|error| unknown(error.into()))?;
    if number < OLDEST {
        return Err(SetupError::Unfit(format!("it is PostgreSQL {version}, and 12 is the oldest that serves")));
    }
    if encoding != "UTF8" {
        return Err(SetupError::Unfit(format!("its encoding is {encoding}; create it with ENCODING 'UTF8'")));
    }
    Ok(())
}
