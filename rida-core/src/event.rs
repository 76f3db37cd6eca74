//! Every fact that can arrive.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::build::Submission;
use crate::component::{PinnedSource, TaskProgress};
use crate::id::{ComponentName, Nvr, Owner, TaskId};
use crate::plan::ReuseDecision;
use crate::timestamp::Timestamp;

/// A fact from outside, and when it was learnt.
///
/// Serialized, it is a line of the stored log: a public format, held by golden files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it was learnt.
    pub at: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "fact")]
#[non_exhaustive]
pub enum Fact {
    /// Somebody submitted the module, and it was accepted.
    Submitted,
    /// The sources of all components were checked, and all are there.
    SourcesChecked {
        /// Each component with what its ref resolved to.
        sources: Vec<(ComponentName, PinnedSource)>,
    },
    /// The sources were checked, and some are missing or wrong.
    SourcesRefused {
        /// All that is wrong.
        problems: Vec<SourceProblem>,
    },
    /// The throttle gave the build a slot.
    SlotGranted,
    /// The build system prepared the environment.
    EnvironmentPrepared {
        /// What is taken over from an earlier build and why the rest is built, as it was decided then. Absent when
        /// there was no such build, or the strategy wants none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reuse: Option<Arc<ReuseDecision>>,
        /// What it is built without although it requires it, each in words for a packager.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        without: Vec<Arc<str>>,
        /// What somebody else changed of it, and was left as it is; each in words for a packager.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        changed: Vec<Arc<str>>,
    },
    /// The build system took a component to build.
    ComponentStarted {
        /// The component.
        component: ComponentName,
        /// The try that this is about.
        attempt: u32,
        /// The task.
        task: TaskId,
    },
    /// The build system said how far a component's task is.
    TaskProgressed {
        /// The component.
        component: ComponentName,
        /// The try that this is about.
        attempt: u32,
        /// The task.
        task: TaskId,
        /// How far it is.
        progress: TaskProgress,
    },
    /// A component was built.
    ComponentBuilt {
        /// The component.
        component: ComponentName,
        /// The try that this is about.
        attempt: u32,
        /// The task.
        task: TaskId,
        /// The result.
        nvr: Arc<Nvr>,
    },
    /// A component's task ended without a result, or the build system refused it.
    ComponentFailed {
        /// The component.
        component: ComponentName,
        /// The try that this is about.
        attempt: u32,
        /// The task, when there was one.
        task: Option<TaskId>,
        /// Why, in words for a packager.
        reason: Arc<str>,
    },
    /// Components were put into the module's tag.
    ComponentsTagged {
        /// The components, each with its try.
        components: Vec<(ComponentName, u32)>,
    },
    /// The repository was regenerated; it has all that was tagged when its regeneration was asked for.
    RepositoryRegenerated {
        /// The number of the request.
        generation: u32,
    },
    /// The module's repository and metadata were written.
    MetadataWritten,
    /// An instruction failed for good.
    EffectFailed {
        /// Which.
        number: u32,
        /// Why, in words for a packager.
        reason: Arc<str>,
    },
    /// Somebody cancelled the build.
    Canceled {
        /// Who.
        by: Owner,
    },
    /// Somebody released the finished module.
    MarkedReady {
        /// Who.
        by: Owner,
    },
    /// Somebody submitted the failed module again.
    Resubmitted {
        /// Who.
        by: Owner,
        /// What the service makes of the modulemd now. It replaces what was first submitted unless a slot was ever
        /// granted: what the build system was asked for must stay what it was. Absent in lines that were written before
        /// it was recorded, and where it could not matter.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        submission: Option<Arc<Submission>>,
    },
    /// Time passed; deadlines are due.
    TimePassed {
        /// Why the last try of what the build waits for failed, when one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        because: Option<Arc<str>>,
    },
}

/// What is wrong with a component's sources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceProblem {
    /// The component.
    pub component: ComponentName,
    /// What is wrong and what to do, in words for a packager.
    pub message: String,
}

impl Fact {
    /// Returns the fact's name, as the stored log has it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submitted => "submitted",
            Self::SourcesChecked { .. } => "sources_checked",
            Self::SourcesRefused { .. } => "sources_refused",
            Self::SlotGranted => "slot_granted",
            Self::EnvironmentPrepared { .. } => "environment_prepared",
            Self::ComponentStarted { .. } => "component_started",
            Self::TaskProgressed { .. } => "task_progressed",
            Self::ComponentBuilt { .. } => "component_built",
            Self::ComponentFailed { .. } => "component_failed",
            Self::ComponentsTagged { .. } => "components_tagged",
            Self::RepositoryRegenerated { .. } => "repository_regenerated",
            Self::MetadataWritten => "metadata_written",
            Self::EffectFailed { .. } => "effect_failed",
            Self::Canceled { .. } => "canceled",
            Self::MarkedReady { .. } => "marked_ready",
            Self::Resubmitted { .. } => "resubmitted",
            Self::TimePassed { .. } => "time_passed",
        }
    }
}
