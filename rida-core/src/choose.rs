//! Chooses the builds that a module is built against: those that fit its platform and each other.
//!
//! The choice is a search over what was found so far. Where it has to know more it says what is to be looked up, and is
//! made again once that is known, so that nothing is looked up that it does not need.

use std::collections::{BTreeMap, BTreeSet};

use crate::base_streams::BaseStreams;
use crate::expand;
use crate::id::{BuildId, ModuleName, StreamName};

/// How many streams of a list are looked up by name. Of a longer one those are that have a ready build: a list is as long
/// as somebody likes.
const MOST_BY_NAME: usize = 16;
/// How many modules a build may be built against, those that these need included.
const MOST_TOGETHER: usize = 500;
/// How many needs of modules may be unmet at once.
const MOST_DEMANDS: usize = 10 * MOST_TOGETHER;
/// How many builds are tried together with others before the search is given up.
const MOST_TRIED: usize = 4_000;

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    /// The modules that are built against, each with its stream; base modules among them.
    pub(crate) chosen: &'a BTreeMap<ModuleName, StreamName>,
    /// Those of them whose stream the document did not name.
    pub(crate) offered: &'a BTreeSet<ModuleName>,
    /// The base module that is built for, with its stream.
    pub(crate) base: Option<(&'a ModuleName, &'a StreamName)>,
    /// The modules that are no builds of this service.
    pub(crate) base_modules: &'a BTreeSet<ModuleName>,
    pub(crate) base_streams: &'a BaseStreams,
}

/// What was found so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Found {
    /// The builds of a module's stream for the base module's stream and for those that are compatible with it, the best
    /// first.
    pub(crate) builds: BTreeMap<(ModuleName, StreamName), Vec<Candidate>>,
    /// The build of a module's stream with the highest version, whatever it is for.
    pub(crate) elsewhere: BTreeMap<(ModuleName, StreamName), Option<Candidate>>,
    /// The streams of a module that have a ready build.
    pub(crate) streams: BTreeMap<ModuleName, BTreeSet<StreamName>>,
    /// What builds need.
    pub(crate) needs: BTreeMap<BuildId, Needs>,
}

/// A ready build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Candidate {
    pub(crate) id: BuildId,
    pub(crate) version: u64,
}

/// What a ready build needs.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// The modules that it needs at run time, each with the streams that are good.
    pub(crate) requires: BTreeMap<ModuleName, BTreeSet<String>>,
    /// The modules that it was built against.
    pub(crate) built_on: BTreeMap<ModuleName, StreamName>,
}

/// What is to be looked up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lookup {
    Builds(ModuleName, StreamName),
    Elsewhere(ModuleName, StreamName),
    Streams(ModuleName),
    Needs(BuildId),
}

/// What came of the choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// These, which are all that is wanted and all that they need.
    Together(BTreeMap<ModuleName, (StreamName, BuildId)>),
    /// This has to be known first.
    Look(Lookup),
    /// It cannot be.
    No(Refusal),
}

/// Why there is nothing to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The combination cannot be, which is no fault of the document.
    LeftOut(String),
    /// What the document names is not there.
    Missing(String),
}

/// A module of which a build is to be chosen.
#[derive(Clone, Copy, Debug)]
struct Demand<'a> {
    name: &'a ModuleName,
    /// Who needs it, and which streams are good; absent for what is wanted itself.
    by: Option<(&'a ModuleName, &'a BTreeSet<String>)>,
}

/// A demand that is being met, with the builds that can be tried.
struct Level {
    options: Vec<(StreamName, Candidate)>,
    next: usize,
    /// How many demands there were before this one made others.
    demands: usize,
    /// It was not met before.
    first: bool,
}

/// Why a search stops before it is through.
enum Stop {
    Look(Lookup),
    No(Refusal),
}

/// Chooses a build for each module that is wanted and for each that these need, so that all are good for each other and
/// for the base module. Where several would do, those for the base module's own stream go before, then those of the
/// highest version.
pub(crate) fn choose(wanted: &Wanted<'_>, found: &Found) -> Answer {
    let names = wanted.chosen.keys().filter(|name| !wanted.base_modules.contains(*name));
    let demands = names.map(|name| Demand { name, by: None }).collect();
    match (Search { wanted, found, demands, levels: Vec::new(), met: BTreeMap::new() }).run() {
        Ok(together) => Answer::Together(together),
        Err(Stop::Look(lookup)) => Answer::Look(lookup),
        Err(Stop::No(refusal)) => Answer::No(refusal),
    }
}

struct Search<'a> {
    wanted: &'a Wanted<'a>,
    found: &'a Found,
    /// What is to be met, in this order; the first of them have a level each.
    demands: Vec<Demand<'a>>,
    levels: Vec<Level>,
    /// What is met.
    met: BTreeMap<ModuleName, (StreamName, Candidate)>,
}

impl<'a> Search<'a> {
    fn run(mut self) -> Result<BTreeMap<ModuleName, (StreamName, BuildId)>, Stop> {
        // Of all that stands in the way, what did first is told.
        let (mut refusal, mut tried) = (None, 0_usize);
        while let Some(demand) = self.demands.get(self.levels.len()).copied() {
            let options = match self.options(demand) {
                Ok(options) => options,
                Err(Stop::No(why)) => {
                    refusal.get_or_insert(why);
                    Vec::new()
                }
                Err(look) => return Err(look),
            };
            let first = !self.met.contains_key(demand.name);
            self.levels.push(Level { options, next: 0, demands: self.demands.len(), first });
            loop {
                self.undo();
                let Some(level) = self.levels.last_mut() else {
                    let nothing = || Refusal::LeftOut("dependencies: nothing can be built against".to_owned());
                    return Err(Stop::No(refusal.unwrap_or_else(nothing)));
                };
                let Some((stream, candidate)) = level.options.get(level.next).cloned() else {
                    let _ = self.levels.pop();
                    continue;
                };
                level.next += 1;
                tried += 1;
                if tried > MOST_TRIED {
                    let problem = format!(
                        "dependencies: of {MOST_TRIED} ways to choose builds none is good for all of them; name streams \
                         that go together"
                    );
                    return Err(Stop::No(Refusal::Missing(problem)));
                }
                match self.add(stream, candidate) {
                    Ok(()) => break,
                    Err(Stop::No(why)) => drop(refusal.get_or_insert(why)),
                    Err(look) => return Err(look),
                }
            }
        }
        Ok(self.met.into_iter().map(|(name, (stream, candidate))| (name, (stream, candidate.id))).collect())
    }

    /// Takes back what the last level did.
    fn undo(&mut self) {
        let Some(level) = self.levels.last() else { return };
        self.demands.truncate(level.demands);
        if let Some(demand) = self.demands.get(self.levels.len() - 1)
            && level.first
        {
            self.met.remove(demand.name);
        }
    }

    /// Returns the stream of a module that is fixed already.
    fn fixed(&self, name: &ModuleName) -> Option<&StreamName> {
        self.wanted.chosen.get(name).or_else(|| self.met.get(name).map(|(stream, _)| stream))
    }

    /// Returns the builds that can be tried for a demand, the best first.
    fn options(&self, demand: Demand<'_>) -> Result<Vec<(StreamName, Candidate)>, Stop> {
        let Demand { name, by } = demand;
        let Some((who, list)) = by else { return self.wanted_options(name) };
        // Somebody else needed it before.
        if let Some((stream, candidate)) = self.met.get(name) {
            if is_good(list, stream) {
                return Ok(vec![(stream.clone(), *candidate)]);
            }
            let of = self.fixed(who).unwrap_or(stream);
            return Err(Stop::No(needs_another(who, of, name, stream)));
        }
        let mut streams = Vec::new();
        for stream in self.good_streams(name, list)? {
            let candidates = self.candidates(name, &stream, false)?;
            streams.extend(candidates.first().map(|best| best.version).map(|version| (version, stream, candidates)));
        }
        streams.sort_by_key(|(version, ..)| std::cmp::Reverse(*version));
        let options = streams.into_iter().flat_map(|(_, stream, candidates)| {
            candidates.into_iter().map(move |candidate| (stream.clone(), candidate))
        });
        let options: Vec<_> = options.collect();
        if options.is_empty() {
            let who = self.shown(who);
            return Err(Stop::No(Refusal::Missing(format!(
                "dependencies: buildrequires {who}, which needs {name}, which has no ready build here; build it first"
            ))));
        }
        Ok(options)
    }

    /// Returns the builds that can be tried for what is wanted itself.
    fn wanted_options(&self, name: &ModuleName) -> Result<Vec<(StreamName, Candidate)>, Stop> {
        let Some(stream) = self.wanted.chosen.get(name) else { return Ok(Vec::new()) };
        let offered = self.wanted.offered.contains(name);
        let candidates = self.candidates(name, stream, offered)?;
        if !candidates.is_empty() {
            return Ok(candidates.into_iter().map(|candidate| (stream.clone(), candidate)).collect());
        }
        Err(Stop::No(match self.wanted.base {
            Some((base, of)) if offered => {
                Refusal::LeftOut(format!("{name}:{stream} has no ready build against {base}:{of} here"))
            }
            _ => Refusal::Missing(format!(
                "dependencies: buildrequires {name}:{stream}, which has no ready build here; build it first"
            )),
        }))
    }

    /// Returns the streams that a list stands for, as far as they are worth a look.
    fn good_streams(&self, name: &ModuleName, list: &BTreeSet<String>) -> Result<Vec<StreamName>, Stop> {
        let by_name = !expand::is_open(list) && list.len() <= MOST_BY_NAME;
        let ready = match self.found.streams.get(name) {
            None if !by_name => return Err(Stop::Look(Lookup::Streams(name.clone()))),
            ready => ready,
        };
        let mut good = expand::stands_for(list, ready).unwrap_or_default();
        if !by_name {
            good.retain(|stream| ready.is_some_and(|ready| ready.contains(stream.as_str())));
        }
        Ok(good.iter().filter_map(|stream| StreamName::new(stream).ok()).collect())
    }

    /// Returns the builds of a stream. One for another platform is better than none for what a document names; whether
    /// it runs on this one is seen later.
    fn candidates(&self, name: &ModuleName, stream: &StreamName, offered: bool) -> Result<Vec<Candidate>, Stop> {
        let key = (name.clone(), stream.clone());
        if self.wanted.base.is_some() {
            let Some(builds) = self.found.builds.get(&key) else {
                return Err(Stop::Look(Lookup::Builds(key.0, key.1)));
            };
            if offered || !builds.is_empty() {
                return Ok(builds.clone());
            }
        }
        match self.found.elsewhere.get(&key) {
            Some(found) => Ok(found.iter().copied().collect()),
            None => Err(Stop::Look(Lookup::Elsewhere(key.0, key.1))),
        }
    }

    /// Meets the demand of the last level with a build, if that fits, and demands what it needs.
    fn add(&mut self, stream: StreamName, candidate: Candidate) -> Result<(), Stop> {
        let Some(demand) = self.demands.get(self.levels.len() - 1).copied() else { return Ok(()) };
        let name = demand.name;
        if self.met.contains_key(name) {
            return Ok(());
        }
        let Some(needs) = self.found.needs.get(&candidate.id) else {
            return Err(Stop::Look(Lookup::Needs(candidate.id)));
        };
        if let Some((base, of)) = self.wanted.base
            && let Some(list) = needs.requires.get(base)
            && !self.wanted.base_streams.runs(base, of, list, needs.built_on.get(base))
        {
            let offered = self.wanted.offered.contains(name);
            return Err(Stop::No(unfit(name, &stream, candidate.id, (base, of), list, offered)));
        }
        let mut more = Vec::new();
        for (needed, list) in &needs.requires {
            if self.wanted.base_modules.contains(needed) {
                continue;
            }
            let fixed = if needed == name { Some(&stream) } else { self.fixed(needed) };
            match fixed {
                Some(fixed) if is_good(list, fixed) => {}
                Some(fixed) => return Err(Stop::No(needs_another(name, &stream, needed, fixed))),
                None => more.push(Demand { name: needed, by: Some((name, list)) }),
            }
        }
        if self.met.len() >= MOST_TOGETHER || self.demands.len() + more.len() > MOST_DEMANDS {
            let problem = format!("dependencies: it is built against more than {MOST_TOGETHER} modules");
            return Err(Stop::No(Refusal::Missing(problem)));
        }
        self.met.insert(name.clone(), (stream, candidate));
        self.demands.extend(more);
        Ok(())
    }

    fn shown(&self, who: &ModuleName) -> String {
        self.fixed(who).map_or_else(|| who.to_string(), |stream| format!("{who}:{stream}"))
    }
}

/// Tells whether a list of streams has one of them.
fn is_good(list: &BTreeSet<String>, stream: &StreamName) -> bool {
    if expand::is_open(list) { !list.contains(&format!("-{stream}")) } else { list.contains(stream.as_str()) }
}

fn needs_another(who: &ModuleName, of: &StreamName, needed: &ModuleName, fixed: &StreamName) -> Refusal {
    Refusal::LeftOut(format!(
        "dependencies: {who}:{of} needs another stream of {needed} than {fixed}, which is built against"
    ))
}

/// Says that a build does not run on the platform that is built for.
fn unfit(
    name: &ModuleName,
    stream: &StreamName,
    id: BuildId,
    (base, of): (&ModuleName, &StreamName),
    list: &BTreeSet<String>,
    offered: bool,
) -> Refusal {
    const SHOWN: usize = 5;
    let mut needs = list.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    if list.len() > SHOWN {
        needs.push_str(", …");
    }
    let problem = format!(
        "dependencies: buildrequires {name}:{stream}, whose build {id} needs {base}: [{needs}] and is not for {base}:{of}; \
         build it for {base}:{of} first"
    );
    if offered { Refusal::LeftOut(problem) } else { Refusal::Missing(problem) }
}

#[cfg(test)]
mod tests;
