//! Whole modules: what is built, what it leaves behind, and what goes wrong on the way.

use std::collections::BTreeSet;
use std::time::Duration;

use rida_core::testing::sample;
use rida_core::{BuildState, BuildSystem, BuildSystemHint, ComponentState, ModuleBuild};
use rida_koji::testing::{Course, Dialect, Trouble, When};
use rida_koji::wire::TaskState;
use rida_koji::xmlrpc::{Call, Fault, Value};
use rida_koji::{KojiConfig, Tagging, fault};

use crate::flow::{Flow, THREE};
use crate::world::MODULEMD;

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
        assert_eq!(world.waits_for_repository, 0, "no builder is taken by a build that cannot begin");
        // One repository for the macros, one with them, one with the first batch.
        assert_eq!(world.tasks().filter(|task| task.method == "newRepo").count(), 3, "{dialect:?}");
        assert_eq!(world.tagged("modular-candidate").len(), 2, "{:?}", world.tagged("modular-candidate"));
        for component in ["alpha", "beta", "gamma", "module-build-macros"] {
            assert!(build.component(&sample::component(component)).unwrap().1.state.built().is_some());
        }
    }
}

/// What an operator sets besides is what the hub gets.
#[tokio::test]
async fn permission_owner_and_target_of_the_macros_are_those_of_the_settings() {
    let mut flow = Flow::new().await;
    {
        let mut world = flow.world.hub.world();
        world.set_permissions("rida", &["repo", "tag", "target", "modules"]);
        world.add_user("packager", "secret", &[]);
        let tag = world.add_tag("macros-build", "x86_64");
        world.add_repository(tag);
    }
    let target = Call::new("createBuildTarget", ["macros", "macros-build", "modular-candidate"].map(Value::from));
    flow.world.system().client().write(&target).await.unwrap();
    flow.config.permission = Some("modules".to_owned());
    flow.config.package_owner = Some("packager".to_owned());
    flow.config.macros_target = Some("macros".to_owned());
    let id = flow.submit(MODULEMD, THREE).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    let world = flow.world.hub.world();
    for tag in [build.tag().to_string(), format!("{}-build", build.tag())] {
        assert_eq!(world.needed_permission(&tag), Some("modules"), "{tag}");
        let owners = world.package_owners(&tag);
        let expected = ["alpha", "beta", "gamma", "module-build-macros"].map(|package| (package, "packager"));
        assert_eq!(owners, expected.into(), "{tag}");
    }
    assert_eq!(world.package_owners("modular-candidate")["bench"], "packager");
    let targets: Vec<&str> = world
        .tasks()
        .filter(|task| task.method == "build")
        .map(|task| task.request[1].text("target").unwrap())
        .collect();
    let own = rida_core::target_name(build.nsvc());
    assert_eq!(targets, ["macros", own.as_str(), own.as_str(), own.as_str()]);
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
    assert_eq!(files.len(), 5, "{files:?}");
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
    flow.world.prepare(&flow.world.system(), &build).await;
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
    let found = flow.world.system().build(&forgotten, &forgotten.key(alpha).unwrap()).await.unwrap();
    assert_eq!(found, task, "in the module's tag alone");
    flow.world.hub.world().untag_all(build.tag().as_str());
    let found = flow.world.system().build(&forgotten, &forgotten.key(alpha).unwrap()).await.unwrap();
    assert_eq!(found, task, "untagged");
}

#[tokio::test]
async fn what_another_database_left_is_no_try_of_this_one() {
    // A package that failed, and was cancelled, for a build of the same name and number: then the database was lost.
    for ends in [Course::Fails(5.0), Course::Hangs] {
        let flow = Flow::new().await;
        flow.world.hub.world().courses.insert("alpha".to_owned(), ends.clone());
        let id = flow.submit(MODULEMD, THREE).await;
        let driver = flow.driver();
        flow.until(&driver, |flow| flow.tasks("alpha") == 1).await;
        if ends == Course::Hangs {
            driver.cancel(id, sample::owner("alice")).await.unwrap();
        }
        let old = flow.until_ended(&driver, id).await;
        assert_eq!(old.state(), BuildState::Failed);
        flow.world.hub.world().courses.clear();
        let anew = flow.with_another_database();
        let same = anew.submit(MODULEMD, THREE).await;
        assert_eq!(same, id);
        let build = anew.until_ended(&anew.driver(), same).await;
        assert_eq!(build.state(), BuildState::Ready, "{ends:?}: {:?} {:?}", build.reason(), build.components);
        assert_eq!(build.dist_tag, old.dist_tag);
        assert_eq!(
            (anew.tasks("module-build-macros"), anew.tasks("alpha")),
            (1, 2),
            "{ends:?}: what was built is found"
        );
    }
}

#[tokio::test]
async fn a_package_that_somebody_has_built_is_told_in_short() {
    let flow = Flow::new().await;
    let id = flow.submit(MODULEMD, THREE).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.tasks("module-build-macros") == 1).await;
    let dist = flow.load(id).await.dist_tag.to_string();
    flow.world.hub.world().add_build("gamma", "1.0", &format!("1{dist}"), 0);
    let build = flow.until_ended(&driver, id).await;
    let reason = build.component(&sample::component("gamma")).unwrap().1.state.reason().unwrap();
    assert!(reason.contains("failed: Build already exists (id=") && reason.ends_with("state=BUILDING)"), "{reason}");
}

#[tokio::test]
async fn what_a_builder_was_asked_to_tag_is_not_asked_again() {
    let flow = Flow::new().await;
    let system = flow.world.system_with(KojiConfig {
        tagging: Tagging::Task,
        tagging_pause: Duration::from_millis(1),
        ..flow.world.config()
    });
    let driver = flow.driver_of(system.into());
    let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
    flow.until(&driver, |flow| flow.tasks("alpha") == 1).await;
    // Builders are slow from now on: the look ends before they have tagged, and the instruction is performed again.
    flow.world.hub.world().wait_for_builder = 100.0;
    let build = flow.until_ended(&driver, id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    flow.world.hub.advance(Duration::from_secs(300));
    let world = flow.world.hub.world();
    let tagging: Vec<_> = world.tasks().filter(|task| task.method == "tagBuild").collect();
    assert_eq!(tagging.len(), 1 + 2 + 2, "the macros, the component, the two imported modules: {tagging:#?}");
    assert!(tagging.iter().all(|task| task.state == TaskState::Closed), "{tagging:#?}");
}

#[tokio::test]
async fn what_is_waited_for_for_long_is_asked_about_less_often() {
    let flow = Flow::new().await;
    flow.world.hub.world().courses.insert("alpha".to_owned(), Course::Succeeds(3600.0));
    let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
    let driver = flow.sparing_driver();
    flow.until(&driver, |flow| flow.tasks("alpha") == 1).await;
    let looks =
        |flow: &Flow| flow.world.hub.world().calls.iter().filter(|call| call.contains("multiCall(getTaskInfo")).count();
    let mut rounds = Vec::new();
    for _ in 0..3 {
        let before = looks(&flow);
        for _ in 0..(90 / 5) {
            let _ = driver.turn().await.unwrap();
            flow.pass();
        }
        rounds.push(looks(&flow) - before);
    }
    assert!(rounds[0] > rounds[2] && rounds[2] >= 3, "every half minute in the end: {rounds:?}");
    // A message counts at once.
    let task = flow.load(id).await.component(&sample::component("alpha")).unwrap().1.state.task();
    flow.world.hub.world().courses.clear();
    let before = looks(&flow);
    let hint = BuildSystemHint { task, ..BuildSystemHint::default() };
    assert_eq!(driver.builds_of(&hint).await.unwrap(), [id]);
    let _ = driver.look(id).await.unwrap();
    let _ = driver.look(id).await.unwrap();
    assert_eq!(looks(&flow) - before, 1);
}

/// Tells which call of a row is tried: every fourth, another one with each kind of trouble, unless all are asked for.
/// Kinds are counted one by one, so that even and odd calls have their turn.
pub(crate) fn is_tried(number: u64, kind: u64) -> bool {
    std::env::var_os("RIDA_KOJI_EVERY_CALL").is_some() || (number + kind).is_multiple_of(4)
}

/// Stops a service at its every call in turn, before and after the hub did it, and starts another that goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_ends_at_any_call_is_continued_by_another() {
    // Each run has fewer calls than this.
    let mut finished = false;
    for number in 0..200 {
        for (kind, trouble) in (0..).zip([Trouble::Stop, Trouble::StopAfter]) {
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
    let mut failed = BTreeSet::new();
    for (kind, trouble) in (0..).zip(troubles) {
        for number in (0..200).filter(|number| is_tried(*number, kind)) {
            let flow = Flow::new().await;
            let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
            flow.world.hub.world().trouble(When::Number(number), trouble.clone());
            let build = flow.until_ended(&flow.driver(), id).await;
            let context = format!("call {number}, {trouble:?}");
            assert_eq!(build.state(), BuildState::Ready, "{context}: {:?} {:?}", build.reason(), build.components);
            assert_eq!((flow.tasks("module-build-macros"), flow.tasks("alpha")), (1, 1), "{context}");
            let world = flow.world.hub.world();
            assert!(world.imported("bench-1.0-1.c0ffee").is_some(), "{context}");
            assert_eq!(world.tagged("modular-candidate").len(), 2, "{context}");
            // A module takes fewer calls than that.
            if world.troubled.is_empty() {
                break;
            }
            failed.extend(world.troubled.iter().cloned());
        }
    }
    // From the first one to the last ones.
    for call in ["login", "createTag", "upload", "build", "repo.checkRequest", "tagBuildBypass", "CGImport", "listTags"]
    {
        assert!(failed.iter().any(|known| known.contains(call)), "{call} never failed: {failed:#?}");
    }
}

#[tokio::test]
async fn the_log_of_what_failed_tells_why_whichever_task_it_was() {
    for (course, breaking_roots, expected) in [
        (Course::Fails(20.0), false, "builds for x86_64\nChild return code was 1\n"),
        (Course::Fails(20.0), true, "No matching package to install"),
        (Course::FailsEarly, false, "builds for a source package\nChild return code was 1\n"),
        (Course::FailsEarly, true, "No matching package to install"),
    ] {
        let flow = Flow::new().await;
        {
            let mut world = flow.world.hub.world();
            world.courses.insert("alpha".to_owned(), course.clone());
            world.breaking_roots = breaking_roots;
        }
        let id = flow.submit(MODULEMD, THREE).await;
        let build = flow.until_ended(&flow.driver(), id).await;
        let place = build.plan().index_of(&sample::component("alpha")).unwrap();
        let log = flow.world.system().read_log(&build.key(place).unwrap(), 0, 1 << 20).await.unwrap();
        let text = String::from_utf8(log.bytes).unwrap();
        assert!(text.contains(expected), "{course:?} {breaking_roots}: {text:?}");
        assert!(log.complete);
    }
}

#[tokio::test]
async fn packages_that_a_message_tells_of_are_taken_before_their_task_ends() {
    let flow = Flow::new().await;
    flow.world.hub.world().until_closed = 600.0;
    let id = flow.submit(MODULEMD, THREE).await;
    let system = std::sync::Arc::new(flow.world.system());
    let driver = flow.driver_of(std::sync::Arc::clone(&system));
    let complete = |flow: &Flow| flow.world.hub.world().builds().any(|build| build.state == 1);
    flow.until(&driver, complete).await;
    let build = flow.load(id).await;
    let task = build.components[0].state.task().unwrap();
    let _ = driver.look(id).await.unwrap();
    assert!(matches!(flow.load(id).await.components[0].state, ComponentState::Building { .. }), "nobody told of it");
    assert!(system.concerns(&BuildSystemHint { task: Some(task), ..BuildSystemHint::default() }, &build));
    let _ = driver.look(id).await.unwrap();
    assert!(flow.load(id).await.components[0].state.built().is_some());
    let is_open = |task: i64| flow.world.hub.world().tasks().any(|t| t.id == task && t.state == TaskState::Open);
    assert!(is_open(task.0), "the task itself goes on");
}
