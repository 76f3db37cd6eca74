//! Adapters of the Rida module build orchestrator that run programs on this machine.

pub mod git;
pub mod process;

mod build_system;
mod config;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
mod layout;
mod lookaside;
mod mock;
mod network;
mod repo;
mod rpmbuild;
mod sandbox;
mod spec;
mod srpm;
mod tasks;

pub use build_system::LocalBuildSystem;
pub use config::{BackendChoice, BuildLimits, LocalConfig, SandboxChoice};
