//! Listening to what fedmsg's own library publishes, good and bad.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rida_core::PortError;
use rida_fedmsg::fedmsg::verify::Trust;
use rida_fedmsg::fedmsg::{FedmsgListener, FedmsgListenerConfig};
use rida_fedmsg::{Inbox, Incoming, Receiver};
use serde_json::json;
use tokio::sync::watch;

use crate::programs::{PATIENCE, Program};
use crate::{authority, free_port};

/// Keeps what it gets.
#[derive(Default)]
pub(crate) struct Keeper {
    got: Mutex<Vec<Incoming>>,
    pub(crate) failing: Mutex<bool>,
}

#[async_trait]
impl Receiver for Keeper {
    async fn receive(&self, incoming: Incoming) -> Result<(), PortError> {
        if *self.failing.lock().unwrap() {
            return Err(PortError::unavailable("the store is away"));
        }
        self.got.lock().unwrap().push(incoming);
        Ok(())
    }
}

impl Keeper {
    /// Returns the tags that hints were about, in order.
    pub(crate) fn tags(&self) -> Vec<String> {
        let tag = |incoming: &Incoming| match incoming {
            Incoming::Hint { hint, .. } => hint.tag.clone(),
            Incoming::Gap => None,
        };
        self.got.lock().unwrap().iter().filter_map(tag).collect()
    }

    pub(crate) fn gaps(&self) -> usize {
        self.got.lock().unwrap().iter().filter(|incoming| **incoming == Incoming::Gap).count()
    }
}

/// Waits until something holds.
pub(crate) async fn until(what: &str, holds: impl Fn() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "it never came to this: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_is_verified_comes_in() {
    let place = format!("tcp://127.0.0.1:{}", free_port());
    let topic = "org.fedoraproject.prod.buildsys.tag".to_owned();
    // The list has expired when the listener starts, and is renewed later, as a timer does it.
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("crl.pem");
    std::fs::copy(authority("expired.pem"), &list).unwrap();
    let trust = Trust {
        authority: authority("ca.crt"),
        revoked: Some(list.clone()),
        policy: BTreeMap::from([(topic, vec!["mbs-rida01.example.org".to_owned()])]),
        nitpicky: true,
    };
    let config = FedmsgListenerConfig {
        endpoints: vec![place.clone()],
        topics: vec!["org.fedoraproject.prod.buildsys".to_owned()],
        trust,
    };
    let keeper = Arc::new(Keeper::default());
    let inbox = Arc::new(Inbox::new(keeper.clone(), "primary"));
    let listener = FedmsgListener::open(&config, &inbox).unwrap();
    let (stop, stopping) = watch::channel(false);
    let running = tokio::spawn(listener.run(Arc::clone(&inbox), stopping));

    let mut koji = Program::python("fedmsg", "fedmsg_say.py", &[&place]);
    let order = |tag: &str, signer: &str, topic: &str, damage: Option<&str>| json!({"signer": signer, "topic": topic, "damage": damage, "msg": {"tag": tag, "instance": "primary"}});
    // Until the connection stands: what is sent before is lost, as fedmsg does.
    let start = Instant::now();
    let mut is_renewed = false;
    while !keeper.tags().contains(&"begin".to_owned()) {
        koji.say(&order("begin", "signer", "tag", None));
        koji.line(|line| line == "said");
        tokio::time::sleep(Duration::from_millis(200)).await;
        assert!(start.elapsed() < PATIENCE, "{} {:?}", koji.said(), inbox.received().counts());
        if !is_renewed && inbox.received().count("bad_certificate") > 0 {
            std::fs::copy(authority("revoked.pem"), folder.path().join("next")).unwrap();
            std::fs::rename(folder.path().join("next"), &list).unwrap();
            is_renewed = true;
        }
    }
    assert!(is_renewed, "nobody is believed by a list that has expired");
    let before = inbox.received().count("bad_certificate");
    let orders = [
        order("good-1", "signer", "tag", None),
        order("tampered", "signer", "tag", Some("body")),
        order("moved", "signer", "tag", Some("topic")),
        order("renamed", "signer", "tag", Some("id")),
        order("damaged", "signer", "tag", Some("signature")),
        order("unsigned", "signer", "tag", Some("unsigned")),
        order("revoked", "revoked", "tag", None),
        order("foreign", "foreign", "tag", None),
        order("unlisted", "signer", "repo.done", None),
        json!({"signer": "signer", "topic": "tag", "msg": {"tag": "other", "instance": "s390"}}),
        json!({"signer": "signer", "topic": "tag", "msg": {"tag": 7}}),
        order("good-2", "signer", "tag", None),
    ];
    for order in &orders {
        koji.say(order);
        koji.line(|line| line == "said");
    }
    until("the last good one came", || keeper.tags().contains(&"good-2".to_owned())).await;
    let tags: Vec<String> = keeper.tags().into_iter().filter(|tag| tag != "begin").collect();
    assert_eq!(tags, ["good-1", "good-2"]);
    let count = |name| inbox.received().count(name);
    assert_eq!(count("unsigned"), 1);
    assert_eq!(count("bad_signature") + count("malformed"), 5, "{:?}", inbox.received().counts());
    assert_eq!((count("bad_certificate") - before, count("not_permitted"), count("foreign")), (2, 1, 1));
    assert!(keeper.gaps() > 0, "who was not connected may have missed something, and is told");
    stop.send(true).unwrap();
    running.await.unwrap();
}
