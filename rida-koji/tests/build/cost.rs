//! What a module costs the hub, in requests.

use rida_core::{BuildSystem, ComponentState, ModuleBuild, TaskId, TaskProgress};
use rida_koji::xmlrpc::{Call, Value};
use rida_koji::{Client, KojiBuildSystem, KojiConfig};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::flow::{Flow, THREE};
use crate::world::{MODULEMD, World};

/// What a module came to.
#[derive(Debug)]
struct Cost {
    /// All requests.
    requests: usize,
    /// Of these, those that only asked whether something has ended yet.
    looks: usize,
}

async fn cost(components: &[(&str, i64)]) -> Cost {
    let flow = Flow::new().await;
    let id = flow.submit(MODULEMD, components).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.reason(), None);
    let calls = flow.world.hub.world().calls.clone();
    let is_look =
        |call: &&String| call.contains("multiCall(getTaskInfo)") || call.contains("multiCall(getRepo listTagged");
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for call in &calls {
        *kinds.entry(call.get(..60).unwrap_or(call)).or_default() += 1;
    }
    println!("{} components: {kinds:#?}", components.len());
    Cost { requests: calls.len(), looks: calls.iter().filter(is_look).count() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_of_three_components_takes_few_requests_and_each_more_takes_few_more() {
    let three = cost(THREE).await;
    println!("3 components: {three:?}");
    assert!(three.requests - three.looks <= 60, "{three:?}");
    let names: Vec<String> = (0..30).map(|number| format!("package{number}")).collect();
    let thirty: Vec<(&str, i64)> =
        (0..).zip(&names).map(|(n, name)| (name.as_str(), if n < 20 { 0 } else { 10 })).collect();
    let thirty = cost(&thirty).await;
    println!("30 components: {thirty:?}");
    let growth = (thirty.requests - thirty.looks) - (three.requests - three.looks);
    assert!(growth <= 8 * 27, "{growth}");
    if std::env::var_os("RIDA_KOJI_EVERY_CALL").is_some() {
        let names: Vec<String> = (0..300).map(|number| format!("package{number}")).collect();
        let many: Vec<(&str, i64)> = (0..).zip(&names).map(|(n, name)| (name.as_str(), n / 100)).collect();
        println!("300 components: {:?}", cost(&many).await);
    }
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
    let system = Arc::new(KojiBuildSystem::new(client, config, Arc::new(world.store.clone())));
    // The first package needs a repository, which is another question; it is there.
    for build in &builds {
        system.prepare(build).await.unwrap();
    }
    world.hub.advance(Duration::from_secs(1));
    let round = async || {
        let before = world.hub.world().calls.len();
        let mut facts = 0;
        for build in &builds {
            facts += system.follow(build).await.unwrap().len();
        }
        assert_eq!(facts, 1000);
        let calls = world.hub.world().calls[before..].to_vec();
        calls.iter().filter(|call| call.contains("getTaskInfo")).count()
    };
    let first = round().await;
    let again = round().await;
    println!("a first round of 1000 tasks: {first} requests; another: {again}");
    assert_eq!(again, 0, "what is fresh is not asked about");
    for build in &builds {
        let hint = rida_core::BuildSystemHint { task: build.components[0].state.task(), ..Default::default() };
        assert!(system.concerns(&hint, build));
    }
    let stale = round().await;
    println!("a round in which all are stale: {stale} requests");
    assert!(stale <= 10, "{stale}");
}
