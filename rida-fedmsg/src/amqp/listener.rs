//! Listening through the broker, on a queue of one's own: acknowledged once the inbox is done with a message.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::message::Delivery;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicNackOptions, BasicQosOptions, QueueBindOptions, QueueDeclareOptions,
};
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Connection, Consumer};
use rida_core::PortError;
use tokio::sync::watch;

use super::link::{AmqpLink, Backoff};
use crate::again::Again;
use crate::error::BusError;
use crate::fedmsg::verify::Refusal;
use crate::incoming::{Inbox, Verdict};
use crate::json::{Json, JsonLimits};

/// How to listen to fedora-messaging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AmqpListenerConfig {
    /// Where the broker is.
    pub link: AmqpLink,
    /// The exchange to bind to.
    pub exchange: String,
    /// The name of the queue, which is this service's own. It outlives this process and the broker's restart.
    pub queue: String,
    /// The topics to bind to, as AMQP has them: `org.fedoraproject.prod.buildsys.#`.
    pub topics: Vec<String>,
    /// How many messages the broker may send ahead.
    pub prefetch: u16,
    /// The exchange that gets what is no message of the build system; absent to drop it.
    pub dead_letters: Option<String>,
}

/// How long a connection has to last for the next one to be tried at once, when nothing came over it.
const STANDS_AFTER: Duration = Duration::from_secs(60);

/// How listening went so far.
#[derive(Default)]
struct Course {
    backoff: Backoff,
    /// Why the broker is not listened to, as it was last told.
    away: Option<String>,
    again: Again,
}

/// Listens to fedora-messaging.
pub struct AmqpListener {
    config: AmqpListenerConfig,
    inbox: Arc<Inbox>,
}

impl AmqpListener {
    /// Makes a listener.
    ///
    /// # Errors
    /// When the configuration cannot be.
    pub fn new(config: AmqpListenerConfig, inbox: Arc<Inbox>) -> Result<Self, BusError> {
        config.link.tls()?;
        if config.topics.is_empty() {
            return Err(BusError::Config("the queue is bound to no topic, so that nothing would ever come".to_owned()));
        }
        let names = config.topics.iter().chain([&config.exchange, &config.queue]).chain(&config.dead_letters);
        if names.into_iter().any(|name| name.is_empty() || ShortString::try_new(name.as_str()).is_err()) {
            return Err(BusError::Config("names of queues, exchanges and topics have 1 to 255 bytes".to_owned()));
        }
        Ok(Self { config, inbox })
    }

    /// Listens until `stopping` says otherwise, and connects again whenever the connection breaks.
    pub async fn run(self, mut stopping: watch::Receiver<bool>) {
        let mut course = Course::default();
        loop {
            let error = tokio::select! {
                error = self.listen(&mut course) => error,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            let error = crate::chain(&error);
            // A broker that was away may refuse the login when it is back.
            if course.away.as_ref() != Some(&error) {
                tracing::warn!(error = %error.escape_debug(), "the broker is not listened to; builds are looked at in their turn");
            }
            course.away = Some(error);
            let wait = course.backoff.failed();
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    /// Connects and listens, and returns why it ended.
    async fn listen(&self, course: &mut Course) -> PortError {
        match self.consume(course).await {
            Ok(()) => PortError::unavailable("the broker ended the connection"),
            Err(error) => error,
        }
    }

    async fn consume(&self, course: &mut Course) -> Result<(), PortError> {
        let broken = |error: lapin::Error| PortError::unavailable("the queue cannot be used").because(error);
        // Held while its channel is used; dropped, it is closed.
        let connection = self.config.link.connect("rida listener").await?;
        let mut deliveries = self.queue(&connection).await.map_err(broken)?;
        if course.away.take().is_some() {
            tracing::info!("the broker is listened to again");
        }
        self.inbox.gap().await;
        let connected = Instant::now();
        let taken = async {
            while let Some(delivery) = deliveries.next().await {
                self.take(delivery.map_err(broken)?, &mut course.again).await.map_err(broken)?;
                course.backoff.succeeded();
            }
            Ok(())
        };
        let ended = taken.await;
        // One that takes the connection and ends it again would have every build looked at each time.
        if connected.elapsed() >= STANDS_AFTER {
            course.backoff.succeeded();
        }
        ended
    }

    /// Makes the queue, if it is not there, binds it, and begins to receive from it.
    async fn queue(&self, connection: &Connection) -> lapin::Result<Consumer> {
        let config = &self.config;
        let channel = connection.create_channel().await?;
        let mut arguments = FieldTable::default();
        if let Some(exchange) = &config.dead_letters {
            arguments.insert("x-dead-letter-exchange".into(), AMQPValue::LongString(exchange.as_str().into()));
        }
        let queue: ShortString = config.queue.as_str().into();
        channel.queue_declare(queue.clone(), QueueDeclareOptions::durable(), arguments).await?;
        for topic in &config.topics {
            let (exchange, topic) = (config.exchange.as_str().into(), topic.as_str().into());
            let binding =
                channel.queue_bind(queue.clone(), exchange, topic, QueueBindOptions::default(), FieldTable::default());
            binding.await?;
        }
        channel.basic_qos(config.prefetch.max(1), BasicQosOptions::default()).await?;
        let consuming = channel.basic_consume(queue, "".into(), BasicConsumeOptions::default(), FieldTable::default());
        consuming.await
    }

    /// Tells whether the queue can be used as it is to be: once, and without following what is in it, which stays there.
    ///
    /// # Errors
    /// Why not.
    pub async fn check(&self) -> Result<(), PortError> {
        let broken = |error: lapin::Error| PortError::unavailable("the queue cannot be used").because(error);
        let connection = self.config.link.connect("rida test").await?;
        self.queue(&connection).await.map_err(broken)?;
        // What was sent ahead goes back into the queue.
        connection.close(200, "the test ends".into()).await.map_err(broken)
    }

    async fn take(&self, delivery: Delivery, again: &mut Again) -> Result<(), lapin::Error> {
        match self.judge(&delivery).await {
            Verdict::Done => {
                again.succeeded();
                delivery.acker.ack(BasicAckOptions::default()).await?
            }
            Verdict::Dropped => {
                let options = BasicNackOptions { requeue: false, ..BasicNackOptions::default() };
                delivery.acker.nack(options).await?
            }
            Verdict::Again => {
                tokio::time::sleep(again.failed()).await;
                let options = BasicNackOptions { requeue: true, ..BasicNackOptions::default() };
                delivery.acker.nack(options).await?
            }
        };
        Ok(())
    }

    async fn judge(&self, delivery: &Delivery) -> Verdict {
        match read(delivery.properties.message_id().as_ref().map(ShortString::as_str), &delivery.data) {
            Ok((id, body)) => self.inbox.take(id, delivery.routing_key.as_str(), &body).await,
            Err(refusal) => {
                self.inbox.refuse(refusal);
                Verdict::Dropped
            }
        }
    }
}

/// Reads a message: its id and body.
///
/// # Errors
/// When it is none.
pub(crate) fn read<'a>(id: Option<&'a str>, payload: &[u8]) -> Result<(&'a str, Json), Refusal> {
    let id = id.filter(|id| !id.is_empty()).ok_or(Refusal::Malformed)?;
    let body = Json::read(payload, JsonLimits::default()).map_err(|_| Refusal::Malformed)?;
    if matches!(body, Json::Object(_)) { Ok((id, body)) } else { Err(Refusal::Malformed) }
}

#[cfg(test)]
mod tests;
