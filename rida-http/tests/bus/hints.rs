//! Messages are hints: a build succeeds without any, and with each doubled and in the wrong order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rida_core::testing::{MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample};
use rida_core::{BuildState, Commit, Driver, ModuleBuild, Parts, Policy, Store, WorkerId, look_at, submit};
use rida_fedmsg::json::{Json, JsonLimits};
use rida_fedmsg::{Inbox, Incoming, Receiver};
use rida_http::Hints;

pub(crate) struct World {
    pub(crate) store: MemoryStore,
    system: MemoryBuildSystem,
    clock: TestClock,
    pub(crate) driver: Arc<Driver>,
}

impl World {
    /// A build that was just submitted; the build system is asked by itself only every so often.
    pub(crate) async fn new(follow_every: Duration) -> Self {
        let policy = Policy { follow_every, ..Policy::default() };
        let (store, clock) = (MemoryStore::new(), TestClock::at(sample::at(0)));
        let system = MemoryBuildSystem::new(Arc::new(clock.clone()));
        let submission = sample::submission(sample::nsvc("lua:5.4:1:c0ffee"));
        let advance = submit(sample::id(1), submission, &policy).unwrap();
        let event = rida_core::Event { at: sample::at(0), fact: rida_core::Fact::Submitted };
        let commit = Commit {
            before: None,
            after: &advance.build,
            event: &event,
            effects: &advance.effects,
            announcements: &advance.announcements,
            answers: None,
            look_at: look_at(&advance.build, &policy, event.at),
            queue_revision: None,
            room: None,
        };
        store.commit(commit).await.unwrap();
        let parts = Parts {
            store: Arc::new(store.clone()),
            build_system: Arc::new(system.clone()),
            publisher: Arc::new(MemoryPublisher::default()),
            scm: Arc::new(MemoryScm::default()),
            clock: Arc::new(clock.clone()),
            allow: rida_core::scm::AllowList::default(),
            policy,
        };
        let driver = Arc::new(Driver::new(parts, WorkerId("test".to_owned())));
        Self { store, system, clock, driver }
    }

    async fn build(&self) -> ModuleBuild {
        self.store.load(sample::id(1)).await.unwrap().unwrap()
    }

    async fn turn(&self) {
        let _ = self.driver.turn().await.unwrap();
        self.clock.advance(Duration::from_secs(10));
    }

    /// What Koji would say of everything that goes on, true or not, each with its topic.
    async fn messages(&self, round: usize) -> Vec<(String, &'static str, Json)> {
        let build = self.build().await;
        let tag = format!("{}-build", build.tag());
        let mut messages = Vec::new();
        for (planned, component) in build.components() {
            if let Some(task) = component.state.task() {
                for new in [1, 0, 3] {
                    let body = format!(
                        r#"{{"attribute": "state", "instance": "primary", "name": "{}", "version": "1", "release": "1{}",
                            "task_id": {task}, "old": 0, "new": {new}}}"#,
                        planned.name, build.dist_tag,
                    );
                    messages.push(("buildsys.build.state.change", body));
                }
            }
        }
        messages.push(("buildsys.repo.done", format!(r#"{{"tag": "{tag}", "instance": "primary"}}"#)));
        messages.push(("buildsys.tag", format!(r#"{{"tag": "{tag}", "name": "x", "instance": "primary"}}"#)));
        messages.push(("buildsys.repo.done", r#"{"tag": "module-of-nobody-build", "instance": "primary"}"#.to_owned()));
        let read = |body: String| Json::read(body.as_bytes(), JsonLimits::default()).unwrap();
        let numbered = messages.into_iter().enumerate();
        numbered.map(|(number, (topic, body))| (format!("{round}-{number}"), topic, read(body))).collect()
    }

    async fn judge(&self) {
        let build = self.build().await;
        assert_eq!(build.state(), BuildState::Ready, "{:?} {:?}", build.phase, build.reason());
        let started = self.system.started(build.id);
        let once: BTreeMap<_, _> = started.keys().map(|name| (name.clone(), 1)).collect();
        assert_eq!(started, once, "each component was built once");
        assert_eq!(self.system.violations(), Vec::<String>::new());
    }
}

/// How many rounds of ten seconds a build may take.
const ROUNDS: usize = 200;

#[tokio::test]
async fn a_build_succeeds_with_the_bus_off() {
    let world = World::new(Duration::from_secs(20)).await;
    for _ in 0..ROUNDS {
        world.turn().await;
    }
    world.judge().await;
}

#[tokio::test]
async fn a_build_succeeds_with_every_message_doubled_and_reversed() {
    // Without messages nobody would ask within the time of the test.
    let world = World::new(Duration::from_secs(1_000_000)).await;
    let inbox = Inbox::new(Arc::new(Hints::new(Arc::clone(&world.driver))), "primary");
    for round in 0..ROUNDS {
        world.turn().await;
        let mut messages = world.messages(round).await;
        messages.reverse();
        let doubled = messages.iter().flat_map(|message| [message, message]);
        for (id, topic, body) in doubled {
            inbox.take(id, &format!("org.fedoraproject.prod.{topic}"), body).await;
        }
    }
    world.judge().await;
    let counts = ["taken", "repeated", "malformed", "postponed"].map(|name| inbox.received().count(name));
    assert!(counts[0] > 100 && counts[0] == counts[1], "{counts:?}");
    assert_eq!(counts[2..], [0, 0]);
}

#[tokio::test]
async fn without_messages_and_without_looks_nothing_would_go_on() {
    let world = World::new(Duration::from_secs(1_000_000)).await;
    for _ in 0..ROUNDS {
        world.turn().await;
    }
    assert_eq!(world.build().await.state(), BuildState::Build, "so that the test above shows something");
}

#[tokio::test]
async fn what_was_missed_is_asked_for_after_a_connection() {
    let world = World::new(Duration::from_secs(1_000_000)).await;
    let hints = Hints::new(Arc::clone(&world.driver));
    for _ in 0..ROUNDS {
        world.turn().await;
        hints.receive(Incoming::Gap).await.unwrap();
    }
    world.judge().await;
}
