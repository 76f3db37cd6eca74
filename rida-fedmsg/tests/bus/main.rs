//! The buses with those who really listen and speak on them: programs from PyPI, and a RabbitMQ of the tests' own.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

mod amqp;
mod amqp_faults;
mod amqp_listening;
mod broker;
mod by_hand;
mod fedmsg;
mod fedmsg_listening;
mod hostile;
mod programs;
mod reconnecting;
mod relay;

use std::path::PathBuf;

use rida_core::Announcement;
use rida_core::testing::sample;

/// Returns a file of the tests' authority.
fn authority(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/authority").join(file)
}

/// Everything that is announced of one build that succeeds and one that fails, in turns.
fn announcements() -> Vec<Announcement> {
    let lives = [
        sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:20261123:c0ffee")),
        sample::life_to_failed(sample::id(2), sample::nsvc("lua:5.4:20261124:c0ffee")),
    ];
    lives.into_iter().flatten().flat_map(|written| written.announcements).collect()
}

/// Returns a port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
