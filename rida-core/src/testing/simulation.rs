//! A whole world in one thread: drivers that crash, ports that fail, a clock that jumps, all from one seed.
//!
//! [`run`] replays the same history for the same seed. What must hold in every history is checked on the way and at the
//! end; what does not is returned, with the trace.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use super::clock::TestClock;
use super::faults::{Fates, Faulty};
use super::memory_build_system::{Course, MemoryBuildSystem};
use super::memory_publisher::MemoryPublisher;
use super::memory_scm::MemoryScm;
use super::memory_store::MemoryStore;
use super::random::Random;
use super::sample;
use crate::announce::Change;
use crate::build::{ModuleBuild, Submission};
use crate::component::ComponentState;
use crate::driver::{Clock, Driver, PUBLISHER, Parts};
use crate::event::Fact;
use crate::id::{BuildId, ComponentName};
use crate::plan::{ComponentSource, Plan, WantedComponent};
use crate::policy::{Deadlines, Limits, Policy};
use crate::ports::{LogLine, Store, WorkerId};
use crate::scm::{AllowList, GitRef};
use crate::state::BuildState;
use crate::step::{Step, step, submit};

/// How wild a simulated world is.
#[derive(Clone, Copy, Debug)]
pub struct Wildness {
    /// How many drivers share the store.
    pub drivers: usize,
    /// How many modules are submitted.
    pub modules: usize,
    /// Of a hundred calls, how many fail at each of their two gates.
    pub fault_percent: u64,
    /// Of a thousand steps of a driver, how many are its last before it is started anew.
    pub crash_permille: u64,
    /// How many steps the wild time lasts; afterwards nothing fails any more, and everything must end.
    pub steps: u64,
}

impl Default for Wildness {
    fn default() -> Self {
        Self { drivers: 2, modules: 3, fault_percent: 5, crash_permille: 10, steps: 3000 }
    }
}

/// What a simulated history came to.
#[derive(Debug)]
pub struct Outcome {
    /// What did not hold; empty when all is well.
    pub violations: Vec<String>,
    /// What happened, one line each; the same for the same seed.
    pub trace: Vec<String>,
    /// The builds at the end.
    pub builds: Vec<ModuleBuild>,
    /// How often a driver was cut off.
    pub crashes: u64,
}

/// Plays the history of a seed.
pub fn run(seed: u64, wildness: Wildness) -> Outcome {
    let mut world = World::new(seed, wildness);
    world.play();
    world.judge()
}

struct World {
    random: Random,
    wildness: Wildness,
    clock: TestClock,
    fates: Fates,
    policy: Policy,
    store: MemoryStore,
    system: MemoryBuildSystem,
    scm: MemoryScm,
    publisher: MemoryPublisher,
    drivers: Vec<Slot>,
    accepted: Vec<(BuildId, Submission)>,
    started: u64,
    crashes: u64,
    trace: Vec<String>,
    violations: Vec<String>,
}

/// A place for a driver and the turn that it is in.
struct Slot {
    driver: Arc<Driver>,
    turn: Option<Pin<Box<dyn Future<Output = ()>>>>,
}

impl World {
    fn new(seed: u64, wildness: Wildness) -> Self {
        let mut random = Random::new(seed);
        let clock = TestClock::at(sample::at(0));
        let system = MemoryBuildSystem::new(Arc::new(clock.clone()));
        let mut world = Self {
            fates: Fates::new(random.next(), wildness.fault_percent),
            policy: policy(&mut random),
            store: MemoryStore::new(),
            scm: MemoryScm::default(),
            publisher: MemoryPublisher::default(),
            drivers: Vec::new(),
            accepted: Vec::new(),
            started: 0,
            crashes: 0,
            trace: Vec::new(),
            violations: Vec::new(),
            random,
            wildness,
            clock,
            system,
        };
        for _ in 0..wildness.drivers {
            let slot = world.start_driver();
            world.drivers.push(slot);
        }
        world
    }

    fn start_driver(&mut self) -> Slot {
        self.started += 1;
        let parts = Parts {
            store: Arc::new(Faulty::new(self.store.clone(), self.fates.clone())),
            build_system: Arc::new(Faulty::new(self.system.clone(), self.fates.clone())),
            publisher: Arc::new(Faulty::new(self.publisher.clone(), self.fates.clone())),
            scm: Arc::new(Faulty::new(self.scm.clone(), self.fates.clone())),
            clock: Arc::new(self.clock.clone()),
            allow: AllowList::default(),
            policy: self.policy.clone(),
        };
        Slot { driver: Arc::new(Driver::new(parts, WorkerId(format!("driver-{}", self.started)))), turn: None }
    }

    /// Plays the wild time, then lets everything come to an end.
    fn play(&mut self) {
        for number in 0..self.wildness.steps {
            if number % 50 == 0 && self.accepted.len() < self.wildness.modules {
                self.submit();
            }
            if self.random.chance(1) {
                self.disturb();
            }
            self.turn(true);
        }
        self.fates.set_percent(0);
        self.trace.push("the world is calm".to_owned());
        // Far more time than everything needs, and no end by a deadline.
        for _ in 0..200_000_u32 {
            if self.turn(false) && self.is_over() {
                break;
            }
        }
    }

    /// Lets one driver take one step; it may be its last. Tells whether it came to the end of its turn.
    fn turn(&mut self, wild: bool) -> bool {
        let index = self.random.index(self.drivers.len());
        if wild && self.random.below(1000) < self.wildness.crash_permille {
            self.crashes += 1;
            let fresh = self.start_driver();
            if let Some(slot) = self.drivers.get_mut(index) {
                *slot = fresh;
            }
            self.trace.push(format!("driver {index} crashed"));
        }
        let Some(slot) = self.drivers.get_mut(index) else { return false };
        let driver = Arc::clone(&slot.driver);
        let turn = slot.turn.get_or_insert_with(|| {
            Box::pin(async move {
                // A store that does not answer is asked again in the next turn; what it holds is not lost.
                let _ = driver.turn().await;
            })
        });
        if turn.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            return false;
        }
        slot.turn = None;
        let pause = self.random.below(if wild { 3_000 } else { 60_000 });
        self.clock.advance(Duration::from_millis(pause));
        self.check_limits();
        true
    }

    /// Submits a module, past all faults: that is what a 201 means.
    fn submit(&mut self) {
        let number = self.accepted.len() + 1;
        let plan = self.plan();
        let nsvc = sample::nsvc(&format!("module{}:1:{number}:c0ffee", self.random.below(3)));
        let submission = Submission { plan, at: self.clock.now(), ..sample::submission(nsvc) };
        let driver = Driver::new(
            Parts {
                store: Arc::new(self.store.clone()),
                build_system: Arc::new(self.system.clone()),
                publisher: Arc::new(self.publisher.clone()),
                scm: Arc::new(self.scm.clone()),
                clock: Arc::new(self.clock.clone()),
                allow: AllowList::default(),
                policy: self.policy.clone(),
            },
            WorkerId("submitter".to_owned()),
        );
        match block_on(driver.record(submission.clone())) {
            Ok(id) => {
                self.trace.push(format!("{id} submitted: {}", submission.nsvc));
                self.accepted.push((id, submission));
            }
            Err(error) => self.violations.push(format!("a submission was refused: {error}")),
        }
    }

    /// Makes a random plan: batches, or a graph.
    fn plan(&mut self) -> Plan {
        let count = 1 + self.random.index(6);
        let graph = self.random.chance(50);
        let name = |number: usize| sample::component(&format!("package{number}"));
        let wanted = (0..count).map(|number| {
            let course = match self.random.below(20) {
                0 => Course::Fails(Duration::from_secs(self.random.below(60))),
                1 => Course::Hangs,
                _ => Course::Succeeds(Duration::from_secs(self.random.below(120))),
            };
            self.system.set_course(&name(number), course);
            let before: Vec<ComponentName> =
                if graph { (0..number).filter(|_| self.random.chance(30)).map(name).collect() } else { Vec::new() };
            WantedComponent {
                name: name(number),
                source: ComponentSource {
                    repository: sample::repository(name(number).as_str()),
                    reference: GitRef::new("main").expect("a branch"),
                    cache: None,
                },
                buildorder: if graph { 0 } else { i64::try_from(self.random.below(3)).unwrap_or(0) },
                buildafter: before,
                buildonly: false,
                arches: Vec::new(),
            }
        });
        Plan::new(wanted.collect()).expect("components wait only for earlier ones")
    }

    /// Does what people and clocks do.
    fn disturb(&mut self) {
        let pick = self.random.index(self.accepted.len());
        let Some((id, _)) = self.accepted.get(pick) else { return };
        let (id, driver) = (*id, Arc::clone(&self.drivers[0].driver));
        let by = sample::owner("alice");
        match self.random.below(4) {
            0 => {
                let told = block_on(driver.cancel(id, by)).is_ok();
                self.trace.push(format!("{id} cancelled: {told}"));
            }
            1 | 2 => {
                let told = block_on(driver.apply(id, Fact::Resubmitted { by, submission: None })).is_ok();
                self.trace.push(format!("{id} submitted again: {told}"));
            }
            _ => self.clock.advance(Duration::from_secs(self.random.below(600))),
        }
    }

    /// Tells whether every build has ended and everything was told.
    fn is_over(&self) -> bool {
        let ended = self.accepted.iter().all(|(id, _)| {
            block_on(self.store.load(*id)).ok().flatten().is_some_and(|build| !build.state().is_active())
        });
        let told = block_on(self.store.reader(PUBLISHER)).unwrap_or_default().sequence;
        let untold = block_on(self.store.log_after(told, 1)).is_ok_and(|lines| !lines.is_empty());
        ended && !untold && self.store.effects().is_empty()
    }

    fn check_limits(&mut self) {
        let Ok(queue) = block_on(self.store.queue()) else { return };
        let limits = &self.policy.limits;
        let mut by_module: BTreeMap<_, usize> = BTreeMap::new();
        for build in &queue.running {
            *by_module.entry(build.name.clone()).or_default() += 1;
        }
        if queue.running.len() > limits.builds || by_module.values().any(|count| *count > limits.builds_per_module) {
            self.violations.push(format!("more builds run than may: {by_module:?}"));
        }
    }

    /// Judges what the history came to.
    fn judge(mut self) -> Outcome {
        self.violations.extend(self.system.violations());
        for (id, component) in self.system.running() {
            self.violations.push(format!("build {id}: a task for {component} runs for nobody"));
        }
        let lines = block_on(self.store.log_after(0, usize::MAX)).unwrap_or_default();
        let mut builds = Vec::new();
        for (id, submission) in &self.accepted {
            let Ok(Some(build)) = block_on(self.store.load(*id)) else {
                self.violations.push(format!("build {id} is lost"));
                continue;
            };
            let log: Vec<&LogLine> = lines.iter().filter(|line| line.build == *id).collect();
            self.violations.extend(self.judge_build(&build, submission, &log));
            builds.push(build);
        }
        for line in &lines {
            self.trace.push(format!("{} {} {}", line.sequence, line.build, line.event.fact.name()));
        }
        Outcome { violations: self.violations, trace: self.trace, builds, crashes: self.crashes }
    }

    fn judge_build(&self, build: &ModuleBuild, submission: &Submission, log: &[&LogLine]) -> Vec<String> {
        let id = build.id;
        let mut violations = Vec::new();
        let mut fail = |text: String| violations.push(format!("build {id}: {text}"));
        if build.state().is_active() {
            fail(format!("did not end: {:?} {:?}", build.phase, build.components));
        }
        match replay(id, submission, log, &self.policy) {
            Ok(replayed) if replayed == *build => {}
            Ok(replayed) => fail(format!("the log makes another build: {replayed:?}")),
            Err(reason) => fail(format!("the log cannot be replayed: {reason}")),
        }
        for pair in build.history.windows(2) {
            if let [from, to] = pair
                && !from.state.may_become(to.state)
            {
                fail(format!("went from {} to {}", from.state, to.state));
            }
        }
        let built = self.system.built(id);
        let distinct: BTreeSet<_> = built.iter().collect();
        if distinct.len() < built.len() {
            fail(format!("a component was built twice: {built:?}"));
        }
        for (planned, component) in build.components() {
            let lost = built.contains(&planned.name) && component.state == ComponentState::Waiting;
            if lost {
                fail(format!("the result of {} is lost", planned.name));
            }
        }
        if build.state() == BuildState::Ready && !self.system.finished().contains(&id) {
            fail("is ready without metadata".to_owned());
        }
        // What was told, without repeats, is what is in the history, in that order.
        let mut told = BTreeSet::new();
        let published = self.publisher.published();
        let states: Vec<BuildState> = published
            .iter()
            .filter(|announcement| announcement.id.build == id && told.insert(announcement.id))
            .filter_map(|announcement| match announcement.change {
                Change::Module { to, .. } => Some(to),
                Change::Component { .. } => None,
            })
            .collect();
        let history: Vec<BuildState> = build.history.iter().map(|transition| transition.state).collect();
        if states != history {
            fail(format!("the world was told {states:?}, but it was {history:?}"));
        }
        violations
    }
}

/// Makes a build again from what was submitted and the log.
///
/// # Errors
/// When the log does not fit.
pub fn replay(id: BuildId, submission: &Submission, log: &[&LogLine], policy: &Policy) -> Result<ModuleBuild, String> {
    let mut build = submit(id, submission.clone(), policy).map_err(|error| error.to_string())?.build;
    for line in log.iter().skip(1) {
        match step(&build, &line.event, policy) {
            Ok(Step::Advance(advance)) => build = advance.build,
            Ok(Step::Ignore(why)) => return Err(format!("line {} is ignored: {why}", line.sequence)),
            Err(illegal) => return Err(format!("line {} is illegal: {illegal}", line.sequence)),
        }
    }
    Ok(build)
}

/// Runs a future to its end on this thread. The ports of this module never wait for anything outside.
pub fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    loop {
        if let std::task::Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
    }
}

/// Limits that are reached often, and deadlines that pass.
fn policy(random: &mut Random) -> Policy {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    Policy {
        limits: Limits {
            builds: 1 + random.index(3),
            builds_per_module: 1 + random.index(2),
            builds_per_owner: 3,
            queue: 100,
            queue_per_module: 100,
            queue_per_owner: 100,
            patience: minutes(10),
        },
        components_at_once: 1 + random.index(4),
        deadlines: Deadlines {
            init: minutes(30),
            wait: minutes(600),
            prepare: minutes(30),
            build: minutes(120),
            finish: minutes(30),
        },
        ..Policy::default()
    }
}
