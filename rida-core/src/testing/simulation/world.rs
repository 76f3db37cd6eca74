//! The world: its true time, its processes, and what happens to them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::process::{Habits, Process, ProcessClock, Work};
use super::without::{Protection, Unprotected};
use super::{Counts, Wildness, block_on};
use crate::build::Submission;
use crate::driver::{Clock, Driver, PUBLISHER, Parts};
use crate::id::{BuildId, Nsvc};
use crate::policy::{Deadlines, Limits, Policy};
use crate::ports::{BuildFilter, ListQuery, Store, WorkerId};
use crate::scm::AllowList;
use crate::state::BuildState;
use crate::testing::faults::{Fates, Faulty, Outage};
use crate::testing::memory_build_system::MemoryBuildSystem;
use crate::testing::random::Random;
use crate::testing::{Layered, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample};
use crate::timestamp::Timestamp;
use crate::why::waits_for;

/// How many steps a calm time may last; far more than everything needs.
const CALM_STEPS: u32 = 300_000;

pub(super) struct World {
    pub(super) random: Random,
    /// Decides what submissions say of reuse.
    pub(super) tastes: Random,
    pub(super) wildness: Wildness,
    /// The true time, which only the build system knows.
    pub(super) truth: TestClock,
    pub(super) fates: Fates,
    /// The settings that the processes have.
    pub(super) policy: Policy,
    /// The settings that the promises are judged by: the same, but for what is left out on purpose.
    pub(super) promised: Policy,
    pub(super) store: MemoryStore,
    pub(super) system: MemoryBuildSystem,
    pub(super) scm: MemoryScm,
    pub(super) publisher: MemoryPublisher,
    processes: Vec<Process>,
    /// Everything that anybody ever submitted first, by what it is called.
    pub(super) submitted: BTreeMap<Nsvc, Submission>,
    /// What somebody got a 201 for.
    pub(super) accepted: BTreeSet<BuildId>,
    /// What people and messages are at.
    pub(super) errands: Vec<Work>,
    pub(super) inbox: super::people::Inbox,
    outage_ends: Option<Timestamp>,
    started: u64,
    overtaken: Arc<AtomicU64>,
    pub(super) counts: Counts,
    pub(super) trace: Vec<String>,
    pub(super) violations: Vec<String>,
}

impl World {
    pub(super) fn new(seed: u64, wildness: Wildness) -> Self {
        let mut random = Random::new(seed);
        let truth = TestClock::at(sample::at(0));
        let system = MemoryBuildSystem::new(Arc::new(truth.clone()));
        system.set_careless(wildness.without == Some(Protection::LookBeforeActing));
        let promised = policy(&mut random, &wildness);
        let mut policy = promised.clone();
        match wildness.without {
            Some(Protection::Deadlines) => policy.deadlines = for_ever(),
            Some(Protection::Patience) => policy.limits.patience = Duration::MAX,
            _ => {}
        }
        let mut world = Self {
            fates: Fates::new(random.next(), wildness.faults),
            policy,
            promised,
            store: MemoryStore::new(),
            scm: MemoryScm::default(),
            publisher: MemoryPublisher::default(),
            processes: Vec::new(),
            submitted: BTreeMap::new(),
            accepted: BTreeSet::new(),
            errands: Vec::new(),
            inbox: super::people::Inbox::default(),
            outage_ends: None,
            started: 0,
            overtaken: Arc::default(),
            counts: Counts::default(),
            trace: Vec::new(),
            violations: Vec::new(),
            random,
            tastes: Random::new(seed.rotate_left(32) ^ 0x5eed),
            wildness,
            truth,
            system,
        };
        world.fates.set_stalls(wildness.stalls);
        for _ in 0..wildness.drivers.max(1) {
            let process = world.start_process();
            world.processes.push(process);
        }
        world
    }

    fn start_process(&mut self) -> Process {
        self.started += 1;
        let skew = i64::try_from(self.random.below(2 * self.wildness.skew * 1000 + 1)).unwrap_or(0);
        let offset = skew - i64::try_from(self.wildness.skew * 1000).unwrap_or(0);
        let clock = ProcessClock::new(self.truth.clone(), offset);
        let worker = WorkerId(format!("process {}", self.started));
        let habits = Habits { renews: self.random.chance(70), greedy: self.wildness.may_repeat() };
        let driver = Driver::new(self.faulty_parts(Arc::new(clock.clone())), worker);
        Process::new(driver, clock, habits, self.truth.clone(), Arc::clone(&self.overtaken))
    }

    fn faulty_parts(&self, clock: Arc<dyn Clock>) -> Parts {
        let store = Layered(Unprotected { store: self.store.clone(), without: self.wildness.without });
        Parts {
            store: Arc::new(Layered(Faulty::new(store, self.fates.clone()))),
            build_system: Arc::new(Faulty::new(self.system.clone(), self.fates.clone())),
            publisher: Arc::new(Faulty::new(self.publisher.clone(), self.fates.clone())),
            scm: Arc::new(Faulty::new(self.scm.clone(), self.fates.clone())),
            clock,
            allow: AllowList::default(),
            policy: self.policy.clone(),
        }
    }

    /// Returns the driver of some process, for what comes from outside.
    pub(super) fn any_driver(&mut self) -> Option<Arc<Driver>> {
        let index = self.random.index(self.processes.len());
        self.processes.get(index).map(|process| Arc::clone(&process.driver))
    }

    /// Plays the wild time, lets everything come to an end, and sees that what failed can still be built.
    pub(super) fn play(&mut self) {
        for number in 0..self.wildness.steps {
            if number % 40 == 0 {
                self.submit_next();
            }
            self.disturb();
            self.step(true);
        }
        self.calm_down();
        if !self.settle() {
            return;
        }
        self.check_nothing_runs();
        self.trace.push("everything has ended; what failed is mended and submitted again".to_owned());
        self.submit_all_again();
    }

    /// Checks that no task runs that nobody waits for. One that is found later by a new try would be taken over.
    pub(super) fn check_nothing_runs(&mut self) {
        for (id, component) in self.system.running() {
            self.violations.push(format!("build {id}: a task for {component} runs for nobody"));
        }
        for (id, generation) in self.system.regenerating() {
            self.violations.push(format!("build {id}: repository {generation} is made for nobody"));
        }
    }

    /// Ends everything that goes wrong. Nobody is hurt any more, but what was left behind is still there.
    fn calm_down(&mut self) {
        self.fates.set_percent(0);
        self.fates.set_stalls(0);
        self.fates.set_outage(None);
        self.system.set_stuck(false);
        for process in &self.processes {
            process.clock.set(0);
        }
        self.trace.push(format!("{}: the world is calm", self.truth.now()));
        self.submit_the_rest();
    }

    /// Lets everything come to an end, in a bounded time.
    pub(super) fn settle(&mut self) -> bool {
        let modules = u32::try_from(self.submitted.len()).unwrap_or(u32::MAX).saturating_add(1);
        // One after the other, each as long as a build may take that hangs.
        let (one, began) = (Duration::from_secs(3 * 3600), self.truth.now());
        let limit = one.saturating_mul(modules);
        for _ in 0..CALM_STEPS {
            if self.step(false) && self.is_over() {
                return true;
            }
            if self.truth.now().since(began) > limit {
                break;
            }
        }
        self.violations.push(format!("not everything has ended {} s after the world was calm", limit.as_secs()));
        false
    }

    /// Lets somebody take one step. Tells whether anything came to an end.
    fn step(&mut self, wild: bool) -> bool {
        let pace = match self.outage_ends {
            Some(_) if wild => 8_000,
            _ if wild || !self.wildness.may_repeat() => 250,
            // Long enough for leases to end while their holder is at work; what hangs takes hours to be ended.
            _ => 1_200,
        };
        self.truth.advance(Duration::from_millis(self.random.below(pace)));
        self.deliver();
        if !self.errands.is_empty() && self.random.chance(30) {
            self.run_errand();
        }
        let index = self.random.index(self.processes.len());
        if wild && self.random.below(1000) < self.wildness.crashes {
            self.counts.crashes += 1;
            let fresh = self.start_process();
            if let Some(process) = self.processes.get_mut(index) {
                // What it was at is cut off wherever it was.
                *process = fresh;
            }
            self.trace.push(format!("{}: process {index} crashed", self.truth.now()));
        }
        let Some(process) = self.processes.get_mut(index) else { return false };
        let ended = process.step(&mut self.random);
        if ended {
            self.check();
        }
        ended
    }

    fn run_errand(&mut self) {
        let index = self.random.index(self.errands.len());
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if self.errands.get_mut(index).is_some_and(|errand| errand.as_mut().poll(&mut context).is_ready()) {
            drop(self.errands.swap_remove(index));
        }
    }

    /// Does what people, clocks and machines do.
    fn disturb(&mut self) {
        if self.random.below(1000) < self.wildness.people {
            self.meddle();
        }
        if self.random.below(100) < self.wildness.messages {
            self.send_message();
        }
        // Of what hangs, repositories that never come: once begun, for some time.
        if self.wildness.bad > 0 && self.tastes.below(300) == 0 {
            let stuck = self.tastes.below(100) < self.wildness.bad;
            self.system.set_stuck(stuck);
        }
        if self.wildness.reuse > 0 && self.tastes.below(1000) < self.wildness.bad {
            self.lose_something();
        }
        if self.random.below(10_000) < self.wildness.jumps {
            self.jump();
        }
        match self.outage_ends {
            Some(end) if end <= self.truth.now() => {
                self.outage_ends = None;
                self.fates.set_outage(None);
                self.trace.push(format!("{}: the outage ends", self.truth.now()));
            }
            None if self.random.below(10_000) < self.wildness.outages => self.begin_outage(),
            _ => {}
        }
    }

    /// Takes away what a build has of a component, so that no other can take it over.
    fn lose_something(&mut self) {
        let ids = self.build_ids();
        let Some(id) = ids.get(self.tastes.index(ids.len())).copied() else { return };
        let Ok(Some(build)) = block_on(self.store.load(id)) else { return };
        let Some(planned) = build.plan().get(self.tastes.index(build.plan().len())) else { return };
        self.system.lose(id, &planned.name);
        self.trace.push(format!("{}: what build {id} has of {} is gone", self.truth.now(), planned.name));
    }

    fn begin_outage(&mut self) {
        let minutes = |count: u64| Duration::from_secs(60 * count);
        let (outage, length) = match self.random.below(3) {
            0 => (Outage::Maintenance, minutes(10 + self.random.below(180))),
            1 => (Outage::LostAnswers, minutes(1 + self.random.below(20))),
            _ => (Outage::Store, minutes(1 + self.random.below(30))),
        };
        self.counts.outages += 1;
        self.fates.set_outage(Some(outage));
        self.outage_ends = Some(self.truth.now().plus(length));
        self.trace.push(format!("{}: {outage:?} for {} s", self.truth.now(), length.as_secs()));
    }

    /// Sets the clock of one process, or of all.
    fn jump(&mut self) {
        let most = [120, 7_200, 3 * 24 * 3_600][self.random.index(3)];
        let seconds = i64::try_from(self.random.below(most)).unwrap_or(0);
        let by = 1000 * if self.random.chance(50) { seconds } else { -seconds };
        let all = self.random.chance(50);
        let one = self.random.index(self.processes.len());
        for (index, process) in self.processes.iter().enumerate() {
            if all || index == one {
                process.clock.set(process.clock.offset().saturating_add(by));
            }
        }
        self.counts.jumps += 1;
        let whose = if all { "every clock".to_owned() } else { format!("the clock of process {one}") };
        self.trace.push(format!("{}: {whose} is set by {} s", self.truth.now(), by / 1000));
    }

    /// Tells whether every build has ended and everything was told.
    fn is_over(&self) -> bool {
        let active = vec![BuildState::Init, BuildState::Wait, BuildState::Build];
        let active = BuildFilter { states: active, ..BuildFilter::default() };
        if block_on(self.store.count(&active)).unwrap_or(1) > 0 || !self.errands.is_empty() {
            return false;
        }
        let told = block_on(self.store.reader(PUBLISHER)).unwrap_or_default().sequence;
        let untold = block_on(self.store.log_after(told, 1)).is_ok_and(|lines| !lines.is_empty());
        !untold && self.store.effects().is_empty()
    }

    /// Checks what must hold at every moment.
    fn check(&mut self) {
        let Ok(queue) = block_on(self.store.queue()) else { return };
        let limits = &self.promised.limits;
        let (mut by_module, mut by_owner) = (BTreeMap::<_, usize>::new(), BTreeMap::<_, usize>::new());
        for build in &queue.running {
            *by_module.entry(build.name.clone()).or_default() += 1;
            *by_owner.entry(build.owner.clone()).or_default() += 1;
        }
        if queue.running.len() > limits.builds
            || by_module.values().any(|count| *count > limits.builds_per_module)
            || by_owner.values().any(|count| *count > limits.builds_per_owner)
        {
            self.violations.push(format!("more builds run than may: {:?}", queue.running));
        }
        let queued = vec![BuildState::Init, BuildState::Wait];
        let queued = BuildFilter { states: queued, ..BuildFilter::default() };
        let queued = block_on(self.store.count(&queued)).unwrap_or(0);
        if queued > u64::try_from(limits.queue).unwrap_or(u64::MAX) {
            self.violations.push(format!("{queued} builds are in the queue, which has room for {}", limits.queue));
        }
        if self.random.chance(3) {
            self.check_what_waits(&queue);
        }
    }

    /// Checks that everything that waits says what for.
    fn check_what_waits(&mut self, queue: &crate::ports::Queue) {
        for id in self.build_ids() {
            let Ok(Some(build)) = block_on(self.store.load(id)) else { continue };
            if build.state().is_active() {
                let pending = block_on(self.store.pending(id)).unwrap_or_default();
                let told = waits_for(&build, queue, &pending, &self.promised, self.truth.now());
                if told.is_empty() || told.iter().any(String::is_empty) {
                    self.violations.push(format!("build {id} does not say what it waits for in {:?}", build.phase));
                }
            }
        }
    }

    /// Returns every build that there is, whether somebody learnt that it was accepted or not.
    pub(super) fn build_ids(&self) -> Vec<BuildId> {
        let query = ListQuery { limit: u64::MAX, ..ListQuery::default() };
        block_on(self.store.list(&query)).unwrap_or_default().into_iter().map(|build| build.id).collect()
    }

    pub(super) fn overtaken(&self) -> u64 {
        self.overtaken.load(Ordering::SeqCst)
    }
}

/// Limits that are reached often, and deadlines that pass.
fn policy(random: &mut Random, wildness: &Wildness) -> Policy {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    let deadlines = Deadlines {
        init: minutes(30),
        // Nobody starves: who waits gets a slot long before this passes.
        wait: minutes(60 * 24 * 30),
        prepare: minutes(30),
        build: minutes(120),
        finish: minutes(30),
    };
    Policy {
        limits: Limits {
            builds: 1 + random.index(3),
            builds_per_module: 1 + random.index(2),
            builds_per_owner: 1 + random.index(3),
            queue: if wildness.without == Some(Protection::RoomInTheCommit) { 2 } else { 2 + random.index(6) },
            queue_per_module: 6,
            queue_per_owner: 6,
            patience: minutes(2 + random.below(8)),
        },
        components_at_once: 1 + random.index(4),
        // When nothing can take too long, nothing may be ended for it, so that nothing is hidden by it either.
        deadlines: if wildness.may_end_builds() { deadlines } else { for_ever() },
        ready_at_once: random.chance(70),
        ..Policy::default()
    }
}

fn for_ever() -> Deadlines {
    let year = Duration::from_secs(365 * 24 * 3600);
    Deadlines { init: year, wait: year, prepare: year, build: year, finish: year }
}
