//! What a server process is told.

use serde::{Deserialize, Serialize};

/// What a server process is told, in an environment variable.
#[derive(Serialize, Deserialize)]
pub(crate) struct Told {
    pub(crate) listen: String,
    pub(crate) farm: String,
    pub(crate) database: String,
    pub(crate) lines: String,
    /// The file in which each process notes what it is about to publish.
    pub(crate) notes: String,
    pub(crate) modules: u64,
}

/// The variable.
pub(crate) const TOLD: &str = "RIDA_SEVERAL_SERVER";
