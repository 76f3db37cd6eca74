//! Performs instructions, and records what came of them.

use std::sync::Arc;
use std::time::Duration;

use super::{Answering, ApplyError, Driver};
use crate::build::{ModuleBuild, Phase};
use crate::component::{ComponentKey, ComponentState};
use crate::effect::{Action, Effect};
use crate::error::{PortError, PortErrorKind};
use crate::event::{Fact, SourceProblem};
use crate::id::ComponentName;
use crate::plan::ComponentSource;
use crate::ports::{ComponentCheck, Remarks, StoreError, TakenEffect};
use crate::state::BuildState;

/// What became of an instruction.
#[derive(Debug)]
#[must_use]
pub enum Performed {
    /// It was performed, and its answer is recorded.
    Done,
    /// The build does not need it any more; nothing was done.
    Obsolete,
    /// It failed and is tried again after that time.
    Retry {
        /// Why.
        error: PortError,
        /// How long until then.
        after: Duration,
    },
    /// It failed for good, and that is recorded.
    Failed {
        /// Why.
        error: PortError,
    },
    /// It was answered with something that cannot be; the answer is dropped.
    Impossible {
        /// What is impossible.
        reason: String,
    },
}

/// What to do with the answer to an instruction.
enum Answer {
    /// It makes a fact.
    Fact(Fact),
    /// Nothing is to be recorded.
    Nothing,
}

/// How often a temporary failure is tried again.
const TRIES: u32 = 8;
/// How often a cancellation is: nothing else would ever end what it is to end. It is a day at the longest wait.
const TRIES_TO_CANCEL: u32 = 720;
/// The wait after the first failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// The longest wait.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(120);

impl Driver {
    /// Performs an instruction, records what came of it, and acknowledges it last.
    ///
    /// # Errors
    /// When the store cannot answer; the instruction is then performed again once its lease has ended.
    pub async fn perform(&self, taken: TakenEffect) -> Result<Performed, StoreError> {
        let TakenEffect { effect, attempts, failures } = taken;
        let store = &self.parts.store;
        let Some(build) = store.load(effect.id.build).await? else {
            store.drop_effect(effect.id).await?;
            return Ok(Performed::Obsolete);
        };
        if effect.id.number > build.effects_issued {
            // The store shows the instruction, and a build of before it was issued. It is taken again in a moment.
            let (error, after) = (PortError::temporary("the build was read before the instruction"), FIRST_WAIT);
            let due = self.parts.clock.now().plus(after);
            store.retry_effect(&self.worker, effect.id, due, failures, error.message()).await?;
            return Ok(Performed::Retry { error, after });
        }
        let mut effect = effect;
        if !is_wanted(&build, &effect) {
            // It may have been performed, and what it asked for goes on for nobody.
            let Some(end) = what_ends(&build, &effect.action).filter(|_| attempts > 0) else {
                store.drop_effect(effect.id).await?;
                return Ok(Performed::Obsolete);
            };
            effect.action = end;
        }
        let mut outcome = self.act(&build, &effect.action, failures).await;
        if effect.action.is_of_environment()
            && let Some(build) = store.load(effect.id.build).await?.filter(is_left)
        {
            // It ended while that was asked for.
            effect.action = Action::AbandonEnvironment;
            outcome = self.act(&build, &effect.action, failures).await;
        }
        match outcome {
            Ok(Answer::Fact(fact)) => self.answer(&effect, fact, Performed::Done).await,
            Ok(Answer::Nothing) => {
                store.drop_effect(effect.id).await?;
                Ok(Performed::Done)
            }
            Err(error) if is_tried_again(&error, failures, tries(&effect.action)) => {
                let (failures, after) = match error.kind() {
                    PortErrorKind::Pending => (failures, error.after().unwrap_or(FIRST_WAIT).min(LONGEST_WAIT)),
                    PortErrorKind::Unavailable => (failures, wait(&effect, attempts)),
                    _ => (failures + 1, wait(&effect, failures)),
                };
                let due = self.parts.clock.now().plus(after);
                store.retry_effect(&self.worker, effect.id, due, failures, error.message()).await?;
                Ok(Performed::Retry { error, after })
            }
            Err(error) => {
                let failed = |reason: String| failure(&effect, reason);
                match failed(last_words(&error, failures)) {
                    Some(fact) => self.answer(&effect, fact, Performed::Failed { error }).await,
                    None => {
                        store.drop_effect(effect.id).await?;
                        Ok(Performed::Failed { error })
                    }
                }
            }
        }
    }

    async fn answer(&self, effect: &Effect, fact: Fact, done: Performed) -> Result<Performed, StoreError> {
        match self.apply_as(effect.id.build, fact, Answering::Effect(effect.id)).await {
            Ok(_) => Ok(done),
            Err(ApplyError::NotFound(_)) => Ok(Performed::Obsolete),
            Err(ApplyError::Illegal(reason)) => Ok(Performed::Impossible { reason }),
            Err(ApplyError::Store(error)) => Err(error),
        }
    }

    async fn act(&self, build: &ModuleBuild, action: &Action, failures: u32) -> Result<Answer, PortError> {
        let system = &self.parts.build_system;
        match action {
            Action::CheckSources => self.check_sources(build, failures).await.map(Answer::Fact),
            Action::PrepareEnvironment => {
                let reuse = self.prepare(build).await?.map(Arc::new);
                let Remarks { without, changed } = system.remarks(build).await?;
                Ok(Answer::Fact(Fact::EnvironmentPrepared { reuse, without, changed }))
            }
            Action::BuildComponent { key } => {
                let task = system.build(build, key).await?;
                let ComponentKey { component, attempt, .. } = key.clone();
                Ok(Answer::Fact(Fact::ComponentStarted { component, attempt, task }))
            }
            Action::Tag { components } => {
                let key = |(component, attempt): &(ComponentName, u32)| ComponentKey {
                    build: build.id,
                    component: component.clone(),
                    attempt: *attempt,
                };
                let keys: Vec<_> = components.iter().map(key).collect();
                system.tag(build, &keys).await?;
                Ok(Answer::Fact(Fact::ComponentsTagged { components: components.clone() }))
            }
            Action::RegenerateRepository { generation } => {
                system.regenerate(build, *generation).await?;
                Ok(Answer::Nothing)
            }
            Action::CancelTask { key, task } => {
                system.cancel(build, key, *task).await?;
                Ok(Answer::Nothing)
            }
            Action::WriteMetadata => {
                system.write_metadata(build).await?;
                Ok(Answer::Fact(Fact::MetadataWritten))
            }
            Action::AbandonEnvironment => {
                system.abandon(build).await?;
                Ok(Answer::Nothing)
            }
        }
    }

    /// Checks all components. What could not be asked is asked again a few times; then it is a problem like others.
    async fn check_sources(&self, build: &ModuleBuild, failures: u32) -> Result<Fact, PortError> {
        let with_source = |(planned, _): (&crate::plan::PlannedComponent, _)| {
            planned.source.clone().map(|source| (planned.name.clone(), source))
        };
        let components: Vec<(ComponentName, ComponentSource)> = build.components().filter_map(with_source).collect();
        let checks = self.parts.scm.check_components(&components).await?;
        if checks.len() != components.len() {
            return Err(PortError::permanent("the check of the sources did not answer for every component"));
        }
        let (mut sources, mut problems, mut unknown) = (Vec::new(), Vec::new(), None);
        for ((component, _), check) in components.into_iter().zip(checks) {
            match check {
                ComponentCheck::Good(source) => sources.push((component, source)),
                ComponentCheck::Bad(messages) => {
                    let problem = |message| SourceProblem { component: component.clone(), message };
                    problems.extend(messages.into_iter().map(problem));
                }
                ComponentCheck::Unknown(error) => {
                    let message = last_words(&error, failures);
                    problems.push(SourceProblem { component, message });
                    unknown = Some(error);
                }
            }
        }
        match unknown {
            Some(error) if is_tried_again(&error, failures, TRIES) => Err(error),
            _ if problems.is_empty() => Ok(Fact::SourcesChecked { sources }),
            _ => Ok(Fact::SourcesRefused { problems }),
        }
    }
}

/// Tells whether the build still needs an instruction. What is not needed is not done.
fn is_wanted(build: &ModuleBuild, effect: &Effect) -> bool {
    let current = effect.id.number > build.run_started;
    match &effect.action {
        Action::CheckSources => current && matches!(build.phase, Phase::Init),
        Action::PrepareEnvironment => current && matches!(build.phase, Phase::Preparing),
        Action::BuildComponent { key } => build.component(&key.component).is_some_and(|(_, component)| {
            component.attempt == key.attempt && component.state == ComponentState::Submitted
        }),
        Action::Tag { .. } => current && matches!(build.phase, Phase::Building { .. }),
        Action::RegenerateRepository { generation } => {
            *generation == build.repository_generation
                && matches!(build.phase, Phase::Building { regenerating: Some(_) })
        }
        // A task that nobody waits for any more has to end, whatever else happened.
        Action::CancelTask { .. } => true,
        Action::WriteMetadata => current && matches!(build.phase, Phase::Finishing),
        Action::AbandonEnvironment => is_left(build),
    }
}

/// Tells whether nobody waits for what the build system was asked for, beside the tasks of components. A run that has a
/// slot goes on with what is under way, and says so when it fails itself.
pub(super) fn is_left(build: &ModuleBuild) -> bool {
    build.state() != BuildState::Build
}

/// Returns the instruction that ends what an unwanted one may have begun; none when there is nothing that nobody ends.
fn what_ends(build: &ModuleBuild, action: &Action) -> Option<Action> {
    match action {
        // Whoever was told to cancel it may have looked before the task was there.
        Action::BuildComponent { key } => {
            let (_, component) = build.component(&key.component)?;
            let is_cancelled = matches!(component.state, ComponentState::Canceled { task: None });
            (component.attempt == key.attempt && is_cancelled)
                .then(|| Action::CancelTask { key: key.clone(), task: None })
        }
        action if action.is_of_environment() => is_left(build).then_some(Action::AbandonEnvironment),
        _ => None,
    }
}

/// Returns the fact that an instruction failed for good; none when nobody waits for it.
fn failure(effect: &Effect, reason: String) -> Option<Fact> {
    match &effect.action {
        Action::BuildComponent { key } => Some(Fact::ComponentFailed {
            component: key.component.clone(),
            attempt: key.attempt,
            task: None,
            reason: reason.into(),
        }),
        Action::CancelTask { .. } | Action::AbandonEnvironment => None,
        Action::CheckSources
        | Action::PrepareEnvironment
        | Action::Tag { .. }
        | Action::RegenerateRepository { .. }
        | Action::WriteMetadata => Some(Fact::EffectFailed { number: effect.id.number, reason: reason.into() }),
    }
}

/// Returns how often an instruction is tried that fails for a while.
const fn tries(action: &Action) -> u32 {
    match action {
        Action::CancelTask { .. } | Action::AbandonEnvironment => TRIES_TO_CANCEL,
        Action::CheckSources
        | Action::PrepareEnvironment
        | Action::BuildComponent { .. }
        | Action::Tag { .. }
        | Action::RegenerateRepository { .. }
        | Action::WriteMetadata => TRIES,
    }
}

fn is_tried_again(error: &PortError, failures: u32, tries: u32) -> bool {
    match error.kind() {
        PortErrorKind::Permanent => false,
        PortErrorKind::Temporary => failures.saturating_add(1) < tries,
        // Ended by the deadline of the phase, after which the instruction is not wanted any more.
        PortErrorKind::Unavailable | PortErrorKind::Pending => true,
    }
}

/// Says why it failed for good, and which kind of failure that is: one that passes, or one that does not.
fn last_words(error: &PortError, failures: u32) -> String {
    if error.is_retryable() {
        format!("{} (temporary; given up after {} tries)", error.message(), failures.saturating_add(1))
    } else {
        format!("{} (permanent; not tried again)", error.message())
    }
}

/// Returns the wait before the next try: doubled each time, and spread so that what failed together does not come
/// back together.
fn wait(effect: &Effect, attempts: u32) -> Duration {
    let full = FIRST_WAIT.saturating_mul(2_u32.saturating_pow(attempts.min(16))).min(LONGEST_WAIT);
    let mixed = effect.id.build.get().wrapping_mul(31).wrapping_add(i64::from(effect.id.number)).wrapping_mul(17);
    let percent = u32::try_from(mixed.wrapping_add(i64::from(attempts)).rem_euclid(50)).unwrap_or(0);
    full.saturating_mul(100 - percent) / 100
}
