//! The deployable service of the Rida module build orchestrator.
//!
//! [`Service`] is the orchestrator behind its HTTP interface, on whatever ports it is given: who embeds Rida with a
//! build system of their own starts here.

pub mod cli;
pub mod config;
pub mod telemetry;

mod api;
mod clock;
mod publisher;
mod pulse;
mod reply;
mod request_id;
mod routes;
mod serve;
mod service;
mod status;
mod worker;

pub use clock::SystemClock;
pub use publisher::{JsonLines, Lines};
pub use pulse::{Beats, Pulse};
pub use reply::ApiError;
pub use routes::{Api, ApiSettings, Endpoint, ROUTES, Route, routes};
pub use serve::{ServerLimits, serve};
pub use service::{Service, ServiceSettings};
pub use status::{MAINTENANCE_FILE, Status};
pub use worker::{WorkerSettings, work};
