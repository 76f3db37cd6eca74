//! A world in which calls fail, succeed and lose their answer, or are cut off in the middle.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;

use super::random::Random;
use crate::announce::{Announcement, AnnouncementId};
use crate::build::ModuleBuild;
use crate::component::ComponentKey;
use crate::error::PortError;
use crate::event::Fact;
use crate::hint::BuildSystemHint;
use crate::id::{BuildId, ComponentName, EffectId, ModuleName, Nsvc, StreamName, TaskId};
use crate::plan::ComponentSource;
use crate::policy::Limits;
use crate::ports::{
    BuildFilter, BuildSummary, BuildSystem, Commit, ComponentCheck, FetchedModulemd, LeaseTimes, ListQuery, LogChunk,
    LogLine, LookTimes, PendingEffect, Publisher, Queue, Receipt, Scm, Store, StoreError, StoreErrorKind, TakenEffect,
    WorkerId,
};
use crate::reader::{Parked, ParkedFilter, ReaderState};
use crate::scm::ScmUrl;
use crate::timestamp::Timestamp;

/// Decides how each call goes. Clones share the decision.
///
/// Every call passes two gates, before it acts and after; at each the caller can be dropped, which is what a crash of
/// the process looks like from here.
#[derive(Clone, Debug)]
pub struct Fates {
    random: Arc<Mutex<Random>>,
    /// Of a hundred calls, how many fail before they act, and how many lose their answer afterwards.
    percent: Arc<Mutex<u64>>,
}

impl Fates {
    /// Makes fates from a seed, with so many faults in a hundred calls at each gate.
    pub fn new(seed: u64, percent: u64) -> Self {
        Self { random: Arc::new(Mutex::new(Random::new(seed))), percent: Arc::new(Mutex::new(percent)) }
    }

    /// Changes how many calls in a hundred go wrong.
    pub fn set_percent(&self, percent: u64) {
        *self.percent.lock().unwrap_or_else(PoisonError::into_inner) = percent;
    }

    /// Lets others run, then tells whether the call goes wrong here.
    async fn gate(&self) -> bool {
        pause().await;
        let percent = *self.percent.lock().unwrap_or_else(PoisonError::into_inner);
        self.random.lock().unwrap_or_else(PoisonError::into_inner).chance(percent)
    }

    async fn port_gate(&self) -> Result<(), PortError> {
        if self.gate().await { Err(PortError::unavailable("the other side does not answer")) } else { Ok(()) }
    }

    async fn store_gate(&self) -> Result<(), StoreError> {
        if self.gate().await {
            Err(StoreError::new(StoreErrorKind::Unavailable, "the store does not answer"))
        } else {
            Ok(())
        }
    }
}

/// Returns control once: a point at which a crash can come.
fn pause() -> impl Future<Output = ()> + Send {
    struct Pause(bool);
    impl Future for Pause {
        type Output = ();

        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
            if self.0 {
                return Poll::Ready(());
            }
            self.0 = true;
            context.waker().wake_by_ref();
            Poll::Pending
        }
    }
    Pause(false)
}

/// A port whose calls go as the [`Fates`] say.
#[derive(Clone)]
pub struct Faulty<P> {
    inner: P,
    fates: Fates,
}

impl<P> Faulty<P> {
    /// Puts fates before and after every call of a port.
    pub const fn new(inner: P, fates: Fates) -> Self {
        Self { inner, fates }
    }
}

#[async_trait]
impl<P: BuildSystem> BuildSystem for Faulty<P> {
    async fn prepare(&self, build: &ModuleBuild) -> Result<(), PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.prepare(build).await;
        self.fates.port_gate().await?;
        answer
    }

    async fn build(&self, build: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.build(build, key).await;
        self.fates.port_gate().await?;
        answer
    }

    async fn tag(&self, build: &ModuleBuild, components: &[ComponentKey]) -> Result<(), PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.tag(build, components).await;
        self.fates.port_gate().await?;
        answer
    }

    async fn regenerate(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.regenerate(build, generation).await;
        self.fates.port_gate().await?;
        answer
    }

    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.follow(build).await;
        self.fates.port_gate().await?;
        answer
    }

    async fn cancel(&self, build: &ModuleBuild, key: &ComponentKey, task: Option<TaskId>) -> Result<(), PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.cancel(build, key, task).await;
        self.fates.port_gate().await?;
        answer
    }

    async fn write_metadata(&self, build: &ModuleBuild) -> Result<(), PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.write_metadata(build).await;
        self.fates.port_gate().await?;
        answer
    }

    async fn read_log(&self, key: &ComponentKey, offset: u64, max: usize) -> Result<LogChunk, PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.read_log(key, offset, max).await;
        self.fates.port_gate().await?;
        answer
    }

    fn concerns(&self, hint: &BuildSystemHint, build: &ModuleBuild) -> bool {
        self.inner.concerns(hint, build)
    }
}

#[async_trait]
impl<P: Scm> Scm for Faulty<P> {
    async fn fetch_modulemd(&self, url: &ScmUrl) -> Result<FetchedModulemd, PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.fetch_modulemd(url).await;
        self.fates.port_gate().await?;
        answer
    }

    async fn check_components(
        &self,
        components: &[(ComponentName, ComponentSource)],
    ) -> Result<Vec<ComponentCheck>, PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.check_components(components).await;
        self.fates.port_gate().await?;
        answer
    }
}

#[async_trait]
impl<P: Publisher> Publisher for Faulty<P> {
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        self.fates.port_gate().await?;
        let answer = self.inner.publish(announcement).await;
        self.fates.port_gate().await?;
        answer
    }
}

#[async_trait]
impl<P: Store> Store for Faulty<P> {
    async fn reserve_id(&self) -> Result<BuildId, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.reserve_id().await;
        self.fates.store_gate().await?;
        answer
    }

    async fn commit(&self, commit: Commit<'_>) -> Result<u64, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.commit(commit).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn load(&self, id: BuildId) -> Result<Option<ModuleBuild>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.load(id).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn find(&self, nsvc: &Nsvc) -> Result<Option<BuildSummary>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.find(nsvc).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn latest_ready(&self, name: &ModuleName, stream: &StreamName) -> Result<Option<BuildSummary>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.latest_ready(name, stream).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.list(query).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn count(&self, filter: &BuildFilter) -> Result<u64, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.count(filter).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn queue(&self) -> Result<Queue, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.queue().await;
        self.fates.store_gate().await?;
        answer
    }

    async fn queue_head(&self, limits: &Limits, now: Timestamp, limit: usize) -> Result<Queue, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.queue_head(limits, now, limit).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn take_effects(
        &self,
        worker: &WorkerId,
        times: LeaseTimes,
        limit: usize,
    ) -> Result<Vec<TakenEffect>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.take_effects(worker, times, limit).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn pending(&self, id: BuildId) -> Result<Vec<PendingEffect>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.pending(id).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn renew_leases(&self, worker: &WorkerId, ids: &[EffectId], until: Timestamp) -> Result<(), StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.renew_leases(worker, ids, until).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn retry_effect(
        &self,
        worker: &WorkerId,
        id: EffectId,
        due: Timestamp,
        failures: u32,
        error: &str,
    ) -> Result<(), StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.retry_effect(worker, id, due, failures, error).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn drop_effect(&self, id: EffectId) -> Result<(), StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.drop_effect(id).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn take_due_builds(&self, times: LookTimes, limit: usize) -> Result<Vec<BuildId>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.take_due_builds(times, limit).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn log_after(&self, sequence: u64, limit: usize) -> Result<Vec<LogLine>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.log_after(sequence, limit).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn log_of(&self, id: BuildId) -> Result<Vec<LogLine>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.log_of(id).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn log_end(&self) -> Result<u64, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.log_end().await;
        self.fates.store_gate().await?;
        answer
    }

    async fn reader(&self, reader: &str) -> Result<ReaderState, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.reader(reader).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn take_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<Option<ReaderState>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.take_reader(reader, worker, now, until).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn advance_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        from: u64,
        to: u64,
        parked: &[Parked],
    ) -> Result<bool, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.advance_reader(reader, worker, from, to, parked).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn release_reader(&self, reader: &str, worker: &WorkerId) -> Result<(), StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.release_reader(reader, worker).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn rewind_reader(&self, reader: &str, sequence: u64) -> Result<(), StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.rewind_reader(reader, sequence).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn parked(&self, reader: &str, filter: ParkedFilter, limit: usize) -> Result<Vec<Parked>, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.parked(reader, filter, limit).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn retry_parked(&self, reader: &str, build: Option<BuildId>) -> Result<u64, StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.retry_parked(reader, build).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn unpark(&self, reader: &str, announcement: AnnouncementId) -> Result<(), StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.unpark(reader, announcement).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn keep_parked(&self, reader: &str, announcement: AnnouncementId, reason: &str) -> Result<(), StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.keep_parked(reader, announcement, reason).await;
        self.fates.store_gate().await?;
        answer
    }

    async fn ping(&self) -> Result<(), StoreError> {
        self.fates.store_gate().await?;
        let answer = self.inner.ping().await;
        self.fates.store_gate().await?;
        answer
    }
}
