//! A store in memory: the same promises as a database, and the same answers in every run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use crate::announce::AnnouncementId;
use crate::build::ModuleBuild;
use crate::effect::Effect;
use crate::id::{BuildId, EffectId, ModuleName, Nsvc, StreamName};
use crate::ports::{
    BuildFilter, BuildSummary, Commit, ListQuery, LogLine, OrderKey, Queue, QueuedBuild, Store, StoreError,
    StoreErrorKind, TakenEffect, WorkerId,
};
use crate::reader::{Parked, ParkedFilter, ReaderState};
use crate::state::BuildState;
use crate::timestamp::Timestamp;

/// A [`Store`] in memory. Its clones share what is kept, as connections to one database do.
#[derive(Clone, Debug, Default)]
pub struct MemoryStore {
    kept: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    last_id: i64,
    builds: BTreeMap<BuildId, ModuleBuild>,
    by_nsvc: BTreeMap<Nsvc, BuildId>,
    look_at: BTreeMap<BuildId, Timestamp>,
    effects: BTreeMap<EffectId, KeptEffect>,
    log: Vec<LogLine>,
    readers: BTreeMap<String, KeptReader>,
    queue_revision: u64,
}

#[derive(Debug)]
struct KeptEffect {
    effect: Effect,
    due: Timestamp,
    attempts: u32,
    lease: Option<(WorkerId, Timestamp)>,
}

#[derive(Debug, Default)]
struct KeptReader {
    sequence: u64,
    lease: Option<(WorkerId, Timestamp)>,
    parked: BTreeMap<(u64, AnnouncementId), Parked>,
}

impl KeptReader {
    fn state(&self) -> ReaderState {
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        ReaderState {
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
        self.kept().effects.values().map(|kept| kept.effect.clone()).collect()
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

    async fn load(&self, id: BuildId) -> Result<Option<ModuleBuild>, StoreError> {
        Ok(self.kept().builds.get(&id).cloned())
    }

    async fn find(&self, nsvc: &Nsvc) -> Result<Option<BuildSummary>, StoreError> {
        let kept = self.kept();
        let build = kept.by_nsvc.get(nsvc).and_then(|id| kept.builds.get(id));
        Ok(build.map(summary))
    }

    async fn latest_ready(&self, name: &ModuleName, stream: &StreamName) -> Result<Option<BuildSummary>, StoreError> {
        let kept = self.kept();
        let of_stream = |build: &&ModuleBuild| build.nsvc().name == *name && build.nsvc().stream == *stream;
        let ready = kept.builds.values().filter(of_stream).filter(|build| build.state() == BuildState::Ready);
        Ok(ready.max_by_key(|build| (build.nsvc().version, build.id)).map(summary))
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError> {
        let kept = self.kept();
        let beyond = |id: BuildId| match query.after {
            Some(after) if query.descending => id < after,
            Some(after) => id > after,
            None => true,
        };
        let mut found: Vec<BuildSummary> = kept.builds.values().filter(|build| beyond(build.id)).map(summary).collect();
        found.retain(|summary| matches(&query.filter, summary));
        sort(&mut found, query.order);
        if query.descending {
            found.reverse();
        }
        let offset = usize::try_from(query.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
        Ok(found.into_iter().skip(offset).take(limit).collect())
    }

    async fn count(&self, filter: &BuildFilter) -> Result<u64, StoreError> {
        let matching = self.kept().builds.values().filter(|build| matches(filter, &summary(build))).count();
        Ok(u64::try_from(matching).unwrap_or(u64::MAX))
    }

    async fn queue(&self) -> Result<Queue, StoreError> {
        let kept = self.kept();
        let in_state = |state: BuildState| kept.builds.values().filter(move |build| build.state() == state).map(queued);
        Ok(Queue {
            revision: kept.queue_revision,
            waiting: in_state(BuildState::Wait).collect(),
            running: in_state(BuildState::Build).collect(),
        })
    }

    async fn take_effects(
        &self,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<TakenEffect>, StoreError> {
        let mut kept = self.kept();
        let mut due: Vec<&mut KeptEffect> = kept.effects.values_mut().filter(|kept| kept.is_free(now)).collect();
        due.sort_by_key(|kept| (kept.due, kept.effect.id));
        let take = |kept: &mut KeptEffect| {
            let taken = TakenEffect { effect: kept.effect.clone(), attempts: kept.attempts };
            kept.attempts = kept.attempts.saturating_add(1);
            kept.lease = Some((worker.clone(), until));
            taken
        };
        Ok(due.into_iter().take(limit).map(take).collect())
    }

    async fn renew_leases(&self, worker: &WorkerId, ids: &[EffectId], until: Timestamp) -> Result<(), StoreError> {
        let mut kept = self.kept();
        for id in ids {
            if let Some((holder, end)) = kept.effects.get_mut(id).and_then(|effect| effect.lease.as_mut())
                && holder == worker
            {
                *end = until;
            }
        }
        Ok(())
    }

    async fn retry_effect(
        &self,
        worker: &WorkerId,
        id: EffectId,
        due: Timestamp,
        _error: &str,
    ) -> Result<(), StoreError> {
        let mut kept = self.kept();
        let held = |kept: &&mut KeptEffect| kept.lease.as_ref().is_some_and(|(holder, _)| holder == worker);
        if let Some(effect) = kept.effects.get_mut(&id).filter(held) {
            effect.due = due;
            effect.lease = None;
        }
        Ok(())
    }

    async fn drop_effect(&self, id: EffectId) -> Result<(), StoreError> {
        self.kept().effects.remove(&id);
        Ok(())
    }

    async fn take_due_builds(&self, now: Timestamp, next: Timestamp, limit: usize) -> Result<Vec<BuildId>, StoreError> {
        let mut kept = self.kept();
        let due: BTreeSet<_> = kept.look_at.iter().filter(|(_, at)| **at <= now).map(|(id, at)| (*at, *id)).collect();
        let taken: Vec<BuildId> = due.into_iter().take(limit).map(|(_, id)| id).collect();
        kept.look_at.extend(taken.iter().map(|id| (*id, next)));
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

    async fn take_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ReaderState>, StoreError> {
        let mut kept = self.kept();
        let reader = kept.readers.entry(reader.to_owned()).or_default();
        if reader.state().is_held_by_another(worker, now) {
            return Ok(None);
        }
        reader.lease = Some((worker.clone(), until));
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
        Ok(())
    }

    fn write(&mut self, commit: &Commit<'_>) -> u64 {
        let after = commit.after;
        self.builds.insert(after.id, after.clone());
        self.by_nsvc.insert(after.nsvc().clone(), after.id);
        match commit.look_at {
            Some(at) => self.look_at.insert(after.id, at),
            None => self.look_at.remove(&after.id),
        };
        for effect in commit.effects {
            let kept = KeptEffect { effect: effect.clone(), due: commit.event.at, attempts: 0, lease: None };
            self.effects.insert(effect.id, kept);
        }
        if let Some(answered) = commit.answers {
            self.effects.remove(&answered);
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

impl KeptEffect {
    fn is_free(&self, now: Timestamp) -> bool {
        self.due <= now && self.lease.as_ref().is_none_or(|(_, end)| *end <= now)
    }
}

fn summary(build: &ModuleBuild) -> BuildSummary {
    BuildSummary {
        id: build.id,
        state: build.state(),
        nsvc: build.nsvc().clone(),
        owner: build.submission.owner.clone(),
        scm_url: build.submission.scm_url.as_str().to_owned(),
        reason: build.reason().map(str::to_owned),
        submitted_at: build.submission.at,
        modified_at: build.modified_at,
        completed_at: build.completed_at(),
    }
}

fn queued(build: &ModuleBuild) -> QueuedBuild {
    QueuedBuild {
        id: build.id,
        name: build.nsvc().name.clone(),
        owner: build.submission.owner.clone(),
        since: build.since(),
        batches: build.plan().iter().map(|component| component.batch).max().unwrap_or(0),
    }
}

fn matches(filter: &BuildFilter, build: &BuildSummary) -> bool {
    // Without a rest pattern, so that a new part of the filter cannot be forgotten here.
    let BuildFilter {
        states,
        name,
        stream,
        version,
        context,
        owner,
        submitted_after,
        submitted_before,
        modified_after,
        modified_before,
        completed_after,
        completed_before,
    } = filter;
    let same = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
    let within = |after: &Option<Timestamp>, before: &Option<Timestamp>, at: Option<Timestamp>| {
        after.is_none_or(|after| at.is_some_and(|at| at >= after))
            && before.is_none_or(|before| at.is_some_and(|at| at <= before))
    };
    (states.is_empty() || states.contains(&build.state))
        && same(name, build.nsvc.name.as_str())
        && same(stream, build.nsvc.stream.as_str())
        && version.is_none_or(|version| version == build.nsvc.version)
        && same(context, build.nsvc.context.as_str())
        && same(owner, build.owner.as_str())
        && within(submitted_after, submitted_before, Some(build.submitted_at))
        && within(modified_after, modified_before, Some(build.modified_at))
        && within(completed_after, completed_before, build.completed_at)
}

/// Sorts builds that are in the order of their ids.
fn sort(builds: &mut [BuildSummary], order: OrderKey) {
    match order {
        OrderKey::Id => {}
        OrderKey::Name => builds.sort_by(|a, b| a.nsvc.name.cmp(&b.nsvc.name)),
        OrderKey::Stream => builds.sort_by(|a, b| a.nsvc.stream.cmp(&b.nsvc.stream)),
        OrderKey::Version => builds.sort_by_key(|build| build.nsvc.version),
        OrderKey::Context => builds.sort_by(|a, b| a.nsvc.context.cmp(&b.nsvc.context)),
        OrderKey::State => builds.sort_by_key(|build| build.state.code()),
        OrderKey::Owner => builds.sort_by(|a, b| a.owner.cmp(&b.owner)),
        OrderKey::Submitted => builds.sort_by_key(|build| build.submitted_at),
        OrderKey::Modified => builds.sort_by_key(|build| build.modified_at),
        OrderKey::Completed => builds.sort_by_key(|build| build.completed_at),
    }
}

#[cfg(test)]
mod tests;
