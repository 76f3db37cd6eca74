//! What a failure of the database means.

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
                StoreError::new(kind, format!("cannot {action}: {text}")).because(error)
            }
        }
    }
}

/// Makes the error of something stored that cannot be read back.
pub(crate) fn corrupt(what: impl std::fmt::Display) -> StoreError {
    StoreError::new(StoreErrorKind::Corrupt, format!("{what} is stored in a form that cannot be read"))
}

fn meaning(error: &DbErr) -> StoreErrorKind {
    /// The file is no database, or its pages contradict each other.
    const CORRUPT: i32 = 11;
    const NOT_A_DATABASE: i32 = 26;
    /// A statement that the schema does not allow: a table or column is missing, a constraint is broken.
    const ERROR: i32 = 1;
    const SCHEMA: i32 = 17;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    match error {
        DbErr::Conn(_) | DbErr::Exec(_) | DbErr::Query(_) => match sqlite_code(error) {
            Some(ERROR | CORRUPT | SCHEMA | CONSTRAINT | MISMATCH | NOT_A_DATABASE) => StoreErrorKind::Corrupt,
            // Busy, locked, full, read-only, input and output, permission, memory: they pass or somebody mends them.
            Some(_) => StoreErrorKind::Unavailable,
            None => match sqlx_error(error) {
                Some(
                    sqlx::Error::ColumnDecode { .. }
                    | sqlx::Error::Decode(_)
                    | sqlx::Error::ColumnNotFound(_)
                    | sqlx::Error::TypeNotFound { .. },
                ) => StoreErrorKind::Corrupt,
                _ => StoreErrorKind::Unavailable,
            },
        },
        DbErr::ConnectionAcquire(_) => StoreErrorKind::Unavailable,
        _ => StoreErrorKind::Corrupt,
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
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    matches!(sqlite_code(error), Some(BUSY | LOCKED))
}

/// Returns SQLite's primary result code; see <https://www.sqlite.org/rescode.html>.
fn sqlite_code(error: &DbErr) -> Option<i32> {
    let database = sqlx_error(error)?.as_database_error()?;
    database.try_downcast_ref::<sqlx::sqlite::SqliteError>()?;
    let extended: i32 = database.code()?.parse().ok()?;
    Some(extended & 0xff)
}
