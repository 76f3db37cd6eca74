//! Following tasks: answers that take long, and questions that are refused.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rida_core::{BuildSystem, BuildSystemHint, ComponentState, Fact, ModuleBuild, PortErrorKind, TaskProgress};
use rida_koji::testing::{Trouble, When};
use rida_koji::wire::TaskState;
use rida_koji::xmlrpc::Fault;
use rida_koji::{KojiBuildSystem, KojiConfig, fault};
use tokio::time::sleep;

use crate::world::World;

/// Long enough for a call to get to the hub, and be held up there.
const A_MOMENT: Duration = Duration::from_millis(150);

/// Returns a module whose components were all started.
async fn started(world: &World, system: &KojiBuildSystem, components: &[&str]) -> ModuleBuild {
    let mut build = world.module(components);
    world.prepare(system, &build).await;
    for place in 0..build.components.len() {
        build.components[place].state = ComponentState::Submitted;
        let task = system.build(&build, &build.key(place).unwrap()).await.unwrap();
        build.components[place].state = ComponentState::Building { task, progress: TaskProgress::Free };
    }
    build
}

fn running(facts: &[Fact]) -> usize {
    facts.iter().filter(|fact| matches!(fact, Fact::TaskProgressed { .. })).count()
}

/// One look is held up, others wait for its answer, and one comes long after: by then nobody is taken for gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_takes_long_fails_no_component_of_those_who_wait_for_it() {
    let world = World::new().await;
    let time = Arc::new(Mutex::new(Duration::ZERO));
    let clock = Arc::clone(&time);
    let system = Arc::new(world.system().with_clock(move || *clock.lock().unwrap()));
    let builds =
        [started(&world, &system, &[]).await, started(&world, &system, &[]).await, started(&world, &system, &[]).await];
    world.hub.world().trouble(When::Having("getTaskInfo".to_owned()), Trouble::Slow(Duration::from_millis(800)));
    let mut looks = Vec::new();
    for (number, build) in builds.into_iter().enumerate() {
        if number == 2 {
            *time.lock().unwrap() += Duration::from_secs(301);
        }
        let system = Arc::clone(&system);
        looks.push(tokio::spawn(async move { system.follow(&build).await }));
        sleep(A_MOMENT).await;
    }
    for (number, look) in looks.into_iter().enumerate() {
        let facts = look.await.unwrap().unwrap();
        let failed = facts.iter().any(|fact| matches!(fact, Fact::ComponentFailed { .. }));
        assert!(facts.len() == 1 && !failed, "look {number}: {facts:?}");
    }
}

/// One look at one build is never answered: the others are looked at all the same, and soon.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_hangs_keeps_nobody_for_long() {
    let world = World::new().await;
    assert_eq!(KojiConfig::default().look_timeout, Duration::from_secs(60));
    let config = KojiConfig { look_timeout: Duration::from_millis(600), ..world.config() };
    let system = Arc::new(world.system_with(config));
    let builds = [started(&world, &system, &[]).await, started(&world, &system, &[]).await];
    world.hub.world().trouble(When::Having("getTaskInfo".to_owned()), Trouble::Stop);
    let [held, other] = builds.map(|build| {
        let system = Arc::clone(&system);
        async move { system.follow(&build).await }
    });
    let held = tokio::spawn(held);
    world.hub.stopped().await;
    // Far less than a call may take, and than a test may.
    let other = tokio::time::timeout(Duration::from_secs(60), other).await.unwrap().unwrap();
    assert_eq!(other.len(), 1, "{other:?}");
    assert_eq!(held.await.unwrap().unwrap_err().kind(), PortErrorKind::Unavailable);
}

/// What cannot be asked of one task hides nothing of another.
#[tokio::test]
async fn one_question_that_is_refused_hides_nothing_of_other_tasks() {
    let refused = || Trouble::Fault(Fault { code: fault::PYTHON, message: "database error".to_owned() });
    let world = World::new().await;
    let system = world.system();
    let build = started(&world, &system, &["alpha"]).await;
    world.hub.world().until_closed = 600.0;
    // Both have their packages, and their tasks go on; a message tells of both.
    world.hub.advance(Duration::from_secs(120));
    assert_eq!(world.hub.world().builds().filter(|build| build.state == 1).count(), 2);
    for component in &build.components {
        let hint = BuildSystemHint { task: component.state.task(), ..BuildSystemHint::default() };
        assert!(system.concerns(&hint, &build));
    }
    world.hub.world().trouble(When::Among("listBuilds".to_owned(), 0), refused());
    let facts = system.follow(&build).await.unwrap();
    assert_eq!((facts.len(), running(&facts)), (2, 1), "the first is asked about again: {facts:?}");
    assert!(matches!(&facts[1], Fact::ComponentBuilt { component, .. } if component.as_str() == "alpha"), "{facts:?}");
    // When both tasks have ended it is the same.
    world.hub.advance(Duration::from_secs(600));
    assert!(world.hub.world().tasks().filter(|task| task.method == "build").all(|t| t.state == TaskState::Closed));
    let system = world.system();
    world.hub.world().trouble(When::Among("listBuilds".to_owned(), 0), refused());
    let facts = system.follow(&build).await.unwrap();
    assert_eq!(facts.len(), 1, "{facts:?}");
    assert!(matches!(&facts[0], Fact::ComponentBuilt { component, .. } if component.as_str() == "alpha"), "{facts:?}");
    assert_eq!(system.follow(&build).await.unwrap().len(), 2, "it is asked again");
}
