//! PostgreSQL servers for tests and benchmarks: each in a temporary folder, on a free port of this machine, gone when the
//! test process is gone.
//!
//! The server refuses to run as root, so that it runs as `postgres` or `nobody` then. Its default collation orders text
//! as a language does, so that a test notices who relies on the order of bytes without saying so.

mod cluster;
mod programs;

pub use cluster::{Cluster, Settings, TestDatabase};
