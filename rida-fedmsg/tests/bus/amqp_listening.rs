//! Listening on a queue of a real broker to what fedora-messaging itself publishes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use async_trait::async_trait;
use lapin::options::{
    BasicGetOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties, ExchangeKind};
use rida_core::PortError;
use rida_core::testing::sample;
use rida_fedmsg::amqp::{AmqpListener, AmqpListenerConfig};
use rida_fedmsg::fedmsg::envelope::Envelope;
use rida_fedmsg::fedmsg::verify::Trust;
use rida_fedmsg::fedmsg::{FedmsgListener, FedmsgListenerConfig};
use rida_fedmsg::json::Json;
use rida_fedmsg::{Inbox, Incoming, Receiver};
use serde_json::json;
use tokio::sync::{Semaphore, watch};

use crate::authority;
use crate::broker::{Broker, broker};
use crate::fedmsg::{bound, publisher, signer};
use crate::fedmsg_listening::{Keeper, until};
use crate::programs::{PATIENCE, Program};

const QUEUE: &str = "rida-test-listener";

fn config(broker: &Broker) -> AmqpListenerConfig {
    AmqpListenerConfig {
        link: broker.link(),
        exchange: "amq.topic".to_owned(),
        queue: QUEUE.to_owned(),
        topics: vec!["org.fedoraproject.prod.buildsys.#".to_owned()],
        prefetch: 10,
        dead_letters: None,
    }
}

fn order(tag: &str) -> serde_json::Value {
    json!({"topic": "org.fedoraproject.prod.buildsys.tag", "body": {"tag": tag, "instance": "primary"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_are_acknowledged_once_they_are_followed() {
    let mut broker = broker().await;
    let keeper = Arc::new(Keeper::default());
    let inbox = Arc::new(Inbox::new(keeper.clone(), "primary"));
    let (stop, stopping) = watch::channel(false);
    let start = |stopping| tokio::spawn(AmqpListener::new(config(&broker), Arc::clone(&inbox)).unwrap().run(stopping));
    let listening = start(stopping.clone());
    until("the queue is there", || keeper.gaps() == 1).await;

    let mut koji = Program::python("fedora-messaging", "fedora_say.py", &[&broker.url()]);
    let mut say = |order: serde_json::Value| {
        koji.say(&order);
        koji.line(|line| line == "said");
    };
    say(order("first"));
    say(json!({"topic": "org.fedoraproject.prod.buildsys.tag", "body": {"tag": "x", "instance": "s390"}}));
    say(json!({"topic": "org.fedoraproject.prod.buildsys.tag", "body": {"tag": ["x"]}}));
    say(json!({"topic": "org.fedoraproject.prod.buildsys.rpm.sign", "body": {}}));
    until("the first came", || keeper.tags() == ["first"]).await;

    // While it cannot be followed it stays in the queue, over the listener's end, too.
    *keeper.failing.lock().unwrap() = true;
    say(order("second"));
    until("it was given back", || inbox.received().count("postponed") > 0).await;
    stop.send(true).unwrap();
    listening.await.unwrap();
    say(order("third"));
    *keeper.failing.lock().unwrap() = false;
    let (stop, stopping) = watch::channel(false);
    let listening = tokio::spawn(AmqpListener::new(config(&broker), Arc::clone(&inbox)).unwrap().run(stopping));
    until("both came", || keeper.tags().len() == 3).await;
    let mut tags = keeper.tags();
    tags.sort();
    assert_eq!(tags, ["first", "second", "third"]);
    let count = |name| inbox.received().count(name);
    assert_eq!((count("foreign"), count("malformed"), count("of_no_interest")), (1, 1, 1));

    // A broker that dies is listened to again; its queue is durable.
    let connected = || inbox.received().count("reconnected");
    let before = connected();
    broker.kill();
    broker.start().await;
    until("it is connected again", || connected() > before).await;
    let mut koji = Program::python("fedora-messaging", "fedora_say.py", &[&broker.url()]);
    koji.say(&order("fourth"));
    until("what came afterwards arrives", || keeper.tags().contains(&"fourth".to_owned())).await;
    stop.send(true).unwrap();
    listening.await.unwrap();
}

/// Who passes nothing on until he is let.
struct Gate {
    waiting: AtomicUsize,
    open: Semaphore,
}

#[async_trait]
impl Receiver for Gate {
    async fn receive(&self, incoming: Incoming) -> Result<(), PortError> {
        if incoming != Incoming::Gap {
            self.waiting.fetch_add(1, Ordering::SeqCst);
            self.open.acquire().await.unwrap().forget();
        }
        Ok(())
    }
}

async fn connected(broker: &Broker) -> (Connection, lapin::Channel) {
    let connection = Connection::connect(&broker.url(), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    (connection, channel)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_is_sent_ahead_than_was_asked_for() {
    const SENT: u32 = 7;
    let broker = broker().await;
    let gate = Arc::new(Gate { waiting: AtomicUsize::new(0), open: Semaphore::new(0) });
    let inbox = Arc::new(Inbox::new(gate.clone(), "primary"));
    let (stop, stopping) = watch::channel(false);
    let config = AmqpListenerConfig { queue: "rida-test-prefetch".to_owned(), prefetch: 3, ..config(&broker) };
    let listening = tokio::spawn(AmqpListener::new(config, Arc::clone(&inbox)).unwrap().run(stopping));
    until("the queue is there", || inbox.received().count("reconnected") == 1).await;
    let mut koji = Program::python("fedora-messaging", "fedora_say.py", &[&broker.url()]);
    for number in 0..SENT {
        koji.say(&order(&format!("tag-{number}")));
        koji.line(|line| line == "said");
    }
    until("the first is looked at", || gate.waiting.load(Ordering::SeqCst) == 1).await;
    // What is left in the queue is what was not sent to the listener: all but three.
    let (_connection, channel) = connected(&broker).await;
    let left = async || {
        let name = "rida-test-prefetch".into();
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        channel.queue_declare(name, options, FieldTable::default()).await.unwrap().message_count()
    };
    let start = Instant::now();
    while left().await != SENT - 3 {
        assert!(start.elapsed() < PATIENCE, "{} are left", left().await);
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!((left().await, gate.waiting.load(Ordering::SeqCst)), (SENT - 3, 1), "and it stays like that");
    gate.open.add_permits(100);
    until("all are taken", || inbox.received().count("taken") == u64::from(SENT)).await;
    stop.send(true).unwrap();
    listening.await.unwrap();
    let _ = channel.queue_delete("rida-test-prefetch".into(), QueueDeleteOptions::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_message_of_koji_goes_where_it_can_be_looked_at() {
    const QUEUE: &str = "rida-test-dead";
    let broker = broker().await;
    let (_connection, channel) = connected(&broker).await;
    let durable = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(QUEUE.into(), ExchangeKind::Fanout, durable, FieldTable::default()).await.unwrap();
    let _ = channel.queue_declare(QUEUE.into(), QueueDeclareOptions::durable(), FieldTable::default()).await.unwrap();
    let bound = QueueBindOptions::default();
    channel.queue_bind(QUEUE.into(), QUEUE.into(), "".into(), bound, FieldTable::default()).await.unwrap();
    let keeper = Arc::new(Keeper::default());
    let inbox = Arc::new(Inbox::new(keeper.clone(), "primary"));
    let (stop, stopping) = watch::channel(false);
    let own = "rida-test-undead".to_owned();
    let config = AmqpListenerConfig { queue: own.clone(), dead_letters: Some(QUEUE.to_owned()), ..config(&broker) };
    let listening = tokio::spawn(AmqpListener::new(config, Arc::clone(&inbox)).unwrap().run(stopping));
    until("the queue is there", || keeper.gaps() == 1).await;

    let mut koji = Program::python("fedora-messaging", "fedora_say.py", &[&broker.url()]);
    let topic = "org.fedoraproject.prod.buildsys.tag";
    let bodies = [json!({"tag": 7}), json!({"tag": "x", "instance": "s390"}), json!({"tag": "good"})];
    for body in &bodies {
        koji.say(&json!({"topic": topic, "body": body}));
        koji.line(|line| line == "said");
    }
    until("the good one came", || keeper.tags() == ["good"]).await;
    let (mut dead, start) = (Vec::new(), Instant::now());
    while dead.len() < 2 {
        match channel.basic_get(QUEUE.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
            Some(message) => dead.push((
                message.routing_key.to_string(),
                serde_json::from_slice::<serde_json::Value>(&message.data).unwrap(),
            )),
            None => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
        }
        assert!(start.elapsed() < PATIENCE, "{dead:?}");
    }
    assert_eq!(dead, bodies[..2].iter().map(|body| (topic.to_owned(), body.clone())).collect::<Vec<_>>());
    assert!(channel.basic_get(QUEUE.into(), BasicGetOptions { no_ack: true }).await.unwrap().is_none());
    stop.send(true).unwrap();
    listening.await.unwrap();
    for queue in [QUEUE, &own] {
        let _ = channel.queue_delete(queue.into(), QueueDeleteOptions::default()).await.unwrap();
    }
}

/// The same signed message again, from who recorded it, and the same over the other bus, as bridges bring it.
#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_again_is_followed_once_on_both_buses_together() {
    const UUID: &str = "6c6ea4d3-1b0c-4c4a-9b9e-0b6b1d6a8d65";
    let broker = broker().await;
    let keeper = Arc::new(Keeper::default());
    let inbox = Arc::new(Inbox::new(keeper.clone(), "primary"));
    let (stop, stopping) = watch::channel(false);
    let own = "rida-test-again".to_owned();
    let config = AmqpListenerConfig { queue: own.clone(), ..config(&broker) };
    let amqp = tokio::spawn(AmqpListener::new(config, Arc::clone(&inbox)).unwrap().run(stopping.clone()));
    let koji = publisher(&bound(), None);
    let trust = Trust { authority: authority("ca.crt"), revoked: None, policy: BTreeMap::new(), nitpicky: false };
    let listened = FedmsgListenerConfig {
        endpoints: vec![koji.endpoint().to_owned()],
        topics: vec!["org.fedoraproject.prod.buildsys".to_owned()],
        trust,
    };
    let listener = FedmsgListener::open(&listened, &inbox).unwrap();
    let fedmsg = tokio::spawn(listener.run(Arc::clone(&inbox), stopping));
    until("both are connected", || inbox.received().count("reconnected") == 2).await;

    let topic = "org.fedoraproject.prod.buildsys.tag".to_owned();
    let envelope = Envelope {
        topic: topic.clone(),
        msg: Json::object([("instance", "primary".into()), ("tag", "once".into())]),
        timestamp: sample::at(0).millis() / 1000,
        msg_id: format!("2026-{UUID}"),
        i: 1,
        username: "koji".to_owned(),
    };
    let frame = envelope.frame(Some(&signer("signer"))).unwrap();
    tokio::time::timeout(PATIENCE, koji.listened_to(&topic)).await.unwrap().unwrap();
    let mut python = Program::python("fedora-messaging", "fedora_say.py", &[&broker.url()]);
    let counted = |name| inbox.received().count(name);
    for round in 0..3 {
        koji.send_frame(topic.clone(), frame.clone()).await.unwrap();
        until("fedmsg's came", || counted("taken") + counted("repeated") == 2 * round + 1).await;
        python.say(&json!({"topic": topic, "body": {"tag": "once", "instance": "primary"}, "id": UUID}));
        until("fedora-messaging's came", || counted("taken") + counted("repeated") == 2 * round + 2).await;
    }
    assert_eq!((counted("taken"), counted("repeated")), (1, 5));
    assert_eq!(keeper.tags(), ["once"]);
    // Whoever keeps the id and changes the rest has no signature for it.
    let forged = frame.replace("\"once\"", "\"forged\"");
    koji.send_frame(topic.clone(), forged).await.unwrap();
    until("it is refused", || counted("bad_signature") == 1).await;
    assert_eq!(keeper.tags(), ["once"]);
    stop.send(true).unwrap();
    amqp.await.unwrap();
    fedmsg.await.unwrap();
    koji.close().await;
    let (_connection, channel) = connected(&broker).await;
    let _ = channel.queue_delete(own.as_str().into(), QueueDeleteOptions::default()).await.unwrap();
}
