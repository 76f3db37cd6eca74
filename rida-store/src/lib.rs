//! Persistence for the Rida module build orchestrator: a [`Store`](rida_core::Store) in SQLite or PostgreSQL.
//!
//! ```no_run
//! # async fn start() -> Result<(), rida_store::SetupError> {
//! use rida_store::{Database, StoreConfig};
//!
//! let database = Database::connect(&StoreConfig::sqlite("/var/lib/rida/rida.db")).await?;
//! database.migrate().await?;
//! # Ok(())
//! # }
//! ```
//!
//! State, instructions and the log line of a change are written in one transaction. What is queried is a column; what
//! is only read back is a JSON document beside it: the submission in a table of its own, which no list touches.
//! [`Database::integrity_check`] tells where columns and documents differ.

mod address;
mod config;
mod convert;
mod database;
mod entities;
mod error;
mod integrity;
mod memory;
mod migration;
mod queries;
mod store;

pub use address::{PostgresUrl, PostgresUrlError};
pub use config::{Durability, Location, StoreConfig};
pub use database::Database;
pub use error::SetupError;
