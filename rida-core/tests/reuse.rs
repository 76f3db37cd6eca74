//! What one build takes over from an earlier one, from the submission to the finished module.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rida_core::plan::{ComponentSource, Plan, RebuildStrategy, WantedComponent};
use rida_core::scm::{AllowList, GitRef};
use rida_core::testing::simulation::{block_on, replay};
use rida_core::testing::{Course, MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample};
use rida_core::{
    BuildId, BuildState, Change, Clock, Driver, Fact, FailureKind, ModuleBuild, Parts, Policy, Store, Submission,
    WorkerId, waits_for,
};

use RebuildStrategy::{All, ChangedAndAfter, OnlyChanged};

const MODULEMD: &str = "document: modulemd\nversion: 2\ndata:\n  name: foo\n  summary: s\n  description: d\n  license:\n    module: [MIT]\n";

/// Batches 2 to 4 of the modules here, each component with its ref.
const PARTS: [(&str, i64, &str); 5] =
    [("a1", 0, "main"), ("a2", 0, "main"), ("b1", 1, "main"), ("b2", 1, "main"), ("c1", 2, "main")];

struct World {
    driver: Driver,
    clock: TestClock,
    store: MemoryStore,
    system: MemoryBuildSystem,
    publisher: MemoryPublisher,
    policy: Policy,
}

impl World {
    fn new() -> Self {
        let clock = TestClock::at(sample::at(0));
        let system = MemoryBuildSystem::new(Arc::new(clock.clone()));
        let (store, publisher, policy) = (MemoryStore::new(), MemoryPublisher::default(), Policy::default());
        let parts = Parts {
            store: Arc::new(store.clone()),
            build_system: Arc::new(system.clone()),
            publisher: Arc::new(publisher.clone()),
            scm: Arc::new(MemoryScm::default()),
            clock: Arc::new(clock.clone()),
            allow: AllowList::default(),
            policy: policy.clone(),
        };
        let driver = Driver::new(parts, WorkerId("test".to_owned()));
        Self { driver, clock, store, system, publisher, policy }
    }

    fn submit(&self, version: u64, strategy: RebuildStrategy, parts: &[(&str, i64, &str)]) -> BuildId {
        let submission = submission(version, strategy, parts);
        block_on(self.driver.record(Submission { at: self.driver.parts().clock.now(), ..submission })).unwrap()
    }

    fn build(&self, id: BuildId) -> ModuleBuild {
        block_on(self.store.load(id)).unwrap().unwrap()
    }

    fn until(&self, id: BuildId, wanted: impl Fn(&ModuleBuild) -> bool) -> ModuleBuild {
        for _ in 0..10_000 {
            let build = self.build(id);
            if wanted(&build) {
                return build;
            }
            let _ = block_on(self.driver.turn()).unwrap();
            self.clock.advance(Duration::from_secs(1));
        }
        panic!("it waits for ever: {:?}", self.build(id));
    }

    /// Submits, and returns the finished build with the components that tasks were started for.
    fn ready(&self, version: u64, strategy: RebuildStrategy, parts: &[(&str, i64, &str)]) -> (ModuleBuild, String) {
        let id = self.submit(version, strategy, parts);
        let build = self.until(id, |build| !build.state().is_active());
        assert_eq!(build.state(), BuildState::Ready, "{build:?}");
        assert_eq!(self.system.violations(), Vec::<String>::new());
        let log = block_on(self.store.log_of(id)).unwrap();
        let replayed = replay(id, &build.submission, &log.iter().collect::<Vec<_>>(), &self.policy).unwrap();
        assert_eq!(replayed, build, "the log tells all of it");
        let started: Vec<_> = self.system.started(id).into_keys().map(|name| name.to_string()).collect();
        (build, started.join(" ").replace("module-build-macros", "macros"))
    }
}

fn submission(version: u64, strategy: RebuildStrategy, parts: &[(&str, i64, &str)]) -> Submission {
    let wanted = parts.iter().map(|(name, buildorder, reference)| WantedComponent {
        name: sample::component(name),
        source: ComponentSource {
            repository: sample::repository(name),
            reference: GitRef::new(reference).unwrap(),
            cache: None,
        },
        buildorder: *buildorder,
        buildafter: Vec::new(),
        buildonly: false,
        arches: Vec::new(),
    });
    Submission {
        plan: Plan::new(wanted.collect()).unwrap(),
        modulemd: MODULEMD.into(),
        rebuild_strategy: strategy,
        ..sample::submission(sample::nsvc(&format!("foo:1:{version}:c0ffee")))
    }
}

fn with_ref(name: &str, reference: &'static str) -> Vec<(&'static str, i64, &'static str)> {
    PARTS.into_iter().map(|(of, order, old)| (of, order, if of == name { reference } else { old })).collect()
}

fn taken(build: &ModuleBuild) -> String {
    let taken = build.components().filter(|(_, component)| component.taken().is_some());
    taken.map(|(planned, _)| planned.name.as_str()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_changed_ref_starts_the_tasks_that_the_strategy_asks_for() {
    for (strategy, expected) in
        [(All, "a1 a2 b1 b2 c1 macros"), (ChangedAndAfter, "b1 c1 macros"), (OnlyChanged, "b1 macros")]
    {
        let world = World::new();
        let (first, started) = world.ready(1, All, &PARTS);
        assert_eq!(started, "a1 a2 b1 b2 c1 macros");
        let (second, started) = world.ready(2, strategy, &with_ref("b1", "next"));
        assert_eq!(started, expected, "{strategy}");
        let tagged: BTreeSet<_> = world.system.tagged(second.id).into_iter().map(|name| name.to_string()).collect();
        assert_eq!(tagged.len(), 6, "everything is in the tag, with {strategy}: {tagged:?}");
        for (planned, component) in second.components().filter(|(_, component)| component.taken().is_some()) {
            let (_, theirs) = first.component(&planned.name).unwrap();
            assert_eq!(component.state.built(), theirs.state.built(), "{} is that of the first", planned.name);
            assert_eq!(component.reason(), Some("Reused component from previous module build"));
        }
        assert_eq!(second.donor(), (strategy != All).then_some(first.id));
    }
}

#[test]
fn when_nothing_changed_nothing_is_built_not_even_the_macros() {
    let world = World::new();
    let (first, _) = world.ready(1, All, &PARTS);
    let before = world.clock.now();
    let (second, started) = world.ready(2, ChangedAndAfter, &PARTS);
    assert_eq!((started.as_str(), taken(&second).as_str()), ("", "a1 a2 b1 b2 c1"));
    let took = world.clock.now().since(before);
    assert!(took < Duration::from_secs(60), "nothing is waited for, but it took {took:?}");
    assert_eq!(second.components[0].state.name(), "unneeded");
    assert_eq!(second.repository_generation, 0, "nobody needs a repository to build in");
    // From one that built nothing itself, and has no macros.
    let (third, started) = world.ready(3, ChangedAndAfter, &with_ref("c1", "next"));
    assert_eq!((started.as_str(), taken(&third).as_str()), ("c1 macros", "a1 a2 b1 b2"));
    assert_eq!(third.donor(), Some(second.id), "the last one, not {}", first.id);
    assert_eq!(third.components[1].state.built(), first.components[1].state.built());
}

#[test]
fn what_is_taken_over_enters_the_repository_when_it_would_have_been_built() {
    // The build system in memory notes what starts before all that it waits for is in a repository; here: and not what
    // comes later.
    let world = World::new();
    world.ready(1, All, &PARTS);
    let id = world.submit(2, OnlyChanged, &with_ref("b1", "next"));
    let started = |build: &ModuleBuild| build.component(&sample::component("b1")).unwrap().1.state.task().is_some();
    let building = world.until(id, started);
    let state = |name: &str| building.component(&sample::component(name)).unwrap().1.state.name();
    assert_eq!([state("a1"), state("a2")], ["available"; 2]);
    assert_ne!(state("b2"), "available", "b1 is not built against its peer");
    assert_eq!(state("c1"), "waiting", "b1 is not built against what comes later");
    let told = waits_for(&building, &rida_core::Queue::default(), &[], &world.policy, world.clock.now());
    assert!(told.iter().any(|line| line.starts_with("c1: it is taken over from build 1")), "{told:?}");
    world.until(id, |build| build.state() == BuildState::Ready);
}

#[test]
fn what_is_taken_over_takes_no_place_of_those_that_are_built_at_once() {
    let world = World::new();
    let many: Vec<(String, i64)> = (0..12).map(|number| (format!("p{number}"), 0)).collect();
    let parts = |reference: &'static str| -> Vec<(&str, i64, &'static str)> {
        let reference = |name: &str| if name == "p11" { reference } else { "main" };
        many.iter().map(|(name, order)| (name.as_str(), *order, reference(name))).collect()
    };
    world.ready(1, All, &parts("main"));
    let id = world.submit(2, ChangedAndAfter, &parts("next"));
    let running =
        |build: &ModuleBuild| build.component(&sample::component("p11")).unwrap().1.state.name() == "building";
    world.until(id, running);
    let built = world.until(id, |build| taken(build).split(' ').count() == 11 && running(build));
    let names: BTreeSet<_> = built.components.iter().map(|component| component.state.name()).collect();
    assert!(built.state() == BuildState::Build && !names.contains("submitted"), "{names:?}");
}

#[test]
fn what_is_gone_is_built() {
    let world = World::new();
    let (first, _) = world.ready(1, All, &PARTS);
    world.system.lose(first.id, &sample::component("b2"));
    let (second, started) = world.ready(2, ChangedAndAfter, &PARTS);
    assert_eq!((started.as_str(), taken(&second).as_str()), ("b2 c1 macros", "a1 a2 b1"));
}

#[test]
fn what_goes_between_the_decision_and_the_tagging_is_built_when_it_is_submitted_again() {
    let world = World::new();
    let (first, _) = world.ready(1, All, &PARTS);
    let id = world.submit(2, ChangedAndAfter, &with_ref("c1", "next"));
    world.until(id, |build| build.donor().is_some());
    world.system.lose(first.id, &sample::component("a2"));
    let failed = world.until(id, |build| !build.state().is_active());
    assert!(failed.reason().unwrap().contains("has no a2 any more"), "{failed:?}");
    let (again, started) = world.ready(2, ChangedAndAfter, &with_ref("c1", "next"));
    assert_eq!(again.id, id);
    // The macros are there from the first run.
    assert_eq!((started.as_str(), taken(&again).as_str()), ("a2 b1 b2 c1 macros", "a1"));
}

#[test]
fn a_cancelled_build_keeps_what_it_took_over() {
    let world = World::new();
    let (first, _) = world.ready(1, All, &PARTS);
    let id = world.submit(2, ChangedAndAfter, &with_ref("b1", "next"));
    let started = |build: &ModuleBuild| build.component(&sample::component("b1")).unwrap().1.state.task().is_some();
    world.until(id, started);
    block_on(world.driver.cancel(id, sample::owner("dave"))).unwrap();
    let failed = world.build(id);
    let names: Vec<_> = failed.components.iter().map(|component| component.state.name()).collect();
    assert_eq!(names[..4], ["available", "available", "available", "canceled"], "{failed:?}");
    // Meanwhile another build is there to take from; the one before is kept to.
    let (other, _) = world.ready(3, ChangedAndAfter, &PARTS);
    assert_ne!(other.id, first.id);
    let (again, _) = world.ready(2, ChangedAndAfter, &with_ref("b1", "next"));
    assert_eq!((again.id, again.donor()), (id, Some(first.id)));
    assert_eq!(taken(&again), "a1 a2 b2");
    let donors: BTreeSet<_> = again.components.iter().filter_map(|c| c.taken()).map(|taken| taken.build).collect();
    assert_eq!(donors.len(), 1, "what one build takes over was built together");
}

#[test]
fn what_was_not_yet_taken_over_is_decided_anew() {
    let world = World::new();
    let (first, _) = world.ready(1, All, &PARTS);
    let id = world.submit(2, ChangedAndAfter, &with_ref("c1", "next"));
    // While the macros are built, and nothing is tagged.
    let build = world.until(id, |build| build.components[0].state.task().is_some());
    assert_eq!((build.donor(), taken(&build).as_str()), (Some(first.id), "a1 a2 b1 b2"));
    block_on(world.driver.cancel(id, sample::owner("dave"))).unwrap();
    let (third, _) = world.ready(3, All, &PARTS);
    let (again, _) = world.ready(2, ChangedAndAfter, &with_ref("c1", "next"));
    assert_eq!((again.id, again.donor()), (id, Some(third.id)), "the last one by now");
}

#[test]
fn a_component_that_fails_leaves_what_was_taken_over() {
    let world = World::new();
    world.ready(1, All, &PARTS);
    world.system.set_course(&sample::component("b1"), Course::Fails(Duration::from_secs(5)));
    let id = world.submit(2, ChangedAndAfter, &with_ref("b1", "next"));
    let failed = world.until(id, |build| !build.state().is_active());
    assert!(matches!(&failed.phase, rida_core::Phase::Failed(f) if f.kind == FailureKind::Components), "{failed:?}");
    let names: Vec<_> = failed.components.iter().map(|component| component.state.name()).collect();
    assert_eq!(names[1..], ["available", "available", "failed", "tagged", "canceled"], "its peer is taken over");
    world.system.set_course(&sample::component("b1"), Course::Succeeds(Duration::from_secs(5)));
    let (again, _) = world.ready(2, ChangedAndAfter, &with_ref("b1", "next"));
    assert_eq!(taken(&again), "a1 a2 b2");
}

#[test]
fn only_a_ready_build_of_the_same_stream_against_the_same_streams_gives() {
    let world = World::new();
    let (first, _) = world.ready(1, OnlyChanged, &PARTS);
    let (second, _) = world.ready(2, ChangedAndAfter, &PARTS);
    assert_eq!((taken(&first), second.donor()), (String::new(), None), "by another strategy than it needs");
    let mut other = submission(3, ChangedAndAfter, &PARTS);
    other.build_requires[0].stream = "el9".parse().unwrap();
    let id = block_on(world.driver.record(other)).unwrap();
    assert_eq!(world.until(id, |build| build.state() == BuildState::Ready).donor(), None);
    let mut other = submission(4, ChangedAndAfter, &PARTS);
    other.nsvc = sample::nsvc("foo:2:4:c0ffee");
    let id = block_on(world.driver.record(other)).unwrap();
    assert_eq!(world.until(id, |build| build.state() == BuildState::Ready).donor(), None);
    let (fifth, started) = world.ready(5, OnlyChanged, &PARTS);
    assert_eq!((fifth.donor(), started.as_str()), (Some(second.id), ""));
}

#[test]
fn the_world_is_told_of_what_was_taken_over() {
    let world = World::new();
    world.ready(1, All, &PARTS);
    let (second, _) = world.ready(2, ChangedAndAfter, &PARTS);
    world.until(second.id, |_| block_on(world.driver.publish(64)).unwrap().announcements == 0);
    let told = world.publisher.published();
    let told: Vec<_> = told.iter().filter(|announcement| announcement.id.build == second.id).collect();
    let of_a1 = told.iter().find_map(|announcement| match &announcement.change {
        Change::Component { component, state, task, nvr, reason, .. }
            if component.as_str() == "a1" && &**state == "built" =>
        {
            Some((*task, nvr.clone(), reason.clone()))
        }
        _ => None,
    });
    let built = second.components[1].state.built().unwrap();
    let reason = Some("Reused component from previous module build".into());
    assert_eq!(of_a1, Some((Some(built.task), Some(built.nvr.clone()), reason)));
    let strategies: BTreeSet<_> = told
        .iter()
        .filter_map(|announcement| match &announcement.change {
            Change::Module { details, .. } => Some(details.as_ref()?.rebuild_strategy),
            Change::Component { .. } => None,
        })
        .collect();
    assert_eq!(strategies, BTreeSet::from([ChangedAndAfter]));
}

#[test]
fn a_decision_that_cannot_be_is_refused() {
    let world = World::new();
    let id = world.submit(1, ChangedAndAfter, &PARTS);
    let build = world.until(id, |build| build.phase == rida_core::Phase::Preparing);
    let stranger = Fact::EnvironmentPrepared {
        reuse: Some(sample::reuse(sample::id(9)).into()),
        without: Vec::new(),
        changed: Vec::new(),
    };
    assert!(block_on(world.driver.apply(id, stranger)).is_err(), "it decides of components that there are none of");
    assert_eq!(world.build(id), build);
}

#[test]
fn a_build_that_is_named_gives_whatever_it_was_built_by() {
    let world = World::new();
    let (first, _) = world.ready(1, OnlyChanged, &PARTS);
    let (second, _) = world.ready(2, All, &with_ref("a1", "next"));
    let named = Submission { reuse_from: Some(first.id), ..submission(3, ChangedAndAfter, &PARTS) };
    let id = block_on(world.driver.record(named)).unwrap();
    let build = world.until(id, |build| build.state() == BuildState::Ready);
    assert_eq!((build.donor(), taken(&build).as_str()), (Some(first.id), "a1 a2 b1 b2 c1"));
    let (fourth, _) = world.ready(4, ChangedAndAfter, &with_ref("a1", "next"));
    assert_ne!(fourth.donor(), Some(second.id), "the last one is the third");
}
