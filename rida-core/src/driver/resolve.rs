//! Finds what a module is built against: the combinations of streams, and for each the builds with all that they need.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Driver, Parts, SubmitError};
use crate::build::BuildRequire;
use crate::expand::{self, Combination, Known};
use crate::id::{BuildId, ModuleName, StreamName};
use crate::intake::Taken;
use crate::modulemd;
use crate::ports::{BuildSummary, StoreError};

/// How many streams of one module are chosen from.
const MOST_STREAMS: usize = 256;
/// How many streams of a list are looked up by name. Of a longer one those are that have a ready build: a list is as long
/// as somebody likes.
const MOST_BY_NAME: usize = 16;
/// How many modules a build may be built against, those that these need included.
const MOST_TOGETHER: usize = 500;

/// What one combination is built against.
enum Resolved {
    /// These.
    Together(Vec<BuildRequire>),
    /// The combination cannot be, which is no fault of the document.
    LeftOut(String),
    /// What the document names is not there.
    Missing(String),
}

/// A ready build, and the modules that it needs at run time with the streams that are good.
#[derive(Clone, Debug)]
struct Found {
    id: BuildId,
    version: u64,
    requires: BTreeMap<ModuleName, BTreeSet<String>>,
}

/// Looks builds up, each once.
struct Resolver<'a> {
    parts: &'a Parts,
    base: Option<(ModuleName, StreamName)>,
    found: BTreeMap<(ModuleName, StreamName, bool), Option<Found>>,
    streams: BTreeMap<ModuleName, BTreeSet<StreamName>>,
}

impl Driver {
    /// Returns each combination of streams that a document is built against, with the builds of these.
    ///
    /// What the document names must be there. Where it leaves the stream open, what there is counts: a combination that
    /// cannot be is left out, as long as any other can.
    pub(super) async fn expand(&self, taken: &Taken) -> Result<Vec<(Combination, Vec<BuildRequire>)>, SubmitError> {
        let policy = &self.parts.policy;
        let known = self.known(taken).await?;
        let (mut combinations, mut problems) = (Vec::new(), Vec::new());
        for stream in &taken.streams {
            match expand::combinations(stream, &known, policy.builds_per_submission) {
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
        let mut resolvers: BTreeMap<Option<(ModuleName, StreamName)>, Resolver<'_>> = BTreeMap::new();
        let (mut resolved, mut left_out) = (Vec::new(), Vec::new());
        for combination in combinations {
            let base = combination.chosen.iter().find(|(name, _)| policy.base_modules.contains(*name));
            let base = base.map(|(name, stream)| (name.clone(), stream.clone()));
            let resolver = resolvers.entry(base.clone()).or_insert_with(|| Resolver {
                parts: &self.parts,
                base,
                found: BTreeMap::new(),
                streams: BTreeMap::new(),
            });
            match resolver.resolve(&combination).await? {
                Resolved::Together(requires) => resolved.push((combination, requires)),
                Resolved::LeftOut(why) => left_out.push(why),
                Resolved::Missing(problem) if problems.contains(&problem) => {}
                Resolved::Missing(problem) => problems.push(problem),
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
                policy.base_streams.get(&module).cloned().unwrap_or_default()
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

impl Resolver<'_> {
    async fn resolve(&mut self, combination: &Combination) -> Result<Resolved, StoreError> {
        let mut together = combination.chosen.clone();
        let mut builds: BTreeMap<ModuleName, BuildId> = BTreeMap::new();
        let mut rest: VecDeque<ModuleName> = together.keys().filter(|name| !self.is_base(name)).cloned().collect();
        while let Some(name) = rest.pop_front() {
            let Some(stream) = together.get(&name).cloned() else { continue };
            let offered = combination.offered.contains(&name);
            let Some(found) = self.find(&name, &stream, offered).await? else {
                return Ok(match &self.base {
                    Some((base, of)) if offered => {
                        Resolved::LeftOut(format!("{name}:{stream} has no ready build against {base}:{of} here"))
                    }
                    _ => Resolved::Missing(format!(
                        "dependencies: buildrequires {name}:{stream}, which has no ready build here; build it first"
                    )),
                });
            };
            builds.insert(name.clone(), found.id);
            for (needed, list) in &found.requires {
                if self.is_base(needed) {
                    continue;
                }
                if let Some(chosen) = together.get(needed) {
                    let good = expand::stands_for(list, Some(&BTreeSet::from([chosen.clone()])));
                    if !good.is_some_and(|good| good.contains(chosen.as_str())) {
                        return Ok(Resolved::LeftOut(format!(
                            "dependencies: {name}:{stream} needs another stream of {needed} than {chosen}, which is built \
                             against"
                        )));
                    }
                    continue;
                }
                if together.len() >= MOST_TOGETHER {
                    let problem = format!("dependencies: it is built against more than {MOST_TOGETHER} modules");
                    return Ok(Resolved::Missing(problem));
                }
                let Some(chosen) = self.newest(needed, list).await? else {
                    return Ok(Resolved::Missing(format!(
                        "dependencies: buildrequires {name}:{stream}, which needs {needed}, which has no ready build here; \
                         build it first"
                    )));
                };
                together.insert(needed.clone(), chosen);
                rest.push_back(needed.clone());
            }
        }
        let requires = together.into_iter().map(|(name, stream)| {
            let build = builds.get(&name).copied();
            BuildRequire { build, name, stream }
        });
        Ok(Resolved::Together(requires.collect()))
    }

    fn is_base(&self, name: &ModuleName) -> bool {
        self.parts.policy.base_modules.contains(name)
    }

    /// Returns the stream of the list whose build has the highest version.
    async fn newest(&mut self, name: &ModuleName, list: &BTreeSet<String>) -> Result<Option<StreamName>, StoreError> {
        let by_name = !expand::is_open(list) && list.len() <= MOST_BY_NAME;
        if !by_name && !self.streams.contains_key(name) {
            let streams = self.parts.store.ready_streams(name, MOST_STREAMS).await?;
            self.streams.insert(name.clone(), streams.into_iter().collect());
        }
        let ready = self.streams.get(name);
        let mut good = expand::stands_for(list, ready).unwrap_or_default();
        if !by_name {
            good.retain(|stream| ready.is_some_and(|ready| ready.contains(stream.as_str())));
        }
        let mut newest: Option<(u64, StreamName)> = None;
        for stream in good.iter().filter_map(|stream| StreamName::new(stream).ok()) {
            if let Some(found) = self.find(name, &stream, false).await?
                && newest.as_ref().is_none_or(|(version, _)| *version < found.version)
            {
                newest = Some((found.version, stream));
            }
        }
        Ok(newest.map(|(_, stream)| stream))
    }

    /// Returns the ready build of a stream with the highest version. One that is built against the same stream of the
    /// base module goes before, or is the only good one.
    async fn find(
        &mut self,
        name: &ModuleName,
        stream: &StreamName,
        same_base: bool,
    ) -> Result<Option<Found>, StoreError> {
        let key = (name.clone(), stream.clone(), same_base);
        if let Some(found) = self.found.get(&key) {
            return Ok(found.clone());
        }
        let store = &self.parts.store;
        let on_base = match &self.base {
            Some((base, base_stream)) => store.latest_ready_on(name, stream, base, base_stream).await?,
            None => None,
        };
        let summary = match (on_base, &self.base) {
            (Some(summary), _) => Some(summary),
            (None, Some(_)) if same_base => None,
            (None, _) => store.latest_ready(name, stream).await?,
        };
        let found = match summary {
            Some(summary) => Some(self.examine(summary).await?),
            None => None,
        };
        self.found.insert(key, found.clone());
        Ok(found)
    }

    /// Reads what a build needs at run time.
    async fn examine(&self, summary: BuildSummary) -> Result<Found, StoreError> {
        let build = self.parts.store.load(summary.id).await?;
        let read = |build: crate::build::ModuleBuild| {
            modulemd::read(build.submission.modulemd.as_bytes()).ok()?.to_source().ok()
        };
        let blocks = build.and_then(read).map(|stream| stream.dependencies).unwrap_or_default();
        let requires = blocks.into_iter().flat_map(|block| block.requires);
        let requires = requires.filter_map(|(module, list)| Some((ModuleName::new(&module).ok()?, list))).collect();
        Ok(Found { id: summary.id, version: summary.nsvc.version, requires })
    }
}
