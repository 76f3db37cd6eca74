//! The golden table: every phase × every fact, and the laws that hold for all of them.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::fmt::Write as _;
use std::time::Duration;

use proptest::prelude::*;
use rida_core::plan::{Plan, Reuse, ReuseDecision, Taken};
use rida_core::testing::{Random, sample};
use rida_core::{
    Action, BuildState, Built, ComponentKey, ComponentName, ComponentState, Event, Fact, FailureKind, ModuleBuild,
    Phase, Policy, SourceProblem, Step, Submission, TaskId, TaskProgress, Timestamp, deadline, step, submit,
};

/// A build in each phase, as a real history makes it; the components are `bar` and `foo`, then `baz`.
fn builds() -> Vec<(&'static str, ModuleBuild)> {
    let policy = Policy { ready_at_once: false, ..Policy::default() };
    let new = submit(sample::id(1), sample::submission(sample::nsvc("lua:5.4:1:c0ffee")), &policy).unwrap().build;
    let mut builds = vec![("init", new)];
    let mut go = |name: &'static str, facts: Vec<Fact>| {
        let mut build = builds.last().unwrap().1.clone();
        for fact in facts {
            let Step::Advance(advance) = step(&build, &event(fact.clone()), &policy).unwrap() else {
                panic!("{fact:?} is ignored in {name}");
            };
            build = advance.build;
        }
        builds.push((name, build));
    };
    go("wait", vec![checked()]);
    go("preparing", vec![Fact::SlotGranted]);
    go("building macros", vec![Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() }]);
    go("regenerating", vec![built("module-build-macros", 1, 1), tagged("module-build-macros", 1)]);
    go("building", vec![Fact::RepositoryRegenerated { generation: 1 }, started("bar", 1, 2)]);
    go("finishing", {
        let mut facts = vec![built("bar", 1, 2), tagged("bar", 1), built("foo", 1, 3), tagged("foo", 1)];
        facts.extend([Fact::RepositoryRegenerated { generation: 2 }, built("baz", 1, 4), tagged("baz", 1)]);
        facts
    });
    go("done", vec![Fact::MetadataWritten]);
    go("ready", vec![Fact::MarkedReady { by: sample::owner("releng") }]);
    let mut tried = builds.iter().find(|(name, _)| *name == "done").unwrap().1.clone();
    tried.submission = Submission { scratch: true, ..(*tried.submission).clone() }.into();
    builds.push(("done, only tried", tried));
    let building = builds.iter().find(|(name, _)| *name == "building").unwrap().1.clone();
    builds.push(("failed while building", advance(&building, Fact::Canceled { by: sample::owner("bob") }, &policy)));
    let failed = builds.last().unwrap().1.clone();
    builds.push((
        "submitted again",
        advance(&failed, Fact::Resubmitted { by: sample::owner("bob"), submission: None }, &policy),
    ));
    let init = builds.first().unwrap().1.clone();
    builds.push(("failed in init", advance(&init, refused(), &policy)));
    builds
}

/// Every fact, and those whose details decide, each with a label.
fn facts() -> Vec<(&'static str, Fact)> {
    let by = || sample::owner("alice");
    vec![
        ("submitted", Fact::Submitted),
        ("sources checked", checked()),
        ("sources refused", refused()),
        ("slot granted", Fact::SlotGranted),
        ("environment prepared", Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() }),
        (
            "some is taken over",
            Fact::EnvironmentPrepared {
                reuse: Some(sample::reuse(sample::id(7)).into()),
                without: Vec::new(),
                changed: Vec::new(),
            },
        ),
        (
            "all is taken over",
            Fact::EnvironmentPrepared { reuse: Some(everything().into()), without: Vec::new(), changed: Vec::new() },
        ),
        ("somebody changed something", {
            let changed = vec!["a permission".into(), "a group".into()];
            Fact::EnvironmentPrepared { reuse: None, without: vec!["meta:1".into()], changed }
        }),
        (
            "something is left out",
            Fact::EnvironmentPrepared { reuse: None, without: vec!["meta:1".into()], changed: Vec::new() },
        ),
        ("bar started", started("bar", 1, 2)),
        ("bar started as another task", started("bar", 1, 99)),
        ("bar started, try 2", started("bar", 2, 2)),
        ("foo started", started("foo", 1, 3)),
        ("bar runs", progressed("bar", TaskProgress::Open)),
        ("bar is queued", progressed("bar", TaskProgress::Free)),
        ("bar has a builder", progressed("bar", TaskProgress::Assigned)),
        ("bar built", built("bar", 1, 2)),
        ("macros built", built("module-build-macros", 1, 1)),
        ("bar built with another name", misnamed()),
        ("bar could not be started", not_started("bar")),
        ("bar failed", failed("bar", 2)),
        ("bar failed as another task", failed("bar", 99)),
        ("macros failed", failed("module-build-macros", 1)),
        ("nobody's component built", built("stranger", 1, 2)),
        ("macros tagged", tagged("module-build-macros", 1)),
        ("bar tagged", tagged("bar", 1)),
        ("repository 1", Fact::RepositoryRegenerated { generation: 1 }),
        ("repository 9", Fact::RepositoryRegenerated { generation: 9 }),
        ("metadata written", Fact::MetadataWritten),
        ("first effect failed", Fact::EffectFailed { number: 1, reason: "no".into() }),
        ("last effect failed", Fact::EffectFailed { number: 99, reason: "no".into() }),
        ("canceled", Fact::Canceled { by: by() }),
        ("marked ready", Fact::MarkedReady { by: by() }),
        ("resubmitted", Fact::Resubmitted { by: by(), submission: None }),
        ("resubmitted anew", Fact::Resubmitted { by: by(), submission: Some(smaller().into()) }),
        ("time passed", Fact::TimePassed { because: None }),
        ("the clock was set back", Fact::TimePassed { because: None }),
        ("a month passed", Fact::TimePassed { because: None }),
    ]
}

/// A decision that takes every component over.
fn everything() -> ReuseDecision {
    let mut decision = sample::reuse(sample::id(7));
    let (name, reuse) = decision.components.last_mut().unwrap();
    *reuse = Reuse::Taken(Taken { build: sample::id(7), built: sample::built(name.as_str(), 93) });
    decision
}

/// What the service makes of the modulemd once it was set up otherwise.
fn smaller() -> Submission {
    let plan = Plan::from_components(sample::plan().iter().take(2).cloned().collect());
    Submission { plan, ..sample::submission(sample::nsvc("lua:5.4:1:c0ffee")) }
}

#[test]
fn another_submission_counts_until_a_slot_was_granted() {
    let policy = Policy::default();
    let by = || sample::owner("alice");
    let again = Submission { owner: by(), at: sample::at(99), ..smaller() };
    let fact = || Fact::Resubmitted { by: by(), submission: Some(again.clone().into()) };
    for (name, components, phase) in [("failed in init", 2, Phase::Init), ("failed while building", 4, Phase::Wait)] {
        let failed = builds().into_iter().find(|(of, _)| *of == name).unwrap().1;
        let build = advance(&failed, fact(), &policy);
        assert_eq!((build.components.len(), build.plan().len(), &build.phase), (components, components, &phase));
        let (submitted, first) = (&build.submission, &failed.submission);
        assert_eq!((&submitted.owner, submitted.at), (&first.owner, first.at), "who was first stays the owner");
        assert!(build.components.iter().all(|c| c.state != ComponentState::Waiting || c.attempt == 2), "{build:?}");
    }
    let failed = builds().into_iter().find(|(of, _)| *of == "failed in init").unwrap().1;
    let other = Submission { nsvc: sample::nsvc("lua:5.4:2:c0ffee"), ..smaller() };
    let fact = Fact::Resubmitted { by: by(), submission: Some(other.into()) };
    assert!(step(&failed, &event(fact), &policy).is_err(), "another module is another build");
}

/// Two processes may perform one instruction, when the lease of the first one ended. What the second one is told does not
/// end what the first one started.
#[test]
fn a_task_that_runs_is_not_given_up_because_it_could_not_be_started_twice() {
    let building = builds().into_iter().find(|(of, _)| *of == "building").unwrap().1;
    let refused = step(&building, &event(not_started("bar")), &Policy::default());
    assert!(matches!(refused, Ok(Step::Ignore(_))), "{refused:?}");
    let ended = advance(&building, failed("bar", 2), &Policy::default());
    assert_eq!(ended.component(&component("bar")).unwrap().1.state.name(), "failed", "its own end counts");
}

/// The other order: it was given up, and then it turns out that it runs.
#[test]
fn a_task_that_starts_after_it_was_given_up_is_ended() {
    let policy = Policy::default();
    let regenerating = builds().into_iter().find(|(of, _)| *of == "regenerating").unwrap().1;
    let building = advance(&regenerating, Fact::RepositoryRegenerated { generation: 1 }, &policy);
    let given_up = advance(&building, not_started("bar"), &policy);
    let all_ended = advance(&given_up, not_started("foo"), &policy);
    assert_eq!((given_up.state(), all_ended.state()), (BuildState::Build, BuildState::Failed));
    for build in [given_up, all_ended] {
        let Ok(Step::Advance(step)) = step(&build, &event(started("bar", 1, 2)), &policy) else { panic!("{build:?}") };
        let cancel = Action::CancelTask {
            key: ComponentKey { build: build.id, component: component("bar"), attempt: 1 },
            task: Some(TaskId(2)),
        };
        assert!(step.effects.iter().any(|effect| effect.action == cancel), "{:?}", step.effects);
        let state = &step.build.component(&component("bar")).unwrap().1.state;
        assert_eq!((state.name(), state.task()), ("failed", Some(TaskId(2))));
    }
}

#[test]
fn a_scratch_build_ends_in_done_and_is_never_released() {
    let policy = Policy::default();
    assert!(policy.ready_at_once);
    let finishing = builds().into_iter().find(|(of, _)| *of == "finishing").unwrap().1;
    assert_eq!(advance(&finishing, Fact::MetadataWritten, &policy).state(), BuildState::Ready);
    let submission = Submission { scratch: true, ..(*finishing.submission).clone() };
    let tried = ModuleBuild { submission: submission.clone().into(), ..finishing };
    let done = advance(&tried, Fact::MetadataWritten, &policy);
    assert_eq!(done.state(), BuildState::Done);
    let refused = step(&done, &event(Fact::MarkedReady { by: sample::owner("alice") }), &policy).unwrap_err();
    assert!(refused.to_string().contains("is a scratch build, which is never released"), "{refused}");
    let new = submit(sample::id(7), submission, &policy).unwrap().build;
    assert!(new.dist_tag.as_str().starts_with(".scrmod+el8+7+"), "{}", new.dist_tag);
    assert_eq!(new.tag().as_str(), "scrmod-lua-5.4-1-c0ffee+7");
}

#[test]
fn what_was_in_the_tag_of_a_build_that_failed_long_ago_is_put_there_again() {
    let policy = Policy::default();
    let builds = builds();
    let (_, failed) = builds.iter().find(|(name, _)| *name == "failed while building").unwrap();
    let day = Duration::from_secs(24 * 3600);
    for (after, expected) in [(day - Duration::from_millis(1), "available"), (day, "built")] {
        let fact = Fact::Resubmitted { by: sample::owner("alice"), submission: None };
        let resubmitted = Event { at: failed.since().plus(after), fact };
        let Ok(Step::Advance(again)) = step(failed, &resubmitted, &policy) else { panic!("it is submitted again") };
        assert_eq!(again.build.components[0].state.name(), expected, "the macros, after {after:?}");
        assert_eq!(again.build.components[0].attempt, 1, "it is not built again");
        let building = advance(&again.build, Fact::SlotGranted, &policy);
        let prepared = event(Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() });
        let Ok(Step::Advance(going)) = step(&building, &prepared, &policy) else { panic!("it goes on") };
        let tags: Vec<_> = going.effects.iter().filter(|effect| effect.action.name() == "tag").collect();
        assert_eq!(tags.len(), usize::from(expected == "built"), "{tags:?}");
    }
}

#[test]
fn each_phase_ends_when_its_time_is_over_and_not_before() {
    let policy = Policy::default();
    let mut ended = Vec::new();
    for (name, build) in builds() {
        let Some(deadline) = deadline(&build, &policy) else { continue };
        let passed = |at| step(&build, &Event { at, fact: Fact::TimePassed { because: None } }, &policy);
        let before = Timestamp::from_millis(deadline.millis() - 1);
        assert!(matches!(passed(before), Ok(Step::Ignore(_))), "{name}");
        let Ok(Step::Advance(over)) = passed(deadline) else { panic!("{name} goes on for ever") };
        let Phase::Failed(failure) = &over.build.phase else { panic!("{name}: {:?}", over.build.phase) };
        assert_eq!(failure.kind, FailureKind::Deadline, "{name}");
        ended.push(failure.from);
    }
    for state in [BuildState::Init, BuildState::Wait, BuildState::Build] {
        assert!(ended.contains(&state), "{state}");
    }
    assert!(!ended.contains(&BuildState::Done));
}

#[test]
fn the_whole_table_is_as_written_down() {
    let policy = Policy { ready_at_once: false, ..Policy::default() };
    let mut table = String::new();
    for (name, build) in builds() {
        writeln!(table, "== {name}: {}", describe(&build)).unwrap();
        for (label, fact) in facts() {
            let mut event = event(fact);
            if label == "a month passed" {
                event.at = event.at.plus(std::time::Duration::from_secs(30 * 24 * 3600));
            } else if label == "the clock was set back" {
                event.at = sample::at(-24 * 3600);
            }
            let told = match step(&build, &event, &policy) {
                Ok(Step::Advance(advance)) => {
                    let effects = advance.effects.iter().map(|effect| {
                        let json = serde_json::to_value(&effect.action).unwrap();
                        let key = json.get("key").map(|key| format!(" {}", key["component"].as_str().unwrap()));
                        format!("; {}{}", json["action"].as_str().unwrap(), key.unwrap_or_default())
                    });
                    format!("-> {}{}", describe(&advance.build), effects.collect::<String>())
                }
                Ok(Step::Ignore(why)) => format!("ignored: {why}"),
                Err(illegal) => format!("illegal: {illegal}"),
            };
            writeln!(table, "{label:28} {told}").unwrap();
        }
        table.push('\n');
    }
    golden("transitions.txt", &table);
}

/// Prints a build's phase, and its components where they are being built.
fn describe(build: &ModuleBuild) -> String {
    let phase = match &build.phase {
        Phase::Init => "init".to_owned(),
        Phase::Wait => "wait".to_owned(),
        Phase::Preparing => "preparing".to_owned(),
        Phase::Building { regenerating } => {
            format!("building{}", if regenerating.is_some() { ", regenerating" } else { "" })
        }
        Phase::Finishing => "finishing".to_owned(),
        Phase::Done => "done".to_owned(),
        Phase::Failed(failure) => format!("failed in {} ({:?})", failure.from, failure.kind),
        Phase::Ready => "ready".to_owned(),
    };
    let components = build.components().filter(|(_, component)| component.state != ComponentState::Waiting);
    let components = components.map(|(planned, component)| {
        let short = planned.name.as_str().trim_start_matches("module-build-");
        format!(" {short}={}", component.state.name())
    });
    format!("{phase}{}", components.collect::<String>())
}

proptest! {
    /// Whatever facts come in whatever order, only declared edges are taken, the revision and the time grow, and
    /// nothing is asked for twice.
    #[test]
    fn only_declared_edges_are_taken(seed in any::<u64>(), steps in 1..200_usize) {
        let mut random = Random::new(seed);
        let policy = Policy { ready_at_once: random.chance(50), ..Policy::default() };
        let facts = facts();
        let builds = builds();
        let mut build = builds[random.index(builds.len())].1.clone();
        let mut asked = std::collections::BTreeSet::new();
        for _ in 0..steps {
            let (_, fact) = &facts[random.index(facts.len())];
            let event = Event { at: sample::at(i64::try_from(random.below(100_000)).unwrap()), fact: fact.clone() };
            let Ok(Step::Advance(advance)) = step(&build, &event, &policy) else { continue };
            let (before, after) = (build.state(), advance.build.state());
            let direct = before == after || before.may_become(after);
            prop_assert!(direct || (before == BuildState::Build && after == BuildState::Ready), "{before} to {after}");
            prop_assert_eq!(advance.build.revision, build.revision + 1);
            prop_assert!(advance.build.modified_at >= build.modified_at);
            prop_assert_eq!(advance.build.history.last().unwrap().state, after);
            for effect in &advance.effects {
                prop_assert!(effect.id.number > build.effects_issued);
                if let rida_core::Action::BuildComponent { key } = &effect.action {
                    prop_assert!(asked.insert(key.clone()), "{key:?} was asked for twice");
                }
            }
            build = advance.build;
        }
    }

    /// A fact that was taken in changes nothing when it comes again.
    #[test]
    fn a_repeated_fact_changes_nothing(seed in any::<u64>()) {
        let mut random = Random::new(seed);
        let policy = Policy::default();
        let facts = facts();
        for (name, build) in builds() {
            let (label, fact) = &facts[random.index(facts.len())];
            if matches!(fact, Fact::Resubmitted { .. } | Fact::TimePassed { .. }) {
                continue;
            }
            let event = event(fact.clone());
            if let Ok(Step::Advance(advance)) = step(&build, &event, &policy) {
                match step(&advance.build, &event, &policy) {
                    Ok(Step::Ignore(_)) | Err(_) => {}
                    // A task of the past that is reported again is ended again; that is harmless.
                    Ok(Step::Advance(again)) => {
                        prop_assert_eq!(&again.build.phase, &advance.build.phase, "{} twice in {}", label, name);
                        prop_assert_eq!(&again.build.components, &advance.build.components);
                    }
                }
            }
        }
    }
}

#[test]
fn every_fact_is_in_the_table() {
    let names: std::collections::BTreeSet<_> = facts().iter().map(|(_, fact)| fact.name()).collect();
    assert_eq!(names.len(), 17, "a new fact needs its rows in the table: {names:?}");
}

fn advance(build: &ModuleBuild, fact: Fact, policy: &Policy) -> ModuleBuild {
    match step(build, &event(fact), policy) {
        Ok(Step::Advance(advance)) => advance.build,
        other => panic!("no advance: {other:?}"),
    }
}

fn event(fact: Fact) -> Event {
    Event { at: sample::at(60), fact }
}

fn checked() -> Fact {
    let pinned = |name: &str| (sample::component(name), sample::source(name));
    Fact::SourcesChecked { sources: ["bar", "foo", "baz"].map(pinned).to_vec() }
}

fn refused() -> Fact {
    let problem = |name: &str| SourceProblem { component: sample::component(name), message: "no spec file".to_owned() };
    Fact::SourcesRefused { problems: vec![problem("bar"), problem("foo")] }
}

fn started(name: &str, attempt: u32, task: i64) -> Fact {
    Fact::ComponentStarted { component: sample::component(name), attempt, task: TaskId(task) }
}

fn progressed(name: &str, progress: TaskProgress) -> Fact {
    Fact::TaskProgressed { component: sample::component(name), attempt: 1, task: TaskId(2), progress }
}

fn built(name: &str, attempt: u32, task: i64) -> Fact {
    let Built { task, nvr } = sample::built(name, task);
    Fact::ComponentBuilt { component: component(name), attempt, task, nvr }
}

fn misnamed() -> Fact {
    let Built { task, nvr } = sample::built("other", 2);
    Fact::ComponentBuilt { component: component("bar"), attempt: 1, task, nvr }
}

fn failed(name: &str, task: i64) -> Fact {
    Fact::ComponentFailed { component: component(name), attempt: 1, task: Some(TaskId(task)), reason: "no".into() }
}

fn not_started(name: &str) -> Fact {
    Fact::ComponentFailed { component: component(name), attempt: 1, task: None, reason: "refused".into() }
}

fn tagged(name: &str, attempt: u32) -> Fact {
    Fact::ComponentsTagged { components: vec![(component(name), attempt)] }
}

fn component(name: &str) -> ComponentName {
    sample::component(name)
}

/// Compares with a golden file; `UPDATE_GOLDEN=1` writes it.
fn golden(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{} differs; look at the change, then run with UPDATE_GOLDEN=1", path.display());
}
