//! What is recorded of submissions: one build, several or none, and under which names.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::sync::Arc;

use rida_core::scm::AllowList;
use rida_core::testing::simulation::block_on;
use rida_core::testing::{MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample};
use rida_core::{
    BuildId, BuildState, Driver, Fact, ModuleBuild, Parts, Policy, Request, Store, Submission, SubmitError, WorkerId,
};

struct World {
    driver: Driver,
    store: MemoryStore,
    scm: MemoryScm,
    clock: TestClock,
}

impl World {
    fn new(policy: Policy) -> Self {
        let (store, scm, clock) = (MemoryStore::new(), MemoryScm::default(), TestClock::at(sample::at(0)));
        let mut policy = policy;
        policy.sources.repository = Some(sample::repository("x").to_string().replace("/x.git", "").parse().unwrap());
        let parts = Parts {
            store: Arc::new(store.clone()),
            build_system: Arc::new(MemoryBuildSystem::new(Arc::new(clock.clone()))),
            publisher: Arc::new(MemoryPublisher::default()),
            scm: Arc::new(scm.clone()),
            clock: Arc::new(clock.clone()),
            allow: AllowList::new(["https://src.example.org/modules".parse().unwrap()]),
            policy,
        };
        Self { driver: Driver::new(parts, WorkerId("test".to_owned())), store, scm, clock }
    }

    fn build(&self, id: BuildId) -> ModuleBuild {
        block_on(self.store.load(id)).unwrap().unwrap()
    }

    fn context(&self, id: BuildId) -> String {
        self.build(id).nsvc().context.to_string()
    }

    /// Takes turns, a second apart, until a build has ended.
    fn until_ended(&self, id: BuildId) -> ModuleBuild {
        for _ in 0..10_000 {
            let _ = block_on(self.driver.turn()).unwrap();
            let build = self.build(id);
            if !build.state().is_active() {
                return build;
            }
            self.clock.advance(std::time::Duration::from_secs(1));
        }
        panic!("it does not end: {:?}", self.build(id));
    }

    fn submit(&self, scratch: bool) -> Result<BuildId, SubmitError> {
        let url = "https://src.example.org/modules/foo.git?#main";
        block_on(self.driver.submit(Request { scratch, ..Request::new(url, sample::owner("alice")) }))
    }
}

const FOO: &str = "document: modulemd\nversion: 2\ndata:\n  name: foo\n  stream: \"1\"\n  summary: A test\n  \
    description: Of a test\n  license: {module: [MIT]}\n  dependencies:\n  - buildrequires: {platform: [f28]}\n    \
    requires: {platform: [f28]}\n  components:\n    rpms:\n      foo: {rationale: tested}\n";

fn scratch_world() -> World {
    let world = World::new(Policy { allow_scratch: true, ..Policy::default() });
    let url = "https://src.example.org/modules/foo.git?#main".parse().unwrap();
    world.scm.put_modulemd(&url, FOO, sample::at(0));
    world
}

#[test]
fn scratch_builds_take_no_name_of_others_whoever_is_first() {
    // After a normal build, before one, and after another scratch build.
    for order in [[false, true, true], [true, false, true], [true, true, false]] {
        let world = scratch_world();
        let ids = order.map(|scratch| world.submit(scratch).unwrap());
        let contexts: Vec<String> = ids.iter().map(|id| world.context(*id)).collect();
        let mut tried = 0;
        for (scratch, context) in order.into_iter().zip(&contexts) {
            tried += usize::from(scratch);
            let expected = if scratch { format!("9c690d0e_{tried}") } else { "9c690d0e".to_owned() };
            assert_eq!(*context, expected, "{order:?}: {contexts:?}");
        }
        for (id, scratch) in ids.into_iter().zip(order) {
            let build = world.until_ended(id);
            let (state, tag) = (build.state(), build.tag().to_string());
            assert_eq!(state, if scratch { BuildState::Done } else { BuildState::Ready });
            assert_eq!(tag.starts_with("scrmod-foo-1-28") && tag.ends_with(&format!("+{id}")), scratch, "{tag}");
        }
    }
}

#[test]
fn a_scratch_build_that_failed_is_submitted_as_another() {
    let world = scratch_world();
    let first = world.submit(true).unwrap();
    block_on(world.driver.cancel(first, sample::owner("alice"))).unwrap();
    let second = world.submit(true).unwrap();
    assert_ne!(first, second);
    assert_eq!((world.context(first).as_str(), world.context(second).as_str()), ("9c690d0e_1", "9c690d0e_2"));
    assert_eq!(world.build(first).state(), BuildState::Failed);
}

#[test]
fn scratch_builds_are_refused_unless_they_are_enabled() {
    let world = scratch_world();
    let parts = Parts { policy: Policy::default(), ..world.driver.parts().clone() };
    let world = World { driver: Driver::new(parts, WorkerId("strict".to_owned())), ..world };
    let refused = world.submit(true).unwrap_err();
    assert!(matches!(refused, SubmitError::NoScratch), "{refused}");
    assert!(refused.to_string().contains("builds.allow_scratch"), "{refused}");
}

#[test]
fn nothing_is_built_against_what_is_only_tried() {
    let world = scratch_world();
    let id = world.submit(true).unwrap();
    world.until_ended(id);
    let url = "https://src.example.org/modules/bar.git?#main".parse().unwrap();
    let bar = FOO.replace("name: foo", "name: bar").replace("{platform: [f28]}\n    r", "{foo: [\"1\"]}\n    r");
    world.scm.put_modulemd(&url, &bar, sample::at(0));
    let bar = || Request::new(url.to_string(), sample::owner("alice"));
    let refused = block_on(world.driver.submit(bar())).unwrap_err().to_string();
    assert!(refused.contains("foo:1, which has no ready build here"), "{refused}");
    let normal = world.submit(false).unwrap();
    world.until_ended(normal);
    let built = block_on(world.driver.submit(bar())).unwrap();
    assert_eq!(world.build(built).submission.build_requires[0].build, Some(normal));
}

#[test]
fn long_contexts_give_way_to_the_number() {
    let world = World::new(Policy::default());
    let tried = |context: &str| {
        let submission = sample::submission(sample::nsvc(&format!("foo:1:1:{context}")));
        let id = block_on(world.driver.record(Submission { scratch: true, ..submission })).unwrap();
        world.context(id)
    };
    assert_eq!(tried("abcdefghijklm"), "abcdefghijk_1");
    assert_eq!(tried("abcdefghijkxy"), "abcdefghijk_2", "another context that is cut to the same");
    assert_eq!(tried("abc_1"), "abc_1_1");
    assert_eq!(tried("abc"), "abc_1");
    assert_eq!(tried("abc"), "abc_2");
}

#[test]
fn what_is_submitted_together_is_recorded_together_or_not_at_all() {
    let policy = Policy::default();
    let world = World::new(Policy { limits: rida_core::Limits { queue: 3, ..policy.limits }, ..policy });
    let of = |context: &str| sample::submission(sample::nsvc(&format!("foo:1:1:{context}")));
    let together = |contexts: &[&str]| block_on(world.driver.record_all(contexts.iter().map(|it| of(it)).collect()));
    let ids = together(&["a", "b"]).unwrap();
    for (id, other) in [(ids[0], ids[1]), (ids[1], ids[0])] {
        let build = world.build(id);
        assert_eq!(build.submission.siblings, [other]);
        assert!(build.dist_tag.as_str().starts_with(&format!(".module+el8+{}+", ids[0])), "{}", build.dist_tag);
    }
    assert_ne!(world.build(ids[0]).dist_tag, world.build(ids[1]).dist_tag);
    // One more has room, two have not.
    let refused = together(&["c", "d"]).unwrap_err();
    assert!(matches!(refused, SubmitError::QueueFull { .. }), "{refused}");
    assert_eq!(block_on(world.store.count(&rida_core::BuildFilter::default())).unwrap(), 2);
    // What exists is left alone as long as anything is new.
    let all = together(&["a", "b", "c"]).unwrap();
    assert_eq!(all[..2], ids);
    assert_eq!(world.build(all[2]).submission.siblings, ids);
    assert_eq!(world.build(ids[0]).revision, 1);
    let refused = together(&["b", "a"]).unwrap_err();
    assert!(matches!(refused, SubmitError::Exists { id, .. } if id == ids[1]), "{refused}");
    // What failed is taken up again.
    block_on(world.driver.cancel(ids[1], sample::owner("bob"))).unwrap();
    assert_eq!(together(&["a", "b"]).unwrap(), ids);
    let log = block_on(world.store.log_of(ids[1])).unwrap();
    assert!(matches!(log.last().unwrap().event.fact, Fact::Resubmitted { .. }));
    assert_eq!(world.build(ids[1]).state(), BuildState::Init);
}
