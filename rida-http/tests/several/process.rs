//! A server process of the test `several`, which starts and kills it. It is an example, so that it is built with the tests.

#![expect(clippy::unwrap_used, reason = "in the helpers of tests, too, it is an assertion")]

mod modules;
mod remote;
mod server;
mod sources;
mod told;

fn main() {
    server::run();
}
