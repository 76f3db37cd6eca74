//! What the hub's policies deny, and how that is told.

use rida_core::testing::sample;
use rida_core::{BuildState, Fact};
use rida_koji::testing::World;
use rida_koji::wire::TaskState;
use rida_koji::{KojiConfig, Tagging};

use crate::flow::{Flow, THREE};
use crate::world::MODULEMD;

/// Denies what a policy is about.
fn deny(flow: &Flow, policy: &str) {
    let answer = "deny only on weekdays".to_owned();
    flow.world.hub.world().policies.insert(policy.to_owned(), answer);
}

/// Builds a module where a policy denies something, and returns what the module and its components say.
async fn told(flow: &Flow, policy: &str) -> (rida_core::BuildId, String) {
    deny(flow, policy);
    let id = flow.submit(MODULEMD, THREE).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Failed, "{policy}");
    let components = build.components.iter().filter_map(|component| component.state.reason());
    let reasons: Vec<&str> = build.reason().into_iter().chain(components).collect();
    (id, reasons.join("\n"))
}

/// Allows everything again, and takes the module up again.
async fn mended(flow: &Flow, id: rida_core::BuildId) {
    flow.world.hub.world().policies.clear();
    let driver = flow.driver();
    driver.apply(id, Fact::Resubmitted { by: sample::owner("alice"), submission: None }).await.unwrap();
    let build = flow.until_ended(&driver, id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
}

#[tokio::test]
async fn what_a_policy_denies_in_a_call_is_told_and_taken_up_again() {
    for (policy, doing) in [
        ("package_list", "the environment cannot be made (packageListAdd)"),
        ("tag", "a package cannot be tagged"),
        ("cg_import", "the module cannot be imported"),
    ] {
        let flow = Flow::new().await;
        let (id, told) = told(&flow, policy).await;
        let words = format!("{doing}: Koji answers: policy violation ({policy}): only on weekdays");
        assert!(told.contains(&words), "{told}");
        assert!(told.contains("`rida-http koji check`"), "{told}");
        let builds = |world: &World| world.tasks().filter(|t| t.method == "build" && t.state.is_active()).count();
        assert_eq!(builds(&flow.world.hub.world()), 0, "{policy}");
        mended(&flow, id).await;
    }
}

#[tokio::test]
async fn what_a_policy_denies_in_a_task_is_told_and_taken_up_again() {
    for (policy, words) in [
        ("build_from_srpm", "policy violation (build_from_srpm): only on weekdays"),
        ("build_rpm", "policy violation (build_rpm): only on weekdays"),
        ("build_from_scm", "is not allowed, reason: only on weekdays"),
    ] {
        let flow = Flow::new().await;
        let (id, told) = told(&flow, policy).await;
        assert!(told.contains(words), "{told}");
        mended(&flow, id).await;
    }
}

#[tokio::test]
async fn tagging_by_tasks_that_is_denied_is_told() {
    let mut flow = Flow::new().await;
    flow.config = KojiConfig { tagging: Tagging::Task, ..flow.config };
    let (id, told) = told(&flow, "tag").await;
    assert!(told.contains("policy violation (tag): only on weekdays"), "{told}");
    mended(&flow, id).await;
}

#[tokio::test]
async fn a_task_is_given_to_a_builder_before_it_is_open_and_may_be_given_back() {
    let flow = Flow::new().await;
    flow.world.hub.world().wait_for_builder = 60.0;
    let id = flow.submit(MODULEMD, THREE).await;
    let driver = flow.driver();
    let state = |flow: &Flow, state: TaskState| {
        flow.world.hub.world().tasks().any(|task| task.method == "build" && task.state == state)
    };
    let told = async |flow: &Flow| flow.load(id).await.components[0].state.task_word();
    for (wanted, word) in [(TaskState::Free, "free"), (TaskState::Assigned, "assigned")] {
        flow.until(&driver, |flow| state(flow, wanted)).await;
        let _ = driver.turn().await.unwrap();
        assert_eq!(told(&flow).await, word);
    }
    flow.world.hub.world().give_back();
    for _ in 0..3 {
        flow.pass();
        let _ = driver.turn().await.unwrap();
    }
    assert_eq!(told(&flow).await, "free");
    flow.until(&driver, |flow| state(flow, TaskState::Open)).await;
    let _ = driver.turn().await.unwrap();
    assert_eq!(told(&flow).await, "open");
    let build = flow.until_ended(&driver, id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    assert_eq!(flow.tasks("module-build-macros"), 1);
}
