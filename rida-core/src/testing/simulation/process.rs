//! A process: a driver, its clock, and hands that do what a server's loops do.

use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::driver::{Clock, Driver};
use crate::id::EffectId;
use crate::testing::{Random, TestClock};
use crate::timestamp::Timestamp;

pub(super) type Work = Pin<Box<dyn Future<Output = ()>>>;

/// A clock that differs from the true time.
#[derive(Clone, Debug)]
pub(super) struct ProcessClock {
    truth: TestClock,
    offset: Arc<AtomicI64>,
}

impl ProcessClock {
    pub(super) fn new(truth: TestClock, offset: i64) -> Self {
        Self { truth, offset: Arc::new(AtomicI64::new(offset)) }
    }

    /// Sets the clock to be this many milliseconds ahead of the true time.
    pub(super) fn set(&self, offset: i64) {
        self.offset.store(offset, Ordering::SeqCst);
    }

    pub(super) fn offset(&self) -> i64 {
        self.offset.load(Ordering::SeqCst)
    }
}

impl Clock for ProcessClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.truth.now().millis().saturating_add(self.offset.load(Ordering::SeqCst)))
    }
}

/// How much a process does at once.
const HANDS: usize = 3;

/// A process.
pub(super) struct Process {
    pub(super) driver: Arc<Driver>,
    pub(super) clock: ProcessClock,
    hands: Vec<Option<Work>>,
    held: Held,
    habits: Habits,
    truth: TestClock,
    overtaken: Arc<AtomicU64>,
}

/// How a process goes about its work.
#[derive(Clone, Copy)]
pub(super) struct Habits {
    /// It keeps the leases of what it is at; one that is paused by its machine does not.
    pub(super) renews: bool,
    /// It takes more than it can do within a lease.
    pub(super) greedy: bool,
}

/// The instructions that a process is at.
#[derive(Clone, Default)]
struct Held(Arc<Mutex<BTreeSet<EffectId>>>);

impl Held {
    fn with<T>(&self, change: impl FnOnce(&mut BTreeSet<EffectId>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Process {
    pub(super) fn new(
        driver: Driver,
        clock: ProcessClock,
        habits: Habits,
        truth: TestClock,
        overtaken: Arc<AtomicU64>,
    ) -> Self {
        let hands = (0..HANDS).map(|_| None).collect();
        Self { driver: Arc::new(driver), clock, hands, held: Held::default(), habits, truth, overtaken }
    }

    /// Lets one hand take one step, and tells whether it came to the end of what it was at.
    pub(super) fn step(&mut self, random: &mut Random) -> bool {
        let index = random.index(self.hands.len());
        if self.hands.get(index).is_some_and(Option::is_none) {
            let work = self.choose(random);
            if let Some(hand) = self.hands.get_mut(index) {
                *hand = Some(work);
            }
        }
        let Some(hand) = self.hands.get_mut(index) else { return false };
        let Some(work) = hand else { return false };
        if work.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())).is_pending() {
            return false;
        }
        *hand = None;
        true
    }

    /// Chooses what a hand does next. A store that does not answer is asked again later; what it holds is not lost.
    fn choose(&self, random: &mut Random) -> Work {
        let driver = Arc::clone(&self.driver);
        let Habits { renews, greedy } = self.habits;
        let some = 1 + random.index(4);
        match random.below(20) {
            0..=8 => self.perform(driver, if greedy { some } else { 1 }),
            9..=11 => Box::pin(async move {
                let _ = driver.grant_slots().await;
            }),
            12..=14 => Box::pin(async move {
                for id in driver.take_due_builds(some).await.unwrap_or_default() {
                    let _ = driver.look(id).await;
                }
            }),
            15..=17 => Box::pin(async move {
                let _ = driver.publish(some * 4).await;
            }),
            18 if renews || !greedy => {
                let held = self.held.clone();
                Box::pin(async move {
                    let ids: Vec<EffectId> = held.with(|held| held.iter().copied().collect());
                    if !ids.is_empty() {
                        let _ = driver.renew_leases(&ids).await;
                    }
                })
            }
            _ if !greedy => Box::pin(async {}),
            _ => Box::pin(async move {
                let _ = driver.turn().await;
            }),
        }
    }

    /// Takes instructions and performs them one after the other, so that some leases end before their turn comes.
    fn perform(&self, driver: Arc<Driver>, some: usize) -> Work {
        let (held, truth, overtaken) = (self.held.clone(), self.truth.clone(), Arc::clone(&self.overtaken));
        Box::pin(async move {
            // Before they are leased: whoever is done within a lease from here was never overtaken.
            let began = truth.now();
            let taken = driver.take_effects(some).await.unwrap_or_default();
            held.with(|held| held.extend(taken.iter().map(|taken| taken.effect.id)));
            for effect in taken {
                let id = effect.effect.id;
                let _ = driver.perform(effect).await;
                held.with(|held| held.remove(&id));
                if truth.now().since(began) >= driver.lease() {
                    overtaken.fetch_add(1, Ordering::SeqCst);
                }
            }
        })
    }
}
