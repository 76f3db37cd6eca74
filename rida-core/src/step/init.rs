//! `init`: the sources are being checked.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::draft::Draft;
use super::{Illegal, Step, illegal, late};
use crate::build::{FailureKind, Phase};
use crate::component::PinnedSource;
use crate::event::{Fact, SourceProblem};
use crate::id::ComponentName;
use crate::policy::Policy;

pub(super) fn step(mut draft: Draft, fact: &Fact, policy: &Policy) -> Result<Step, Illegal> {
    match fact {
        Fact::SourcesChecked { sources } => {
            pin(&mut draft, sources)?;
            draft.enter(Phase::Wait, None);
            Step::advance(draft)
        }
        Fact::SourcesRefused { problems } => {
            draft.fail(FailureKind::Sources, summary(problems), problems.clone());
            Step::advance(draft)
        }
        Fact::EffectFailed { number, reason } => {
            if late::is_past(&draft.build, *number) {
                return Step::ignore(late::PAST);
            }
            draft.fail(FailureKind::Infrastructure, format!("the sources could not be checked: {reason}"), Vec::new());
            Step::advance(draft)
        }
        Fact::Canceled { by } => {
            draft.fail(FailureKind::Canceled, format!("canceled by {by}"), Vec::new());
            Step::advance(draft)
        }
        Fact::TimePassed { because } => {
            draft.time_passed(policy, "the sources could not be checked in time", because.as_deref())
        }
        Fact::Submitted => Step::ignore(late::REPEATED),
        // A slot that was granted while the build was cancelled and submitted again.
        Fact::SlotGranted => Step::ignore(late::PAST),
        Fact::EnvironmentPrepared { .. }
        | Fact::ComponentStarted { .. }
        | Fact::TaskProgressed { .. }
        | Fact::ComponentBuilt { .. }
        | Fact::ComponentFailed { .. }
        | Fact::ComponentsTagged { .. }
        | Fact::RepositoryRegenerated { .. }
        | Fact::MetadataWritten
        | Fact::MarkedReady { .. }
        | Fact::Resubmitted { .. } => illegal(&draft.build, fact),
    }
}

/// Records the commits; each component with a source must have one.
fn pin(draft: &mut Draft, sources: &[(ComponentName, PinnedSource)]) -> Result<(), Illegal> {
    let sources: BTreeMap<_, _> = sources.iter().map(|(name, source)| (name, source)).collect();
    let build = &mut draft.build;
    for (planned, component) in build.submission.plan.iter().zip(&mut build.components) {
        if planned.source.is_some() {
            let Some(&source) = sources.get(&planned.name) else {
                return Err(Illegal(format!("the check of the sources says nothing of {}", planned.name)));
            };
            component.source = Some(Arc::new(source.clone()));
        }
    }
    Ok(())
}

fn summary(problems: &[SourceProblem]) -> String {
    match problems {
        [] => "the sources are missing or wrong".to_owned(),
        [only] => format!("{}: {}", only.component, only.message),
        [first, rest @ ..] => format!("{}: {} (and {} more)", first.component, first.message, rest.len()),
    }
}
