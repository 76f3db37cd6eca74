//! The buses around the Rida module build orchestrator: [`fedmsg`] (ZeroMQ, signed envelopes) and its successor
//! fedora-messaging ([`amqp`]).
//!
//! Both announce what the core's log says, as [`Publisher`](rida_core::Publisher)s with bodies that listeners of the
//! Module Build Service read ([`body`]), and both bring the build system's own messages in, as hints that it is to be
//! asked ([`incoming`]). `docs/bus.md` tells what each promises.
//!
//! ```no_run
//! # fn open(link: rida_fedmsg::amqp::AmqpLink) -> Result<(), rida_fedmsg::BusError> {
//! use rida_fedmsg::amqp::{AmqpConfig, AmqpPublisher};
//! use rida_fedmsg::{MessageIds, Topics};
//!
//! let topics = Topics::new("org.example", "prod", "mbs")?;
//! let publisher = AmqpPublisher::new(AmqpConfig::new(link), topics, MessageIds::new("rida.example.org"))?;
//! # Ok(())
//! # }
//! ```

pub mod amqp;
pub mod body;
pub mod fedmsg;
pub mod incoming;
pub mod json;

mod again;
mod error;
mod ids;
mod topics;

pub use error::BusError;
pub use ids::{MessageIds, without_year};
pub use incoming::{Inbox, Incoming, Received, Receiver};
pub use topics::Topics;

use rida_core::error_chain as chain;
