//! Messages are hints: a build succeeds without any, and with each doubled and in the wrong order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use rida_core::testing::{MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample};
use rida_core::{
    BuildId, BuildState, BuildSystem, Commit, ComponentKey, ComponentName, ComponentState, Driver, Fact, LogChunk,
    ModuleBuild, Parts, Policy, PortError, Store, TaskId, WorkerId, look_at, submit,
};
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
        let world = Self { store, system, clock, driver };
        world.submit(1, "lua:5.4:1:c0ffee").await;
        world
    }

    async fn submit(&self, number: i64, nsvc: &str) {
        let policy = &self.driver.parts().policy;
        let advance = submit(sample::id(number), sample::submission(sample::nsvc(nsvc)), policy).unwrap();
        let event = rida_core::Event { at: sample::at(0), fact: rida_core::Fact::Submitted };
        let commit = Commit {
            before: None,
            after: &advance.build,
            event: &event,
            effects: &advance.effects,
            announcements: &advance.announcements,
            answers: None,
            look_at: look_at(&advance.build, policy, event.at),
            queue_revision: None,
            room: None,
        };
        self.store.commit(commit).await.unwrap();
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

/// A build system to which only looks come, and each goes as it is told.
#[derive(Default)]
struct Looked {
    asked: Mutex<Vec<BuildId>>,
    panics: AtomicBool,
    away: AtomicBool,
}

#[async_trait]
impl BuildSystem for Looked {
    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError> {
        self.asked.lock().unwrap().push(build.id);
        assert!(!self.panics.swap(false, Ordering::SeqCst), "what nobody thought of");
        if self.away.load(Ordering::SeqCst) { Err(PortError::unavailable("it is away")) } else { Ok(Vec::new()) }
    }

    async fn prepare(&self, _: &ModuleBuild) -> Result<(), PortError> {
        unreachable!()
    }

    async fn build(&self, _: &ModuleBuild, _: &ComponentKey) -> Result<TaskId, PortError> {
        unreachable!()
    }

    async fn tag(&self, _: &ModuleBuild, _: &[ComponentKey]) -> Result<(), PortError> {
        unreachable!()
    }

    async fn reusable(&self, _: &ModuleBuild, _: &[ComponentName]) -> Result<Vec<ComponentName>, PortError> {
        unreachable!()
    }

    async fn regenerate(&self, _: &ModuleBuild, _: u32) -> Result<(), PortError> {
        unreachable!()
    }

    async fn cancel(&self, _: &ModuleBuild, _: &ComponentKey, _: Option<TaskId>) -> Result<(), PortError> {
        unreachable!()
    }

    async fn write_metadata(&self, _: &ModuleBuild) -> Result<(), PortError> {
        unreachable!()
    }

    async fn read_log(&self, _: &ComponentKey, _: u64, _: usize) -> Result<LogChunk, PortError> {
        unreachable!()
    }
}

#[tokio::test]
async fn a_look_that_panics_or_fails_ends_no_listening_and_delays_no_other_build() {
    let world = World::new(Duration::from_secs(1_000_000)).await;
    world.submit(2, "perl:5.4:1:c0ffee").await;
    let waits = async |number| {
        let build = world.store.load(sample::id(number)).await.unwrap().unwrap();
        build.components.iter().any(|component| matches!(component.state, ComponentState::Building { .. }))
    };
    for round in 0.. {
        if waits(1).await && waits(2).await {
            break;
        }
        assert!(round < ROUNDS);
        world.turn().await;
    }
    let system = Arc::new(Looked::default());
    let mut parts = world.driver.parts().clone();
    parts.build_system = system.clone();
    let hints = Hints::new(Arc::new(Driver::new(parts, WorkerId("listener".to_owned()))));
    let asked = || std::mem::take(&mut *system.asked.lock().unwrap());
    let both = [sample::id(1), sample::id(2)];

    system.panics.store(true, Ordering::SeqCst);
    hints.receive(Incoming::Gap).await.unwrap();
    assert_eq!(asked(), both, "the first panicked, the other is looked at");
    system.away.store(true, Ordering::SeqCst);
    let error = hints.receive(Incoming::Gap).await.unwrap_err();
    assert!(error.is_retryable() && asked() == both, "{error}");
    system.away.store(false, Ordering::SeqCst);
    hints.receive(Incoming::Gap).await.unwrap();
    assert_eq!(asked(), both);
}
