//! The service and the buses: builds with and without messages, and the commands about readers of the log.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

#[expect(dead_code, reason = "the tests of rida-fedmsg need more of it")]
#[path = "../../../rida-fedmsg/tests/bus/broker.rs"]
mod broker;
#[path = "../../../rida-fedmsg/tests/bus/by_hand.rs"]
mod by_hand;
mod closing;
mod commands;
#[path = "../program/daemon.rs"]
mod daemon;
#[expect(dead_code, reason = "the tests of rida-koji need more of it")]
#[path = "../../../rida-koji/tests/build/flow.rs"]
mod flow;
mod hints;
mod koji;
mod processes;
#[expect(dead_code, reason = "the tests of rida-fedmsg need more of it")]
#[path = "../../../rida-fedmsg/tests/bus/programs.rs"]
mod programs;
#[expect(dead_code, reason = "other tests of the program need more of it")]
#[path = "../program/running.rs"]
mod running;
mod service;
#[expect(dead_code, reason = "the tests of rida-koji need more of it")]
#[path = "../../../rida-koji/tests/build/world.rs"]
mod world;

use std::path::{Path, PathBuf};

/// Returns a file of the authority that the tests of the buses have.
fn authority(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../rida-fedmsg/tests/fixtures/authority").join(file)
}

/// Returns a port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
