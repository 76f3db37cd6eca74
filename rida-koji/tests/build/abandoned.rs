//! What ends with a module that is cancelled, or fails: tasks of components, repositories, and tagging.

use std::time::Duration;

use rida_core::testing::sample;
use rida_core::{BuildId, BuildState, BuildSystem, Driver, Fact, PendingEffect, Phase, Store};
use rida_koji::testing::{Course, Dialect, Trouble, When};
use rida_koji::wire::TaskState;
use rida_koji::xmlrpc::{Call, Fault, Value};
use rida_koji::{Client, ClientConfig, KojiConfig, Login, Tagging, fault};

use crate::flow::{Flow, THREE};
use crate::world::MODULEMD;

/// Returns what runs of this service: each task's method.
pub(crate) fn running(flow: &Flow) -> Vec<String> {
    let world = flow.world.hub.world();
    let running = world.tasks().filter(|task| task.state.is_active() && world.owner(task) == "rida");
    running.map(|task| task.method.clone()).collect()
}

async fn cancelled(flow: &Flow, driver: &Driver, id: BuildId) {
    driver.cancel(id, sample::owner("alice")).await.unwrap();
    let build = flow.until_ended(driver, id).await;
    assert_eq!((build.state(), build.reason()), (BuildState::Failed, Some("canceled by alice")));
}

/// Makes builders so slow that nothing that is asked for from now on ends by itself.
fn slow_down(flow: &Flow) {
    let mut world = flow.world.hub.world();
    world.repository_time = 1e6;
    world.wait_for_builder = 1e6;
}

#[tokio::test]
async fn a_cancelled_module_leaves_no_task() {
    for dialect in [Dialect::released(), Dialect::old()] {
        let flow = Flow::new().await;
        flow.world.hub.world().dialect = dialect.clone();
        for name in ["alpha", "beta"] {
            flow.world.hub.world().courses.insert(name.to_owned(), Course::Hangs);
        }
        let id = flow.submit(MODULEMD, THREE).await;
        let driver = flow.driver();
        flow.until(&driver, |flow| flow.tasks("beta") == 1).await;
        cancelled(&flow, &driver, id).await;
        let world = flow.world.hub.world();
        let running: Vec<_> = world.tasks().filter(|task| task.state.is_active()).collect();
        assert!(running.is_empty(), "{dialect:?}: {running:?}");
    }
}

/// The first repository, and one that has what was built; then the module is built after all.
#[tokio::test]
async fn a_repository_that_is_being_made_ends_with_its_module() {
    for number in [1, 2] {
        let flow = Flow::new().await;
        flow.world.hub.world().dialect = Dialect::old();
        let id = flow.submit(MODULEMD, THREE).await;
        let driver = flow.driver();
        let made = |flow: &Flow| flow.world.hub.world().tasks().filter(|task| task.method == "newRepo").count();
        flow.until(&driver, |flow| made(flow) == number).await;
        slow_down(&flow);
        assert_eq!(running(&flow), ["newRepo"], "repository {number}");
        cancelled(&flow, &driver, id).await;
        assert_eq!(running(&flow), Vec::<String>::new(), "repository {number}");
        let ended = flow.world.hub.world().tasks().filter(|task| task.method == "newRepo").last().unwrap().state;
        assert_eq!(ended, TaskState::Canceled);
        {
            let mut world = flow.world.hub.world();
            (world.repository_time, world.wait_for_builder) = (30.0, 2.0);
        }
        driver.apply(id, Fact::Resubmitted { by: sample::owner("alice"), submission: None }).await.unwrap();
        let build = flow.until_ended(&driver, id).await;
        assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
        assert_eq!(flow.tasks("module-build-macros"), 1);
    }
}

/// What the queue of repositories makes belongs to the hub, which would make it anew.
#[tokio::test]
async fn what_the_queue_of_repositories_makes_is_left_to_it() {
    let flow = Flow::new().await;
    let id = flow.submit(MODULEMD, THREE).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.world.hub.world().tasks().any(|task| task.method == "newRepo")).await;
    cancelled(&flow, &driver, id).await;
    assert_eq!(running(&flow), Vec::<String>::new());
    let world = flow.world.hub.world();
    let made: Vec<_> = world.tasks().filter(|task| task.method == "newRepo").collect();
    assert!(made.len() == 1 && made[0].state != TaskState::Canceled, "{made:?}");
    assert!(!world.calls.iter().any(|call| call.contains("cancelTask")), "what would be refused is not asked for");
}

#[tokio::test]
async fn tagging_that_builders_were_asked_for_ends_with_its_module() {
    let mut flow = Flow::new().await;
    flow.config = KojiConfig { tagging: Tagging::Task, tagging_pause: Duration::ZERO, ..flow.config };
    let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.tasks("alpha") == 1).await;
    let of_macros = flow.world.hub.world().tasks().filter(|task| task.method == "tagBuild").count();
    flow.until(&driver, |flow| flow.world.hub.world().builds().filter(|build| build.state == 1).count() == 2).await;
    slow_down(&flow);
    let tagging = |flow: &Flow| flow.world.hub.world().tasks().filter(|task| task.method == "tagBuild").count();
    flow.until(&driver, |flow| tagging(flow) == of_macros + 2).await;
    assert_eq!(running(&flow), ["tagBuild", "tagBuild"], "the module's tag, and that which is built with");
    cancelled(&flow, &driver, id).await;
    assert_eq!(running(&flow), Vec::<String>::new());
    flow.world.hub.world().wait_for_builder = 2.0;
    flow.world.hub.world().repository_time = 30.0;
    driver.apply(id, Fact::Resubmitted { by: sample::owner("alice"), submission: None }).await.unwrap();
    let build = flow.until_ended(&driver, id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    assert_eq!(flow.world.hub.world().tagged(build.tag().as_str()).len(), 1);
    assert_eq!((flow.tasks("module-build-macros"), flow.tasks("alpha")), (1, 1), "what was built stays built");
}

#[tokio::test]
async fn a_finished_module_that_is_cancelled_before_it_is_in_its_tag_does_not_come_there() {
    let flow = Flow::new().await;
    let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
    let driver = flow.driver();
    let tag = flow.load(id).await.tag();
    flow.until(&driver, |flow| flow.world.hub.world().tagged(tag.as_str()).len() == 1).await;
    slow_down(&flow);
    flow.until(&driver, |flow| flow.world.hub.world().tasks().any(|task| task.method == "tagBuild")).await;
    assert_eq!(flow.load(id).await.phase, Phase::Finishing);
    assert_eq!(running(&flow), ["tagBuild", "tagBuild"], "the module and its companion");
    cancelled(&flow, &driver, id).await;
    assert_eq!(running(&flow), Vec::<String>::new());
    flow.world.hub.world().wait_for_builder = 2.0;
    flow.pass_for(Duration::from_secs(600));
    assert!(flow.world.hub.world().tagged("modular-candidate").is_empty());
    driver.apply(id, Fact::Resubmitted { by: sample::owner("alice"), submission: None }).await.unwrap();
    let build = flow.until_ended(&driver, id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    assert_eq!(flow.world.hub.world().tagged("modular-candidate").len(), 2);
}

/// Somebody else makes a repository of the module's tag, tags something, and works for another module of this service.
#[tokio::test]
async fn what_others_asked_for_is_left_alone() {
    let flow = Flow::new().await;
    flow.world.hub.world().dialect = Dialect::old();
    slow_down(&flow);
    let other = flow.submit_as("other:1.0:1:c0ffee", MODULEMD, THREE).await;
    let id = flow.submit(MODULEMD, THREE).await;
    let driver = flow.driver();
    let made = |flow: &Flow| flow.world.hub.world().tasks().filter(|task| task.method == "newRepo").count();
    flow.until(&driver, |flow| made(flow) == 2).await;
    let login = Login::Password { user: "admin".to_owned(), password: "secret".to_owned() };
    let admin = Client::new(ClientConfig { login, ..flow.world.client_config() }).unwrap();
    let tag = format!("{}-build", flow.load(id).await.tag());
    let theirs = admin.write(&Call::new("newRepo", [Value::from(tag)])).await.unwrap().int("newRepo").unwrap();
    driver.cancel(id, sample::owner("alice")).await.unwrap();
    while !flow.world.store.pending(id).await.unwrap().is_empty() {
        let _ = driver.turn().await.unwrap();
        flow.pass();
    }
    let of_other = format!("{}-build", flow.load(other).await.tag());
    assert_eq!(running(&flow), ["newRepo"]);
    let world = flow.world.hub.world();
    let left: Vec<_> = world.tasks().filter(|task| task.state.is_active()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.iter().any(|task| task.id == theirs), "{left:?}");
    assert!(left.iter().any(|task| task.request.first() == Some(&Value::from(of_other.as_str()))), "{left:?}");
    let asked = world.calls.iter().map(|call| call.matches("cancelTask").count()).sum::<usize>();
    assert_eq!(asked, 1, "what the hub would refuse is not asked for");
}

/// The hub refuses to end one task of two, and is away for a while before it.
#[tokio::test]
async fn what_koji_does_not_end_is_told_and_keeps_nothing_else_from_ending() {
    let mut flow = Flow::new().await;
    flow.config = KojiConfig { tagging: Tagging::Task, tagging_pause: Duration::ZERO, ..flow.config };
    let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.world.hub.world().builds().filter(|build| build.state == 1).count() == 2).await;
    slow_down(&flow);
    flow.until(&driver, |flow| running(flow) == ["tagBuild", "tagBuild"]).await;
    driver.cancel(id, sample::owner("alice")).await.unwrap();
    flow.world.hub.world().offline = true;
    for _ in 0..20 {
        let _ = driver.turn().await.unwrap();
        flow.pass();
    }
    let pending = flow.world.store.pending(id).await.unwrap();
    let is_told =
        |pending: &PendingEffect| pending.error.as_ref().is_some_and(|error| error.contains("in maintenance"));
    // The instruction to tag may have been performed again, and is given up like what it asked for.
    assert!(pending.len() == 2 && pending.iter().all(is_told), "they are tried until the hub is back: {pending:?}");
    let refusal = Fault { code: fault::NOT_ALLOWED, message: "Cannot cancel task, not owner".to_owned() };
    {
        let mut world = flow.world.hub.world();
        world.offline = false;
        for _ in 0..2 {
            world.trouble(When::Among("cancelTask".to_owned(), 0), Trouble::Fault(refusal.clone()));
        }
    }
    flow.until_ended(&driver, id).await;
    assert_eq!(running(&flow), ["tagBuild"], "the one that it does not end");
}

/// Between the look for tasks and their end the module is submitted again, has a slot, and waits for what is under way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_next_run_waits_for_is_not_ended() {
    let flow = Flow::new().await;
    flow.world.hub.world().dialect = Dialect::old();
    slow_down(&flow);
    let id = flow.submit(MODULEMD, THREE).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.world.hub.world().tasks().any(|task| task.method == "newRepo")).await;
    driver.cancel(id, sample::owner("alice")).await.unwrap();
    let failed = flow.load(id).await;
    // Another service is slow to give the environment up.
    let other = std::sync::Arc::new(flow.world.system());
    other.client().user().await.unwrap();
    flow.world.hub.world().trouble(When::method("multiCall"), Trouble::Slow(Duration::from_millis(400)));
    let abandoning = tokio::spawn({
        let other = std::sync::Arc::clone(&other);
        async move { other.abandon(&failed).await }
    });
    tokio::time::sleep(Duration::from_millis(100)).await;
    driver.apply(id, Fact::Resubmitted { by: sample::owner("alice"), submission: None }).await.unwrap();
    assert_eq!(driver.grant_slots().await.unwrap(), 1);
    abandoning.await.unwrap().unwrap();
    assert_eq!(running(&flow), ["newRepo"]);
    // Nor by the instruction itself, which comes late.
    for _ in 0..40 {
        let _ = driver.turn().await.unwrap();
        flow.pass();
    }
    assert_eq!(running(&flow), ["newRepo"]);
    assert_eq!(
        flow.world.hub.world().tasks().filter(|task| task.method == "newRepo").count(),
        1,
        "nor is another made"
    );
}
