//! Every instruction that can leave.

use serde::{Deserialize, Serialize};

use crate::component::ComponentKey;
use crate::id::{ComponentName, EffectId, TaskId};

/// An instruction to the outside, recorded with the state that asked for it.
///
/// Serialized, it is a row of the stored effects: a public format, held by golden files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub struct Effect {
    /// Which one; every port method is idempotent by what it names.
    pub id: EffectId,
    /// What to do.
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
    /// End what the build system was asked for beside the tasks of components, and nobody waits for any more.
    AbandonEnvironment,
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
            Self::AbandonEnvironment => "abandon_environment",
        }
    }

    /// Tells whether what it asks for goes on in the build system, beside the tasks of components.
    pub(crate) const fn is_of_environment(&self) -> bool {
        match self {
            Self::PrepareEnvironment | Self::Tag { .. } | Self::RegenerateRepository { .. } | Self::WriteMetadata => {
                true
            }
            Self::CheckSources | Self::BuildComponent { .. } | Self::CancelTask { .. } | Self::AbandonEnvironment => {
                false
            }
        }
    }
}

/// An instruction as it is stored. Servers of the version before may be at work on the same store, and cannot read an
/// action that they do not know: it has the form of one that they drop, because no build ever waits for it, and its own
/// name beside that.
#[derive(Serialize, Deserialize)]
struct Written {
    id: EffectId,
    #[serde(flatten)]
    action: Action,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    instead: Option<Later>,
}

/// The actions that the version before does not know.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Later {
    AbandonEnvironment,
}

/// A repository that no build asks for: they count from 1.
const NO_REPOSITORY: Action = Action::RegenerateRepository { generation: 0 };

impl From<Effect> for Written {
    fn from(Effect { id, action }: Effect) -> Self {
        match action {
            Action::AbandonEnvironment => Self { id, action: NO_REPOSITORY, instead: Some(Later::AbandonEnvironment) },
            action => Self { id, action, instead: None },
        }
    }
}

impl From<Written> for Effect {
    fn from(Written { id, action, instead }: Written) -> Self {
        match instead {
            Some(Later::AbandonEnvironment) => Self { id, action: Action::AbandonEnvironment },
            None => Self { id, action },
        }
    }
}
