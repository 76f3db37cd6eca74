//! What a packager writes, version 3: one document for several build configurations.

use std::collections::{BTreeMap, BTreeSet};

use super::decode::{Decoder, Repeat};
use super::problem::{Collector, FieldPath, Problem, Problems, Shown};
use super::rule::Rule;
use super::stream::{self, BuildOpts, Components, Dependencies, License, ModuleStream, Profile, References, RpmSet};
use super::tree::Node;
use super::xmd::Xmd;
use super::yaml::{Flow, Writer};
use super::{DefaultSet, Defaults};

/// A packager document, version 3: the module once, and what each of its builds is made against.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Packager {
    /// The module's name; by custom left out of sources, where the repository gives it.
    pub name: Option<String>,
    /// The stream; by custom left out of sources, where the branch gives it.
    pub stream: Option<String>,
    /// What the module is, on one line.
    pub summary: Option<String>,
    /// What the module is, at length.
    pub description: Option<String>,
    /// The licences of the document itself; none means MIT.
    pub license: BTreeSet<String>,
    /// What is left to tools.
    pub xmd: Xmd,
    /// The builds, by context.
    pub configurations: BTreeMap<String, Configuration>,
    /// Where to read more.
    pub references: References,
    /// What is installed together, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// The packages that users may rely on.
    pub api: RpmSet,
    /// The packages that are built and left out.
    pub filter: RpmSet,
    /// The packages that the module no longer has, and that may be updated from outside of it.
    pub demodularized: RpmSet,
    /// What it is built from.
    pub components: Components,
}

/// What one build of a module is made against.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Configuration {
    /// The stream of the platform.
    pub platform: String,
    /// The modules it is built against, each with its stream.
    pub buildrequires: BTreeMap<String, String>,
    /// The modules that it needs, each with its stream.
    pub requires: BTreeMap<String, String>,
    /// How it is built.
    pub buildopts: Option<BuildOpts>,
}

const KNOWN: &[&str] = &[
    "name",
    "stream",
    "summary",
    "description",
    "license",
    "xmd",
    "configurations",
    "references",
    "profiles",
    "api",
    "filter",
    "demodularized",
    "components",
];

/// Adds what is wrong with a stream, but what follows from what is told already.
fn check(stream: &ModuleStream, problems: &mut Collector) {
    let mut found = Collector::default();
    stream.check(&mut found);
    problems.append_unrelated(found);
}

impl Packager {
    /// Makes a stream of each configuration, in the order of contexts, as libmodulemd's `convert_to_index` does.
    ///
    /// Each is a whole document of its own: a document of a stranger with thousands of configurations and thousands of
    /// components takes their product. Look at how many [`configurations`](Self::configurations) there are before.
    ///
    /// # Errors
    /// When there is no configuration, or when what a stream needs is not there.
    pub fn to_streams(&self) -> Result<Vec<ModuleStream>, Problems> {
        let mut problems = self.missing();
        let streams: Vec<_> =
            self.configurations.iter().map(|(context, configuration)| self.build(context, configuration)).collect();
        streams.iter().for_each(|stream| check(stream, &mut problems));
        problems.finish(streams)
    }

    /// Finds what each stream needs and is not there.
    fn missing(&self) -> Collector {
        let mut problems = Collector::default();
        if self.configurations.is_empty() {
            let hint = "add `configurations:` with a context and a platform";
            let field = FieldPath::new(["configurations"]);
            problems.push(Problem::new(Rule::Required, field, "the module has no configuration", hint));
        }
        for (key, given) in [("summary", &self.summary), ("description", &self.description)] {
            if given.is_none() {
                let message = format!("the module has no {key}");
                let hint = format!("add `{key}:` to the keys of data");
                problems.push(Problem::new(Rule::Required, FieldPath::new([key]), message, hint));
            }
        }
        problems
    }

    /// Returns the defaults that the default profiles make; none when there is no such profile.
    ///
    /// # Errors
    /// When the module's name or stream is not known.
    pub fn to_defaults(&self) -> Result<Option<Defaults>, Problems> {
        let named = self.profiles.iter().filter(|(_, profile)| profile.default).map(|(name, _)| name.clone());
        let profiles: BTreeSet<String> = named.collect();
        if profiles.is_empty() {
            return Ok(None);
        }
        let mut problems = Collector::default();
        for (key, given) in [("name", &self.name), ("stream", &self.stream)] {
            if given.is_none() {
                let message = format!("default profiles need the module's {key}");
                let hint = format!("add `{key}:` to the keys of data, or set it before");
                problems.push(Problem::new(Rule::Required, FieldPath::new([key]), message, hint));
            }
        }
        let stream = self.stream.clone().unwrap_or_default();
        let base = DefaultSet { stream: None, profiles: BTreeMap::from([(stream, profiles)]) };
        problems.finish(Some(Defaults { module: self.name.clone(), base, ..Defaults::default() }))
    }

    /// Makes the one stream of version 2 that has every configuration as a block of dependencies; the context is set
    /// when there is one configuration alone, and the build options are the first one's.
    ///
    /// # Errors
    /// When what a stream needs is not there.
    pub fn to_stream(&self) -> Result<ModuleStream, Problems> {
        let mut problems = self.missing();
        let mut configurations = self.configurations.iter();
        let mut build = |packager: &Self| {
            let stream =
                configurations.next().map(|(context, configuration)| packager.build(context, configuration))?;
            check(&stream, &mut problems);
            Some(stream)
        };
        // `missing` tells of a document without a configuration.
        let mut stream = build(self).unwrap_or_default();
        // Nothing is taken of what is the same in all, which may be large.
        let others = self.without_content();
        while let Some(other) = build(&others) {
            stream.context = None;
            stream.dependencies.extend(other.dependencies);
        }
        problems.finish(stream)
    }

    /// Returns the document without its components, its configurations and the lists that grow with them.
    fn without_content(&self) -> Self {
        let Self { name, stream, summary, description, license, .. } = self;
        Self {
            name: name.clone(),
            stream: stream.clone(),
            summary: summary.clone(),
            description: description.clone(),
            license: license.clone(),
            ..Self::default()
        }
    }

    /// Returns a stream with what is the same in all configurations.
    pub(super) fn common(&self) -> ModuleStream {
        let mut stream = self.build("", &Configuration::default());
        stream.context = None;
        stream.dependencies.clear();
        stream
    }

    fn build(&self, context: &str, configuration: &Configuration) -> ModuleStream {
        let with_platform = |modules: &BTreeMap<String, String>| {
            let mut sets: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            let platform = ("platform".to_owned(), configuration.platform.clone());
            for (module, stream) in modules.clone().into_iter().chain([platform]) {
                sets.entry(module).or_default().insert(stream);
            }
            sets
        };
        let license = if self.license.is_empty() { BTreeSet::from(["MIT".to_owned()]) } else { self.license.clone() };
        let profile =
            |(name, profile): (&String, &Profile)| (name.clone(), Profile { default: false, ..profile.clone() });
        ModuleStream {
            name: self.name.clone(),
            stream: self.stream.clone(),
            context: Some(context.to_owned()),
            summary: self.summary.clone().unwrap_or_default(),
            description: self.description.clone().unwrap_or_default(),
            license: License { module: license, content: BTreeSet::new() },
            xmd: self.xmd.clone(),
            dependencies: vec![Dependencies {
                buildrequires: with_platform(&configuration.buildrequires),
                requires: with_platform(&configuration.requires),
            }],
            references: self.references.clone(),
            profiles: self.profiles.iter().map(profile).collect(),
            api: self.api.clone(),
            filter: self.filter.clone(),
            demodularized: self.demodularized.clone(),
            buildopts: configuration.buildopts.clone(),
            components: self.components.clone(),
            ..ModuleStream::default()
        }
    }

    pub(super) fn read<'n>(decoder: &mut Decoder<'n>, data: Node<'n>) -> Self {
        let mut read = Self::default();
        decoder.strictly(|decoder| {
            decoder.fields(data, KNOWN, |decoder, key, value| {
                match key {
                    "name" => read.name = decoder.string(value),
                    "stream" => read.stream = decoder.string(value),
                    "summary" => read.summary = decoder.string(value),
                    "description" => read.description = decoder.string(value),
                    "license" => read.license = decoder.set(value),
                    "xmd" => read.xmd = stream::xmd(decoder, value),
                    "configurations" => configurations(decoder, value, &mut read.configurations),
                    "references" => read.references = stream::references(decoder, value),
                    "profiles" => read.profiles.extend(stream::profiles(decoder, value)),
                    "api" => read.api = stream::rpm_set(decoder, value),
                    "filter" => read.filter = stream::rpm_set(decoder, value),
                    "demodularized" => read.demodularized = stream::rpm_set(decoder, value),
                    "components" => read.components.extend(stream::components(decoder, value)),
                    _ => return false,
                }
                true
            });
        });
        read
    }

    /// Returns the document in canonical form.
    pub fn to_yaml(&self) -> String {
        Writer::document("modulemd-packager", 3, |w| {
            stream::text(w, "name", self.name.as_deref());
            if let Some(stream) = &self.stream {
                w.key("stream").quoted(stream);
            }
            stream::text(w, "summary", self.summary.as_deref());
            if let Some(description) = &self.description {
                w.key("description").paragraphs(description);
            }
            stream::set(w, "license", &self.license);
            if !self.xmd.is_empty() {
                stream::write_xmd(w.key("xmd"), &self.xmd);
            }
            if !self.configurations.is_empty() {
                w.key("configurations").list(Flow::Block, |w| {
                    for (context, configuration) in &self.configurations {
                        w.map(|w| write(w, context, configuration));
                    }
                });
            }
            stream::write_references(w, &self.references);
            stream::write_profiles(w, &self.profiles);
            stream::write_rpm_sets(w, &self.api, &self.filter, &self.demodularized);
            stream::write_components(w, &self.components);
        })
    }
}

fn configurations<'n>(decoder: &mut Decoder<'n>, node: Node<'n>, read: &mut BTreeMap<String, Configuration>) {
    decoder.items(node, |decoder, item| {
        let (mut context, mut platform) = (None, None);
        let mut configuration = Configuration::default();
        let known = &["context", "platform", "buildrequires", "requires", "buildopts"];
        decoder.fields(item, known, |decoder, key, value| {
            match key {
                "context" => context = decoder.string(value).map(|text| (text, value)),
                "platform" => platform = decoder.string(value),
                "buildrequires" => configuration.buildrequires = single_streams(decoder, value),
                "requires" => configuration.requires = single_streams(decoder, value),
                "buildopts" => configuration.buildopts = Some(stream::build_opts(decoder, value)),
                _ => return false,
            }
            true
        });
        for (key, _) in [("context", context.is_none()), ("platform", platform.is_none())].iter().filter(|(_, no)| *no)
        {
            if item.get(key).is_none() {
                let message = format!("the configuration has no {key}");
                decoder.problem_of(key, Rule::Required, item.position(), message, format!("add `{key}:`"));
            }
        }
        let Some((context, at)) = context else { return };
        configuration.platform = platform.unwrap_or_default();
        let good = (1..=10).contains(&context.len()) && context.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if !good {
            let message = format!("`{}` cannot be the context of a configuration", Shown(&context));
            let hint = "write 1 to 10 letters and digits".to_owned();
            decoder.problem_of("context", Rule::ConfigurationContext, at.position(), message, hint);
        }
        if read.insert(context, configuration).is_some() {
            let message = "another configuration has this context".to_owned();
            let hint = "give each configuration a context of its own".to_owned();
            decoder.problem_of("context", Rule::ConfigurationContext, at.position(), message, hint);
        }
    });
}

/// Reads modules that have exactly one stream each.
fn single_streams<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> BTreeMap<String, String> {
    let mut single = BTreeMap::new();
    decoder.entries_with(node, Repeat::Refused, |decoder, _, module, value| {
        let before = decoder.problems.count();
        let mut streams = decoder.set(value).into_iter();
        match (streams.next(), streams.next()) {
            (Some(stream), None) => {
                single.insert(module.to_owned(), stream);
            }
            _ if decoder.problems.count() > before => {}
            _ => {
                let message = "a configuration has exactly one stream of each module";
                let hint = "write `module: [stream]`, and a configuration for each other stream";
                decoder.problem(Rule::SingleStream, value.position(), message, hint);
            }
        }
    });
    single
}

fn write(w: &mut Writer, context: &str, configuration: &Configuration) {
    let modules = |w: &mut Writer, key: &str, modules: &BTreeMap<String, String>| {
        if !modules.is_empty() {
            w.key(key).map(|w| {
                modules.iter().for_each(|(module, stream)| w.key(module).list(Flow::Line, |w| w.text(stream)));
            });
        }
    };
    w.key("context").text(context);
    w.key("platform").text(&configuration.platform);
    modules(w, "buildrequires", &configuration.buildrequires);
    modules(w, "requires", &configuration.requires);
    if let Some(opts) = &configuration.buildopts {
        w.key("buildopts").map(|w| stream::write_build_opts(w, opts));
    }
}
