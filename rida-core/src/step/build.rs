//! `build`: the environment is prepared, the components are built, the metadata is written.

use std::sync::Arc;

use super::draft::Draft;
use super::{Illegal, Step, illegal, late};
use crate::build::{FailureKind, Phase};
use crate::component::{Built, ComponentState, TaskProgress};
use crate::effect::Action;
use crate::event::Fact;
use crate::id::ComponentName;
use crate::plan::{ReuseDecision, schedule};
use crate::policy::Policy;

pub(super) fn step(mut draft: Draft, fact: &Fact, policy: &Policy) -> Result<Step, Illegal> {
    match fact {
        Fact::EnvironmentPrepared { reuse, without, changed } => match draft.build.phase {
            Phase::Preparing => {
                let said = |what: &str, words: &[Arc<str>]| {
                    (!words.is_empty()).then(|| format!("{what} {}", words.join("; ")))
                };
                let remarks = [said("built without", without), said("somebody changed the environment:", changed)];
                let remarks: Vec<String> = remarks.into_iter().flatten().collect();
                if !remarks.is_empty() {
                    draft.remark(remarks.join("; "));
                }
                if let Some(decision) = reuse {
                    decide_reuse(&mut draft, decision)?;
                }
                draft.enter(Phase::Building { regenerating: None }, None);
                tag_again(&mut draft);
                proceed(&mut draft, policy);
                Step::advance(draft)
            }
            _ => Step::ignore(late::REPEATED),
        },
        Fact::ComponentStarted { component, attempt, .. }
        | Fact::TaskProgressed { component, attempt, .. }
        | Fact::ComponentBuilt { component, attempt, .. }
        | Fact::ComponentFailed { component, attempt, .. } => {
            let awaited = draft.build.component(component).is_some_and(|(_, c)| {
                c.attempt == *attempt && matches!(c.state, ComponentState::Submitted | ComponentState::Building { .. })
            });
            if awaited {
                task_fact(draft, fact, component, policy)
            } else {
                late::component(draft, fact, component, *attempt)
            }
        }
        Fact::ComponentsTagged { components } => {
            let changed = components.iter().filter(|(name, attempt)| tagged(&mut draft, name, *attempt)).count();
            if changed == 0 {
                return Step::ignore(late::REPEATED);
            }
            proceed(&mut draft, policy);
            Step::advance(draft)
        }
        Fact::RepositoryRegenerated { generation } => regenerated(draft, fact, *generation, policy),
        Fact::MetadataWritten => match draft.build.phase {
            Phase::Finishing => {
                draft.enter(Phase::Done, None);
                if policy.ready_at_once && !draft.build.is_scratch() {
                    draft.enter(Phase::Ready, None);
                }
                Step::advance(draft)
            }
            // The metadata of a run that failed while they were written.
            _ => Step::ignore(late::PAST),
        },
        Fact::EffectFailed { number, reason } => {
            if late::is_past(&draft.build, *number) {
                return Step::ignore(late::PAST);
            }
            let what = match draft.build.phase {
                Phase::Preparing => "the build environment could not be prepared",
                Phase::Finishing => "the module's metadata could not be written",
                _ => "the build system failed",
            };
            draft.fail(FailureKind::Infrastructure, format!("{what}: {reason}"), Vec::new());
            Step::advance(draft)
        }
        Fact::Canceled { by } => {
            draft.fail(FailureKind::Canceled, format!("canceled by {by}"), Vec::new());
            Step::advance(draft)
        }
        Fact::TimePassed { because } => {
            let what = match draft.build.phase {
                Phase::Preparing => "the build environment was not prepared in time",
                Phase::Finishing => "the module's metadata were not written in time",
                _ => "the components were not built in time",
            };
            draft.time_passed(policy, what, because.as_deref())
        }
        Fact::Submitted | Fact::SourcesChecked { .. } | Fact::SourcesRefused { .. } | Fact::SlotGranted => {
            Step::ignore(late::REPEATED)
        }
        Fact::MarkedReady { .. } | Fact::Resubmitted { .. } => illegal(&draft.build, fact),
    }
}

/// Decides a fact about the task of a component that is submitted or building.
fn task_fact(mut draft: Draft, fact: &Fact, name: &ComponentName, policy: &Policy) -> Result<Step, Illegal> {
    let Some(index) = draft.build.plan().index_of(name) else { return illegal(&draft.build, fact) };
    let Some(state) = draft.build.components.get(index).map(|component| &component.state) else {
        return illegal(&draft.build, fact);
    };
    let known = state.task();
    match fact {
        Fact::ComponentStarted { task, .. }
        | Fact::TaskProgressed { task, .. }
        | Fact::ComponentBuilt { task, .. }
        | Fact::ComponentFailed { task: Some(task), .. }
            if known.is_some_and(|known| known != *task) =>
        {
            return Err(Illegal(format!("{name} is built by task {}, not by {task}", known.unwrap_or(*task))));
        }
        Fact::ComponentStarted { task, .. } => {
            if known.is_some() {
                return Step::ignore(late::REPEATED);
            }
            draft.set(index, ComponentState::Building { task: *task, progress: TaskProgress::Free });
        }
        Fact::TaskProgressed { task, progress, .. } => {
            let next = ComponentState::Building { task: *task, progress: *progress };
            let open = ComponentState::Building { task: *task, progress: TaskProgress::Open };
            // A task never goes from open back to free; that message was overtaken.
            if *state == next || *state == open {
                return Step::ignore(late::REPEATED);
            }
            draft.set(index, next);
        }
        Fact::ComponentBuilt { task, nvr, .. } => {
            if &*nvr.name == name.as_str() {
                draft.set(index, ComponentState::Built(Built { task: *task, nvr: nvr.clone() }));
                tag(&mut draft, vec![index]);
            } else {
                let reason = format!("the spec file builds {}, not {name}; the two names must be the same", nvr.name);
                draft.set(index, ComponentState::Failed { task: Some(*task), reason: reason.into() });
            }
            proceed(&mut draft, policy);
        }
        // Another process was told so, who asked a second time: the task is known, and ends as it does.
        Fact::ComponentFailed { task: None, .. } if known.is_some() => return Step::ignore(late::STARTED),
        Fact::ComponentFailed { task, reason, .. } => {
            let task = *task;
            draft.set(index, ComponentState::Failed { task, reason: reason.clone() });
            if task.is_none()
                && let Some(key) = draft.build.key(index)
            {
                // It may have started all the same: what was given up is the answer.
                draft.issue(Action::CancelTask { key, task });
            }
            proceed(&mut draft, policy);
        }
        _ => return illegal(&draft.build, fact),
    }
    Step::advance(draft)
}

/// Marks a built component as tagged, and tells whether that is news.
fn tagged(draft: &mut Draft, name: &ComponentName, attempt: u32) -> bool {
    let Some(index) = draft.build.plan().index_of(name) else { return false };
    let Some(component) = draft.build.components.get(index) else { return false };
    match &component.state {
        ComponentState::Built(built) if component.attempt == attempt => {
            let state = ComponentState::Tagged(built.clone());
            draft.set(index, state);
            true
        }
        _ => false,
    }
}

/// Decides that a repository was regenerated: what it was asked for is available.
fn regenerated(mut draft: Draft, fact: &Fact, generation: u32, policy: &Policy) -> Result<Step, Illegal> {
    if generation > draft.build.repository_generation {
        return illegal(&draft.build, fact);
    }
    if generation < draft.build.repository_generation {
        return Step::ignore(late::PAST);
    }
    let Phase::Building { regenerating } = &mut draft.build.phase else { return Step::ignore(late::REPEATED) };
    let Some(covered) = regenerating.take() else { return Step::ignore(late::REPEATED) };
    for index in covered {
        if let Some(ComponentState::Tagged(built)) = draft.build.components.get(index).map(|c| &c.state) {
            let state = ComponentState::Available(built.clone());
            draft.set(index, state);
        }
    }
    proceed(&mut draft, policy);
    Step::advance(draft)
}

/// Records what was decided of components that wait. The macros are not built when nothing else is.
fn decide_reuse(draft: &mut Draft, decision: &ReuseDecision) -> Result<(), Illegal> {
    let strange = |name| Illegal(format!("{name} does not wait to be built or taken over"));
    for unneeded in decision.apply(&mut draft.build).map_err(strange)? {
        draft.set(unneeded, ComponentState::Unneeded);
    }
    Ok(())
}

/// Asks again for the tagging that an earlier run may not have ended.
fn tag_again(draft: &mut Draft) {
    let built =
        |index: &usize| draft.build.components.get(*index).is_some_and(|c| matches!(c.state, ComponentState::Built(_)));
    let indices: Vec<_> = (0..draft.build.components.len()).filter(built).collect();
    tag(draft, indices);
}

fn tag(draft: &mut Draft, indices: Vec<usize>) {
    let keys = indices.into_iter().filter_map(|index| draft.build.key(index));
    let components: Vec<_> = keys.map(|key| (key.component, key.attempt)).collect();
    if !components.is_empty() {
        draft.issue(Action::Tag { components });
    }
}

/// Does what can be done next: starts components, asks for a repository, or ends the phase.
fn proceed(draft: &mut Draft, policy: &Policy) {
    if !matches!(draft.build.phase, Phase::Building { .. }) {
        return;
    }
    let next = schedule::next(&draft.build, policy.components_at_once);
    for index in &next.take {
        let taken = draft.build.components.get(*index).and_then(|component| component.taken());
        if let Some(built) = taken.map(|taken| taken.built.clone()) {
            draft.set(*index, ComponentState::Built(built));
        }
    }
    tag(draft, next.take);
    for index in next.start {
        draft.set(index, ComponentState::Submitted);
        if let Some(key) = draft.build.key(index) {
            draft.issue(Action::BuildComponent { key });
        }
    }
    if let Some(covered) = next.regenerate {
        draft.build.repository_generation += 1;
        let generation = draft.build.repository_generation;
        draft.build.phase = Phase::Building { regenerating: Some(covered) };
        draft.issue(Action::RegenerateRepository { generation });
    }
    match next.outcome {
        schedule::Outcome::Continues => {}
        schedule::Outcome::Built => {
            draft.enter(Phase::Finishing, None);
            draft.issue(Action::WriteMetadata);
        }
        schedule::Outcome::Failed(failed) => {
            let names: Vec<_> =
                failed.iter().filter_map(|index| draft.build.plan().get(*index)).map(|c| c.name.as_str()).collect();
            let noun = if names.len() == 1 { "component" } else { "components" };
            let reason = format!("{noun} {} failed to build", names.join(", "));
            draft.fail(FailureKind::Components, reason, Vec::new());
        }
    }
}
