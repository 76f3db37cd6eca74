//! A component of a module build: the source package, and how far its build has come.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{ComponentName, Nvr, TaskId};
use crate::plan::{Reuse, Taken};
use crate::scm::{CommitHash, Repository};

/// Identifies one try to build one component; the build system never starts two tasks for one key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ComponentKey {
    /// The module build.
    pub build: crate::id::BuildId,
    /// The component.
    pub component: ComponentName,
    /// Counts the tries: 1, and one more with each resubmission that builds it anew.
    pub attempt: u32,
}

/// Where a component's sources are, resolved to a commit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinnedSource {
    /// The git repository.
    pub repository: Repository,
    /// The commit that the component's ref resolved to.
    pub commit: CommitHash,
}

/// What changes of a component while its module is built. What does not change is in the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentBuild {
    /// The commit to build; absent until the sources are checked, and for generated components.
    pub source: Option<Arc<PinnedSource>>,
    /// Counts the tries, from 1.
    pub attempt: u32,
    /// How far it has come.
    pub state: ComponentState,
    /// What was decided of taking it over from an earlier build; absent when there was none to take it from, or when
    /// nothing was decided yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reuse: Option<Arc<Reuse>>,
}

/// What is told of a component that was taken over, as the Module Build Service does.
const TAKEN_OVER: &str = "Reused component from previous module build";

impl ComponentBuild {
    /// Makes a component that waits for its first try, or a later one.
    pub const fn waiting(attempt: u32) -> Self {
        Self { source: None, attempt, state: ComponentState::Waiting, reuse: None }
    }

    /// Returns what is taken over from an earlier build, if it is.
    pub fn taken(&self) -> Option<&Taken> {
        match self.reuse.as_deref() {
            Some(Reuse::Taken(taken)) => Some(taken),
            Some(Reuse::Rebuilt(_)) | None => None,
        }
    }

    /// Returns why it is in its state, where there is more to say: why it failed, or that it was taken over.
    pub fn reason(&self) -> Option<&str> {
        let taken_over = || self.taken().is_some() && self.state.built().is_some();
        self.state.reason().or_else(|| taken_over().then_some(TAKEN_OVER))
    }
}

/// How far the build of a component has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "state")]
pub enum ComponentState {
    /// Not started; it waits for other components or for a slot.
    Waiting,
    /// The build system is being asked to build it.
    Submitted,
    /// The build system has a task for it.
    Building {
        /// The task.
        task: TaskId,
        /// What the build system last said of the task.
        progress: TaskProgress,
    },
    /// Built, and being tagged.
    Built(Built),
    /// In the module's tag, not yet in a repository that others build against.
    Tagged(Built),
    /// In the repository that later components build against.
    Available(Built),
    /// Its task failed, or none could be started.
    Failed {
        /// The task, when there was one.
        task: Option<TaskId>,
        /// Why, in words for a packager.
        reason: Arc<str>,
    },
    /// Ended because the module build ended.
    Canceled {
        /// The task, when there was one.
        task: Option<TaskId>,
    },
    /// Not built, because nothing is built that needs it: everything else was taken over from an earlier build.
    Unneeded,
}

/// The result of a component's build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Built {
    /// The task that built it.
    pub task: TaskId,
    /// What was built.
    pub nvr: Arc<Nvr>,
}

/// A task that has not ended: queued, or running.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskProgress {
    /// Waits for a builder.
    Free,
    /// Given to a builder, which has not begun.
    Assigned,
    /// Runs.
    Open,
}

impl ComponentState {
    /// The names of all states.
    pub const NAMES: [&'static str; 9] =
        ["waiting", "submitted", "building", "built", "tagged", "available", "failed", "canceled", "unneeded"];

    /// Returns what Koji has for builds in the state of that name, as code and name: the Module Build Service tells
    /// components so. Absent for one that was not started.
    pub fn koji_state(name: &str) -> Option<(u8, &'static str)> {
        match name {
            "building" => Some((0, "BUILDING")),
            "built" | "tagged" | "available" => Some((1, "COMPLETE")),
            "failed" => Some((3, "FAILED")),
            "canceled" | "unneeded" => Some((4, "CANCELED")),
            _ => None,
        }
    }

    /// Returns the state's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Submitted => "submitted",
            Self::Building { .. } => "building",
            Self::Built(_) => "built",
            Self::Tagged(_) => "tagged",
            Self::Available(_) => "available",
            Self::Failed { .. } => "failed",
            Self::Canceled { .. } => "canceled",
            Self::Unneeded => "unneeded",
        }
    }

    /// Returns the task that builds or built the component.
    pub const fn task(&self) -> Option<TaskId> {
        match self {
            Self::Waiting | Self::Submitted | Self::Unneeded => None,
            Self::Building { task, .. } => Some(*task),
            Self::Built(built) | Self::Tagged(built) | Self::Available(built) => Some(built.task),
            Self::Failed { task, .. } | Self::Canceled { task } => *task,
        }
    }

    /// Returns the word that the build system's users know for the task's state: `free`, `assigned`, `open`,
    /// `closed`, `canceled` or `failed`.
    pub const fn task_word(&self) -> &'static str {
        match self {
            Self::Waiting | Self::Submitted => "free",
            Self::Building { progress: TaskProgress::Free, .. } => "free",
            Self::Building { progress: TaskProgress::Assigned, .. } => "assigned",
            Self::Building { progress: TaskProgress::Open, .. } => "open",
            Self::Built(_) | Self::Tagged(_) | Self::Available(_) => "closed",
            Self::Failed { .. } => "failed",
            Self::Canceled { .. } | Self::Unneeded => "canceled",
        }
    }

    /// Returns the result, when there is one.
    pub const fn built(&self) -> Option<&Built> {
        match self {
            Self::Built(built) | Self::Tagged(built) | Self::Available(built) => Some(built),
            Self::Waiting
            | Self::Submitted
            | Self::Building { .. }
            | Self::Failed { .. }
            | Self::Canceled { .. }
            | Self::Unneeded => None,
        }
    }

    /// Returns why it failed.
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Failed { reason, .. } => Some(reason),
            _ => None,
        }
    }
}
