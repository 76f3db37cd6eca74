//! The streams of base modules: what is known of the distribution that modules are built for.
//!
//! The rules are those of the Module Build Service, which keeps the same facts in documents of the base modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use crate::id::{GrammarError, ModuleName, StreamName};
use crate::scm::{GitRef, Repository};

/// The number of a base module's stream, by which streams are ordered: two digits each for major, minor and patch, such
/// as 80100 for `el8.1.0`, with up to three digits behind the point for what comes between two of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamVersion {
    thousandths: u64,
}

/// What is known of a stream of a base module.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BaseStream {
    /// What the stream is also called, together with others: `el8` of `el8.1.0` and `el8.2.0`. A module that names one
    /// of these is built against the newest stream that has it.
    pub virtual_streams: BTreeSet<StreamName>,
    /// Its number, where its name does not tell it.
    pub version: Option<StreamVersion>,
    /// What dist tags have in place of the stream.
    pub dist_tag_marking: Option<StreamName>,
    /// Where it says which modules it has by default: those are built against too. Absent when it has none.
    pub default_modules: Option<DefaultModules>,
    /// What modules may still be built against it.
    pub usage: StreamUse,
}

/// A repository of documents that say which modules a distribution has by default.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DefaultModules {
    /// The repository.
    pub repository: Repository,
    /// The branch, tag or commit.
    pub reference: GitRef,
}

/// Which modules are built against a stream of a base module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum StreamUse {
    /// Those that name it, or leave the stream open.
    #[default]
    Offered,
    /// Those that name it.
    Named,
    /// None any more. What was built against it may still be used, where that is [compatible](Compatibility::Any).
    Ended,
}

/// Which builds may stand for what was never built against a stream of a base module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Compatibility {
    /// Those against older minor streams of the same major one that share a virtual stream with it.
    #[default]
    Older,
    /// Those against any stream that shares a virtual stream with it, also those that [ended](StreamUse::Ended).
    Any,
    /// None.
    Same,
}

/// The streams of base modules that are known. Of a base module without any, every stream is as good as another.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BaseStreams {
    /// Which streams can stand for each other.
    pub compatibility: Compatibility,
    streams: BTreeMap<ModuleName, BTreeMap<StreamName, BaseStream>>,
}

impl StreamVersion {
    /// Makes the version of a whole number.
    pub fn new(number: u32) -> Self {
        Self { thousandths: u64::from(number) * 1000 }
    }

    /// Returns the number that a stream's name tells: its first run of digits and points, each number with two places,
    /// and zeros for what is missing of three numbers. Absent when it has none, or too many digits.
    pub fn of(stream: &StreamName) -> Option<Self> {
        let number: u64 = format!("{:0<6}", digits(stream.as_str())?).parse().ok()?;
        Some(Self { thousandths: number.checked_mul(1000)? })
    }

    /// Returns the number in thousandths, the unit that it is counted in.
    pub fn thousandths(self) -> u64 {
        self.thousandths
    }

    /// Returns the first number that has the same major one.
    pub fn major(self) -> Self {
        const MAJOR: u64 = 10_000 * 1000;
        Self { thousandths: self.thousandths / MAJOR * MAJOR }
    }
}

impl fmt::Display for StreamVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (number, rest) = (self.thousandths / 1000, self.thousandths % 1000);
        match rest {
            0 => write!(f, "{number}"),
            _ => f.write_str(format!("{number}.{rest:03}").trim_end_matches('0')),
        }
    }
}

impl FromStr for StreamVersion {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, rest) = text.split_once('.').unwrap_or((text, "0"));
        let is_number = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        let read = || {
            let (number, rest): (u64, u64) = (number.parse().ok()?, format!("{rest:0<3}").parse().ok()?);
            Some(Self { thousandths: number * 1000 + rest })
        };
        let good = is_number(number, 12) && is_number(rest, 3);
        let rule = "a number of at most 12 digits, with at most 3 behind a point";
        good.then(read).flatten().ok_or_else(|| GrammarError::new("stream version", text, rule))
    }
}

impl BaseStreams {
    /// Adds a stream, or changes what is known of it.
    pub fn entry(&mut self, module: ModuleName, stream: StreamName) -> &mut BaseStream {
        self.streams.entry(module).or_default().entry(stream).or_default()
    }

    /// Tells whether no stream is known of any base module.
    pub fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    /// Iterates over what is known of the streams of a base module, in the order of their names.
    pub fn of(&self, module: &ModuleName) -> impl Iterator<Item = (&StreamName, &BaseStream)> {
        self.streams.get(module).into_iter().flatten()
    }

    /// Iterates over the repositories that say which modules streams have by default.
    pub fn default_modules(&self) -> impl Iterator<Item = &DefaultModules> {
        self.streams.values().flatten().filter_map(|(_, known)| known.default_modules.as_ref())
    }

    /// Returns what is known of a stream.
    pub fn get(&self, module: &ModuleName, stream: &StreamName) -> Option<&BaseStream> {
        self.streams.get(module)?.get(stream)
    }

    /// Returns the streams that a document stands for which leaves the stream of a base module open.
    pub fn offered(&self, module: &ModuleName) -> BTreeSet<StreamName> {
        let offered = self.of(module).filter(|(_, known)| known.usage == StreamUse::Offered);
        offered.map(|(stream, _)| stream.clone()).collect()
    }

    /// Returns the number of a stream.
    pub fn version(&self, module: &ModuleName, stream: &StreamName) -> Option<StreamVersion> {
        let given = self.get(module, stream).and_then(|known| known.version);
        given.or_else(|| StreamVersion::of(stream))
    }

    /// Returns the stream that is built against when a document names `stream`: that one, or the newest which has it as
    /// a virtual stream. Absent when modules are built against neither.
    pub fn named(&self, module: &ModuleName, stream: &str) -> Option<&StreamName> {
        let known = self.streams.get(module)?;
        let alive = |known: &BaseStream| known.usage != StreamUse::Ended;
        if let Some((name, own)) = known.get_key_value(stream) {
            return alive(own).then_some(name);
        }
        let virtually = known.iter().filter(|(_, own)| alive(own) && own.virtual_streams.contains(stream));
        virtually.map(|(name, _)| name).max_by_key(|name| (self.version(module, name), *name))
    }

    /// Returns the streams of which builds may be taken for one against `stream`: that one first, then those that are
    /// compatible with it, the newest first.
    pub fn compatible(&self, module: &ModuleName, stream: &StreamName) -> Vec<StreamName> {
        let mut found = vec![stream.clone()];
        let Some(own) = self.get(module, stream) else { return found };
        let version = self.version(module, stream);
        let is_compatible = |(name, other): &(&StreamName, &BaseStream)| {
            let related = *name != stream && !own.virtual_streams.is_disjoint(&other.virtual_streams);
            let fits = match self.compatibility {
                Compatibility::Same => false,
                Compatibility::Any => true,
                // Without minor numbers nothing tells the older from the newer of one major stream.
                Compatibility::Older if !self.has_minor(module, stream) => false,
                Compatibility::Older => {
                    let range = version.map(|version| version.major()..=version);
                    let theirs = self.version(module, name);
                    let older = range.zip(theirs).is_some_and(|(range, theirs)| range.contains(&theirs));
                    older && other.usage != StreamUse::Ended
                }
            };
            related && fits
        };
        let mut others: Vec<&StreamName> = self.of(module).filter(is_compatible).map(|(name, _)| name).collect();
        others.sort_by_key(|name| std::cmp::Reverse((self.version(module, name), *name)));
        found.extend(others.into_iter().cloned());
        found
    }

    /// Tells whether a module runs on a stream of a base module. `needs` is what it needs of it at run time, and
    /// `built_on` what it was built against.
    ///
    /// It names the stream, or a virtual one that the stream has; then it must not be built against a newer minor stream
    /// than this one. One that needs nothing of the base module, or any stream of it, runs.
    pub fn runs(
        &self,
        module: &ModuleName,
        stream: &StreamName,
        needs: &BTreeSet<String>,
        built_on: Option<&StreamName>,
    ) -> bool {
        if crate::expand::is_open(needs) {
            return !needs.contains(&format!("-{stream}"));
        }
        let own = self.get(module, stream);
        let virtually = own.is_some_and(|own| own.virtual_streams.iter().any(|name| needs.contains(name.as_str())));
        let is_newer = |built_on: &StreamName| {
            self.has_minor(module, built_on) && self.version(module, built_on) > self.version(module, stream)
        };
        needs.contains(stream.as_str()) || (virtually && !built_on.is_some_and(is_newer))
    }

    /// Says which streams of a base module can be named.
    pub(crate) fn told(&self, module: &ModuleName) -> String {
        const SHOWN: usize = 20;
        let alive = self.of(module).filter(|(_, own)| own.usage != StreamUse::Ended);
        let names = alive.flat_map(|(stream, own)| std::iter::once(stream).chain(&own.virtual_streams));
        let names: BTreeSet<&str> = names.map(StreamName::as_str).collect();
        let more = if names.len() > SHOWN { ", …" } else { "" };
        let names = names.into_iter().take(SHOWN).collect::<Vec<_>>().join(", ");
        format!("write one of {names}{more}; the operator names the streams of base modules in builds.base_streams")
    }

    /// Tells whether a stream's number has more than a major part.
    fn has_minor(&self, module: &ModuleName, stream: &StreamName) -> bool {
        let given = self.get(module, stream).is_some_and(|known| known.version.is_some());
        given || run(stream.as_str()).is_some_and(|run| sections(run).nth(1).is_some())
    }
}

impl FromIterator<(ModuleName, StreamName)> for BaseStreams {
    fn from_iter<I: IntoIterator<Item = (ModuleName, StreamName)>>(streams: I) -> Self {
        let mut found = Self::default();
        for (module, stream) in streams {
            found.entry(module, stream);
        }
        found
    }
}

/// Returns the number that a stream of a base module puts before versions, such as `28` for `f28` and `80100` for
/// `el8.1.0`.
pub(crate) fn version_prefix(stream: &str) -> Option<u64> {
    digits(stream)?.parse().ok()
}

/// Returns the numbers in a stream's name, each with two places.
fn digits(stream: &str) -> Option<String> {
    Some(sections(run(stream)?).map(|section| format!("{section:0>2}")).collect())
}

/// Returns the first run of digits and points.
fn run(stream: &str) -> Option<&str> {
    let start = stream.find(|c: char| c.is_ascii_digit())?;
    stream.get(start..)?.split(|c: char| !c.is_ascii_digit() && c != '.').next()
}

fn sections(run: &str) -> impl Iterator<Item = &str> {
    run.split('.').filter(|section| !section.is_empty())
}

#[cfg(test)]
mod tests;
