//! One message there and back.

use std::time::Duration;

use futures_util::StreamExt;
use lapin::options::{BasicConsumeOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use rida_core::{PortError, Timestamp};

use super::link::AmqpLink;
use super::message::Message;
use super::publisher::AmqpPublisher;
use crate::ids::random;

/// Sends a message and receives it on a queue of its own, which goes with the connection.
///
/// # Errors
/// When it is not confirmed, or does not come.
pub async fn probe(
    publisher: &AmqpPublisher,
    link: &AmqpLink,
    exchange: &str,
    topic: &str,
    at: Timestamp,
    patience: Duration,
) -> Result<(), PortError> {
    let broken = |error: lapin::Error| PortError::unavailable("no queue can be made to receive it").because(error);
    let id = random();
    let message = Message::probe(topic, &id, at)?;
    let connection = link.connect("rida test").await?;
    let receiving = async {
        let channel = connection.create_channel().await?;
        let options = QueueDeclareOptions { exclusive: true, auto_delete: true, ..QueueDeclareOptions::default() };
        // Users are often permitted queues of their own name only.
        let name = format!("rida-test-{id}");
        channel.queue_declare(name.as_str().into(), options, FieldTable::default()).await?;
        let key = message.routing_key.clone();
        let bound = QueueBindOptions::default();
        channel.queue_bind(name.as_str().into(), exchange.into(), key, bound, FieldTable::default()).await?;
        let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
        channel.basic_consume(name.as_str().into(), "".into(), options, FieldTable::default()).await
    };
    let mut received = receiving.await.map_err(broken)?;
    let _ = publisher.send(&message).await?;
    let coming = async {
        while let Some(delivery) = received.next().await {
            let delivery = delivery.map_err(broken)?;
            if delivery.properties.message_id().as_ref().is_some_and(|found| found.as_str() == id) {
                return Ok(());
            }
        }
        Err(PortError::unavailable("the connection to the broker broke"))
    };
    let came = tokio::time::timeout(patience, coming).await;
    came.unwrap_or_else(|_| Err(PortError::unavailable("the message did not come back")))
}
