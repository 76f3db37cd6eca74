//! `done`: everything is built and written.

use super::draft::Draft;
use super::{Illegal, Step, illegal, late};
use crate::build::Phase;
use crate::event::Fact;

pub(super) fn step(mut draft: Draft, fact: &Fact) -> Result<Step, Illegal> {
    match fact {
        Fact::MarkedReady { .. } if draft.build.is_scratch() => illegal(&draft.build, fact),
        Fact::MarkedReady { by } => {
            draft.enter(Phase::Ready, Some(format!("released by {by}").into()));
            Step::advance(draft)
        }
        other => over(draft, other),
    }
}

/// Decides what comes after the end of a build that has a module.
pub(super) fn over(draft: Draft, fact: &Fact) -> Result<Step, Illegal> {
    match fact {
        Fact::ComponentStarted { component, attempt, .. }
        | Fact::TaskProgressed { component, attempt, .. }
        | Fact::ComponentBuilt { component, attempt, .. }
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
        Fact::MarkedReady { .. } | Fact::Canceled { .. } | Fact::Resubmitted { .. } => illegal(&draft.build, fact),
    }
}
