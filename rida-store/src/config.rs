//! Where the database is and how it is used.

use std::path::PathBuf;
use std::time::Duration;

/// The settings of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where the database is.
    pub location: Location,
    /// How many callers may read at once; at least one.
    pub readers: u32,
    /// What a crash of the machine may cost.
    pub durability: Durability,
    /// How many components of builds that were used lately are kept in memory, so that they are not read again; 0 when
    /// another process may write to the same database, whose changes would be seen late.
    pub remembered: usize,
    /// How long to wait for somebody else's write before the store counts as unavailable.
    pub busy_timeout: Duration,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// An SQLite file, which is made when it is not there; its folder must be.
    Sqlite(PathBuf),
}

/// What a crash of the machine may cost. A crash of the process alone never costs anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Durability {
    /// Nothing: a change is on the disk before it counts as written.
    #[default]
    Full,
    /// The last changes, though never a part of one; writes are a few times faster.
    Normal,
}

impl StoreConfig {
    /// Returns the settings for an SQLite file, with the defaults for everything else.
    pub fn sqlite(file: impl Into<PathBuf>) -> Self {
        Self {
            location: Location::Sqlite(file.into()),
            readers: 4,
            remembered: 0,
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(10),
        }
    }
}
