//! Looks at builds: asks the build system what it knows, and ends what took too long.

use std::fmt;
use std::sync::{Arc, PoisonError};

use super::perform::is_left;
use super::{ApplyError, Driver, Parts};
use crate::build::{ModuleBuild, Phase};
use crate::component::ComponentState;
use crate::deadline;
use crate::effect::{Action, Effect};
use crate::error::PortError;
use crate::event::Fact;
use crate::hint::BuildSystemHint;
use crate::id::BuildId;
use crate::ports::{PendingEffect, StoreError};
use crate::timestamp::Timestamp;

/// How much of an error a build is told that a deadline ended.
const LONGEST_ERROR: usize = 1000;

/// What a look at a build brought.
#[derive(Debug, Default)]
#[must_use]
pub struct Looked {
    /// How many facts the build system told.
    pub facts: usize,
    /// Facts that cannot be; they are dropped.
    pub impossible: Vec<String>,
    /// Why the build system could not be asked.
    pub error: Option<PortError>,
}

/// How many builds are remembered that the build system could not be asked about.
const REMEMBERED: usize = 10_000;

/// The build system does not say what became of what a build waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unanswered {
    /// Since when.
    pub since: Timestamp,
    /// Why, as it was the last time.
    pub why: Arc<str>,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { since, why } = self;
        write!(
            f,
            "the build system, which does not tell what became of it since {since}: {why}; the rest was known before"
        )
    }
}

impl Driver {
    /// Asks the build system what became of what a build waits for, and ends what took too long.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn look(&self, id: BuildId) -> Result<Looked, StoreError> {
        let mut looked = Looked::default();
        let Some(build) = self.parts.store.load(id).await? else { return Ok(looked) };
        if waits_for_build_system(&build) {
            let asked_at = self.parts.clock.now();
            match self.parts.build_system.follow(&build).await {
                Ok(facts) => {
                    looked.facts = facts.len();
                    for fact in facts {
                        self.note(id, fact, &mut looked).await?;
                    }
                }
                Err(error) => looked.error = Some(error),
            }
            self.remember(id, asked_at, looked.error.as_ref());
            if matches!(build.phase, Phase::Building { regenerating: Some(_) })
                && let Some(build) = self.parts.store.load(id).await?.filter(is_left)
            {
                // It ended while a repository that failed was asked for again.
                looked.error = self.parts.build_system.abandon(&build).await.err();
            }
        } else {
            self.remember(id, Timestamp::EPOCH, None);
        }
        // After the build system's news, which may have ended the phase just in time.
        let now = self.parts.clock.now();
        if deadline::has_passed(&build, &self.parts.policy, now)
            || (build.state().is_active() && deadline::is_ahead(&build, now))
        {
            let because = self.last_error(&build, looked.error.as_ref()).await?;
            self.note(id, Fact::TimePassed { because }, &mut looked).await?;
        }
        Ok(looked)
    }

    /// Tells since when, and why, the build system does not say what became of what a build waits for: what the build shows
    /// is what was known before. Each driver knows this of the builds that it has looked at last.
    pub fn unanswered(&self, id: BuildId) -> Option<Unanswered> {
        self.unanswered.lock().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    fn remember(&self, id: BuildId, asked_at: Timestamp, error: Option<&PortError>) {
        let mut unanswered = self.unanswered.lock().unwrap_or_else(PoisonError::into_inner);
        match error {
            None => {
                unanswered.remove(&id);
            }
            Some(error) => {
                let since = unanswered.get(&id).map_or(asked_at, |known| known.since);
                if unanswered.len() >= REMEMBERED {
                    unanswered.pop_first();
                }
                let why = error.message().chars().take(LONGEST_ERROR).collect::<String>().into();
                unanswered.insert(id, Unanswered { since, why });
            }
        }
    }

    /// Returns why what a build waits for was not done the last time that somebody tried: an instruction of it, or a look.
    async fn last_error(&self, build: &ModuleBuild, look: Option<&PortError>) -> Result<Option<Arc<str>>, StoreError> {
        // Nobody waits for what is left to be cancelled of an earlier run.
        let waited_for = |pending: &PendingEffect| {
            let Effect { id, action } = &pending.effect;
            let is_for_nobody = matches!(action, Action::CancelTask { .. } | Action::AbandonEnvironment);
            id.number > build.run_started && !is_for_nobody
        };
        let pending = self.parts.store.pending(build.id).await?.into_iter().filter(waited_for);
        let of_instruction = pending.filter_map(|pending| pending.error).last();
        let error = look.map(|error| error.message().to_owned()).or(of_instruction);
        Ok(error.map(|error| error.chars().take(LONGEST_ERROR).collect::<String>().into()))
    }

    /// Returns the builds that a message of the build system may be about: those that hold a slot, since no other waits
    /// for the build system. [`look`](Self::look) at each.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn builds_of(&self, hint: &BuildSystemHint) -> Result<Vec<BuildId>, StoreError> {
        let mut found = Vec::new();
        let Parts { store, clock, policy, .. } = &self.parts;
        // Of the queue only those that hold a slot: a message costs no more when many wait.
        for queued in store.queue_head(&policy.limits, clock.now(), 0).await?.running {
            let build = store.load(queued.id).await?;
            if build.is_some_and(|build| self.parts.build_system.concerns(hint, &build)) {
                found.push(queued.id);
            }
        }
        Ok(found)
    }

    /// Returns builds that it is time to [`look`](Self::look) at, and leaves them alone for one interval.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn take_due_builds(&self, limit: usize) -> Result<Vec<BuildId>, StoreError> {
        let times = deadline::look_times(&self.parts.policy, self.parts.clock.now());
        self.parts.store.take_due_builds(times, limit).await
    }

    async fn note(&self, id: BuildId, fact: Fact, looked: &mut Looked) -> Result<(), StoreError> {
        match self.apply(id, fact).await {
            Ok(_) | Err(ApplyError::NotFound(_)) => Ok(()),
            Err(ApplyError::Illegal(reason)) => {
                looked.impossible.push(reason);
                Ok(())
            }
            Err(ApplyError::Store(error)) => Err(error),
        }
    }
}

fn waits_for_build_system(build: &ModuleBuild) -> bool {
    match &build.phase {
        Phase::Building { regenerating } => {
            let building = |state: &ComponentState| matches!(state, ComponentState::Building { .. });
            regenerating.is_some() || build.components.iter().any(|component| building(&component.state))
        }
        Phase::Init | Phase::Wait | Phase::Preparing | Phase::Finishing => false,
        Phase::Done | Phase::Failed(_) | Phase::Ready => false,
    }
}
