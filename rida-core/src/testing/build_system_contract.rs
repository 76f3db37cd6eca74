//! What every [`BuildSystem`] promises, as checks to run against one.
//!
//! The checks know no runtime: run them with any. A [`Bench`] gives them a build system and modules to build.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use crate::build::{Failure, FailureKind, ModuleBuild, Phase};
use crate::component::{Built, ComponentKey, ComponentState, TaskProgress};
use crate::error::PortErrorKind;
use crate::event::Fact;
use crate::id::{ComponentName, TaskId};
use crate::plan::{Reuse, Taken};
use crate::ports::BuildSystem;

/// A build system with something to build.
#[async_trait]
pub trait Bench: Send + Sync {
    /// Returns the build system.
    fn system(&self) -> &dyn BuildSystem;

    /// Returns a new module build, never returned before, whose components are `module-build-macros` and those named,
    /// in the order of the names, each in a batch of its own, with their sources pinned, in
    /// [`Building`](Phase::Building), and none of them started. `good` builds, `bad` fails, `slow` builds for longer
    /// than any check waits.
    fn module(&self, components: &[&str]) -> ModuleBuild;

    /// Lets some time pass: a part of what `good` takes.
    async fn pause(&self);

    /// Returns what goes on in the build system, beside tasks of components, that it was asked for and that can be ended.
    fn under_way(&self) -> Vec<String>;
}

/// One promise of a build system.
#[derive(Clone, Copy)]
pub struct Promise {
    /// What is promised, as the name of the check.
    pub name: &'static str,
    check: Check,
}

type Check = for<'a> fn(&'a dyn Bench) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Promise {
    /// Checks the promise.
    ///
    /// # Panics
    /// When the build system does not keep it.
    pub async fn check(&self, bench: &dyn Bench) {
        (self.check)(bench).await;
    }
}

macro_rules! promises {
    ($($check:ident),+ $(,)?) => {
        /// Every promise.
        pub const PROMISES: &[Promise] = &[
            $(Promise { name: stringify!($check), check: |bench| Box::pin($check(bench)) },)+
        ];
    };
}

promises! {
    preparing_twice_is_harmless,
    a_key_has_one_task,
    a_result_is_told_with_its_nvr,
    a_failure_is_told_with_its_reason,
    a_cancelled_task_ends,
    what_was_cancelled_never_starts,
    a_later_attempt_takes_over_a_result,
    a_later_attempt_takes_over_a_running_task,
    a_failed_attempt_is_built_anew,
    a_task_that_nobody_knows_has_failed,
    only_what_was_built_is_tagged,
    a_repository_is_told_when_it_is_there,
    later_components_build_against_earlier_ones,
    what_is_abandoned_ends_and_can_be_asked_for_again,
    metadata_are_written_as_often_as_asked,
    what_an_earlier_build_has_is_taken_over,
    what_nobody_has_is_not_taken_over,
    a_log_is_read_in_pieces,
}

async fn preparing_twice_is_harmless(bench: &dyn Bench) {
    let build = bench.module(&[]);
    prepare(bench, &build).await;
    bench.system().prepare(&build).await.expect("it can be prepared again");
}

async fn a_key_has_one_task(bench: &dyn Bench) {
    let build = prepared(bench, &["good"]).await;
    let first = bench.system().build(&build, &key(&build, "module-build-macros")).await.expect("it starts");
    let again = bench.system().build(&build, &key(&build, "module-build-macros")).await.expect("it is found");
    assert_eq!(first, again, "a key has one task");
    let other = bench.module(&[]);
    prepare(bench, &other).await;
    let of_other = bench.system().build(&other, &key(&other, "module-build-macros")).await.expect("it starts");
    assert_ne!(first, of_other, "builds have tasks of their own");
}

async fn a_result_is_told_with_its_nvr(bench: &dyn Bench) {
    let mut build = prepared(bench, &[]).await;
    let task = start(bench, &mut build, "module-build-macros").await;
    let built = until_built(bench, &build, "module-build-macros").await;
    assert_eq!(built.task, task);
    assert_eq!(&*built.nvr.name, "module-build-macros");
    assert!(built.nvr.release.ends_with(build.dist_tag.as_str()), "{} has no {}", built.nvr, build.dist_tag);
    assert_eq!(until_built(bench, &build, "module-build-macros").await, built, "the answer stays the same");
    let again = bench.system().build(&build, &key(&build, "module-build-macros")).await.expect("it is found");
    assert_eq!(again, task, "a task that has ended is still the key's");
}

async fn a_failure_is_told_with_its_reason(bench: &dyn Bench) {
    let mut build = with_macros(bench, &["bad"]).await;
    let task = start(bench, &mut build, "bad").await;
    let (failed, reason) = until_failed(bench, &build, "bad").await;
    assert_eq!(failed, Some(task));
    assert!(!reason.trim().is_empty(), "a failure has a reason");
}

async fn a_cancelled_task_ends(bench: &dyn Bench) {
    let mut build = with_macros(bench, &["slow"]).await;
    let task = start(bench, &mut build, "slow").await;
    let key = key(&build, "slow");
    bench.system().cancel(&build, &key, Some(task)).await.expect("it can be cancelled");
    bench.system().cancel(&build, &key, None).await.expect("it can be cancelled again");
    until_failed(bench, &build, "slow").await;
}

async fn what_was_cancelled_never_starts(bench: &dyn Bench) {
    let build = with_macros(bench, &["good"]).await;
    let key = key(&build, "good");
    bench.system().cancel(&build, &key, None).await.expect("it can be cancelled before it started");
    let error = bench.system().build(&build, &key).await.expect_err("it must not start");
    assert_eq!(error.kind(), PortErrorKind::Permanent);
}

async fn a_later_attempt_takes_over_a_result(bench: &dyn Bench) {
    let mut build = prepared(bench, &[]).await;
    let task = start(bench, &mut build, "module-build-macros").await;
    let built = until_built(bench, &build, "module-build-macros").await;
    // It ended while it was being cancelled, and the module was submitted again.
    let first = key(&build, "module-build-macros");
    bench.system().cancel(&build, &first, Some(task)).await.expect("what has ended can be cancelled");
    next_attempt(&mut build, "module-build-macros");
    assert_eq!(start(bench, &mut build, "module-build-macros").await, task, "nothing is built twice");
    assert_eq!(until_built(bench, &build, "module-build-macros").await, built);
}

async fn a_later_attempt_takes_over_a_running_task(bench: &dyn Bench) {
    let mut build = with_macros(bench, &["slow"]).await;
    let task = start(bench, &mut build, "slow").await;
    let first = key(&build, "slow");
    next_attempt(&mut build, "slow");
    assert_eq!(start(bench, &mut build, "slow").await, task, "nothing runs twice");
    bench.system().cancel(&build, &first, Some(task)).await.expect("a late cancellation is taken");
    bench.pause().await;
    let facts = bench.system().follow(&build).await.expect("it can be asked");
    let runs = |fact: &Fact| matches!(fact, Fact::TaskProgressed { attempt: 2, .. });
    assert!(facts.iter().any(runs), "the later attempt still needs it: {facts:?}");
    bench.system().cancel(&build, &key(&build, "slow"), Some(task)).await.expect("it can be cancelled");
    until_failed(bench, &build, "slow").await;
}

async fn a_failed_attempt_is_built_anew(bench: &dyn Bench) {
    let mut build = with_macros(bench, &["bad"]).await;
    let task = start(bench, &mut build, "bad").await;
    until_failed(bench, &build, "bad").await;
    next_attempt(&mut build, "bad");
    assert_ne!(start(bench, &mut build, "bad").await, task, "what failed is built anew");
    until_failed(bench, &build, "bad").await;
}

async fn a_task_that_nobody_knows_has_failed(bench: &dyn Bench) {
    let mut build = prepared(bench, &[]).await;
    let state = ComponentState::Building { task: TaskId(987_654_321), progress: TaskProgress::Open };
    set(&mut build, "module-build-macros", state);
    until_failed(bench, &build, "module-build-macros").await;
}

async fn only_what_was_built_is_tagged(bench: &dyn Bench) {
    let mut build = with_macros(bench, &["slow"]).await;
    let task = start(bench, &mut build, "slow").await;
    let error = bench.system().tag(&build, &[key(&build, "slow")]).await.expect_err("it is not built");
    assert_eq!(error.kind(), PortErrorKind::Permanent);
    bench.system().cancel(&build, &key(&build, "slow"), Some(task)).await.expect("it can be cancelled");
}

async fn a_repository_is_told_when_it_is_there(bench: &dyn Bench) {
    let mut build = prepared(bench, &[]).await;
    built(bench, &mut build, "module-build-macros").await;
    regenerated(bench, &mut build).await;
    let generation = build.repository_generation;
    bench.system().regenerate(&build, generation).await.expect("it can be asked for again");
    build.phase = Phase::Building { regenerating: Some(vec![0]) };
    let facts = bench.system().follow(&build).await.expect("it can be asked");
    assert_eq!(facts, [Fact::RepositoryRegenerated { generation }], "the answer stays the same");
}

async fn later_components_build_against_earlier_ones(bench: &dyn Bench) {
    let mut build = with_macros(bench, &["good"]).await;
    let result = built(bench, &mut build, "good").await;
    assert!(result.nvr.release.ends_with(build.dist_tag.as_str()), "the macros are in force");
    regenerated(bench, &mut build).await;
}

async fn what_is_abandoned_ends_and_can_be_asked_for_again(bench: &dyn Bench) {
    let mut build = bench.module(&[]);
    // Whether it waits for something or not.
    let _ = bench.system().prepare(&build).await;
    abandon(bench, &mut build).await;
    prepare(bench, &build).await;
    built(bench, &mut build, "module-build-macros").await;
    build.repository_generation += 1;
    build.phase = Phase::Building { regenerating: Some(vec![0]) };
    bench.system().regenerate(&build, build.repository_generation).await.expect("it can be asked for");
    abandon(bench, &mut build).await;
    prepare(bench, &build).await;
    regenerated(bench, &mut build).await;
    abandon(bench, &mut build).await;
    prepare(bench, &build).await;
}

/// Abandons the environment of a build that failed, which is submitted again afterwards.
async fn abandon(bench: &dyn Bench, build: &mut ModuleBuild) {
    let failure = Failure { kind: FailureKind::Canceled, from: build.state(), problems: Vec::new() };
    let failed = ModuleBuild { phase: Phase::Failed(failure), ..build.clone() };
    bench.system().abandon(&failed).await.expect("it can be abandoned");
    bench.system().abandon(&failed).await.expect("it can be abandoned again");
    assert_eq!(bench.under_way(), Vec::<String>::new(), "nothing runs for nobody");
    build.effects_issued += 1;
    build.run_started = build.effects_issued;
    build.phase = Phase::Preparing;
}

async fn metadata_are_written_as_often_as_asked(bench: &dyn Bench) {
    let mut build = with_macros(bench, &["good"]).await;
    built(bench, &mut build, "good").await;
    build.phase = Phase::Finishing;
    write_metadata(bench, &build).await;
    bench.system().write_metadata(&build).await.expect("they are written again");
}

async fn what_an_earlier_build_has_is_taken_over(bench: &dyn Bench) {
    let mut first = with_macros(bench, &["good"]).await;
    let result = built(bench, &mut first, "good").await;
    finish(bench, &mut first).await;
    // From one to the next: what was taken over can be taken over again.
    for built_anew in [true, false] {
        let names = [component("good")];
        let there = bench.system().reusable(&first, &names).await.expect("it can be asked");
        assert_eq!(there, names, "it is there");
        let mut next = prepared(bench, &["good"]).await;
        take(&mut next, "good", &first, &result);
        if built_anew {
            built(bench, &mut next, "module-build-macros").await;
        } else {
            set(&mut next, "module-build-macros", ComponentState::Unneeded);
        }
        let key = key(&next, "good");
        bench.system().tag(&next, std::slice::from_ref(&key)).await.expect("it is taken over");
        bench.system().tag(&next, &[key]).await.expect("it is taken over again");
        set(&mut next, "good", ComponentState::Tagged(result.clone()));
        regenerated(bench, &mut next).await;
        assert_eq!(bench.system().follow(&next).await.expect("it can be asked"), [], "nothing is waited for");
        finish(bench, &mut next).await;
        first = next;
    }
}

async fn what_nobody_has_is_not_taken_over(bench: &dyn Bench) {
    let mut first = with_macros(bench, &["good"]).await;
    let nvr = format!("good-1-1{}", first.dist_tag).parse().expect("a good NVR");
    let never = Built { task: TaskId(987_654_321), nvr: Arc::new(nvr) };
    set(&mut first, "good", ComponentState::Available(never.clone()));
    let there = bench.system().reusable(&first, &[component("good"), component("stranger")]).await;
    assert_eq!(there.expect("it can be asked"), [], "nobody built it");
    let mut next = with_macros(bench, &["good"]).await;
    take(&mut next, "good", &first, &never);
    let error = bench.system().tag(&next, &[key(&next, "good")]).await.expect_err("it is not there");
    assert_eq!(error.kind(), PortErrorKind::Permanent);
}

async fn a_log_is_read_in_pieces(bench: &dyn Bench) {
    let mut build = prepared(bench, &[]).await;
    let key = key(&build, "module-build-macros");
    let error = bench.system().read_log(&key, 0, 100).await.expect_err("there is no log yet");
    assert_eq!(error.kind(), PortErrorKind::Permanent);
    start(bench, &mut build, "module-build-macros").await;
    until_built(bench, &build, "module-build-macros").await;
    let whole = bench.system().read_log(&key, 0, 1 << 20).await.expect("there is a log");
    assert!(whole.complete && !whole.bytes.is_empty());
    let mut pieces = Vec::new();
    loop {
        let offset = u64::try_from(pieces.len()).expect("a log is not that long");
        let piece = bench.system().read_log(&key, offset, 7).await.expect("there is a log");
        assert!(piece.bytes.len() <= 7, "no more than was asked for");
        pieces.extend(piece.bytes);
        if piece.complete {
            break;
        }
    }
    assert_eq!(pieces, whole.bytes);
}

/// How many pauses a check waits.
const PATIENCE: u32 = 600;

/// Returns a module whose environment is prepared.
async fn prepared(bench: &dyn Bench, components: &[&str]) -> ModuleBuild {
    let build = bench.module(components);
    prepare(bench, &build).await;
    build
}

/// Prepares an environment, which may take a while.
async fn prepare(bench: &dyn Bench, build: &ModuleBuild) {
    for _ in 0..PATIENCE {
        match bench.system().prepare(build).await {
            Ok(()) => return,
            Err(error) => assert_eq!(error.kind(), PortErrorKind::Pending, "the environment can be prepared: {error}"),
        }
        bench.pause().await;
    }
    panic!("the environment is prepared in the end");
}

/// Writes the metadata of a build, which may take a while.
async fn write_metadata(bench: &dyn Bench, build: &ModuleBuild) {
    for _ in 0..PATIENCE {
        match bench.system().write_metadata(build).await {
            Ok(()) => return,
            Err(error) => assert_eq!(error.kind(), PortErrorKind::Pending, "they can be written: {error}"),
        }
        bench.pause().await;
    }
    panic!("they are written in the end");
}

/// Returns a module whose macros are in its repository.
async fn with_macros(bench: &dyn Bench, components: &[&str]) -> ModuleBuild {
    let mut build = prepared(bench, components).await;
    built(bench, &mut build, "module-build-macros").await;
    regenerated(bench, &mut build).await;
    build
}

async fn start(bench: &dyn Bench, build: &mut ModuleBuild, name: &str) -> TaskId {
    set(build, name, ComponentState::Submitted);
    let task = bench.system().build(build, &key(build, name)).await.expect("it starts");
    set(build, name, ComponentState::Building { task, progress: TaskProgress::Free });
    task
}

/// Builds and tags a component.
async fn built(bench: &dyn Bench, build: &mut ModuleBuild, name: &str) -> Built {
    start(bench, build, name).await;
    let result = until_built(bench, build, name).await;
    set(build, name, ComponentState::Built(result.clone()));
    let key = key(build, name);
    bench.system().tag(build, std::slice::from_ref(&key)).await.expect("it is tagged");
    bench.system().tag(build, &[key]).await.expect("it is tagged again");
    set(build, name, ComponentState::Tagged(result.clone()));
    result
}

/// Regenerates the repository with everything that is tagged.
async fn regenerated(bench: &dyn Bench, build: &mut ModuleBuild) {
    build.repository_generation += 1;
    let generation = build.repository_generation;
    build.phase = Phase::Building { regenerating: Some(Vec::new()) };
    bench.system().regenerate(build, generation).await.expect("it can be asked for");
    let mut left = PATIENCE;
    loop {
        let facts = bench.system().follow(build).await.expect("it can be asked");
        if facts.contains(&Fact::RepositoryRegenerated { generation }) {
            break;
        }
        left = left.checked_sub(1).expect("the repository comes");
        bench.pause().await;
    }
    build.phase = Phase::Building { regenerating: None };
    for component in &mut build.components {
        if let ComponentState::Tagged(built) = &component.state {
            component.state = ComponentState::Available(built.clone());
        }
    }
}

async fn until_built(bench: &dyn Bench, build: &ModuleBuild, name: &str) -> Built {
    match until_ended(bench, build, name).await {
        Fact::ComponentBuilt { task, nvr, .. } => Built { task, nvr },
        other => panic!("{name} was not built: {other:?}"),
    }
}

async fn until_failed(bench: &dyn Bench, build: &ModuleBuild, name: &str) -> (Option<TaskId>, Arc<str>) {
    match until_ended(bench, build, name).await {
        Fact::ComponentFailed { task, reason, .. } => (task, reason),
        other => panic!("{name} did not fail: {other:?}"),
    }
}

async fn until_ended(bench: &dyn Bench, build: &ModuleBuild, name: &str) -> Fact {
    let mut left = PATIENCE;
    loop {
        let facts = bench.system().follow(build).await.expect("it can be asked");
        let ended = facts.into_iter().find(|fact| match fact {
            Fact::ComponentBuilt { component, .. } | Fact::ComponentFailed { component, .. } => {
                component.as_str() == name
            }
            _ => false,
        });
        if let Some(fact) = ended {
            return fact;
        }
        left = left.checked_sub(1).unwrap_or_else(|| panic!("{name} ends"));
        bench.pause().await;
    }
}

/// Makes a component one that is taken over.
fn take(build: &mut ModuleBuild, name: &str, donor: &ModuleBuild, built: &Built) {
    let index = index(build, name);
    if let Some(component) = build.components.get_mut(index) {
        component.reuse = Some(Arc::new(Reuse::Taken(Taken { build: donor.id, built: built.clone() })));
        component.state = ComponentState::Built(built.clone());
    }
}

/// Writes the metadata of a build, which is ready then.
async fn finish(bench: &dyn Bench, build: &mut ModuleBuild) {
    regenerated(bench, build).await;
    build.phase = Phase::Finishing;
    write_metadata(bench, build).await;
    build.phase = Phase::Ready;
}

fn component(name: &str) -> ComponentName {
    ComponentName::new(name).expect("a good name")
}

fn key(build: &ModuleBuild, name: &str) -> ComponentKey {
    build.key(index(build, name)).expect("it is a component of the build")
}

fn set(build: &mut ModuleBuild, name: &str, state: ComponentState) {
    let index = index(build, name);
    if let Some(component) = build.components.get_mut(index) {
        component.state = state;
    }
}

fn next_attempt(build: &mut ModuleBuild, name: &str) {
    let index = index(build, name);
    if let Some(component) = build.components.get_mut(index) {
        component.attempt += 1;
        component.state = ComponentState::Waiting;
    }
}

fn index(build: &ModuleBuild, name: &str) -> usize {
    build.plan().index_of(&component(name)).expect("it is a component of the build")
}
