//! A world in which calls fail, stand still, succeed and lose their answer, or are cut off in the middle.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use async_trait::async_trait;

use super::random::Random;
use super::store_layer::StoreLayer;
use crate::announce::Announcement;
use crate::base_streams::DefaultModules;
use crate::build::ModuleBuild;
use crate::component::ComponentKey;
use crate::error::PortError;
use crate::event::Fact;
use crate::hint::BuildSystemHint;
use crate::id::{Arch, ComponentName, TaskId};
use crate::plan::ComponentSource;
use crate::ports::{
    BuildSystem, ComponentCheck, FetchedDefaults, FetchedModulemd, LogChunk, Publisher, Receipt, Scm, Store,
    StoreError, StoreErrorKind,
};
use crate::scm::ScmUrl;

/// Decides how each call goes. Clones share the decision.
///
/// Every call passes two gates, before it acts and after; at each the caller can be dropped, which is what a crash of
/// the process looks like from here.
#[derive(Clone, Debug)]
pub struct Fates(Arc<Mutex<Fate>>);

#[derive(Debug)]
struct Fate {
    random: Random,
    /// Of a hundred calls, how many fail before they act, and how many lose their answer afterwards.
    percent: u64,
    /// Of a thousand calls, how many stand still for long at each gate.
    stalls: u64,
    outage: Option<Outage>,
    /// How many calls of the store began.
    store_calls: u64,
}

/// A time in which nothing of one kind works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outage {
    /// The build system, the sources and the publisher say that they are in maintenance.
    Maintenance,
    /// They act, and every answer is lost on the way.
    LostAnswers,
    /// The store does not answer.
    Store,
}

/// How a call goes at a gate.
enum Way {
    Well,
    Unavailable,
    Temporary,
    /// Refused, where that is an answer.
    Refused,
}

impl Fates {
    /// Makes fates from a seed, with so many faults in a hundred calls at each gate.
    pub fn new(seed: u64, percent: u64) -> Self {
        Self(Arc::new(Mutex::new(Fate { random: Random::new(seed), percent, stalls: 0, outage: None, store_calls: 0 })))
    }

    /// Changes how many calls in a hundred go wrong.
    pub fn set_percent(&self, percent: u64) {
        self.fate().percent = percent;
    }

    /// Changes how many calls in a thousand stand still for long, so that leases end while they do.
    pub fn set_stalls(&self, permille: u64) {
        self.fate().stalls = permille;
    }

    /// Begins or ends an outage.
    pub fn set_outage(&self, outage: Option<Outage>) {
        self.fate().outage = outage;
    }

    /// Returns how many calls of the store have begun.
    pub fn store_calls(&self) -> u64 {
        self.fate().store_calls
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets others run, for long when the call stands still.
    async fn wait(&self) {
        pause().await;
        let stalls = {
            let mut fate = self.fate();
            let permille = fate.stalls;
            if fate.random.below(1000) < permille { 5 + fate.random.below(60) } else { 0 }
        };
        for _ in 0..stalls {
            // Nothing stands still any more once the world is calm.
            if self.fate().stalls == 0 {
                break;
            }
            pause().await;
        }
    }

    /// Passes a call of a port, before or after it acts. A call may be refused before it acts only: a refusal says that
    /// nothing was done.
    async fn port_gate(&self, refusable: bool, acted: bool) -> Result<(), PortError> {
        self.wait().await;
        let way = {
            let mut fate = self.fate();
            match fate.outage {
                Some(Outage::Maintenance) if !acted => Way::Unavailable,
                Some(Outage::LostAnswers) if acted => Way::Temporary,
                _ => {
                    let percent = fate.percent;
                    if !fate.random.chance(percent) {
                        Way::Well
                    } else {
                        match fate.random.below(20) {
                            0 if refusable => Way::Refused,
                            0..=7 => Way::Temporary,
                            _ => Way::Unavailable,
                        }
                    }
                }
            }
        };
        match way {
            Way::Well => Ok(()),
            Way::Unavailable => Err(PortError::unavailable("the other side does not answer")),
            Way::Temporary => Err(PortError::temporary("the connection was reset")),
            Way::Refused => Err(PortError::permanent("the other side refuses")),
        }
    }

    async fn store_gate(&self) -> Result<(), StoreError> {
        self.wait().await;
        let fails = {
            let mut fate = self.fate();
            let percent = fate.percent;
            fate.outage == Some(Outage::Store) || fate.random.chance(percent)
        };
        if fails { Err(StoreError::new(StoreErrorKind::Unavailable, "the store does not answer")) } else { Ok(()) }
    }
}

/// Returns control once: a point at which a crash can come.
pub(super) fn pause() -> impl Future<Output = ()> + Send {
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

/// A port whose calls go as the [`Fates`] say; of a store, a layer of one.
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

/// Passes calls of a port on between two gates. What is `refusable` may be told that it is never done.
macro_rules! faulty_port {
    ($port:ident: $($refusable:literal fn $name:ident(&self $(, $argument:ident: $type:ty)*) -> $result:ty;)*
     $(passed $($passed:tt)*)?) => {
        #[async_trait]
        impl<P: $port> $port for Faulty<P> {
            $(async fn $name(&self $(, $argument: $type)*) -> Result<$result, PortError> {
                self.fates.port_gate($refusable, false).await?;
                let answer = self.inner.$name($($argument),*).await;
                self.fates.port_gate(false, true).await?;
                answer
            })*
            $($($passed)*)?
        }
    };
}

faulty_port! { BuildSystem:
    true fn prepare(&self, build: &ModuleBuild) -> ();
    true fn build(&self, build: &ModuleBuild, key: &ComponentKey) -> TaskId;
    true fn tag(&self, build: &ModuleBuild, components: &[ComponentKey]) -> ();
    true fn reusable(&self, donor: &ModuleBuild, components: &[ComponentName]) -> Vec<ComponentName>;
    true fn regenerate(&self, build: &ModuleBuild, generation: u32) -> ();
    false fn follow(&self, build: &ModuleBuild) -> Vec<Fact>;
    false fn cancel(&self, build: &ModuleBuild, key: &ComponentKey, task: Option<TaskId>) -> ();
    false fn abandon(&self, build: &ModuleBuild) -> ();
    true fn write_metadata(&self, build: &ModuleBuild) -> ();
    true fn final_modulemd(&self, build: &ModuleBuild) -> BTreeMap<Arch, String>;
    true fn read_log(&self, key: &ComponentKey, offset: u64, max: usize) -> LogChunk;
    passed
    fn concerns(&self, hint: &BuildSystemHint, build: &ModuleBuild) -> bool {
        self.inner.concerns(hint, build)
    }
}

faulty_port! { Scm:
    true fn fetch_modulemd(&self, url: &ScmUrl) -> FetchedModulemd;
    true fn fetch_defaults(&self, place: &DefaultModules) -> FetchedDefaults;
    true fn check_components(&self, components: &[(ComponentName, ComponentSource)]) -> Vec<ComponentCheck>;
}

faulty_port! { Publisher:
    false fn publish(&self, announcement: &Announcement) -> Receipt;
}

#[async_trait]
impl<P: Store> StoreLayer for Faulty<P> {
    type Inner = P;

    fn inner(&self) -> &P {
        &self.inner
    }

    async fn before(&self) -> Result<(), StoreError> {
        self.fates.fate().store_calls += 1;
        self.fates.store_gate().await
    }

    async fn after(&self) -> Result<(), StoreError> {
        self.fates.store_gate().await
    }
}
