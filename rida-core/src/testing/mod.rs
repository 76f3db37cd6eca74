//! In-memory ports, contract suites and the simulated world.

mod memory_store;
pub mod sample;
pub mod store_contract;

pub use memory_store::MemoryStore;
