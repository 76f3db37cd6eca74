//! Modules built in the double of Koji's hub.

#![expect(clippy::unwrap_used, reason = "in what tests share it is the assertion, as in the tests themselves")]

mod abandoned;
mod batches;
mod blocked;
mod changed;
mod check;
mod clean;
mod contract;
mod cost;
mod crashes;
mod flow;
mod following;
mod import;
mod measured;
mod outages;
mod policies;
mod races;
mod repositories;
mod reuse;
mod roots;
mod scratch;
mod starting;
mod whole;
mod world;
