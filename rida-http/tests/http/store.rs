//! A store in memory that can be away, or break in the middle of a list.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use rida_core::testing::MemoryStore;
use rida_core::*;

/// A store in memory, with a switch.
#[derive(Default)]
pub(crate) struct TestStore {
    inner: MemoryStore,
    /// Nothing answers.
    pub(crate) down: AtomicBool,
    /// How many more lists are answered before one fails; below zero means all.
    pub(crate) lists_left: AtomicI64,
    /// A list that fails panics instead.
    pub(crate) panics: AtomicBool,
    /// The limits of the lists that were asked for.
    pub(crate) limits: Mutex<Vec<u64>>,
    /// How often it was asked for anything.
    pub(crate) calls: AtomicI64,
}

impl TestStore {
    fn up(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the test switched the store off: password=hunter2",
            ));
        }
        Ok(())
    }

    pub(crate) fn fail_lists_after(&self, answered: i64) {
        self.lists_left.store(answered + 1, Ordering::SeqCst);
    }
}

/// Passes methods on while the store is up.
macro_rules! passed_on {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $result:ty;)*) => {
        #[async_trait]
        impl Store for TestStore {
            $(async fn $name(&self $(, $argument: $type)*) -> Result<$result, StoreError> {
                self.up()?;
                self.inner.$name($($argument),*).await
            })*

            async fn list(&self, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError> {
                self.up()?;
                self.limits.lock().unwrap().push(query.limit);
                if self.lists_left.fetch_sub(1, Ordering::SeqCst) == 1 {
                    assert!(!self.panics.load(Ordering::SeqCst), "secret=hunter2");
                    return Err(StoreError::new(StoreErrorKind::Corrupt, "the test broke the list: password=hunter2"));
                }
                self.inner.list(query).await
            }
        }
    };
}

passed_on! {
    fn reserve_id(&self) -> BuildId;
    fn commit(&self, commit: Commit<'_>) -> u64;
    fn commit_all(&self, commits: &[Commit<'_>]) -> ();
    fn load(&self, id: BuildId) -> Option<ModuleBuild>;
    fn find(&self, nsvc: &Nsvc) -> Option<BuildSummary>;
    fn latest_ready(&self, name: &ModuleName, stream: &StreamName) -> Option<BuildSummary>;
    fn donor(&self, wanted: &DonorQuery) -> Option<BuildId>;
    fn latest_ready_on(&self, name: &ModuleName, stream: &StreamName, base: &ModuleName, base_stream: &StreamName) -> Option<BuildSummary>;
    fn ready_streams(&self, name: &ModuleName, limit: usize) -> Vec<StreamName>;
    fn count(&self, filter: &BuildFilter) -> u64;
    fn queue(&self) -> Queue;
    fn queue_head(&self, limits: &Limits, now: Timestamp, limit: usize) -> Queue;
    fn take_effects(&self, worker: &WorkerId, times: LeaseTimes, limit: usize) -> Vec<TakenEffect>;
    fn pending(&self, id: BuildId) -> Vec<PendingEffect>;
    fn renew_leases(&self, worker: &WorkerId, ids: &[EffectId], until: Timestamp) -> ();
    fn retry_effect(&self, worker: &WorkerId, id: EffectId, due: Timestamp, failures: u32, error: &str) -> ();
    fn drop_effect(&self, id: EffectId) -> ();
    fn take_due_builds(&self, times: LookTimes, limit: usize) -> Vec<BuildId>;
    fn log_after(&self, sequence: u64, limit: usize) -> Vec<LogLine>;
    fn log_of(&self, id: BuildId) -> Vec<LogLine>;
    fn log_end(&self) -> u64;
    fn reader(&self, reader: &str) -> ReaderState;
    fn take_reader(&self, reader: &str, worker: &WorkerId, times: LeaseTimes) -> Option<ReaderState>;
    fn advance_reader(&self, reader: &str, worker: &WorkerId, from: u64, to: u64, parked: &[Parked]) -> bool;
    fn release_reader(&self, reader: &str, worker: &WorkerId) -> ();
    fn rewind_reader(&self, reader: &str, sequence: u64) -> ();
    fn parked(&self, reader: &str, filter: ParkedFilter, limit: usize) -> Vec<Parked>;
    fn retry_parked(&self, reader: &str, build: Option<BuildId>) -> u64;
    fn unpark(&self, reader: &str, announcement: AnnouncementId) -> ();
    fn keep_parked(&self, reader: &str, announcement: AnnouncementId, reason: &str) -> ();
    fn ping(&self) -> ();
}
