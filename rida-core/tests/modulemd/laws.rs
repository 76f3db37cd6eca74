//! What holds for every stream and every text.

use proptest::prelude::*;
use rida_core::modulemd::{self, Content, Rules};

use crate::documents;
use crate::generated::{content, stream};

/// Changes a text a little: bytes are removed, repeated, replaced, or pieces that mean something are put in.
fn mutated() -> impl Strategy<Value = Vec<u8>> {
    const PIECES: &[&[u8]] = &[
        b"\n",
        b" ",
        b"\t",
        b": ",
        b"- ",
        b"[",
        b"]",
        b"{",
        b"}",
        b"*a",
        b"&a ",
        b"\"",
        b"'",
        b"|\n",
        b"!!int ",
        b"---\n",
        b"...\n",
        b"\0",
        b"\xff",
        b"\xef\xbb\xbf",
        b"\r\n",
        b"data:",
        b"~",
        b"? ",
        b"<<: ",
        b"\\0",
        b"-",
        b"9999999999999999999999",
    ];
    let texts: Vec<Vec<u8>> = ["good", "bad"].iter().flat_map(|part| documents(part)).map(|(_, text)| text).collect();
    let change = (any::<prop::sample::Index>(), 0_usize..4, prop::sample::select(PIECES), any::<u8>());
    (prop::sample::select(texts), prop::collection::vec(change, 1..8)).prop_map(|(mut text, changes)| {
        for (place, kind, piece, byte) in changes {
            let at = place.index(text.len() + 1);
            match kind {
                0 => drop(text.drain(at..(at + usize::from(byte % 16)).min(text.len()))),
                1 => drop(text.splice(at..at, piece.iter().copied())),
                2 => text.truncate(at),
                _ => drop(text.splice(at..(at + 1).min(text.len()), [byte])),
            }
        }
        text
    })
}

fn read(text: &[u8]) -> Content {
    modulemd::read(text)
        .unwrap_or_else(|problems| panic!("{problems}\n{}", String::from_utf8_lossy(text)))
        .into_content()
}

proptest! {
    #[test]
    fn what_is_written_reads_back_equal(content in content()) {
        let written = content.to_yaml();
        prop_assert_eq!(read(written.as_bytes()), content, "{}", written);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in mutated()) {
        match modulemd::read(&text) {
            Ok(document) => {
                // What is refused by the service's rules is told with places, and what was read can be written.
                if let Err(problems) = document.check(&Rules::default()) {
                    prop_assert!(problems.iter().all(|problem| problem.position.is_some()));
                }
                let written = document.content().to_yaml();
                prop_assert_eq!(&read(written.as_bytes()), document.content());
            }
            Err(problems) => {
                prop_assert!(problems.iter().all(|problem| problem.position.is_some()));
                prop_assert!(problems.lines().iter().all(|line| !line.contains(char::is_control)));
            }
        }
    }
}

#[test]
fn every_good_document_reads_back_equal() {
    for (name, text) in documents("good") {
        let stream = read(&text);
        assert_eq!(read(stream.to_yaml().as_bytes()), stream, "{name}");
    }
}

/// Texts that resolve to numbers, booleans or nulls elsewhere are quoted, so that YAML of another version, read by
/// another library, has the same texts.
#[test]
fn other_readers_read_texts_as_texts() {
    use serde_yaml::Value;
    let texts = |value: &Value| value.as_sequence().unwrap().iter().map(|v| v.as_str().unwrap().to_owned()).collect();
    proptest!(|(stream in stream())| {
        let document: Value = serde_yaml::from_str(&stream.to_yaml()).unwrap();
        let data = &document["data"];
        prop_assert_eq!(data["name"].as_str(), stream.name.as_deref());
        prop_assert_eq!(data["stream"].as_str(), stream.stream.as_deref());
        prop_assert_eq!(data["context"].as_str(), stream.context.as_deref());
        prop_assert_eq!(data["summary"].as_str(), Some(stream.summary.as_str()));
        for (key, component) in &stream.components.rpms {
            let written = &data["components"]["rpms"][key.as_str()];
            prop_assert_eq!(written["ref"].as_str(), component.reference.as_deref(), "{}", key);
        }
        if !stream.api.rpms.is_empty() {
            let written: std::collections::BTreeSet<String> = texts(&data["api"]["rpms"]);
            prop_assert_eq!(&written, &stream.api.rpms);
        }
    });
}
