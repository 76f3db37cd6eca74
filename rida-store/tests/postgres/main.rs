//! The store on a PostgreSQL that breaks off, goes away and comes back.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

mod access;
mod away;
mod cut;
mod held;
mod proxy;
