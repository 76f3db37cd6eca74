//! The form of a message: properties and headers as the consumer library of fedora-messaging demands them.

use std::collections::BTreeMap;

use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use rida_core::{Announcement, PortError};

use crate::body::Body;
use crate::ids::MessageIds;
use crate::topics::{LONGEST_TOPIC, Topics};

/// The schema of a message without one of its own; every consumer knows it.
const SCHEMA: &str = "base.message";
/// The package that has it.
const SCHEMA_PACKAGE: &str = "fedora_messaging";
/// The most bytes of a body: what RabbitMQ keeps well, and consumers take.
const LONGEST_BODY: usize = 1024 * 1024;
/// Persistent: the broker keeps it on its disk.
const PERSISTENT: u8 = 2;
/// The longest key that a table can have.
const LONGEST_KEY: usize = 128;

/// How much a message matters, as fedora-messaging counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Severity {
    /// Something went on.
    Info,
    /// Something failed that somebody may want to mend.
    Warning,
}

/// A message as the broker takes it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    /// The topic.
    pub routing_key: ShortString,
    /// Properties and headers.
    pub properties: BasicProperties,
    /// The body: JSON in UTF-8, here of ASCII alone.
    pub payload: Vec<u8>,
}

impl Message {
    /// Makes the message of an announcement; the same for each repeat.
    ///
    /// # Errors
    /// When the broker could never take it.
    pub fn of(announcement: &Announcement, topics: &Topics, ids: &MessageIds) -> Result<Self, PortError> {
        let body = Body::of(announcement);
        let severity = if body.is_failure { Severity::Warning } else { Severity::Info };
        let mut headers = headers(severity, announcement.at);
        let filters = [("user", Some(&body.owner)), ("module", Some(&body.module)), ("rpm", body.package.as_ref())];
        for (kind, name) in filters {
            let key = name.map(|name| format!("fedora_messaging_{kind}_{name}"));
            if let Some(key) = key.filter(|key| key.len() <= LONGEST_KEY) {
                headers.insert(key, AMQPValue::Boolean(true));
            }
        }
        let id = ids.uuid(announcement);
        Self::new(&topics.of(body.topic), &id, headers, body.json.canonical().into_bytes())
    }

    /// Makes a message about the bus itself, to see whether it arrives.
    ///
    /// # Errors
    /// When the topic is too long.
    pub fn probe(topic: &str, id: &str, at: rida_core::Timestamp) -> Result<Self, PortError> {
        let body = crate::json::Json::object([("probe", id.into())]).canonical();
        Self::new(topic, id, headers(Severity::Info, at), body.into_bytes())
    }

    fn new(topic: &str, id: &str, headers: BTreeMap<String, AMQPValue>, payload: Vec<u8>) -> Result<Self, PortError> {
        if payload.len() > LONGEST_BODY {
            return Err(PortError::permanent(format!("the message is longer than {LONGEST_BODY} bytes")));
        }
        let long = |_| PortError::permanent(format!("the topic is longer than {LONGEST_TOPIC} bytes"));
        let short = |text: &str| ShortString::try_new(text).map_err(long);
        let mut table = FieldTable::default();
        for (key, value) in headers {
            table.insert(short(&key)?, value);
        }
        let properties = BasicProperties::default()
            .with_content_type("application/json".into())
            .with_content_encoding("utf-8".into())
            .with_delivery_mode(PERSISTENT)
            .with_message_id(short(id)?)
            .with_headers(table);
        Ok(Self { routing_key: short(topic)?, properties, payload })
    }
}

fn headers(severity: Severity, at: rida_core::Timestamp) -> BTreeMap<String, AMQPValue> {
    let severity = match severity {
        Severity::Info => 20,
        Severity::Warning => 30,
    };
    // `2026-11-22T10:22:02+00:00`: what Python writes of a time without a fraction.
    let sent_at = at.to_string().replace('Z', "+00:00");
    BTreeMap::from([
        ("fedora_messaging_schema".to_owned(), AMQPValue::LongString(SCHEMA.into())),
        ("fedora_messaging_schema_package".to_owned(), AMQPValue::LongString(SCHEMA_PACKAGE.into())),
        ("fedora_messaging_severity".to_owned(), AMQPValue::LongInt(severity)),
        ("sent-at".to_owned(), AMQPValue::LongString(sent_at.into())),
    ])
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use rida_core::testing::sample;

    use super::*;

    #[test]
    fn every_message_is_as_promised() {
        let (topics, ids) = (Topics::default(), MessageIds::new("test"));
        let mut text = String::new();
        let lives = [
            sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:20261123:c0ffee")),
            sample::life_to_failed(sample::id(2), sample::nsvc("lua:5.4:20261124:c0ffee")),
        ];
        for announcement in lives.iter().flatten().flat_map(|written| &written.announcements) {
            let message = Message::of(announcement, &topics, &ids).unwrap();
            assert_eq!(Message::of(announcement, &topics, &ids).unwrap(), message, "a repeat is the same");
            let headers = message.properties.headers().as_ref().unwrap();
            let id = message.properties.message_id().as_ref().unwrap();
            writeln!(text, "{} {id}", message.routing_key).unwrap();
            for (key, value) in headers.inner() {
                match value {
                    AMQPValue::LongString(value) => writeln!(text, "  {key} {:?}", value.to_string()).unwrap(),
                    value => writeln!(text, "  {key} {value:?}").unwrap(),
                }
            }
        }
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/headers.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(path, &text).unwrap();
        }
        let expected = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(text, expected, "{path} differs; look at the change, then run with UPDATE_GOLDEN=1");
    }

    #[test]
    fn what_the_broker_could_never_take_is_refused_for_good() {
        let long = Topics::new(&"x".repeat(100), &"y".repeat(100), &"z".repeat(60)).unwrap();
        let life = sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:1:c0ffee"));
        let announcement = &life[0].announcements[0];
        let error = Message::of(announcement, &long, &MessageIds::new("test")).unwrap_err();
        assert!(!error.is_retryable());
        let mut huge = announcement.clone();
        if let rida_core::Change::Module { reason, .. } = &mut huge.change {
            *reason = Some("x".repeat(LONGEST_BODY).into());
        }
        let error = Message::of(&huge, &Topics::default(), &MessageIds::new("test")).unwrap_err();
        assert!(!error.is_retryable());
    }

    #[test]
    fn names_too_long_for_a_header_are_left_out() {
        let life = sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:1:c0ffee"));
        let mut announcement = life[0].announcements[0].clone();
        announcement.owner = sample::owner(&"ö".repeat(128));
        let message = Message::of(&announcement, &Topics::default(), &MessageIds::new("test")).unwrap();
        let headers = message.properties.headers().as_ref().unwrap();
        assert!(headers.inner().keys().all(|key| !key.as_str().contains("_user_")));
        assert!(headers.inner().contains_key("fedora_messaging_module_lua"));
    }
}
