//! The interface over real connections to a real server, on ports in memory.

mod changing;
mod ending;
mod golden;
mod harness;
mod limits;
mod logs;
mod reading;
mod store;
mod submitting;
mod table;
mod world;
