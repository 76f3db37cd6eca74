//! The decisions: state and fact in, state and instructions out.
//!
//! [`step`] is pure and total: no clock, no randomness, no logging, and every phase decides every fact by name. The
//! whole table is a golden file, `tests/golden/transitions.txt`.

mod build;
mod done;
mod draft;
mod failed;
mod init;
mod late;
mod ready;
mod wait;

use crate::announce::Announcement;
use crate::build::{ModuleBuild, Phase, Submission};
use crate::effect::{Action, Effect};
use crate::event::{Event, Fact};
use crate::id::{BuildId, DistTag, GrammarError, StreamName};
use crate::macros;
use crate::policy::Policy;

use self::draft::Draft;

/// What a fact does to a build.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Step {
    /// The build changed.
    Advance(Box<Advance>),
    /// Nothing changes, because the fact is late, repeated, or of no interest; the text says which.
    Ignore(&'static str),
}

/// A changed build, what it asks for, and what the world is told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Advance {
    /// The build afterwards; its revision is one more.
    pub build: ModuleBuild,
    /// New instructions.
    pub effects: Vec<Effect>,
    /// What the world is told.
    pub announcements: Vec<Announcement>,
}

/// A fact that cannot be, given the build's state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Illegal(String);

/// Makes the build that a submission asks for: in `init`, with the check of its sources as first instruction.
///
/// # Errors
/// When policy or modulemd make a dist tag that RPM could not take.
pub fn submit(id: BuildId, submission: Submission, policy: &Policy) -> Result<Advance, GrammarError> {
    let dist_tag = dist_tag(id, &submission, policy)?;
    let mut draft = Draft::submitted(id, submission, dist_tag);
    draft.issue(Action::CheckSources);
    Ok(draft.finish())
}

fn dist_tag(id: BuildId, submission: &Submission, policy: &Policy) -> Result<DistTag, GrammarError> {
    let platform = submission.build_requires.iter().find(|require| policy.base_modules.contains(&require.name));
    let marking = platform.map(|require| {
        let known = policy.base_streams.get(&require.name, &require.stream);
        known.and_then(|known| known.dist_tag_marking.as_ref()).unwrap_or(&require.stream)
    });
    let marking = marking.map_or("", StreamName::as_str);
    let prefix = if submission.scratch { macros::SCRATCH_DIST_PREFIX } else { &policy.dist_tag_prefix };
    // Builds of one submission share the number, so that their packages are of one age.
    let index = submission.siblings.iter().copied().fold(id, BuildId::min);
    macros::dist_tag(prefix, marking, index, &submission.nsvc)
}

/// Decides what a fact does to a build.
///
/// # Errors
/// When the fact cannot be: it would take an edge that does not exist, or tells of something that was never asked for.
pub fn step(build: &ModuleBuild, event: &Event, policy: &Policy) -> Result<Step, Illegal> {
    let fact = &event.fact;
    let draft = Draft::of(build, event.at);
    match &build.phase {
        Phase::Init => init::step(draft, fact, policy),
        Phase::Wait => wait::step(draft, fact, policy),
        Phase::Preparing | Phase::Building { .. } | Phase::Finishing => build::step(draft, fact, policy),
        Phase::Done => done::step(draft, fact),
        Phase::Failed(failure) => failed::step(draft, failure.from, fact, policy),
        Phase::Ready => ready::step(draft, fact),
    }
}

impl Step {
    fn advance(draft: Draft) -> Result<Self, Illegal> {
        Ok(Self::Advance(Box::new(draft.finish())))
    }

    const fn ignore(why: &'static str) -> Result<Self, Illegal> {
        Ok(Self::Ignore(why))
    }
}

/// Refuses a fact with a text for who brought it.
fn illegal(build: &ModuleBuild, fact: &Fact) -> Result<Step, Illegal> {
    let (id, state) = (build.id, build.state());
    Err(Illegal(match fact {
        Fact::Canceled { .. } => {
            format!("build {id} is {state}; only a build that is init, wait or build can be cancelled")
        }
        Fact::MarkedReady { .. } if build.is_scratch() => {
            format!("build {id} is a scratch build, which is never released; submit the module without `scratch`")
        }
        Fact::MarkedReady { .. } => format!("build {id} is {state}; only a build that is done can be made ready"),
        Fact::Resubmitted { .. } => format!("build {id} is {state}; only a failed build can be submitted again"),
        other => format!("build {id} is {state}, where \"{}\" cannot happen", other.name()),
    }))
}
