//! What a build waits for, in words.

use crate::build::{ModuleBuild, Phase};
use crate::component::ComponentState;
use crate::plan::WaitsFor;
use crate::plan::throttle;
use crate::policy::Policy;
use crate::ports::Queue;
use crate::timestamp::Timestamp;

/// Says what a build waits for; nothing once it has ended. `queue` is asked only for builds in `wait`.
pub fn waits_for(build: &ModuleBuild, queue: &Queue, policy: &Policy, now: Timestamp) -> Vec<String> {
    match &build.phase {
        Phase::Init => vec!["the check of its components' sources".to_owned()],
        Phase::Wait => {
            let verdicts = throttle::verdicts(queue, &policy.limits, now);
            let place = verdicts.iter().position(|(id, _)| *id == build.id);
            let verdict = place.and_then(|place| verdicts.get(place)).map(|(_, verdict)| verdict.to_string());
            let before = place.unwrap_or_default();
            let verdict = verdict.unwrap_or_else(|| "the queue is being read".to_owned());
            let before = if before == 0 { String::new() } else { format!("; {before} are before it") };
            vec![format!("a slot: {verdict}{before}")]
        }
        Phase::Preparing => vec!["the build environment".to_owned()],
        Phase::Building { regenerating } => components(build, regenerating.is_some()),
        Phase::Finishing => vec!["the module's repository and metadata".to_owned()],
        Phase::Done => vec!["its release: nobody has made it ready".to_owned()],
        Phase::Failed(_) | Phase::Ready => Vec::new(),
    }
}

fn components(build: &ModuleBuild, regenerating: bool) -> Vec<String> {
    let mut lines: Vec<String> = build
        .components()
        .filter_map(|(planned, component)| {
            let name = &planned.name;
            match &component.state {
                ComponentState::Submitted => Some(format!("{name}: the build system has not taken it yet")),
                ComponentState::Building { task, .. } => {
                    Some(format!("{name}: task {task} is {}", component.state.task_word()))
                }
                ComponentState::Built(_) => Some(format!("{name}: it is being tagged")),
                ComponentState::Waiting => {
                    Some(format!("{name}: {}", missing(build, planned.batch, &planned.waits_for)))
                }
                ComponentState::Tagged(_)
                | ComponentState::Available(_)
                | ComponentState::Failed { .. }
                | ComponentState::Canceled { .. } => None,
            }
        })
        .collect();
    if regenerating {
        lines.push(format!("repository {} of the module", build.repository_generation));
    }
    lines
}

fn missing(build: &ModuleBuild, batch: u32, waits_for: &WaitsFor) -> String {
    let available = |index: usize| {
        build.components.get(index).is_some_and(|component| matches!(component.state, ComponentState::Available(_)))
    };
    let before = |index: usize| match waits_for {
        WaitsFor::Batches => build.plan().get(index).is_some_and(|planned| planned.batch < batch),
        WaitsFor::Components(needed) => needed.contains(&index),
    };
    let needed = (0..build.components.len()).filter(|index| before(*index) && !available(*index));
    let names: Vec<&str> = needed.filter_map(|index| build.plan().get(index)).map(|c| c.name.as_str()).collect();
    if names.is_empty() {
        "other components are built first".to_owned()
    } else {
        format!("it is built after {}", names.join(", "))
    }
}
