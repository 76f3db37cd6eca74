//! What a module costs the hub, in requests.

use rida_core::{BuildSystem, ComponentState, ModuleBuild, TaskId, TaskProgress};
use rida_koji::xmlrpc::{Call, Value};
use rida_koji::{Client, KojiBuildSystem, KojiConfig};
use std::sync::Arc;
use std::time::Duration;

use crate::measured::cost;
use crate::world::World;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_of_three_components_takes_few_requests_and_each_more_takes_few_more() {
    let (three, thirty) = (cost(3).await, cost(30).await);
    println!("3 components: {three:?}\n30 components: {thirty:?}");
    assert!(three.requests <= 60 && three.looks * 2 < three.requests, "{three:?}");
    // The Module Build Service's calls, by the same prices, without its looks.
    assert!(three.hub < Duration::from_millis(2650), "{three:?}");
    assert!(three.took < Duration::from_secs(600), "{three:?}");
    let growth = thirty.requests - three.requests;
    assert!(growth <= 8 * 27, "{growth}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_tasks_are_asked_about_in_few_requests() {
    let world = World::new().await;
    world.hub.world().wait_for_builder = 1e9;
    let config = KojiConfig { freshness: Duration::from_secs(60), ..world.config() };
    let client = Client::new(world.client_config()).unwrap();
    let starts: Vec<Call> = (0..1000)
        .map(|_| Call::new("build", [Value::from("git+https://git.example.org/rpms/x?#1"), Value::from("nowhere")]))
        .collect();
    let tasks: Vec<i64> =
        client.write_many(&starts).await.unwrap().into_iter().map(|task| task.unwrap().int("task").unwrap()).collect();
    let builds: Vec<ModuleBuild> = tasks
        .chunks(4)
        .map(|tasks| {
            let mut build = world.module(&["a", "b", "c"]);
            for (component, task) in build.components.iter_mut().zip(tasks) {
                component.state = ComponentState::Building { task: TaskId(*task), progress: TaskProgress::Free };
            }
            build
        })
        .collect();
    let system = KojiBuildSystem::new(client, config, Arc::new(world.store.clone()));
    // No time goes by, however long this takes.
    let system = Arc::new(system.with_clock(|| Duration::ZERO));
    world.hub.advance(Duration::from_secs(1));
    let round = async || {
        let before = world.hub.world().calls.len();
        let mut facts = 0;
        for build in &builds {
            facts += system.follow(build).await.unwrap().len();
        }
        assert_eq!(facts, 1000);
        let calls = world.hub.world().calls[before..].to_vec();
        calls.iter().filter(|call| call.contains("getTaskInfo") || call.contains("listTasks")).count()
    };
    let first = round().await;
    let again = round().await;
    println!("a first round of 1000 tasks: {first} requests; another: {again}");
    assert!(first <= 10, "{first}");
    assert_eq!(again, 0, "what is fresh is not asked about");
    for build in &builds {
        let hint = rida_core::BuildSystemHint { task: build.components[0].state.task(), ..Default::default() };
        assert!(system.concerns(&hint, build));
    }
    let stale = round().await;
    println!("a round in which all are stale: {stale} requests");
    assert!(stale <= 10, "{stale}");
}
