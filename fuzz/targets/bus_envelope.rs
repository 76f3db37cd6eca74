//! The frames of a message of fedmsg, the topic on the first line: reading never panics, and what was read is written in
//! a form that reads back equal.

use rida_fedmsg::fedmsg::verify::read_envelope;
use rida_fedmsg::json::{Json, JsonLimits};

pub(crate) fn run(data: &[u8]) {
    let limits = JsonLimits::default();
    let newline = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (topic, frame) = data.split_at(newline);
    let frame = frame.strip_prefix(b"\n").unwrap_or(frame);
    let _ = read_envelope(topic, frame, limits);
    if let Ok(json) = Json::read(frame, limits) {
        let text = json.canonical();
        assert!(text.is_ascii(), "{text}");
        // Escapes are longer than what they stand for.
        let wider = JsonLimits { bytes: usize::MAX, ..limits };
        let again = Json::read(text.as_bytes(), wider).unwrap_or_else(|error| panic!("{error} in {text}"));
        assert_eq!(again.canonical(), text);
    }
}
