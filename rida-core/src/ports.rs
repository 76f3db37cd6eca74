//! The ports: what the core needs of the world, as traits.
//!
//! Every method says what holds once it has returned. Adapters implement them; [`crate::testing`] has each in memory,
//! with the contract suite that every implementation passes. The feature `mock` makes a mockall double of each port to
//! the outside, for tests whose subject is the interaction itself; prefer the ports in memory.
mod build_system;
mod publisher;
mod scm;
mod store;
mod store_error;
mod stored;

#[cfg(feature = "mock")]
pub use self::build_system::MockBuildSystem;
pub use self::build_system::{BuildSystem, LogChunk, Remarks};
#[cfg(feature = "mock")]
pub use self::publisher::MockPublisher;
pub use self::publisher::{Publisher, Receipt};
#[cfg(feature = "mock")]
pub use self::scm::MockScm;
pub use self::scm::{ComponentCheck, DefaultsFile, FetchedDefaults, FetchedModulemd, Scm};
pub use self::store::{Commit, DonorQuery, LeaseTimes, LookTimes, QueueFull, QueueRoom, Store};
pub use self::store_error::{StoreError, StoreErrorKind};
pub use self::stored::{
    BaseModuleFilter, BuildFilter, BuildSummary, ComponentFilter, ComponentQuery, ComponentSummary, ListQuery, LogLine,
    OrderKey, PendingEffect, Queue, QueuedBuild, TakenEffect, WorkerId,
};
