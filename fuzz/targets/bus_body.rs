//! The body of a message of the build system, the topic on the first line: reading never panics, and nothing but a known
//! topic of the own instance becomes a hint.

use rida_fedmsg::Incoming;
use rida_fedmsg::incoming::{TOPICS, read};
use rida_fedmsg::json::{Json, JsonLimits};

pub(crate) fn run(data: &[u8]) {
    let newline = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (topic, body) = data.split_at(newline);
    let topic = String::from_utf8_lossy(topic);
    let Ok(body) = Json::read(body, JsonLimits::default()) else { return };
    if let Ok(Some(Incoming::Hint { topic: known, hint })) = read(&topic, &body, "primary") {
        assert!(TOPICS.contains(&known) && topic.ends_with(known), "{topic} is taken for {known}");
        let instance = body.get("instance");
        assert!(instance.is_none() || instance.and_then(Json::as_str) == Some("primary"));
        assert!(hint.task.is_some() || hint.tag.is_some() || hint.nvr.is_some(), "a hint is about something");
    }
}
