//! The settings that say what the streams of base modules are.

use std::collections::BTreeSet;
use std::str::FromStr;

use rida_core::scm::{GitRef, Repository};
use rida_core::{BaseStreams, Compatibility, DefaultModules, ModuleName, StreamName, StreamUse};

use super::Picker;
use crate::config::raw::{Builds, CompatibleStreams, Raw};

/// What is known of the streams of base modules, and what is not clear of it.
pub(super) struct Known {
    pub(super) streams: BaseStreams,
    /// The operator said which streams there are.
    pub(super) listed: bool,
    pub(super) problems: Vec<String>,
}

/// A setting with a list of texts.
type List = fn(&Builds) -> &Option<Vec<String>>;

/// Reads the settings; every stream that any of them names is known.
pub(super) fn known(pick: &mut Picker<'_>, base_modules: &BTreeSet<ModuleName>) -> Known {
    let mut lists = |key, get: List| pick.or(key, |raw: &Raw| get(&raw.builds).clone(), Vec::new());
    let plain = lists("builds.base_streams", |builds| &builds.base_streams);
    let virtually = lists("builds.virtual_streams", |builds| &builds.virtual_streams);
    let versions = lists("builds.stream_versions", |builds| &builds.stream_versions);
    let markings = lists("builds.dist_tag_markings", |builds| &builds.dist_tag_markings);
    let excluded = lists("builds.excluded_streams", |builds| &builds.excluded_streams);
    let ended = lists("builds.ended_streams", |builds| &builds.ended_streams);
    let defaults = lists("builds.default_modules", |builds| &builds.default_modules);
    let compatible =
        pick.or("builds.compatible_streams", |raw| raw.builds.compatible_streams, CompatibleStreams::Older);
    let mut read = Reader { base_modules, streams: BaseStreams::default(), problems: Vec::new() };
    read.streams.compatibility = match compatible {
        CompatibleStreams::Older => Compatibility::Older,
        CompatibleStreams::Any => Compatibility::Any,
        CompatibleStreams::Same => Compatibility::Same,
    };
    let listed = !plain.is_empty();
    read.streams("builds.base_streams", plain, |_| {});
    read.streams("builds.excluded_streams", excluded, |known| known.usage = StreamUse::Named);
    read.streams("builds.ended_streams", ended, |known| known.usage = StreamUse::Ended);
    read.pairs("builds.virtual_streams", "platform:el8.2.0=el8", virtually, |known, name: StreamName| {
        known.virtual_streams.insert(name);
    });
    read.pairs("builds.stream_versions", "platform:rawhide=430000", versions, |known, version| {
        known.version = Some(version);
    });
    read.pairs("builds.dist_tag_markings", "platform:el8.2.0=el8", markings, |known, marking| {
        known.dist_tag_marking = Some(marking);
    });
    read.default_modules("builds.default_modules", defaults);
    Known { streams: read.streams, listed, problems: read.problems }
}

/// Reads `name:stream`.
pub(super) fn base_stream(text: &str) -> Option<(ModuleName, StreamName)> {
    let (name, stream) = text.split_once(':')?;
    Some((ModuleName::new(name).ok()?, StreamName::new(stream).ok()?))
}

struct Reader<'a> {
    base_modules: &'a BTreeSet<ModuleName>,
    streams: BaseStreams,
    problems: Vec<String>,
}

impl Reader<'_> {
    /// Reads streams such as `platform:f42`.
    fn streams(&mut self, key: &str, texts: Vec<String>, note: impl Fn(&mut rida_core::BaseStream)) {
        for text in texts {
            if let Some((name, stream)) = self.stream(key, &text) {
                note(self.streams.entry(name, stream));
            }
        }
    }

    /// Reads what streams have, such as `platform:f42=rolling`.
    fn pairs<T: FromStr<Err: std::fmt::Display>>(
        &mut self,
        key: &str,
        example: &str,
        texts: Vec<String>,
        note: impl Fn(&mut rida_core::BaseStream, T),
    ) {
        for text in texts {
            let Some((stream, value)) = text.split_once('=') else {
                self.problems.push(format!("{key} has {text:?}; write a stream and what it has, such as {example:?}"));
                continue;
            };
            let Some((name, stream)) = self.stream(key, stream.trim()) else { continue };
            match value.trim().parse() {
                Ok(value) => note(self.streams.entry(name, stream), value),
                Err(error) => self.problems.push(format!("{key} has {text:?}: {error}; write such as {example:?}")),
            }
        }
    }

    /// Reads where streams say which modules they have by default, such as `platform:f42=https://…/defaults.git#main`.
    /// Without a ref it is the branch of the stream's name.
    fn default_modules(&mut self, key: &str, texts: Vec<String>) {
        const EXAMPLE: &str = "platform:f42=https://git.example.org/module-defaults.git#f42";
        for text in texts {
            let Some((stream, place)) = text.split_once('=') else {
                self.problems.push(format!("{key} has {text:?}; write a stream and a repository, such as {EXAMPLE:?}"));
                continue;
            };
            let Some((name, stream)) = self.stream(key, stream.trim()) else { continue };
            let (repository, reference) = place.trim().split_once('#').unwrap_or((place.trim(), stream.as_str()));
            let problem = match (Repository::parse(repository), GitRef::new(reference)) {
                (Ok(repository), Ok(reference)) => {
                    let place = DefaultModules { repository, reference };
                    self.streams.entry(name, stream).default_modules = Some(place);
                    continue;
                }
                (Err(error), _) => error.to_string(),
                (_, Err(error)) => error.to_string(),
            };
            self.problems.push(format!("{key} has {text:?}: {problem}; write such as {EXAMPLE:?}"));
        }
    }

    fn stream(&mut self, key: &str, text: &str) -> Option<(ModuleName, StreamName)> {
        let Some((name, stream)) = base_stream(text) else {
            self.problems.push(format!("{key} has {text:?}, which is no name:stream"));
            return None;
        };
        if !self.base_modules.contains(&name) {
            self.problems.push(format!(
                "{key} names {text:?}, and {name} is no base module; add it to builds.base_modules, or correct the name"
            ));
            return None;
        }
        Some((name, stream))
    }
}
