//! SQLite's result codes; see <https://www.sqlite.org/rescode.html>.

use rida_core::StoreErrorKind;
use sea_orm::sqlx::error::DatabaseError;
use sea_orm::sqlx::sqlite::SqliteError;

/// Says what an answer of SQLite means; nothing when it is not one.
pub(super) fn meaning(error: &dyn DatabaseError) -> Option<StoreErrorKind> {
    /// The file is no database, or its pages contradict each other.
    const CORRUPT: i32 = 11;
    const NOT_A_DATABASE: i32 = 26;
    /// A statement that the schema does not allow: a table or column is missing, a constraint is broken.
    const ERROR: i32 = 1;
    const SCHEMA: i32 = 17;
    const CONSTRAINT: i32 = 19;
    const MISMATCH: i32 = 20;
    Some(match code(error)? {
        ERROR | CORRUPT | SCHEMA | CONSTRAINT | MISMATCH | NOT_A_DATABASE => StoreErrorKind::Corrupt,
        // Busy, locked, full, read-only, input and output, permission, memory: they pass or somebody mends them.
        _ => StoreErrorKind::Unavailable,
    })
}

/// Tells whether somebody else holds the lock that was asked for.
pub(super) fn is_busy(error: &dyn DatabaseError) -> bool {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    matches!(code(error), Some(BUSY | LOCKED))
}

/// Tells whether the disk had no room.
pub(super) fn is_full(error: &dyn DatabaseError) -> bool {
    const FULL: i32 = 13;
    code(error) == Some(FULL)
}

/// Tells whether the database may not be written.
pub(super) fn is_read_only(error: &dyn DatabaseError) -> bool {
    const READ_ONLY: i32 = 8;
    code(error) == Some(READ_ONLY)
}

/// Tells whether the disk, or the file system on it, does not do what it is asked for.
pub(super) fn is_broken(error: &dyn DatabaseError) -> bool {
    const INPUT_OUTPUT: i32 = 10;
    const CANNOT_OPEN: i32 = 14;
    matches!(code(error), Some(INPUT_OUTPUT | CANNOT_OPEN))
}

/// Returns the primary result code.
fn code(error: &dyn DatabaseError) -> Option<i32> {
    error.try_downcast_ref::<SqliteError>()?;
    let extended: i32 = error.code()?.parse().ok()?;
    Some(extended & 0xff)
}
