//! Facts that come late: repeated ones, and those of an earlier run.

use super::draft::Draft;
use super::{Illegal, Step, illegal};
use crate::build::ModuleBuild;
use crate::component::{ComponentKey, ComponentState};
use crate::effect::Action;
use crate::event::Fact;
use crate::id::ComponentName;

pub(super) const REPEATED: &str = "it was known already";
pub(super) const STARTED: &str = "its task was started already";
pub(super) const PAST: &str = "nothing waits for it any more";
pub(super) const NOT_YET: &str = "no deadline has passed";
pub(super) const OVER: &str = "the build has ended";

/// Tells whether an instruction was issued before the build was last submitted.
pub(super) const fn is_past(build: &ModuleBuild, number: u32) -> bool {
    number <= build.run_started
}

/// Decides a fact about a component whose task nobody waits for in this state: a task that turns out to run is ended.
pub(super) fn component(mut draft: Draft, fact: &Fact, name: &ComponentName, attempt: u32) -> Result<Step, Illegal> {
    let Some(index) = draft.build.plan().index_of(name) else { return illegal(&draft.build, fact) };
    let Some(component) = draft.build.components.get(index) else { return illegal(&draft.build, fact) };
    let never_asked = attempt == component.attempt && component.state == ComponentState::Waiting;
    if attempt > component.attempt || never_asked {
        return illegal(&draft.build, fact);
    }
    let Fact::ComponentStarted { task, .. } = fact else { return Step::ignore(PAST) };
    if attempt == component.attempt {
        // Nobody knew of a task until now.
        let known = match &component.state {
            ComponentState::Canceled { task: None } => ComponentState::Canceled { task: Some(*task) },
            ComponentState::Failed { task: None, reason } => {
                ComponentState::Failed { task: Some(*task), reason: reason.clone() }
            }
            _ => return Step::ignore(PAST),
        };
        draft.set(index, known);
    }
    let key = ComponentKey { build: draft.build.id, component: name.clone(), attempt };
    draft.issue(Action::CancelTask { key, task: Some(*task) });
    Step::advance(draft)
}
