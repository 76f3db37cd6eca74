//! Koji for the Rida module build orchestrator.
//!
//! [`Client`] is a client of Koji's hub that is of use on its own: XML-RPC ([`xmlrpc`]), sessions, logins, uploads, and
//! the rules of what may be sent again. [`wire`] has the shapes of the hub's answers. [`KojiBuildSystem`] builds modules
//! with it.

#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;
pub mod xmlrpc;

mod build_system;
mod check;
mod client;
mod config;
mod error;
mod map;
#[cfg(feature = "kerberos")]
mod negotiate;
mod profile;

pub use build_system::{CleanUp, CleanUpError, Cleaned, KojiBuildSystem};
pub use check::{Finding, Verdict, check};
pub use client::{CallReport, Canonical, Client, ClientConfig, Kerberos, Login, Outcome, Version};
pub use config::{ImportConfig, KojiConfig, Tagging};
pub use error::{KojiError, KojiErrorKind, fault};
#[cfg(feature = "kerberos")]
pub use negotiate::negotiate;
pub use profile::Profile;
