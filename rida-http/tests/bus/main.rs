//! The service and the buses: builds with and without messages, and the commands about readers of the log.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

mod commands;
mod hints;
mod service;
