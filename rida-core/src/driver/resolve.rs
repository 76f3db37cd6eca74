//! Finds what a module is built against: the combinations of streams, and for each the builds with all that they need.

use std::collections::{BTreeMap, BTreeSet};

use super::{Driver, Parts, SubmitError};
use crate::build::{BuildRequire, ModuleBuild};
use crate::choose::{self, Answer, Candidate, Found, Lookup, Needs, Refusal, Wanted};
use crate::expand::{self, Combination, Known};
use crate::id::{BuildId, ModuleName, StreamName};
use crate::intake::Taken;
use crate::modulemd;
use crate::ports::{BuildSummary, StoreError};

/// How many streams of one module are chosen from.
const MOST_STREAMS: usize = 256;
/// How much is looked up for one combination.
const MOST_LOOKUPS: usize = 5_000;

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
    ) -> Result<Vec<(Combination, Vec<BuildRequire>)>, SubmitError> {
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
            match resolver.resolve(&combination).await? {
                Ok(requires) => resolved.push((combination, requires)),
                Err(Refusal::LeftOut(why)) => left_out.push(why),
                Err(Refusal::Missing(problem)) if problems.contains(&problem) => {}
                Err(Refusal::Missing(problem)) => problems.push(problem),
            }
        }
        if problems.is_empty() && resolved.is_empty() {
            problems = left_out;
            problems.dedup();
        }
        if problems.is_empty() { Ok(resolved) } else { Err(SubmitError::Invalid(problems)) }
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

    async fn resolve(&mut self, combination: &Combination) -> Result<Result<Vec<BuildRequire>, Refusal>, StoreError> {
        let policy = &self.parts.policy;
        for _ in 0..MOST_LOOKUPS {
            let wanted = Wanted {
                chosen: &combination.chosen,
                offered: &combination.offered,
                base: self.base.as_ref().map(|(name, stream)| (name, stream)),
                base_modules: &policy.base_modules,
                base_streams: &policy.base_streams,
            };
            match choose::choose(&wanted, &self.found) {
                Answer::Look(lookup) => self.look(lookup).await?,
                Answer::No(refusal) => return Ok(Err(refusal)),
                Answer::Together(builds) => {
                    let mut requires: BTreeMap<ModuleName, BuildRequire> = BTreeMap::new();
                    for (name, stream) in &combination.chosen {
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

    /// Looks up what the choice has to know.
    async fn look(&mut self, lookup: Lookup) -> Result<(), StoreError> {
        let store = &self.parts.store;
        let candidate = |summary: &BuildSummary| Candidate { id: summary.id, version: summary.nsvc.version };
        match lookup {
            Lookup::Builds(name, stream) => {
                let builds = match &self.base {
                    Some((base, _)) => store.latest_ready_on(&name, &stream, base, &self.compatible).await?,
                    None => Vec::new(),
                };
                self.found.builds.insert((name, stream), builds.iter().map(candidate).collect());
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
        let Some(build) = self.parts.store.load(id).await? else { return Ok(Needs::default()) };
        let built_on = build.submission.build_requires.iter().map(|it| (it.name.clone(), it.stream.clone()));
        let read = |build: &ModuleBuild| modulemd::read(build.submission.modulemd.as_bytes()).ok()?.to_source().ok();
        let blocks = read(&build).map(|stream| stream.dependencies).unwrap_or_default();
        let requires = blocks.into_iter().flat_map(|block| block.requires);
        let requires = requires.filter_map(|(module, list)| Some((ModuleName::new(&module).ok()?, list))).collect();
        Ok(Needs { requires, built_on: built_on.collect() })
    }
}
