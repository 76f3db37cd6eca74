//! The rules that a build service adds to those of the format.

use std::collections::{BTreeMap, BTreeSet};

use super::document::Content;
use super::packager::Configuration;
use super::problem::{Collector, FieldPath, Problem, Problems, Shown};
use super::rule::Rule;
use super::stream::ModuleStream;
use crate::id::{Arch, ComponentName, Context, GrammarError, ModuleName, StreamName};

/// The rules of a build service, each of which can be switched on and off.
///
/// By default all are on but [`DashInStream`](Rule::DashInStream), [`CustomRepository`](Rule::CustomRepository) and
/// [`CustomCache`](Rule::CustomCache), which are for a service's policy to decide.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    enabled: BTreeSet<Rule>,
    /// The modules that stand for the distribution, which [`BaseModule`](Rule::BaseModule) refuses to build.
    pub base_modules: BTreeSet<ModuleName>,
    /// How many components [`TooManyComponents`](Rule::TooManyComponents) allows.
    pub components: usize,
}

impl Rules {
    /// All the rules of a build service.
    pub const ALL: &'static [Rule] = &[
        Rule::DuplicateKey,
        Rule::ModuleName,
        Rule::StreamName,
        Rule::ContextName,
        Rule::ComponentName,
        Rule::ArchName,
        Rule::DependencyName,
        Rule::BaseModule,
        Rule::ReservedXmd,
        Rule::VersionSet,
        Rule::DashInStream,
        Rule::BuildAfterSelf,
        Rule::BuildAfterCycle,
        Rule::TooManyComponents,
        Rule::ModuleComponents,
        Rule::CustomRepository,
        Rule::CustomCache,
    ];

    /// Makes rules that allow everything.
    pub fn none() -> Self {
        Self { enabled: BTreeSet::new(), base_modules: BTreeSet::new(), components: usize::MAX }
    }

    /// Switches a rule on.
    #[must_use]
    pub fn with(mut self, rule: Rule) -> Self {
        self.enabled.insert(rule);
        self
    }

    /// Switches a rule off.
    #[must_use]
    pub fn without(mut self, rule: Rule) -> Self {
        self.enabled.remove(&rule);
        self
    }

    /// Tells whether a rule is on.
    pub fn has(&self, rule: Rule) -> bool {
        self.enabled.contains(&rule)
    }

    /// Checks a stream that did not come from a text; for one that did, [`Document::check`](super::Document::check)
    /// tells the places too.
    ///
    /// # Errors
    /// All the rules that are broken.
    pub fn check(&self, stream: &ModuleStream) -> Result<(), Problems> {
        let mut problems = Collector::default();
        self.apply(stream, &mut problems);
        problems.finish(())
    }

    pub(super) fn apply_to(&self, content: &Content, problems: &mut Collector) {
        match content {
            Content::Stream(stream) => self.apply(stream, problems),
            // What its streams would break is told of the document itself, once.
            Content::Packager(packager) if !self.enabled.is_empty() => {
                let mut found = Collector::default();
                self.apply(&packager.common(), &mut found);
                let mut check = Check { rules: self, problems: &mut found };
                for (context, configuration) in &packager.configurations {
                    check.configuration(context, configuration);
                }
                problems.append_unrelated(found);
            }
            Content::Packager(_) | Content::Defaults(_) | Content::Obsoletes(_) | Content::Translations(_) => {}
        }
    }

    pub(super) fn apply(&self, stream: &ModuleStream, problems: &mut Collector) {
        let mut check = Check { rules: self, problems };
        check.identity(stream);
        check.dependencies(stream);
        check.arches(stream);
        check.components(stream);
        check.build_after(stream);
    }
}

impl Default for Rules {
    fn default() -> Self {
        let off = [Rule::DashInStream, Rule::CustomRepository, Rule::CustomCache];
        Self {
            enabled: Self::ALL.iter().copied().filter(|rule| !off.contains(rule)).collect(),
            base_modules: ModuleName::new("platform").into_iter().collect(),
            components: 1000,
        }
    }
}

struct Check<'a> {
    rules: &'a Rules,
    problems: &'a mut Collector,
}

impl Check<'_> {
    fn refuse<const N: usize>(&mut self, rule: Rule, field: [&str; N], message: impl Into<String>, hint: &str) {
        if self.rules.has(rule) {
            self.problems.push(Problem::new(rule, FieldPath::new(field), message, hint));
        }
    }

    /// Checks a text against the grammar of what it names.
    fn grammar<T, const N: usize>(&mut self, rule: Rule, field: [&str; N], text: &str, read: Result<T, GrammarError>) {
        if let Err(error) = read {
            let message = format!("`{}` is no {}", Shown(text), error.what());
            self.refuse(rule, field, message, &format!("write {}", error.rule()));
        }
    }

    fn identity(&mut self, stream: &ModuleStream) {
        if let Some(name) = &stream.name {
            self.grammar(Rule::ModuleName, ["name"], name, ModuleName::new(name));
            if self.rules.base_modules.contains(name.as_str()) {
                let message = format!("`{}` stands for the distribution and is not built here", Shown(name));
                self.refuse(Rule::BaseModule, ["name"], message, "give the module a name of its own");
            }
        }
        if let Some(text) = &stream.stream {
            self.grammar(Rule::StreamName, ["stream"], text, StreamName::new(text));
            if text.contains('-') {
                let message = format!("the stream `{}` has a dash", Shown(text));
                self.refuse(Rule::DashInStream, ["stream"], message, "write `_` or `.` instead");
            }
        }
        if let Some(text) = &stream.context {
            self.grammar(Rule::ContextName, ["context"], text, Context::new(text));
        }
        if stream.version.is_some() {
            self.refuse(Rule::VersionSet, ["version"], "the build service gives the version", "leave `version` out");
        }
        if stream.xmd.get("mbs").is_some() {
            let hint = "leave `mbs` out of xmd";
            self.refuse(Rule::ReservedXmd, ["xmd", "mbs"], "`xmd.mbs` is left to the build service", hint);
        }
    }

    fn dependencies(&mut self, stream: &ModuleStream) {
        for (index, block) in stream.dependencies.iter().enumerate() {
            let index = index.to_string();
            for (kind, modules) in [("buildrequires", &block.buildrequires), ("requires", &block.requires)] {
                for (module, streams) in modules {
                    let field = ["dependencies", &index, kind, module];
                    self.grammar(Rule::DependencyName, field, module, ModuleName::new(module));
                    for text in streams {
                        let bare = text.strip_prefix('-').unwrap_or(text);
                        let field = ["dependencies", &index, kind, module, text];
                        self.grammar(Rule::DependencyName, field, text, StreamName::new(bare));
                    }
                }
            }
        }
    }

    fn configuration(&mut self, context: &str, configuration: &Configuration) {
        for (kind, modules) in [("buildrequires", &configuration.buildrequires), ("requires", &configuration.requires)]
        {
            for (module, stream) in modules {
                let field = ["configurations", context, kind, module];
                self.grammar(Rule::DependencyName, field, module, ModuleName::new(module));
                self.grammar(Rule::DependencyName, field, stream, StreamName::new(stream));
            }
        }
        let field = ["configurations", context, "platform"];
        self.grammar(Rule::DependencyName, field, &configuration.platform, StreamName::new(&configuration.platform));
        for arch in configuration.buildopts.iter().flat_map(|opts| &opts.arches) {
            let field = ["configurations", context, "buildopts", "arches", arch];
            self.grammar(Rule::ArchName, field, arch, Arch::new(arch));
        }
    }

    fn arches(&mut self, stream: &ModuleStream) {
        for arch in stream.buildopts.iter().flat_map(|opts| &opts.arches) {
            self.grammar(Rule::ArchName, ["buildopts", "arches", arch], arch, Arch::new(arch));
        }
        for (key, component) in &stream.components.rpms {
            for arch in &component.arches {
                self.grammar(Rule::ArchName, ["components", "rpms", key, "arches", arch], arch, Arch::new(arch));
            }
            for arch in &component.multilib {
                self.grammar(Rule::ArchName, ["components", "rpms", key, "multilib", arch], arch, Arch::new(arch));
            }
        }
    }

    fn components(&mut self, stream: &ModuleStream) {
        let components = &stream.components;
        let count = components.rpms.len();
        if count > self.rules.components {
            let message = format!("the module has {count} components, more than {}", self.rules.components);
            self.refuse(Rule::TooManyComponents, ["components", "rpms"], message, "split the module");
        }
        if !components.modules.is_empty() {
            let message = "not supported yet: modules as components";
            let hint = "write the other modules' packages to components.rpms, or require the modules";
            self.refuse(Rule::ModuleComponents, ["components", "modules"], message, hint);
        }
        for (key, component) in &components.rpms {
            self.grammar(Rule::ComponentName, ["components", "rpms", key], key, ComponentName::new(key));
            if let Some(name) = &component.name {
                self.grammar(Rule::ComponentName, ["components", "rpms", key, "name"], name, ComponentName::new(name));
            }
            let own = ComponentName::macros();
            if component.name.as_deref().unwrap_or(key) == own.as_str() {
                let message = format!("the build service makes {own} itself");
                self.refuse(Rule::ComponentName, ["components", "rpms", key], message, "leave the component out");
            }
            if component.repository.is_some() {
                let message = "components come from the service's own repositories";
                let hint = "leave `repository` out";
                self.refuse(Rule::CustomRepository, ["components", "rpms", key, "repository"], message, hint);
            }
            if component.cache.is_some() {
                let message = "components come from the service's own lookaside cache";
                self.refuse(Rule::CustomCache, ["components", "rpms", key, "cache"], message, "leave `cache` out");
            }
        }
    }

    fn build_after(&mut self, stream: &ModuleStream) {
        let rpms = &stream.components.rpms;
        for (key, _) in rpms.iter().filter(|(key, component)| component.buildafter.contains(*key)) {
            let field = ["components", "rpms", key, "buildafter", key];
            self.refuse(Rule::BuildAfterSelf, field, "the component is to be built after itself", "leave it out here");
        }
        if !self.rules.has(Rule::BuildAfterCycle) {
            return;
        }
        let edges = rpms.iter().map(|(key, component)| {
            let others = component.buildafter.iter().filter(|other| *other != key).map(String::as_str);
            (key.as_str(), others.collect())
        });
        for cycle in cycles(&edges.collect()) {
            let Some((first, last)) = cycle.first().zip(cycle.last()) else { continue };
            let message = format!("components wait for each other: {}", chain(&cycle));
            let field = ["components", "rpms", last, "buildafter", first];
            self.refuse(Rule::BuildAfterCycle, field, message, "take one of them out of a `buildafter`");
        }
    }
}

/// Writes a circle as `a → b → a`, where each is built after the next.
fn chain(cycle: &[&str]) -> String {
    const MOST: usize = 12;
    let mut names: Vec<String> = cycle.iter().take(MOST).map(|name| Shown(name).to_string()).collect();
    if cycle.len() > MOST {
        names.push(format!("… {} more", cycle.len() - MOST));
    }
    names.extend(cycle.first().map(|name| Shown(name).to_string()));
    names.join(" → ")
}

/// Finds circles that have no component in common, at least one in each tangle. Each component waits for the next one,
/// and the last for the first.
fn cycles<'a>(edges: &BTreeMap<&'a str, Vec<&'a str>>) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    let mut done: BTreeSet<&str> = BTreeSet::new();
    let mut told: BTreeSet<&str> = BTreeSet::new();
    for start in edges.keys().copied() {
        // A walk without recursion: its depth is the document's choice.
        let mut path: Vec<(&str, std::slice::Iter<'_, &str>)> = Vec::new();
        let mut place: BTreeMap<&str, usize> = BTreeMap::new();
        let mut next = Some(start);
        loop {
            if let Some(name) = next.take().filter(|name| !done.contains(name)) {
                if let Some(from) = place.get(name) {
                    let cycle: Vec<&str> = path.iter().skip(*from).map(|(name, _)| *name).collect();
                    if cycle.iter().all(|name| !told.contains(name)) {
                        told.extend(&cycle);
                        found.push(cycle);
                    }
                } else if let Some(others) = edges.get(name) {
                    place.insert(name, path.len());
                    path.push((name, others.iter()));
                }
            }
            let Some((name, others)) = path.last_mut() else { break };
            if let Some(other) = others.next() {
                next = Some(other);
            } else {
                place.remove(name);
                done.insert(name);
                path.pop();
            }
        }
    }
    found
}
