//! A store that leaves out one of the protections, to show what each is for.

use async_trait::async_trait;

use crate::build::ModuleBuild;
use crate::id::BuildId;
use crate::ports::{Commit, LeaseTimes, LookTimes, Store, StoreError, TakenEffect, WorkerId};
use crate::reader::ReaderState;
use crate::testing::faults::pause;
use crate::testing::{MemoryStore, StoreLayer};
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

/// A layer around a store in memory that takes one of the protections away, or none.
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

#[async_trait]
impl StoreLayer for Unprotected {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.store
    }

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
