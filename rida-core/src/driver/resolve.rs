//! Finds what a module is built against: the combinations of streams, and for each the builds with all that they need.

use std::collections::{BTreeMap, BTreeSet};

use super::{Driver, Parts, SubmitError};
use crate::base_streams::DefaultModules;
use crate::build::{BuildRequire, ModuleBuild};
use crate::choose::{self, Answer, Candidate, Found, Lookup, Needs, Refusal, Wanted};
use crate::default_modules;
use crate::expand::{self, Combination, Known};
use crate::id::{BuildId, ModuleName, StreamName};
use crate::intake::Taken;
use crate::modulemd;
use crate::ports::{BuildSummary, StoreError};

/// How many streams of one module are chosen from.
const MOST_STREAMS: usize = 256;
/// How much is looked up for one combination.
const MOST_LOOKUPS: usize = 5_000;

/// A combination with the builds that it is built against.
pub(super) struct Resolved {
    pub(super) combination: Combination,
    pub(super) requires: Vec<BuildRequire>,
    /// Those that the distribution has by default, with what these need.
    pub(super) defaults: Vec<BuildRequire>,
}

/// What is built for: a base module and its stream, where there is one.
type Base = Option<(ModuleName, StreamName)>;

/// Looks builds up, each once.
struct Resolver<'a> {
    parts: &'a Parts,
    base: Base,
    /// The streams of the base module whose builds will do, the best first.
    compatible: Vec<StreamName>,
    found: Found,
}

impl Driver {
    /// Returns each combination of streams that a document is built against, with the builds of these.
    ///
    /// What the document names must be there. Where it leaves the stream open, what there is counts: a combination that
    /// cannot be is left out, as long as any other can.
    pub(super) async fn expand(
        &self,
        taken: &Taken,
        preferred: &BTreeMap<ModuleName, StreamName>,
    ) -> Result<Vec<Resolved>, SubmitError> {
        let policy = &self.parts.policy;
        let known = self.known(taken).await?;
        let (mut combinations, mut problems) = (Vec::new(), Vec::new());
        for stream in &taken.streams {
            match expand::combinations(stream, &known, preferred, policy.builds_per_submission) {
                Ok(found) => combinations.extend(found),
                Err(found) => problems.extend(found.into_iter().map(|problem| taken.located(problem))),
            }
        }
        if combinations.len() > policy.builds_per_submission && problems.is_empty() {
            problems.push(taken.located(expand::too_many(combinations.len(), policy.builds_per_submission)));
        }
        if !problems.is_empty() {
            return Err(SubmitError::Invalid(problems));
        }
        let mut resolvers: BTreeMap<Base, Resolver<'_>> = BTreeMap::new();
        let (mut resolved, mut left_out) = (Vec::new(), Vec::new());
        for combination in combinations {
            let base = combination.chosen.iter().find(|(name, _)| policy.base_modules.contains(*name));
            let base = base.map(|(name, stream)| (name.clone(), stream.clone()));
            let resolver = resolvers.entry(base.clone()).or_insert_with(|| Resolver::new(&self.parts, base));
            match resolver.resolve(&combination.chosen, &combination.offered).await? {
                Ok(requires) => resolved.push(Resolved { combination, requires, defaults: Vec::new() }),
                Err(Refusal::LeftOut(why)) => left_out.push(why),
                Err(Refusal::Missing(problem)) if problems.contains(&problem) => {}
                Err(Refusal::Missing(problem)) => problems.push(problem),
            }
        }
        if problems.is_empty() && resolved.is_empty() {
            problems = left_out;
            problems.dedup();
        }
        if !problems.is_empty() {
            return Err(SubmitError::Invalid(problems));
        }
        let mut defaults = BTreeMap::new();
        for one in &mut resolved {
            let base = one.combination.chosen.iter().find(|(name, _)| policy.base_modules.contains(*name));
            let Some((module, stream)) = base else { continue };
            let known = policy.base_streams.get(module, stream).and_then(|known| known.default_modules.as_ref());
            let Some(place) = known else { continue };
            if !defaults.contains_key(place) {
                defaults.insert(place, self.default_streams(place, &format!("{module}:{stream}")).await?);
            }
            let base = Some((module.clone(), stream.clone()));
            if let (Some(streams), Some(resolver)) = (defaults.get(place), resolvers.get_mut(&base)) {
                one.defaults = resolver.with_defaults(&one.requires, streams).await?;
            }
        }
        Ok(resolved)
    }

    /// Reads which modules a stream of a base module has by default.
    async fn default_streams(
        &self,
        place: &DefaultModules,
        of: &str,
    ) -> Result<BTreeMap<ModuleName, StreamName>, SubmitError> {
        let told = |error| SubmitError::DefaultModules { of: of.to_owned(), error };
        let fetched = self.parts.scm.fetch_defaults(place).await.map_err(told)?;
        default_modules::default_streams(&fetched).map_err(told)
    }

    /// Returns the streams of the modules that the document names without one.
    async fn known(&self, taken: &Taken) -> Result<Known, StoreError> {
        let Parts { store, policy, .. } = &self.parts;
        let mut known = Known::new();
        for module in taken.streams.iter().flat_map(expand::open_modules).collect::<BTreeSet<_>>() {
            let streams = if policy.base_modules.contains(&module) {
                policy.base_streams.offered(&module)
            } else {
                store.ready_streams(&module, MOST_STREAMS).await?.into_iter().collect()
            };
            if !streams.is_empty() {
                known.insert(module, streams);
            }
        }
        Ok(known)
    }
}

impl<'a> Resolver<'a> {
    fn new(parts: &'a Parts, base: Base) -> Self {
        let compatible = base.as_ref().map(|(name, stream)| parts.policy.base_streams.compatible(name, stream));
        Self { parts, base, compatible: compatible.unwrap_or_default(), found: Found::default() }
    }

    /// Returns the builds of modules that a distribution has by default, besides what is required: those that it has in
    /// another stream already, that are not for this platform, or that do not go with the others, are left out.
    async fn with_defaults(
        &mut self,
        required: &[BuildRequire],
        defaults: &BTreeMap<ModuleName, StreamName>,
    ) -> Result<Vec<BuildRequire>, StoreError> {
        let mut together = required.to_vec();
        let new = |(name, _): &(&ModuleName, &StreamName)| {
            let is_there = required.iter().any(|require| require.name == **name);
            !is_there && !self.parts.policy.base_modules.contains(*name)
        };
        let ahead = defaults.iter().filter(new).map(|(name, stream)| (name.clone(), stream.clone())).collect();
        self.look_ahead(ahead).await?;
        let mut added: Vec<BuildRequire> = Vec::new();
        for (name, stream) in defaults {
            let is_there = together.iter().any(|require| require.name == *name);
            if is_there || self.parts.policy.base_modules.contains(name) {
                continue;
            }
            let mut chosen: BTreeMap<_, _> =
                together.iter().map(|require| (require.name.clone(), require.stream.clone())).collect();
            chosen.insert(name.clone(), stream.clone());
            let offered = BTreeSet::from([name.clone()]);
            let Ok(found) = self.resolve(&chosen, &offered).await? else { continue };
            // Nothing that was chosen before is chosen anew for it.
            let stays = together.iter().all(|require| found.contains(require));
            let build = found.iter().find(|require| require.name == *name).and_then(|require| require.build);
            let needs = build.and_then(|build| self.found.needs.get(&build));
            let base = self.base.as_ref().map(|(base, _)| base);
            let for_platform = needs.zip(base).is_some_and(|(needs, base)| needs.requires.contains_key(base));
            if stays && for_platform {
                let more: Vec<BuildRequire> = found.into_iter().filter(|require| !together.contains(require)).collect();
                together.extend(more.iter().cloned());
                added.extend(more);
            }
        }
        Ok(added)
    }

    async fn resolve(
        &mut self,
        chosen: &BTreeMap<ModuleName, StreamName>,
        offered: &BTreeSet<ModuleName>,
    ) -> Result<Result<Vec<BuildRequire>, Refusal>, StoreError> {
        let policy = &self.parts.policy;
        for _ in 0..MOST_LOOKUPS {
            let wanted = Wanted {
                chosen,
                offered,
                base: self.base.as_ref().map(|(name, stream)| (name, stream)),
                base_modules: &policy.base_modules,
                base_streams: &policy.base_streams,
            };
            match choose::choose(&wanted, &self.found) {
                Answer::Look(lookup) => self.look(lookup).await?,
                Answer::No(refusal) => return Ok(Err(refusal)),
                Answer::Together(builds) => {
                    let mut requires: BTreeMap<ModuleName, BuildRequire> = BTreeMap::new();
                    for (name, stream) in chosen {
                        let require = BuildRequire { build: None, name: name.clone(), stream: stream.clone() };
                        requires.insert(name.clone(), require);
                    }
                    for (name, (stream, build)) in builds {
                        requires.insert(name.clone(), BuildRequire { build: Some(build), name, stream });
                    }
                    return Ok(Ok(requires.into_values().collect()));
                }
            }
        }
        let problem =
            format!("dependencies: what it is built against needs more than {MOST_LOOKUPS} builds to be looked up");
        Ok(Err(Refusal::Missing(problem)))
    }

    /// Looks up what is most likely to be asked of streams, in two questions whatever their number: their builds, and what
    /// the best of these need.
    async fn look_ahead(&mut self, streams: Vec<(ModuleName, StreamName)>) -> Result<(), StoreError> {
        let best = |found: &Found, of: &(ModuleName, StreamName)| Some(found.builds.get(of)?.first()?.id);
        let unknown = streams.iter().filter(|of| !self.found.builds.contains_key(*of)).cloned().collect();
        self.look_builds(unknown).await?;
        let ids = streams.iter().filter_map(|of| best(&self.found, of));
        let ids: Vec<BuildId> = ids.filter(|id| !self.found.needs.contains_key(id)).collect();
        if !ids.is_empty() {
            let builds = self.parts.store.load_all(&ids).await?;
            self.found.needs.extend(builds.iter().map(|build| (build.id, needs(build))));
        }
        Ok(())
    }

    /// Looks up the builds of streams that may be built against.
    async fn look_builds(&mut self, streams: Vec<(ModuleName, StreamName)>) -> Result<(), StoreError> {
        let candidate = |summary: &BuildSummary| Candidate { id: summary.id, version: summary.nsvc.version };
        let found = match &self.base {
            Some((base, _)) if !streams.is_empty() => {
                self.parts.store.latest_ready_on(&streams, base, &self.compatible).await?
            }
            _ => vec![Vec::new(); streams.len()],
        };
        let found = found.iter().map(|builds| builds.iter().map(candidate).collect());
        self.found.builds.extend(streams.into_iter().zip(found));
        Ok(())
    }

    /// Looks up what the choice has to know.
    async fn look(&mut self, lookup: Lookup) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let candidate = |summary: &BuildSummary| Candidate { id: summary.id, version: summary.nsvc.version };
        match lookup {
            Lookup::Builds(name, stream) => {
                self.look_builds(vec![(name, stream)]).await?;
            }
            Lookup::Elsewhere(name, stream) => {
                let build = store.latest_ready(&name, &stream).await?;
                self.found.elsewhere.insert((name, stream), build.as_ref().map(candidate));
            }
            Lookup::Streams(name) => {
                let streams = store.ready_streams(&name, MOST_STREAMS).await?;
                self.found.streams.insert(name, streams.into_iter().collect());
            }
            Lookup::Needs(id) => {
                let needs = self.examine(id).await?;
                self.found.needs.insert(id, needs);
            }
        }
        Ok(())
    }

    /// Reads what a build needs at run time, and what it was built against.
    async fn examine(&self, id: BuildId) -> Result<Needs, StoreError> {
        Ok(self.parts.store.load(id).await?.as_ref().map(needs).unwrap_or_default())
    }
}

/// Returns what a build needs at run time, and what it was built against.
fn needs(build: &ModuleBuild) -> Needs {
    let built_on = build.submission.build_requires.iter().map(|it| (it.name.clone(), it.stream.clone()));
    let read = |build: &ModuleBuild| modulemd::read(build.submission.modulemd.as_bytes()).ok()?.to_source().ok();
    let blocks = read(build).map(|stream| stream.dependencies).unwrap_or_default();
    let requires = blocks.into_iter().flat_map(|block| block.requires);
    let requires = requires.filter_map(|(module, list)| Some((ModuleName::new(&module).ok()?, list))).collect();
    Needs { requires, built_on: built_on.collect() }
}
