//! What waits: for a clock that was set back, for what is away, for room. None of it waits for ever, and all of it says
//! what for.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::sync::Arc;
use std::time::Duration;

use rida_core::scm::AllowList;
use rida_core::testing::simulation::block_on;
use rida_core::testing::{Course, MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample};
use rida_core::{
    BuildId, BuildState, BuildSystem, Driver, Fact, FailureKind, MockBuildSystem, ModuleBuild, Parts, Performed, Phase,
    Policy, PortError, QueueFull, Remarks, Store, Submission, SubmitError, WorkerId,
};

const HOUR: Duration = Duration::from_secs(3600);

struct World {
    driver: Driver,
    clock: TestClock,
    /// The build system's clock, which nobody sets.
    truth: TestClock,
    store: MemoryStore,
}

impl World {
    fn with(system: impl BuildSystem + 'static, clock: TestClock, policy: Policy) -> Self {
        let store = MemoryStore::new();
        let parts = Parts {
            store: Arc::new(store.clone()),
            build_system: Arc::new(system),
            publisher: Arc::new(MemoryPublisher::default()),
            scm: Arc::new(MemoryScm::default()),
            clock: Arc::new(clock.clone()),
            allow: AllowList::default(),
            policy,
        };
        Self {
            driver: Driver::new(parts, WorkerId("test".to_owned())),
            truth: TestClock::at(sample::at(0)),
            clock,
            store,
        }
    }

    /// A world with a build system in memory.
    fn new() -> (Self, MemoryBuildSystem) {
        let truth = TestClock::at(sample::at(0));
        let system = MemoryBuildSystem::new(Arc::new(truth.clone()));
        let world = Self::with(system.clone(), TestClock::at(sample::at(0)), Policy::default());
        (Self { truth, ..world }, system)
    }

    fn submit(&self, nsvc: &str, owner: &str) -> Result<BuildId, SubmitError> {
        let submission = Submission { owner: sample::owner(owner), ..sample::submission(sample::nsvc(nsvc)) };
        block_on(self.driver.record(Submission { at: self.driver.parts().clock.now(), ..submission }))
    }

    fn build(&self, id: BuildId) -> ModuleBuild {
        block_on(self.store.load(id)).unwrap().unwrap()
    }

    fn pass(&self, time: Duration) {
        self.clock.advance(time);
        self.truth.advance(time);
    }

    /// Takes turns, a second apart, until the build is as wanted, and returns after how long.
    fn until(&self, id: BuildId, wanted: impl Fn(&ModuleBuild) -> bool) -> Duration {
        for seconds in 0..100_000 {
            if wanted(&self.build(id)) {
                return Duration::from_secs(seconds);
            }
            let _ = block_on(self.driver.turn()).unwrap();
            self.pass(Duration::from_secs(1));
        }
        panic!("it waits for ever: {:?}", self.build(id));
    }
}

fn builds(component: &'static str) -> impl Fn(&ModuleBuild) -> bool {
    move |build| build.component(&sample::component(component)).unwrap().1.state.name() == "building"
}

#[test]
fn a_clock_that_is_set_back_delays_no_instruction_and_no_look_for_long() {
    let (world, _) = World::new();
    let id = world.submit("lua:5.4:1:c0ffee", "alice").unwrap();
    let usual = world.until(id, |build| build.state() == BuildState::Ready);
    for jump in [HOUR, 24 * HOUR, 365 * 24 * HOUR] {
        let id = world.submit(&format!("lua:5.4:{}:c0ffee", jump.as_secs()), "alice").unwrap();
        // Set back with an instruction that is due, with one that is leased, and while tasks run.
        world.clock.set_back(jump);
        world.until(id, |build| build.phase == Phase::Preparing);
        assert!(!block_on(world.driver.take_effects(10)).unwrap().is_empty(), "leased, and never performed");
        world.clock.set_back(jump);
        world.until(id, builds("bar"));
        world.clock.set_back(jump);
        let took = world.until(id, |build| build.state() == BuildState::Ready);
        assert!(took < usual + Duration::from_secs(900), "after a jump of {jump:?} it took {took:?}");
    }
}

#[test]
fn a_clock_that_is_set_back_moves_no_deadline_away() {
    let clock = TestClock::at(sample::at(0));
    let mut system = MockBuildSystem::new();
    system.expect_remarks().returning(|_| Ok(Remarks::default()));
    system.expect_prepare().returning(|_| Err(PortError::unavailable("in maintenance")));
    let world = World::with(system, clock, Policy::default());
    let id = world.submit("lua:5.4:1:c0ffee", "alice").unwrap();
    world.until(id, |build| build.phase == Phase::Preparing);
    world.clock.set_back(365 * 24 * HOUR);
    let took = world.until(id, |build| build.state() == BuildState::Failed);
    assert!(took <= HOUR + Duration::from_secs(900), "{took:?}");
    assert!(matches!(&world.build(id).phase, Phase::Failed(failure) if failure.kind == FailureKind::Deadline));
}

#[test]
fn waits_for_what_is_away_use_up_no_tries() {
    let mut system = MockBuildSystem::new();
    system.expect_remarks().returning(|_| Ok(Remarks::default()));
    let mut calls = 0;
    // Away for long; then it fails for a while, as it does when it comes back; then it works.
    system.expect_prepare().times(30).returning(move |_| {
        calls += 1;
        match calls {
            ..=22 => Err(PortError::unavailable("in maintenance")),
            23..=29 => Err(PortError::temporary("the hub starts")),
            _ => Ok(()),
        }
    });
    system.expect_build().returning(|_, _| Err(PortError::permanent("no more of the test")));
    let world = World::with(system, TestClock::at(sample::at(0)), Policy::default());
    let id = world.submit("lua:5.4:1:c0ffee", "alice").unwrap();
    world.until(id, |build| matches!(build.phase, Phase::Building { .. } | Phase::Failed(_)));
    assert!(matches!(world.build(id).phase, Phase::Building { .. }), "{:?}", world.build(id).reason());
}

#[test]
fn lost_leases_use_up_no_tries() {
    let mut system = MockBuildSystem::new();
    system.expect_remarks().returning(|_| Ok(Remarks::default()));
    system.expect_prepare().times(1).returning(|_| Err(PortError::temporary("no route to the host")));
    let world = World::with(system, TestClock::at(sample::at(0)), Policy::default());
    let id = world.submit("lua:5.4:1:c0ffee", "alice").unwrap();
    world.until(id, |build| build.phase == Phase::Preparing);
    // Whoever takes it is gone before it says anything.
    for _ in 0..20 {
        assert_eq!(block_on(world.driver.take_effects(1)).unwrap().len(), 1);
        world.clock.advance(world.driver.lease());
    }
    let taken = block_on(world.driver.take_effects(1)).unwrap().remove(0);
    assert!(matches!(block_on(world.driver.perform(taken)).unwrap(), Performed::Retry { .. }));
}

#[test]
fn the_queue_is_never_fuller_than_it_may_be() {
    let mut policy = Policy::default();
    policy.limits.queue = 3;
    policy.limits.queue_per_module = 2;
    policy.limits.queue_per_owner = 2;
    let clock = TestClock::at(sample::at(0));
    let world = World::with(MemoryBuildSystem::new(Arc::new(clock.clone())), clock, policy);
    let refused = |nsvc: &str, owner: &str| match world.submit(nsvc, owner) {
        Err(SubmitError::QueueFull { full, retry_after }) => {
            assert!((30..=60).contains(&retry_after.as_secs()), "{retry_after:?}");
            full
        }
        other => panic!("{other:?}"),
    };
    let first = world.submit("lua:1:1:c0ffee", "alice").unwrap();
    world.submit("lua:1:2:c0ffee", "bob").unwrap();
    assert_eq!(refused("lua:1:3:c0ffee", "carol"), QueueFull::OfModule(2));
    world.submit("perl:1:1:c0ffee", "bob").unwrap();
    assert_eq!(refused("php:1:1:c0ffee", "carol"), QueueFull::InAll(3));
    // One that is submitted again needs room as a new one does.
    block_on(world.driver.cancel(first, sample::owner("alice"))).unwrap();
    assert_eq!(refused("php:1:1:c0ffee", "bob"), QueueFull::OfOwner(2));
    world.submit("php:1:1:c0ffee", "carol").unwrap();
    assert_eq!(refused("lua:1:1:c0ffee", "alice"), QueueFull::InAll(3));
    assert_eq!(world.build(first).state(), BuildState::Failed);
}

#[test]
fn a_failed_build_is_submitted_again_as_the_service_reads_it_now() {
    let (world, system) = World::new();
    let nsvc = "lua:5.4:1:c0ffee";
    let id = world.submit(nsvc, "alice").unwrap();
    block_on(world.driver.cancel(id, sample::owner("alice"))).unwrap();
    let mended = Submission { modulemd: "mended".into(), ..sample::submission(sample::nsvc(nsvc)) };
    assert_eq!(block_on(world.driver.record(mended.clone())).unwrap(), id);
    assert_eq!(&*world.build(id).submission.modulemd, "mended");
    // Once the build system was asked for anything, it stays what it is.
    system.set_course(&sample::component("bar"), Course::Fails(Duration::from_secs(1)));
    world.until(id, |build| build.state() == BuildState::Failed);
    let late = Submission { modulemd: "late".into(), ..mended };
    assert_eq!(block_on(world.driver.record(late)).unwrap(), id);
    assert_eq!(&*world.build(id).submission.modulemd, "mended");
    system.set_course(&sample::component("bar"), Course::Succeeds(Duration::from_secs(1)));
    world.until(id, |build| build.state() == BuildState::Ready);
}

#[test]
fn a_lost_message_costs_no_more_than_one_look() {
    let (world, system) = World::new();
    let id = world.submit("lua:5.4:1:c0ffee", "alice").unwrap();
    world.until(id, builds("module-build-macros"));
    let built = |build: &ModuleBuild| build.components[0].state.built().is_some();
    let took = world.until(id, built);
    assert_eq!(system.built(id).len(), 1);
    let task = Duration::from_secs(30);
    assert!(took <= task + world.driver.parts().policy.follow_every + Duration::from_secs(1), "{took:?}");
}

#[test]
fn a_task_that_hangs_is_ended_with_its_build() {
    let (world, system) = World::new();
    system.set_course(&sample::component("bar"), Course::Hangs);
    let id = world.submit("lua:5.4:1:c0ffee", "alice").unwrap();
    world.until(id, builds("bar"));
    world.pass(world.driver.parts().policy.deadlines.build);
    world.until(id, |build| build.state() == BuildState::Failed);
    assert_eq!(world.build(id).reason(), Some("the components were not built in time"));
    world.until(id, |_| system.running().is_empty());
    // A fact that comes after all changes nothing.
    let late =
        Fact::ComponentFailed { component: sample::component("bar"), attempt: 1, task: None, reason: "late".into() };
    assert!(block_on(world.driver.apply(id, late)).is_ok());
}
