use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::build::{Phase, Submission};
use crate::id::{Arch, TaskId};
use crate::plan::{ComponentSource, Plan, WantedComponent};
use crate::scm::{CommitHash, GitRef};
use crate::testing::sample;

/// A component of a test: its commit, its place, and what it is built for.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Part {
    commit: u8,
    buildorder: i64,
    buildafter: Vec<String>,
    arches: Vec<&'static str>,
}

/// A module of a test.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Module {
    parts: BTreeMap<String, Part>,
    macros: &'static str,
    arches: &'static str,
    strategy: RebuildStrategy,
}

const STRATEGIES: [RebuildStrategy; 3] = RebuildStrategy::ALL;

/// Four batches: `a`, `b` and `c`, then `d` and `e`, then `f`, then `g`.
fn module(strategy: RebuildStrategy) -> Module {
    let places = [("a", 0), ("b", 0), ("c", 0), ("d", 1), ("e", 1), ("f", 2), ("g", 9)];
    let part = |(name, buildorder): (&str, i64)| (name.to_owned(), part(buildorder));
    Module { parts: places.into_iter().map(part).collect(), macros: "", arches: "", strategy }
}

fn part(buildorder: i64) -> Part {
    Part { commit: 1, buildorder, buildafter: Vec::new(), arches: Vec::new() }
}

impl Module {
    fn with(mut self, name: &str, change: impl FnOnce(&mut Part)) -> Self {
        change(self.parts.entry(name.to_owned()).or_insert_with(|| part(0)));
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.parts.remove(name);
        self
    }

    /// Returns a build of the module that waits, with its sources pinned.
    fn build(&self, number: i64) -> ModuleBuild {
        let wanted = self.parts.iter().map(|(name, part)| WantedComponent {
            name: sample::component(name),
            source: ComponentSource {
                repository: sample::repository(name),
                reference: GitRef::new("main").expect("a branch"),
                cache: None,
            },
            buildorder: part.buildorder,
            buildafter: part.buildafter.iter().map(|name| sample::component(name)).collect(),
            buildonly: false,
            arches: part.arches.iter().filter_map(|arch| Arch::new(arch).ok()).collect(),
        });
        let plan = Plan::new(wanted.collect()).expect("an order");
        let quoted = |text: &str| serde_json::to_string(text).expect("a text");
        let modulemd = format!(
            "document: modulemd\nversion: 2\ndata:\n  name: foo\n  stream: '1'\n  version: 1\n  summary: s\n  \
             description: d\n  license:\n    module: [MIT]\n  buildopts:\n    rpms:\n      macros: {}\n    arches: [{}]\n",
            quoted(self.macros),
            self.arches,
        );
        let nsvc = sample::nsvc(&format!("foo:1:{number}:c0ffee"));
        let submission =
            Submission { plan, modulemd: modulemd.into(), rebuild_strategy: self.strategy, ..sample::submission(nsvc) };
        let mut build = sample::Written::of_submission(sample::id(number), submission).after;
        build.phase = Phase::Preparing;
        let names: Vec<ComponentName> = build.plan().iter().map(|planned| planned.name.clone()).collect();
        for (name, component) in names.iter().zip(&mut build.components) {
            let commit = self.parts.get(name.as_str()).map(|part| format!("{:02x}", part.commit).repeat(20));
            component.source = commit.map(|commit| {
                let commit = CommitHash::new(&commit).expect("a hash");
                Arc::new(crate::component::PinnedSource { commit, ..sample::source(name.as_str()) })
            });
        }
        build
    }

    /// Returns a build of the module that is ready.
    fn ready(&self, number: i64) -> ModuleBuild {
        let mut build = self.build(number);
        build.phase = Phase::Ready;
        let names: Vec<ComponentName> = build.plan().iter().map(|planned| planned.name.clone()).collect();
        for (task, (name, component)) in (1..).zip(names.iter().zip(&mut build.components)) {
            component.state = ComponentState::Available(sample::built(name.as_str(), number * 1000 + task));
        }
        build
    }
}

fn decide(now: &Module, before: &Module) -> ReuseDecision {
    ReuseDecision::new(&now.build(2), &before.ready(1), |_| true)
}

/// Returns what is built, in the plan's order.
fn rebuilt(decision: &ReuseDecision) -> Vec<&str> {
    let rebuilt = decision.components.iter().filter(|(_, reuse)| matches!(reuse, Reuse::Rebuilt(_)));
    rebuilt.map(|(name, _)| name.as_str()).collect()
}

/// Checks what is built again when `change` was made to the module.
#[track_caller]
fn check(change: impl Fn(Module) -> Module, changed_and_after: &str, only_changed: &str) {
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    for (strategy, expected) in [
        (RebuildStrategy::ChangedAndAfter, Some(words(changed_and_after))),
        (RebuildStrategy::OnlyChanged, Some(words(only_changed))),
        (RebuildStrategy::All, None),
    ] {
        let now = change(module(strategy));
        let decision = decide(&now, &module(RebuildStrategy::All));
        let expected = expected.unwrap_or_else(|| now.parts.keys().cloned().collect());
        let mut found = rebuilt(&decision);
        found.sort_unstable();
        assert_eq!(found, expected, "with {strategy}: {decision:?}");
    }
}

fn reason<'a>(decision: &'a ReuseDecision, name: &str) -> &'a str {
    match decision.components.iter().find(|(component, _)| component.as_str() == name) {
        Some((_, Reuse::Rebuilt(why))) => why,
        other => panic!("{name} is not built: {other:?}"),
    }
}

#[test]
fn nothing_is_built_of_what_did_not_change() {
    check(|module| module, "", "");
}

#[test]
fn a_changed_commit_rebuilds_it_and_with_changed_and_after_what_comes_later() {
    check(|module| module.with("g", |part| part.commit = 2), "g", "g");
    check(|module| module.with("d", |part| part.commit = 2), "d f g", "d");
    check(|module| module.with("a", |part| part.commit = 2), "a d e f g", "a");
}

#[test]
fn an_added_component_rebuilds_what_comes_later() {
    check(|module| module.with("new", |part| part.buildorder = 1), "f g new", "new");
    check(|module| module.with("new", |part| part.buildorder = 9), "new", "new");
    // A batch of its own moves the later ones.
    check(|module| module.with("new", |part| part.buildorder = 5), "g new", "new");
}

#[test]
fn a_removed_component_rebuilds_what_came_later() {
    check(|module| module.without("g"), "", "");
    check(|module| module.without("e"), "f g", "");
    check(|module| module.without("c"), "d e f g", "");
    // With its batch.
    check(|module| module.without("f"), "g", "");
}

#[test]
fn a_moved_component_rebuilds_what_comes_after_either_place() {
    check(|module| module.with("c", |part| part.buildorder = 1), "c d e f g", "");
    check(|module| module.with("d", |part| part.buildorder = 2), "d f g", "");
}

#[test]
fn other_architectures_are_another_build() {
    check(|module| module.with("e", |part| part.arches = vec!["x86_64"]), "e f g", "e");
    let both =
        |order: [&'static str; 2]| module(RebuildStrategy::OnlyChanged).with("e", |part| part.arches = order.into());
    assert!(rebuilt(&decide(&both(["x86_64", "aarch64"]), &both(["aarch64", "x86_64"]))).is_empty());
    check(|module| Module { arches: "x86_64", ..module }, "a b c d e f g", "a b c d e f g");
}

#[test]
fn other_macros_are_another_build() {
    check(|module| Module { macros: "%with_foo 1", ..module }, "a b c d e f g", "");
    let module = || module(RebuildStrategy::ChangedAndAfter);
    let (with, same) = (Module { macros: "%foo 1\n", ..module() }, Module { macros: "%foo 1", ..module() });
    assert!(rebuilt(&decide(&with, &same)).is_empty(), "the end of the text says nothing");
}

#[test]
fn what_is_gone_is_built_and_so_is_what_comes_later() {
    let without = |strategy, gone: &str| {
        let decision = ReuseDecision::new(&module(strategy).build(2), &module(RebuildStrategy::All).ready(1), |name| {
            name.as_str() != gone
        });
        rebuilt(&decision).join(" ")
    };
    assert_eq!(without(RebuildStrategy::ChangedAndAfter, "d"), "d f g");
    assert_eq!(without(RebuildStrategy::OnlyChanged, "d"), "d");
}

#[test]
fn with_buildafter_only_what_is_built_after_it_is_built_again() {
    let graph = |strategy| {
        let after = |name: &str, before: &[&str]| {
            let part = Part { buildafter: before.iter().map(|&name| name.to_owned()).collect(), ..part(0) };
            (name.to_owned(), part)
        };
        let parts = [after("a", &[]), after("b", &[]), after("c", &["a"]), after("d", &["b"]), after("e", &["c", "d"])];
        Module { parts: parts.into(), ..module(strategy) }
    };
    let changed = |strategy, name: &str| {
        let now = graph(strategy).with(name, |part| part.commit = 2);
        rebuilt(&decide(&now, &graph(RebuildStrategy::All))).join(" ")
    };
    assert_eq!(changed(RebuildStrategy::ChangedAndAfter, "a"), "a c e");
    assert_eq!(changed(RebuildStrategy::ChangedAndAfter, "d"), "d e");
    assert_eq!(changed(RebuildStrategy::OnlyChanged, "a"), "a");
    let edge = graph(RebuildStrategy::ChangedAndAfter).with("d", |part| part.buildafter = vec!["a".to_owned()]);
    assert_eq!(rebuilt(&decide(&edge, &graph(RebuildStrategy::All))).join(" "), "d e", "it is built after another");
    let ordered = Module { parts: graph(RebuildStrategy::All).parts, ..module(RebuildStrategy::ChangedAndAfter) };
    let ordered = ["a", "b", "c", "d", "e"]
        .into_iter()
        .fold(ordered, |module, name| module.with(name, |part| *part = super::tests::part(i64::from(name == "e"))));
    assert_eq!(rebuilt(&decide(&ordered, &graph(RebuildStrategy::All))).len(), 5, "another kind of order");
}

#[test]
fn each_reason_is_told() {
    let of = |change: &dyn Fn(Module) -> Module, name: &str| {
        let decision = decide(&change(module(RebuildStrategy::ChangedAndAfter)), &module(RebuildStrategy::All));
        reason(&decision, name).to_owned()
    };
    let changed = |module: Module| module.with("d", |part| part.commit = 2);
    assert_eq!(of(&changed, "d"), format!("its commit was {} in build 1", "01".repeat(20)));
    assert_eq!(of(&changed, "g"), "d comes before it, and is built");
    assert_eq!(of(&|module| module.without("e"), "f"), "e came before it in build 1");
    assert_eq!(of(&|module| module.with("new", |_| ()), "new"), "build 1 does not have it");
    assert_eq!(of(&|module| module.with("g", |part| part.buildorder = 2), "g"), "it was in batch 5 in build 1");
    let arches = |module: Module| module.with("a", |part| part.arches = vec!["x86_64"]);
    assert_eq!(of(&arches, "a"), "its architectures were others in build 1");
    assert_eq!(of(&|module| Module { macros: "%a 1", ..module }, "a"), "the module's macros were others in build 1");
}

#[test]
fn what_an_earlier_run_took_over_or_built_stays() {
    let (now, donor) = (module(RebuildStrategy::ChangedAndAfter), module(RebuildStrategy::All).ready(1));
    let mut build = now.build(2);
    let index = |build: &ModuleBuild, name: &str| build.plan().index_of(&sample::component(name)).expect("it is there");
    // `d` was gone, so that it was built; `a` was taken over; the rest waits.
    let (a, d) = (index(&build, "a"), index(&build, "d"));
    let built = Built { task: TaskId(7), ..sample::built("a", 7) };
    build.components[a].reuse = Some(Arc::new(Reuse::Taken(Taken { build: donor.id, built: built.clone() })));
    build.components[a].state = ComponentState::Tagged(built);
    build.components[d].state = ComponentState::Tagged(sample::built("d", 8));
    let decision = ReuseDecision::new(&build, &donor, |_| true);
    let names: Vec<&str> = decision.components.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["b", "c", "e", "f", "g"], "only what waits is decided");
    assert_eq!(rebuilt(&decision), ["f", "g"], "what comes after what was built is built");
}

fn any_module() -> impl Strategy<Value = Module> {
    let part = (0..3_u8, 0..4_i64, prop::bool::weighted(0.1)).prop_map(|(commit, buildorder, arch)| Part {
        commit,
        buildorder,
        buildafter: Vec::new(),
        arches: if arch { vec!["x86_64"] } else { Vec::new() },
    });
    let graph = any::<bool>();
    let edges = prop::collection::vec(prop::bool::weighted(0.3), 36);
    let parts = prop::collection::btree_map("[a-f]", part, 0..6);
    (parts, graph, edges, prop::sample::select(vec!["", "%a 1"]), prop::sample::select(STRATEGIES.to_vec())).prop_map(
        |(mut parts, graph, edges, macros, strategy)| {
            if graph {
                let names: Vec<String> = parts.keys().cloned().collect();
                for (number, part) in parts.values_mut().enumerate() {
                    part.buildorder = 0;
                    let before = |other: &usize| edges[number * 6 + other];
                    part.buildafter = (0..number).filter(before).map(|other| names[other].clone()).collect();
                }
            }
            Module { parts, macros, arches: "", strategy }
        },
    )
}

proptest! {
    /// What is taken over is what would be built: the same commit for the same architectures.
    #[test]
    fn what_is_taken_over_is_the_same_commit(now in any_module(), before in any_module()) {
        for (name, taken) in decide(&now, &before).taken() {
            let (ours, theirs) = (&now.parts[name.as_str()], &before.parts[name.as_str()]);
            prop_assert_eq!((ours.commit, &ours.arches), (theirs.commit, &theirs.arches));
            prop_assert_eq!(taken.build, sample::id(1));
            prop_assert_ne!(now.strategy, RebuildStrategy::All);
        }
    }

    /// With `changed-and-after`, whatever comes before something that is taken over is taken over, and came before it
    /// in the earlier build as well; with the same macros.
    #[test]
    fn what_comes_before_is_the_same(now in any_module(), before in any_module()) {
        let now = Module { strategy: RebuildStrategy::ChangedAndAfter, ..now };
        let decision = decide(&now, &before);
        let taken: BTreeSet<&str> = decision.taken().map(|(name, _)| name.as_str()).collect();
        for name in &taken {
            prop_assert_eq!(now.macros, before.macros);
            let (ours, theirs) = (all_before(&now, name), all_before(&before, name));
            prop_assert!(ours.iter().all(|other| taken.contains(other.as_str())), "{} in {:?}", name, decision);
            prop_assert_eq!(ours, theirs, "{} in {:?}", name, decision);
        }
    }

    /// A build of the same module takes everything over, `only-changed` everything that `changed-and-after` does, and
    /// `all` nothing.
    #[test]
    fn strategies_are_ordered(now in any_module(), before in any_module()) {
        let taken = |strategy, before: &Module| {
            let decision = decide(&Module { strategy, ..now.clone() }, before);
            decision.taken().map(|(name, _)| name.clone()).collect::<BTreeSet<_>>()
        };
        prop_assert!(taken(RebuildStrategy::All, &before).is_empty());
        let (some, most) = (taken(RebuildStrategy::ChangedAndAfter, &before), taken(RebuildStrategy::OnlyChanged, &before));
        prop_assert!(some.is_subset(&most), "{some:?} and {most:?}");
        for strategy in [RebuildStrategy::ChangedAndAfter, RebuildStrategy::OnlyChanged] {
            prop_assert_eq!(taken(strategy, &now).len(), now.parts.len());
        }
    }

    /// Every component is decided, once, in the plan's order; what is built has a reason.
    #[test]
    fn every_component_is_decided(now in any_module(), before in any_module(), gone in "[a-f]") {
        let build = now.build(2);
        let decision = ReuseDecision::new(&build, &before.ready(1), |name| name.as_str() != gone);
        let decided: Vec<_> = decision.components.iter().map(|(name, _)| name).collect();
        let planned: Vec<_> = build.plan().iter().skip(1).map(|planned| &planned.name).collect();
        prop_assert_eq!(decided, planned);
        for (name, reuse) in &decision.components {
            prop_assert!(!matches!(reuse, Reuse::Rebuilt(why) if why.is_empty()));
            prop_assert!(name.as_str() != gone || matches!(reuse, Reuse::Rebuilt(_)));
        }
    }
}

/// Returns everything that comes before a component, each with its place in the order where that is numbers.
fn all_before(module: &Module, name: &str) -> BTreeSet<String> {
    let part = &module.parts[name];
    if module.parts.values().any(|part| !part.buildafter.is_empty()) {
        let direct = part.buildafter.iter();
        return direct.flat_map(|other| all_before(module, other).into_iter().chain([other.clone()])).collect();
    }
    let lower = module.parts.iter().filter(|(_, other)| other.buildorder < part.buildorder);
    lower.map(|(name, _)| name.clone()).collect()
}
