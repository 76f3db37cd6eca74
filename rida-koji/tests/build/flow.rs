//! Whole modules, from their submission on, by the core's driver.

use std::sync::Arc;
use std::time::Duration;

use rida_core::plan::{ComponentSource, Plan, WantedComponent};
use rida_core::scm::{AllowList, GitRef};
use rida_core::testing::{MemoryPublisher, MemoryScm, TestClock, sample};
use rida_core::{
    BuildId, BuildState, BuildSystem, Clock, ComponentState, Driver, ModuleBuild, Parts, Policy, Store, Submission,
    WorkerId,
};
use rida_koji::testing::{Course, Dialect, Trouble, When};
use rida_koji::xmlrpc::{Fault, Value};
use rida_koji::{KojiBuildSystem, fault};

use crate::world::{MODULEMD, World, now};

/// How much time goes by between two turns of a driver.
const STEP: Duration = Duration::from_secs(5);
/// How many turns a module may take.
const TURNS: usize = 2000;

pub(crate) struct Flow {
    pub(crate) world: World,
    clock: TestClock,
    publisher: MemoryPublisher,
    policy: Policy,
    drivers: std::sync::atomic::AtomicU32,
}

impl Flow {
    pub(crate) async fn new() -> Self {
        Self {
            world: World::new().await,
            clock: TestClock::at(now()),
            publisher: MemoryPublisher::default(),
            policy: Policy::default(),
            drivers: std::sync::atomic::AtomicU32::new(0),
        }
    }

    pub(crate) fn driver(&self) -> Driver {
        self.driver_of(Arc::new(self.world.system()))
    }

    fn driver_of(&self, system: Arc<KojiBuildSystem>) -> Driver {
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
        let nsvc = sample::nsvc("bench:1.0:1:c0ffee");
        let submission =
            Submission { plan, modulemd: modulemd.into(), at: self.clock.now(), ..sample::submission(nsvc) };
        self.driver().record(submission).await.unwrap()
    }

    pub(crate) fn pass(&self) {
        self.clock.advance(STEP);
        self.world.hub.advance(STEP);
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

fn dist(build: &ModuleBuild) -> &str {
    build.dist_tag.as_str()
}

#[tokio::test]
async fn a_module_is_built_batch_by_batch_and_imported() {
    for dialect in [Dialect::released(), Dialect::next(), Dialect::old()] {
        let flow = Flow::new().await;
        flow.world.hub.world().dialect = dialect.clone();
        let id = flow.submit(MODULEMD, THREE).await;
        let build = flow.until_ended(&flow.driver(), id).await;
        assert_eq!(build.state(), BuildState::Ready, "{dialect:?}: {:?}", build.reason());
        flow.pass();
        let world = flow.world.hub.world();
        let nvr = |name: &str, version: &str| format!("{name}-{version}-1{}", dist(&build));
        let tag = build.tag().to_string();
        let mut tagged = world.tagged(&tag);
        tagged.sort();
        assert_eq!(tagged, ["alpha", "beta", "gamma"].map(|name| nvr(name, "1.0")));
        assert_eq!(world.tagged(&format!("{tag}-build")).len(), 4, "the macros are only built with");
        assert_eq!(world.tagged(&format!("{tag}-build"))[0], nvr("module-build-macros", "0.1"));
        assert!(world.targets().any(|target| target == rida_core::target_name(build.nsvc()).as_str()));
        // One repository for the macros, one with them, one with the first batch.
        assert_eq!(world.tasks().filter(|task| task.method == "newRepo").count(), 3, "{dialect:?}");
        assert_eq!(world.tagged("modular-candidate").len(), 2, "{:?}", world.tagged("modular-candidate"));
        for component in ["alpha", "beta", "gamma", "module-build-macros"] {
            assert!(build.component(&sample::component(component)).unwrap().1.state.built().is_some());
        }
    }
}

#[tokio::test]
async fn a_module_without_components_needs_no_builder() {
    let flow = Flow::new().await;
    let id = flow.submit(MODULEMD, &[]).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    assert_eq!(flow.world.hub.world().tasks().filter(|task| task.method == "build").count(), 0);
}

#[tokio::test]
async fn the_imported_module_has_its_documents_and_its_companion() {
    let flow = Flow::new().await;
    flow.world.hub.world().more_packages.insert("alpha".to_owned(), vec!["alpha-devel".into(), "alpha-tests".into()]);
    let modulemd = format!("{MODULEMD}  filter: {{rpms: [alpha-tests]}}\n  api: {{rpms: [alpha]}}\n");
    let id = flow.submit(&modulemd, &[("alpha", 0), ("onlytool", 0)]).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    let world = flow.world.hub.world();
    let text = |nvr: &str, file: &str| {
        let content = world.uploaded(&format!("rida/{nvr}/{file}")).unwrap();
        String::from_utf8(content.to_vec()).unwrap()
    };
    let module = "bench-1.0-1.c0ffee";
    let files: Vec<&str> = world.uploads().filter(|path| path.contains(module)).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    let document = text(module, "modulemd.x86_64.txt");
    let read = rida_core::modulemd::read(document.as_bytes()).unwrap().into_stream().unwrap();
    let release = format!("1{}", dist(&build));
    let artifacts: Vec<&str> = read.artifacts.rpms.iter().map(String::as_str).collect();
    assert_eq!(
        artifacts,
        [
            format!("alpha-0:1.0-{release}.src"),
            format!("alpha-0:1.0-{release}.x86_64"),
            format!("alpha-devel-0:1.0-{release}.x86_64")
        ]
    );
    assert_eq!((read.arch.as_deref(), read.context.as_deref()), (Some("x86_64"), Some("c0ffee")));
    assert!(read.filter.rpms.contains("onlytool") && read.filter.rpms.contains("alpha-tests"));
    assert_eq!(read.license.content.iter().collect::<Vec<_>>(), ["MIT"]);
    assert_eq!(text(module, "modulemd.src.txt"), modulemd, "the document as it was submitted");
    assert!(text(module, "build.log").contains("alpha task"));
    let devel = "bench-devel-1.0-1.c0ffee";
    let read = rida_core::modulemd::read(text(devel, "modulemd.x86_64.txt").as_bytes()).unwrap().into_stream().unwrap();
    assert_eq!(read.name.as_deref(), Some("bench-devel"));
    assert!(read.api.rpms.is_empty() && read.filter.rpms.is_empty());
    assert!(read.artifacts.rpms.contains(&format!("alpha-tests-0:1.0-{release}.x86_64")), "{:?}", read.artifacts.rpms);
    assert!(read.artifacts.rpms.contains(&format!("onlytool-0:1.0-{release}.x86_64")));
    assert!(!read.artifacts.rpms.contains(&format!("alpha-0:1.0-{release}.x86_64")));
    assert!(read.dependencies[0].requires["bench"].contains("1.0"));
    let Some(Value::Struct(metadata)) = world.imported(module) else { panic!("it is imported") };
    let Some(Value::Struct(described)) = metadata.get("build") else { panic!("it is described") };
    let extra =
        described["extra"].clone().fields("extra").unwrap().take("typeinfo").fields("typeinfo").unwrap().take("module");
    let mut extra = extra.fields("module").unwrap();
    assert_eq!(extra.text("content_koji_tag").unwrap(), build.tag().to_string());
    assert_eq!(extra.int("module_build_service_id").unwrap(), id.get());
}

#[tokio::test]
async fn a_cancelled_module_leaves_no_task() {
    let flow = Flow::new().await;
    for name in ["alpha", "beta"] {
        flow.world.hub.world().courses.insert(name.to_owned(), Course::Hangs);
    }
    let id = flow.submit(MODULEMD, THREE).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.tasks("beta") == 1).await;
    driver.cancel(id, sample::owner("alice")).await.unwrap();
    let build = flow.until_ended(&driver, id).await;
    assert_eq!((build.state(), build.reason()), (BuildState::Failed, Some("canceled by alice")));
    let world = flow.world.hub.world();
    let running: Vec<_> = world.tasks().filter(|task| task.state.is_active()).collect();
    assert!(running.is_empty(), "{running:?}");
}

#[tokio::test]
async fn a_failed_component_fails_the_module_after_its_batch_and_is_built_anew() {
    for course in [Course::Fails(20.0), Course::FailsEarly] {
        let flow = Flow::new().await;
        flow.world.hub.world().courses.insert("alpha".to_owned(), course.clone());
        let id = flow.submit(MODULEMD, THREE).await;
        let driver = flow.driver();
        let build = flow.until_ended(&driver, id).await;
        assert_eq!(build.reason(), Some("component alpha failed to build"), "{course:?}");
        let (_, alpha) = build.component(&sample::component("alpha")).unwrap();
        let reason = alpha.state.reason().unwrap();
        assert!(reason.contains("mock exited") || reason.contains("error building srpm"), "{reason}");
        assert_eq!(flow.tasks("gamma"), 0, "the next batch never starts");
        flow.world.hub.world().courses.clear();
        driver.apply(id, rida_core::Fact::Resubmitted { by: sample::owner("alice"), submission: None }).await.unwrap();
        let build = flow.until_ended(&driver, id).await;
        assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
        let counts = ["module-build-macros", "alpha", "beta", "gamma"].map(|name| flow.tasks(name));
        assert_eq!(counts, [1, 2, 1, 1], "what was built stays built");
    }
}

#[tokio::test]
async fn macros_that_fail_fail_the_module_at_once() {
    let flow = Flow::new().await;
    flow.world.hub.world().courses.insert("module-build-macros".to_owned(), Course::Fails(10.0));
    let id = flow.submit(MODULEMD, THREE).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.reason(), Some("component module-build-macros failed to build"));
    assert_eq!(flow.tasks("alpha") + flow.tasks("beta"), 0);
}

#[tokio::test]
async fn repositories_that_fail_are_asked_for_again() {
    for (dialect, failing) in [(Dialect::released(), 5), (Dialect::old(), 3)] {
        let flow = Flow::new().await;
        flow.world.hub.world().dialect = dialect;
        flow.world.hub.world().failing_repositories = failing;
        let id = flow.submit(MODULEMD, THREE).await;
        let driver = flow.driver();
        let build = flow.until_ended(&driver, id).await;
        assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    }
}

#[tokio::test]
async fn results_that_come_before_anybody_asks_are_not_missed() {
    let flow = Flow::new().await;
    {
        let mut world = flow.world.hub.world();
        world.wait_for_builder = 0.0;
        world.repository_time = 0.0;
        for name in ["alpha", "beta", "gamma", "module-build-macros"] {
            world.courses.insert(name.to_owned(), Course::Succeeds(0.0));
        }
    }
    let id = flow.submit(MODULEMD, THREE).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
}

#[tokio::test]
async fn an_outage_of_hours_fails_nothing() {
    let flow = Flow::new().await;
    let id = flow.submit(MODULEMD, THREE).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.tasks("alpha") == 1).await;
    flow.world.hub.world().offline = true;
    let mut told = false;
    for _ in 0..(6 * 720) {
        let looked = driver.look(id).await.unwrap();
        told |=
            looked.error.is_some_and(|error| error.message().contains("Koji is offline: the hub is in maintenance"));
        let _ = driver.turn().await.unwrap();
        flow.pass();
    }
    assert!(told, "it is told");
    assert_eq!(flow.load(id).await.state(), BuildState::Build);
    flow.world.hub.world().offline = false;
    let build = flow.until_ended(&driver, id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    assert_eq!(flow.tasks("alpha"), 1);
}

#[tokio::test]
async fn what_belongs_to_somebody_else_is_told_and_left_alone() {
    let flow = Flow::new().await;
    let build = flow.world.module(&["alpha"]);
    flow.world.hub.world().add_tag(build.tag().as_str(), "x86_64");
    let system = flow.world.system();
    let error = system.prepare(&build).await.unwrap_err();
    assert!(error.message().contains("that this service did not make"), "{error}");
    let calls = flow.world.hub.world().calls.join("\n");
    assert!(!calls.contains("createTag") && !calls.contains("editTag2"), "{calls}");

    let mut without = flow.world.config();
    without.base_tags.clear();
    let error = flow.world.system_with(without.clone()).prepare(&flow.world.module(&["alpha"])).await.unwrap_err();
    assert!(error.message().contains("platform:el8; its operator can name it in koji.base_tags"), "{error}");
    without.base_tags.insert("platform:el8".to_owned(), "nowhere".to_owned());
    let error = flow.world.system_with(without).prepare(&flow.world.module(&["alpha"])).await.unwrap_err();
    assert_eq!(error.message(), "Koji has no tag nowhere, which platform:el8 is in");

    flow.world.hub.world().set_permissions("rida", &["repo"]);
    let error = flow.world.system().prepare(&flow.world.module(&["alpha"])).await.unwrap_err();
    assert!(error.message().contains("tag permission required (logged in as rida)"), "{error}");
}

#[tokio::test]
async fn a_second_preparation_changes_nothing() {
    let flow = Flow::new().await;
    let modulemd = format!("{MODULEMD}  xmd: {{mbs_options: {{blocked_packages: [vim, emacs]}}}}\n");
    let build = flow.world.module_of(&modulemd, &["alpha"]);
    flow.world.system().prepare(&build).await.unwrap();
    flow.world.hub.advance(Duration::from_secs(60));
    let before = flow.world.hub.world().calls.len();
    flow.world.system().prepare(&build).await.unwrap();
    let calls: Vec<String> = flow.world.hub.world().calls[before..].to_vec();
    let writes: Vec<_> =
        calls.iter().filter(|call| call.starts_with("rida") && !call.ends_with("getLoggedInUser")).collect();
    // Packages that nobody ever built cannot be blocked; that is tried again.
    let tried = |call: &&String| call.as_str() == "rida multiCall(packageListBlock packageListBlock)";
    assert!(writes.iter().all(tried), "{writes:?}");
}

#[tokio::test]
async fn a_package_that_is_there_already_is_found_again() {
    let flow = Flow::new().await;
    let id = flow.submit(MODULEMD, THREE).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.tasks("gamma") == 1).await;
    let build = flow.load(id).await;
    // Its task is not recognised any more, as when another service had started it.
    flow.world.hub.world().forget_options();
    let system = flow.world.system();
    let mut forgotten = build.clone();
    let alpha = forgotten.plan().index_of(&sample::component("alpha")).unwrap();
    let task = forgotten.components[alpha].state.task().unwrap();
    forgotten.components[alpha].state = ComponentState::Submitted;
    let found = system.build(&forgotten, &forgotten.key(alpha).unwrap()).await.unwrap();
    assert_eq!(found, task, "tagged");
    flow.world.hub.world().untag_all(&format!("{}-build", build.tag()));
    flow.world.hub.world().untag_all(build.tag().as_str());
    let found = flow.world.system().build(&forgotten, &forgotten.key(alpha).unwrap()).await.unwrap();
    assert_eq!(found, task, "untagged");
}

/// Tells which call of a row is tried: every fourth, another one with each kind of trouble, unless all are asked for.
fn is_tried(number: u64, kind: u64) -> bool {
    std::env::var_os("RIDA_KOJI_EVERY_CALL").is_some() || (number + kind).is_multiple_of(4)
}

/// Stops a service at its every call in turn, before and after the hub did it, and starts another that goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_ends_at_any_call_is_continued_by_another() {
    // Each run has fewer calls than this.
    let mut finished = false;
    for number in 0..200 {
        for (kind, trouble) in (0..).step_by(2).zip([Trouble::Stop, Trouble::StopAfter]) {
            if !is_tried(number, kind) {
                continue;
            }
            let flow = Flow::new().await;
            let id = flow.submit(MODULEMD, &[("alpha", 0), ("beta", 10)]).await;
            flow.world.hub.world().trouble(When::Number(number), trouble.clone());
            let first = flow.driver();
            tokio::select! {
                build = flow.until_ended(&first, id) => {
                    assert_eq!(build.state(), BuildState::Ready);
                    finished = true;
                }
                () = flow.world.hub.stopped() => {}
            }
            drop(first);
            flow.world.hub.world().calm();
            let build = flow.until_ended(&flow.driver(), id).await;
            let context = format!("call {number}, {trouble:?}");
            assert_eq!(build.state(), BuildState::Ready, "{context}: {:?} {:?}", build.reason(), build.components);
            for component in ["module-build-macros", "alpha", "beta"] {
                assert_eq!(flow.tasks(component), 1, "{context}: {component} is built once");
            }
            let world = flow.world.hub.world();
            let twice: Vec<_> = world.builds().filter(|build| build.state != 1).collect();
            assert!(twice.is_empty(), "{context}: {twice:?}");
            assert_eq!(world.tagged(build.tag().as_str()).len(), 2, "{context}");
            assert!(
                world.imported("bench-1.0-1.c0ffee").is_some() && world.imported("bench-devel-1.0-1.c0ffee").is_some()
            );
        }
        if finished {
            assert!(number > 20, "the calls were stopped at");
            return;
        }
    }
    panic!("a module takes more calls than were tried");
}

/// Lets every call in turn fail in every way, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_fails_once_fails_no_module() {
    let hub_failed = Fault { code: fault::PYTHON, message: "database error".to_owned() };
    let expired = Fault { code: fault::AUTH_EXPIRED, message: "session has expired".to_owned() };
    let offline = Fault { code: fault::OFFLINE, message: "database outage".to_owned() };
    let troubles = [
        Trouble::BreakBefore,
        Trouble::BreakAfter,
        Trouble::StatusAfter(504),
        Trouble::Fault(hub_failed),
        Trouble::Fault(expired),
        Trouble::Fault(offline),
    ];
    for (kind, trouble) in (0..).zip(troubles) {
        for number in (0..35).filter(|number| is_tried(*number, kind)) {
            let flow = Flow::new().await;
            let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
            flow.world.hub.world().trouble(When::Number(number), trouble.clone());
            let build = flow.until_ended(&flow.driver(), id).await;
            let context = format!("call {number}, {trouble:?}");
            assert_eq!(build.state(), BuildState::Ready, "{context}: {:?} {:?}", build.reason(), build.components);
            assert_eq!((flow.tasks("module-build-macros"), flow.tasks("alpha")), (1, 1), "{context}");
        }
    }
}
