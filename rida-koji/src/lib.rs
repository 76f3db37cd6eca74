//! Koji for the Rida module build orchestrator.
//!
//! [`Client`] is a client of Koji's hub that is of use on its own: XML-RPC ([`xmlrpc`]), sessions, logins, uploads, and
//! the rules of what may be sent again. [`wire`] has the shapes of the hub's answers.

pub mod wire;
pub mod xmlrpc;

mod client;
mod error;

pub use client::{CallReport, Client, ClientConfig, Login, Outcome, Version};
pub use error::{KojiError, KojiErrorKind, fault};
#[cfg(feature = "testing")]
pub mod testing;
