//! A hub, a build system on it, and modules to build.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rida_core::modulemd;
use rida_core::plan::{ComponentSource, Plan, PlannedComponent, WaitsFor};
use rida_core::scm::GitRef;
use rida_core::testing::{MemoryStore, sample};
use rida_core::{Arch, BuildSystem, ModuleBuild, Phase, Policy, PortErrorKind, Submission, Timestamp};
use rida_koji::testing::{Course, Hub};
use rida_koji::{Client, ClientConfig, ImportConfig, KojiBuildSystem, KojiConfig, Login};

pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) store: MemoryStore,
    last: AtomicI64,
}

pub(crate) const MODULEMD: &str = "document: modulemd\nversion: 2\ndata:\n  summary: A bench\n  description: A bench.\n  \
    license: {module: MIT}\n";

/// Returns the time, which the hub and this service agree on.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap())
}

impl World {
    pub(crate) async fn new() -> Self {
        let hub = Hub::start().await.unwrap();
        {
            let mut world = hub.world();
            world.courses.insert("bad".to_owned(), Course::Fails(20.0));
            world.courses.insert("early".to_owned(), Course::FailsEarly);
            world.courses.insert("slow".to_owned(), Course::Hangs);
        }
        Self { hub, store: MemoryStore::new(), last: AtomicI64::new(0) }
    }

    pub(crate) fn client_config(&self) -> ClientConfig {
        let login = Login::Password { user: "rida".to_owned(), password: "secret".to_owned() };
        ClientConfig { pause: Duration::from_millis(4), ..ClientConfig::new(self.hub.url(), login) }
    }

    pub(crate) fn config(&self) -> KojiConfig {
        KojiConfig {
            base_tags: BTreeMap::from([("platform:el8".to_owned(), "platform-build".to_owned())]),
            import: Some(ImportConfig { tag: Some("modular-candidate".to_owned()), ..ImportConfig::default() }),
            // The hub's time goes faster than this machine's.
            freshness: Duration::ZERO,
            longest_freshness: Duration::ZERO,
            // Most drivers here do one thing after the other.
            gathering: Duration::ZERO,
            ..KojiConfig::default()
        }
    }

    pub(crate) fn system(&self) -> KojiBuildSystem {
        self.system_with(self.config())
    }

    pub(crate) fn system_with(&self, config: KojiConfig) -> KojiBuildSystem {
        let client = Client::new(self.client_config()).unwrap();
        KojiBuildSystem::new(client, config, Arc::new(self.store.clone()))
    }

    /// Prepares a module's environment, which takes until its first repository is there.
    pub(crate) async fn prepare(&self, system: &KojiBuildSystem, build: &ModuleBuild) {
        while let Err(error) = system.prepare(build).await {
            assert_eq!(error.kind(), PortErrorKind::Pending, "{error}");
            self.hub.advance(Duration::from_secs(10));
        }
    }

    /// Returns a module of the macros and these components, each in a batch of its own.
    pub(crate) fn module(&self, components: &[&str]) -> ModuleBuild {
        self.module_of(MODULEMD, components)
    }

    pub(crate) fn module_of(&self, modulemd: &str, components: &[&str]) -> ModuleBuild {
        self.module_for(modulemd, components, &[])
    }

    /// Returns a module whose components are for some architectures alone.
    pub(crate) fn module_with_arches(&self, components: &[&str], arches: &[&str]) -> ModuleBuild {
        self.module_for(MODULEMD, components, arches)
    }

    fn module_for(&self, modulemd: &str, components: &[&str], arches: &[&str]) -> ModuleBuild {
        modulemd::read(modulemd.as_bytes()).unwrap();
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let planned = |batch: u32, name: &str, source: bool| PlannedComponent {
            name: sample::component(name),
            source: source.then(|| ComponentSource {
                repository: sample::repository(name),
                reference: GitRef::new("main").unwrap(),
                cache: None,
            }),
            batch,
            waits_for: WaitsFor::Batches,
            buildonly: name.starts_with("only"),
            arches: arches.iter().filter(|_| source).map(|arch| Arch::new(arch).unwrap()).collect(),
            package: None,
        };
        let macros = planned(1, "module-build-macros", false);
        let others = (2..).zip(components).map(|(batch, name)| planned(batch, name, true));
        let plan = Plan::from_components(std::iter::once(macros).chain(others).collect());
        let nsvc = sample::nsvc(&format!("bench:1.0:{number}:c0ffee"));
        let submission = Submission { plan, modulemd: modulemd.into(), at: now(), ..sample::submission(nsvc) };
        let mut build = rida_core::submit(sample::id(number), submission, &Policy::default()).unwrap().build;
        for (component, name) in build.components.iter_mut().skip(1).zip(components) {
            component.source = Some(Arc::new(sample::source(name)));
        }
        ModuleBuild { phase: Phase::Building { regenerating: None }, ..build }
    }
}
