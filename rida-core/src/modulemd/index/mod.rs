//! Indexes: what a repository says of all its modules, as in its `modules.yaml`.

mod merge;
mod read;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

pub use merge::{MergeConflict, Merger};
pub use read::{Failure, IndexOptions, ReadIndex};

use super::defaults::Defaults;
use super::document::Content;
use super::obsoletes::{Obsoletes, Successor};
use super::problem::{FieldPath, Problem, Shown};
use super::rule::Rule;
use super::service::Rules;
use super::stream::ModuleStream;
use super::time::Minute;
use super::translations::Translations;

/// The modules of a repository.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Index {
    modules: BTreeMap<String, Module>,
}

/// What an index says of one module.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Module {
    streams: BTreeMap<StreamIdentity, ModuleStream>,
    defaults: Option<Defaults>,
    obsoletes: BTreeMap<ObsoletesIdentity, Obsoletes>,
    translations: BTreeMap<String, Translations>,
}

/// What tells streams of one module apart: stream, version, context and architecture.
type StreamIdentity = (Option<String>, Option<u64>, Option<String>, Option<String>);

/// What tells obsoletes of one module apart: stream, context, and when they were modified.
type ObsoletesIdentity = (String, Option<String>, Option<Minute>);

impl Index {
    /// Reads an index: all of its documents, whatever is wrong with some.
    pub fn read(bytes: &[u8], options: &IndexOptions) -> ReadIndex {
        read::read(bytes, options, &Rules::none())
    }

    /// Reads an index, and leaves out the documents that break rules of a build service too.
    pub fn judge(bytes: &[u8], options: &IndexOptions, rules: &Rules) -> ReadIndex {
        read::read(bytes, options, rules)
    }

    /// Adds what a document says. Defaults, obsoletes and translations take the place of what they say again.
    ///
    /// # Errors
    /// When it has no place in an index, or when it is a stream that is there already and says something else.
    pub fn add(&mut self, content: Content) -> Result<(), Problem> {
        match content {
            Content::Stream(stream) => self.add_stream(*stream),
            Content::Packager(_) => Err(packager()),
            Content::Defaults(defaults) => match defaults.module.clone() {
                Some(module) => {
                    self.modules.entry(module).or_default().defaults = Some(defaults);
                    Ok(())
                }
                None => Err(problem(Rule::IndexName, "module", "the defaults are of no module", "add `module:`")),
            },
            Content::Obsoletes(obsoletes) => {
                self.modules.entry(obsoletes.module.clone()).or_default().add_obsoletes(obsoletes);
                Ok(())
            }
            Content::Translations(translations) => {
                let module = self.modules.entry(translations.module.clone()).or_default();
                module.translations.insert(translations.stream.clone(), translations);
                Ok(())
            }
        }
    }

    fn add_stream(&mut self, stream: ModuleStream) -> Result<(), Problem> {
        for (key, given) in [("name", &stream.name), ("stream", &stream.stream)] {
            if given.is_none() {
                let message = format!("a stream of an index has a {key}");
                return Err(problem(Rule::IndexName, key, &message, &format!("add `{key}:` to the keys of data")));
            }
        }
        let module = self.modules.entry(stream.name.clone().unwrap_or_default()).or_default();
        match module.streams.entry(stream.identity()) {
            Entry::Occupied(other) if *other.get() == stream => Ok(()),
            Entry::Occupied(_) => {
                let message = format!("another document has {} too, with other content", Shown(&stream.nsvca()));
                Err(problem(Rule::SameNsvca, "", &message, "give one of them another version, or leave it out"))
            }
            Entry::Vacant(vacant) => {
                vacant.insert(stream);
                Ok(())
            }
        }
    }

    /// Iterates over the modules by name.
    pub fn modules(&self) -> impl Iterator<Item = (&str, &Module)> {
        self.modules.iter().map(|(name, module)| (name.as_str(), module))
    }

    /// Returns a module.
    pub fn module(&self, name: &str) -> Option<&Module> {
        self.modules.get(name)
    }

    /// Tells whether there is nothing in the index.
    pub fn is_empty(&self) -> bool {
        self.modules.is_empty()
    }

    /// Returns the default stream of each module that has one, for a purpose or for none in particular.
    pub fn default_streams(&self, intent: Option<&str>) -> BTreeMap<&str, &str> {
        self.modules().filter_map(|(name, module)| Some((name, module.default_stream(intent)?))).collect()
    }

    /// Returns the stream that users of a stream are led to: the stream itself, or what takes its place after it ended,
    /// and so on; none when it ended without a successor, or when successors go round in a circle.
    pub fn successor(&self, module: &str, stream: &str, context: Option<&str>, now: Minute) -> Option<Successor> {
        let mut at = Successor { module: module.to_owned(), stream: stream.to_owned() };
        let mut context = context;
        let mut seen = BTreeSet::new();
        loop {
            if !seen.insert((at.module.clone(), at.stream.clone())) {
                return None;
            }
            match self.module(&at.module).and_then(|module| module.obsoleted(&at.stream, context, now)) {
                Some(obsoletes) => at = obsoletes.obsoleted_by.clone()?,
                None => return Some(at),
            }
            context = None;
        }
    }

    /// Returns the index in canonical form. Reading it gives an equal index, to libmodulemd too.
    pub fn to_yaml(&self) -> String {
        let mut text = String::new();
        for module in self.modules.values() {
            module.defaults.iter().for_each(|defaults| text.push_str(&defaults.to_yaml()));
            module.obsoletes.values().for_each(|obsoletes| text.push_str(&obsoletes.to_yaml()));
            module.translations.values().for_each(|translations| text.push_str(&translations.to_yaml()));
            module.streams.values().for_each(|stream| text.push_str(&stream.to_yaml()));
        }
        text
    }
}

impl Module {
    /// Iterates over the streams, by stream, version, context and architecture.
    pub fn streams(&self) -> impl Iterator<Item = &ModuleStream> {
        self.streams.values()
    }

    /// Returns the documents of a stream's latest version: one for each context and architecture it was built in.
    pub fn latest(&self, stream: &str) -> Vec<&ModuleStream> {
        let of_stream = || self.streams.values().filter(|each| each.stream.as_deref() == Some(stream));
        let latest = of_stream().map(|each| each.version).max();
        of_stream().filter(|each| Some(each.version) == latest).collect()
    }

    /// Returns the defaults document.
    pub fn defaults(&self) -> Option<&Defaults> {
        self.defaults.as_ref()
    }

    /// Iterates over the obsoletes documents, of all streams, old ones too: by stream, context and when they were modified.
    pub fn obsoletes(&self) -> impl Iterator<Item = &Obsoletes> {
        self.obsoletes.values()
    }

    /// Returns the translations of a stream.
    pub fn translations(&self, stream: &str) -> Option<&Translations> {
        self.translations.get(stream)
    }

    /// Iterates over the streams that are translated.
    pub fn translated(&self) -> impl Iterator<Item = &str> {
        self.translations.keys().map(String::as_str)
    }

    /// Returns the stream that is taken when none is named, for a purpose or for none in particular.
    pub fn default_stream(&self, intent: Option<&str>) -> Option<&str> {
        self.defaults.as_ref()?.stream_for(intent)
    }

    /// Returns the profiles that are taken of a stream when none is named: those of the defaults document, or else
    /// those that the stream itself calls so.
    pub fn default_profiles(&self, stream: &ModuleStream, intent: Option<&str>) -> BTreeSet<String> {
        let name = stream.stream.as_deref().unwrap_or_default();
        let listed = self.defaults.as_ref().and_then(|defaults| defaults.profiles_for(name, intent));
        let own =
            || stream.profiles.iter().filter(|(_, profile)| profile.default).map(|(name, _)| name.clone()).collect();
        listed.cloned().unwrap_or_else(own)
    }

    /// Returns what says that a stream has ended by now: of all that holds for the context, what was modified last, and
    /// of two modified at once, what names the context.
    pub fn obsoleted(&self, stream: &str, context: Option<&str>, now: Minute) -> Option<&Obsoletes> {
        let holds = |obsoletes: &&Obsoletes| {
            let of_context = obsoletes.context.is_none() || obsoletes.context.as_deref() == context;
            obsoletes.stream == stream && of_context && obsoletes.is_active(now)
        };
        let last = self.obsoletes.values().filter(holds).max_by_key(|each| (each.modified, each.context.is_some()));
        last.filter(|obsoletes| !obsoletes.reset)
    }

    fn add_obsoletes(&mut self, obsoletes: Obsoletes) {
        let identity = (obsoletes.stream.clone(), obsoletes.context.clone(), obsoletes.modified);
        self.obsoletes.insert(identity, obsoletes);
    }
}

impl ModuleStream {
    /// What tells streams of one module apart.
    fn identity(&self) -> StreamIdentity {
        (self.stream.clone(), self.version, self.context.clone(), self.arch.clone())
    }

    /// Returns name, stream, version, context and architecture with colons between them; what is not given is empty, and
    /// left out at the end.
    pub fn nsvca(&self) -> String {
        let version = self.version.map(|version| version.to_string());
        let parts = [&self.name, &self.stream, &version, &self.context, &self.arch];
        let text = parts.map(|part| part.as_deref().unwrap_or_default()).join(":");
        text.trim_end_matches(':').to_owned()
    }
}

/// Refuses a packager document.
fn packager() -> Problem {
    let message = "a packager document is no part of an index";
    problem(Rule::NotInIndex, "", message, "leave it out, or put the streams there that it makes")
}

fn problem(rule: Rule, key: &str, message: &str, hint: &str) -> Problem {
    let field = FieldPath::new(Some(key).filter(|key| !key.is_empty()));
    Problem::new(rule, field, message, hint)
}
