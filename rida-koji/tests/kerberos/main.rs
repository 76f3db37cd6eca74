//! Logins by Kerberos, with a real KDC, against the double of the hub and against Apache as hubs have it.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

mod apache;
#[path = "../client/certificates.rs"]
mod certificates;
mod login;
mod realm;
mod trouble;
mod world;

/// The program that speaks with Kerberos.
const HELPER: &str = env!("CARGO_BIN_EXE_rida-koji-negotiate");
