//! `failed`: ended without a module, until somebody submits it again.

use std::time::Duration;

use super::draft::Draft;
use super::{Illegal, Step, illegal, late};
use crate::build::Phase;
use crate::component::{Built, ComponentState};
use crate::effect::Action;
use crate::event::Fact;
use crate::policy::Policy;
use crate::state::BuildState;

pub(super) fn step(mut draft: Draft, failed_in: BuildState, fact: &Fact, policy: &Policy) -> Result<Step, Illegal> {
    match fact {
        Fact::Resubmitted { by, submission } => {
            let anew = match submission {
                Some(submission) if draft.build.may_be_submitted_anew() => draft.submit_anew(submission, policy)?,
                _ => false,
            };
            start_again(&mut draft);
            let reason = Some(format!("submitted again by {by}").into());
            if anew || failed_in == BuildState::Init {
                draft.enter(Phase::Init, reason);
                draft.issue(Action::CheckSources);
            } else {
                draft.enter(Phase::Wait, reason);
            }
            Step::advance(draft)
        }
        Fact::ComponentBuilt { component, attempt, task, nvr } => {
            // It ended while it was being cancelled. What was built stays built.
            let index = draft.build.plan().index_of(component);
            let cancelled = index
                .and_then(|index| draft.build.components.get(index))
                .is_some_and(|c| c.attempt == *attempt && c.state == (ComponentState::Canceled { task: Some(*task) }));
            match index {
                Some(index) if cancelled && &*nvr.name == component.as_str() => {
                    draft.set(index, ComponentState::Built(Built { task: *task, nvr: nvr.clone() }));
                    Step::advance(draft)
                }
                _ => late::component(draft, fact, component, *attempt),
            }
        }
        Fact::ComponentStarted { component, attempt, .. }
        | Fact::TaskProgressed { component, attempt, .. }
        | Fact::ComponentFailed { component, attempt, .. } => late::component(draft, fact, component, *attempt),
        Fact::Submitted
        | Fact::SourcesChecked { .. }
        | Fact::SourcesRefused { .. }
        | Fact::SlotGranted
        | Fact::EnvironmentPrepared { .. }
        | Fact::ComponentsTagged { .. }
        | Fact::RepositoryRegenerated { .. }
        | Fact::MetadataWritten
        | Fact::EffectFailed { .. }
        | Fact::TimePassed { .. } => Step::ignore(late::OVER),
        Fact::MarkedReady { .. } | Fact::Canceled { .. } => illegal(&draft.build, fact),
    }
}

/// How long what a failed build has in its tag is surely there. Build systems may take it out later, so that it can be
/// deleted.
pub(crate) const KEPT: Duration = Duration::from_secs(24 * 3600);

/// Makes everything that was not built wait for a new try. What was to be taken over, and is not in the tag, is decided
/// anew: it may be gone from where it was. What was in the tag long ago is put there again.
fn start_again(draft: &mut Draft) {
    draft.build.run_started = draft.build.effects_issued;
    let is_long_ago = draft.learnt.since(draft.build.since()) >= KEPT;
    for index in 0..draft.build.components.len() {
        let Some(component) = draft.build.components.get_mut(index) else { continue };
        let in_tag = !matches!(component.state, ComponentState::Built(_)) && !is_long_ago;
        match component.state.built().cloned() {
            Some(_) if in_tag => {}
            Some(built) if component.taken().is_none() => draft.set(index, ComponentState::Built(built)),
            _ => {
                component.attempt += 1;
                component.reuse = None;
                draft.set(index, ComponentState::Waiting);
            }
        }
    }
}
