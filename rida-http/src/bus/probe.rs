//! `bus test`: one message there and back.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rida_core::{PortError, Timestamp};
use rida_fedmsg::amqp::{AmqpListener, probe as amqp_probe};
use rida_fedmsg::fedmsg::probe as fedmsg_probe;
use rida_fedmsg::{Inbox, Incoming, Receiver};

use super::{Names, amqp_listener, amqp_publisher, fedmsg_listener, fedmsg_publisher, link};
use crate::config::{AmqpSettings, BusConfig, FedmsgSettings};
use crate::reply::chain;

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The end of the topic of what is sent.
const TOPIC: &str = "bus.test";

/// Sends one message on each bus that is on and receives it again; tells of each in a line, and what failed as an error.
pub(crate) async fn run(config: &BusConfig) -> Result<Vec<String>, String> {
    if !config.is_on() {
        return Err("no bus is set: set bus.amqp.url, bus.fedmsg.bind or bus.fedmsg.relay".to_owned());
    }
    let names = Names::new(config).map_err(|error| chain(&error))?;
    let mut told = Vec::new();
    if let Some(settings) = &config.fedmsg {
        told.push(fedmsg(settings, &names).await.map_err(|why| format!("fedmsg: {why}"))?);
    }
    if let Some(settings) = &config.amqp {
        let failed = |why| format!("fedora-messaging: {why}");
        if settings.announce {
            told.push(amqp(settings, &names).await.map_err(failed)?);
        }
        if let Some(queue) = &settings.queue {
            told.push(amqp_queue(config, settings, queue).await.map_err(failed)?);
        }
    }
    Ok(told)
}

async fn fedmsg(settings: &FedmsgSettings, names: &Names) -> Result<String, String> {
    let Some(publisher) = fedmsg_publisher(settings, names).map_err(|error| chain(&error))? else {
        return Ok("fedmsg: nothing is announced here; who listens hears of it from the build system alone".to_owned());
    };
    let trust = settings.listening.as_ref().map(|listening| fedmsg_listener(listening).trust);
    let heard = settings.listening.as_ref().map(|listening| listening.endpoints.clone());
    let probed = fedmsg_probe(&publisher, &names.topics.of(TOPIC), now(), heard, trust, PATIENCE).await;
    let endpoint = publisher.endpoint().to_owned();
    publisher.close().await;
    probed.map(|how| format!("fedmsg: a message left at {endpoint} and {how}")).map_err(|error| chain(&error))
}

async fn amqp(settings: &AmqpSettings, names: &Names) -> Result<String, String> {
    let publisher = amqp_publisher(settings, names).map_err(|error| chain(&error))?;
    let link = link(settings);
    let topic = names.topics.of(TOPIC);
    let probed = amqp_probe(&publisher, &link, &settings.exchange, &topic, now(), PATIENCE).await;
    publisher.close().await;
    let place = link.redacted();
    probed.map_err(|error| chain(&error))?;
    Ok(format!("fedora-messaging: a message was confirmed by {place} and came back"))
}

/// Tells whether the queue that is listened to can be: nothing is sent.
async fn amqp_queue(config: &BusConfig, settings: &AmqpSettings, queue: &str) -> Result<String, String> {
    let inbox = Arc::new(Inbox::new(Arc::new(Nobody), &config.from_instance));
    let listener = AmqpListener::new(amqp_listener(settings, queue), inbox).map_err(|error| chain(&error))?;
    listener.check().await.map_err(|error| chain(&error))?;
    let (place, exchange) = (link(settings).redacted(), &settings.exchange);
    let announces = if settings.announce { "" } else { "; nothing is announced, so that no message was sent" };
    Ok(format!("fedora-messaging: the queue {queue} at {place} is bound to {exchange} and can be read{announces}"))
}

/// Gets nothing: a test only looks whether something could come.
struct Nobody;

#[async_trait]
impl Receiver for Nobody {
    async fn receive(&self, _: Incoming) -> Result<(), PortError> {
        Ok(())
    }
}

fn now() -> Timestamp {
    SystemTime::now().into()
}
