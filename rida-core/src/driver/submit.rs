//! Accepts submissions.

use std::time::Duration;

use super::{ApplyError, Driver, Parts, room};
use crate::build::{BuildRequire, Submission};
use crate::deadline::look_at;
use crate::error::PortError;
use crate::event::{Event, Fact};
use crate::id::{BuildId, Nsvc, Owner};
use crate::intake::{self, Origin};
use crate::ports::{BuildFilter, Commit, QueueFull, StoreError, StoreErrorKind};
use crate::scm::{ScmUrl, ScmUrlError};
use crate::state::BuildState;
use crate::step::{Advance, submit};

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
    Unretrievable(PortError),
    /// The modulemd is not valid, or names what cannot be built. All of the problems, as text lines.
    #[error("the modulemd is not valid: {}", .0.join("; "))]
    Invalid(Vec<String>),
    /// The NSVC was built, or is being built.
    #[error(
        "the module {nsvc} exists already as build {id}, in the state {state}; only a failed build can be submitted again"
    )]
    Exists {
        /// The module.
        nsvc: Nsvc,
        /// Its build.
        id: BuildId,
        /// The build's state.
        state: BuildState,
    },
    /// Too many builds wait.
    #[error("{full}; submit again in {} seconds or later", .retry_after.as_secs())]
    QueueFull {
        /// Of what.
        full: QueueFull,
        /// When it may be worth trying again. It differs from submission to submission, so that those that are refused
        /// together do not come back together.
        retry_after: Duration,
    },
    /// Git cannot be asked now.
    #[error("the modulemd cannot be retrieved now: {0}")]
    ScmUnavailable(PortError),
    /// The store cannot answer.
    #[error("the build cannot be recorded")]
    Store(#[from] StoreError),
}

impl Driver {
    /// Accepts a submission: reads and validates the modulemd, and records the build in `init`.
    /// A failed build of the same NSVC is taken up again.
    ///
    /// # Errors
    /// When it is not accepted; then nothing was recorded.
    pub async fn submit(&self, request: Request) -> Result<BuildId, SubmitError> {
        let Parts { scm, clock, allow, policy, .. } = &self.parts;
        let url = ScmUrl::parse(&request.scm_url)?;
        if !allow.permits(url.repository()) {
            return Err(SubmitError::NotAllowed(url.to_string()));
        }
        self.check_queue(&request).await?;
        let fetched = scm.fetch_modulemd(&url).await.map_err(|error| {
            if error.is_retryable() { SubmitError::ScmUnavailable(error) } else { SubmitError::Unretrievable(error) }
        })?;
        let Request { branch, owner, .. } = request;
        let origin = Origin { url: &url, branch: branch.as_deref(), owner, at: clock.now() };
        let mut submission = intake::submission(&fetched, origin, allow, policy).map_err(SubmitError::Invalid)?;
        self.resolve(&mut submission).await?;
        self.record(submission).await
    }

    /// Refuses a submission while too many builds wait, before anything is read for it. What decides is the commit,
    /// which sees those that are submitted at the same time.
    async fn check_queue(&self, request: &Request) -> Result<(), SubmitError> {
        let waiting = BuildFilter { states: vec![BuildState::Init, BuildState::Wait], ..BuildFilter::default() };
        let waiting = usize::try_from(self.parts.store.count(&waiting).await?).unwrap_or(usize::MAX);
        if waiting >= self.parts.policy.limits.queue {
            return Err(refused(QueueFull::InAll(waiting), &request.scm_url));
        }
        Ok(())
    }

    /// Finds the builds of the modules that this one is built against; base modules are the distribution's.
    async fn resolve(&self, submission: &mut Submission) -> Result<(), SubmitError> {
        let mut problems = Vec::new();
        for require in &mut submission.build_requires {
            if self.parts.policy.base_modules.contains(&require.name) {
                continue;
            }
            let found = self.parts.store.latest_ready(&require.name, &require.stream).await?;
            require.build = found.map(|summary| summary.id);
            if require.build.is_none() {
                let BuildRequire { name, stream, .. } = require;
                problems.push(format!(
                    "dependencies: buildrequires {name}:{stream}, which has no ready build here; build it first"
                ));
            }
        }
        if problems.is_empty() { Ok(()) } else { Err(SubmitError::Invalid(problems)) }
    }

    /// Records what was submitted as a new build, or takes the failed build of the same NSVC up again.
    ///
    /// # Errors
    /// When there is such a build that has not failed, or the store cannot answer.
    pub async fn record(&self, submission: Submission) -> Result<BuildId, SubmitError> {
        if let Some(existing) = self.parts.store.find(&submission.nsvc).await? {
            return self.take_up(existing.id, existing.state, submission).await;
        }
        let nsvc = submission.nsvc.clone();
        let again = submission.clone();
        let id = self.parts.store.reserve_id().await?;
        let event = Event { at: submission.at, fact: Fact::Submitted };
        let advance = submit(id, submission, &self.parts.policy)
            .map_err(|error| SubmitError::Invalid(vec![error.to_string()]))?;
        let Advance { build, effects, announcements } = &advance;
        let commit = Commit {
            before: None,
            after: build,
            event: &event,
            effects,
            announcements,
            answers: None,
            look_at: look_at(build, &self.parts.policy, event.at),
            queue_revision: None,
            room: Some(room(&self.parts.policy)),
        };
        match self.parts.store.commit(commit).await {
            Ok(_) => Ok(id),
            Err(error) => match error.kind() {
                StoreErrorKind::Exists { id, state } => self.take_up(*id, *state, again).await,
                StoreErrorKind::QueueFull(full) => Err(refused(full.clone(), &nsvc.to_string())),
                _ => Err(error.into()),
            },
        }
    }

    async fn take_up(&self, id: BuildId, state: BuildState, again: Submission) -> Result<BuildId, SubmitError> {
        let (nsvc, by) = (again.nsvc.clone(), again.owner.clone());
        if state != BuildState::Failed {
            return Err(SubmitError::Exists { nsvc, id, state });
        }
        let build = self.parts.store.load(id).await?;
        let anew = build.is_some_and(|build| build.may_be_submitted_anew());
        match self.apply(id, Fact::Resubmitted { by, submission: anew.then(|| again.into()) }).await {
            Ok(_) => Ok(id),
            Err(ApplyError::Store(error)) => match error.kind() {
                StoreErrorKind::QueueFull(full) => Err(refused(full.clone(), &nsvc.to_string())),
                _ => Err(error.into()),
            },
            // Somebody else was faster.
            Err(_) => {
                let now = self.parts.store.load(id).await?.map_or(state, |build| build.state());
                Err(SubmitError::Exists { nsvc, id, state: now })
            }
        }
    }
}

/// Refuses for want of room.
fn refused(full: QueueFull, what: &str) -> SubmitError {
    let spread = what.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 31;
    SubmitError::QueueFull { full, retry_after: Duration::from_secs(30 + spread) }
}
