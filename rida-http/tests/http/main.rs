//! The interface over real connections to a real server, on ports in memory.

#![expect(clippy::unwrap_used, reason = "in the helpers of tests, too, it is an assertion")]

mod changing;
mod ending;
mod expansion;
mod golden;
mod harness;
mod hostile;
mod limits;
mod logs;
mod metrics;
mod reading;
mod recording;
mod routes_page;
mod scratch;
mod service;
mod service_golden;
mod service_lists;
mod store;
mod strategies;
mod submitting;
mod table;
mod working;
mod world;
