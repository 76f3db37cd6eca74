//! The loops that make builds go on: they take what the driver says is due, and decide nothing themselves.

mod report;

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use rida_core::{
    Action, BuildId, Driver, EffectId, Parts, PortError, Published, Publisher, StoreError, TakenEffect, WorkerId,
};
use tokio::sync::{Mutex, Semaphore, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(crate) use self::report::Looking;
use crate::metrics::Metrics;
use crate::pulse::{Beats, Pulse};
use crate::reply::chain;
use crate::serve::panic_text;

/// How the loops go round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerSettings {
    /// How many instructions are performed at once, and how many builds are looked at at once.
    pub at_once: usize,
    /// How often the store is asked for work when nothing in this process says that there is some.
    pub idle: Duration,
    /// How long an instruction is this process's alone, unless it says in time that it still performs it: after that
    /// others take over from a process that is gone.
    pub lease: Duration,
    /// How long what is being performed may go on after the shutdown began.
    pub grace: Duration,
}

impl Default for WorkerSettings {
    fn default() -> Self {
        Self { at_once: 16, idle: Duration::from_secs(1), lease: Driver::LEASE, grace: Duration::from_secs(10) }
    }
}

/// What goes into the loops and comes out of them.
pub struct Feeds {
    /// Those who read the log.
    pub readers: Vec<Reader>,
    /// Builds for which the build system has news.
    pub hints: mpsc::Receiver<BuildId>,
}

/// One who reads the log and tells the world.
#[derive(Clone)]
pub struct Reader {
    /// The name of its cursor in the store, and its label in the metrics.
    pub name: &'static str,
    /// What it does, as the log tells: `publishing on a bus`.
    pub doing: &'static str,
    /// Where it tells.
    pub publisher: Arc<dyn Publisher>,
}

/// The longest pause between two questions to a store that does not answer.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The longest pause before a publisher that is away is tried again.
const LONGEST_HOLD: Duration = Duration::from_secs(10);

/// The pause after a panic, so that one that comes at once does not fill the log.
const AFTER_PANIC: Duration = Duration::from_secs(1);

/// How many lines of the log are published before the store is asked again.
const LINES_AT_ONCE: usize = 100;

/// Runs the loops until the shutdown begins, and then until what is being performed has ended, at most for the time
/// of grace. What has not ended by then is performed again by whoever starts next.
///
/// `id` is the one that the driver was made with.
pub async fn work(
    driver: Arc<Driver>,
    id: WorkerId,
    pulse: Pulse,
    settings: WorkerSettings,
    metrics: Metrics,
    Feeds { readers, hints }: Feeds,
    mut stopping: watch::Receiver<bool>,
) {
    let hands = Arc::new(Semaphore::new(settings.at_once));
    let worker = Worker { driver, id, pulse, settings, metrics, hands, held: Held::default(), looking: Arc::default() };
    let hints = Arc::new(Mutex::new(hints));
    let performing = Arc::new(Mutex::new(JoinSet::new()));
    let mut loops = JoinSet::new();
    loops.spawn(supervised(worker.clone(), stopping.clone(), move |worker, stopping| {
        worker.perform_effects(Arc::clone(&performing), stopping)
    }));
    loops.spawn(supervised(worker.clone(), stopping.clone(), Worker::grant_slots));
    loops.spawn(supervised(worker.clone(), stopping.clone(), Worker::look_at_due_builds));
    for reader in readers {
        loops.spawn(supervised(worker.clone(), stopping.clone(), move |worker, stopping| {
            worker.publish(reader.clone(), stopping)
        }));
    }
    loops.spawn(supervised(worker.clone(), stopping.clone(), move |worker, stopping| {
        worker.follow_hints(Arc::clone(&hints), stopping)
    }));
    let renewing = tokio::spawn(worker.clone().renew_leases());
    let _ = stopping.wait_for(|stopping| *stopping).await;
    let ended = async { while loops.join_next().await.is_some() {} };
    if tokio::time::timeout(settings.grace, ended).await.is_err() {
        tracing::info!("some instructions were still being performed; they are taken up again after the restart");
    }
    loops.shutdown().await;
    renewing.abort();
}

/// Runs a loop until it ends by itself, and again when it panics: one build that nobody thought of must not stop all
/// others.
async fn supervised<L, F>(worker: Worker, mut stopping: Stopping, run: L)
where
    L: Fn(Worker, Stopping) -> F,
    F: Future<Output = ()>,
{
    while let Err(panic) = AssertUnwindSafe(run(worker.clone(), stopping.clone())).catch_unwind().await {
        let panic = panic_text(&*panic);
        tracing::error!(panic = %panic.escape_debug(), "a loop of the worker panicked; it is started again");
        tokio::select! {
            () = tokio::time::sleep(AFTER_PANIC) => {}
            _ = stopping.wait_for(|stopping| *stopping) => return,
        }
    }
}

/// Looks at a build, whatever comes of that, and tells the log what is amiss.
///
/// # Errors
/// When it could not be looked at, and may be later.
pub(crate) async fn look(driver: &Driver, looking: &Looking, id: BuildId) -> Result<(), PortError> {
    match AssertUnwindSafe(driver.look(id)).catch_unwind().await {
        Ok(Ok(looked)) => {
            looking.saw(id, &looked);
            match looked.error {
                Some(error) if error.is_retryable() => Err(error),
                // It answers, and not what was hoped for: coming again would not help.
                Some(_) | None => Ok(()),
            }
        }
        Ok(Err(error)) => {
            let told = chain(&error);
            tracing::warn!(build.id = id.get(), error = %told.escape_debug(), "a build could not be looked at");
            Err(PortError::unavailable("a build cannot be read or changed now").because(error))
        }
        Err(panic) => {
            let panic = panic_text(&*panic);
            tracing::error!(build.id = id.get(), panic = %panic.escape_debug(), "looking at a build panicked");
            // It would most likely panic again.
            Ok(())
        }
    }
}

#[derive(Clone)]
struct Worker {
    driver: Arc<Driver>,
    id: WorkerId,
    pulse: Pulse,
    settings: WorkerSettings,
    metrics: Metrics,
    /// One for each instruction that may be performed at once.
    hands: Arc<Semaphore>,
    held: Held,
    looking: Arc<Looking>,
}

/// The instructions that are being performed: their leases are renewed, and no others.
#[derive(Clone, Default)]
struct Held(Arc<std::sync::Mutex<BTreeSet<EffectId>>>);

impl Held {
    fn ids(&self) -> MutexGuard<'_, BTreeSet<EffectId>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Stopping = watch::Receiver<bool>;

impl Worker {
    /// Takes instructions as fast as there are hands free, and performs each in a task of its own.
    ///
    /// The tasks are kept outside, so that they outlive a panic of this loop.
    async fn perform_effects(self, performing: Arc<Mutex<JoinSet<()>>>, mut stopping: Stopping) {
        let mut performing = performing.lock().await;
        let mut rhythm = Rhythm::new("taking instructions", &self);
        while !*stopping.borrow() {
            let free = self.hands.available_permits();
            let taken = if free == 0 { Ok(Vec::new()) } else { self.driver.take_effects(free).await };
            let more = rhythm.saw(&taken) && taken.as_ref().is_ok_and(|taken| taken.len() == free);
            for effect in taken.unwrap_or_default() {
                let (attempts, failures) = (effect.attempts, effect.failures);
                // One was free for each; nobody else takes them.
                let hand = Arc::clone(&self.hands).try_acquire_owned();
                let (worker, stopping) = (self.clone(), stopping.clone());
                performing.spawn(async move {
                    let id = effect.effect.id;
                    let starts = matches!(effect.effect.action, Action::BuildComponent { .. });
                    worker.held.ids().insert(id);
                    let broken_off = worker.perform(effect).await;
                    worker.held.ids().remove(&id);
                    if broken_off {
                        worker.give_back(id, (attempts, failures), stopping).await;
                    } else if starts {
                        // A hint that the task runs, or has ended, may have come before the task was recorded.
                        worker.clone().look(id.build).await;
                    }
                    drop(hand);
                    worker.pulse.beat();
                });
            }
            while performing.try_join_next().is_some() {}
            if !(more && self.hands.available_permits() > 0) {
                rhythm.pause(&mut stopping).await;
            }
        }
        while performing.join_next().await.is_some() {}
    }

    /// Performs an instruction, and tells whether that was broken off.
    async fn perform(&self, effect: TakenEffect) -> bool {
        let (id, action) = (effect.effect.id, effect.effect.action.name());
        let span = tracing::info_span!("effect", build.id = id.build.get(), effect.number = id.number);
        let performed = AssertUnwindSafe(self.driver.perform(effect)).catch_unwind();
        let why = match tracing::Instrument::instrument(performed, span.clone()).await {
            Ok(Ok(performed)) => {
                self.metrics.effect(action, Some(&performed));
                span.in_scope(|| report::performed(&performed));
                return false;
            }
            Ok(Err(error)) => format!("the store failed: {}", chain(&error)),
            Err(panic) => format!("it panicked: {}", panic_text(&*panic)),
        };
        self.metrics.effect(action, None);
        span.in_scope(|| {
            let error = why.escape_debug();
            tracing::error!(%error, "performing an instruction was broken off; it is tried again");
        });
        true
    }

    /// Gives up the lease of an instruction, so that it is performed again before the lease would have ended.
    async fn give_back(&self, id: EffectId, (attempts, failures): (u32, u32), mut stopping: Stopping) {
        /// For who asks why the build waits; what happened is in the log.
        const WHY: &str = "it was broken off; the service's log says why";
        let Parts { store, clock, .. } = self.driver.parts();
        let pause = AFTER_PANIC.saturating_mul(1 << attempts.min(5));
        let given_back = async {
            while store.retry_effect(&self.id, id, clock.now().plus(pause), failures, WHY).await.is_err() {
                tokio::time::sleep(self.settings.idle).await;
            }
        };
        tokio::select! {
            () = given_back => {}
            // The lease ends by itself then, and the hand is free for something else.
            () = tokio::time::sleep(self.driver.lease()) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    /// Keeps what is being performed from being taken by another worker. It goes on while the others end.
    async fn renew_leases(self) {
        let mut rhythm = Rhythm::new("renewing leases", &self);
        loop {
            tokio::time::sleep(self.driver.lease() / 3).await;
            let held: Vec<EffectId> = self.held.ids().iter().copied().collect();
            if !held.is_empty() {
                rhythm.saw(&self.driver.renew_leases(&held).await);
            }
        }
    }

    async fn grant_slots(self, mut stopping: Stopping) {
        let mut rhythm = Rhythm::new("granting slots", &self);
        while !*stopping.borrow() {
            let granted = self.driver.grant_slots().await;
            rhythm.saw(&granted);
            if granted.is_ok_and(|granted| granted > 0) {
                self.pulse.beat();
            }
            rhythm.pause(&mut stopping).await;
        }
    }

    /// Looks at builds whose time has come: nothing may have been said of them, or been lost.
    async fn look_at_due_builds(self, mut stopping: Stopping) {
        let mut rhythm = Rhythm::new("looking at builds", &self);
        while !*stopping.borrow() {
            let due = self.driver.take_due_builds(self.settings.at_once).await;
            let more = rhythm.saw(&due) && due.as_ref().is_ok_and(|due| due.len() == self.settings.at_once);
            let mut looking = JoinSet::new();
            for id in due.unwrap_or_default() {
                looking.spawn(self.clone().look(id));
            }
            while looking.join_next().await.is_some() {}
            if !more {
                rhythm.idle(&mut stopping).await;
            }
        }
    }

    /// Looks at builds that the build system has news of, at once.
    async fn follow_hints(self, hints: Arc<Mutex<mpsc::Receiver<BuildId>>>, mut stopping: Stopping) {
        let mut hints = hints.lock().await;
        loop {
            let hint = tokio::select! {
                hint = hints.recv() => hint,
                _ = stopping.wait_for(|stopping| *stopping) => return,
            };
            match hint {
                Some(id) => self.clone().look(id).await,
                None => return,
            }
        }
    }

    async fn look(self, id: BuildId) {
        // Who waits for it is told by the log, and it is looked at again in its turn.
        let _ = look(&self.driver, &self.looking, id).await;
        self.pulse.beat();
    }

    /// Publishes for one reader of the log. Each has a loop of its own, so that one that waits delays no other.
    async fn publish(self, reader: Reader, mut stopping: Stopping) {
        let (mut rhythm, mut stopped) = (Rhythm::new(reader.doing, &self), report::Publishing::new(reader.name));
        while !*stopping.borrow() {
            let published = self.publish_some(&reader).await;
            rhythm.saw(&published);
            let more = published.is_ok_and(|published| {
                stopped.saw(&published);
                rhythm.is_held_up(published.stopped.is_some());
                published.is_more(LINES_AT_ONCE)
            });
            if !more {
                rhythm.pause(&mut stopping).await;
            }
        }
        // What is known by now is told now; the rest by whoever starts next.
        while self.publish_some(&reader).await.is_ok_and(|published| published.is_more(LINES_AT_ONCE)) {}
        if let Err(error) = self.driver.release_reader(reader.name).await {
            tracing::debug!(%error, reader = reader.name, "the lease of a reader of the log ends by itself");
        }
    }

    async fn publish_some(&self, reader: &Reader) -> Result<Published, StoreError> {
        let published = self.driver.publish_with(reader.name, &*reader.publisher, LINES_AT_ONCE).await?;
        let end = self.driver.parts().store.log_end().await?;
        let behind = end.saturating_sub(published.sequence);
        let since = published.waiting_since.map(|since| self.driver.parts().clock.now().since(since));
        self.metrics.published(reader.name, &published, behind, since.unwrap_or_default());
        Ok(published)
    }
}

/// When a loop goes round again: at the next beat or after the idle time; later and later while the store is away, or
/// where it tells.
struct Rhythm {
    doing: &'static str,
    metrics: Metrics,
    beats: Beats,
    idle: Duration,
    failures: u32,
    held_up: u32,
}

impl Rhythm {
    fn new(doing: &'static str, worker: &Worker) -> Self {
        let (metrics, beats) = (worker.metrics.clone(), worker.pulse.listen());
        Self { doing, metrics, beats, idle: worker.settings.idle, failures: 0, held_up: 0 }
    }

    /// Notes how a round went and tells whether it went well. Only changes are logged, not each failure.
    fn saw<T>(&mut self, outcome: &Result<T, StoreError>) -> bool {
        match outcome {
            Ok(_) => {
                if self.failures > 0 {
                    tracing::info!("{} works again after {} failures", self.doing, self.failures);
                }
                self.failures = 0;
            }
            Err(error) => {
                self.metrics.store_failed(self.doing);
                if self.failures == 0 {
                    let error = chain(error);
                    tracing::error!(error = %error.escape_debug(), "{} fails; it is tried until it works", self.doing);
                }
                self.failures = self.failures.saturating_add(1);
            }
        }
        self.failures == 0
    }

    /// Notes whether others could not be told. A beat says nothing of them.
    fn is_held_up(&mut self, held_up: bool) {
        self.held_up = if held_up { self.held_up.saturating_add(1) } else { 0 };
    }

    /// Waits for the next beat, the idle time, or the end.
    async fn pause(&mut self, stopping: &mut Stopping) {
        let until = Instant::now() + self.length();
        let failing = self.failures > 0 || self.held_up > 0;
        tokio::select! {
            () = self.beats.next(), if !failing => {}
            () = tokio::time::sleep_until(until) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    /// Waits for the idle time or the end, whatever happens meanwhile.
    async fn idle(&mut self, stopping: &mut Stopping) {
        tokio::select! {
            () = tokio::time::sleep(self.length()) => {}
            _ = stopping.wait_for(|stopping| *stopping) => {}
        }
    }

    fn length(&self) -> Duration {
        let longer = |times: u32, longest: Duration| self.idle.saturating_mul(1 << times.min(10)).min(longest);
        let away = longer(self.failures, LONGEST_PAUSE);
        // What waits there is to leave soon after the end of it; the publisher itself asks less and less often.
        let held_up = longer(self.held_up, LONGEST_HOLD);
        away.max(held_up).max(self.idle)
    }
}
