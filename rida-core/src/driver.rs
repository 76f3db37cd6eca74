//! Executes decisions: loads, steps, commits, and performs what was decided. Runtime-agnostic: no tasks, no timers.

use std::sync::Arc;
use std::time::Duration;

use crate::event::Fact;
use crate::id::{BuildId, Owner};
use crate::policy::Policy;
use crate::ports::{BuildSystem, Publisher, Scm, Store, StoreError, TakenEffect, WorkerId};
use crate::scm::{AllowList, ScmUrlError};
use crate::state::BuildState;
use crate::timestamp::Timestamp;

/// Tells the time. The one place where the core learns it.
pub trait Clock: Send + Sync {
    /// Returns the time now.
    fn now(&self) -> Timestamp;
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
    worker: WorkerId,
    lease: Duration,
}

/// What somebody asks to be built.
#[derive(Clone, Debug)]
pub struct Request {
    /// The URL of the modulemd, as [`ScmUrl`](crate::scm::ScmUrl) reads it.
    pub scm_url: String,
    /// The branch, which names the stream when the modulemd does not.
    pub branch: Option<String>,
    /// Who asks.
    pub owner: Owner,
}

/// A submission was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The URL is not one of a modulemd in git.
    #[error("the scmurl is not valid: {0}")]
    BadUrl(#[from] ScmUrlError),
    /// The URL is not in a place that may be read.
    #[error("the scmurl {0} is not in an allowed place; ask the operator to add its repository to the allow-list")]
    NotAllowed(String),
    /// The modulemd cannot be read from git.
    #[error("the modulemd cannot be retrieved: {0}")]
    Unretrievable(crate::error::PortError),
    /// The modulemd is not valid, or names what cannot be built. All of the problems, as text lines.
    #[error("the modulemd is not valid: {}", .0.join("; "))]
    Invalid(Vec<String>),
    /// The NSVC was built, or is being built.
    #[error(
        "the module {nsvc} exists already as build {id}, which is {state}; only a failed build can be submitted again"
    )]
    Exists {
        /// The module.
        nsvc: crate::id::Nsvc,
        /// Its build.
        id: BuildId,
        /// The build's state.
        state: BuildState,
    },
    /// Too many builds wait.
    #[error("{0} builds wait already; submit again later")]
    QueueFull(usize),
    /// Git cannot be asked now.
    #[error("the modulemd cannot be retrieved now: {0}; submit again later")]
    ScmUnavailable(crate::error::PortError),
    /// The store cannot answer.
    #[error("the build cannot be recorded")]
    Store(#[from] StoreError),
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
        Self { parts, worker, lease: Duration::from_secs(30) }
    }

    /// Returns what the driver is made of.
    pub fn parts(&self) -> &Parts {
        &self.parts
    }

    /// Returns how long a lease lasts; [`Self::renew_leases`] is due a few times within it.
    pub fn lease(&self) -> Duration {
        self.lease
    }

    /// Accepts a submission: reads and validates the modulemd, and records the build in `init`.
    /// A failed build of the same NSVC is taken up again.
    ///
    /// # Errors
    /// When it is not accepted; then nothing was recorded.
    pub async fn submit(&self, _request: Request) -> Result<BuildId, SubmitError> {
        unimplemented!()
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
    pub async fn apply(&self, _id: BuildId, _fact: Fact) -> Result<BuildState, ApplyError> {
        unimplemented!()
    }

    /// Leases due instructions. Perform each with [`Self::perform`], concurrently if you like.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn take_effects(&self, _limit: usize) -> Result<Vec<TakenEffect>, StoreError> {
        unimplemented!()
    }

    /// Performs an instruction, records what came of it, and acknowledges it last.
    ///
    /// # Errors
    /// When the store cannot answer; the instruction is then performed again once its lease has ended.
    pub async fn perform(&self, _taken: TakenEffect) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Keeps the leases of instructions that are still being performed.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn renew_leases(&self) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Gives slots to waiting builds and returns how many.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn grant_slots(&self) -> Result<usize, StoreError> {
        unimplemented!()
    }

    /// Asks the build system what became of what a build waits for, and ends what took too long.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn look(&self, _id: BuildId) -> Result<(), StoreError> {
        unimplemented!()
    }

    /// Returns builds that it is time to [`look`](Self::look) at, and leaves them alone for one interval.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn take_due_builds(&self, _limit: usize) -> Result<Vec<BuildId>, StoreError> {
        unimplemented!()
    }

    /// Publishes announcements that were not published yet, in order, and returns how many.
    /// Stops early, without an error, when the publisher is away.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn publish(&self, _limit: usize) -> Result<usize, StoreError> {
        unimplemented!()
    }
}
