//! The aggregate: everything that is known of one module build.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::component::{ComponentBuild, ComponentKey};
use crate::id::{BuildId, ComponentName, DistTag, ModuleName, Nsvc, Owner, StreamName, TagName};
use crate::plan::{Plan, PlannedComponent, RebuildStrategy};
use crate::scm::ScmUrl;
use crate::state::BuildState;
use crate::timestamp::Timestamp;

/// What was submitted. It changes only when the module is submitted again before anything was built.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submission {
    /// What the module is called in the world.
    pub nsvc: Nsvc,
    /// Where the modulemd came from, with its commit; absent when it came with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scm_url: Option<ScmUrl>,
    /// Who submitted it.
    pub owner: Owner,
    /// The modulemd as it was read from git, or came with the request.
    pub modulemd: Arc<str>,
    /// What is built, in which order.
    pub plan: Plan,
    /// The module builds that this one is built against, from the modulemd's build requires.
    pub build_requires: Vec<BuildRequire>,
    /// Those of them that the modulemd does not ask for: the distribution has them by default. They are no part of the
    /// context.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub by_default: BTreeSet<ModuleName>,
    /// It is only tried: it is never released, imported or built against, and its name is one that no other build has.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scratch: bool,
    /// The distribution's side tag that it is built against, where the build system has such.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side_tag: Option<TagName>,
    /// The other builds that were submitted with it, of the same document against other streams.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<BuildId>,
    /// How much is built again of what an earlier build of the module has. Absent in submissions that were written
    /// before there was a choice: everything was built.
    #[serde(default)]
    pub rebuild_strategy: RebuildStrategy,
    /// The build to take components over from, when somebody named one; absent for the last one that fits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse_from: Option<BuildId>,
    /// When it was submitted.
    pub at: Timestamp,
}

impl Submission {
    /// Returns the hash of the modules that it is built against, each with its stream, and of its side tag. Only builds
    /// with the same hash may take components over from each other.
    pub fn build_context(&self) -> String {
        self.build_context_on(None)
    }

    /// Returns the same hash as if a module were required in another stream.
    pub(crate) fn build_context_on(&self, other: Option<(&ModuleName, &StreamName)>) -> String {
        let streams = self.build_requires.iter().map(|require| {
            let stream = other.filter(|(name, _)| require.name == **name).map_or(&require.stream, |(_, stream)| stream);
            (require.name.to_string(), stream.to_string())
        });
        // No module has such a name.
        let side_tag = self.side_tag.iter().map(|tag| ("side tag".to_owned(), tag.to_string()));
        crate::context::build_context(&streams.chain(side_tag).collect())
    }
}

/// A module that another is built against.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuildRequire {
    /// The build, when it is one of this service's; base modules are the distribution itself.
    pub build: Option<BuildId>,
    /// Its name.
    pub name: ModuleName,
    /// Its stream.
    pub stream: StreamName,
}

/// One module build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleBuild {
    /// The build's number in this service.
    pub id: BuildId,
    /// Counts the changes; a commit states the one that it was made from.
    pub revision: u64,
    /// What was submitted.
    pub submission: Arc<Submission>,
    /// The suffix of the module's packages' releases.
    pub dist_tag: DistTag,
    /// Where the build is.
    pub phase: Phase,
    /// When it got there, as the clock showed it then; later when the clock was set back since.
    pub phase_since: Timestamp,
    /// The components, by the plan's indices.
    pub components: Vec<ComponentBuild>,
    /// Counts the instructions issued.
    pub effects_issued: u32,
    /// The count of instructions when it was last submitted; answers to that one and earlier ones are of the past.
    pub run_started: u32,
    /// Counts the repositories asked for.
    pub repository_generation: u32,
    /// The states it has been in, oldest first.
    pub history: Vec<Transition>,
    /// When it last changed.
    pub modified_at: Timestamp,
}

/// Where a build is, with what is only known there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "phase")]
pub enum Phase {
    /// The sources are being checked.
    Init,
    /// Waits for a slot.
    Wait,
    /// The build environment is being prepared.
    Preparing,
    /// Components are being built.
    Building {
        /// The indices of the components that the repository under way will have; absent when none is under way.
        regenerating: Option<Vec<usize>>,
    },
    /// The module's repository and metadata are being written.
    Finishing,
    /// Everything is built and written.
    Done,
    /// It ended without a module.
    Failed(Failure),
    /// Released.
    Ready,
}

/// Why a build ended without a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What kind of reason.
    pub kind: FailureKind,
    /// The state that it failed in.
    pub from: BuildState,
    /// All that was wrong with the sources; empty for the other kinds.
    pub problems: Vec<crate::event::SourceProblem>,
}

/// What kind of reason a build failed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum FailureKind {
    /// A component's sources are missing or wrong.
    Sources,
    /// Components failed to build.
    Components,
    /// The build system or another service failed.
    Infrastructure,
    /// A limit of time passed.
    Deadline,
    /// Somebody cancelled it.
    Canceled,
}

/// The build entered a state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// The state entered.
    pub state: BuildState,
    /// When.
    pub at: Timestamp,
    /// Why, where there is more to say than the state itself does.
    pub reason: Option<Arc<str>>,
}

impl Phase {
    /// Returns the state that the outside sees.
    pub const fn state(&self) -> BuildState {
        match self {
            Self::Init => BuildState::Init,
            Self::Wait => BuildState::Wait,
            Self::Preparing | Self::Building { .. } | Self::Finishing => BuildState::Build,
            Self::Done => BuildState::Done,
            Self::Failed(_) => BuildState::Failed,
            Self::Ready => BuildState::Ready,
        }
    }
}

impl ModuleBuild {
    /// Returns the state that the outside sees.
    pub const fn state(&self) -> BuildState {
        self.phase.state()
    }

    /// Returns the module's name, stream, version and context.
    pub fn nsvc(&self) -> &Nsvc {
        &self.submission.nsvc
    }

    /// Returns the name of the module's tag: `module-<name>-<stream>-<version>-<context>`, hashed when too long. That
    /// of a scratch build begins with `scrmod-` and ends with `+` and the build's id.
    pub fn tag(&self) -> TagName {
        if self.is_scratch() {
            crate::macros::scratch_tag_name(self.nsvc(), self.id)
        } else {
            crate::macros::tag_name(self.nsvc())
        }
    }

    /// Returns the name of the module's build target: that of its tag, hashed from 51 bytes on.
    pub fn target(&self) -> TagName {
        if self.is_scratch() {
            crate::macros::scratch_target_name(self.nsvc(), self.id)
        } else {
            crate::macros::target_name(self.nsvc())
        }
    }

    /// Tells whether the module is only tried.
    pub fn is_scratch(&self) -> bool {
        self.submission.scratch
    }

    /// Returns the plan.
    pub fn plan(&self) -> &Plan {
        &self.submission.plan
    }

    /// Iterates over the components with their plan, in the plan's order.
    pub fn components(&self) -> impl Iterator<Item = (&PlannedComponent, &ComponentBuild)> {
        self.plan().iter().zip(&self.components)
    }

    /// Returns the component of that name.
    pub fn component(&self, name: &ComponentName) -> Option<(&PlannedComponent, &ComponentBuild)> {
        let index = self.plan().index_of(name)?;
        Some((self.plan().get(index)?, self.components.get(index)?))
    }

    /// Returns the earlier build that components were taken over from, if any were.
    pub fn donor(&self) -> Option<BuildId> {
        self.components.iter().find_map(|component| component.taken().map(|taken| taken.build))
    }

    /// Returns the key of the current try of the component at `index`.
    pub fn key(&self, index: usize) -> Option<ComponentKey> {
        let component = self.plan().get(index)?.name.clone();
        let attempt = self.components.get(index)?.attempt;
        Some(ComponentKey { build: self.id, component, attempt })
    }

    /// Tells whether another submission of the module may take the place of the one before: while it never had a slot,
    /// so that nothing was asked of the build system.
    pub fn may_be_submitted_anew(&self) -> bool {
        !self.history.iter().any(|transition| transition.state == BuildState::Build)
    }

    /// Returns when the build entered the state that it is in.
    pub fn since(&self) -> Timestamp {
        self.history.last().map_or(self.submission.at, |transition| transition.at)
    }

    /// Returns the reason given for the state that it is in.
    pub fn reason(&self) -> Option<&str> {
        self.history.last().and_then(|transition| transition.reason.as_deref())
    }

    /// Returns when the build ended, if it has.
    pub fn completed_at(&self) -> Option<Timestamp> {
        let ended = |transition: &&Transition| matches!(transition.state, BuildState::Done | BuildState::Failed);
        if self.state().is_active() { None } else { self.history.iter().rev().find(ended).map(|t| t.at) }
    }
}
