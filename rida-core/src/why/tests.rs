use std::time::Duration;

use super::*;
use crate::build::Submission;
use crate::effect::Effect;
use crate::event::{Event, Fact};
use crate::id::EffectId;
use crate::plan::{Plan, WantedComponent};
use crate::scm::GitRef;
use crate::step::{Step, step, submit};
use crate::testing::sample;

/// A module of so many components, one a batch, with its macros available and its first component building.
fn building(components: usize) -> ModuleBuild {
    let policy = Policy::default();
    let wanted = (0..components).map(|number| WantedComponent {
        name: sample::component(&format!("package{number}")),
        source: crate::plan::ComponentSource {
            repository: sample::repository("foo"),
            reference: GitRef::new("main").unwrap(),
            cache: None,
        },
        buildorder: i64::try_from(number).unwrap(),
        buildafter: Vec::new(),
        buildonly: false,
        arches: Vec::new(),
    });
    let plan = Plan::new(wanted.collect()).unwrap();
    let sources = plan.iter().skip(1).map(|planned| (planned.name.clone(), sample::source("foo"))).collect();
    let submission = Submission { plan, ..sample::submission(sample::nsvc("lua:5.4:1:c0ffee")) };
    let mut build = submit(sample::id(1), submission, &policy).unwrap().build;
    let macros = sample::component("module-build-macros");
    let built = sample::built("module-build-macros", 1);
    for fact in [
        Fact::SourcesChecked { sources },
        Fact::SlotGranted,
        Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() },
        Fact::ComponentBuilt { component: macros.clone(), attempt: 1, task: built.task, nvr: built.nvr },
        Fact::ComponentsTagged { components: vec![(macros, 1)] },
        Fact::RepositoryRegenerated { generation: 1 },
        Fact::ComponentStarted { component: sample::component("package0"), attempt: 1, task: crate::TaskId(7) },
    ] {
        let event = Event { at: sample::at(60), fact };
        let Step::Advance(advance) = step(&build, &event, &policy).unwrap() else { panic!("{event:?} is ignored") };
        build = advance.build;
    }
    build
}

fn lines(build: &ModuleBuild, pending: &[PendingEffect]) -> Vec<String> {
    waits_for(build, &Queue::default(), pending, &Policy::default(), sample::at(60))
}

#[test]
fn each_component_says_what_it_waits_for() {
    let lines = lines(&building(6), &[]);
    assert_eq!(
        lines,
        [
            "package0: task 7 is free",
            "package1: it is built after package0",
            "package2: it is built after package0, package1",
            "package3: it is built after package0, package1, package2",
            "package4: it is built after package0, package1, package2 and 1 more",
            "package5: it is built after package0, package1, package2 and 2 more",
            "at most until 2027-01-22T08:01:00Z, when it is ended",
        ]
    );
}

#[test]
fn the_text_grows_with_the_components_only() {
    let length = |components| lines(&building(components), &[]).iter().map(String::len).sum::<usize>();
    let (some, many) = (length(200), length(800));
    assert!(many < some * 5, "{some} bytes for 200 components, {many} for 800");
}

#[test]
fn what_was_tried_in_vain_says_why_and_when_it_is_tried_again() {
    let mut build = building(1);
    let id = |number| EffectId { build: build.id, number };
    let pending = |number, action, error: Option<&str>| PendingEffect {
        effect: Effect { id: id(number), action },
        due: sample::at(60).plus(Duration::from_secs(90)),
        attempts: 5,
        error: error.map(str::to_owned),
    };
    let pending = [
        pending(1, Action::CheckSources, Some("of an earlier run")),
        pending(7, Action::WriteMetadata, None),
        pending(8, Action::RegenerateRepository { generation: 2 }, Some("the hub is in maintenance")),
    ];
    build.run_started = 1;
    let lines = lines(&build, &pending);
    let told = "repository 2: the hub is in maintenance (tried 5 times; again at 2027-01-15T08:02:30Z)";
    assert_eq!(lines[lines.len() - 2], told);
    assert!(!lines.concat().contains("earlier run"));
}

#[test]
fn a_build_that_has_ended_waits_for_nothing() {
    for life in [sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:1:c0ffee"))] {
        for written in &life {
            let build = &written.after;
            let waits = !matches!(build.phase, Phase::Failed(_) | Phase::Ready);
            assert_eq!(!lines(build, &[]).is_empty(), waits, "{:?}", build.phase);
        }
    }
}
