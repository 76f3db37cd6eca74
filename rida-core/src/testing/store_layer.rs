//! A store around another one, which says only what it changes.

use std::ops::Deref;

use async_trait::async_trait;

use crate::announce::AnnouncementId;
use crate::build::ModuleBuild;
use crate::id::{BuildId, EffectId, ModuleName, Nsvc, StreamName};
use crate::policy::Limits;
use crate::ports::{
    BuildFilter, BuildSummary, Commit, ComponentFilter, ComponentQuery, ComponentSummary, DonorQuery, LeaseTimes,
    ListQuery, LogLine, LookTimes, PendingEffect, Queue, Store, StoreError, TakenEffect, WorkerId,
};
use crate::reader::{Parked, ParkedFilter, ReaderState};
use crate::scm::ScmUrl;
use crate::timestamp::Timestamp;

/// A [`Store`] that passes every call through a [`StoreLayer`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Layered<L>(pub L);

impl<L> Deref for Layered<L> {
    type Target = L;

    fn deref(&self) -> &L {
        &self.0
    }
}

/// Makes the layer, whose methods pass calls on, and the store of it, from one list of the store's methods.
macro_rules! store_layer {
    ($(fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $result:ty;)*) => {
        /// What is put around a store. Every method of [`Store`] is here and passes the call on, so that a layer states
        /// only those that it changes. [`Layered`] makes a store of it.
        #[async_trait]
        pub trait StoreLayer: Send + Sync {
            /// The store that calls are passed on to.
            type Inner: Store;

            /// Returns it.
            fn inner(&self) -> &Self::Inner;

            /// Comes before each call, changed or not; its error is the answer to a call that is not made.
            async fn before(&self) -> Result<(), StoreError> {
                Ok(())
            }

            /// Comes after each call, changed or not; its error takes the place of the answer.
            async fn after(&self) -> Result<(), StoreError> {
                Ok(())
            }

            $(
                #[doc = concat!("Passes [`Store::", stringify!($name), "`] on.")]
                async fn $name(&self $(, $argument: $type)*) -> Result<$result, StoreError> {
                    self.inner().$name($($argument),*).await
                }
            )*
        }

        #[async_trait]
        impl<L: StoreLayer> Store for Layered<L> {
            $(async fn $name(&self $(, $argument: $type)*) -> Result<$result, StoreError> {
                self.0.before().await?;
                let answer = StoreLayer::$name(&self.0 $(, $argument)*).await;
                self.0.after().await?;
                answer
            })*
        }
    };
}

store_layer! {
    fn reserve_id(&self) -> BuildId;
    fn commit(&self, commit: Commit<'_>) -> u64;
    fn commit_all(&self, commits: &[Commit<'_>]) -> ();
    fn load(&self, id: BuildId) -> Option<ModuleBuild>;
    fn load_all(&self, ids: &[BuildId]) -> Vec<ModuleBuild>;
    fn of_documents(&self, scm_urls: &[ScmUrl], limit: usize) -> Vec<BuildSummary>;
    fn find(&self, nsvc: &Nsvc) -> Option<BuildSummary>;
    fn latest_ready(&self, name: &ModuleName, stream: &StreamName) -> Option<BuildSummary>;
    fn donor(&self, wanted: &DonorQuery) -> Option<BuildId>;
    fn latest_ready_on(&self, streams: &[(ModuleName, StreamName)], base: &ModuleName, base_streams: &[StreamName]) -> Vec<Vec<BuildSummary>>;
    fn ready_streams(&self, name: &ModuleName, limit: usize) -> Vec<StreamName>;
    fn list(&self, query: &ListQuery) -> Vec<BuildSummary>;
    fn count(&self, filter: &BuildFilter) -> u64;
    fn list_components(&self, query: &ComponentQuery) -> Vec<ComponentSummary>;
    fn count_components(&self, filter: &ComponentFilter) -> u64;
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
    fn start_reader(&self, reader: &str, sequence: u64) -> ();
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
