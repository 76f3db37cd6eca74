//! Executes decisions: loads, steps, commits, and performs what was decided. Runtime-agnostic: no tasks, no timers.

mod follow;
mod perform;
mod publish;
mod resolve;
mod reuse;
mod siblings;
mod submit;
mod turn;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub use self::follow::{Looked, Unanswered};
pub use self::perform::Performed;
pub use self::publish::{PUBLISHER, Published};
pub use self::submit::{Request, StreamChoices, SubmitError};
pub use self::turn::Turn;

use self::perform::LONGEST_WAIT;
use crate::build::ModuleBuild;
use crate::deadline::{SLACK, look_at};
use crate::event::{Event, Fact};
use crate::id::{BuildId, EffectId, Owner};
use crate::plan::{Verdict, verdicts};
use crate::policy::Policy;
use crate::ports::{
    BuildFilter, BuildSystem, Commit, LeaseTimes, Publisher, QueueRoom, Scm, Store, StoreError, StoreErrorKind,
    TakenEffect, WorkerId,
};
use crate::scm::AllowList;
use crate::state::BuildState;
use crate::step::{Step, step};
use crate::timestamp::Timestamp;

/// How many of those that wait are looked at together when slots are given away.
const SLOTS_AT_ONCE: usize = 256;

/// Tells the time. The one place where the core learns it.
pub trait Clock: Send + Sync {
    /// Returns the time now.
    fn now(&self) -> Timestamp;
}

impl<F: Fn() -> Timestamp + Send + Sync> Clock for F {
    fn now(&self) -> Timestamp {
        self()
    }
}

/// What a driver is made of.
#[derive(Clone)]
pub struct Parts {
    /// Keeps builds.
    pub store: Arc<dyn Store>,
    /// Builds packages.
    pub build_system: Arc<dyn BuildSystem>,
    /// Tells the world.
    pub publisher: Arc<dyn Publisher>,
    /// Reads sources.
    pub scm: Arc<dyn Scm>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// The places that may be read.
    pub allow: AllowList,
    /// The settings that decisions are made by.
    pub policy: Policy,
}

/// Executes decisions on the ports.
///
/// Any number of drivers may share one store.
pub struct Driver {
    parts: Parts,
    /// The builds that the build system could not be asked about when this driver last looked.
    unanswered: Mutex<BTreeMap<BuildId, Unanswered>>,
    worker: WorkerId,
    lease: Duration,
}

/// A fact could not be applied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// There is no such build.
    #[error("there is no module build {0}")]
    NotFound(BuildId),
    /// The build is not in a state in which this can happen.
    #[error("{0}")]
    Illegal(String),
    /// The store cannot answer.
    #[error("the build cannot be changed")]
    Store(#[from] StoreError),
}

impl Driver {
    /// Makes a driver of its parts; `worker` names the process, uniquely among those that share the store.
    pub fn new(parts: Parts, worker: WorkerId) -> Self {
        Self { parts, unanswered: Mutex::default(), worker, lease: Self::LEASE }
    }

    /// How long a lease lasts when nothing else was said.
    pub const LEASE: Duration = Duration::from_secs(30);

    /// Sets how long a lease lasts: after that time others take over the work of a process that is gone. All who share
    /// a store should have the same.
    #[must_use]
    pub const fn with_lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Returns what the driver is made of.
    pub const fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Returns how long a lease lasts; [`Self::renew_leases`] is due a few times within it.
    pub const fn lease(&self) -> Duration {
        self.lease
    }

    /// Ends a build that is not finished.
    ///
    /// # Errors
    /// [`Illegal`](ApplyError::Illegal) when it has ended.
    pub async fn cancel(&self, id: BuildId, by: Owner) -> Result<BuildState, ApplyError> {
        self.apply(id, Fact::Canceled { by }).await
    }

    /// Releases a finished build.
    ///
    /// # Errors
    /// [`Illegal`](ApplyError::Illegal) when it is not done.
    pub async fn mark_ready(&self, id: BuildId, by: Owner) -> Result<BuildState, ApplyError> {
        self.apply(id, Fact::MarkedReady { by }).await
    }

    /// Applies a fact to a build and returns the state afterwards.
    ///
    /// # Errors
    /// When there is no such build, the fact is impossible for it, or the store cannot answer.
    pub async fn apply(&self, id: BuildId, fact: Fact) -> Result<BuildState, ApplyError> {
        self.apply_as(id, fact, Answering::Nothing).await
    }

    /// Leases due instructions. Perform each with [`Self::perform`], concurrently if you like.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn take_effects(&self, limit: usize) -> Result<Vec<TakenEffect>, StoreError> {
        self.parts.store.take_effects(&self.worker, self.lease_times(), limit).await
    }

    /// Returns the times of a lease from now on.
    fn lease_times(&self) -> LeaseTimes {
        let now = self.parts.clock.now();
        let latest = now.plus(self.lease.max(LONGEST_WAIT)).plus(SLACK);
        LeaseTimes { now, until: now.plus(self.lease), latest }
    }

    /// Keeps the leases of these instructions, which are still being performed.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn renew_leases(&self, ids: &[EffectId]) -> Result<(), StoreError> {
        let until = self.parts.clock.now().plus(self.lease);
        self.parts.store.renew_leases(&self.worker, ids, until).await
    }

    /// Gives slots to waiting builds and returns how many.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn grant_slots(&self) -> Result<usize, StoreError> {
        let Parts { store, clock, policy, .. } = &self.parts;
        let (limits, mut granted) = (&policy.limits, 0);
        let waiting = BuildFilter { states: vec![BuildState::Wait], ..BuildFilter::default() };
        if store.count(&waiting).await? == 0 {
            return Ok(0);
        }
        // The head of the queue again and again, not all of it: what a slot costs does not grow with those that wait.
        loop {
            let now = clock.now();
            let queue = store.queue_head(limits, now, limits.builds.min(SLOTS_AT_ONCE)).await?;
            let mut revision = queue.revision;
            let before = granted;
            for (id, verdict) in verdicts(&queue, limits, now) {
                if verdict != Verdict::Granted {
                    continue;
                }
                match self.apply_as(id, Fact::SlotGranted, Answering::Queue { revision }).await {
                    Ok(BuildState::Build) => {
                        granted += 1;
                        revision += 1;
                    }
                    // It was cancelled meanwhile. Its slot is given away with the next look at the queue.
                    Ok(_) | Err(ApplyError::NotFound(_) | ApplyError::Illegal(_)) => {}
                    // Somebody else granted slots from the same picture of the queue.
                    Err(ApplyError::Store(error)) if *error.kind() == StoreErrorKind::Conflict => return Ok(granted),
                    Err(ApplyError::Store(error)) => return Err(error),
                }
            }
            if granted == before {
                return Ok(granted);
            }
        }
    }

    /// Loads, steps and commits, again when somebody else was first.
    async fn apply_as(&self, id: BuildId, fact: Fact, answering: Answering) -> Result<BuildState, ApplyError> {
        let Parts { store, clock, policy, .. } = &self.parts;
        let mut conflicts = 0;
        loop {
            let build = store.load(id).await?.ok_or(ApplyError::NotFound(id))?;
            if answering.is_past(&build) {
                self.acknowledge(answering).await?;
                return Ok(build.state());
            }
            let event = Event { at: clock.now(), fact: fact.clone() };
            let advance = match step(&build, &event, policy) {
                Ok(Step::Advance(advance)) => advance,
                Ok(Step::Ignore(_)) => {
                    self.acknowledge(answering).await?;
                    return Ok(build.state());
                }
                Err(illegal) => {
                    self.acknowledge(answering).await?;
                    return Err(ApplyError::Illegal(illegal.to_string()));
                }
            };
            let commit = Commit {
                before: Some(&build),
                after: &advance.build,
                event: &event,
                effects: &advance.effects,
                announcements: &advance.announcements,
                answers: answering.effect(),
                look_at: look_at(&advance.build, policy, event.at),
                queue_revision: answering.queue_revision(),
                room: enters_queue(Some(&build), &advance.build).then(|| room(policy)),
            };
            match store.commit(commit).await {
                Ok(_) => return Ok(advance.build.state()),
                Err(error) if *error.kind() == StoreErrorKind::Conflict && conflicts < answering.retries() => {
                    conflicts += 1;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Removes the instruction that a fact answers when the fact itself changes nothing.
    async fn acknowledge(&self, answering: Answering) -> Result<(), StoreError> {
        match answering.effect() {
            Some(effect) => self.parts.store.drop_effect(effect).await,
            None => Ok(()),
        }
    }
}

/// Tells whether a change puts a build into the queue.
fn enters_queue(before: Option<&ModuleBuild>, after: &ModuleBuild) -> bool {
    matches!(after.state(), BuildState::Init | BuildState::Wait)
        && before.is_none_or(|before| !before.state().is_active())
}

/// Returns how much room the queue has.
const fn room(policy: &Policy) -> QueueRoom {
    let limits = &policy.limits;
    QueueRoom { in_all: limits.queue, of_module: limits.queue_per_module, of_owner: limits.queue_per_owner }
}

/// What a fact is the answer to.
#[derive(Clone, Copy)]
enum Answering {
    /// Nothing that was asked for.
    Nothing,
    /// An instruction, which its commit removes.
    Effect(EffectId),
    /// A look at the queue, which must still be as it was.
    Queue { revision: u64 },
}

impl Answering {
    /// How often to step again after a conflict. Many components of one build may end at one time.
    const CONFLICTS: u32 = 64;

    const fn effect(self) -> Option<EffectId> {
        match self {
            Self::Effect(id) => Some(id),
            Self::Nothing | Self::Queue { .. } => None,
        }
    }

    const fn queue_revision(self) -> Option<u64> {
        match self {
            Self::Queue { revision } => Some(revision),
            Self::Nothing | Self::Effect(_) => None,
        }
    }

    /// A conflict over the queue is not tried again: the whole picture has to be read anew.
    const fn retries(self) -> u32 {
        match self {
            Self::Queue { .. } => 0,
            Self::Nothing | Self::Effect(_) => Self::CONFLICTS,
        }
    }

    /// Tells whether it answers an instruction that was issued before the build was submitted again.
    fn is_past(self, build: &ModuleBuild) -> bool {
        self.effect().is_some_and(|effect| effect.number <= build.run_started)
    }
}
