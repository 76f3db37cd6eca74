//! The deployable service of the Rida module build orchestrator.
//!
//! [`Service`] is the orchestrator behind its HTTP interface, on whatever ports it is given: who embeds Rida with a
//! build system of their own starts here. [`App`] is the same on the adapters that a [`config::Config`] names, which is
//! what the program `rida-http` runs.
//!
//! # The interface
//! [`ROUTES`] is the table of routes. Each path is good with and without a slash at its end.
//!
//! | request | answer |
//! |---|---|
//! | `GET /rida/module-builds/` | `[{"id": 41, "state": "done"}, …]`, all of it, streamed; filters, `order_by`, `order_desc_by`, `page` and `per_page` (with `Link`), `verbose=true` |
//! | `POST /rida/module-builds/` | `{"scmurl": …, "branch"?: …, "owner"?: …}` → 201, `Location`, `{"id": 42, …}`; waits for the check of the sources for a while, with `Prefer: respond-async` not at all |
//! | `GET /rida/module-builds/{id}` | `{"id": 42, "state": "build", "tasks": {"rpms/foo": "6378/closed"}}`; `verbose=true` tells everything |
//! | `PATCH /rida/module-builds/{id}` | `{"state": "failed"}` cancels, `{"state": "ready"}` marks ready; the states' codes are good, too |
//! | `GET /rida/module-builds/{id}/logs/{component}` | the log as plain text; `offset`, `attempt`, `follow=true` |
//! | `GET /healthz`, `GET /readyz` | whether the process lives, and whether it takes work |
//! | `GET /metrics` | what was counted, for Prometheus |
//!
//! `HEAD` works wherever `GET` does, `OPTIONS` everywhere. Every error is JSON,
//! `{"status": 422, "error": "Unprocessable Entity", "message": "…"}`, with `problems` and `id` where there are such:
//!
//! | status | when |
//! |---|---|
//! | 400 | the request is not valid: its body (also one that is too large, too slow or compressed), its parameters, or a change that is not possible in the build's state |
//! | 403 | the repository is not in the allow-list, or a web page of another site asks for a change |
//! | 404 | there is nothing at the URL |
//! | 409 | the NSVC was built or is being built; `id` is that build |
//! | 422 | the modulemd is not valid, or it or components cannot be retrieved; `problems` has all of them, `id` the build when there is one |
//! | 500 | something unexpected; the message has the id that the log has it under |
//! | 501 | nothing handles the method at the URL; `Allow` tells which are |
//! | 503 | not now, with `Retry-After`: shutdown, maintenance, the store or git is away, the queue is full |
//!
//! What is no HTTP, or has a head that is too large, is answered with a bare 400 or 431 before any of this.

pub mod cli;
pub mod commands;
pub mod config;
pub mod telemetry;

mod api;
mod app;
#[cfg(feature = "fedmsg")]
mod bus;
mod clock;
mod dialect;
mod files;
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
pub mod fuzzing;
#[cfg(feature = "koji")]
mod koji;
mod metrics;
mod publisher;
mod pulse;
mod reply;
mod request_id;
mod routes;
mod serve;
mod service;
mod status;
mod worker;

pub use app::{App, StartError};
#[cfg(feature = "fedmsg")]
pub use bus::Hints;
pub use clock::SystemClock;
#[cfg(feature = "koji")]
pub use koji::{CleanUpSettings, KojiSettings};
pub use metrics::Metrics;
pub use publisher::{JsonLines, Lines};
pub use pulse::{Beats, Pulse};
pub use reply::ApiError;
pub use routes::{About, Api, ApiSettings, Caller, Endpoint, ROUTES, Route, routes};
pub use serve::{ServerLimits, serve};
pub use service::{Service, ServiceSettings};
pub use status::{MAINTENANCE_FILE, Status};
pub use worker::{Feeds, Reader, WorkerSettings, work};
