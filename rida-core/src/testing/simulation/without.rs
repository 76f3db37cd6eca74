//! A store that leaves out one of the protections, to show what each is for.

use async_trait::async_trait;

use crate::announce::AnnouncementId;
use crate::build::ModuleBuild;
use crate::id::{BuildId, EffectId, ModuleName, Nsvc, StreamName};
use crate::policy::Limits;
use crate::ports::{
    BuildFilter, BuildSummary, Commit, DonorQuery, LeaseTimes, ListQuery, LogLine, LookTimes, PendingEffect, Queue,
    Store, StoreError, TakenEffect, WorkerId,
};
use crate::reader::{Parked, ParkedFilter, ReaderState};
use crate::testing::MemoryStore;
use crate::testing::faults::pause;
use crate::timestamp::Timestamp;

/// Something without which a promise breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Protection {
    /// Instructions are written in the transaction of the change that asks for them.
    InstructionsWithTheChange,
    /// What the world is told is written in the transaction of the change.
    AnnouncementsWithTheChange,
    /// A change is refused when the build is not as it was when the change was decided.
    OptimisticRevision,
    /// A slot is refused when the queue is not as it was when the slot was decided.
    QueueRevision,
    /// A build is refused by the commit that would make the queue too full.
    RoomInTheCommit,
    /// What is submitted together is recorded together, or not at all.
    TogetherOrNotAtAll,
    /// An instruction is performed by one worker at a time.
    Lease,
    /// An instruction is removed when its answer is recorded, not before.
    AcknowledgingLast,
    /// A reader of the log moves on when what it read is published, not before.
    MovingOnLast,
    /// The build system looks for what an earlier call left behind before it acts.
    LookBeforeActing,
    /// Builds are looked at though no message came.
    Looks,
    /// Times that a clock which was set back has left behind count as past.
    LatestTimes,
    /// What takes too long is ended.
    Deadlines,
    /// Who has waited for long is served by age.
    Patience,
}

impl Protection {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::InstructionsWithTheChange,
        Self::AnnouncementsWithTheChange,
        Self::OptimisticRevision,
        Self::QueueRevision,
        Self::RoomInTheCommit,
        Self::TogetherOrNotAtAll,
        Self::Lease,
        Self::AcknowledgingLast,
        Self::MovingOnLast,
        Self::LookBeforeActing,
        Self::Looks,
        Self::LatestTimes,
        Self::Deadlines,
        Self::Patience,
    ];
}

/// A store in memory without one of the protections, or with all.
#[derive(Clone)]
pub(super) struct Unprotected {
    pub(super) store: MemoryStore,
    pub(super) without: Option<Protection>,
}

impl Unprotected {
    fn lacks(&self, protection: Protection) -> bool {
        self.without == Some(protection)
    }
}

/// Passes calls on.
macro_rules! passed_on {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $result:ty;)* own $($own:tt)*) => {
        #[async_trait]
        impl Store for Unprotected {
            $(async fn $name(&self $(, $argument: $type)*) -> Result<$result, StoreError> {
                self.store.$name($($argument),*).await
            })*
            $($own)*
        }
    };
}

passed_on! {
    fn reserve_id(&self) -> BuildId;
    fn load(&self, id: BuildId) -> Option<ModuleBuild>;
    fn find(&self, nsvc: &Nsvc) -> Option<BuildSummary>;
    fn latest_ready(&self, name: &ModuleName, stream: &StreamName) -> Option<BuildSummary>;
    fn donor(&self, wanted: &DonorQuery) -> Option<BuildId>;
    fn latest_ready_on(&self, name: &ModuleName, stream: &StreamName, base: &ModuleName, base_stream: &StreamName) -> Option<BuildSummary>;
    fn ready_streams(&self, name: &ModuleName, limit: usize) -> Vec<StreamName>;
    fn list(&self, query: &ListQuery) -> Vec<BuildSummary>;
    fn count(&self, filter: &BuildFilter) -> u64;
    fn queue(&self) -> Queue;
    fn pending(&self, id: BuildId) -> Vec<PendingEffect>;
    fn renew_leases(&self, worker: &WorkerId, ids: &[EffectId], until: Timestamp) -> ();
    fn retry_effect(&self, worker: &WorkerId, id: EffectId, due: Timestamp, failures: u32, error: &str) -> ();
    fn drop_effect(&self, id: EffectId) -> ();
    fn log_after(&self, sequence: u64, limit: usize) -> Vec<LogLine>;
    fn log_of(&self, id: BuildId) -> Vec<LogLine>;
    fn log_end(&self) -> u64;
    fn reader(&self, reader: &str) -> ReaderState;
    fn advance_reader(&self, reader: &str, worker: &WorkerId, from: u64, to: u64, parked: &[Parked]) -> bool;
    fn release_reader(&self, reader: &str, worker: &WorkerId) -> ();
    fn rewind_reader(&self, reader: &str, sequence: u64) -> ();
    fn parked(&self, reader: &str, filter: ParkedFilter, limit: usize) -> Vec<Parked>;
    fn retry_parked(&self, reader: &str, build: Option<BuildId>) -> u64;
    fn unpark(&self, reader: &str, announcement: AnnouncementId) -> ();
    fn keep_parked(&self, reader: &str, announcement: AnnouncementId, reason: &str) -> ();
    fn ping(&self) -> ();
    own

    async fn commit(&self, commit: Commit<'_>) -> Result<u64, StoreError> {
        let mut commit = commit;
        match self.without {
            Some(Protection::InstructionsWithTheChange) => {
                let sequence = self.store.commit(Commit { effects: &[], ..commit }).await?;
                pause().await;
                self.store.add_effects(commit.effects, commit.event.at);
                return Ok(sequence);
            }
            Some(Protection::AnnouncementsWithTheChange) => {
                let sequence = self.store.commit(Commit { announcements: &[], ..commit }).await?;
                pause().await;
                self.store.add_announcements(sequence, commit.announcements);
                return Ok(sequence);
            }
            Some(Protection::OptimisticRevision) => {
                // Who writes last wins, whatever the build was when it was loaded.
                let stored = self.store.load(commit.after.id).await?;
                if let (Some(stored), Some(_)) = (&stored, commit.before) {
                    let after = ModuleBuild { revision: stored.revision + 1, ..commit.after.clone() };
                    return self.store.commit(Commit { before: Some(stored), after: &after, ..commit }).await;
                }
            }
            Some(Protection::QueueRevision) => commit.queue_revision = None,
            Some(Protection::RoomInTheCommit) => commit.room = None,
            _ => {}
        }
        self.store.commit(commit).await
    }

    async fn commit_all(&self, commits: &[Commit<'_>]) -> Result<(), StoreError> {
        if !self.lacks(Protection::TogetherOrNotAtAll) {
            return self.store.commit_all(commits).await;
        }
        for commit in commits {
            self.store.commit(*commit).await?;
            pause().await;
        }
        Ok(())
    }

    async fn queue_head(&self, limits: &Limits, now: Timestamp, limit: usize) -> Result<Queue, StoreError> {
        self.store.queue_head(limits, now, limit).await
    }

    async fn take_effects(
        &self,
        worker: &WorkerId,
        times: LeaseTimes,
        limit: usize,
    ) -> Result<Vec<TakenEffect>, StoreError> {
        let mut times = times;
        if self.lacks(Protection::LatestTimes) {
            times.latest = Timestamp::from_millis(i64::MAX);
        }
        if self.lacks(Protection::Lease) {
            times.until = times.now;
        }
        let taken = self.store.take_effects(worker, times, limit).await?;
        if self.lacks(Protection::AcknowledgingLast) {
            for taken in &taken {
                self.store.drop_effect(taken.effect.id).await?;
            }
        }
        Ok(taken)
    }

    async fn take_due_builds(&self, times: LookTimes, limit: usize) -> Result<Vec<BuildId>, StoreError> {
        if self.lacks(Protection::Looks) {
            return Ok(Vec::new());
        }
        let latest = if self.lacks(Protection::LatestTimes) { Timestamp::from_millis(i64::MAX) } else { times.latest };
        self.store.take_due_builds(LookTimes { latest, ..times }, limit).await
    }

    async fn take_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        times: LeaseTimes,
    ) -> Result<Option<ReaderState>, StoreError> {
        let mut times = times;
        if self.lacks(Protection::LatestTimes) {
            times.latest = Timestamp::from_millis(i64::MAX);
        }
        let taken = self.store.take_reader(reader, worker, times).await?;
        if self.lacks(Protection::MovingOnLast)
            && let Some(state) = &taken
        {
            let end = self.store.log_end().await?;
            self.store.advance_reader(reader, worker, state.sequence, end, &[]).await?;
        }
        Ok(taken)
    }
}
