//! Where builds are kept.

use async_trait::async_trait;

use super::store_error::StoreError;
use super::stored::{
    BuildFilter, BuildSummary, ComponentFilter, ComponentQuery, ComponentSummary, ListQuery, LogLine, PendingEffect,
    Queue, TakenEffect, WorkerId,
};
use crate::announce::{Announcement, AnnouncementId};
use crate::build::ModuleBuild;
use crate::effect::Effect;
use crate::event::Event;
use crate::id::{BuildId, EffectId, ModuleName, Nsvc, StreamName};
use crate::plan::RebuildStrategy;
use crate::policy::Limits;
use crate::reader::{Parked, ParkedFilter, ReaderState};
use crate::scm::ScmUrl;
use crate::timestamp::Timestamp;

/// Keeps builds, instructions and the log.
#[async_trait]
pub trait Store: Send + Sync {
    /// Returns a build id that was never returned before. Gaps are harmless.
    async fn reserve_id(&self) -> Result<BuildId, StoreError>;

    /// Writes a change: state, instructions and log line all, or none of them.
    ///
    /// Returns the sequence number of the log line.
    ///
    /// # Errors
    /// [`Conflict`](super::StoreErrorKind::Conflict) when the stored revision is not the one that the change was made from,
    /// or the queue's is not; [`Exists`](super::StoreErrorKind::Exists) when a new build's NSVC is taken;
    /// [`QueueFull`](super::StoreErrorKind::QueueFull) when the change needs room in the queue and there is none, whoever
    /// else writes at the same time.
    async fn commit(&self, commit: Commit<'_>) -> Result<u64, StoreError>;

    /// Writes changes of different builds, each as [`commit`](Self::commit) does, all or none of them.
    ///
    /// # Errors
    /// As for one change: what stands in the way of any of them.
    async fn commit_all(&self, commits: &[Commit<'_>]) -> Result<(), StoreError>;

    /// Returns a build as it was last committed.
    async fn load(&self, id: BuildId) -> Result<Option<ModuleBuild>, StoreError>;

    /// Returns builds as they were last committed, in the order that they are asked for in, without those that there
    /// are not. How often the database is asked does not grow with their number, up to some hundreds.
    async fn load_all(&self, ids: &[BuildId]) -> Result<Vec<ModuleBuild>, StoreError>;

    /// Returns the builds whose modulemd came from one of these places, commits included, in the order of their ids and
    /// at most `limit`; scratch builds left out.
    async fn of_documents(&self, scm_urls: &[ScmUrl], limit: usize) -> Result<Vec<BuildSummary>, StoreError>;

    /// Returns the build with this NSVC.
    async fn find(&self, nsvc: &Nsvc) -> Result<Option<BuildSummary>, StoreError>;

    /// Returns the ready build of a stream with the highest version, which is never a scratch build.
    async fn latest_ready(&self, name: &ModuleName, stream: &StreamName) -> Result<Option<BuildSummary>, StoreError>;

    /// Returns the build that components may be taken over from: of those that match, the one that ended last.
    async fn donor(&self, wanted: &DonorQuery) -> Result<Option<BuildId>, StoreError>;

    /// Returns, for each of some streams of modules, the ready builds of it for each of some streams of a base module in
    /// their order: those with the highest version of those that are built against the base module in that stream; what
    /// is not built against it at all counts for the first. They differ in what else they are built against. Never a
    /// scratch build, and at most 64 of each. How often the database is asked does not grow with their number.
    async fn latest_ready_on(
        &self,
        streams: &[(ModuleName, StreamName)],
        base: &ModuleName,
        base_streams: &[StreamName],
    ) -> Result<Vec<Vec<BuildSummary>>, StoreError>;

    /// Returns the streams of a module that have a ready build which is no scratch build, in their order, at most
    /// `limit`.
    async fn ready_streams(&self, name: &ModuleName, limit: usize) -> Result<Vec<StreamName>, StoreError>;

    /// Returns one page of builds.
    async fn list(&self, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError>;

    /// Returns how many builds a filter matches.
    async fn count(&self, filter: &BuildFilter) -> Result<u64, StoreError>;

    /// Returns one page of components.
    async fn list_components(&self, query: &ComponentQuery) -> Result<Vec<ComponentSummary>, StoreError>;

    /// Returns how many components a filter matches.
    async fn count_components(&self, filter: &ComponentFilter) -> Result<u64, StoreError>;

    /// Returns the builds that wait for a slot and those that hold one, and the revision of that picture.
    async fn queue(&self) -> Result<Queue, StoreError>;

    /// Returns the builds that hold a slot, and of those that wait the first few that
    /// [`verdicts`](crate::plan::verdicts) would serve, at most `limit`, leaving out those whose module or owner has
    /// all its slots already. What it costs must not grow with the number of builds that wait.
    async fn queue_head(&self, limits: &Limits, now: Timestamp, limit: usize) -> Result<Queue, StoreError>;

    /// Leases due instructions to a worker, oldest first. Afterwards no other worker gets them before the lease ends.
    async fn take_effects(
        &self,
        worker: &WorkerId,
        times: LeaseTimes,
        limit: usize,
    ) -> Result<Vec<TakenEffect>, StoreError>;

    /// Returns the instructions of a build that are not answered yet, by number.
    async fn pending(&self, id: BuildId) -> Result<Vec<PendingEffect>, StoreError>;

    /// Moves the end of the leases that a worker holds of these instructions. What it does not name ends in its time:
    /// a worker may hold leases that it never learnt of, because the answer was lost.
    async fn renew_leases(&self, worker: &WorkerId, ids: &[EffectId], until: Timestamp) -> Result<(), StoreError>;

    /// Gives a leased instruction back, to be taken again from `due` on, with how often it has failed by now. Does
    /// nothing when the worker lost the lease.
    async fn retry_effect(
        &self,
        worker: &WorkerId,
        id: EffectId,
        due: Timestamp,
        failures: u32,
        error: &str,
    ) -> Result<(), StoreError>;

    /// Removes an instruction that nothing has to be recorded for.
    async fn drop_effect(&self, id: EffectId) -> Result<(), StoreError>;

    /// Returns builds whose time to look again has come, and moves that time as `times` says, so that nobody else gets
    /// them before.
    async fn take_due_builds(&self, times: LookTimes, limit: usize) -> Result<Vec<BuildId>, StoreError>;

    /// Returns lines of the log after a sequence number, in order. No line with a smaller number than one returned
    /// appears later.
    async fn log_after(&self, sequence: u64, limit: usize) -> Result<Vec<LogLine>, StoreError>;

    /// Returns the log of one build, in order.
    async fn log_of(&self, id: BuildId) -> Result<Vec<LogLine>, StoreError>;

    /// Returns the number of the last line of the log; 0 before the first.
    async fn log_end(&self) -> Result<u64, StoreError>;

    /// Returns where a reader of the log is; a new one is before the first line.
    async fn reader(&self, reader: &str) -> Result<ReaderState, StoreError>;

    /// Makes a reader that is not known begin behind a line, in one step: a crash leaves it known at that line, or not
    /// known. Does nothing to one that is known.
    async fn start_reader(&self, reader: &str, sequence: u64) -> Result<(), StoreError>;

    /// Leases a reader to a worker, or moves the end of the lease that it holds, and returns where the reader is.
    /// Afterwards nobody else gets it before the lease ends. Absent when another worker holds it now.
    async fn take_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        times: LeaseTimes,
    ) -> Result<Option<ReaderState>, StoreError>;

    /// Moves a reader on from one line to a later one, and parks announcements of the lines between, all or nothing.
    /// Returns false, and changes nothing, when the worker lost the lease or the reader is not at `from` any more. What
    /// is parked already stays as it is.
    async fn advance_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        from: u64,
        to: u64,
        parked: &[Parked],
    ) -> Result<bool, StoreError>;

    /// Ends the lease that a worker holds of a reader. Does nothing when it holds none.
    async fn release_reader(&self, reader: &str, worker: &WorkerId) -> Result<(), StoreError>;

    /// Moves a reader back to a line, whoever holds its lease, so that it reads all later ones again. Does nothing when
    /// it is not beyond that line.
    async fn rewind_reader(&self, reader: &str, sequence: u64) -> Result<(), StoreError>;

    /// Returns a reader's parked announcements in the order of the log, at most `limit`.
    async fn parked(&self, reader: &str, filter: ParkedFilter, limit: usize) -> Result<Vec<Parked>, StoreError>;

    /// Marks a reader's parked announcements to be tried again, all or those of one build, and returns how many are.
    async fn retry_parked(&self, reader: &str, build: Option<BuildId>) -> Result<u64, StoreError>;

    /// Records that a parked announcement was published, or given up: it is not parked any more.
    async fn unpark(&self, reader: &str, announcement: AnnouncementId) -> Result<(), StoreError>;

    /// Records that a parked announcement was refused again: it has a new reason, and nothing of its build is tried
    /// again until [`retry_parked`](Self::retry_parked) says so.
    async fn keep_parked(&self, reader: &str, announcement: AnnouncementId, reason: &str) -> Result<(), StoreError>;

    /// Tells whether the store can answer, and be written as far as it knows.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// A change of a build, to be written as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// The build that the change was made from; absent for a new build.
    pub before: Option<&'a ModuleBuild>,
    /// The build afterwards; its revision is one more.
    pub after: &'a ModuleBuild,
    /// The fact that made the change.
    pub event: &'a Event,
    /// New instructions, due at once.
    pub effects: &'a [Effect],
    /// What the world is told of it.
    pub announcements: &'a [Announcement],
    /// The instruction that this fact answers; it is removed.
    pub answers: Option<EffectId>,
    /// When to look at the build again; absent when nothing more will happen by itself.
    pub look_at: Option<Timestamp>,
    /// The revision of the queue that a slot was granted by; it grows with the commit.
    pub queue_revision: Option<u64>,
    /// The build enters the queue, which must have room for it.
    pub room: Option<QueueRoom>,
}

/// Which builds components may be taken over from: ready ones of a module stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DonorQuery {
    /// Of this module.
    pub name: ModuleName,
    /// Of this stream.
    pub stream: StreamName,
    /// With one of these [`build_context`](crate::Submission::build_context)s; one with an earlier of them goes before.
    pub build_contexts: Vec<String>,
    /// Built by one of these strategies.
    pub strategies: Vec<RebuildStrategy>,
}

/// How many builds may be in `init` and `wait` together; one more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRoom {
    /// In all.
    pub in_all: usize,
    /// Of the module.
    pub of_module: usize,
    /// Of the owner.
    pub of_owner: usize,
}

/// Why there is no room in the queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueFull {
    /// As many builds wait as may.
    #[error("the queue is full, with {0} waiting")]
    InAll(usize),
    /// As many builds of the module wait as may.
    #[error("the queue takes no more builds of this module, of which {0} wait")]
    OfModule(usize),
    /// As many builds of the user wait as may.
    #[error("the queue takes no more builds of this user, of whose {0} wait")]
    OfOwner(usize),
}

/// The times by which instructions are leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// What is due by now is taken.
    pub now: Timestamp,
    /// When the lease ends.
    pub until: Timestamp,
    /// Nobody gives a due time or the end of a lease that is later than this: who did had a clock that was set back
    /// since. Such a time counts as past.
    pub latest: Timestamp,
}

/// The times by which builds are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookTimes {
    /// What is due by now is taken.
    pub now: Timestamp,
    /// When builds that hold a slot are looked at next.
    pub building: Timestamp,
    /// When other builds are looked at next.
    pub others: Timestamp,
    /// Nobody sets a time to look that is later than this: who did had a clock that was set back since. Such a time
    /// counts as past.
    pub latest: Timestamp,
}
