//! What a module takes over from its earlier build in Koji.

use rida_core::plan::{ComponentSource, Plan, RebuildStrategy, WantedComponent};
use rida_core::scm::GitRef;
use rida_core::testing::sample;
use rida_core::{BuildId, BuildState, Clock, Driver, ModuleBuild, Submission};
use rida_koji::testing::{Dialect, Trouble, When};
use rida_koji::{KojiConfig, Tagging};

use crate::flow::{Flow, THREE};
use crate::whole::is_tried;
use crate::world::MODULEMD;

use RebuildStrategy::{All, ChangedAndAfter, OnlyChanged};

/// Submits a version of the module, with the refs of its components.
async fn submit(flow: &Flow, version: u64, strategy: RebuildStrategy, parts: &[(&str, i64, &str)]) -> BuildId {
    let wanted = parts.iter().map(|(name, buildorder, reference)| WantedComponent {
        name: sample::component(name),
        source: ComponentSource {
            repository: sample::repository(name),
            reference: GitRef::new(reference).unwrap(),
            cache: None,
        },
        buildorder: *buildorder,
        buildafter: Vec::new(),
        buildonly: false,
        arches: Vec::new(),
    });
    let nsvc = sample::nsvc(&format!("bench:1.0:{version}:c0ffee"));
    let (plan, at) = (Plan::new(wanted.collect()).unwrap(), flow.clock.now());
    let submission =
        Submission { plan, modulemd: MODULEMD.into(), at, rebuild_strategy: strategy, ..sample::submission(nsvc) };
    flow.driver().record(submission).await.unwrap()
}

/// Builds a version of the module, and returns it with the components that `build()` was called for.
async fn ready(
    flow: &Flow,
    driver: &Driver,
    version: u64,
    strategy: RebuildStrategy,
    parts: &[(&str, i64, &str)],
) -> (ModuleBuild, String) {
    let names = ["module-build-macros", "alpha", "beta", "gamma"];
    let before = names.map(|name| flow.tasks(name));
    let id = submit(flow, version, strategy, parts).await;
    let build = flow.until_ended(driver, id).await;
    assert_eq!(build.state(), BuildState::Ready, "{:?}", build.reason());
    flow.pass();
    let started = names.into_iter().zip(before).filter(|(name, before)| flow.tasks(name) > *before);
    let started: Vec<&str> = started.map(|(name, _)| name.trim_start_matches("module-build-")).collect();
    (build, started.join(" "))
}

fn parts(changed: &str) -> Vec<(&'static str, i64, &'static str)> {
    let reference = |name: &str| if name == changed { "next" } else { "main" };
    THREE.iter().map(|(name, order)| (*name, *order, reference(name))).collect()
}

fn nvrs(build: &ModuleBuild) -> Vec<String> {
    let named = build.components().filter(|(planned, _)| planned.source.is_some());
    let mut nvrs: Vec<_> = named.map(|(_, component)| component.state.built().unwrap().nvr.to_string()).collect();
    nvrs.sort();
    nvrs
}

fn tagged(flow: &Flow, tag: &str) -> Vec<String> {
    let mut tagged = flow.world.hub.world().tagged(tag);
    tagged.sort();
    tagged
}

fn repositories(flow: &Flow) -> usize {
    flow.world.hub.world().tasks().filter(|task| task.method == "newRepo").count()
}

#[tokio::test]
async fn all_is_taken_over_without_macros_and_without_a_build() {
    for tagging in [Tagging::Direct, Tagging::Task] {
        let flow = Flow::new().await;
        let config = KojiConfig { tagging, ..flow.world.config() };
        let driver = flow.driver_of(std::sync::Arc::new(flow.world.system_with(config)));
        let (first, _) = ready(&flow, &driver, 1, All, &parts("")).await;
        let repositories_before = repositories(&flow);
        // The second takes from the first, and the third from one that has no macros.
        for version in [2, 3] {
            let (build, started) = ready(&flow, &driver, version, ChangedAndAfter, &parts("")).await;
            assert_eq!((started.as_str(), nvrs(&build)), ("", nvrs(&first)));
            assert_eq!(build.components[0].state.name(), "unneeded");
            for tag in [build.tag().to_string(), format!("{}-build", build.tag())] {
                assert_eq!(tagged(&flow, &tag), nvrs(&first), "{tag}, {tagging:?}");
            }
            let world = flow.world.hub.world();
            assert_eq!(
                world.tagged("modular-candidate").len(),
                2 * usize::try_from(version).unwrap(),
                "it is imported"
            );
        }
        assert_eq!(repositories(&flow), repositories_before, "nobody needs a repository");
    }
}

#[tokio::test]
async fn a_changed_ref_is_built_as_the_strategy_says() {
    for (strategy, changed, expected) in [
        (All, "beta", "macros alpha beta gamma"),
        (ChangedAndAfter, "beta", "macros beta gamma"),
        (OnlyChanged, "beta", "macros beta"),
        (ChangedAndAfter, "gamma", "macros gamma"),
    ] {
        for dialect in [Dialect::released(), Dialect::old()] {
            let flow = Flow::new().await;
            flow.world.hub.world().dialect = dialect;
            let driver = flow.driver();
            ready(&flow, &driver, 1, All, &parts("")).await;
            let (build, started) = ready(&flow, &driver, 2, strategy, &parts(changed)).await;
            assert_eq!(started, expected, "{strategy}, {changed}");
            assert_eq!(tagged(&flow, build.tag().as_str()), nvrs(&build), "old and new are in one tag");
            let in_build_tag = flow.world.hub.world().tagged(&format!("{}-build", build.tag()));
            assert_eq!(in_build_tag.len(), 4, "with the macros");
            assert_eq!(flow.world.hub.world().waits_for_repository, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_taken_over_costs_the_hub_less_than_what_is_built() {
    let flow = Flow::new().await;
    let names: Vec<String> = (0..30).map(|number| format!("p{number}")).collect();
    let parts = |reference: &'static str| -> Vec<(&str, i64, &'static str)> {
        let reference = |number: usize| if number == 29 { reference } else { "main" };
        names
            .iter()
            .enumerate()
            .map(|(number, name)| (name.as_str(), i64::from(number > 14), reference(number)))
            .collect()
    };
    let driver = flow.sparing_driver();
    let cost = async |version, strategy, reference| {
        let before = flow.world.hub.world().calls.len();
        let build = ready(&flow, &driver, version, strategy, &parts(reference)).await.0;
        assert_eq!(tagged(&flow, build.tag().as_str()), nvrs(&build));
        flow.world.hub.world().calls.len() - before
    };
    let all = cost(1, All, "main").await;
    let one = cost(2, ChangedAndAfter, "next").await;
    let none = cost(3, ChangedAndAfter, "next").await;
    println!("30 components: {all} requests; one of them changed: {one}; none: {none}");
    assert!(one * 2 < all && none * 2 < one, "{all}, {one}, {none}");
}

#[tokio::test]
async fn an_added_component_and_a_removed_one_rebuild_what_comes_later() {
    let added = [("alpha", 0, "main"), ("delta", 0, "main"), ("beta", 0, "main"), ("gamma", 10, "main")];
    let removed = [("alpha", 0, "main"), ("gamma", 10, "main")];
    // In the last batch nothing comes later.
    let added_last = [("alpha", 0, "main"), ("beta", 0, "main"), ("delta", 10, "main"), ("gamma", 10, "main")];
    let removed_last = [("alpha", 0, "main"), ("beta", 0, "main")];
    for (parts_now, expected) in
        [(&added[..], "macros gamma"), (&removed[..], "macros gamma"), (&added_last, "macros"), (&removed_last, "")]
    {
        let flow = Flow::new().await;
        let driver = flow.driver();
        ready(&flow, &driver, 1, All, &parts("")).await;
        let (build, started) = ready(&flow, &driver, 2, ChangedAndAfter, parts_now).await;
        assert_eq!(started, expected);
        assert_eq!(flow.tasks("delta"), usize::from(parts_now.len() == 4));
        assert_eq!(tagged(&flow, build.tag().as_str()), nvrs(&build));
    }
}

#[tokio::test]
async fn what_koji_has_deleted_is_built() {
    let flow = Flow::new().await;
    let driver = flow.driver();
    let (first, _) = ready(&flow, &driver, 1, All, &parts("")).await;
    let (_, alpha) = first.component(&sample::component("alpha")).unwrap();
    let nvr = alpha.state.built().unwrap().nvr.to_string();
    flow.world.hub.world().delete_build(&nvr);
    let (second, started) = ready(&flow, &driver, 2, ChangedAndAfter, &parts("")).await;
    assert_eq!(started, "macros alpha gamma");
    let (_, alpha) = second.component(&sample::component("alpha")).unwrap();
    assert_ne!(alpha.state.built().unwrap().nvr.to_string(), nvr);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_ends_at_any_call_takes_over_all_the_same() {
    let all = (0..200).flat_map(|number| [(number, 0, Trouble::Stop), (number, 1, Trouble::StopAfter)]);
    for (number, _, trouble) in all.filter(|(number, kind, _)| is_tried(*number, *kind)) {
        let context = format!("call {number}, {trouble:?}");
        let flow = Flow::new().await;
        ready(&flow, &flow.driver(), 1, All, &parts("")).await;
        let id = submit(&flow, 2, ChangedAndAfter, &parts("gamma")).await;
        flow.world.hub.world().trouble(When::Number(number), trouble);
        let first = flow.driver();
        let finished = tokio::select! {
            _ = flow.until_ended(&first, id) => true,
            () = flow.world.hub.stopped() => false,
        };
        drop(first);
        flow.world.hub.world().calm();
        let build = flow.until_ended(&flow.driver(), id).await;
        assert_eq!(build.state(), BuildState::Ready, "{context}: {:?}", build.reason());
        let counts = ["module-build-macros", "alpha", "beta", "gamma"].map(|name| flow.tasks(name));
        assert_eq!(counts, [2, 1, 1, 2], "{context}: only the macros and gamma are built again");
        assert_eq!(tagged(&flow, build.tag().as_str()), nvrs(&build), "{context}");
        if finished {
            assert!(number > 15, "the calls were stopped at");
            return;
        }
    }
    panic!("a module takes more calls than were tried");
}
