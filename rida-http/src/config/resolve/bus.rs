//! What the settings of the buses mean.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::Picker;
use crate::config::{AmqpSettings, BusConfig, FedmsgListening, FedmsgSettings, FedmsgWay};

/// Where fedmsg's tools look for the certificate authority.
const AUTHORITY: &str = "/etc/pki/fedmsg/ca.crt";

pub(super) fn bus(pick: &mut Picker<'_>, problems: &mut Vec<String>) -> BusConfig {
    let text = |pick: &mut Picker<'_>, key, get: fn(&super::Raw) -> Option<String>, default: &str| {
        pick.or(key, get, default.to_owned())
    };
    let topic_prefix = text(pick, "bus.topic_prefix", |raw| raw.bus.topic_prefix.clone(), "org.fedoraproject");
    let environment = text(pick, "bus.environment", |raw| raw.bus.environment.clone(), "stg");
    let module_name = text(pick, "bus.module_name", |raw| raw.bus.module_name.clone(), "mbs");
    let instance = text(pick, "bus.instance", |raw| raw.bus.instance.clone(), "rida");
    let from_instance = text(pick, "bus.from_instance", |raw| raw.bus.from_instance.clone(), "primary");
    let koji = format!("{topic_prefix}.{environment}.buildsys.");
    let (fedmsg, amqp) = (fedmsg(pick, &koji, problems), amqp(pick, &koji, problems));
    let config = BusConfig { topic_prefix, environment, module_name, instance, from_instance, fedmsg, amqp };
    if config.is_on() && !cfg!(feature = "fedmsg") {
        problems.push("a bus is set, and this program was built without the feature fedmsg".to_owned());
    }
    config
}

fn fedmsg(pick: &mut Picker<'_>, koji: &str, problems: &mut Vec<String>) -> Option<FedmsgSettings> {
    let bind = pick.optional("bus.fedmsg.bind", |raw| raw.bus.fedmsg.bind.clone()).filter(|places| !places.is_empty());
    let relay = pick.optional("bus.fedmsg.relay", |raw| raw.bus.fedmsg.relay.clone());
    let certificate = pick.optional("bus.fedmsg.certificate", |raw| raw.bus.fedmsg.certificate.clone());
    let key = pick.optional("bus.fedmsg.key", |raw| raw.bus.fedmsg.key.clone());
    let username = pick.or("bus.fedmsg.username", |raw| raw.bus.fedmsg.username.clone(), "rida".to_owned());
    let needs_listener = pick.optional("bus.fedmsg.needs_listener", |raw| raw.bus.fedmsg.needs_listener);
    let high_water_mark = pick.count("bus.fedmsg.high_water_mark", |raw| raw.bus.fedmsg.high_water_mark, 10_000);
    let linger = pick.span("bus.fedmsg.linger", |raw| raw.bus.fedmsg.linger, Duration::from_secs(5));
    let endpoints = pick.or("bus.fedmsg.listen", |raw| raw.bus.fedmsg.listen.clone(), Vec::new());
    let topics = pick.or("bus.fedmsg.topics", |raw| raw.bus.fedmsg.topics.clone(), vec![koji.to_owned()]);
    let authority = pick.or("bus.fedmsg.authority", |raw| raw.bus.fedmsg.authority.clone(), PathBuf::from(AUTHORITY));
    let revoked = pick.optional("bus.fedmsg.revoked", |raw| raw.bus.fedmsg.revoked.clone());
    let named = pick.or("bus.fedmsg.senders", |raw| raw.bus.fedmsg.senders.clone(), Vec::new());
    let nitpicky = pick.or("bus.fedmsg.nitpicky", |raw| raw.bus.fedmsg.nitpicky, true);

    let way = match (bind, relay) {
        (Some(_), Some(_)) => {
            problems.push("bus.fedmsg.bind and bus.fedmsg.relay are both set; announcements leave one way".to_owned());
            None
        }
        (Some(places), None) => Some(FedmsgWay::Bind(places)),
        (None, Some(place)) => Some(FedmsgWay::Relay(place)),
        (None, None) => None,
    };
    let identity = pair("bus.fedmsg", certificate, key, problems);
    let senders = senders(&named, problems);
    if !endpoints.is_empty() && nitpicky && senders.is_empty() {
        problems.push(
            "bus.fedmsg.listen is set and nobody is named that may send: write in bus.fedmsg.senders, for example, \
             \"org.fedoraproject.prod.buildsys.tag=koji.example.org\", or set bus.fedmsg.nitpicky = false to believe \
             everybody who has a certificate of the authority"
                .to_owned(),
        );
    }
    if !endpoints.is_empty() && topics.is_empty() {
        problems.push("bus.fedmsg.listen is set and bus.fedmsg.topics is empty: nothing would ever come".to_owned());
    }
    let listening = FedmsgListening { endpoints, topics, authority, revoked, senders, nitpicky };
    let listening = (!listening.endpoints.is_empty()).then_some(listening);
    if way.is_none() && listening.is_none() {
        return None;
    }
    Some(FedmsgSettings { way, identity, username, needs_listener, high_water_mark, linger, listening })
}

/// Reads who may send what: `topic=common name`, each as often as needed.
fn senders(named: &[String], problems: &mut Vec<String>) -> BTreeMap<String, Vec<String>> {
    let mut senders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in named {
        match entry.split_once('=') {
            Some((topic, name)) if !topic.is_empty() && !name.is_empty() => {
                senders.entry(topic.to_owned()).or_default().push(name.to_owned());
            }
            _ => problems.push(format!("{entry:?} in bus.fedmsg.senders is not TOPIC=COMMON-NAME")),
        }
    }
    senders
}

fn amqp(pick: &mut Picker<'_>, koji: &str, problems: &mut Vec<String>) -> Option<AmqpSettings> {
    let url = pick.optional("bus.amqp.url", |raw| raw.bus.amqp.url.clone());
    let authority = pick.optional("bus.amqp.authority", |raw| raw.bus.amqp.authority.clone());
    let certificate = pick.optional("bus.amqp.certificate", |raw| raw.bus.amqp.certificate.clone());
    let key = pick.optional("bus.amqp.key", |raw| raw.bus.amqp.key.clone());
    let exchange = pick.or("bus.amqp.exchange", |raw| raw.bus.amqp.exchange.clone(), "amq.topic".to_owned());
    let announce = pick.or("bus.amqp.announce", |raw| raw.bus.amqp.announce, true);
    let needs_queue = pick.or("bus.amqp.needs_queue", |raw| raw.bus.amqp.needs_queue, false);
    let queue = pick.optional("bus.amqp.queue", |raw| raw.bus.amqp.queue.clone());
    let topics = pick.or("bus.amqp.topics", |raw| raw.bus.amqp.topics.clone(), vec![format!("{koji}#")]);
    let prefetch = pick.or("bus.amqp.prefetch", |raw| raw.bus.amqp.prefetch, 10);
    let dead_letters = pick.optional("bus.amqp.dead_letters", |raw| raw.bus.amqp.dead_letters.clone());
    let identity = pair("bus.amqp", certificate, key, problems);
    let url = url?.0;
    if exchange.is_empty() {
        // It puts messages into the queue that is called like the topic, and nobody has one.
        problems.push("bus.amqp.exchange is empty, which is no exchange that anybody listens to".to_owned());
    }
    if queue.is_some() && topics.is_empty() {
        problems.push("bus.amqp.queue is set and bus.amqp.topics is empty: nothing would ever come".to_owned());
    }
    if !announce && queue.is_none() {
        problems.push(
            "bus.amqp.url is set, bus.amqp.announce is false and bus.amqp.queue is not set: the broker would not be used"
                .to_owned(),
        );
    }
    Some(AmqpSettings {
        url,
        authority,
        identity,
        exchange,
        announce,
        needs_queue,
        queue,
        topics,
        prefetch,
        dead_letters,
    })
}

fn pair(
    section: &str,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    problems: &mut Vec<String>,
) -> Option<(PathBuf, PathBuf)> {
    if certificate.is_some() != key.is_some() {
        problems.push(format!("{section}.certificate and {section}.key belong together; only one of them is set"));
    }
    certificate.zip(key)
}
