//! Git as the source of modules and components: real repositories and servers, honest and hostile.

#![expect(clippy::unwrap_used, reason = "in what tests share it is the assertion, as in the tests themselves")]

mod components;
mod contract;
mod defaults;
mod export;
mod hostile;
mod hostile_cache;
mod modulemd;
mod pack;
mod server;
mod support;
