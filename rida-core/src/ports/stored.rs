//! What is asked of a store, and what it answers.

use std::collections::BTreeMap;

use crate::announce::Announcement;
use crate::base_streams::StreamVersion;
use crate::effect::Effect;
use crate::event::Event;
use crate::id::{BuildId, ComponentId, ComponentName, ModuleName, Nsvc, Nvr, Owner, StreamName, TaskId};
use crate::plan::RebuildStrategy;
use crate::state::BuildState;
use crate::timestamp::Timestamp;

/// What lists and look-ups tell of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildSummary {
    /// The build.
    pub id: BuildId,
    /// Its state.
    pub state: BuildState,
    /// What it is called.
    pub nsvc: Nsvc,
    /// Who submitted it.
    pub owner: Owner,
    /// Where its modulemd came from; absent when it came with the request.
    pub scm_url: Option<String>,
    /// Why it is in that state.
    pub reason: Option<String>,
    /// It is only tried.
    pub scratch: bool,
    /// When it was submitted.
    pub submitted_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}

/// Which builds to list. Absent parts match every build.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BuildFilter {
    /// In one of these states; empty matches every state.
    pub states: Vec<BuildState>,
    /// With exactly this name.
    pub name: Option<String>,
    /// With exactly this stream.
    pub stream: Option<String>,
    /// With exactly this version.
    pub version: Option<u64>,
    /// With exactly this context.
    pub context: Option<String>,
    /// Submitted by exactly this user.
    pub owner: Option<String>,
    /// Only tried, or not only tried.
    pub scratch: Option<bool>,
    /// Submitted at this time or later.
    pub submitted_after: Option<Timestamp>,
    /// Submitted at this time or earlier.
    pub submitted_before: Option<Timestamp>,
    /// Changed at this time or later.
    pub modified_after: Option<Timestamp>,
    /// Changed at this time or earlier.
    pub modified_before: Option<Timestamp>,
    /// Ended at this time or later.
    pub completed_after: Option<Timestamp>,
    /// Ended at this time or earlier.
    pub completed_before: Option<Timestamp>,
    /// Whose [tag](crate::ModuleBuild::tag) is called exactly this.
    pub tag: Option<String>,
    /// Whose modulemd came from exactly this place, its commit included.
    pub scm_url: Option<String>,
    /// Built by this strategy.
    pub rebuild_strategy: Option<RebuildStrategy>,
    /// Which took components over from [this build](crate::ModuleBuild::donor).
    pub reused: Option<BuildId>,
    /// With exactly this [`build_context`](crate::Submission::build_context).
    pub build_context: Option<String>,
    /// In its state for exactly this reason.
    pub reason: Option<String>,
    /// Built against a base module that matches.
    pub base_module: Option<BaseModuleFilter>,
}

/// Which base modules builds are built against. Absent parts match every stream of every base module.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BaseModuleFilter {
    /// With exactly this name.
    pub name: Option<String>,
    /// In exactly this stream.
    pub stream: Option<String>,
    /// In a stream with this number or a higher one. A stream without a number is in no such range.
    pub least: Option<StreamVersion>,
    /// In a stream with this number or a lower one.
    pub most: Option<StreamVersion>,
    /// The numbers of streams whose [names do not tell them](StreamVersion::of).
    pub numbers: BTreeMap<(ModuleName, StreamName), StreamVersion>,
}

impl BaseModuleFilter {
    /// Tells whether a number is asked for.
    pub fn has_range(&self) -> bool {
        self.least.is_some() || self.most.is_some()
    }

    /// Tells whether a number is in the range that is asked for.
    pub fn contains(&self, number: StreamVersion) -> bool {
        self.least.is_none_or(|least| number >= least) && self.most.is_none_or(|most| number <= most)
    }

    /// Tells whether a stream of a base module matches.
    pub fn matches(&self, name: &ModuleName, stream: &StreamName) -> bool {
        let same = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
        let number = || {
            let given = self.numbers.get(&(name.clone(), stream.clone())).copied();
            given.or_else(|| StreamVersion::of(stream)).is_some_and(|number| self.contains(number))
        };
        same(&self.name, name.as_str()) && same(&self.stream, stream.as_str()) && (!self.has_range() || number())
    }
}

/// What builds are ordered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OrderKey {
    /// The build id.
    #[default]
    Id,
    /// The name.
    Name,
    /// The stream, as text.
    Stream,
    /// The version, as a number.
    Version,
    /// The context.
    Context,
    /// The state's code.
    State,
    /// Who submitted it.
    Owner,
    /// When it was submitted.
    Submitted,
    /// When it last changed.
    Modified,
    /// When it ended; those that have not come first.
    Completed,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ListQuery {
    /// Which builds.
    pub filter: BuildFilter,
    /// In which order: by the first of these, between equals by the next, and by the id at last.
    pub order: Vec<OrderKey>,
    /// From the highest to the lowest.
    pub descending: bool,
    /// Only builds after this one in the order of ids; for walking the whole list by [`OrderKey::Id`] in pieces.
    pub after: Option<BuildId>,
    /// How many to skip.
    pub offset: u64,
    /// How many at most.
    pub limit: u64,
}

/// What lists tell of a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentSummary {
    /// The component.
    pub id: ComponentId,
    /// Its name.
    pub name: ComponentName,
    /// The batch that it is built in, from 1.
    pub batch: u32,
    /// The name of its [`ComponentState`](crate::ComponentState).
    pub state: &'static str,
    /// Its task in the build system.
    pub task: Option<TaskId>,
    /// What was built.
    pub nvr: Option<Nvr>,
    /// Why it is in that state.
    pub reason: Option<String>,
}

/// Which components to list. Absent parts match every component.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ComponentFilter {
    /// Of this build.
    pub build: Option<BuildId>,
    /// With exactly this name.
    pub name: Option<String>,
    /// In one of these [states](crate::ComponentState::NAMES); none matches an empty list.
    pub states: Option<Vec<&'static str>>,
    /// With this task.
    pub task: Option<TaskId>,
    /// Built as exactly this.
    pub nvr: Option<String>,
    /// Of this batch.
    pub batch: Option<u32>,
    /// Built from exactly this commit.
    pub commit: Option<String>,
}

/// One page of a list of components, which are in the order of their ids.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ComponentQuery {
    /// Which components.
    pub filter: ComponentFilter,
    /// From the highest to the lowest.
    pub descending: bool,
    /// How many to skip.
    pub offset: u64,
    /// How many at most.
    pub limit: u64,
}

/// The builds that wait for a slot, and those that hold one.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Queue {
    /// Grows with each slot that is granted.
    pub revision: u64,
    /// The builds in `wait`, by id.
    pub waiting: Vec<QueuedBuild>,
    /// The builds in `build`, by id.
    pub running: Vec<QueuedBuild>,
}

/// A build as the throttle sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedBuild {
    /// The build.
    pub id: BuildId,
    /// Its module.
    pub name: ModuleName,
    /// Who submitted it.
    pub owner: Owner,
    /// When it entered its state.
    pub since: Timestamp,
    /// How many batches it has.
    pub batches: u32,
}

/// Names a process that performs instructions.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId(pub String);

/// An instruction that a worker holds the lease of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenEffect {
    /// The instruction.
    pub effect: Effect,
    /// How often it was taken before, whatever came of it.
    pub attempts: u32,
    /// How often it was tried and failed.
    pub failures: u32,
}

/// An instruction that is not answered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingEffect {
    /// The instruction.
    pub effect: Effect,
    /// When it may be taken.
    pub due: Timestamp,
    /// How often it was taken.
    pub attempts: u32,
    /// Why it was given back last; absent when it never was.
    pub error: Option<String>,
}

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its place in the log, from 1.
    pub sequence: u64,
    /// The build.
    pub build: BuildId,
    /// The build's revision afterwards.
    pub revision: u64,
    /// What happened.
    pub event: Event,
    /// What the world is told of it.
    pub announcements: Vec<Announcement>,
}
