//! The core of the Rida module build orchestrator: states, modulemd, decisions and ports. No I/O, no clock, no runtime.

pub mod context;
pub mod modulemd;
pub mod plan;
pub mod scm;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

mod announce;
mod base_streams;
mod build;
mod choose;
mod component;
mod deadline;
mod default_modules;
mod driver;
mod effect;
mod error;
mod event;
mod expand;
mod finished;
mod given;
mod hint;
mod id;
mod intake;
mod macros;
mod policy;
mod ports;
mod reader;
mod state;
mod step;
mod timestamp;
mod why;

pub use announce::{Announcement, AnnouncementId, Change, ComponentDetails, ModuleDetails};
pub use base_streams::{BaseStream, BaseStreams, Compatibility, DefaultModules, StreamUse, StreamVersion};
pub use build::{BuildRequire, Failure, FailureKind, ModuleBuild, Phase, Submission, Transition};
pub use component::{Built, ComponentBuild, ComponentKey, ComponentState, PinnedSource, TaskProgress};
pub use deadline::{deadline, look_at};
pub use driver::{
    ApplyError, Clock, Driver, Looked, PUBLISHER, Parts, Performed, Published, Request, StreamChoices, SubmitError,
    Turn, Unanswered,
};
pub use effect::{Action, Effect};
pub use error::{PortError, PortErrorKind, error_chain};
pub use event::{Event, Fact, SourceProblem};
pub use finished::complete_modulemd;
pub use given::{GivenModulemd, Overrides, SourcePackage};
pub use hint::BuildSystemHint;
pub use id::{
    Arch, BuildId, ComponentId, ComponentName, Context, DistTag, EffectId, GrammarError, ModuleName, Nsvc, Nvr, Owner,
    StreamName, TagName, TaskId,
};
pub use macros::{BuildMacros, Conflict, dist_tag, tag_name, target_name};
pub use policy::{Deadlines, Limits, Policy, RebuildPolicy, SourcePolicy};
pub use ports::{
    BaseModuleFilter, BuildFilter, BuildSummary, BuildSystem, Commit, ComponentCheck, ComponentFilter, ComponentQuery,
    ComponentSummary, DefaultsFile, DonorQuery, FetchedDefaults, FetchedModulemd, LeaseTimes, ListQuery, LogChunk,
    LogLine, LookTimes, OrderKey, PendingEffect, Publisher, Queue, QueueFull, QueueRoom, QueuedBuild, Receipt, Remarks,
    Scm, Store, StoreError, StoreErrorKind, TakenEffect, WorkerId,
};
#[cfg(feature = "mock")]
pub use ports::{MockBuildSystem, MockPublisher, MockScm};
pub use reader::{Parked, ParkedFilter, ReaderState};
pub use state::{BUILD_STATES, BuildState, BuildStates, UnknownState};
pub use step::{Advance, Illegal, Step, step, submit};
pub use timestamp::Timestamp;
pub use why::waits_for;
