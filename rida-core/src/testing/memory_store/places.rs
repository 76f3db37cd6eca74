//! Where builds are: the queue, its order and how many there are in each state, kept with each change.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::lists::queued;
use crate::build::ModuleBuild;
use crate::id::{BuildId, ModuleName, Owner};
use crate::plan::{Full, Impatient};
use crate::ports::{QueueFull, QueueRoom, QueuedBuild};
use crate::state::BuildState;
use crate::timestamp::Timestamp;

#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    builds: BTreeMap<BuildId, (BuildState, QueuedBuild)>,
    counts: BTreeMap<BuildState, usize>,
    /// How many of each are in `init` and `wait`.
    modules: BTreeMap<ModuleName, usize>,
    owners: BTreeMap<Owner, usize>,
    running: BTreeSet<BuildId>,
    /// The builds in `wait`, by age.
    oldest: BTreeSet<(Timestamp, BuildId)>,
    /// The builds in `wait`, the one with the most batches first.
    longest: BTreeSet<(Reverse<u32>, Timestamp, BuildId)>,
}

impl Places {
    pub(super) fn put(&mut self, build: &ModuleBuild) {
        if let Some((state, before)) = self.builds.remove(&build.id) {
            self.count(state, &before, false);
        }
        let (state, now) = (build.state(), queued(build));
        self.count(state, &now, true);
        self.builds.insert(build.id, (state, now));
    }

    fn count(&mut self, state: BuildState, build: &QueuedBuild, enters: bool) {
        change(&mut self.counts, &state, enters);
        if matches!(state, BuildState::Init | BuildState::Wait) {
            change(&mut self.modules, &build.name, enters);
            change(&mut self.owners, &build.owner, enters);
        }
        let QueuedBuild { id, since, batches, .. } = *build;
        match (state, enters) {
            (BuildState::Wait, true) => {
                self.oldest.insert((since, id));
                self.longest.insert((Reverse(batches), since, id));
            }
            (BuildState::Wait, false) => {
                self.oldest.remove(&(since, id));
                self.longest.remove(&(Reverse(batches), since, id));
            }
            (BuildState::Build, true) => {
                self.running.insert(id);
            }
            (BuildState::Build, false) => {
                self.running.remove(&id);
            }
            (BuildState::Init | BuildState::Done | BuildState::Failed | BuildState::Ready, _) => {}
        }
    }

    pub(super) fn in_state(&self, state: BuildState) -> usize {
        self.counts.get(&state).copied().unwrap_or(0)
    }

    pub(super) fn running(&self) -> impl Iterator<Item = &QueuedBuild> {
        self.running.iter().filter_map(|id| self.get(*id))
    }

    pub(super) fn waiting(&self) -> impl Iterator<Item = &QueuedBuild> {
        let waiting = self.builds.values().filter(|(state, _)| *state == BuildState::Wait);
        waiting.map(|(_, build)| build)
    }

    pub(super) fn head(&self, full: &Full, impatient: Impatient, limit: usize) -> Vec<QueuedBuild> {
        let old = self.oldest.iter().take_while(|(since, _)| *since <= impatient.since);
        let ahead = self.oldest.iter().rev().take_while(|(since, _)| *since > impatient.ahead.max(impatient.since));
        let ahead: Vec<_> = ahead.collect();
        let old = old.chain(ahead.into_iter().rev()).map(|(_, id)| *id);
        let long = self.longest.iter().filter(|(_, since, _)| !impatient.includes(*since)).map(|(_, _, id)| *id);
        let builds = old.chain(long).filter_map(|id| self.get(id));
        builds.filter(|build| !full.holds_back(build)).take(limit).cloned().collect()
    }

    pub(super) fn is_full(&self, room: &QueueRoom, build: &ModuleBuild) -> Option<QueueFull> {
        let in_all = self.in_state(BuildState::Init) + self.in_state(BuildState::Wait);
        let of_module = self.modules.get(&build.nsvc().name).copied().unwrap_or(0);
        let of_owner = self.owners.get(&build.submission.owner).copied().unwrap_or(0);
        if in_all >= room.in_all {
            Some(QueueFull::InAll(in_all))
        } else if of_module >= room.of_module {
            Some(QueueFull::OfModule(of_module))
        } else if of_owner >= room.of_owner {
            Some(QueueFull::OfOwner(of_owner))
        } else {
            None
        }
    }

    fn get(&self, id: BuildId) -> Option<&QueuedBuild> {
        self.builds.get(&id).map(|(_, build)| build)
    }
}

fn change<K: Ord + Clone>(counts: &mut BTreeMap<K, usize>, key: &K, enters: bool) {
    if enters {
        *counts.entry(key.clone()).or_default() += 1;
    } else if let Some(count) = counts.get_mut(key) {
        *count -= 1;
        if *count == 0 {
            counts.remove(key);
        }
    }
}
