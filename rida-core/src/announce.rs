//! What the world is told: one announcement for each change of state.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::id::{BuildId, ComponentName, Nsvc, Nvr, Owner, TaskId};
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
    /// Where its modulemd came from.
    pub scm_url: ScmUrl,
    /// What changed.
    pub change: Change,
}

/// Identifies an announcement: the build, its revision, and a number within that.
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
    },
}
