//! A service ends at its every call in turn, before and after the hub did it, and another goes on: with what is only
//! tried, side tags, cancellations and what is submitted again. Modules as such are in `whole.rs`, what is taken over in
//! `reuse.rs`.

use rida_core::testing::sample;
use rida_core::{BuildId, BuildState, Driver, Fact, ModuleBuild, Submission, TagName};
use rida_koji::testing::{Course, Dialect, HubTask, Trouble, When};
use rida_koji::wire::TaskState;
use rida_koji::xmlrpc::Value;
use rida_koji::{KojiConfig, Tagging};

use crate::abandoned::running;
use crate::flow::Flow;
use crate::whole::is_tried;
use crate::world::MODULEMD;

/// More calls than any of these makes.
const MOST: u64 = 200;

/// Returns every call, and whether the service ends before or after the hub did it; unless all are asked for, every
/// fourth, and others than `whole.rs` has.
fn calls() -> impl Iterator<Item = (u64, Trouble)> {
    let all = (0..MOST).flat_map(|number| [(number, 2, Trouble::Stop), (number, 3, Trouble::StopAfter)]);
    all.filter(|(number, kind, _)| is_tried(*number, *kind)).map(|(number, _, trouble)| (number, trouble))
}

/// Lets a service work until it ends at a call, which may be later than the last one that it makes. Tells whether it did
/// all.
async fn work_and_end(flow: &Flow, driver: Driver, id: BuildId, call: u64, trouble: Trouble) -> bool {
    flow.world.hub.world().trouble(When::Number(call), trouble);
    let did_all = tokio::select! {
        _ = flow.until_ended(&driver, id) => true,
        () = flow.world.hub.stopped() => false,
    };
    drop(driver);
    flow.world.hub.world().calm();
    did_all
}

/// Ends a service at each call of a module, lets another go on, and judges what came of it.
async fn at_any_call(
    begin: impl AsyncFn() -> (Flow, BuildId),
    judge: impl Fn(&Flow, &ModuleBuild, &str),
    state: BuildState,
) {
    for (number, trouble) in calls() {
        let context = format!("call {number}, {trouble:?}");
        let (flow, id) = begin().await;
        let did_all = work_and_end(&flow, flow.driver(), id, number, trouble).await;
        let build = flow.until_ended(&flow.driver(), id).await;
        assert_eq!(build.state(), state, "{context}: {:?} {:?}", build.reason(), build.components);
        judge(&flow, &build, &context);
        if did_all {
            assert!(number > 15, "the calls were stopped at");
            return;
        }
    }
    panic!("a module takes more calls than were tried");
}

/// Returns how many tasks there were for each package of these modules.
fn counts(flow: &Flow) -> [usize; 3] {
    ["module-build-macros", "alpha", "beta"].map(|name| flow.tasks(name))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_only_tried_is_tried_once_wherever_a_service_ends() {
    let begin = async || {
        let flow = Flow::new().await;
        let submission = (*flow.world.module(&["alpha", "beta"]).submission).clone();
        let id = flow.driver().record(Submission { scratch: true, ..submission }).await.unwrap();
        (flow, id)
    };
    let judge = |flow: &Flow, build: &ModuleBuild, context: &str| {
        assert_eq!(counts(flow), [1, 1, 1], "{context}");
        let world = flow.world.hub.world();
        assert_eq!(world.tagged(build.tag().as_str()).len(), 2, "{context}");
        assert!(world.tagged("modular-candidate").is_empty() && world.imported("bench-1.0-1.c0ffee_1").is_none());
        assert_eq!(world.targets().count(), 1, "{context}");
    };
    at_any_call(begin, judge, BuildState::Done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_side_tag_is_built_against_wherever_a_service_ends() {
    let begin = async || {
        let mut flow = Flow::new().await;
        flow.config.side_tags.insert("platform:el8".to_owned(), "el8-side-{side_tag}-build".to_owned());
        // Builders tag here, which takes a while.
        flow.config = KojiConfig { tagging: Tagging::Task, tagging_pause: std::time::Duration::ZERO, ..flow.config };
        flow.world.hub.world().add_tag("el8-side-gcc14-build", "x86_64");
        flow.world.hub.world().add_parent("el8-side-gcc14-build", "platform-build");
        let submission = (*flow.world.module(&["alpha", "beta"]).submission).clone();
        let side_tag = Some(TagName::new("gcc14").unwrap());
        let id = flow.driver().record(Submission { side_tag, ..submission }).await.unwrap();
        (flow, id)
    };
    let judge = |flow: &Flow, build: &ModuleBuild, context: &str| {
        assert_eq!(counts(flow), [1, 1, 1], "{context}");
        let world = flow.world.hub.world();
        assert_eq!(world.parents(&format!("{}-build", build.tag())), ["el8-side-gcc14-build"], "{context}");
        assert_eq!(world.tagged(build.tag().as_str()).len(), 2, "{context}");
        assert!(
            world.imported("bench-1.0-1.c0ffee").is_some() && world.imported("bench-devel-1.0-1.c0ffee").is_some(),
            "{context}"
        );
    };
    at_any_call(begin, judge, BuildState::Ready).await;
}

/// The service ends in the middle of what a cancellation asks for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_ends_every_task_wherever_a_service_ends() {
    for (number, trouble) in calls() {
        let context = format!("call {number} of the cancellation, {trouble:?}");
        let flow = Flow::new().await;
        for name in ["alpha", "beta"] {
            flow.world.hub.world().courses.insert(name.to_owned(), Course::Hangs);
        }
        let id = flow.submit(MODULEMD, &[("alpha", 0), ("beta", 0)]).await;
        let driver = flow.driver();
        flow.until(&driver, |flow| flow.tasks("alpha") == 1 && flow.tasks("beta") == 1).await;
        driver.cancel(id, sample::owner("alice")).await.unwrap();
        let did_all = work_and_end(&flow, driver, id, number, trouble).await;
        let build = flow.until_ended(&flow.driver(), id).await;
        assert_eq!(build.reason(), Some("canceled by alice"), "{context}");
        assert_eq!((running(&flow), counts(&flow)), (Vec::new(), [1, 1, 1]), "{context}");
        if did_all {
            assert!(number > 0, "the calls were stopped at");
            return;
        }
    }
    panic!("a cancellation takes more calls than were tried");
}

/// The same, of what the module's environment was asked for: its first repository, one that has the macros, tagging.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancellation_gives_the_environment_up_wherever_a_service_ends() {
    for under_way in ["newRepo", "tagBuild"] {
        let mut ended = false;
        for (number, trouble) in calls() {
            let context = format!("{under_way}, call {number} of the cancellation, {trouble:?}");
            let mut flow = Flow::new().await;
            let tagging_pause = std::time::Duration::ZERO;
            flow.config = KojiConfig { tagging: Tagging::Task, tagging_pause, ..flow.config };
            flow.world.hub.world().dialect = Dialect::old();
            flow.world.hub.world().wait_for_builder = 100.0;
            let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
            let driver = flow.driver();
            flow.until(&driver, |flow| running(flow).iter().any(|method| method == under_way)).await;
            driver.cancel(id, sample::owner("alice")).await.unwrap();
            let did_all = work_and_end(&flow, driver, id, number, trouble).await;
            let build = flow.until_ended(&flow.driver(), id).await;
            assert_eq!(build.reason(), Some("canceled by alice"), "{context}");
            let world = flow.world.hub.world();
            let states: Vec<_> = world.tasks().filter(|task| task.method == under_way).map(|task| task.state).collect();
            assert!(states.last() == Some(&TaskState::Canceled), "{context}: {states:?}");
            ended |= did_all;
            if did_all {
                break;
            }
        }
        assert!(ended, "a cancellation takes more calls than were tried");
    }
}

/// The service ends at any call while it builds; then somebody cancels, and later submits again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_that_is_cancelled_after_a_service_ended_is_built_again() {
    for (number, trouble) in calls() {
        let context = format!("call {number}, {trouble:?}");
        let flow = Flow::new().await;
        let id = flow.submit(MODULEMD, &[("alpha", 0), ("beta", 10)]).await;
        let did_all = work_and_end(&flow, flow.driver(), id, number, trouble).await;
        if did_all {
            assert!(number > 20, "the calls were stopped at");
            return;
        }
        let driver = flow.driver();
        driver.cancel(id, sample::owner("alice")).await.unwrap();
        let build = flow.until_ended(&driver, id).await;
        assert_eq!(build.reason(), Some("canceled by alice"), "{context}");
        assert_eq!(running(&flow), Vec::<String>::new(), "{context}");
        let before = counts(&flow);
        assert!(before.iter().all(|count| *count <= 1), "{context}: {before:?}");
        drop(driver);
        let driver = flow.driver();
        driver.apply(id, Fact::Resubmitted { by: sample::owner("alice"), submission: None }).await.unwrap();
        let build = flow.until_ended(&driver, id).await;
        assert_eq!(build.state(), BuildState::Ready, "{context}: {:?} {:?}", build.reason(), build.components);
        let world = flow.world.hub.world();
        let tagged = world.tagged(build.tag().as_str());
        assert_eq!(tagged.len(), 2, "{context}: {tagged:?}");
        assert!(world.imported("bench-1.0-1.c0ffee").is_some(), "{context}");
        // What was built stays built: only what was ended is built anew.
        for name in ["module-build-macros", "alpha", "beta"] {
            let is_of = |task: &&HubTask| match task.request.get(2) {
                Some(Value::Struct(options)) => options.get("mbs_artifact_name") == Some(&Value::from(name)),
                _ => false,
            };
            let tasks = world.tasks().filter(|task| task.method == "build").filter(is_of);
            let states: Vec<TaskState> = tasks.map(|task| task.state).collect();
            let closed = states.iter().filter(|state| **state == TaskState::Closed).count();
            assert_eq!(closed, 1, "{context}: {name} {states:?}");
            assert!(states.len() <= 2, "{context}: {name} {states:?}");
        }
    }
    panic!("a module takes more calls than were tried");
}
