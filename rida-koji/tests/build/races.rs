//! What two services, or a service and somebody else, do at the same moment.

use std::sync::Arc;
use std::time::Duration;

use rida_core::testing::sample;
use rida_core::{BuildState, BuildSystem, ComponentState, PortErrorKind};
use rida_koji::testing::{Dialect, Trouble, When};
use rida_koji::xmlrpc::{Call, Value};
use rida_koji::{Client, ClientConfig, Login};

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

/// Two services perform the same instruction, as when a lease ended too early.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_another_service_makes_later_is_found() {
    let world = World::new().await;
    let (one, other) = (world.system(), world.system());
    let build = world.module(&["alpha"]);
    world.prepare(&one, &build).await;
    let key = build.key(0).unwrap();
    let first = one.build(&build, &key).await.unwrap();
    assert_eq!(other.build(&build, &key).await.unwrap(), first);
    assert_eq!(world.hub.world().tasks().filter(|task| task.method == "build").count(), 1);
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
