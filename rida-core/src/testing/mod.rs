//! In-memory ports, contract suites and the simulated world.

pub mod build_system_contract;
mod clock;
mod faults;
mod memory_build_system;
mod memory_publisher;
mod memory_scm;
mod memory_store;
pub mod publisher_contract;
mod random;
pub mod sample;
pub mod scm_contract;
pub mod simulation;
pub mod store_contract;
mod store_layer;

pub use clock::TestClock;
pub use faults::{Fates, Faulty, Outage};
pub use memory_build_system::{Course, MemoryBuildSystem};
pub use memory_publisher::MemoryPublisher;
pub use memory_scm::MemoryScm;
pub use memory_store::MemoryStore;
pub use random::Random;
pub use store_layer::{Layered, StoreLayer};
