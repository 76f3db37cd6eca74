//! Adapters of the Rida module build orchestrator that run programs on this machine.

pub mod process;
