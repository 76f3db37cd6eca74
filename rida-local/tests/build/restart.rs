use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use rida_core::{BuildSystem, Fact, ModuleBuild, PinnedSource, TaskId, TaskProgress};
use rida_local::{LocalBuildSystem, LocalConfig};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::world::{World, built, ended, failed, key, log, processes, spec, start, with_macros};

/// A component that builds until a file is there, which a test writes when it has seen enough.
fn gated(world: &World, name: &str) -> (PinnedSource, String) {
    let marker = format!("0.{}{name}", std::process::id()).replace(|c: char| c.is_ascii_alphabetic(), "1");
    let build = format!("echo building; while ! test -e /build/go; do sleep {marker}; done; echo went on");
    (world.spec(name, &spec(name, "", &build)), marker)
}

/// Lets a component that is built from [`gated`] go on.
fn let_go_on(world: &World, task: TaskId) {
    let work = world.path("data").join(format!("builds/1/tasks/{task}/work/build/go"));
    std::fs::write(work, "").unwrap();
}

async fn until_it_builds(system: &LocalBuildSystem, build: &ModuleBuild, name: &str) {
    for _ in 0..600 {
        if log(system, build, name).await.contains("\nbuilding\n") {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{name} does not start");
}

/// Waits until no process has a text in its command line.
async fn until_gone(text: &str) {
    for _ in 0..600 {
        if processes(text).is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(processes(text), Vec::<String>::new(), "it still runs");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_goes_on_without_the_service_and_is_found_again() {
    let world = World::new();
    let system = world.open().await;
    let (source, marker) = gated(&world, "gated");
    let mut build = world.module(&[("gated", source)]);
    with_macros(&system, &mut build).await;
    let task = start(&system, &mut build, "gated").await;
    until_it_builds(&system, &build, "gated").await;
    system.close().await;
    assert!(!processes(&marker).is_empty(), "it goes on");

    let system = world.open().await;
    let facts = system.follow(&build).await.unwrap();
    let running = Fact::TaskProgressed {
        component: rida_core::testing::sample::component("gated"),
        attempt: 1,
        task,
        progress: TaskProgress::Open,
    };
    assert_eq!(facts, [running]);
    assert_eq!(system.build(&build, &key(&build, "gated")).await.unwrap(), task);
    let_go_on(&world, task);
    assert_eq!(built(&system, &mut build, "gated").await.task, task);
    let said = log(&system, &build, "gated").await;
    assert_eq!(said.matches("\nbuilding\n").count(), 1, "it was built once: {said}");
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_ends_without_the_service_and_its_result_is_found() {
    let world = World::new();
    let system = world.open().await;
    let (source, marker) = gated(&world, "gated");
    let mut build = world.module(&[("gated", source)]);
    with_macros(&system, &mut build).await;
    let task = start(&system, &mut build, "gated").await;
    until_it_builds(&system, &build, "gated").await;
    system.close().await;
    let_go_on(&world, task);
    until_gone(&marker).await;
    until_gone(world.path("data").join("builds/1/tasks").to_str().unwrap()).await;
    let system = world.open().await;
    let Fact::ComponentBuilt { task: found, .. } = ended(&system, &build, "gated").await else {
        panic!("it was built")
    };
    assert_eq!(found, task);
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_build_that_the_machine_lost_starts_again_under_its_number() {
    let world = World::new();
    let system = world.open().await;
    let (source, marker) = gated(&world, "gated");
    let mut build = world.module(&[("gated", source)]);
    with_macros(&system, &mut build).await;
    let task = start(&system, &mut build, "gated").await;
    until_it_builds(&system, &build, "gated").await;
    system.close().await;
    // The supervisor is gone without a word, as when the machine goes down.
    let pids = std::fs::read_to_string(world.path("data").join(format!("builds/1/tasks/{task}/run-rpms/pid"))).unwrap();
    let supervisor = Pid::from_raw(pids.split(' ').next().unwrap().parse().unwrap()).unwrap();
    kill_process_group(supervisor, Signal::KILL).unwrap();
    // The sandbox dies with its supervisor.
    until_gone(&marker).await;

    let system = world.open().await;
    for _ in 0..600 {
        if log(&system, &build, "gated").await.matches("\nbuilding\n").count() == 2 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let_go_on(&world, task);
    assert_eq!(built(&system, &mut build, "gated").await.task, task);
    assert!(log(&system, &build, "gated").await.contains("the build was interrupted and starts again"));
    system.close().await;
}

/// Run in a process of its own, which [`kill_9_loses_nothing`] kills.
async fn serve_until_killed(folder: &str) {
    let world = World::at(folder);
    let system = world.open().await;
    let (source, _) = gated(&world, "gated");
    let mut build = world.module(&[("gated", source)]);
    with_macros(&system, &mut build).await;
    start(&system, &mut build, "gated").await;
    until_it_builds(&system, &build, "gated").await;
    println!("BUILDING");
    std::future::pending::<()>().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_loses_nothing() {
    const FOLDER: &str = "RIDA_TEST_SERVE_IN";
    if let Ok(folder) = std::env::var(FOLDER) {
        return serve_until_killed(&folder).await;
    }
    let world = World::new();
    let mut service = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "restart::kill_9_loses_nothing", "--nocapture"])
        .env(FOLDER, world.path("."))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(service.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("BUILDING")), "the service ended early");
    kill_process(Pid::from_child(&service), Signal::KILL).unwrap();
    service.wait().unwrap();

    // The same module again: its first commit is the one that is being built.
    let (source, _) = gated(&world, "gated");
    let mut build = world.module(&[("gated", source)]);
    let system = world.open().await;
    let macros = start(&system, &mut build, "module-build-macros").await;
    assert_eq!(macros, TaskId(1), "the result that was there is still there");
    assert!(matches!(ended(&system, &build, "module-build-macros").await, Fact::ComponentBuilt { .. }));
    let task = start(&system, &mut build, "gated").await;
    assert_eq!(task, TaskId(2), "the task that runs is still there");
    let_go_on(&world, task);
    built(&system, &mut build, "gated").await;
    let said = log(&system, &build, "gated").await;
    assert_eq!(said.matches("\nbuilding\n").count(), 1, "it was built once: {said}");
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tasks_wait_their_turn_and_can_be_cancelled_before_and_in_it() {
    let world = World::new();
    let system = world.open_with(LocalConfig { parallel: 1, ..world.config() }).await;
    let (first, marker) = gated(&world, "first");
    let (second, _) = gated(&world, "second");
    let (third, _) = gated(&world, "third");
    let mut build = world.module(&[("first", first), ("second", second), ("third", third)]);
    with_macros(&system, &mut build).await;
    let running = start(&system, &mut build, "first").await;
    until_it_builds(&system, &build, "first").await;
    let waiting = start(&system, &mut build, "second").await;
    let last = start(&system, &mut build, "third").await;
    assert!(running < waiting && waiting < last, "numbers grow");
    system.close().await;

    // What waits is kept when the service ends.
    let system = world.open_with(LocalConfig { parallel: 1, ..world.config() }).await;
    let progress = |facts: Vec<Fact>| -> Vec<TaskProgress> {
        let progress = |fact| if let Fact::TaskProgressed { progress, .. } = fact { Some(progress) } else { None };
        facts.into_iter().filter_map(progress).collect()
    };
    let facts = system.follow(&build).await.unwrap();
    assert_eq!(progress(facts), [TaskProgress::Open, TaskProgress::Free, TaskProgress::Free]);
    system.cancel(&build, &key(&build, "second"), Some(waiting)).await.unwrap();
    assert_eq!(failed(&system, &build, "second").await, "the task was cancelled");
    system.cancel(&build, &key(&build, "first"), Some(running)).await.unwrap();
    assert_eq!(processes(&marker), Vec::<String>::new(), "nothing of it runs");
    assert_eq!(failed(&system, &build, "first").await, "the task was cancelled");
    until_it_builds(&system, &build, "third").await;
    assert!(!log(&system, &build, "second").await.contains("building"));
    system.cancel(&build, &key(&build, "third"), None).await.unwrap();
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_folder_has_one_service() {
    let world = World::new();
    let system = world.open().await;
    let error = LocalBuildSystem::open(world.config(), world.scm(), |_| {}).await.unwrap_err();
    assert_eq!(
        error.message(),
        "another service uses the data folder of the local build system; \
         stop it first, or give this one a folder of its own"
    );
    system.close().await;
    world.open().await.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_another_database_filled_is_not_taken_for_its_own() {
    let world = World::new();
    let system = world.open().await;
    let first = world.module(&[]);
    system.prepare(&first).await.unwrap();
    // The database was lost, and a new one counts from 1 again.
    let second = ModuleBuild { id: first.id, ..world.module(&[]) };
    let error = system.prepare(&second).await.unwrap_err();
    assert_eq!(error.kind(), rida_core::PortErrorKind::Permanent);
    assert!(error.message().contains(&first.nsvc().to_string()), "{error}");
    system.prepare(&first).await.unwrap();
    system.close().await;
}
