//! Builds as answers show them.

use rida_core::plan::{PlannedComponent, Reuse};
use rida_core::{BuildId, BuildState, BuildSummary, ComponentBuild, FailureKind, ModuleBuild, Timestamp, Transition};
use serde::ser::{Serialize, SerializeMap, Serializer};

/// Serializes a time as `2026-01-31T12:00:00Z`.
fn as_text<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(at)
}

/// Serializes a time that may be absent.
fn as_text_or_null<S: Serializer>(at: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    match at {
        Some(at) => serializer.collect_str(at),
        None => serializer.serialize_none(),
    }
}

/// A build in the list: `{"id": 41, "state": "done"}`.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ListItem {
    /// The build.
    pub(crate) id: BuildId,
    /// Its state's name.
    pub(crate) state: BuildState,
}

/// A build in the verbose list.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Summary<'a> {
    /// The build.
    pub(crate) id: BuildId,
    /// Its state's name.
    pub(crate) state: BuildState,
    /// Why it is in that state.
    pub(crate) state_reason: Option<&'a str>,
    /// The module's name.
    pub(crate) name: &'a str,
    /// The stream.
    pub(crate) stream: &'a str,
    /// The version, as text: it has more digits than some readers of JSON keep.
    pub(crate) version: String,
    /// The context.
    pub(crate) context: &'a str,
    /// It is only tried.
    pub(crate) scratch: bool,
    /// Who submitted it.
    pub(crate) owner: &'a str,
    /// Where its modulemd came from; absent when it came with the request.
    pub(crate) scmurl: Option<&'a str>,
    /// When it was submitted.
    #[serde(serialize_with = "as_text")]
    pub(crate) time_submitted: Timestamp,
    /// When it last changed.
    #[serde(serialize_with = "as_text")]
    pub(crate) time_modified: Timestamp,
    /// When it ended.
    #[serde(serialize_with = "as_text_or_null")]
    pub(crate) time_completed: Option<Timestamp>,
}

/// A build in the answer to its submission.
#[derive(Debug, serde::Serialize)]
#[serde(untagged)]
pub(crate) enum Accepted<'a> {
    /// As it was read again.
    Known(Submitted<'a>),
    /// It could not be read at this moment.
    Recorded {
        /// The build.
        id: BuildId,
    },
}

/// What is told of a build that was submitted.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Submitted<'a> {
    /// What the verbose list shows.
    #[serde(flatten)]
    summary: Summary<'a>,
    /// The other builds of the same submission.
    siblings: &'a [BuildId],
}

impl<'a> From<&'a ModuleBuild> for Submitted<'a> {
    fn from(build: &'a ModuleBuild) -> Self {
        Self { summary: build.into(), siblings: &build.submission.siblings }
    }
}

/// A build by itself: `{"id": 42, "state": "build", "tasks": {"rpms/foo": "6378/closed"}}`.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Item<'a> {
    /// The build.
    pub(crate) id: BuildId,
    /// Its state's name.
    pub(crate) state: BuildState,
    /// The task of each component that has one.
    pub(crate) tasks: Tasks<'a>,
}

/// The task of each component that has one, as `"rpms/<component>": "<task>/<its state>"`, in the plan's order.
#[derive(Debug)]
pub(crate) struct Tasks<'a>(&'a ModuleBuild);

/// Everything that is known of a build.
#[derive(Debug, serde::Serialize)]
pub(crate) struct Detail<'a> {
    /// What the verbose list shows.
    #[serde(flatten)]
    pub(crate) summary: Summary<'a>,
    /// The other builds of the same submission.
    pub(crate) siblings: &'a [BuildId],
    /// Which part of its state it is in, such as `preparing` within `build`.
    pub(crate) phase: &'static str,
    /// What kind of reason it failed for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) failure: Option<&'static str>,
    /// All that was wrong with its sources.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) problems: Vec<String>,
    /// What it waits for, in words; nothing once it has ended.
    pub(crate) waits_for: Vec<String>,
    /// The suffix of its packages' releases.
    pub(crate) dist_tag: &'a str,
    /// Its tag in the build system.
    pub(crate) tag: String,
    /// The modules that it is built against, as `name:stream`.
    pub(crate) build_requires: Vec<String>,
    /// Those of them that the distribution has by default.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) by_default: Vec<&'a str>,
    /// How much is built again of what an earlier build has.
    pub(crate) rebuild_strategy: &'static str,
    /// The earlier build that components were taken over from.
    pub(crate) reused_module_id: Option<BuildId>,
    /// The task of each component that has one.
    pub(crate) tasks: Tasks<'a>,
    /// Its components, in the plan's order.
    pub(crate) components: Vec<ComponentDetail<'a>>,
    /// The states that it has been in, oldest first.
    pub(crate) history: Vec<TransitionDetail<'a>>,
}

/// Everything that is known of a component.
#[derive(Debug, serde::Serialize)]
pub(crate) struct ComponentDetail<'a> {
    /// Its name.
    pub(crate) name: &'a str,
    /// How far it is, such as `waiting` or `available`.
    pub(crate) state: &'static str,
    /// Why it failed, or that it was taken over from an earlier build.
    pub(crate) state_reason: Option<&'a str>,
    /// Why it was not taken over from an earlier build, when there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rebuilt_because: Option<&'a str>,
    /// The batch that it is built in, from 1.
    pub(crate) batch: u32,
    /// Counts the tries to build it, from 1.
    pub(crate) attempt: u32,
    /// Its task in the build system.
    pub(crate) task: Option<rida_core::TaskId>,
    /// The state of the task.
    pub(crate) task_state: Option<&'static str>,
    /// What was built.
    pub(crate) nvr: Option<String>,
    /// The repository of its sources.
    pub(crate) repository: Option<&'a str>,
    /// What the modulemd says is built: a commit, branch or tag.
    pub(crate) reference: Option<&'a str>,
    /// The commit that this resolved to.
    pub(crate) commit: Option<&'a str>,
    /// Its packages are left out of the module.
    pub(crate) buildonly: bool,
    /// The path of its log.
    pub(crate) log: Option<String>,
}

/// The build entered a state.
#[derive(Debug, serde::Serialize)]
pub(crate) struct TransitionDetail<'a> {
    /// The state's name.
    pub(crate) state: BuildState,
    /// When.
    #[serde(serialize_with = "as_text")]
    pub(crate) time: Timestamp,
    /// Why, where there is more to say.
    pub(crate) reason: Option<&'a str>,
}

impl From<&BuildSummary> for ListItem {
    fn from(build: &BuildSummary) -> Self {
        Self { id: build.id, state: build.state }
    }
}

impl<'a> From<&'a BuildSummary> for Summary<'a> {
    fn from(build: &'a BuildSummary) -> Self {
        Self {
            id: build.id,
            state: build.state,
            state_reason: build.reason.as_deref(),
            name: build.nsvc.name.as_str(),
            stream: build.nsvc.stream.as_str(),
            version: build.nsvc.version.to_string(),
            context: build.nsvc.context.as_str(),
            scratch: build.scratch,
            owner: build.owner.as_str(),
            scmurl: build.scm_url.as_deref(),
            time_submitted: build.submitted_at,
            time_modified: build.modified_at,
            time_completed: build.completed_at,
        }
    }
}

impl<'a> From<&'a ModuleBuild> for Summary<'a> {
    fn from(build: &'a ModuleBuild) -> Self {
        let nsvc = build.nsvc();
        Self {
            id: build.id,
            state: build.state(),
            state_reason: build.reason(),
            name: nsvc.name.as_str(),
            stream: nsvc.stream.as_str(),
            version: nsvc.version.to_string(),
            context: nsvc.context.as_str(),
            scratch: build.is_scratch(),
            owner: build.submission.owner.as_str(),
            scmurl: build.submission.scm_url.as_ref().map(|url| url.as_str()),
            time_submitted: build.submission.at,
            time_modified: build.modified_at,
            time_completed: build.completed_at(),
        }
    }
}

impl<'a> From<&'a ModuleBuild> for Item<'a> {
    fn from(build: &'a ModuleBuild) -> Self {
        Self { id: build.id, state: build.state(), tasks: Tasks(build) }
    }
}

impl Serialize for Tasks<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (planned, component) in self.0.components() {
            if let Some(task) = component.state.task() {
                let word = component.state.task_word();
                map.serialize_entry(&format_args!("rpms/{}", planned.name), &format_args!("{task}/{word}"))?;
            }
        }
        map.end()
    }
}

impl<'a> Detail<'a> {
    /// Shows a build with what it waits for.
    pub(crate) fn new(build: &'a ModuleBuild, waits_for: Vec<String>) -> Self {
        let failure = match &build.phase {
            rida_core::Phase::Failed(failure) => Some(failure),
            _ => None,
        };
        let requires = build.submission.build_requires.iter();
        Self {
            summary: build.into(),
            siblings: &build.submission.siblings,
            phase: phase_name(build),
            failure: failure.map(|failure| failure_name(failure.kind)),
            problems: failure.map(problems).unwrap_or_default(),
            waits_for,
            dist_tag: build.dist_tag.as_str(),
            tag: build.tag().to_string(),
            by_default: build.submission.by_default.iter().map(rida_core::ModuleName::as_str).collect(),
            build_requires: requires.map(|require| format!("{}:{}", require.name, require.stream)).collect(),
            rebuild_strategy: build.submission.rebuild_strategy.name(),
            reused_module_id: build.donor(),
            tasks: Tasks(build),
            components: build.components().map(|(planned, component)| detail(build.id, planned, component)).collect(),
            history: build.history.iter().map(Into::into).collect(),
        }
    }
}

impl<'a> From<&'a Transition> for TransitionDetail<'a> {
    fn from(transition: &'a Transition) -> Self {
        Self { state: transition.state, time: transition.at, reason: transition.reason.as_deref() }
    }
}

/// Writes all that was wrong with the sources of a build, a line each.
pub(crate) fn problems(failure: &rida_core::Failure) -> Vec<String> {
    failure.problems.iter().map(|problem| format!("{}: {}", problem.component, problem.message)).collect()
}

fn detail<'a>(id: BuildId, planned: &'a PlannedComponent, component: &'a ComponentBuild) -> ComponentDetail<'a> {
    let task = component.state.task();
    let (source, pinned) = (planned.source.as_ref(), component.source.as_deref());
    ComponentDetail {
        name: planned.name.as_str(),
        state: component.state.name(),
        state_reason: component.reason(),
        rebuilt_because: component.reuse.as_deref().and_then(rebuilt_because),
        batch: planned.batch,
        attempt: component.attempt,
        task,
        task_state: task.map(|_| component.state.task_word()),
        nvr: component.state.built().map(|built| built.nvr.to_string()),
        repository: source.map(|source| source.repository.as_str()),
        reference: source.map(|source| source.reference.as_str()),
        commit: pinned.map(|pinned| pinned.commit.as_str()),
        buildonly: planned.buildonly,
        log: task.map(|_| format!("/rida/module-builds/{id}/logs/{}", planned.name)),
    }
}

fn rebuilt_because(reuse: &Reuse) -> Option<&str> {
    match reuse {
        Reuse::Rebuilt(why) => Some(why),
        Reuse::Taken(_) => None,
    }
}

fn phase_name(build: &ModuleBuild) -> &'static str {
    use rida_core::Phase;
    match build.phase {
        Phase::Init => "checking",
        Phase::Wait => "waiting",
        Phase::Preparing => "preparing",
        Phase::Building { .. } => "building",
        Phase::Finishing => "finishing",
        Phase::Done => "done",
        Phase::Failed(_) => "failed",
        Phase::Ready => "ready",
    }
}

fn failure_name(kind: FailureKind) -> &'static str {
    match kind {
        FailureKind::Sources => "sources",
        FailureKind::Components => "components",
        FailureKind::Infrastructure => "infrastructure",
        FailureKind::Deadline => "deadline",
        FailureKind::Canceled => "canceled",
        _ => "other",
    }
}
