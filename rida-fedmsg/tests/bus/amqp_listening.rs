//! Listening on a queue of a real broker to what fedora-messaging itself publishes.

use std::sync::Arc;

use rida_fedmsg::Inbox;
use rida_fedmsg::amqp::{AmqpListener, AmqpListenerConfig};
use serde_json::json;
use tokio::sync::watch;

use crate::broker::{Broker, broker};
use crate::fedmsg_listening::{Keeper, until};
use crate::programs::Program;

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
