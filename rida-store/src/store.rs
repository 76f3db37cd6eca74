//! The [`Store`] port.

use async_trait::async_trait;
use rida_core::scm::ScmUrl;
use rida_core::{
    AnnouncementId, BuildFilter, BuildId, BuildSummary, Commit, ComponentFilter, ComponentQuery, ComponentSummary,
    DonorQuery, EffectId, LeaseTimes, Limits, ListQuery, LogLine, LookTimes, ModuleBuild, ModuleName, Nsvc, Parked,
    ParkedFilter, PendingEffect, Queue, ReaderState, Store, StoreError, StoreErrorKind, StreamName, TakenEffect,
    Timestamp, WorkerId,
};

use crate::database::Database;
use crate::memory::Writing;
use crate::queries::{commit, components, effects, list, load, log, on_base, queue, readers};

/// Takes notice of what became of a write.
fn settle(writing: Writing<'_>, after: &ModuleBuild, error: Option<&StoreError>) {
    match error.map(StoreError::kind) {
        None => writing.written(after),
        Some(StoreErrorKind::Conflict | StoreErrorKind::Exists { .. } | StoreErrorKind::QueueFull(_)) => {
            writing.refused();
        }
        // Whether it was written is not known.
        Some(_) => drop(writing),
    }
}

#[async_trait]
impl Store for Database {
    async fn reserve_id(&self) -> Result<BuildId, StoreError> {
        commit::reserve_id(self).await
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<u64, StoreError> {
        let writing = self.memory.writing(commit.after.id);
        let written = commit::commit(self, commit).await;
        settle(writing, commit.after, written.as_ref().err());
        written
    }

    async fn commit_all(&self, commits: &[Commit<'_>]) -> Result<(), StoreError> {
        // In one order: of two that write the same builds, one waits for the other.
        let mut commits: Vec<&Commit<'_>> = commits.iter().collect();
        commits.sort_by(|a, b| a.after.nsvc().cmp(b.after.nsvc()));
        let writing: Vec<_> = commits.iter().map(|commit| self.memory.writing(commit.after.id)).collect();
        let written = commit::commit_all(self, &commits).await;
        for (writing, commit) in writing.into_iter().zip(&commits) {
            settle(writing, commit.after, written.as_ref().err());
        }
        written.map(drop)
    }

    async fn load(&self, id: BuildId) -> Result<Option<ModuleBuild>, StoreError> {
        let before = match self.memory.recall(id) {
            Ok(build) => return Ok(Some(ModuleBuild::clone(&build))),
            Err(before) => before,
        };
        let build = load::load(self, id).await?;
        if let Some(build) = &build {
            self.memory.read(before, build);
        }
        Ok(build)
    }

    async fn of_documents(&self, scm_urls: &[ScmUrl], limit: usize) -> Result<Vec<BuildSummary>, StoreError> {
        list::of_documents(self, scm_urls, limit).await
    }

    async fn load_all(&self, ids: &[BuildId]) -> Result<Vec<ModuleBuild>, StoreError> {
        load::load_all(self, ids).await
    }

    async fn find(&self, nsvc: &Nsvc) -> Result<Option<BuildSummary>, StoreError> {
        load::find(self, nsvc).await
    }

    async fn latest_ready(&self, name: &ModuleName, stream: &StreamName) -> Result<Option<BuildSummary>, StoreError> {
        load::latest_ready(self, name, stream).await
    }

    async fn donor(&self, wanted: &DonorQuery) -> Result<Option<BuildId>, StoreError> {
        load::donor(self, wanted).await
    }

    async fn latest_ready_on(
        &self,
        streams: &[(ModuleName, StreamName)],
        base: &ModuleName,
        base_streams: &[StreamName],
    ) -> Result<Vec<Vec<BuildSummary>>, StoreError> {
        on_base::latest_ready_on(self, streams, (base, base_streams)).await
    }

    async fn ready_streams(&self, name: &ModuleName, limit: usize) -> Result<Vec<StreamName>, StoreError> {
        load::ready_streams(self, name, limit).await
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError> {
        list::list(self, query).await
    }

    async fn count(&self, filter: &BuildFilter) -> Result<u64, StoreError> {
        list::count(self, filter).await
    }

    async fn list_components(&self, query: &ComponentQuery) -> Result<Vec<ComponentSummary>, StoreError> {
        components::list(self, query).await
    }

    async fn count_components(&self, filter: &ComponentFilter) -> Result<u64, StoreError> {
        components::count(self, filter).await
    }

    async fn queue(&self) -> Result<Queue, StoreError> {
        list::queue(self).await
    }

    async fn queue_head(&self, limits: &Limits, now: Timestamp, limit: usize) -> Result<Queue, StoreError> {
        queue::head(self, limits, now, limit).await
    }

    async fn take_effects(
        &self,
        worker: &WorkerId,
        times: LeaseTimes,
        limit: usize,
    ) -> Result<Vec<TakenEffect>, StoreError> {
        effects::take(self, worker, times, limit).await
    }

    async fn pending(&self, id: BuildId) -> Result<Vec<PendingEffect>, StoreError> {
        effects::pending(self, id).await
    }

    async fn renew_leases(&self, worker: &WorkerId, ids: &[EffectId], until: Timestamp) -> Result<(), StoreError> {
        effects::renew(self, worker, ids, until).await
    }

    async fn retry_effect(
        &self,
        worker: &WorkerId,
        id: EffectId,
        due: Timestamp,
        failures: u32,
        error: &str,
    ) -> Result<(), StoreError> {
        effects::retry(self, worker, id, due, failures, error).await
    }

    async fn drop_effect(&self, id: EffectId) -> Result<(), StoreError> {
        effects::remove(self, id).await
    }

    async fn take_due_builds(&self, times: LookTimes, limit: usize) -> Result<Vec<BuildId>, StoreError> {
        effects::take_builds(self, times, limit).await
    }

    async fn log_after(&self, sequence: u64, limit: usize) -> Result<Vec<LogLine>, StoreError> {
        log::after(self, sequence, limit).await
    }

    async fn log_of(&self, id: BuildId) -> Result<Vec<LogLine>, StoreError> {
        log::of(self, id).await
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        log::end(self).await
    }

    async fn reader(&self, reader: &str) -> Result<ReaderState, StoreError> {
        readers::state(self, reader).await
    }

    async fn start_reader(&self, reader: &str, sequence: u64) -> Result<(), StoreError> {
        readers::start(self, reader, sequence).await
    }

    async fn take_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        times: LeaseTimes,
    ) -> Result<Option<ReaderState>, StoreError> {
        readers::take(self, reader, worker, times).await
    }

    async fn advance_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        from: u64,
        to: u64,
        parked: &[Parked],
    ) -> Result<bool, StoreError> {
        readers::advance(self, reader, worker, (from, to), parked).await
    }

    async fn release_reader(&self, reader: &str, worker: &WorkerId) -> Result<(), StoreError> {
        readers::release(self, reader, worker).await
    }

    async fn rewind_reader(&self, reader: &str, sequence: u64) -> Result<(), StoreError> {
        readers::rewind(self, reader, sequence).await
    }

    async fn parked(&self, reader: &str, filter: ParkedFilter, limit: usize) -> Result<Vec<Parked>, StoreError> {
        readers::parked(self, reader, filter, limit).await
    }

    async fn retry_parked(&self, reader: &str, build: Option<BuildId>) -> Result<u64, StoreError> {
        readers::retry(self, reader, build).await
    }

    async fn unpark(&self, reader: &str, announcement: AnnouncementId) -> Result<(), StoreError> {
        readers::unpark(self, reader, announcement).await
    }

    async fn keep_parked(&self, reader: &str, announcement: AnnouncementId, reason: &str) -> Result<(), StoreError> {
        readers::keep(self, reader, announcement, reason).await
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.check_version().await.map_err(|error| error.during("answer"))?;
        self.check_writable().await
    }
}
