//! What is taken away after its time, and what is ended that never ends by itself.

use std::sync::Arc;
use std::time::Duration;

use rida_core::testing::sample;
use rida_core::{BuildId, BuildState, Clock, Fact, FailureKind, ModuleBuild, Phase, Submission, Timestamp};
use rida_koji::testing::{Course, Dialect, Trouble, When};
use rida_koji::xmlrpc::Fault;
use rida_koji::{CleanUp, Cleaned, Client, ClientConfig, KojiBuildSystem, fault};

use crate::flow::{Flow, THREE};
use crate::world::MODULEMD;

const INSTANT: Duration = Duration::from_millis(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Builds a module to its end, of which one component fails.
async fn failed(flow: &Flow) -> ModuleBuild {
    flow.world.hub.world().courses.insert("gamma".to_owned(), Course::Fails(5.0));
    let id = flow.submit(MODULEMD, THREE).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(build.state(), BuildState::Failed);
    build
}

async fn clean(flow: &Flow, now: Timestamp) -> Cleaned {
    flow.world.system().clean_up(now, &CleanUp::default()).await.unwrap()
}

#[tokio::test]
async fn targets_are_deleted_a_day_after_their_module_ended() {
    let mut targets = Vec::new();
    for ends in [BuildState::Failed, BuildState::Ready] {
        let flow = Flow::new().await;
        let build = match ends {
            BuildState::Failed => failed(&flow).await,
            _ => {
                let id = flow.submit(MODULEMD, &[("alpha", 0)]).await;
                flow.until_ended(&flow.driver(), id).await
            }
        };
        assert_eq!(build.state(), ends);
        // A module that is not known here, one that is still built, and somebody's own target.
        drop(flow.world.module(&["alpha"]));
        let foreign = flow.world.module(&["alpha"]);
        flow.world.prepare(&flow.world.system(), &foreign).await;
        assert_eq!(flow.world.hub.world().targets().count(), 2);
        let ended = build.completed_at().unwrap();
        assert_eq!(clean(&flow, ended.plus(DAY)).await, Cleaned::default(), "{ends}: it is not older than a day");
        assert_eq!(flow.world.hub.world().targets().count(), 2);
        let cleaned = clean(&flow, ended.plus(DAY + INSTANT)).await;
        assert_eq!(cleaned.targets, [build.target().to_string()], "{ends}");
        let left: Vec<String> = flow.world.hub.world().targets().map(str::to_owned).collect();
        assert_eq!(left, [foreign.target().to_string()], "what is not known here stays");
        assert_eq!(clean(&flow, ended.plus(DAY + INSTANT)).await, Cleaned::default());
        targets.extend(cleaned.targets);
    }
    assert_eq!(targets.len(), 2);
}

#[tokio::test]
async fn packages_of_failed_modules_are_untagged_after_half_a_year() {
    let flow = Flow::new().await;
    let build = failed(&flow).await;
    let tags = [build.tag().to_string(), format!("{}-build", build.tag())];
    let count = |flow: &Flow| tags.iter().map(|tag| flow.world.hub.world().tagged(tag).len()).sum::<usize>();
    assert_eq!(count(&flow), 5, "two components in two tags, and the macros");
    let half_a_year = build.completed_at().unwrap().plus(180 * DAY);
    let day_before = Timestamp::from_millis(half_a_year.millis() - 1);
    assert_eq!(clean(&flow, day_before).await.untagged, []);
    assert_eq!(count(&flow), 5);
    let before = flow.world.hub.world().calls.len();
    assert_eq!(clean(&flow, half_a_year).await.untagged, [(build.nsvc().clone(), 5)]);
    assert_eq!(count(&flow), 0);
    let requests = flow.world.hub.world().calls.len() - before;
    assert!(requests <= 8, "{requests}");
    assert_eq!(clean(&flow, half_a_year).await, Cleaned::default());
    assert_eq!(clean(&flow, half_a_year.plus(1000 * DAY)).await, Cleaned::default(), "nobody looks at it for ever");
}

#[tokio::test]
async fn what_was_taken_away_is_told_when_the_rest_cannot_be() {
    let flow = Flow::new().await;
    let build = failed(&flow).await;
    let offline = Fault { code: fault::OFFLINE, message: "maintenance".to_owned() };
    flow.world.hub.world().trouble(When::Having("listTagged".to_owned()), Trouble::Fault(offline));
    let half_a_year = build.completed_at().unwrap().plus(180 * DAY);
    let system = flow.world.system();
    let error = system.clean_up(half_a_year, &CleanUp::default()).await.unwrap_err();
    assert_eq!(error.cleaned, Cleaned { targets: vec![build.target().to_string()], ..Cleaned::default() });
    assert!(error.source.to_string().contains("Koji is offline: maintenance"), "{}", error.source);
    assert_eq!(clean(&flow, half_a_year).await.untagged, [(build.nsvc().clone(), 5)]);
}

#[tokio::test]
async fn what_is_not_this_services_is_not_untagged() {
    let flow = Flow::new().await;
    // The tag is somebody else's, so that the module fails; what is in the tag is theirs.
    let tag = "module-bench-1.0-1-c0ffee";
    {
        let mut world = flow.world.hub.world();
        world.add_tag(tag, "x86_64");
        world.add_tagged(tag, ["theirs", "1", "1"], &[("theirs", "x86_64")]);
    }
    let id = flow.submit(MODULEMD, THREE).await;
    let build = flow.until_ended(&flow.driver(), id).await;
    assert!(build.reason().unwrap().contains("that this service did not make"), "{:?}", build.reason());
    assert_eq!(build.tag().as_str(), tag);
    let later = build.completed_at().unwrap().plus(181 * DAY);
    assert_eq!(clean(&flow, later).await, Cleaned::default());
    assert_eq!(flow.world.hub.world().tagged(tag), ["theirs-1-1"]);
}

#[tokio::test]
async fn what_the_hub_refuses_keeps_nothing_else_from_being_taken_away() {
    let flow = Flow::new().await;
    let first = failed(&flow).await;
    let second = {
        let id = flow.submit_as("bench:1.0:2:c0ffee", MODULEMD, THREE).await;
        flow.until_ended(&flow.driver(), id).await
    };
    assert_eq!(second.state(), BuildState::Failed);
    let half_a_year = second.completed_at().unwrap().plus(180 * DAY);
    let locked = first.tag().to_string();
    flow.world.hub.world().lock_tag(&locked);
    flow.world.hub.world().set_permissions("rida", &["tag", "repo"]);
    let cleaned = clean(&flow, half_a_year).await;
    assert_eq!(cleaned.targets, Vec::<String>::new());
    assert_eq!(cleaned.untagged, [(first.nsvc().clone(), 3), (second.nsvc().clone(), 5)]);
    let told = cleaned.refused;
    assert_eq!(told.len(), 3, "once for each target and tag: {told:?}");
    assert!(told[0].contains(&format!("the target {} cannot be deleted", first.target())), "{told:?}");
    assert_eq!(told[2], format!("packages cannot be untagged from {locked}: Koji answers: tag {locked} is locked"));
    let world = flow.world.hub.world();
    assert_eq!(world.tagged(&locked).len(), 2);
    assert!(world.tagged(&format!("{locked}-build")).is_empty() && world.tagged(second.tag().as_str()).is_empty());
}

#[tokio::test]
async fn a_lost_answer_keeps_nothing_from_being_taken_away() {
    let mut lost = None;
    for _ in 0..2 {
        let flow = Flow::new().await;
        let build = failed(&flow).await;
        let half_a_year = build.completed_at().unwrap().plus(180 * DAY);
        let client = Client::new(ClientConfig { batch: 2, ..flow.world.client_config() }).unwrap();
        let system = KojiBuildSystem::new(client, flow.world.config(), Arc::new(flow.world.store.clone()));
        if let Some(number) = lost {
            flow.world.hub.world().trouble(When::Number(number), Trouble::BreakAfter);
        }
        let before = flow.world.hub.world().calls.len();
        let cleaned = system.clean_up(half_a_year, &CleanUp::default()).await.unwrap();
        assert_eq!((cleaned.untagged, cleaned.refused.len()), (vec![(build.nsvc().clone(), 5)], 0));
        let world = flow.world.hub.world();
        assert!(world.tagged(build.tag().as_str()).is_empty());
        assert!(world.tagged(&format!("{}-build", build.tag())).is_empty());
        let first = (0..).zip(&world.calls[before..]).find(|(_, call)| call.contains("untagBuild")).unwrap();
        lost.get_or_insert(first.0);
    }
}

#[tokio::test]
async fn packages_of_what_was_only_tried_are_untagged_after_half_a_year() {
    let flow = Flow::new().await;
    let submission = (*flow.world.module_of(MODULEMD, &["alpha", "beta"]).submission).clone();
    let id = flow.driver().record(Submission { scratch: true, ..submission }).await.unwrap();
    let tried = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(tried.state(), BuildState::Done, "{:?}", tried.reason());
    let id = flow.submit(MODULEMD, THREE).await;
    let kept = flow.until_ended(&flow.driver(), id).await;
    assert_eq!(kept.state(), BuildState::Ready, "{:?}", kept.reason());
    let half_a_year = kept.completed_at().unwrap().plus(180 * DAY);
    let just_before = Timestamp::from_millis(tried.completed_at().unwrap().plus(180 * DAY).millis() - 1);
    assert_eq!(clean(&flow, just_before).await.untagged, []);
    assert_eq!(clean(&flow, half_a_year).await.untagged, [(tried.nsvc().clone(), 5)]);
    let world = flow.world.hub.world();
    assert!(world.tagged(tried.tag().as_str()).is_empty());
    assert_eq!(world.tagged(kept.tag().as_str()).len(), 3, "a module that is built with keeps its packages");
}

/// Submits a failed build again, with everything in order by now, and returns how it ends.
async fn again(flow: &Flow, id: BuildId) -> ModuleBuild {
    flow.world.hub.world().courses.clear();
    let driver = flow.driver();
    driver.apply(id, Fact::Resubmitted { by: sample::owner("alice"), submission: None }).await.unwrap();
    flow.until_ended(&driver, id).await
}

#[tokio::test]
async fn a_module_that_was_untagged_and_is_submitted_again_has_all_its_packages() {
    for dialect in [Dialect::released(), Dialect::old()] {
        let flow = Flow::new().await;
        flow.world.hub.world().dialect = dialect;
        let build = failed(&flow).await;
        flow.pass_for(181 * DAY);
        let cleaned = clean(&flow, flow.clock.now()).await;
        assert_eq!((cleaned.targets.len(), cleaned.untagged.len()), (1, 1));
        let build = again(&flow, build.id).await;
        assert_eq!(build.state(), BuildState::Ready, "{:?} {:?}", build.reason(), build.components);
        let counts = ["module-build-macros", "alpha", "beta", "gamma"].map(|name| flow.tasks(name));
        assert_eq!(counts, [1, 1, 1, 2], "what was built stays built");
        let world = flow.world.hub.world();
        assert_eq!(world.tagged(build.tag().as_str()).len(), 3);
        assert_eq!(world.tagged(&format!("{}-build", build.tag())).len(), 4);
        assert_eq!(world.waits_for_repository, 0);
        // What gamma was built with had them: its repository was made after they were tagged again.
        let document = world.uploaded("rida/bench-1.0-1.c0ffee/modulemd.x86_64.txt").unwrap().to_vec();
        let document = String::from_utf8(document).unwrap();
        assert!(
            ["alpha", "beta", "gamma"].iter().all(|name| document.contains(&format!("{name}-0:1.0-1"))),
            "{document}"
        );
    }
}

#[tokio::test]
async fn packages_that_koji_has_deleted_since_are_told() {
    let flow = Flow::new().await;
    let build = failed(&flow).await;
    flow.pass_for(181 * DAY);
    assert_eq!(clean(&flow, flow.clock.now()).await.untagged.len(), 1);
    let (_, alpha) = build.component(&sample::component("alpha")).unwrap();
    flow.world.hub.world().delete_build(&alpha.state.built().unwrap().nvr.to_string());
    let build = again(&flow, build.id).await;
    let reason = build.reason().unwrap();
    assert!(reason.contains("a package cannot be tagged") && reason.contains("alpha-1.0-1"), "{reason}");
    assert!(reason.contains("DELETED"), "{reason}");
}

#[tokio::test]
async fn what_never_ends_is_ended_after_a_week() {
    let flow = Flow::new().await;
    flow.world.hub.world().courses.insert("alpha".to_owned(), Course::Hangs);
    let id = flow.submit(MODULEMD, THREE).await;
    let driver = flow.driver();
    flow.until(&driver, |flow| flow.tasks("alpha") == 1).await;
    for _ in 0..20 {
        let _ = driver.turn().await.unwrap();
    }
    let began = flow.load(id).await.phase_since;
    let week = began.plus(7 * DAY).since(flow.clock.now());
    flow.pass_for(week - INSTANT);
    for _ in 0..20 {
        let _ = driver.turn().await.unwrap();
    }
    assert!(matches!(flow.load(id).await.phase, Phase::Building { .. }));
    assert!(flow.world.hub.world().tasks().any(|task| task.method == "build" && task.state.is_active()));
    flow.pass_for(INSTANT);
    let build = flow.until_ended(&driver, id).await;
    let Phase::Failed(failure) = &build.phase else { panic!("{:?}", build.phase) };
    assert_eq!(failure.kind, FailureKind::Deadline);
    assert!(build.reason().unwrap().starts_with("the components were not built in time"), "{:?}", build.reason());
    assert!(build.completed_at().unwrap() >= began.plus(7 * DAY));
    let world = flow.world.hub.world();
    assert!(!world.tasks().any(|task| task.method == "build" && task.state.is_active()), "its tasks are ended");
}
