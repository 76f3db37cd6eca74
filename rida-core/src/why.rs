//! What a build waits for, in words.
//!
//! The text grows with the number of components, not with that of the components that each waits for.

use crate::build::{ModuleBuild, Phase};
use crate::component::ComponentState;
use crate::deadline::deadline;
use crate::effect::Action;
use crate::plan::throttle;
use crate::plan::{PlannedComponent, WaitsFor};
use crate::policy::Policy;
use crate::ports::{PendingEffect, Queue};
use crate::timestamp::Timestamp;

/// How many of the components that another waits for are named.
const NAMED: usize = 3;

/// Says what a build waits for, and until when at most; nothing once it has ended. `queue` is asked only for builds in
/// `wait`. `pending` are the instructions of the build that are not answered yet: those that were tried in vain say why.
pub fn waits_for(
    build: &ModuleBuild,
    queue: &Queue,
    pending: &[PendingEffect],
    policy: &Policy,
    now: Timestamp,
) -> Vec<String> {
    let mut lines = match &build.phase {
        Phase::Init => vec!["the check of its components' sources".to_owned()],
        Phase::Wait => vec![slot(build, queue, policy, now)],
        Phase::Preparing => vec!["the build environment".to_owned()],
        Phase::Building { regenerating } => components(build, regenerating.is_some()),
        Phase::Finishing => vec!["the module's repository and metadata".to_owned()],
        Phase::Done if build.is_scratch() => Vec::new(),
        Phase::Done => vec!["its release: nobody has made it ready".to_owned()],
        Phase::Failed(_) | Phase::Ready => Vec::new(),
    };
    lines.extend(pending.iter().filter(|pending| pending.effect.id.number > build.run_started).filter_map(in_vain));
    if let Some(deadline) = deadline(build, policy) {
        lines.push(format!("at most until {deadline}, when it is ended"));
    }
    lines
}

fn slot(build: &ModuleBuild, queue: &Queue, policy: &Policy, now: Timestamp) -> String {
    let verdicts = throttle::verdicts(queue, &policy.limits, now);
    let place = verdicts.iter().position(|(id, _)| *id == build.id);
    let verdict = place.and_then(|place| verdicts.get(place)).map(|(_, verdict)| verdict.to_string());
    let verdict = verdict.unwrap_or_else(|| "the queue is being read".to_owned());
    match place {
        None | Some(0) => format!("a slot: {verdict}"),
        Some(before) => format!("a slot: {verdict}; {before} are before it"),
    }
}

/// Tells of an instruction that was given back.
fn in_vain(pending: &PendingEffect) -> Option<String> {
    let error = pending.error.as_ref()?;
    let what = match &pending.effect.action {
        Action::CheckSources => "the check of the sources".to_owned(),
        Action::PrepareEnvironment => "the build environment".to_owned(),
        Action::BuildComponent { key } => format!("the start of {}", key.component),
        Action::Tag { .. } => "the tagging".to_owned(),
        Action::RegenerateRepository { generation } => format!("repository {generation}"),
        Action::CancelTask { key, .. } => format!("the end of the task for {}", key.component),
        Action::WriteMetadata => "the metadata".to_owned(),
        Action::AbandonEnvironment => "the end of what its environment was asked for".to_owned(),
    };
    Some(format!("{what}: {error} (tried {} times; again at {})", pending.attempts, pending.due))
}

fn components(build: &ModuleBuild, regenerating: bool) -> Vec<String> {
    let unavailable = |(index, (_, component)): (usize, (_, &crate::component::ComponentBuild))| {
        (!matches!(component.state, ComponentState::Available(_) | ComponentState::Unneeded)).then_some(index)
    };
    // In the plan's order, in which the batches are ascending.
    let unavailable: Vec<usize> = build.components().enumerate().filter_map(unavailable).collect();
    let line = |(planned, component): (&PlannedComponent, &crate::component::ComponentBuild)| {
        let name = &planned.name;
        match &component.state {
            ComponentState::Submitted => Some(format!("{name}: the build system has not taken it yet")),
            ComponentState::Building { task, .. } => {
                Some(format!("{name}: task {task} is {}", component.state.task_word()))
            }
            ComponentState::Built(_) => Some(format!("{name}: it is being tagged")),
            ComponentState::Waiting => match component.taken() {
                Some(taken) => {
                    let donor = taken.build;
                    Some(format!("{name}: it is taken over from build {donor}, when it would have been built"))
                }
                None => Some(format!("{name}: {}", missing(build, planned, &unavailable))),
            },
            ComponentState::Tagged(_)
            | ComponentState::Available(_)
            | ComponentState::Failed { .. }
            | ComponentState::Canceled { .. }
            | ComponentState::Unneeded => None,
        }
    };
    let mut lines: Vec<String> = build.components().filter_map(line).collect();
    if regenerating {
        lines.push(format!("repository {} of the module", build.repository_generation));
    }
    lines
}

/// Says what a component waits for: the first few of them, and how many more.
fn missing(build: &ModuleBuild, planned: &PlannedComponent, unavailable: &[usize]) -> String {
    let batch_of = |index: usize| build.plan().get(index).map_or(0, |planned| planned.batch);
    let (first, count): (Vec<usize>, usize) = match &planned.waits_for {
        WaitsFor::Batches => {
            let count = unavailable.partition_point(|index| batch_of(*index) < planned.batch);
            (unavailable.iter().take(count.min(NAMED)).copied().collect(), count)
        }
        WaitsFor::Components(needed) => {
            let missing = || needed.iter().copied().filter(|index| unavailable.binary_search(index).is_ok());
            (missing().take(NAMED).collect(), missing().count())
        }
    };
    let names: Vec<&str> =
        first.iter().filter_map(|index| build.plan().get(*index)).map(|planned| planned.name.as_str()).collect();
    match count {
        0 => "other components are built first".to_owned(),
        _ if count > names.len() => {
            format!("it is built after {} and {} more", names.join(", "), count - names.len())
        }
        _ => format!("it is built after {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
