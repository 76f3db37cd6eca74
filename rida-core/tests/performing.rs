//! How often, and with what, the driver calls the ports: the interactions themselves.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use rida_core::scm::AllowList;
use rida_core::testing::simulation::block_on;
use rida_core::testing::{
    Fates, Faulty, MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample,
};
use rida_core::{
    Action, BuildId, BuildState, BuildSystem, ComponentKey, Driver, Fact, MockBuildSystem, ModuleBuild, Parts,
    PendingEffect, Performed, Policy, PortError, Remarks, Store, TaskId, WorkerId,
};

struct World {
    driver: Driver,
    clock: TestClock,
    id: BuildId,
}

impl World {
    /// Submits a module whose sources are good and gives it a slot.
    fn with(mut system: MockBuildSystem) -> Self {
        system.expect_remarks().returning(|_| Ok(Remarks::default()));
        let clock = TestClock::at(sample::at(0));
        let parts = Parts {
            store: Arc::new(MemoryStore::new()),
            build_system: Arc::new(system),
            publisher: Arc::new(MemoryPublisher::default()),
            scm: Arc::new(MemoryScm::default()),
            clock: Arc::new(clock.clone()),
            allow: AllowList::default(),
            policy: Policy::default(),
        };
        let driver = Driver::new(parts, WorkerId("test".to_owned()));
        let id = block_on(driver.record(sample::submission(sample::nsvc("lua:5.4:1:c0ffee")))).unwrap();
        let world = Self { driver, clock, id };
        assert!(matches!(world.perform().as_slice(), [Performed::Done]));
        assert_eq!(block_on(world.driver.grant_slots()).unwrap(), 1);
        world
    }

    /// Performs everything that is due.
    fn perform(&self) -> Vec<Performed> {
        let taken = block_on(self.driver.take_effects(10)).unwrap();
        taken.into_iter().map(|effect| block_on(self.driver.perform(effect)).unwrap()).collect()
    }

    fn build(&self) -> ModuleBuild {
        block_on(self.driver.parts().store.load(self.id)).unwrap().unwrap()
    }
}

#[test]
fn what_fails_for_a_while_is_tried_again_later() {
    let mut system = MockBuildSystem::new();
    let mut calls = 0;
    system.expect_prepare().times(3).returning(move |_| {
        calls += 1;
        if calls < 3 { Err(PortError::temporary("no route to the host")) } else { Ok(()) }
    });
    let world = World::with(system);
    let [Performed::Retry { after: first, .. }] = world.perform()[..] else { panic!("it is tried again") };
    assert!(world.perform().is_empty(), "not before its time");
    world.clock.advance(first);
    let [Performed::Retry { after: second, .. }] = world.perform()[..] else { panic!("it is tried again") };
    assert!(second > first, "the waits grow");
    world.clock.advance(second);
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    assert_eq!(world.build().components[0].state.name(), "submitted");
}

#[test]
fn what_stays_broken_ends_the_build_after_some_tries() {
    let mut system = MockBuildSystem::new();
    system.expect_prepare().times(8).returning(|_| Err(PortError::temporary("no route to the host")));
    let world = World::with(system);
    while world.build().state() == BuildState::Build {
        let _ = world.perform();
        world.clock.advance(Duration::from_secs(120));
    }
    let reason = world.build().reason().unwrap().to_owned();
    assert_eq!(
        reason,
        "the build environment could not be prepared: no route to the host (temporary; given up after 8 tries)"
    );
}

#[test]
fn a_build_system_that_is_away_is_waited_for() {
    let mut system = MockBuildSystem::new();
    system.expect_prepare().times(20..).returning(|_| Err(PortError::unavailable("down for maintenance")));
    // What failed may have been done all the same.
    system.expect_abandon().times(2).returning(|_| Ok(()));
    let world = World::with(system);
    for _ in 0..20 {
        assert!(matches!(world.perform().as_slice(), [Performed::Retry { .. }]));
        world.clock.advance(Duration::from_secs(120));
    }
    assert_eq!(world.build().state(), BuildState::Build);
    world.clock.advance(Policy::default().deadlines.prepare);
    let _ = block_on(world.driver.look(world.id)).unwrap();
    assert_eq!(
        world.build().reason(),
        Some("the build environment was not prepared in time; at last: down for maintenance")
    );
    assert!(matches!(world.perform().as_slice(), [Performed::Done, Performed::Done]), "it is given up");
    assert!(world.perform().is_empty(), "nothing is asked for a build that has ended");
}

#[test]
fn a_build_system_that_cannot_be_asked_until_the_deadline_is_the_reason() {
    let mut system = MockBuildSystem::new();
    system.expect_prepare().times(1).returning(|_| Ok(()));
    system.expect_build().times(1).returning(|_, _| Ok(TaskId(7)));
    system.expect_follow().returning(|_| Err(PortError::unavailable("the hub is offline")));
    let world = World::with(system);
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    // It is told while it lasts, with since when.
    assert_eq!(world.driver.unanswered(world.id), None);
    let since = world.driver.parts().clock.now();
    for _ in 0..3 {
        let _ = block_on(world.driver.look(world.id)).unwrap();
        let told = world.driver.unanswered(world.id).unwrap();
        assert_eq!((told.since, &*told.why), (since, "the hub is offline"));
        assert!(told.to_string().contains(&since.to_string()), "{told}");
        world.clock.advance(Duration::from_secs(60));
    }
    world.clock.advance(Policy::default().deadlines.build);
    let _ = block_on(world.driver.look(world.id)).unwrap();
    assert_eq!(world.build().reason(), Some("the components were not built in time; at last: the hub is offline"));
    let _ = block_on(world.driver.look(world.id)).unwrap();
    assert_eq!(world.driver.unanswered(world.id), None, "nobody waits any more");
}

#[test]
fn a_build_system_that_answers_again_is_not_told_to_be_away() {
    let mut system = MockBuildSystem::new();
    let mut asked = 0;
    system.expect_prepare().times(1).returning(|_| Ok(()));
    system.expect_build().times(1).returning(|_, _| Ok(TaskId(7)));
    system.expect_follow().times(2).returning(move |_| {
        asked += 1;
        if asked == 1 { Err(PortError::unavailable("the hub is offline")) } else { Ok(Vec::new()) }
    });
    let world = World::with(system);
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    for is_away in [true, false] {
        let _ = block_on(world.driver.look(world.id)).unwrap();
        assert_eq!(world.driver.unanswered(world.id).is_some(), is_away);
    }
}

#[test]
fn what_is_under_way_is_asked_about_when_it_says_so() {
    let (mut system, mut asked) = (MockBuildSystem::new(), 0);
    let wait = Duration::from_secs(7);
    system.expect_prepare().times(101).returning(move |_| {
        asked += 1;
        if asked <= 100 { Err(PortError::pending("the repository is being made", wait)) } else { Ok(()) }
    });
    let world = World::with(system);
    for _ in 0..100 {
        assert!(
            matches!(world.perform()[..], [Performed::Retry { after, .. }] if after == wait),
            "neither longer nor less"
        );
        assert!(world.perform().is_empty(), "not before its time");
        world.clock.advance(wait);
    }
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
}

#[test]
fn what_is_refused_is_not_asked_again() {
    let mut system = MockBuildSystem::new();
    system.expect_prepare().times(1).returning(|_| Ok(()));
    system.expect_build().times(1).returning(|_, _| Err(PortError::permanent("the package is blocked")));
    let world = World::with(system);
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    assert!(matches!(world.perform().as_slice(), [Performed::Failed { .. }]));
    assert_eq!(world.build().reason(), Some("component module-build-macros failed to build"));
    assert_eq!(world.build().components[0].state.reason(), Some("the package is blocked (permanent; not tried again)"));
}

#[test]
fn a_start_that_is_given_up_is_cancelled_for_it_may_have_happened() {
    let mut system = MockBuildSystem::new();
    system.expect_prepare().times(1).returning(|_| Ok(()));
    // Each may have started the task and lost the answer.
    system.expect_build().times(8).returning(|_, _| Err(PortError::temporary("the connection was reset")));
    system
        .expect_cancel()
        .times(1)
        .withf(|_, key, task| key.attempt == 1 && task.is_none())
        .returning(|_, _, _| Ok(()));
    system.expect_abandon().times(1).returning(|_| Ok(()));
    let world = World::with(system);
    while world.build().state() == BuildState::Build {
        let _ = world.perform();
        world.clock.advance(Duration::from_secs(120));
    }
    assert!(matches!(world.perform().as_slice(), [Performed::Done, Performed::Done]));
}

#[test]
fn a_cancellation_is_tried_for_a_day() {
    let mut system = MockBuildSystem::new();
    system.expect_prepare().times(1).returning(|_| Ok(()));
    system.expect_build().times(1).returning(|_, _| Ok(TaskId(7)));
    let reset = |calls| if calls < 100 { Err(PortError::temporary("the connection was reset")) } else { Ok(()) };
    let (mut cancelled, mut abandoned) = (0, 0);
    system.expect_cancel().times(100).returning(move |_, _, _| {
        cancelled += 1;
        reset(cancelled)
    });
    system.expect_abandon().times(100).returning(move |_| {
        abandoned += 1;
        reset(abandoned)
    });
    let world = World::with(system);
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    block_on(world.driver.cancel(world.id, sample::owner("alice"))).unwrap();
    for _ in 0..99 {
        assert!(matches!(world.perform().as_slice(), [Performed::Retry { .. }, Performed::Retry { .. }]));
        world.clock.advance(Duration::from_secs(120));
    }
    assert!(matches!(world.perform().as_slice(), [Performed::Done, Performed::Done]));
}

#[test]
fn an_answer_of_an_earlier_run_is_not_that_of_this_one() {
    let clock = TestClock::at(sample::at(0));
    let parts = Parts {
        store: Arc::new(MemoryStore::new()),
        build_system: Arc::new(MockBuildSystem::new()),
        publisher: Arc::new(MemoryPublisher::default()),
        // Waits once before it acts, and once after.
        scm: Arc::new(Faulty::new(MemoryScm::default(), Fates::new(1, 0))),
        clock: Arc::new(clock.clone()),
        allow: AllowList::default(),
        policy: Policy::default(),
    };
    let driver = Driver::new(parts, WorkerId("test".to_owned()));
    let submission = sample::submission(sample::nsvc("lua:5.4:1:c0ffee"));
    let id = block_on(driver.record(submission.clone())).unwrap();
    let state = || block_on(driver.parts().store.load(id)).unwrap().unwrap().state();
    let taken = block_on(driver.take_effects(1)).unwrap().remove(0);
    let mut checking = Box::pin(driver.perform(taken));
    assert!(checking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    block_on(driver.cancel(id, sample::owner("alice"))).unwrap();
    block_on(driver.record(submission)).unwrap();
    let _ = block_on(checking).unwrap();
    assert_eq!(state(), BuildState::Init, "what was checked before is not what was submitted since");
    let taken = block_on(driver.take_effects(1)).unwrap().remove(0);
    assert!(matches!(block_on(driver.perform(taken)).unwrap(), Performed::Done));
    assert_eq!(state(), BuildState::Wait);
}

#[test]
fn a_cancelled_build_ends_its_task_once() {
    let mut system = MockBuildSystem::new();
    system.expect_prepare().times(1).returning(|_| Ok(()));
    system.expect_build().times(1).returning(|_, _| Ok(TaskId(7)));
    system
        .expect_cancel()
        .times(1)
        .withf(|_, key, task| key.component.as_str() == "module-build-macros" && *task == Some(TaskId(7)))
        .returning(|_, _, _| Ok(()));
    system.expect_abandon().times(1).returning(|_| Ok(()));
    let world = World::with(system);
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    block_on(world.driver.cancel(world.id, sample::owner("alice"))).unwrap();
    assert!(matches!(world.perform().as_slice(), [Performed::Done, Performed::Done]));
    assert!(world.perform().is_empty());
    assert_eq!(world.build().reason(), Some("canceled by alice"));
}

#[test]
fn a_task_that_started_while_the_build_was_cancelled_is_ended() {
    let mut system = MockBuildSystem::new();
    system.expect_prepare().times(1).returning(|_| Ok(()));
    system.expect_cancel().times(1).withf(|_, _, task| task.is_none()).returning(|_, _, _| Ok(()));
    system.expect_cancel().times(1).withf(|_, _, task| *task == Some(TaskId(7))).returning(|_, _, _| Ok(()));
    system.expect_abandon().times(1).returning(|_| Ok(()));
    let world = World::with(system);
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    let key = world.build().key(0).unwrap();
    block_on(world.driver.cancel(world.id, sample::owner("alice"))).unwrap();
    // The answer to an instruction that was being performed at that time.
    let started = Fact::ComponentStarted { component: key.component, attempt: 1, task: TaskId(7) };
    block_on(world.driver.apply(world.id, started)).unwrap();
    assert_eq!(world.perform().len(), 4, "the build that is obsolete, the environment, and two cancellations");
    assert!(world.perform().is_empty());
}

/// The build system may begin with a task after it was told to cancel it, when nobody hears any more what became of it.
#[test]
fn a_start_whose_answer_was_lost_is_cancelled_again_when_nobody_wants_it() {
    for (is_tried, cancelled) in [(true, 2), (false, 1)] {
        let mut system = MockBuildSystem::new();
        system.expect_prepare().times(1).returning(|_| Ok(()));
        let lost = |_: &ModuleBuild, _: &ComponentKey| Err(PortError::temporary("the answer was lost"));
        system.expect_build().times(usize::from(is_tried)).returning(lost);
        system.expect_cancel().times(cancelled).withf(|_, _, task| task.is_none()).returning(|_, _, _| Ok(()));
        system.expect_abandon().times(1).returning(|_| Ok(()));
        let world = World::with(system);
        assert!(matches!(world.perform().as_slice(), [Performed::Done]));
        if is_tried {
            assert!(matches!(world.perform().as_slice(), [Performed::Retry { .. }]));
        }
        block_on(world.driver.cancel(world.id, sample::owner("alice"))).unwrap();
        let performed = world.perform().len();
        world.clock.advance(Duration::from_secs(60));
        assert_eq!(performed + world.perform().len(), 3, "the start, the cancellation, and the environment");
        assert!(world.perform().is_empty());
    }
}

/// A build system that is making the first repository of a module, and was asked to end that so often.
fn that_is_making_a_repository(abandoned: usize) -> MockBuildSystem {
    let mut system = MockBuildSystem::new();
    let pending = |_: &ModuleBuild| Err(PortError::pending("the repository is being made", Duration::from_secs(60)));
    system.expect_prepare().returning(pending);
    system.expect_abandon().times(abandoned).returning(|_| Ok(()));
    system
}

#[test]
fn what_was_asked_for_a_build_that_is_cancelled_is_given_up() {
    // Once because it was cancelled, and once because the instruction may have asked again meanwhile.
    let world = World::with(that_is_making_a_repository(2));
    assert!(matches!(world.perform().as_slice(), [Performed::Retry { .. }]));
    block_on(world.driver.cancel(world.id, sample::owner("alice"))).unwrap();
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    world.clock.advance(Duration::from_secs(60));
    assert!(matches!(world.perform().as_slice(), [Performed::Done]));
    assert!(world.perform().is_empty());
}

#[test]
fn what_nobody_has_tried_is_given_up_once() {
    let world = World::with(that_is_making_a_repository(1));
    block_on(world.driver.cancel(world.id, sample::owner("alice"))).unwrap();
    let performed = world.perform();
    assert!(matches!(performed.as_slice(), [Performed::Obsolete, Performed::Done]), "{performed:?}");
}

#[test]
fn what_a_later_run_goes_on_with_is_not_given_up() {
    let world = World::with(that_is_making_a_repository(0));
    assert!(matches!(world.perform().as_slice(), [Performed::Retry { .. }]));
    block_on(world.driver.cancel(world.id, sample::owner("alice"))).unwrap();
    let again = Fact::Resubmitted { by: sample::owner("alice"), submission: None };
    block_on(world.driver.apply(world.id, again)).unwrap();
    assert_eq!(block_on(world.driver.grant_slots()).unwrap(), 1);
    world.clock.advance(Duration::from_secs(60));
    let performed = world.perform();
    let obsolete = performed.iter().filter(|performed| matches!(performed, Performed::Obsolete)).count();
    assert_eq!((obsolete, performed.len()), (2, 3), "those of the run before, and that of this one: {performed:?}");
}

/// A module that waits for a repository; drivers of other build systems can go on with it.
struct Regenerating {
    truth: TestClock,
    memory: MemoryBuildSystem,
    store: MemoryStore,
    id: BuildId,
}

impl Regenerating {
    /// Lets a module come to where its repository is to be asked for.
    fn new() -> Self {
        let truth = TestClock::at(sample::at(0));
        let (memory, store) = (MemoryBuildSystem::new(Arc::new(truth.clone())), MemoryStore::new());
        let mut world = Self { truth, memory, store, id: sample::id(1) };
        let quick = world.quick();
        world.id = block_on(quick.record(sample::submission(sample::nsvc("lua:5.4:1:c0ffee")))).unwrap();
        let asks = |pending: &PendingEffect| matches!(pending.effect.action, Action::RegenerateRepository { .. });
        while !block_on(world.store.pending(world.id)).unwrap().iter().any(asks) {
            let _ = block_on(quick.turn()).unwrap();
            world.truth.advance(Duration::from_secs(1));
        }
        world
    }

    fn driver(&self, system: Arc<dyn BuildSystem>, name: &str) -> Driver {
        let parts = Parts {
            store: Arc::new(self.store.clone()),
            build_system: system,
            publisher: Arc::new(MemoryPublisher::default()),
            scm: Arc::new(MemoryScm::default()),
            clock: Arc::new(self.truth.clone()),
            allow: AllowList::default(),
            policy: Policy::default(),
        };
        Driver::new(parts, WorkerId(name.to_owned()))
    }

    fn quick(&self) -> Driver {
        self.driver(Arc::new(self.memory.clone()), "quick")
    }

    /// Makes a driver that waits once before each call of the build system, and once after.
    fn slow(&self, system: impl BuildSystem + 'static) -> Driver {
        self.driver(Arc::new(Faulty::new(system, Fates::new(1, 0))), "slow")
    }

    /// Cancels the module, and performs what follows from that.
    fn cancel(&self) {
        let quick = self.quick();
        block_on(quick.cancel(self.id, sample::owner("alice"))).unwrap();
        for taken in block_on(quick.take_effects(10)).unwrap() {
            let _ = block_on(quick.perform(taken)).unwrap();
        }
        assert!(self.memory.regenerating().is_empty(), "what there was is ended");
    }
}

/// The process is slower than the cancellation, and than whoever performs what follows from it.
#[test]
fn what_is_asked_for_while_the_build_is_cancelled_is_given_up() {
    for before_it_acts in [true, false] {
        let world = Regenerating::new();
        let slow = world.slow(world.memory.clone());
        let taken = block_on(slow.take_effects(1)).unwrap().remove(0);
        let mut regenerating = Box::pin(slow.perform(taken));
        let mut poll = || regenerating.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending();
        assert!(poll(), "before it acts");
        if !before_it_acts {
            assert!(poll(), "after it acted");
        }
        assert_eq!(world.memory.regenerating().len(), usize::from(!before_it_acts));
        world.cancel();
        assert!(matches!(block_on(regenerating).unwrap(), Performed::Done));
        assert!(world.memory.regenerating().is_empty(), "and what came later");
        assert!(block_on(world.store.pending(world.id)).unwrap().is_empty());
    }
}

/// A look may ask again for a repository that failed.
#[test]
fn what_a_look_asks_for_while_the_build_is_cancelled_is_given_up() {
    for cancelled in [true, false] {
        let world = Regenerating::new();
        let mut system = MockBuildSystem::new();
        system.expect_follow().times(1).returning(|_| Ok(Vec::new()));
        system.expect_abandon().times(usize::from(cancelled)).returning(|_| Ok(()));
        let slow = world.slow(system);
        let mut looking = Box::pin(slow.look(world.id));
        assert!(looking.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending(), "before it asks");
        if cancelled {
            world.cancel();
        }
        assert!(block_on(looking).unwrap().error.is_none());
    }
}
