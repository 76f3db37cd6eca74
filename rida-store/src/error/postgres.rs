//! PostgreSQL's error codes; see <https://www.postgresql.org/docs/current/errcodes-appendix.html>.

use rida_core::StoreErrorKind;
use sea_orm::DbErr;
use sea_orm::sqlx;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::postgres::PgDatabaseError;

use super::{Fate, sqlx_error};

/// Says what an answer of PostgreSQL means; nothing when it is not one.
pub(super) fn meaning(error: &dyn DatabaseError) -> Option<StoreErrorKind> {
    Some(kind(code(error)?))
}

fn kind(code: &str) -> StoreErrorKind {
    match code {
        // A statement that was prepared before the tables changed; the next connection prepares it anew.
        "0A000" => StoreErrorKind::Unavailable,
        // Who this service is has no right to it, or no longer; somebody mends that.
        "42501" => StoreErrorKind::Unavailable,
        // Damaged files and indexes.
        "XX001" | "XX002" => StoreErrorKind::Corrupt,
        _ => match class(code) {
            // A value that does not fit, a broken constraint, a missing table or column, a statement that is none.
            "21" | "22" | "23" | "42" => StoreErrorKind::Corrupt,
            // The connection, a password, a database that is not there, conflicts with others, locks, no room, no
            // memory, too many connections, a shutdown, a standby, input and output: they pass or somebody mends them.
            _ => StoreErrorKind::Unavailable,
        },
    }
}

/// Tells whether somebody else holds the lock that was asked for.
pub(super) fn is_busy(error: &dyn DatabaseError) -> bool {
    const LOCK_NOT_AVAILABLE: &str = "55P03";
    code(error) == Some(LOCK_NOT_AVAILABLE)
}

/// Tells whether the disk had no room.
pub(super) fn is_full(error: &dyn DatabaseError) -> bool {
    const DISK_FULL: &str = "53100";
    code(error) == Some(DISK_FULL)
}

/// Tells whether the database may not be written: a standby, or one that was made so.
pub(super) fn is_read_only(error: &dyn DatabaseError) -> bool {
    const READ_ONLY_TRANSACTION: &str = "25006";
    code(error) == Some(READ_ONLY_TRANSACTION)
}

/// Tells what became of a transaction.
pub(super) fn fate(error: &DbErr) -> Fate {
    match sqlx_error(error) {
        Some(sqlx::Error::Database(error)) => code(&**error).map_or(Fate::Ended, fate_of),
        Some(sqlx::Error::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut => Fate::Silent,
        // The connection broke, or what came over it made no sense.
        Some(sqlx::Error::Io(_) | sqlx::Error::Protocol(_)) => Fate::Lost,
        // No connection was to be had, which was waited for already.
        _ => Fate::Ended,
    }
}

fn fate_of(code: &str) -> Fate {
    /// Who waited for each other, or wrote what the other had read.
    const SERIALIZATION: &str = "40001";
    const DEADLOCK: &str = "40P01";
    /// The database ended a transaction that stood still for too long, and its connection.
    const STOOD_STILL: &str = "25P03";
    const COMPLETION_UNKNOWN: &str = "40003";
    const PREPARED_FOR_OTHER_TABLES: &str = "0A000";
    match code {
        SERIALIZATION | DEADLOCK | STOOD_STILL => Fate::RolledBack,
        PREPARED_FOR_OTHER_TABLES => Fate::Outdated,
        // A shutdown, which may be told of after a commit was done.
        "57P01" | "57P02" | "57P03" | "57P05" | COMPLETION_UNKNOWN => Fate::Lost,
        _ if class(code) == "08" => Fate::Lost,
        _ => Fate::Ended,
    }
}

/// Returns the first two characters, which name the class.
fn class(code: &str) -> &str {
    code.get(..2).unwrap_or(code)
}

fn code(error: &dyn DatabaseError) -> Option<&str> {
    error.try_downcast_ref::<PgDatabaseError>().map(PgDatabaseError::code)
}

#[cfg(test)]
mod tests;
