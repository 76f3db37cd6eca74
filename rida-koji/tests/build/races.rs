//! What two services, or a service and somebody else, do at the same moment.

use std::sync::Arc;
use std::time::Duration;

use rida_core::testing::sample;
use rida_core::{BuildState, BuildSystem, Built, ComponentState, Fact, Phase, PortErrorKind, TaskId};
use rida_koji::testing::{Dialect, Trouble, When};
use rida_koji::wire::TaskState;
use rida_koji::xmlrpc::{Call, Fault, Value};
use rida_koji::{Client, ClientConfig, KojiConfig, Login, fault};

use crate::flow::{Flow, THREE};
use crate::world::{MODULEMD, World};

/// One service starts a component and another cancels it, each held up before a call so that they meet there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_start_and_a_cancellation_one_sees_the_other() {
    // What is held up of the start: its look, the start itself, the look after it.
    for held in ["multiCall", "build", "getTag"] {
        let world = World::new().await;
        let (starter, canceller) = (Arc::new(world.system()), world.system());
        let mut build = world.module(&["alpha"]);
        world.prepare(&starter, &build).await;
        let place = build.plan().index_of(&sample::component("alpha")).unwrap();
        build.components[place].state = ComponentState::Submitted;
        let key = build.key(place).unwrap();
        // Both know who they are, so that the calls that follow are those of the race.
        starter.client().user().await.unwrap();
        canceller.client().user().await.unwrap();
        world.hub.world().trouble(When::method(held), Trouble::Slow(Duration::from_millis(400)));
        let starting = tokio::spawn({
            let (starter, build, key) = (Arc::clone(&starter), build.clone(), key.clone());
            async move { starter.build(&build, &key).await }
        });
        tokio::time::sleep(Duration::from_millis(150)).await;
        canceller.cancel(&build, &key, None).await.unwrap();
        let error = starting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), PortErrorKind::Permanent, "{held}: {error}");
        let started = world.hub.world().tasks().filter(|task| task.method == "build").count();
        assert_eq!(started, usize::from(held != "multiCall"), "{held}: it was held up where it should be");
        let running = world.hub.world().tasks().filter(|task| task.method == "build" && task.state.is_active()).count();
        assert_eq!(running, 0, "{held}");
        // Nor does another try of the same instruction start it: it finds the note, or the task that was ended.
        let again = world.system().build(&build, &key).await;
        assert_eq!(again.is_ok(), held != "multiCall", "{held}: {again:?}");
        assert_eq!(world.hub.world().tasks().filter(|task| task.state.is_active()).count(), 0, "{held}");
    }
}

/// What follows on a start that is cancelled meanwhile fails: then its task is told, so that it is ended as one that nobody
/// waits for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_cannot_look_whether_it_was_cancelled_tells_its_task() {
    let offline = || Trouble::Fault(Fault { code: fault::OFFLINE, message: "database outage".to_owned() });
    for (failing, trouble) in [("getTag", Trouble::Status(404)), ("getTag", offline()), ("cancelTask", offline())] {
        let world = World::new().await;
        let (starter, canceller) = (Arc::new(world.system()), world.system());
        let mut build = world.module(&["alpha"]);
        world.prepare(&starter, &build).await;
        build.components[1].state = ComponentState::Submitted;
        let key = build.key(1).unwrap();
        starter.client().user().await.unwrap();
        canceller.client().user().await.unwrap();
        world.hub.world().trouble(When::method("build"), Trouble::Slow(Duration::from_millis(400)));
        world.hub.world().trouble(When::method(failing), trouble.clone());
        let starting = tokio::spawn({
            let (starter, build, key) = (Arc::clone(&starter), build.clone(), key.clone());
            async move { starter.build(&build, &key).await }
        });
        tokio::time::sleep(Duration::from_millis(150)).await;
        canceller.cancel(&build, &key, None).await.unwrap();
        let task = starting.await.unwrap().unwrap();
        let running = || {
            let hub = world.hub.world();
            hub.tasks()
                .filter(|task| task.method == "build" && task.state.is_active())
                .map(|task| task.id)
                .collect::<Vec<_>>()
        };
        assert_eq!(running(), vec![task.0], "{failing} {trouble:?}");
        // What the core asks for when it is told of a task that nobody waits for.
        canceller.cancel(&build, &key, Some(task)).await.unwrap();
        assert_eq!(running(), Vec::<i64>::new(), "{failing} {trouble:?}");
    }
}

/// Two services perform the same instruction, as when a lease ended too early.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_another_service_makes_later_is_found() {
    // Older hubs take a time that is told as a number for another one.
    for dialect in [Dialect::released(), Dialect::old()] {
        let world = World::new().await;
        world.hub.world().dialect = dialect.clone();
        let (one, other) = (world.system(), world.system());
        let build = world.module(&["alpha"]);
        world.prepare(&one, &build).await;
        let key = build.key(0).unwrap();
        let first = one.build(&build, &key).await.unwrap();
        assert_eq!(other.build(&build, &key).await.unwrap(), first, "{dialect:?}");
        let started = world.hub.world().tasks().filter(|task| task.method == "build").count();
        assert_eq!(started, 1, "{dialect:?}");
    }
}

/// Within one service nobody asks for a second repository of a module, not even to take it back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_service_asks_once_for_a_repository_and_modules_do_not_wait_for_each_other() {
    let world = World::new().await;
    world.hub.world().dialect = Dialect::old();
    let system = Arc::new(world.system());
    // Of many modules, some would have to share what there is a fixed number of.
    let modules: Vec<_> = (0..65).map(|_| world.module(&["alpha"])).collect();
    let (slow, others) = modules.split_first().unwrap();
    let others: Vec<_> = others.iter().filter(|other| other.id.get() % 8 == slow.id.get() % 8).collect();
    for module in std::iter::once(slow).chain(others.iter().copied()) {
        world.prepare(&system, module).await;
    }
    let asked = || world.hub.world().calls.iter().filter(|call| call.ends_with(" newRepo")).count();
    let before = asked();
    world.hub.world().trouble(When::method("newRepo"), Trouble::Slow(Duration::from_secs(10)));
    let ask = || {
        let (system, build) = (Arc::clone(&system), slow.clone());
        tokio::spawn(async move { system.regenerate(&build, 1).await })
    };
    let asking = [ask(), ask()];
    tokio::time::sleep(Duration::from_millis(300)).await;
    for other in &others {
        system.regenerate(other, 1).await.unwrap();
    }
    assert_eq!((asked() - before, others.len()), (8, 8), "those of others are there");
    assert!(asking.iter().all(|asking| !asking.is_finished()), "the slow one is not");
    for asking in asking {
        asking.await.unwrap().unwrap();
    }
    assert_eq!(asked() - before, 9, "one more");
}

/// Somebody has a repository made while packages are being tagged: it lacks some, and counts for nothing.
#[tokio::test]
async fn a_repository_that_comes_too_early_is_not_taken() {
    for dialect in [Dialect::old(), Dialect::released()] {
        let flow = Flow::new().await;
        flow.world.hub.world().dialect = dialect.clone();
        let login = Login::Password { user: "admin".to_owned(), password: "secret".to_owned() };
        let admin = Client::new(ClientConfig { login, ..flow.world.client_config() }).unwrap();
        let id = flow.submit(MODULEMD, THREE).await;
        let driver = flow.driver();
        let tag = format!("{}-build", flow.load(id).await.tag());
        let mut early = 0;
        let mut known = 0;
        for _ in 0..2000 {
            let _ = driver.turn().await.unwrap();
            // Whenever something has been built, and is not tagged yet.
            let built = flow.world.hub.world().builds().filter(|build| build.state == 1).count();
            if built > known && early < 3 {
                known = built;
                early += 1;
                admin.write(&Call::new("newRepo", [Value::from(tag.as_str())])).await.unwrap();
            }
            if !flow.load(id).await.state().is_active() {
                break;
            }
            flow.pass();
        }
        let build = flow.load(id).await;
        assert_eq!(build.state(), BuildState::Ready, "{dialect:?}: {:?}", build.reason());
        assert_eq!(early, 3);
        // A package that was built with such a repository would not have the module's dist tag.
        let dist = build.dist_tag.as_str();
        let world = flow.world.hub.world();
        let names: Vec<String> = world.tagged(&tag);
        assert!(names.len() == 4 && names.iter().all(|nvr| nvr.ends_with(dist)), "{names:?}");
    }
}

/// The instruction to make a repository is performed while somebody looks what became of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_look_starts_no_second_repository_beside_the_first() {
    let tasks = |world: &World| {
        let hub = world.hub.world();
        hub.tasks().filter(|task| task.method == "newRepo" && task.state != TaskState::Canceled).count()
    };
    let world = World::new().await;
    world.hub.world().dialect = Dialect::old();
    let (system, other) = (Arc::new(world.system()), Arc::new(world.system()));
    let mut build = world.module(&["alpha"]);
    world.prepare(&system, &build).await;
    assert_eq!(tasks(&world), 1, "the first one");
    build.phase = Phase::Building { regenerating: Some(Vec::new()) };
    build.repository_generation = 1;
    // A package that is tagged since, so that the first one does not do.
    world.hub.world().add_tagged(&format!("{}-build", build.tag()), ["alpha", "1", "1"], &[]);
    let nvr = Arc::new("alpha-1-1".parse().unwrap());
    build.components[1].state = ComponentState::Tagged(Built { task: TaskId(1), nvr });
    for (number, second) in [(2, Arc::clone(&system)), (3, Arc::clone(&other))] {
        other.client().user().await.unwrap();
        world.hub.world().trouble(When::method("newRepo"), Trouble::Slow(Duration::from_millis(400)));
        let asking = tokio::spawn({
            let (system, build) = (Arc::clone(&system), build.clone());
            async move { system.regenerate(&build, build.repository_generation).await }
        });
        tokio::time::sleep(Duration::from_millis(150)).await;
        second.follow(&build).await.unwrap();
        asking.await.unwrap().unwrap();
        assert_eq!(tasks(&world), number, "{:?}", world.hub.world().calls);
        world.hub.advance(Duration::from_secs(300));
        let told = second.follow(&build).await.unwrap();
        assert!(told.iter().any(|fact| matches!(fact, Fact::RepositoryRegenerated { .. })), "{told:?}");
        build.repository_generation += 1;
        world.hub.world().add_tagged(&format!("{}-build", build.tag()), ["alpha", "1", "2"], &[]);
        let nvr = Arc::new("alpha-1-2".parse().unwrap());
        build.components[1].state = ComponentState::Tagged(Built { task: TaskId(1), nvr });
    }
}

/// Somebody takes a component out of the build tag, or repositories fail and fail: both are told, and asked for seldom.
#[tokio::test]
async fn a_repository_that_cannot_be_made_is_told_and_asked_for_ever_more_seldom() {
    for dialect in [Dialect::old(), Dialect::released()] {
        let world = World::new().await;
        world.hub.world().dialect = dialect.clone();
        let time = Arc::new(std::sync::Mutex::new(Duration::ZERO));
        let config = KojiConfig { freshness: Duration::from_secs(15), ..world.config() };
        let clock = Arc::clone(&time);
        let system = world.system_with(config).with_clock(move || *clock.lock().unwrap());
        let mut build = world.module(&["alpha"]);
        world.prepare(&system, &build).await;
        let tag = format!("{}-build", build.tag());
        world.hub.world().add_tagged(&tag, ["alpha", "1", "1"], &[]);
        build.phase = Phase::Building { regenerating: Some(Vec::new()) };
        build.repository_generation = 1;
        let nvr = Arc::new("alpha-1-1".parse().unwrap());
        build.components[1].state = ComponentState::Tagged(Built { task: TaskId(1), nvr });
        let asked = || {
            let hub = world.hub.world();
            hub.calls.iter().filter(|call| call.ends_with(" newRepo") || call.ends_with(" repo.request")).count()
        };
        // An hour in which all of them fail.
        world.hub.world().failing_repositories = u32::MAX;
        let before = asked();
        system.regenerate(&build, 1).await.unwrap();
        let mut told = Vec::new();
        let hour = async |told: &mut Vec<String>| {
            for _ in 0..240 {
                *time.lock().unwrap() += Duration::from_secs(15);
                world.hub.advance(Duration::from_secs(15));
                match system.follow(&build).await {
                    Ok(facts) => told.extend(facts.iter().map(|fact| format!("{fact:?}"))),
                    Err(error) => {
                        assert_eq!(error.kind(), PortErrorKind::Unavailable);
                        told.push(error.message().to_owned());
                    }
                }
            }
        };
        hour(&mut told).await;
        let times = asked() - before;
        assert!((3..=9).contains(&times), "{dialect:?}: {times}");
        assert!(told.last().unwrap().contains("failed or came too early"), "{told:?}");
        // An hour in which it lacks what it is asked for.
        world.hub.world().failing_repositories = 0;
        world.hub.world().untag_all(&tag);
        let before = asked();
        told.clear();
        hour(&mut told).await;
        assert!(asked() - before <= 1, "{dialect:?}: {}", asked() - before);
        assert!(told.last().unwrap().contains("somebody took alpha-1-1 out of Koji's tag"), "{told:?}");
        // Once it is put back, the module goes on.
        world.hub.world().add_tagged(&tag, ["alpha", "1", "1"], &[]);
        told.clear();
        hour(&mut told).await;
        assert!(told.iter().any(|fact| fact.contains("RepositoryRegenerated")), "{dialect:?}: {told:?}");
    }
}
