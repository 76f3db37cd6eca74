//! What decisions cost: `cargo bench --bench core --features testing`.
//!
//! The aim: a step of a module of 100 components in less than 10 µs.

use divan::{Bencher, black_box};
use rida::plan::{ComponentSource, Plan, WantedComponent};
use rida::scm::{AllowList, GitRef, ScmUrl};
use rida::testing::sample;
use rida::{Event, Fact, ModuleBuild, Policy, Step, Submission, TaskId, modulemd, step, submit};

fn main() {
    divan::main();
}

/// A fact that changes one component of a module.
#[divan::bench(args = [1, 10, 100, 1000])]
fn step_component_built(bencher: Bencher, components: usize) {
    let policy = Policy { components_at_once: components, ..Policy::default() };
    let build = building(components, &policy);
    let rida::Built { task, nvr } = sample::built("package0", 7);
    let component = sample::component("package0");
    let event = at(Fact::ComponentBuilt { component, attempt: 1, task, nvr });
    bencher.bench(|| step(black_box(&build), black_box(&event), &policy));
}

/// A fact that is known already.
#[divan::bench(args = [100])]
fn step_repeated(bencher: Bencher, components: usize) {
    let policy = Policy { components_at_once: components, ..Policy::default() };
    let build = building(components, &policy);
    bencher.bench(|| step(black_box(&build), black_box(&at(Fact::SlotGranted)), &policy));
}

/// Components in ten batches.
#[divan::bench(args = [10, 100, 1000])]
fn plan_by_buildorder(bencher: Bencher, components: usize) {
    bencher.with_inputs(|| wanted(components, 10)).bench_values(Plan::new);
}

/// Components that each wait for the three before.
#[divan::bench(args = [10, 100, 1000])]
fn plan_by_buildafter(bencher: Bencher, components: usize) {
    let after = |(number, mut component): (usize, WantedComponent)| {
        component.buildorder = 0;
        component.buildafter = (number.saturating_sub(3)..number).map(package).collect();
        component
    };
    let input = || wanted(components, 1).into_iter().enumerate().map(after).collect::<Vec<_>>();
    bencher.with_inputs(input).bench_values(Plan::new);
}

const URL: &str = "git+https://src.example.org/modules/perl-bootstrap.git?#f1d2d2f924e986ac86fdf7b36c94bcdf32beec15";

#[divan::bench]
fn scm_url_parse() -> bool {
    ScmUrl::parse(black_box(URL)).is_ok()
}

/// The last of a hundred entries permits it.
#[divan::bench]
fn allow_list_of_100(bencher: Bencher) {
    let entry = |number| format!("https://src.example.org/modules{number}").parse().ok();
    let entries = (0..99).filter_map(entry).chain("https://src.example.org/modules".parse().ok());
    let list = AllowList::new(entries);
    let url: ScmUrl = URL.parse().expect("a good URL");
    bencher.bench(|| assert!(list.permits(black_box(url.repository()))));
}

#[divan::bench]
fn modulemd_read_1kb() -> bool {
    modulemd::read(black_box(include_bytes!("../examples/modules/hello.yaml"))).is_ok()
}

/// A module with all its components building.
fn building(components: usize, policy: &Policy) -> ModuleBuild {
    let plan = Plan::new(wanted(components, 1)).expect("a plain plan");
    let submission = Submission { plan, ..sample::submission(sample::nsvc("perl:5.30:1:c0ffee")) };
    let mut build = submit(sample::id(1), submission, policy).expect("a good dist tag").build;
    let sources = (0..components).map(|number| (package(number), sample::source(package(number).as_str()))).collect();
    let macros = sample::component("module-build-macros");
    let rida::Built { task, nvr } = sample::built("module-build-macros", 1);
    let facts = [
        Fact::SourcesChecked { sources },
        Fact::SlotGranted,
        Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() },
        Fact::ComponentBuilt { component: macros.clone(), attempt: 1, task, nvr },
        Fact::ComponentsTagged { components: vec![(macros, 1)] },
        Fact::RepositoryRegenerated { generation: 1 },
        Fact::ComponentStarted { component: package(0), attempt: 1, task: TaskId(7) },
    ];
    for fact in facts {
        if let Ok(Step::Advance(advance)) = step(&build, &at(fact), policy) {
            build = advance.build;
        }
    }
    assert_eq!(build.component(&package(0)).map(|(_, component)| component.state.name()), Some("building"));
    build
}

fn wanted(components: usize, batches: usize) -> Vec<WantedComponent> {
    let wanted = |number: usize| WantedComponent {
        name: package(number),
        source: ComponentSource {
            repository: sample::repository(package(number).as_str()),
            reference: GitRef::new("main").expect("a branch"),
            cache: None,
        },
        buildorder: i64::try_from(number % batches).unwrap_or_default(),
        buildafter: Vec::new(),
        buildonly: false,
        arches: Vec::new(),
    };
    (0..components).map(wanted).collect()
}

fn package(number: usize) -> rida::ComponentName {
    sample::component(&format!("package{number}"))
}

fn at(fact: Fact) -> Event {
    Event { at: sample::at(60), fact }
}
