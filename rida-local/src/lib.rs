//! Adapters of the Rida module build orchestrator that run programs on this machine.

pub mod git;
pub mod process;

mod lookaside;
mod network;
mod spec;
