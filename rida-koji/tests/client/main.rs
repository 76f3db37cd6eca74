//! The client against the double of the hub.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod answers;
mod calls;
mod certificates;
mod hostile;
mod koji_client;
mod profiles;
mod recorded;
mod tls;
