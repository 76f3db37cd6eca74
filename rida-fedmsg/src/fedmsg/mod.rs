//! fedmsg: signed envelopes over ZeroMQ. Nothing confirms what is sent here.

pub mod envelope;
pub mod sign;
pub mod verify;

mod door;
mod listener;
mod listeners;
mod probe;
mod publisher;
mod renewed;
mod socket;
mod zmtp;

pub use self::listener::{FedmsgListener, FedmsgListenerConfig};
pub use self::probe::probe;
pub use self::publisher::{FedmsgConfig, FedmsgPublisher, Way};
