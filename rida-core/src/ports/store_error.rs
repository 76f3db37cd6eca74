//! Why a store could not answer.

use super::store::QueueFull;
use crate::id::BuildId;
use crate::state::BuildState;

/// What a failed store call means for who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Somebody else changed the build, or the queue, first. Load it and decide again.
    Conflict,
    /// Another build has this NSVC.
    Exists {
        /// That build.
        id: BuildId,
        /// Its state.
        state: BuildState,
    },
    /// The queue has no room for another build.
    QueueFull(QueueFull),
    /// The store cannot answer now; it may later. Nothing was written, or what was is whole: who does not know asks.
    Unavailable,
    /// What is stored cannot be read, or not by this version of the software.
    Corrupt,
}

/// A store call failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
    outside: Option<&'static str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// Makes an error of a kind, with a text for the log.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), outside: None, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what people outside can be told of the cause.
    #[must_use]
    pub const fn telling(mut self, outside: Option<&'static str>) -> Self {
        self.outside = outside;
        self
    }

    /// Returns what people outside can be told of the cause, where there is more to say than that the store failed.
    pub const fn outside(&self) -> Option<&'static str> {
        self.outside
    }

    /// Returns what the failure means for who made the call.
    pub const fn kind(&self) -> &StoreErrorKind {
        &self.kind
    }
}
