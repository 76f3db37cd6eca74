//! What must hold in every history.

use std::collections::{BTreeMap, BTreeSet};

use super::world::World;
use super::{Outcome, block_on, replay};
use crate::announce::{Announcement, Change};
use crate::build::{ModuleBuild, Submission};
use crate::component::ComponentState;
use crate::context;
use crate::event::Fact;
use crate::id::{BuildId, Nsvc};
use crate::plan::{Full, Impatient, RebuildStrategy, WaitsFor};
use crate::policy::Limits;
use crate::ports::{LogLine, QueuedBuild, Store};
use crate::state::BuildState;

impl World {
    /// Judges what the history came to.
    pub(super) fn judge(mut self) -> Outcome {
        self.violations.extend(self.system.violations());
        self.check_nothing_runs();
        // Who is slower than a lease lasts is overtaken even in a quiet world.
        if !self.wildness.may_repeat() && self.overtaken() == 0 {
            let repeated = self.system.repeated();
            self.violations.extend(repeated.into_iter().map(|(call, count)| format!("{count} times: {call}")));
        }
        let lines = block_on(self.store.log_after(0, usize::MAX)).unwrap_or_default();
        let published = self.publisher.published();
        let mut told: BTreeMap<BuildId, Vec<&Announcement>> = BTreeMap::new();
        for announcement in &published {
            told.entry(announcement.id.build).or_default().push(announcement);
        }
        let mut builds = Vec::new();
        let ids = self.build_ids();
        for lost in self.accepted.iter().filter(|id| !ids.contains(id)) {
            self.violations.push(format!("build {lost} was accepted and is lost"));
        }
        for id in ids {
            let Ok(Some(build)) = block_on(self.store.load(id)) else { continue };
            let log: Vec<&LogLine> = lines.iter().filter(|line| line.build == id).collect();
            let found = self.judge_build(&build, &log);
            let told = judge_announcements(told.get(&id).map_or(&[][..], Vec::as_slice), &log);
            self.violations.extend(found.into_iter().chain(told).map(|what| format!("build {id}: {what}")));
            self.counts.taken +=
                build.components.iter().map(|component| u64::from(component.taken().is_some())).sum::<u64>();
            self.counts.together += u64::from(!build.submission.siblings.is_empty());
            self.counts.tried += u64::from(build.is_scratch());
            builds.push(build);
        }
        let bound = self.promised.limits.builds * usize::try_from(self.wildness.drivers).unwrap_or(1).max(1);
        let starved = starved(&lines, &builds, &self.promised.limits, bound);
        self.violations.extend(starved);
        for line in &lines {
            let (at, fact) = (line.event.at, line.event.fact.name());
            self.trace.push(format!("{} {at} build {}: {fact}", line.sequence, line.build));
        }
        self.counts.overtaken = self.overtaken();
        self.counts.lines = u64::try_from(lines.len()).unwrap_or(u64::MAX);
        Outcome { violations: self.violations, trace: self.trace, builds, counts: self.counts }
    }

    fn judge_build(&self, build: &ModuleBuild, log: &[&LogLine]) -> Vec<String> {
        let id = build.id;
        let mut found = Vec::new();
        if build.state().is_active() {
            found.push(format!("did not end: {:?} {:?}", build.phase, build.components));
        }
        let first = log.first().and_then(|line| line.announcements.first());
        let details = first.and_then(|announcement| match &announcement.change {
            Change::Module { details, .. } => details.as_deref(),
            Change::Component { .. } => None,
        });
        // What the service gave it: who it was recorded with, and the number of one that is only tried.
        let siblings = details.map(|details| details.siblings.clone()).unwrap_or_default();
        let nsvc = build.nsvc();
        let as_submitted = self.submitted.iter().find(|(submitted, submission)| {
            let numbered = || context::scratch_number(&submitted.context, &nsvc.context).is_some();
            **submitted == *nsvc
                || (submission.scratch
                    && Nsvc { context: nsvc.context.clone(), ..(*submitted).clone() } == *nsvc
                    && numbered())
        });
        let submission =
            as_submitted.map(|(_, submission)| Submission { siblings, nsvc: nsvc.clone(), ..submission.clone() });
        if build.is_scratch() && build.state() == BuildState::Ready {
            found.push("was only tried, and is released".to_owned());
        }
        for sibling in &build.submission.siblings {
            if !matches!(block_on(self.store.load(*sibling)), Ok(Some(_))) {
                found.push(format!("was submitted together with {sibling}, which was not recorded"));
            }
        }
        match &submission {
            None => found.push("nobody submitted it".to_owned()),
            Some(submission) => match replay(id, submission, log, &self.policy) {
                Ok(replayed) if replayed == *build => {}
                Ok(replayed) => found.push(format!("the log makes another build: {replayed:?}")),
                Err(reason) => found.push(format!("the log cannot be replayed: {reason}")),
            },
        }
        for pair in build.history.windows(2) {
            if let [from, to] = pair {
                if !from.state.may_become(to.state) {
                    found.push(format!("went from {} to {}", from.state, to.state));
                }
                if from.at > to.at {
                    found.push(format!("its time ran back from {} to {}", from.at, to.at));
                }
            }
        }
        let revisions: Vec<u64> = log.iter().map(|line| line.revision).collect();
        if !revisions.iter().copied().eq(1..=build.revision) {
            found.push(format!("its log has the revisions {revisions:?}"));
        }
        let built = self.system.built(id);
        let distinct: BTreeSet<_> = built.iter().collect();
        if distinct.len() < built.len() {
            found.push(format!("a component was built twice: {built:?}"));
        }
        if matches!(build.state(), BuildState::Done | BuildState::Ready) {
            if !self.system.finished().contains(&id) {
                found.push("is finished without metadata".to_owned());
            }
            let unbuilt = build.components().find(|(planned, component)| {
                let is_taken = component.taken().is_some();
                component.state != ComponentState::Unneeded
                    && (component.state.built().is_none() || (!is_taken && !built.contains(&planned.name)))
            });
            if let Some((planned, _)) = unbuilt {
                found.push(format!("is finished without {}", planned.name));
            }
        }
        for (planned, component) in build.components() {
            if built.contains(&planned.name) && component.state == ComponentState::Waiting {
                found.push(format!("the result of {} is lost", planned.name));
            }
        }
        found.extend(self.judge_reuse(build, log));
        if !self.wildness.may_end_builds() {
            let ended = log.iter().find(|line| is_ended_by_time(line));
            if let Some(line) = ended {
                found.push(format!("line {} ended it for taking long, though nothing took long", line.sequence));
            }
        }
        found
    }
}

impl World {
    /// What is taken over comes from a ready build of the same stream that has it, of the same commit, and after
    /// nothing that was built with `changed-and-after`; no task is started for it, and nobody builds macros for nothing.
    fn judge_reuse(&self, build: &ModuleBuild, log: &[&LogLine]) -> Vec<String> {
        let mut found = Vec::new();
        for (planned, component) in build.components() {
            let name = &planned.name;
            if let Some(taken) = component.taken() {
                let donor = block_on(self.store.load(taken.build)).ok().flatten();
                let theirs = donor.as_ref().and_then(|donor| donor.component(name));
                match (&donor, theirs) {
                    (Some(donor), Some((_, theirs)))
                        if donor.state() == BuildState::Ready
                            && (&donor.nsvc().name, &donor.nsvc().stream)
                                == (&build.nsvc().name, &build.nsvc().stream)
                            && theirs.state.built() == Some(&taken.built)
                            && theirs.source.as_ref().map(|source| &source.commit)
                                == component.source.as_ref().map(|source| &source.commit) => {}
                    _ => found.push(format!("takes {name} over from {}, which does not have it", taken.build)),
                }
                let starts = |line: &&&LogLine| match &line.event.fact {
                    Fact::ComponentStarted { component: started, attempt, .. } => {
                        started == name && *attempt == component.attempt
                    }
                    _ => false,
                };
                if let Some(line) = log.iter().find(starts) {
                    found.push(format!("line {} starts {name}, which is taken over", line.sequence));
                }
                let before = build.components().enumerate().filter(|(index, (other, _))| match &planned.waits_for {
                    WaitsFor::Batches => other.batch < planned.batch,
                    WaitsFor::Components(needed) => needed.contains(index),
                });
                let built =
                    before.map(|(_, pair)| pair).find(|(other, it)| other.source.is_some() && it.taken().is_none());
                if let Some((other, _)) = built
                    && build.submission.rebuild_strategy == RebuildStrategy::ChangedAndAfter
                {
                    found.push(format!("takes {name} over though {} is built before it", other.name));
                }
            }
            let has = self.system.tagged(build.id).contains(name);
            match &component.state {
                ComponentState::Tagged(_) | ComponentState::Available(_) if !has => {
                    found.push(format!("{name} is said to be in the tag and is not"));
                }
                ComponentState::Unneeded
                    if build.components().any(|(_, other)| other.state.task().is_some() && other.taken().is_none()) =>
                {
                    found.push(format!("{name} is not built though something else is"));
                }
                _ => {}
            }
        }
        found
    }
}

fn is_ended_by_time(line: &LogLine) -> bool {
    let fails = line
        .announcements
        .iter()
        .any(|announcement| matches!(announcement.change, Change::Module { to: BuildState::Failed, .. }));
    fails && matches!(line.event.fact, Fact::TimePassed { .. })
}

/// What was told, without repeats, is what was to be told, in that order; a repeat tells the same.
fn judge_announcements(told: &[&Announcement], log: &[&LogLine]) -> Vec<String> {
    let mut found = Vec::new();
    let mut first: BTreeMap<_, &Announcement> = BTreeMap::new();
    let mut order = Vec::new();
    for announcement in told {
        match first.get(&announcement.id) {
            None => {
                first.insert(announcement.id, announcement);
                order.push(announcement.id);
            }
            Some(before) if before == announcement => {}
            Some(_) => found.push(format!("announcement {} was told in two ways", announcement.id)),
        }
    }
    let due: Vec<&Announcement> = log.iter().flat_map(|line| &line.announcements).collect();
    if !order.iter().eq(due.iter().map(|announcement| &announcement.id)) {
        let due: Vec<String> = due.iter().map(|announcement| announcement.id.to_string()).collect();
        let order: Vec<String> = order.iter().map(ToString::to_string).collect();
        found.push(format!("the world was told {order:?}, but it was to be told {due:?}"));
    } else if let Some(other) = due.iter().find(|announcement| first.get(&announcement.id) != Some(announcement)) {
        found.push(format!("announcement {} was told otherwise than it was recorded", other.id));
    }
    // Every state that it was in is among them.
    let states = due.iter().filter_map(|announcement| match announcement.change {
        Change::Module { from, to, .. } => Some((from, to)),
        Change::Component { .. } => None,
    });
    let mut last = None;
    for (from, to) in states {
        if from != last {
            found.push(format!("the world was told that it went from {from:?}, but it was {last:?}"));
        }
        last = Some(to);
    }
    found
}

/// Nobody starves: once the age of a build decides, at most `bound` younger ones get a slot before it that its module's
/// and owner's limits do not hold back. A process may have looked at the queue just before; each may give away as many
/// slots as there are from one look.
fn starved(lines: &[LogLine], builds: &[ModuleBuild], limits: &Limits, bound: usize) -> Vec<String> {
    let mut found = Vec::new();
    let mut overtakes: BTreeMap<BuildId, usize> = BTreeMap::new();
    let mut waiting: BTreeMap<BuildId, QueuedBuild> = BTreeMap::new();
    let mut running: BTreeMap<BuildId, QueuedBuild> = BTreeMap::new();
    for line in lines {
        let Some(build) = builds.iter().find(|build| build.id == line.build) else { continue };
        let queued = |since| QueuedBuild {
            id: build.id,
            name: build.nsvc().name.clone(),
            owner: build.submission.owner.clone(),
            since,
            batches: 0,
        };
        for announcement in &line.announcements {
            let Change::Module { to, .. } = announcement.change else { continue };
            let granted = waiting.remove(&build.id);
            overtakes.remove(&build.id);
            running.remove(&build.id);
            match to {
                BuildState::Wait => {
                    waiting.insert(build.id, queued(announcement.at));
                }
                BuildState::Build => {
                    let running_before: Vec<QueuedBuild> = running.values().cloned().collect();
                    running.insert(build.id, queued(announcement.at));
                    let full = Full::of(&running_before, limits);
                    let impatient = Impatient::at(line.event.at, limits);
                    let Some(granted) = granted else { continue };
                    let older = waiting.values().filter(|other| {
                        impatient.includes(other.since)
                            && !full.holds_back(other)
                            && (!impatient.includes(granted.since)
                                || (other.since, other.id) < (granted.since, granted.id))
                    });
                    for id in older.map(|other| other.id).collect::<Vec<_>>() {
                        let count = overtakes.entry(id).or_default();
                        *count += 1;
                        if *count == bound + 1 {
                            found.push(format!("build {id} starves: {count} younger ones got a slot before it"));
                        }
                    }
                }
                BuildState::Init | BuildState::Done | BuildState::Failed | BuildState::Ready => {}
            }
        }
    }
    found
}
