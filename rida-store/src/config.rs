//! Where the database is and how it is used.

use std::path::PathBuf;
use std::time::Duration;

use crate::address::PostgresUrl;

/// The settings of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreConfig {
    /// Where the database is.
    pub location: Location,
    /// How many callers may read at once; at least one.
    pub readers: u32,
    /// How many callers may write at once, at least one. SQLite has one writer at a time, whatever this says.
    pub writers: u32,
    /// What a crash of the machine may cost.
    pub durability: Durability,
    /// How many components of builds that were used lately are kept in memory, so that they are not read again; 0 when
    /// another process may write to the same database, whose changes would be seen late.
    pub remembered: usize,
    /// How long to wait for somebody else's write before the store counts as unavailable.
    pub busy_timeout: Duration,
    /// How long to wait for a connection to PostgreSQL: a free one, or one to a server that is just being started.
    pub connect_timeout: Duration,
    /// How long PostgreSQL may take for one statement.
    pub statement_timeout: Duration,
}

/// Where a database is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// An SQLite file, which is made when it is not there; its folder must be.
    Sqlite(PathBuf),
    /// A PostgreSQL database, which must be there; its tables are made.
    Postgres(PostgresUrl),
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
        Self::new(Location::Sqlite(file.into()))
    }

    /// Returns the settings for a PostgreSQL database, with the defaults for everything else.
    pub fn postgres(url: PostgresUrl) -> Self {
        Self::new(Location::Postgres(url))
    }

    /// Returns the settings for a database, with the defaults for everything else.
    pub fn new(location: Location) -> Self {
        Self {
            location,
            readers: 4,
            writers: 4,
            remembered: 0,
            durability: Durability::default(),
            busy_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(30),
        }
    }
}
