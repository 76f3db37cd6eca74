//! `wait`: everything is checked, and the build waits for a slot.

use super::draft::Draft;
use super::{Illegal, Step, illegal, late};
use crate::build::{FailureKind, Phase};
use crate::effect::Action;
use crate::event::Fact;
use crate::policy::Policy;

pub(super) fn step(mut draft: Draft, fact: &Fact, policy: &Policy) -> Result<Step, Illegal> {
    match fact {
        Fact::SlotGranted => {
            draft.enter(Phase::Preparing, None);
            draft.issue(Action::PrepareEnvironment);
            Step::advance(draft)
        }
        Fact::Canceled { by } => {
            draft.fail(FailureKind::Canceled, format!("canceled by {by}"), Vec::new());
            Step::advance(draft)
        }
        Fact::TimePassed { because } => draft.time_passed(policy, "no slot became free in time", because.as_deref()),
        Fact::ComponentStarted { component, attempt, .. }
        | Fact::TaskProgressed { component, attempt, .. }
        | Fact::ComponentBuilt { component, attempt, .. }
        | Fact::ComponentFailed { component, attempt, .. } => late::component(draft, fact, component, *attempt),
        Fact::Submitted | Fact::SourcesChecked { .. } | Fact::SourcesRefused { .. } => Step::ignore(late::REPEATED),
        // A build that failed while it was built comes back to `wait`: answers to its earlier run may still arrive.
        Fact::EnvironmentPrepared { .. }
        | Fact::ComponentsTagged { .. }
        | Fact::RepositoryRegenerated { .. }
        | Fact::MetadataWritten
        | Fact::EffectFailed { .. } => Step::ignore(late::PAST),
        Fact::MarkedReady { .. } | Fact::Resubmitted { .. } => illegal(&draft.build, fact),
    }
}
