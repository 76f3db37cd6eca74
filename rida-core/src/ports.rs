//! The ports: what the core needs of the world, as traits.
//!
//! Every method says what holds once it has returned. Adapters implement them; [`crate::testing`] has each in memory,
//! with the contract suite that every implementation passes. The feature `mock` makes a mockall double of each port to
//! the outside, for tests whose subject is the interaction itself; prefer the ports in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::announce::{Announcement, AnnouncementId};
use crate::build::ModuleBuild;
use crate::component::{ComponentKey, PinnedSource};
use crate::effect::Effect;
use crate::error::PortError;
use crate::event::{Event, Fact};
use crate::hint::BuildSystemHint;
use crate::id::{Arch, BuildId, ComponentName, EffectId, ModuleName, Nsvc, Owner, StreamName, TaskId};
use crate::plan::{ComponentSource, RebuildStrategy};
use crate::policy::Limits;
use crate::reader::{Parked, ParkedFilter, ReaderState};
use crate::scm::{CommitHash, ScmUrl};
use crate::state::BuildState;
use crate::timestamp::Timestamp;

/// Source code management: where modulemd documents and components come from.
///
/// All methods only read; calling one twice is harmless. Implementations bound bytes, time and processes.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Scm: Send + Sync {
    /// Reads the modulemd that a URL names, at the commit that the URL's ref resolves to.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when repository, ref or file are not there or not acceptable,
    /// in words for a packager.
    async fn fetch_modulemd(&self, url: &ScmUrl) -> Result<FetchedModulemd, PortError>;

    /// Checks components, in parallel and bounded, and returns one answer for each, in the same order: the repository
    /// is reachable, the ref resolves to a commit, a spec of that name is there, and what the `sources` file names is
    /// available.
    ///
    /// # Errors
    /// When nothing can be said of any component; a fault with one component is in that component's answer.
    async fn check_components(
        &self,
        components: &[(ComponentName, ComponentSource)],
    ) -> Result<Vec<ComponentCheck>, PortError>;
}

/// A modulemd as read from git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedModulemd {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// The commit that the ref resolved to.
    pub commit: CommitHash,
    /// The commit's time, which makes the module's version.
    pub committed_at: Timestamp,
}

/// What was found out about one component's sources.
#[derive(Debug)]
pub enum ComponentCheck {
    /// All is there.
    Good(PinnedSource),
    /// All that is missing or wrong, in words for a packager.
    Bad(Vec<String>),
    /// Nothing could be said; worth asking again.
    Unknown(PortError),
}

/// The system that builds packages.
///
/// Each method gets the build as it was last committed. All but [`follow`](Self::follow) and
/// [`read_log`](Self::read_log) act; each looks for what an earlier call left behind before it does, so that a repeat
/// changes nothing. What takes long is not waited for: a method that has asked for something says
/// [`Pending`](crate::PortErrorKind::Pending), and is called again.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait BuildSystem: Send + Sync {
    /// Prepares the build environment. Afterwards components of the build can be built. Idempotent by the build. The
    /// build shows what will be [taken over](crate::ComponentBuild::taken) if all that is wanted of it is still there.
    async fn prepare(&self, build: &ModuleBuild) -> Result<(), PortError>;

    /// Starts the build of a component and returns its task. Idempotent by the key: when a task was ever started for
    /// it, that one is returned, ended or not. A task that an earlier attempt left running, or with a result, is taken
    /// over and returned, so that nothing is built twice; one that failed or was cancelled is not.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when the key was cancelled before.
    async fn build(&self, build: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError>;

    /// Puts components that were built, or [taken over](crate::ComponentBuild::taken), into the module's tag. Afterwards
    /// a repository that is regenerated has them. Idempotent by the keys.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when one was not built, or what is to be taken over is not there
    /// any more.
    async fn tag(&self, build: &ModuleBuild, components: &[ComponentKey]) -> Result<(), PortError>;

    /// Returns which of a finished build's components can be taken over into another build: what it has of them is still
    /// there, and [`tag`](Self::tag) can put it into another module's tag. Changes nothing. A build system that says
    /// nothing else takes nothing over.
    async fn reusable(
        &self,
        _donor: &ModuleBuild,
        _components: &[ComponentName],
    ) -> Result<Vec<ComponentName>, PortError> {
        Ok(Vec::new())
    }

    /// Asks for a repository with everything that is in the tag. Afterwards one is there or under way, and
    /// [`follow`](Self::follow) tells when it is there. Idempotent by the build and the generation.
    async fn regenerate(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError>;

    /// Tells what became of everything that the build waits for: tasks of components that are
    /// [`Building`](crate::ComponentState::Building), and the repository that is being regenerated. Starts nothing that
    /// was not asked for: a repository that was, and failed, is asked for again here, as often as it takes, since only
    /// here is that seen. Otherwise it changes nothing.
    ///
    /// A task that the build system does not know (any more) is a
    /// [`ComponentFailed`](Fact::ComponentFailed) with that reason.
    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError>;

    /// Ends the task of a key. Afterwards no task for that key runs, and none ever starts. Idempotent by the key.
    /// A task that a later attempt has taken over is left alone, and one that has ended keeps its result.
    async fn cancel(&self, build: &ModuleBuild, key: &ComponentKey, task: Option<TaskId>) -> Result<(), PortError>;

    /// Writes the module's repository and metadata from all components that were built. Afterwards the module can be
    /// installed from it. Idempotent by the build.
    async fn write_metadata(&self, build: &ModuleBuild) -> Result<(), PortError>;

    /// Reads at most `max` bytes of a component's build log from `offset` on.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when there is no log for that key.
    async fn read_log(&self, key: &ComponentKey, offset: u64, max: usize) -> Result<LogChunk, PortError>;

    /// Returns the document of a finished module for each architecture that it was built for, with what belongs to the
    /// module there. Changes nothing.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when there is none.
    async fn final_modulemd(&self, build: &ModuleBuild) -> Result<BTreeMap<Arch, String>, PortError> {
        Err(PortError::permanent(format!("the build system keeps no document of the module build {}", build.id)))
    }

    /// Tells whether a message of the build system may be about a build. One whose tags or packages are named in a way
    /// of its own says so here.
    fn concerns(&self, hint: &BuildSystemHint, build: &ModuleBuild) -> bool {
        hint.concerns(build)
    }
}

/// A piece of a build log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// The bytes; none when nothing is there at the offset (yet).
    pub bytes: Vec<u8>,
    /// The log will not grow beyond what was returned with or before this piece.
    pub complete: bool,
}

/// Tells the world.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes an announcement, and tells what is known of it afterwards. May be called again with the same one,
    /// which then has the same id, time and body. Answers within seconds: who waits longer for the other side says
    /// [`Unavailable`](crate::PortErrorKind::Unavailable), and is called again.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when this announcement cannot be published until somebody mends
    /// the reason; it is parked then.
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError>;
}

/// What is known of an announcement that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Receipt {
    /// The other side has it, on its disk where it has one, and said so.
    Confirmed,
    /// It was handed over to something that cannot confirm; who listens has most likely got it.
    HandedOver,
}

/// Keeps builds, instructions and the log.
#[async_trait]
pub trait Store: Send + Sync {
    /// Returns a build id that was never returned before. Gaps are harmless.
    async fn reserve_id(&self) -> Result<BuildId, StoreError>;

    /// Writes a change: state, instructions and log line all, or none of them.
    ///
    /// Returns the sequence number of the log line.
    ///
    /// # Errors
    /// [`Conflict`](StoreErrorKind::Conflict) when the stored revision is not the one that the change was made from,
    /// or the queue's is not; [`Exists`](StoreErrorKind::Exists) when a new build's NSVC is taken;
    /// [`QueueFull`](StoreErrorKind::QueueFull) when the change needs room in the queue and there is none, whoever
    /// else writes at the same time.
    async fn commit(&self, commit: Commit<'_>) -> Result<u64, StoreError>;

    /// Writes changes of different builds, each as [`commit`](Self::commit) does, all or none of them.
    ///
    /// # Errors
    /// As for one change: what stands in the way of any of them.
    async fn commit_all(&self, commits: &[Commit<'_>]) -> Result<(), StoreError>;

    /// Returns a build as it was last committed.
    async fn load(&self, id: BuildId) -> Result<Option<ModuleBuild>, StoreError>;

    /// Returns the build with this NSVC.
    async fn find(&self, nsvc: &Nsvc) -> Result<Option<BuildSummary>, StoreError>;

    /// Returns the ready build of a stream with the highest version, which is never a scratch build.
    async fn latest_ready(&self, name: &ModuleName, stream: &StreamName) -> Result<Option<BuildSummary>, StoreError>;

    /// Returns the build that components may be taken over from: of those that match, the one that ended last.
    async fn donor(&self, wanted: &DonorQuery) -> Result<Option<BuildId>, StoreError>;

    /// Returns the ready build of a stream with the highest version of those that are built against a base module in
    /// this stream, or not against it at all; never a scratch build.
    async fn latest_ready_on(
        &self,
        name: &ModuleName,
        stream: &StreamName,
        base: &ModuleName,
        base_stream: &StreamName,
    ) -> Result<Option<BuildSummary>, StoreError>;

    /// Returns the streams of a module that have a ready build which is no scratch build, in their order, at most
    /// `limit`.
    async fn ready_streams(&self, name: &ModuleName, limit: usize) -> Result<Vec<StreamName>, StoreError>;

    /// Returns one page of builds.
    async fn list(&self, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError>;

    /// Returns how many builds a filter matches.
    async fn count(&self, filter: &BuildFilter) -> Result<u64, StoreError>;

    /// Returns the builds that wait for a slot and those that hold one, and the revision of that picture.
    async fn queue(&self) -> Result<Queue, StoreError>;

    /// Returns the builds that hold a slot, and of those that wait the first few that
    /// [`verdicts`](crate::plan::verdicts) would serve, at most `limit`, leaving out those whose module or owner has
    /// all its slots already. What it costs must not grow with the number of builds that wait.
    async fn queue_head(&self, limits: &Limits, now: Timestamp, limit: usize) -> Result<Queue, StoreError>;

    /// Leases due instructions to a worker, oldest first. Afterwards no other worker gets them before the lease ends.
    async fn take_effects(
        &self,
        worker: &WorkerId,
        times: LeaseTimes,
        limit: usize,
    ) -> Result<Vec<TakenEffect>, StoreError>;

    /// Returns the instructions of a build that are not answered yet, by number.
    async fn pending(&self, id: BuildId) -> Result<Vec<PendingEffect>, StoreError>;

    /// Moves the end of the leases that a worker holds of these instructions. What it does not name ends in its time:
    /// a worker may hold leases that it never learnt of, because the answer was lost.
    async fn renew_leases(&self, worker: &WorkerId, ids: &[EffectId], until: Timestamp) -> Result<(), StoreError>;

    /// Gives a leased instruction back, to be taken again from `due` on, with how often it has failed by now. Does
    /// nothing when the worker lost the lease.
    async fn retry_effect(
        &self,
        worker: &WorkerId,
        id: EffectId,
        due: Timestamp,
        failures: u32,
        error: &str,
    ) -> Result<(), StoreError>;

    /// Removes an instruction that nothing has to be recorded for.
    async fn drop_effect(&self, id: EffectId) -> Result<(), StoreError>;

    /// Returns builds whose time to look again has come, and moves that time as `times` says, so that nobody else gets
    /// them before.
    async fn take_due_builds(&self, times: LookTimes, limit: usize) -> Result<Vec<BuildId>, StoreError>;

    /// Returns lines of the log after a sequence number, in order. No line with a smaller number than one returned
    /// appears later.
    async fn log_after(&self, sequence: u64, limit: usize) -> Result<Vec<LogLine>, StoreError>;

    /// Returns the log of one build, in order.
    async fn log_of(&self, id: BuildId) -> Result<Vec<LogLine>, StoreError>;

    /// Returns the number of the last line of the log; 0 before the first.
    async fn log_end(&self) -> Result<u64, StoreError>;

    /// Returns where a reader of the log is; a new one is before the first line.
    async fn reader(&self, reader: &str) -> Result<ReaderState, StoreError>;

    /// Leases a reader to a worker, or moves the end of the lease that it holds, and returns where the reader is.
    /// Afterwards nobody else gets it before the lease ends. Absent when another worker holds it now.
    async fn take_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        times: LeaseTimes,
    ) -> Result<Option<ReaderState>, StoreError>;

    /// Moves a reader on from one line to a later one, and parks announcements of the lines between, all or nothing.
    /// Returns false, and changes nothing, when the worker lost the lease or the reader is not at `from` any more. What
    /// is parked already stays as it is.
    async fn advance_reader(
        &self,
        reader: &str,
        worker: &WorkerId,
        from: u64,
        to: u64,
        parked: &[Parked],
    ) -> Result<bool, StoreError>;

    /// Ends the lease that a worker holds of a reader. Does nothing when it holds none.
    async fn release_reader(&self, reader: &str, worker: &WorkerId) -> Result<(), StoreError>;

    /// Moves a reader back to a line, whoever holds its lease, so that it reads all later ones again. Does nothing when
    /// it is not beyond that line.
    async fn rewind_reader(&self, reader: &str, sequence: u64) -> Result<(), StoreError>;

    /// Returns a reader's parked announcements in the order of the log, at most `limit`.
    async fn parked(&self, reader: &str, filter: ParkedFilter, limit: usize) -> Result<Vec<Parked>, StoreError>;

    /// Marks a reader's parked announcements to be tried again, all or those of one build, and returns how many are.
    async fn retry_parked(&self, reader: &str, build: Option<BuildId>) -> Result<u64, StoreError>;

    /// Records that a parked announcement was published, or given up: it is not parked any more.
    async fn unpark(&self, reader: &str, announcement: AnnouncementId) -> Result<(), StoreError>;

    /// Records that a parked announcement was refused again: it has a new reason, and nothing of its build is tried
    /// again until [`retry_parked`](Self::retry_parked) says so.
    async fn keep_parked(&self, reader: &str, announcement: AnnouncementId, reason: &str) -> Result<(), StoreError>;

    /// Tells whether the store can answer, and be written as far as it knows.
    async fn ping(&self) -> Result<(), StoreError>;
}

/// A change of a build, to be written as a whole.
#[derive(Clone, Copy, Debug)]
pub struct Commit<'a> {
    /// The build that the change was made from; absent for a new build.
    pub before: Option<&'a ModuleBuild>,
    /// The build afterwards; its revision is one more.
    pub after: &'a ModuleBuild,
    /// The fact that made the change.
    pub event: &'a Event,
    /// New instructions, due at once.
    pub effects: &'a [Effect],
    /// What the world is told of it.
    pub announcements: &'a [Announcement],
    /// The instruction that this fact answers; it is removed.
    pub answers: Option<EffectId>,
    /// When to look at the build again; absent when nothing more will happen by itself.
    pub look_at: Option<Timestamp>,
    /// The revision of the queue that a slot was granted by; it grows with the commit.
    pub queue_revision: Option<u64>,
    /// The build enters the queue, which must have room for it.
    pub room: Option<QueueRoom>,
}

/// Which builds components may be taken over from: ready ones of a module stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DonorQuery {
    /// Of this module.
    pub name: ModuleName,
    /// Of this stream.
    pub stream: StreamName,
    /// With this [`build_context`](crate::Submission::build_context).
    pub build_context: String,
    /// Built by one of these strategies.
    pub strategies: Vec<RebuildStrategy>,
}

/// How many builds may be in `init` and `wait` together; one more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRoom {
    /// In all.
    pub in_all: usize,
    /// Of the module.
    pub of_module: usize,
    /// Of the owner.
    pub of_owner: usize,
}

/// Why there is no room in the queue.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QueueFull {
    /// As many builds wait as may.
    #[error("the queue is full, with {0} waiting")]
    InAll(usize),
    /// As many builds of the module wait as may.
    #[error("the queue takes no more builds of this module, of which {0} wait")]
    OfModule(usize),
    /// As many builds of the user wait as may.
    #[error("the queue takes no more builds of this user, of whose {0} wait")]
    OfOwner(usize),
}

/// The times by which instructions are leased.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// What is due by now is taken.
    pub now: Timestamp,
    /// When the lease ends.
    pub until: Timestamp,
    /// Nobody gives a due time or the end of a lease that is later than this: who did had a clock that was set back
    /// since. Such a time counts as past.
    pub latest: Timestamp,
}

/// The times by which builds are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LookTimes {
    /// What is due by now is taken.
    pub now: Timestamp,
    /// When builds that hold a slot are looked at next.
    pub building: Timestamp,
    /// When other builds are looked at next.
    pub others: Timestamp,
    /// Nobody sets a time to look that is later than this: who did had a clock that was set back since. Such a time
    /// counts as past.
    pub latest: Timestamp,
}

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
    /// Where its modulemd came from.
    pub scm_url: String,
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
}

/// What builds are ordered by; the id decides between equals.
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
    /// In which order.
    pub order: OrderKey,
    /// From the highest to the lowest.
    pub descending: bool,
    /// Only builds after this one in the order of ids; for walking the whole list by [`OrderKey::Id`] in pieces.
    pub after: Option<BuildId>,
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

/// What a failed store call means for who made it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoreErrorKind {
    /// Somebody else changed the build, or the queue, first. Load it and decide again.
    Conflict,
    /// Another build has this NSVC.
    Exists {
        /// That build.
        id: BuildId,
        /// Its state.
        state: BuildState,
    },
    /// The queue has no room for another build.
    QueueFull(QueueFull),
    /// The store cannot answer now; it may later. Nothing was written, or what was is whole: who does not know asks.
    Unavailable,
    /// What is stored cannot be read, or not by this version of the software.
    Corrupt,
}

/// A store call failed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    kind: StoreErrorKind,
    message: String,
    outside: Option<&'static str>,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl StoreError {
    /// Makes an error of a kind, with a text for the log.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), outside: None, source: None }
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Adds what people outside can be told of the cause.
    #[must_use]
    pub const fn telling(mut self, outside: Option<&'static str>) -> Self {
        self.outside = outside;
        self
    }

    /// Returns what people outside can be told of the cause, where there is more to say than that the store failed.
    pub const fn outside(&self) -> Option<&'static str> {
        self.outside
    }

    /// Returns what the failure means for who made the call.
    pub const fn kind(&self) -> &StoreErrorKind {
        &self.kind
    }
}
