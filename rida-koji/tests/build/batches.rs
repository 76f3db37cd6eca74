//! The order in which a module's components are started, and what a batch with failures does.

use std::time::Duration;

use rida_core::BuildState;
use rida_koji::testing::{Course, Dialect, HubTask};
use rida_koji::xmlrpc::Value;

use crate::flow::{Flow, THREE};
use crate::world::MODULEMD;

/// Returns what a task is: the name of the component that it builds, or its method.
fn what(task: &HubTask) -> String {
    match task.request.get(2) {
        Some(Value::Struct(options)) if task.method == "build" => {
            options["mbs_artifact_name"].text("name").unwrap().to_owned()
        }
        _ => task.method.clone(),
    }
}

/// Returns the repositories and components of a module in the order that they were asked for.
fn asked_for(flow: &Flow) -> Vec<HubTask> {
    let world = flow.world.hub.world();
    world.tasks().filter(|task| matches!(task.method.as_str(), "build" | "newRepo")).cloned().collect()
}

#[tokio::test]
async fn each_batch_is_built_with_a_repository_that_has_the_one_before() {
    for dialect in [Dialect::released(), Dialect::old()] {
        let flow = Flow::new().await;
        flow.world.hub.world().dialect = dialect;
        // They end at different times: the batch is over when the last one is.
        flow.world.hub.world().courses.insert("beta".to_owned(), Course::Succeeds(200.0));
        let id = flow.submit(MODULEMD, THREE).await;
        let build = flow.until_ended(&flow.driver(), id).await;
        let states: Vec<BuildState> = build.history.iter().map(|was| was.state).collect();
        assert_eq!(
            states,
            [BuildState::Init, BuildState::Wait, BuildState::Build, BuildState::Done, BuildState::Ready]
        );
        let tasks = asked_for(&flow);
        let order: Vec<String> = tasks.iter().map(what).collect();
        let macros = "module-build-macros";
        assert_eq!(order, ["newRepo", macros, "newRepo", "alpha", "beta", "newRepo", "gamma"]);
        let of = |place: usize| tasks.get(place).unwrap();
        for (repository, after, before) in [(0, None, 1), (2, Some(1), 3), (5, Some(4), 6)] {
            let (asked, made) = of(repository).during();
            assert!(after.is_none_or(|after| of(after).during().1.unwrap() <= asked), "{order:?} {repository}");
            assert!(made.unwrap() <= of(before).during().0, "{order:?} {repository}");
        }
    }
}

#[tokio::test]
async fn a_place_is_taken_again_as_soon_as_it_is_free() {
    let mut flow = Flow::new().await;
    flow.policy.components_at_once = 2;
    let names = ["a", "b", "c", "d", "e"];
    for (name, takes) in names.iter().zip([30.0, 90.0, 30.0, 30.0, 30.0]) {
        flow.world.hub.world().courses.insert((*name).to_owned(), Course::Succeeds(takes));
    }
    let id = flow.submit(MODULEMD, &names.map(|name| (name, 0))).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    let tasks: Vec<HubTask> =
        asked_for(&flow).into_iter().filter(|task| names.contains(&what(task).as_str())).collect();
    assert_eq!(tasks.len(), names.len());
    let mut waits = Vec::new();
    for task in &tasks {
        let (began, _) = task.during();
        let running = tasks.iter().filter(|other| {
            let (from, until) = other.during();
            from < began && until.unwrap() > began
        });
        assert!(running.count() < 2, "never more than two: {tasks:#?}");
        // The last one that ended before this began made room for it.
        let made_room = tasks.iter().filter_map(|other| other.during().1).filter(|ended| *ended <= began);
        waits.extend(made_room.reduce(f64::max).map(|ended| began - ended));
    }
    // Within a look and a turn of the driver, which is made every five seconds here.
    let most = Duration::from_secs(15).as_secs_f64();
    assert!(waits.len() == 3 && waits.iter().all(|wait| *wait <= most), "{waits:?}");
}

#[tokio::test]
async fn when_all_of_a_batch_fail_all_are_told() {
    let flow = Flow::new().await;
    for (name, takes) in [("alpha", 20.0), ("beta", 90.0)] {
        flow.world.hub.world().courses.insert(name.to_owned(), Course::Fails(takes));
    }
    let id = flow.submit(MODULEMD, THREE).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.reason(), Some("components alpha, beta failed to build"));
    assert_eq!(flow.tasks("gamma"), 0);
}
