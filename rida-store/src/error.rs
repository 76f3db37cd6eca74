//! What a failure of the database means.

mod postgres;
mod sqlite;

use std::io;

use rida_core::{StoreError, StoreErrorKind};
use sea_orm::sqlx;
use sea_orm::{DbErr, RuntimeErr, SqlErr};

/// The database could not be made ready.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// It cannot be opened.
    #[error("the database cannot be opened; check that its folder is there and may be written by this user")]
    Connect(#[source] DbErr),
    /// It cannot be reached.
    #[error(
        "the database {address} cannot be reached; check that PostgreSQL runs there, that the database exists, and that \
         this user may use it"
    )]
    Reach {
        /// Where it should be, without a password.
        address: String,
        /// Why.
        source: DbErr,
    },
    /// The database is of a kind that cannot be used.
    #[error("the database cannot be used: {0}")]
    Unfit(String),
    /// Another service has it for itself.
    #[error("another service uses the database file; stop it first, or give this one a data folder of its own")]
    InUse,
    /// No service can have it for itself.
    #[error("the file beside the database that keeps other services away cannot be locked")]
    Lock(#[source] io::Error),
    /// Its tables were brought to a version that this software does not know and cannot work with.
    #[error(
        "the database was brought to a newer version ({newest}) that this software is too old for; install the software \
         that did so, or a later one"
    )]
    TooNew {
        /// The newest step that the tables were brought through.
        newest: String,
    },
    /// Builds of another build system are recorded in it.
    #[error("the database belongs to the build system {theirs}, and this service has {ours}")]
    OtherBuildSystem {
        /// The build system whose builds it has.
        theirs: String,
        /// The one that it was to be used with.
        ours: String,
    },
    /// It cannot answer.
    #[error("the database cannot answer now")]
    Ask(#[source] StoreError),
    /// Its tables cannot be brought to this version.
    #[error("the database cannot be brought to this version; nothing of it was changed")]
    Migrate(#[source] StoreError),
}

/// A failure within a transaction, before it is known what it means for the caller.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The database said no.
    Database(DbErr),
    /// The store did.
    Store(StoreError),
}

impl From<DbErr> for Failed {
    fn from(error: DbErr) -> Self {
        Self::Database(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Failed {
    /// Tells whether a row with the same key is there.
    pub(crate) fn is_duplicate(&self) -> bool {
        matches!(self, Self::Database(error) if matches!(error.sql_err(), Some(SqlErr::UniqueConstraintViolation(_))))
    }

    /// Tells whether somebody else holds the lock that was asked for.
    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Database(error) if is_busy(error))
    }

    /// Tells what became of a transaction that ended so, and whether it may be tried again.
    pub(crate) fn fate(&self) -> Fate {
        match self {
            Self::Database(error) => postgres::fate(error),
            Self::Store(_) => Fate::Ended,
        }
    }

    /// Returns what people outside can be told of it: what only an administrator can mend, and concerns all writes.
    pub(crate) fn outside(&self) -> Option<&'static str> {
        match self {
            Self::Database(error) => outside(error),
            Self::Store(_) => None,
        }
    }

    /// Says what it means for who asked for the action, given as `read a build`.
    pub(crate) fn during(self, action: &str) -> StoreError {
        match self {
            Self::Store(error) => error,
            Self::Database(error) => {
                let kind = meaning(&error);
                let text = match kind {
                    StoreErrorKind::Corrupt => "what is stored does not fit this version",
                    _ => "the database cannot answer now",
                };
                let outside = outside(&error);
                StoreError::new(kind, format!("cannot {action}: {text}")).because(error).telling(outside)
            }
        }
    }
}

/// Makes the error of something stored that cannot be read back.
pub(crate) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("{what} is stored in a form that cannot be read"))
}

/// What became of a transaction that ended with an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The database rolled it back because of others; the same may go well at once.
    RolledBack,
    /// It was rolled back because a statement was prepared before the tables changed; a new connection prepares it anew.
    Outdated,
    /// The connection was lost. What was not committed is rolled back; whether a commit was done is not known.
    Lost,
    /// No answer came in time. Whether a commit was done is not known, and asking again would take as long.
    Silent,
    /// It was rolled back, and the same would end the same way for now.
    Ended,
}

fn meaning(error: &DbErr) -> StoreErrorKind {
    match error {
        DbErr::Conn(_) | DbErr::Exec(_) | DbErr::Query(_) => match sqlx_error(error) {
            Some(
                sqlx::Error::ColumnDecode { .. }
                | sqlx::Error::Decode(_)
                | sqlx::Error::ColumnNotFound(_)
                | sqlx::Error::TypeNotFound { .. },
            ) => StoreErrorKind::Corrupt,
            Some(sqlx::Error::Database(database)) => {
                let known = sqlite::meaning(&**database).or_else(|| postgres::meaning(&**database));
                known.unwrap_or(StoreErrorKind::Unavailable)
            }
            _ => StoreErrorKind::Unavailable,
        },
        DbErr::ConnectionAcquire(_) => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Corrupt,
    }
}

/// Returns what people outside can be told of an error: what only an administrator can mend.
fn outside(error: &DbErr) -> Option<&'static str> {
    const FULL: &str = "the disk of the server is full; its administrator can make room";
    const READ_ONLY: &str = "the database may not be written at this moment; the server's administrator can mend that";
    const BROKEN: &str = "the disk of the server refuses to be read or written; its administrator can look why";
    let database = sqlx_error(error)?.as_database_error()?;
    if sqlite::is_full(database) || postgres::is_full(database) {
        Some(FULL)
    } else if sqlite::is_read_only(database) || postgres::is_read_only(database) {
        Some(READ_ONLY)
    } else if sqlite::is_broken(database) {
        Some(BROKEN)
    } else {
        None
    }
}

fn sqlx_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(error))
        | DbErr::Exec(RuntimeErr::SqlxError(error))
        | DbErr::Query(RuntimeErr::SqlxError(error)) => Some(error),
        _ => None,
    }
}

/// Tells whether an error means that somebody else holds the lock that was asked for.
pub(crate) fn is_busy(error: &DbErr) -> bool {
    let database = sqlx_error(error).and_then(|error| error.as_database_error());
    database.is_some_and(|database| sqlite::is_busy(database) || postgres::is_busy(database))
}

/// Makes the error of an answer that did not come in time: the connection is as good as lost.
pub(crate) fn no_answer() -> DbErr {
    let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "the database did not answer in time");
    DbErr::Conn(RuntimeErr::SqlxError(sqlx::Error::Io(late).into()))
}
