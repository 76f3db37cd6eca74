//! Announcing through the broker: one message at a time, each confirmed before the next, so that order holds across
//! anything that breaks in between.

use std::time::Duration;

use async_trait::async_trait;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::{Channel, Confirmation, Connection, ErrorKind};
use rida_core::{Announcement, PortError, Publisher, Receipt};
use tokio::sync::Mutex;

use super::link::{AmqpLink, Backoff};
use super::message::Message;
use crate::error::BusError;
use crate::ids::MessageIds;
use crate::topics::Topics;

/// How long the broker may take to confirm.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);

/// How to announce on fedora-messaging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpConfig {
    /// Where the broker is.
    pub link: AmqpLink,
    /// The exchange, `amq.topic` by custom.
    pub exchange: String,
    /// Hold announcements back while no queue is bound to their topic, instead of letting the broker forget them, which
    /// is what a topic exchange does with what nobody wants.
    pub needs_queue: bool,
}

impl AmqpConfig {
    /// Makes the configuration for a broker, with defaults for everything else.
    pub fn new(link: AmqpLink) -> Self {
        Self { link, exchange: "amq.topic".to_owned(), needs_queue: false }
    }
}

/// Announces on fedora-messaging.
pub struct AmqpPublisher {
    config: AmqpConfig,
    topics: Topics,
    ids: MessageIds,
    state: Mutex<State>,
    unrouted: std::sync::atomic::AtomicU64,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    backoff: Backoff,
}

/// A connection, with a channel on which the broker confirms.
struct Live {
    connection: Connection,
    channel: Channel,
}

/// What became of one try.
enum Tried {
    Confirmed,
    /// Confirmed, but there was no queue to put it into.
    Unrouted,
    /// The broker does not take this message; the channel is closed.
    Refused(PortError),
    /// Something broke; what became of the message is not known.
    Broken(PortError),
}

impl AmqpPublisher {
    /// Makes a publisher, which connects when it has something to say.
    ///
    /// # Errors
    /// When the configuration cannot be.
    pub fn new(config: AmqpConfig, topics: Topics, ids: MessageIds) -> Result<Self, BusError> {
        config.link.tls()?;
        if lapin::types::ShortString::try_new(config.exchange.as_str()).is_err() {
            return Err(BusError::Config("the name of the exchange is longer than 255 bytes".to_owned()));
        }
        Ok(Self { config, topics, ids, state: Mutex::default(), unrouted: 0.into() })
    }

    /// Returns how many messages the broker confirmed although no queue was bound to their topic: nobody gets them.
    pub fn unrouted(&self) -> u64 {
        self.unrouted.load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// As [`Publisher::publish`] has them.
    pub async fn send(&self, message: &Message) -> Result<Receipt, PortError> {
        let mut state = self.state.lock().await;
        if let Some(left) = state.backoff.left() {
            let message = format!("the broker is away; the next try is in {:.1} s", left.as_secs_f32());
            return Err(PortError::unavailable(message));
        }
        let live = match state.live.take() {
            Some(live) if live.channel.status().connected() => live,
            Some(Live { connection, .. }) if connection.status().connected() => match open(connection).await {
                Ok(live) => live,
                Err(error) => return Err(state.broke(error)),
            },
            Some(_) | None => match self.connect().await {
                Ok(live) => live,
                Err(error) => return Err(state.broke(error)),
            },
        };
        match self.try_once(&live, message).await {
            Tried::Confirmed => {
                state.keep(live);
                Ok(Receipt::Confirmed)
            }
            Tried::Unrouted => {
                state.keep(live);
                self.unrouted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if self.config.needs_queue {
                    return Err(PortError::unavailable("no queue is bound to the topic"));
                }
                Ok(Receipt::Confirmed)
            }
            Tried::Refused(error) => {
                // The channel is gone, the connection is good.
                state.keep(live);
                Err(error)
            }
            Tried::Broken(error) => Err(state.broke(error)),
        }
    }

    async fn connect(&self) -> Result<Live, PortError> {
        let connection = self.config.link.connect("rida publisher").await?;
        open(connection).await
    }

    async fn try_once(&self, live: &Live, message: &Message) -> Tried {
        let Message { routing_key, properties, payload } = message;
        let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
        let exchange = self.config.exchange.as_str().into();
        let confirmed = async {
            let publishing =
                live.channel.basic_publish(exchange, routing_key.clone(), options, payload, properties.clone());
            publishing.await?.await
        };
        match tokio::time::timeout(CONFIRM_TIMEOUT, confirmed).await {
            Ok(Ok(Confirmation::Ack(None))) => Tried::Confirmed,
            Ok(Ok(Confirmation::Ack(Some(_)))) => Tried::Unrouted,
            Ok(Ok(Confirmation::Nack(_))) => Tried::Broken(PortError::temporary("the broker did not take the message")),
            Ok(Ok(Confirmation::NotRequested)) => Tried::Broken(PortError::temporary("the broker confirms nothing")),
            Ok(Err(error)) => judge(error),
            Err(_) => Tried::Broken(PortError::unavailable("the broker does not confirm")),
        }
    }

    /// Ends the connection. A later message opens another.
    pub async fn close(&self) {
        if let Some(live) = self.state.lock().await.live.take() {
            let closing = live.connection.close(200, "the service ends".into());
            let _ = tokio::time::timeout(Duration::from_secs(2), closing).await;
        }
    }
}

impl State {
    fn keep(&mut self, live: Live) {
        self.backoff.succeeded();
        self.live = Some(live);
    }

    fn broke(&mut self, error: PortError) -> PortError {
        self.backoff.failed();
        self.live = None;
        error
    }
}

async fn open(connection: Connection) -> Result<Live, PortError> {
    let opened = async {
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    };
    let away = |error: lapin::Error| PortError::unavailable("the broker opens no channel").because(error);
    match tokio::time::timeout(CONFIRM_TIMEOUT, opened).await {
        Ok(channel) => Ok(Live { channel: channel.map_err(away)?, connection }),
        Err(_) => Err(PortError::unavailable("the broker does not answer")),
    }
}

/// Tells a message that the broker does not take from a connection that broke.
fn judge(error: lapin::Error) -> Tried {
    if let ErrorKind::ProtocolError(told) = error.kind()
        && let AMQPErrorKind::Soft(soft) = told.kind()
    {
        let refused = match soft {
            AMQPSoftError::ACCESSREFUSED => Some("the broker does not permit this topic to this user"),
            AMQPSoftError::CONTENTTOOLARGE | AMQPSoftError::PRECONDITIONFAILED => {
                Some("the broker does not take a message like this")
            }
            // An exchange that is missing is missed by every message: they wait until somebody makes it.
            _ => None,
        };
        if let Some(reason) = refused {
            return Tried::Refused(PortError::permanent(reason).because(error));
        }
    }
    Tried::Broken(PortError::unavailable("the connection to the broker broke").because(error))
}

#[async_trait]
impl Publisher for AmqpPublisher {
    /// Publishes an announcement; confirmed once every queue that it was put into has it on its disk.
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        self.send(&Message::of(announcement, &self.topics, &self.ids)?).await
    }
}
