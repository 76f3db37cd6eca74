//! Whole modules, from their submission on, by the core's driver.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use rida_core::plan::{ComponentSource, Plan, WantedComponent};
use rida_core::scm::{AllowList, GitRef};
use rida_core::testing::{MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample};
use rida_core::{BuildId, Clock, Driver, ModuleBuild, Parts, Policy, Store, Submission, WorkerId};
use rida_koji::xmlrpc::Value;
use rida_koji::{KojiBuildSystem, KojiConfig};

use super::world::{World, now};

/// How much time goes by between two turns of a driver.
const STEP: Duration = Duration::from_secs(5);
/// How many turns a module may take.
const TURNS: usize = 2000;

pub(crate) struct Flow {
    pub(crate) world: World,
    pub(crate) clock: TestClock,
    publisher: MemoryPublisher,
    pub(crate) policy: Policy,
    pub(crate) config: KojiConfig,
    drivers: std::sync::atomic::AtomicU32,
}

impl Flow {
    pub(crate) async fn new() -> Self {
        let world = World::new().await;
        Self {
            config: world.config(),
            world,
            clock: TestClock::at(now()),
            publisher: MemoryPublisher::default(),
            policy: Policy::default(),
            drivers: std::sync::atomic::AtomicU32::new(0),
        }
    }

    /// Returns the same hub, used with a database that knows nothing of what was.
    pub(crate) fn with_another_database(mut self) -> Self {
        self.world.store = MemoryStore::new();
        self
    }

    pub(crate) fn driver(&self) -> Driver {
        self.driver_of(Arc::new(self.world.system_with(self.config.clone())))
    }

    /// Makes a driver that asks the hub as seldom as a service does.
    pub(crate) fn sparing_driver(&self) -> Driver {
        let KojiConfig { freshness, longest_freshness, .. } = KojiConfig::default();
        let system = self.world.system_with(KojiConfig { freshness, longest_freshness, ..self.config.clone() });
        let (clock, began) = (self.clock.clone(), self.clock.now());
        self.driver_of(Arc::new(system.with_clock(move || clock.now().since(began))))
    }

    pub(crate) fn driver_of(&self, system: Arc<KojiBuildSystem>) -> Driver {
        let number = self.drivers.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let parts = Parts {
            store: Arc::new(self.world.store.clone()),
            build_system: system,
            publisher: Arc::new(self.publisher.clone()),
            scm: Arc::new(MemoryScm::default()),
            clock: Arc::new(self.clock.clone()),
            allow: AllowList::default(),
            policy: self.policy.clone(),
        };
        Driver::new(parts, WorkerId(format!("driver-{number}")))
    }

    /// Submits a module of components, each with its batch.
    pub(crate) async fn submit(&self, modulemd: &str, components: &[(&str, i64)]) -> BuildId {
        self.submit_as("bench:1.0:1:c0ffee", modulemd, components).await
    }

    /// Submits a module under another name.
    pub(crate) async fn submit_as(&self, nsvc: &str, modulemd: &str, components: &[(&str, i64)]) -> BuildId {
        let wanted = components.iter().map(|(name, buildorder)| WantedComponent {
            name: sample::component(name),
            source: ComponentSource {
                repository: sample::repository(name),
                reference: GitRef::new("main").unwrap(),
                cache: None,
            },
            buildorder: *buildorder,
            buildafter: Vec::new(),
            buildonly: name.starts_with("only"),
            arches: Vec::new(),
        });
        let plan = Plan::new(wanted.collect()).unwrap();
        let nsvc = sample::nsvc(nsvc);
        let submission =
            Submission { plan, modulemd: modulemd.into(), at: self.clock.now(), ..sample::submission(nsvc) };
        self.driver().record(submission).await.unwrap()
    }

    pub(crate) fn pass(&self) {
        self.pass_for(STEP);
    }

    pub(crate) fn pass_for(&self, time: Duration) {
        self.clock.advance(time);
        self.world.hub.advance(time);
    }

    pub(crate) async fn load(&self, id: BuildId) -> ModuleBuild {
        self.world.store.load(id).await.unwrap().unwrap()
    }

    /// Drives until a build has ended, and everything that follows from that is done.
    pub(crate) async fn until_ended(&self, driver: &Driver, id: BuildId) -> ModuleBuild {
        for _ in 0..TURNS {
            let _ = driver.turn().await.unwrap();
            let build = self.load(id).await;
            if !build.state().is_active() && self.world.store.effects().is_empty() {
                return build;
            }
            self.pass();
        }
        panic!("it does not end: {:#?}", self.load(id).await.components);
    }

    /// The same, and instructions that are due together are performed together, as a service does.
    pub(crate) async fn until_ended_at_once(&self, driver: &Driver, id: BuildId) -> ModuleBuild {
        for _ in 0..TURNS {
            let taken = driver.take_effects(16).await.unwrap();
            for performed in join_all(taken.into_iter().map(|taken| driver.perform(taken))).await {
                let _ = performed.unwrap();
            }
            let _ = driver.turn().await.unwrap();
            let build = self.load(id).await;
            if !build.state().is_active() && self.world.store.effects().is_empty() {
                return build;
            }
            self.pass();
        }
        panic!("it does not end: {:#?}", self.load(id).await.components);
    }

    pub(crate) async fn until(&self, driver: &Driver, what: impl Fn(&Self) -> bool) {
        for _ in 0..TURNS {
            if what(self) {
                return;
            }
            let _ = driver.turn().await.unwrap();
            self.pass();
        }
        panic!("it does not come to that");
    }

    /// Returns how many tasks of a method there were for a component.
    pub(crate) fn tasks(&self, component: &str) -> usize {
        let world = self.world.hub.world();
        let is_of = |request: &[Value]| match request.get(2) {
            Some(Value::Struct(options)) => options.get("mbs_artifact_name") == Some(&Value::from(component)),
            _ => false,
        };
        world.tasks().filter(|task| task.method == "build" && is_of(&task.request)).count()
    }
}

pub(crate) const THREE: &[(&str, i64)] = &[("alpha", 0), ("beta", 0), ("gamma", 10)];
