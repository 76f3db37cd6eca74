//! Announcing through the broker: one message at a time, each confirmed before the next, so that order holds across
//! anything that breaks in between.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use lapin::types::ShortString;
use lapin::{Channel, Confirmation, Connection, ConnectionStatus, ErrorKind};
use rida_core::{Announcement, PortError, PortErrorKind, Publisher, Receipt};
use tokio::sync::Mutex;

use super::link::{AmqpLink, Backoff};
use super::message::Message;
use crate::error::BusError;
use crate::ids::MessageIds;
use crate::topics::Topics;

/// How long the broker may take to confirm.
const CONFIRM_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked meanwhile whether the broker has said that it takes nothing.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// The wait after a queue has refused a message; it doubles with each further time. Those that took it get it again.
const FIRST_REFUSED: Duration = Duration::from_secs(10);
/// The longest of these waits.
const LONGEST_REFUSED: Duration = Duration::from_secs(300);

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
    unrouted: AtomicU64,
    held: AtomicU64,
}

#[derive(Default)]
struct State {
    live: Option<Live>,
    backoff: Backoff,
    /// The topics of which it was told that no queue is bound to them.
    unrouted: BTreeSet<ShortString>,
    /// Why the last try failed, which holds until the next.
    why: Option<Why>,
}

/// What is left of an error for those who come before the next try.
struct Why {
    kind: PortErrorKind,
    message: String,
    cause: Option<String>,
}

impl Why {
    fn of(error: &PortError) -> Self {
        let cause = std::error::Error::source(error).map(crate::chain);
        Self { kind: error.kind(), message: error.message().to_owned(), cause }
    }

    fn error(&self) -> PortError {
        let error = PortError::new(self.kind, self.message.as_str());
        match &self.cause {
            Some(cause) => error.because(cause.as_str()),
            None => error,
        }
    }
}

/// A connection, with a channel on which the broker confirms.
struct Live {
    connection: Connection,
    channel: Channel,
    /// What was written, or waits to be, when the broker stopped to take anything.
    unconfirmed: Option<Box<Unconfirmed>>,
}

impl Live {
    /// Tells whether the broker said that it takes nothing now: its memory or its disk is full.
    ///
    /// Nothing is written to such a connection, not even its end, and the broker may read later what was written. So it
    /// is kept: another one would be one more that hangs, and what is in flight on this one would be told twice.
    fn is_blocked(&self) -> bool {
        is_blocked(self.connection.status())
    }

    fn start(&self, exchange: &str, message: &Message) -> Box<Unconfirmed> {
        let (channel, exchange, sent) = (self.channel.clone(), ShortString::from(exchange), message.clone());
        let confirmed = async move {
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let Message { routing_key, properties, payload } = sent;
            channel.basic_publish(exchange, routing_key, options, &payload, properties).await?.await
        };
        Box::new(Unconfirmed { message: message.clone(), confirmed: Box::pin(confirmed) })
    }
}

/// A message in flight.
struct Unconfirmed {
    message: Message,
    confirmed: Pin<Box<dyn Future<Output = lapin::Result<Confirmation>> + Send>>,
}

/// What became of one try.
enum Tried {
    Confirmed,
    /// Confirmed, but there was no queue to put it into.
    Unrouted,
    /// The broker does not take this message; the channel is closed.
    Refused(PortError),
    /// A queue that is bound does not take this message now; others have it.
    Full,
    /// The broker takes nothing now, and may take this later.
    Blocked(Box<Unconfirmed>),
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
        if config.exchange.is_empty() || ShortString::try_new(config.exchange.as_str()).is_err() {
            return Err(BusError::Config("the name of the exchange has 1 to 255 bytes".to_owned()));
        }
        Ok(Self { config, topics, ids, state: Mutex::default(), unrouted: 0.into(), held: 0.into() })
    }

    /// Returns how many messages the broker confirmed although no queue was bound to their topic: nobody gets them.
    pub fn unrouted(&self) -> u64 {
        self.unrouted.load(Ordering::Relaxed)
    }

    /// Returns how often a message was held back because no queue was bound to its topic, each try counted.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Publishes a message.
    ///
    /// # Errors
    /// As [`Publisher::publish`] has them.
    pub async fn send(&self, message: &Message) -> Result<Receipt, PortError> {
        let mut state = self.state.lock().await;
        if let Some(why) = state.why.as_ref().filter(|_| state.backoff.left().is_some()) {
            return Err(why.error());
        }
        loop {
            let mut live = self.live(&mut state).await?;
            let earlier = live.unconfirmed.take();
            if earlier.is_none() && live.is_blocked() {
                return Err(state.waits(live));
            }
            // One after the other, also across the time in which the broker took nothing.
            let is_this = earlier.as_ref().is_none_or(|earlier| earlier.message == *message);
            let unconfirmed = earlier.unwrap_or_else(|| live.start(&self.config.exchange, message));
            let topic = unconfirmed.message.routing_key.clone();
            match settle(live.connection.status().clone(), unconfirmed).await {
                Tried::Confirmed => {
                    state.keep(live);
                    state.is_routed(topic, true);
                    if is_this {
                        return Ok(Receipt::Confirmed);
                    }
                }
                Tried::Unrouted => {
                    state.keep(live);
                    state.is_routed(topic, false);
                    if is_this && self.config.needs_queue {
                        self.held.fetch_add(1, Ordering::Relaxed);
                        return Err(PortError::unavailable("no queue is bound to the topic"));
                    }
                    if is_this {
                        self.unrouted.fetch_add(1, Ordering::Relaxed);
                        return Ok(Receipt::Confirmed);
                    }
                }
                Tried::Refused(error) => {
                    // The channel is gone, the connection is good.
                    state.keep(live);
                    if is_this {
                        return Err(error);
                    }
                }
                Tried::Full => {
                    // The connection is good, too.
                    state.live = Some(live);
                    return Err(state.full());
                }
                Tried::Blocked(unconfirmed) => {
                    live.unconfirmed = Some(unconfirmed);
                    return Err(state.waits(live));
                }
                Tried::Broken(error) => return Err(state.broke(error)),
            }
        }
    }

    /// Takes the connection, or what is left of it, or makes one.
    async fn live(&self, state: &mut State) -> Result<Live, PortError> {
        let opened = match state.live.take() {
            Some(live) if live.is_blocked() || is_open(&live) => return Ok(live),
            Some(Live { connection, .. }) if connection.status().connected() => open(connection).await,
            Some(_) | None => self.connect().await,
        };
        opened.map_err(|error| state.broke(error))
    }

    async fn connect(&self) -> Result<Live, PortError> {
        let connection = self.config.link.connect("rida publisher").await?;
        open(connection).await
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

    /// Tells when nobody gets what is announced under a topic, and when that is over: once, and not of each message.
    fn is_routed(&mut self, topic: ShortString, is_routed: bool) {
        if is_routed {
            if self.unrouted.remove(&topic) {
                tracing::info!(%topic, "a queue is bound to the topic now");
            }
        } else if !self.unrouted.contains(&topic) {
            tracing::warn!(%topic, "no queue is bound to the topic: nobody gets what the broker confirms");
            self.unrouted.insert(topic);
        }
    }

    /// Keeps the connection for the time when the broker takes messages again.
    fn waits(&mut self, live: Live) -> PortError {
        self.live = Some(live);
        PortError::unavailable("the broker takes nothing: it has raised an alarm about its memory or its disk")
    }

    fn broke(&mut self, error: PortError) -> PortError {
        self.backoff.failed();
        self.why = Some(Why::of(&error));
        self.live = None;
        error
    }

    fn full(&mut self) -> PortError {
        self.backoff.failed_within(FIRST_REFUSED, LONGEST_REFUSED);
        let why = "a queue that is bound to the topic refuses the message: it may be full; the others have it, and get \
                   it again with each try";
        let error = PortError::temporary(why);
        self.why = Some(Why::of(&error));
        error
    }
}

fn is_blocked(status: &ConnectionStatus) -> bool {
    status.connected() && status.blocked()
}

fn is_open(live: &Live) -> bool {
    live.connection.status().connected() && live.channel.status().connected()
}

/// Waits for what becomes of a message, as long as the broker takes any.
async fn settle(status: ConnectionStatus, mut unconfirmed: Box<Unconfirmed>) -> Tried {
    let until = Instant::now() + CONFIRM_TIMEOUT;
    loop {
        match tokio::time::timeout(LOOK_EVERY, &mut unconfirmed.confirmed).await {
            Ok(Ok(Confirmation::Ack(None))) => return Tried::Confirmed,
            Ok(Ok(Confirmation::Ack(Some(_)))) => return Tried::Unrouted,
            Ok(Ok(Confirmation::Nack(_))) => return Tried::Full,
            Ok(Ok(Confirmation::NotRequested)) => {
                return Tried::Broken(PortError::temporary("the broker confirms nothing"));
            }
            Ok(Err(error)) => return judge(error),
            Err(_) if is_blocked(&status) => return Tried::Blocked(unconfirmed),
            Err(_) if Instant::now() >= until => {
                return Tried::Broken(PortError::unavailable("the broker does not confirm"));
            }
            Err(_) => {}
        }
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
        Ok(channel) => Ok(Live { channel: channel.map_err(away)?, connection, unconfirmed: None }),
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
