//! fedora-messaging: persistent messages through an AMQP broker, which confirms each.

pub mod message;

mod connecting;
mod link;
mod listener;
mod probe;
mod publisher;
mod words;

pub use self::link::AmqpLink;
pub use self::listener::{AmqpListener, AmqpListenerConfig};
pub use self::probe::probe;
pub use self::publisher::{AmqpConfig, AmqpPublisher};
