//! Defaults of a module: the stream, and the profiles of each stream, that are taken when none is named.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::{Decoder, Repeat};
use super::rule::Rule;
use super::tree::Node;
use super::yaml::{Flow, Writer};

/// What is taken of a module when a stream or a profile is not named: a `modulemd-defaults` document, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Defaults {
    /// The module; a document may lack it, but then no index takes the document.
    pub module: Option<String>,
    /// A number that grows with each change; of two documents, the one with the larger number holds.
    pub modified: u64,
    /// The default stream and profiles.
    pub base: DefaultSet,
    /// Others, by the name of the system's purpose; an empty stream there means that there is none.
    pub intents: BTreeMap<String, DefaultSet>,
}

/// A default stream, and default profiles by stream.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct DefaultSet {
    /// The stream.
    pub stream: Option<String>,
    /// The profiles of each stream.
    pub profiles: BTreeMap<String, BTreeSet<String>>,
}

impl Defaults {
    /// Returns the stream that is taken for a purpose, or for none in particular.
    pub fn stream_for(&self, intent: Option<&str>) -> Option<&str> {
        let own = intent.and_then(|intent| self.intents.get(intent)).and_then(|set| set.stream.as_deref());
        own.or(self.base.stream.as_deref()).filter(|stream| !stream.is_empty())
    }

    /// Returns the profiles that are taken of a stream, for a purpose or for none in particular.
    pub fn profiles_for(&self, stream: &str, intent: Option<&str>) -> Option<&BTreeSet<String>> {
        let own = intent.and_then(|intent| self.intents.get(intent)).and_then(|set| set.profiles.get(stream));
        own.or_else(|| self.base.profiles.get(stream))
    }

    pub(super) fn read<'n>(decoder: &mut Decoder<'n>, data: Node<'n>) -> Self {
        const KNOWN: &[&str] = &["module", "modified", "stream", "profiles", "intents"];
        let mut defaults = Self::default();
        decoder.fields_with(data, KNOWN, Repeat::RefusedFor(&["module", "stream"]), |decoder, key, value| {
            match key {
                "module" => defaults.module = decoder.string(value),
                "modified" => defaults.modified = decoder.unsigned(value).unwrap_or_default(),
                "stream" => defaults.base.stream = decoder.string(value),
                "profiles" => profiles(decoder, value, &mut defaults.base.profiles),
                "intents" => decoder.entries_with(value, Repeat::Refused, |decoder, key, name, value| {
                    if defaults.intents.insert(name.to_owned(), intent(decoder, value)).is_some() {
                        twice(decoder, key);
                    }
                }),
                _ => return false,
            }
            true
        });
        defaults
    }

    /// Returns the document in canonical form.
    pub fn to_yaml(&self) -> String {
        Writer::document("modulemd-defaults", 1, |w| {
            if let Some(module) = &self.module {
                w.key("module").text(module);
            }
            if self.modified > 0 {
                w.key("modified").bare(&self.modified.to_string());
            }
            write(w, &self.base);
            if !self.intents.is_empty() {
                w.key("intents").map(|w| {
                    for (name, set) in &self.intents {
                        w.key(name).map(|w| write(w, set));
                    }
                });
            }
        })
    }
}

fn intent<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> DefaultSet {
    let mut set = DefaultSet::default();
    let repeat = Repeat::RefusedFor(&["stream"]);
    decoder.fields_with(node, &["stream", "profiles"], repeat, |decoder, key, value| {
        match key {
            "stream" => set.stream = decoder.string(value),
            "profiles" => profiles(decoder, value, &mut set.profiles),
            _ => return false,
        }
        true
    });
    set
}

/// Reads the profiles of each stream; a section that occurs again adds others.
fn profiles<'n>(decoder: &mut Decoder<'n>, node: Node<'n>, read: &mut BTreeMap<String, BTreeSet<String>>) {
    decoder.entries_with(node, Repeat::Refused, |decoder, key, stream, value| {
        if read.insert(stream.to_owned(), decoder.set(value)).is_some() {
            twice(decoder, key);
        }
    });
}

/// Tells of a key that another section of the same name has; within one section it was told already.
fn twice<'n>(decoder: &mut Decoder<'n>, key: Node<'n>) {
    let message = "the key occurs a second time";
    if !decoder.problems.has(Rule::RepeatedKey, key.position()) {
        decoder.problem(Rule::RepeatedKey, key.position(), message, "keep one of the two");
    }
}

fn write(w: &mut Writer, set: &DefaultSet) {
    if let Some(stream) = &set.stream {
        w.key("stream").quoted(stream);
    }
    if !set.profiles.is_empty() {
        w.key("profiles").map(|w| {
            for (stream, profiles) in &set.profiles {
                w.key(stream).texts(Flow::Line, profiles);
            }
        });
    }
}
