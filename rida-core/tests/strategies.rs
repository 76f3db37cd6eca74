//! What a submission may say of what is built again.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::sync::Arc;

use rida_core::plan::RebuildStrategy;
use rida_core::scm::AllowList;
use rida_core::testing::simulation::block_on;
use rida_core::testing::{MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample};
use rida_core::{BuildId, Driver, ModuleBuild, Parts, Policy, RebuildPolicy, Request, Store, SubmitError, WorkerId};

const URL: &str = "https://src.example.org/modules/foo.git?#main";

const FOO: &str = "document: modulemd\nversion: 2\ndata:\n  name: foo\n  stream: \"1\"\n  summary: A test\n  \
    description: Of a test\n  license: {module: [MIT]}\n  components:\n    rpms:\n      foo: {rationale: tested}\n";

struct World {
    driver: Driver,
    store: MemoryStore,
    clock: TestClock,
}

impl World {
    fn new(mut policy: Policy) -> Self {
        let (store, scm, clock) = (MemoryStore::new(), MemoryScm::default(), TestClock::at(sample::at(0)));
        policy.sources.repository = Some("https://src.example.org/rpms".parse().unwrap());
        scm.put_modulemd(&URL.parse().unwrap(), FOO, sample::at(0));
        let parts = Parts {
            store: Arc::new(store.clone()),
            build_system: Arc::new(MemoryBuildSystem::new(Arc::new(clock.clone()))),
            publisher: Arc::new(MemoryPublisher::default()),
            scm: Arc::new(scm),
            clock: Arc::new(clock.clone()),
            allow: AllowList::new(["https://src.example.org/modules".parse().unwrap()]),
            policy,
        };
        Self { driver: Driver::new(parts, WorkerId("test".to_owned())), store, clock }
    }

    fn build(&self, id: BuildId) -> ModuleBuild {
        block_on(self.store.load(id)).unwrap().unwrap()
    }

    fn until_ended(&self, id: BuildId) {
        while self.build(id).state().is_active() {
            let _ = block_on(self.driver.turn()).unwrap();
            self.clock.advance(std::time::Duration::from_secs(1));
        }
    }

    fn request(&self, strategy: Option<&str>, from: Option<&str>) -> Result<BuildId, SubmitError> {
        block_on(self.driver.submit(Request {
            rebuild_strategy: strategy.map(str::to_owned),
            reuse_from: from.map(str::to_owned),
            ..Request::new(URL, sample::owner("alice"))
        }))
    }
}

#[test]
fn what_is_rebuilt_is_what_may_be_asked_for() {
    let ask = |policy: Policy, strategy: Option<&str>, from: Option<&str>| {
        let world = World::new(policy);
        world.request(strategy, from).map(|id| world.build(id).submission.rebuild_strategy)
    };
    let choices = |choices: &[RebuildStrategy]| {
        let rebuild =
            RebuildPolicy { strategy: RebuildStrategy::OnlyChanged, choices: choices.iter().copied().collect() };
        Policy { rebuild, ..Policy::default() }
    };
    assert_eq!(ask(Policy::default(), None, None).unwrap(), RebuildStrategy::ChangedAndAfter);
    assert_eq!(ask(choices(&[]), None, None).unwrap(), RebuildStrategy::OnlyChanged);
    let both = [RebuildStrategy::All, RebuildStrategy::ChangedAndAfter];
    assert_eq!(ask(choices(&both), Some("all"), None).unwrap(), RebuildStrategy::All);
    for (policy, strategy, from, expected) in [
        (choices(&[]), Some("only-changed"), None, "cannot be chosen here: it is only-changed for every module"),
        (
            choices(&both),
            Some("only-changed"),
            None,
            "\"only-changed\" is not allowed; choose one of: all, changed-and-after",
        ),
        (choices(&both), Some("ALL"), None, "\"ALL\" is not allowed"),
        (choices(&both), Some("all"), Some("1"), "with the rebuild strategy all everything is built"),
        (choices(&both), None, Some("-1"), "neither the number of a build nor"),
        (choices(&both), None, Some("foo:1"), "neither the number of a build nor"),
        (choices(&both), None, Some("991"), "there is no such build"),
        (choices(&both), None, Some("foo:1:1:c0ffee"), "there is no such build"),
    ] {
        let refused = ask(policy, strategy, from).unwrap_err();
        assert!(matches!(refused, SubmitError::Strategy(_) | SubmitError::Donor(_)), "{refused:?}");
        assert!(refused.to_string().contains(expected), "{refused}");
    }
}

#[test]
fn only_a_ready_build_can_be_named_to_take_components_from() {
    let world = World::new(Policy::default());
    let first = world.request(None, None).unwrap();
    let number = first.to_string();
    let refused = world.request(None, Some(&number)).unwrap_err();
    assert!(refused.to_string().contains("it is init, and only what is ready gives"), "{refused}");
    world.until_ended(first);
    let nsvc = world.build(first).nsvc().to_string();
    for from in [&number, &nsvc] {
        // The module itself exists; the one to take from was accepted before that was seen.
        let refused = world.request(None, Some(from)).unwrap_err();
        assert!(matches!(refused, SubmitError::Exists { .. }), "{refused:?}");
    }
}
