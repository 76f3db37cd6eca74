//! Translations of what a module says of itself.

use std::collections::BTreeMap;

use super::decode::{Decoder, Repeat};
use super::problem::{Collector, FieldPath, Problem, Problems};
use super::rule::Rule;
use super::tree::Node;
use super::yaml::Writer;

/// The texts of a stream in other languages: a `modulemd-translations` document, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Translations {
    /// The module.
    pub module: String,
    /// The stream.
    pub stream: String,
    /// A number that grows with each change; of two documents, the one with the larger number holds.
    pub modified: u64,
    /// The texts by locale, such as `de` or `en_GB`.
    pub translations: BTreeMap<String, Translation>,
}

/// The texts of a stream in one language.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Translation {
    /// The summary.
    pub summary: Option<String>,
    /// The description.
    pub description: Option<String>,
    /// The descriptions of profiles, by the profile's name.
    pub profiles: BTreeMap<String, String>,
}

impl Translations {
    /// Checks that what an index needs is there; what was read from a text has passed.
    ///
    /// # Errors
    /// All the rules that are broken.
    pub fn validate(&self) -> Result<(), Problems> {
        let mut problems = Collector::default();
        self.check(&mut problems);
        problems.finish(())
    }

    pub(super) fn check(&self, problems: &mut Collector) {
        let given =
            [("module", self.module.is_empty()), ("stream", self.stream.is_empty()), ("modified", self.modified == 0)];
        for (key, _) in given.into_iter().filter(|(_, missing)| *missing) {
            let message = format!("the document has no {key}");
            let hint = format!("add `{key}:` to the keys of data");
            problems.push(Problem::new(Rule::Required, FieldPath::new([key]), message, hint));
        }
    }

    pub(super) fn read<'n>(decoder: &mut Decoder<'n>, data: Node<'n>) -> Self {
        const KNOWN: &[&str] = &["module", "stream", "modified", "translations"];
        let mut read = Self::default();
        decoder.fields_with(data, KNOWN, Repeat::RefusedFor(&["module", "stream"]), |decoder, key, value| {
            match key {
                "module" => read.module = decoder.string(value).unwrap_or_default(),
                "stream" => read.stream = decoder.string(value).unwrap_or_default(),
                "modified" => read.modified = decoder.unsigned(value).unwrap_or_default(),
                "translations" => {
                    read.translations.clear();
                    decoder.entries(value, |decoder, _, locale, value| {
                        read.translations.insert(locale.to_owned(), translation(decoder, value));
                    });
                }
                _ => return false,
            }
            true
        });
        read
    }

    /// Returns the document in canonical form.
    pub fn to_yaml(&self) -> String {
        Writer::document("modulemd-translations", 1, |w| {
            w.key("module").text(&self.module);
            w.key("stream").quoted(&self.stream);
            w.key("modified").bare(&self.modified.to_string());
            w.key("translations").map(|w| {
                for (locale, translation) in &self.translations {
                    w.key(locale).map(|w| write(w, translation));
                }
            });
        })
    }
}

fn translation<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> Translation {
    let mut translation = Translation::default();
    decoder.fields(node, &["summary", "description", "profiles"], |decoder, key, value| {
        match key {
            "summary" => translation.summary = decoder.string(value),
            "description" => translation.description = decoder.string(value),
            "profiles" => decoder.entries(value, |decoder, _, name, value| {
                translation.profiles.insert(name.to_owned(), decoder.string(value).unwrap_or_default());
            }),
            _ => return false,
        }
        true
    });
    translation
}

fn write(w: &mut Writer, translation: &Translation) {
    if let Some(summary) = &translation.summary {
        w.key("summary").text(summary);
    }
    if let Some(description) = &translation.description {
        w.key("description").paragraphs(description);
    }
    if !translation.profiles.is_empty() {
        w.key("profiles").map(|w| {
            for (name, text) in &translation.profiles {
                w.key(name).text(text);
            }
        });
    }
}
