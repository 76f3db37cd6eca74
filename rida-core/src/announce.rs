//! What the world is told: one announcement for each change of state.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::build::{BuildRequire, ModuleBuild};
use crate::component::ComponentState;
use crate::id::{BuildId, ComponentName, GrammarError, Nsvc, Nvr, Owner, TagName, TaskId};
use crate::plan::RebuildStrategy;
use crate::scm::ScmUrl;
use crate::state::BuildState;
use crate::timestamp::Timestamp;

/// A change of state, with what listeners need to know of the build.
///
/// Serialized, it is part of the stored log: a public format, held by golden files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Announcement {
    /// Stays the same when the announcement is repeated.
    pub id: AnnouncementId,
    /// When the state changed.
    pub at: Timestamp,
    /// What the module is called.
    pub nsvc: Nsvc,
    /// Who submitted it.
    pub owner: Owner,
    /// Where its modulemd came from; absent when it came with the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scm_url: Option<ScmUrl>,
    /// What changed.
    pub change: Change,
}

/// Identifies an announcement: the build, its revision, and a number within that. It prints as `42.7.0`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct AnnouncementId {
    /// The build.
    pub build: BuildId,
    /// The build's revision after the change.
    pub revision: u64,
    /// Counts the announcements of that revision, from 0.
    pub index: u32,
}

impl fmt::Display for AnnouncementId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.build, self.revision, self.index)
    }
}

impl FromStr for AnnouncementId {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts: Vec<&str> = text.splitn(4, '.').collect();
        let id = match parts.as_slice() {
            [build, revision, index] => build
                .parse()
                .ok()
                .and_then(|build| Some(Self { build, revision: revision.parse().ok()?, index: index.parse().ok()? })),
            _ => None,
        };
        // What prints in another way, such as +7, names nothing.
        id.filter(|id| id.to_string() == text)
            .ok_or_else(|| GrammarError::new("announcement id", text, "build.revision.index, such as 42.7.0"))
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "of")]
pub enum Change {
    /// The module build entered a state.
    Module {
        /// The state before; absent for a new build.
        from: Option<BuildState>,
        /// The state now.
        to: BuildState,
        /// Why.
        reason: Option<Arc<str>>,
        /// What else is told of the build; absent in lines that were written before it was recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<Arc<ModuleDetails>>,
    },
    /// A component entered a state.
    Component {
        /// The component.
        component: ComponentName,
        /// The name of its state now, as [`ComponentState::name`](crate::ComponentState::name) gives it.
        state: Arc<str>,
        /// The task.
        task: Option<TaskId>,
        /// The result, once there is one.
        nvr: Option<Arc<Nvr>>,
        /// Why it failed.
        reason: Option<Arc<str>>,
        /// What else is told of the component; absent in lines that were written before it was recorded.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        details: Option<ComponentDetails>,
    },
}

/// What is told of a module build beside its change: the build as it was then, so that a repeat tells the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleDetails {
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it ended; absent while it has not.
    pub completed_at: Option<Timestamp>,
    /// The name of its tag.
    pub tag: TagName,
    /// How many components it has, the macros included.
    pub components: u32,
    /// The highest batch of which a component was started; 0 before the first.
    pub batch: u32,
    /// The modules that it is built against.
    pub build_requires: Vec<BuildRequire>,
    /// It is only tried.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub scratch: bool,
    /// The other builds that were submitted with it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub siblings: Vec<BuildId>,
    /// How much of it is built again of what an earlier build has; absent in lines that were written before there was a
    /// choice.
    #[serde(default)]
    pub rebuild_strategy: RebuildStrategy,
}

impl ModuleDetails {
    /// Tells of a build as it is.
    pub fn of(build: &ModuleBuild) -> Self {
        let started = |state: &ComponentState| match state {
            ComponentState::Waiting | ComponentState::Unneeded => false,
            ComponentState::Canceled { task } | ComponentState::Failed { task, .. } => task.is_some(),
            ComponentState::Submitted
            | ComponentState::Building { .. }
            | ComponentState::Built(_)
            | ComponentState::Tagged(_)
            | ComponentState::Available(_) => true,
        };
        let batches = build.components().filter(|(_, component)| started(&component.state));
        Self {
            submitted_at: build.submission.at,
            completed_at: build.completed_at(),
            tag: build.tag(),
            components: u32::try_from(build.components.len()).unwrap_or(u32::MAX),
            batch: batches.map(|(planned, _)| planned.batch).max().unwrap_or(0),
            build_requires: build.submission.build_requires.clone(),
            scratch: build.is_scratch(),
            siblings: build.submission.siblings.clone(),
            rebuild_strategy: build.submission.rebuild_strategy,
        }
    }
}

/// What is told of a component beside its change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentDetails {
    /// Its place in the plan, from 0.
    pub index: u32,
    /// Its batch, from 1.
    pub batch: u32,
}
