//! Every instruction that can leave.

use serde::{Deserialize, Serialize};

use crate::component::ComponentKey;
use crate::id::{ComponentName, EffectId, TaskId};

/// An instruction to the outside, recorded with the state that asked for it.
///
/// Serialized, it is a row of the stored effects: a public format, held by golden files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Which one; every port method is idempotent by what it names.
    pub id: EffectId,
    /// What to do.
    #[serde(flatten)]
    pub action: Action,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "action")]
#[non_exhaustive]
pub enum Action {
    /// Check that every component's repository, ref, spec file and sources are there, and resolve the refs.
    CheckSources,
    /// Prepare the build environment of the module.
    PrepareEnvironment,
    /// Build a component, unless a task for this key is there already.
    BuildComponent {
        /// The component and the try.
        key: ComponentKey,
    },
    /// Put built components into the module's tag.
    Tag {
        /// The components, each with its try.
        components: Vec<(ComponentName, u32)>,
    },
    /// Regenerate the repository from all that is in the tag.
    RegenerateRepository {
        /// The number of the request, from 1; a repository of this number or a later one answers it.
        generation: u32,
    },
    /// End a task that nobody waits for any more.
    CancelTask {
        /// The component and the try that the task is for.
        key: ComponentKey,
        /// The task, when it is known.
        task: Option<TaskId>,
    },
    /// Write the module's repository and its metadata.
    WriteMetadata,
}

impl Action {
    /// Returns the name of its kind, as in the stored rows.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CheckSources => "check_sources",
            Self::PrepareEnvironment => "prepare_environment",
            Self::BuildComponent { .. } => "build_component",
            Self::Tag { .. } => "tag",
            Self::RegenerateRepository { .. } => "regenerate_repository",
            Self::CancelTask { .. } => "cancel_task",
            Self::WriteMetadata => "write_metadata",
        }
    }
}
