//! A store in memory: the same promises as a database, and the same answers in every run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

mod instructions;
mod lists;
mod looks;
mod places;

use self::instructions::Instructions;
use self::lists::{matches, sort, summary};
use self::looks::Looks;
use self::places::Places;
use crate::announce::{Announcement, AnnouncementId};
use crate::build::ModuleBuild;
use crate::effect::Effect;
use crate::id::{BuildId, EffectId, ModuleName, Nsvc, StreamName};
use crate::plan::{Full, Impatient};
use crate::policy::Limits;
use crate::ports::{
    BuildFilter, BuildSummary, Commit, ComponentFilter, ComponentQuery, ComponentSummary, DonorQuery, LeaseTimes,
    ListQuery, LogLine, LookTimes, PendingEffect, Queue, QueuedBuild, Store, StoreError, StoreErrorKind, TakenEffect,
    WorkerId,
};
use crate::reader::{Parked, ParkedFilter, ReaderState};
use crate::scm::ScmUrl;
use crate::state::BuildState;
use crate::timestamp::Timestamp;

/// A [`Store`] in memory. Its clones share what is kept, as connections to one database do.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    last_id: i64,
    builds: BTreeMap<BuildId, ModuleBuild>,
    by_nsvc: BTreeMap<Nsvc, BuildId>,
    looks: Looks,
    instructions: Instructions,
    places: Places,
    log: Vec<LogLine>,
    readers: BTreeMap<String, KeptReader>,
    queue_revision: u64,
}

#[derive(Clone, Debug, Default)]
struct KeptReader {
    sequence: u64,
    lease: Option<(WorkerId, Timestamp)>,
    parked: BTreeMap<(u64, AnnouncementId), Parked>,
}

impl KeptReader {
    fn state(&self) -> ReaderState {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        ReaderState {
            known: true,
            sequence: self.sequence,
            lease: self.lease.clone(),
            parked: count(self.parked.len()),
            retrying: count(self.parked.values().filter(|parked| parked.retrying).count()),
        }
    }
}

impl MemoryStore {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the instructions that are not answered yet, by build and number.
    pub fn effects(&self) -> Vec<Effect> {
        self.kept().instructions.all().map(|pending| pending.effect).collect()
    }

    /// Adds instructions beside any change, as a store without an outbox does.
    pub(super) fn add_effects(&self, effects: &[Effect], due: Timestamp) {
        let mut kept = self.kept();
        for effect in effects {
            kept.instructions.add(effect, due);
        }
    }

    /// Adds announcements beside any change, as a store without an outbox does.
    pub(super) fn add_announcements(&self, sequence: u64, announcements: &[Announcement]) {
        let mut kept = self.kept();
        let index = usize::try_from(sequence).ok().and_then(|sequence| sequence.checked_sub(1));
        if let Some(line) = index.and_then(|index| kept.log.get_mut(index)) {
            line.announcements.extend_from_slice(announcements);
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing here panics between two writes, so that what a panicking holder left behind is whole.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn reserve_id(&self) -> Result<BuildId, StoreError> {
        let mut kept = self.kept();
        kept.last_id += 1;
        BuildId::new(kept.last_id)
            .ok_or_else(|| StoreError::new(StoreErrorKind::Corrupt, "there are no more build ids"))
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<u64, StoreError> {
        let mut kept = self.kept();
        kept.check(&commit)?;
        Ok(kept.write(&commit))
    }

    async fn commit_all(&self, commits: &[Commit<'_>]) -> Result<(), StoreError> {
        let mut kept = self.kept();
        // Each sees those before it; nobody sees any before the last.
        let mut next = kept.clone();
        for commit in commits {
            next.check(commit)?;
            next.write(commit);
        }
        *kept = next;
        Ok(())
    }

    async fn load(&self, id: BuildId) -> Result<Option<ModuleBuild>, StoreError> {
        Ok(self.kept().builds.get(&id).cloned())
    }

    async fn of_documents(&self, scm_urls: &[ScmUrl], limit: usize) -> Result<Vec<BuildSummary>, StoreError> {
        let kept = self.kept();
        let lasting = kept.builds.values().filter(|build| !build.is_scratch());
        let found = lasting.filter(|build| build.submission.scm_url.as_ref().is_some_and(|url| scm_urls.contains(url)));
        Ok(found.take(limit).map(summary).collect())
    }

    async fn load_all(&self, ids: &[BuildId]) -> Result<Vec<ModuleBuild>, StoreError> {
        let kept = self.kept();
        Ok(ids.iter().filter_map(|id| kept.builds.get(id).cloned()).collect())
    }

    async fn find(&self, nsvc: &Nsvc) -> Result<Option<BuildSummary>, StoreError> {
        let kept = self.kept();
        let build = kept.by_nsvc.get(nsvc).and_then(|id| kept.builds.get(id));
        Ok(build.map(summary))
    }

    async fn latest_ready(&self, name: &ModuleName, stream: &StreamName) -> Result<Option<BuildSummary>, StoreError> {
        let kept = self.kept();
        let ready = kept.ready(name).filter(|build| build.nsvc().stream == *stream);
        Ok(ready.max_by_key(|build| (build.nsvc().version, build.id)).map(summary))
    }

    async fn donor(&self, wanted: &DonorQuery) -> Result<Option<BuildId>, StoreError> {
        let kept = self.kept();
        let fits = |build: &&ModuleBuild| {
            let (nsvc, submission) = (build.nsvc(), &build.submission);
            nsvc.name == wanted.name
                && nsvc.stream == wanted.stream
                && build.state() == BuildState::Ready
                && wanted.strategies.contains(&submission.rebuild_strategy)
        };
        let place = |build: &ModuleBuild| {
            let context = build.submission.build_context();
            wanted.build_contexts.iter().position(|wanted| *wanted == context)
        };
        let fitting = kept.builds.values().filter(fits).filter_map(|build| Some((place(build)?, build)));
        let last = fitting.max_by_key(|(place, build)| (std::cmp::Reverse(*place), build.completed_at(), build.id));
        Ok(last.map(|(_, build)| build.id))
    }

    async fn latest_ready_on(
        &self,
        streams: &[(ModuleName, StreamName)],
        base: &ModuleName,
        base_streams: &[StreamName],
    ) -> Result<Vec<Vec<BuildSummary>>, StoreError> {
        let kept = self.kept();
        Ok(streams.iter().map(|(name, stream)| kept.latest_ready_on(name, stream, base, base_streams)).collect())
    }

    async fn ready_streams(&self, name: &ModuleName, limit: usize) -> Result<Vec<StreamName>, StoreError> {
        let streams: BTreeSet<StreamName> = self.kept().ready(name).map(|build| build.nsvc().stream.clone()).collect();
        Ok(streams.into_iter().take(limit).collect())
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError> {
        let kept = self.kept();
        let beyond = |id: BuildId| match query.after {
            Some(after) if query.descending => id < after,
            Some(after) => id > after,
            None => true,
        };
        let matching = kept.builds.values().filter(|build| beyond(build.id) && matches(&query.filter, build));
        let mut found: Vec<BuildSummary> = matching.map(summary).collect();
        sort(&mut found, &query.order);
        if query.descending {
            found.reverse();
        }
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        Ok(found.into_iter().skip(offset).take(limit).collect())
    }

    async fn count(&self, filter: &BuildFilter) -> Result<u64, StoreError> {
        let kept = self.kept();
        // What the driver asks before each submission must not cost more with each build that waits.
        let only_states = BuildFilter { states: filter.states.clone(), ..BuildFilter::default() } == *filter;
        let matching = if only_states && !filter.states.is_empty() {
            let states: BTreeSet<BuildState> = filter.states.iter().copied().collect();
            states.into_iter().map(|state| kept.places.in_state(state)).sum()
        } else {
            kept.builds.values().filter(|build| matches(filter, build)).count()
        };
        Ok(u64::try_from(matching).unwrap_or(u64::MAX))
    }

    async fn list_components(&self, query: &ComponentQuery) -> Result<Vec<ComponentSummary>, StoreError> {
        let kept = self.kept();
        let mut found: Vec<ComponentSummary> =
            kept.builds.values().flat_map(|build| lists::components(&query.filter, build)).collect();
        if query.descending {
            found.reverse();
        }
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        Ok(found.into_iter().skip(offset).take(limit).collect())
    }

    async fn count_components(&self, filter: &ComponentFilter) -> Result<u64, StoreError> {
        let kept = self.kept();
        let count = kept.builds.values().map(|build| lists::components(filter, build).count()).sum::<usize>();
        Ok(u64::try_from(count).unwrap_or(u64::MAX))
    }

    async fn queue(&self) -> Result<Queue, StoreError> {
        let kept = self.kept();
        let (waiting, running) = (kept.places.waiting().cloned().collect(), kept.places.running().cloned().collect());
        Ok(Queue { revision: kept.queue_revision, waiting, running })
    }

    async fn queue_head(&self, limits: &Limits, now: Timestamp, limit: usize) -> Result<Queue, StoreError> {
        let kept = self.kept();
        let running: Vec<QueuedBuild> = kept.places.running().cloned().collect();
        let waiting = kept.places.head(&Full::of(&running, limits), Impatient::at(now, limits), limit);
        Ok(Queue { revision: kept.queue_revision, waiting, running })
    }

    async fn take_effects(
        &self,
        worker: &WorkerId,
        times: LeaseTimes,
        limit: usize,
    ) -> Result<Vec<TakenEffect>, StoreError> {
        Ok(self.kept().instructions.take(worker, times, limit))
    }

    async fn pending(&self, id: BuildId) -> Result<Vec<PendingEffect>, StoreError> {
        Ok(self.kept().instructions.of(id).collect())
    }

    async fn renew_leases(&self, worker: &WorkerId, ids: &[EffectId], until: Timestamp) -> Result<(), StoreError> {
        let mut kept = self.kept();
        for id in ids {
            kept.instructions.renew(worker, *id, until);
        }
        Ok(())
    }

    async fn retry_effect(
        &self,
        worker: &WorkerId,
        id: EffectId,
        due: Timestamp,
        failures: u32,
        error: &str,
    ) -> Result<(), StoreError> {
        self.kept().instructions.give_back(worker, id, due, failures, error);
        Ok(())
    }

    async fn drop_effect(&self, id: EffectId) -> Result<(), StoreError> {
        self.kept().instructions.remove(id);
        Ok(())
    }

    async fn take_due_builds(&self, times: LookTimes, limit: usize) -> Result<Vec<BuildId>, StoreError> {
        let mut kept = self.kept();
        let taken = kept.looks.due(times.now, times.latest, limit);
        for id in &taken {
            let builds = kept.builds.get(id).is_some_and(|build| build.state() == BuildState::Build);
            kept.looks.set(*id, Some(if builds { times.building } else { times.others }));
        }
        Ok(taken)
    }

    async fn log_after(&self, sequence: u64, limit: usize) -> Result<Vec<LogLine>, StoreError> {
        // Sequence numbers start at 1 and have no gaps here.
        let seen = usize::try_from(sequence).unwrap_or(usize::MAX);
        Ok(self.kept().log.iter().skip(seen).take(limit).cloned().collect())
    }

    async fn log_of(&self, id: BuildId) -> Result<Vec<LogLine>, StoreError> {
        Ok(self.kept().log.iter().filter(|line| line.build == id).cloned().collect())
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        Ok(self.kept().log.last().map_or(0, |line| line.sequence))
    }

    async fn reader(&self, reader: &str) -> Result<ReaderState, StoreError> {
        Ok(self.kept().readers.get(reader).map(KeptReader::state).unwrap_or_default())
    }

    async fn start_reader(&self, reader: &str, sequence: u64) -> Result<(), StoreError> {
        self.kept()
            .readers
            .entry(reader.to_owned())
            .or_insert_with(|| KeptReader { sequence, ..KeptReader::default() });
        Ok(())
    }

    async fn take_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        times: LeaseTimes,
    ) -> Result<Option<ReaderState>, StoreError> {
        let mut kept = self.kept();
        let reader = kept.readers.entry(reader.to_owned()).or_default();
        if reader.state().is_held_by_another(worker, times) {
            return Ok(None);
        }
        reader.lease = Some((worker.clone(), times.until));
        Ok(Some(reader.state()))
    }

    async fn advance_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        from: u64,
        to: u64,
        parked: &[Parked],
    ) -> Result<bool, StoreError> {
        let mut kept = self.kept();
        let Some(reader) = kept.readers.get_mut(reader) else { return Ok(false) };
        let held = reader.lease.as_ref().is_some_and(|(holder, _)| holder == worker);
        if !held || reader.sequence != from {
            return Ok(false);
        }
        reader.sequence = to;
        for parked in parked {
            reader.parked.entry((parked.sequence, parked.announcement)).or_insert_with(|| parked.clone());
        }
        Ok(true)
    }

    async fn release_reader(&self, reader: &str, worker: &WorkerId) -> Result<(), StoreError> {
        if let Some(reader) = self.kept().readers.get_mut(reader)
            && reader.lease.as_ref().is_some_and(|(holder, _)| holder == worker)
        {
            reader.lease = None;
        }
        Ok(())
    }

    async fn rewind_reader(&self, reader: &str, sequence: u64) -> Result<(), StoreError> {
        if let Some(reader) = self.kept().readers.get_mut(reader) {
            reader.sequence = reader.sequence.min(sequence);
        }
        Ok(())
    }

    async fn parked(&self, reader: &str, filter: ParkedFilter, limit: usize) -> Result<Vec<Parked>, StoreError> {
        let kept = self.kept();
        let Some(reader) = kept.readers.get(reader) else { return Ok(Vec::new()) };
        let matches = |parked: &&Parked| {
            filter.build.is_none_or(|build| build == parked.announcement.build) && (!filter.retrying || parked.retrying)
        };
        Ok(reader.parked.values().filter(matches).take(limit).cloned().collect())
    }

    async fn retry_parked(&self, reader: &str, build: Option<BuildId>) -> Result<u64, StoreError> {
        let mut kept = self.kept();
        let Some(reader) = kept.readers.get_mut(reader) else { return Ok(0) };
        let mut marked = 0;
        for parked in reader.parked.values_mut() {
            if build.is_none_or(|build| build == parked.announcement.build) {
                parked.retrying = true;
                marked += 1;
            }
        }
        Ok(marked)
    }

    async fn unpark(&self, reader: &str, announcement: AnnouncementId) -> Result<(), StoreError> {
        if let Some(reader) = self.kept().readers.get_mut(reader) {
            reader.parked.retain(|(_, id), _| *id != announcement);
        }
        Ok(())
    }

    async fn keep_parked(&self, reader: &str, announcement: AnnouncementId, reason: &str) -> Result<(), StoreError> {
        let mut kept = self.kept();
        let Some(reader) = kept.readers.get_mut(reader) else { return Ok(()) };
        for parked in reader.parked.values_mut().filter(|parked| parked.announcement.build == announcement.build) {
            parked.retrying = false;
            if parked.announcement == announcement {
                reason.clone_into(&mut parked.reason);
            }
        }
        Ok(())
    }

    async fn ping(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl Kept {
    /// Iterates over the ready builds of a module.
    fn ready<'a>(&'a self, name: &'a ModuleName) -> impl Iterator<Item = &'a ModuleBuild> {
        let is_ready = |build: &&ModuleBuild| build.state() == BuildState::Ready && !build.is_scratch();
        self.builds.values().filter(is_ready).filter(move |build| build.nsvc().name == *name)
    }

    /// Returns the ready builds of a stream with the highest version for each stream of a base module.
    fn latest_ready_on(
        &self,
        name: &ModuleName,
        stream: &StreamName,
        base: &ModuleName,
        base_streams: &[StreamName],
    ) -> Vec<BuildSummary> {
        let place = |build: &ModuleBuild| {
            let mut requires = build.submission.build_requires.iter();
            match requires.find(|require| require.name == *base) {
                Some(require) => base_streams.iter().position(|stream| *stream == require.stream),
                None => Some(0),
            }
        };
        let mut found: BTreeMap<usize, Vec<&ModuleBuild>> = BTreeMap::new();
        for build in self.ready(name).filter(|build| build.nsvc().stream == *stream) {
            if let Some(place) = place(build) {
                found.entry(place).or_default().push(build);
            }
        }
        let latest = found.into_values().flat_map(|mut builds| {
            let highest = builds.iter().map(|build| build.nsvc().version).max();
            builds.retain(|build| Some(build.nsvc().version) == highest);
            builds.sort_by_key(|build| std::cmp::Reverse(build.id));
            builds
        });
        latest.take(64).map(summary).collect()
    }

    /// Tells why a change cannot be written, before any of it is.
    fn check(&self, commit: &Commit<'_>) -> Result<(), StoreError> {
        let after = commit.after;
        let stored = self.builds.get(&after.id);
        if commit.before.is_none()
            && let Some(taken) = self.by_nsvc.get(after.nsvc()).and_then(|id| self.builds.get(id))
        {
            let kind = StoreErrorKind::Exists { id: taken.id, state: taken.state() };
            return Err(StoreError::new(kind, format!("{} exists as build {}", after.nsvc(), taken.id)));
        }
        if stored.map(|build| build.revision) != commit.before.map(|build| build.revision) {
            return Err(StoreError::new(StoreErrorKind::Conflict, format!("build {} was changed meanwhile", after.id)));
        }
        if commit.queue_revision.is_some_and(|revision| revision != self.queue_revision) {
            return Err(StoreError::new(StoreErrorKind::Conflict, "the queue was changed meanwhile"));
        }
        match commit.room.and_then(|room| self.places.is_full(&room, after)) {
            Some(full) => {
                let message = full.to_string();
                Err(StoreError::new(StoreErrorKind::QueueFull(full), message))
            }
            None => Ok(()),
        }
    }

    fn write(&mut self, commit: &Commit<'_>) -> u64 {
        let after = commit.after;
        self.places.put(after);
        self.builds.insert(after.id, after.clone());
        self.by_nsvc.insert(after.nsvc().clone(), after.id);
        self.looks.set(after.id, commit.look_at);
        for effect in commit.effects {
            self.instructions.add(effect, commit.event.at);
        }
        if let Some(answered) = commit.answers {
            self.instructions.remove(answered);
        }
        if commit.queue_revision.is_some() {
            self.queue_revision += 1;
        }
        let sequence = self.log.last().map_or(1, |line| line.sequence + 1);
        self.log.push(LogLine {
            sequence,
            build: after.id,
            revision: after.revision,
            event: commit.event.clone(),
            announcements: commit.announcements.to_vec(),
        });
        sequence
    }
}

#[cfg(test)]
mod tests;
