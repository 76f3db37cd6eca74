//! Between the core's values and rows.

use std::sync::Arc;

use rida_core::{
    AnnouncementId, BuildId, BuildState, BuildSummary, ComponentBuild, DistTag, Effect, LogLine, ModuleBuild, Nsvc,
    Parked, Phase, QueuedBuild, StoreError, StoreErrorKind, StreamName, StreamVersion, Submission, Timestamp,
    Transition,
};
use sea_orm::ActiveValue::Set;
use sea_orm::FromQueryResult;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::entities::{
    component_builds, effects, events, module_build_requires, module_builds, module_submissions, parked,
};
use crate::error::corrupt;

/// What of a build is only read back.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct BuildDocument {
    dist_tag: DistTag,
    phase: Phase,
    phase_since: Timestamp,
    effects_issued: u32,
    run_started: u32,
    repository_generation: u32,
    history: Vec<Transition>,
}

/// The columns that a list reads.
#[derive(Clone, Debug, FromQueryResult)]
pub(crate) struct SummaryRow {
    id: i64,
    state: i32,
    name: String,
    stream: String,
    version: String,
    context: String,
    owner: String,
    scm_url: String,
    reason: Option<String>,
    scratch: bool,
    submitted_at: i64,
    modified_at: i64,
    completed_at: Option<i64>,
}

impl SummaryRow {
    /// Returns the build's number.
    pub(crate) fn id(&self) -> i64 {
        self.id
    }
}

/// The columns that the throttle reads.
#[derive(Debug, FromQueryResult)]
pub(crate) struct QueuedRow {
    id: i64,
    pub(crate) state: i32,
    name: String,
    owner: String,
    since: i64,
    batches: i64,
}

/// Returns a module's version as twenty digits, whose order is that of the numbers.
pub(crate) fn version_text(version: u64) -> String {
    format!("{version:020}")
}

/// Returns a number for a column; SQL's integers end at 2^63 - 1.
pub(crate) fn column(number: u64) -> Result<i64, StoreError> {
    i64::try_from(number)
        .map_err(|_| StoreError::new(StoreErrorKind::Corrupt, format!("the number {number} is too large to be stored")))
}

/// Returns a number to compare columns with or to count rows by, where no row can tell the difference.
pub(crate) fn bound(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// Returns text as a column takes it: some databases refuse a NUL, which documents escape.
pub(crate) fn plain(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Reads a number of a column as a sequence number or revision.
pub(crate) fn counted(number: i64) -> Result<u64, StoreError> {
    u64::try_from(number).map_err(|_| corrupt(format_args!("the number {number}")))
}

/// Reads a number of a column as the id of a build.
pub(crate) fn build_id(number: i64) -> Result<BuildId, StoreError> {
    BuildId::new(number).ok_or_else(|| corrupt(format_args!("the build id {number}")))
}

/// Writes a document.
pub(crate) fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| {
        StoreError::new(StoreErrorKind::Corrupt, "a value cannot be written as a document").because(error)
    })
}

/// Reads a document back; `what` names it in an error.
pub(crate) fn parse<T: DeserializeOwned>(document: &str, what: impl std::fmt::Display) -> Result<T, StoreError> {
    serde_json::from_str(document).map_err(|error| corrupt(what).because(error))
}

/// Returns the row of a build.
pub(crate) fn build_row(
    build: &ModuleBuild,
    look_at: Option<Timestamp>,
) -> Result<module_builds::ActiveModel, StoreError> {
    let ModuleBuild {
        id,
        revision,
        submission,
        dist_tag,
        phase,
        phase_since,
        components: _,
        effects_issued,
        run_started,
        repository_generation,
        history,
        modified_at,
    } = build;
    let document = BuildDocument {
        dist_tag: dist_tag.clone(),
        phase: phase.clone(),
        phase_since: *phase_since,
        effects_issued: *effects_issued,
        run_started: *run_started,
        repository_generation: *repository_generation,
        history: history.clone(),
    };
    let nsvc = &submission.nsvc;
    Ok(module_builds::ActiveModel {
        id: Set(id.get()),
        revision: Set(column(*revision)?),
        name: Set(nsvc.name.to_string()),
        stream: Set(nsvc.stream.to_string()),
        version: Set(version_text(nsvc.version)),
        context: Set(nsvc.context.to_string()),
        state: Set(build.state().code().into()),
        owner: Set(submission.owner.to_string()),
        // Empty for none: the column was never to be null.
        scm_url: Set(submission.scm_url.as_ref().map(ToString::to_string).unwrap_or_default()),
        reason: Set(build.reason().map(plain)),
        scratch: Set(build.is_scratch()),
        batches: Set(submission.plan.iter().map(|component| component.batch).max().unwrap_or(0).into()),
        submitted_at: Set(submission.at.millis()),
        modified_at: Set(modified_at.millis()),
        since: Set(build.since().millis()),
        completed_at: Set(build.completed_at().map(Timestamp::millis)),
        look_at: Set(look_at.map(Timestamp::millis)),
        build_context: Set(Some(submission.build_context())),
        rebuild_strategy: Set(Some(submission.rebuild_strategy.name().to_owned())),
        tag: Set(Some(build.tag().to_string())),
        reused_id: Set(build.donor().map(BuildId::get)),
        document: Set(json(&document)?),
    })
}

/// Returns the row of what was submitted.
pub(crate) fn submission_row(build: &ModuleBuild) -> Result<module_submissions::ActiveModel, StoreError> {
    Ok(module_submissions::ActiveModel { build_id: Set(build.id.get()), document: Set(json(&*build.submission)?) })
}

/// Returns the rows of what a module is built against.
pub(crate) fn require_rows(build: &ModuleBuild) -> impl Iterator<Item = module_build_requires::ActiveModel> {
    (0..).zip(&build.submission.build_requires).map(|(position, require)| module_build_requires::ActiveModel {
        build_id: Set(build.id.get()),
        position: Set(position),
        name: Set(require.name.to_string()),
        stream: Set(require.stream.to_string()),
        required_id: Set(require.build.map(BuildId::get)),
        stream_number: Set(stream_number(&require.stream)),
    })
}

/// Returns the number that a stream's name tells, as a column has it.
pub(crate) fn stream_number(stream: &StreamName) -> Option<i64> {
    StreamVersion::of(stream).and_then(|number| i64::try_from(number.thousandths()).ok())
}

/// Returns the rows of those components that are not as they were before.
pub(crate) fn component_rows(
    before: &[ComponentBuild],
    build: &ModuleBuild,
) -> Result<Vec<component_builds::ActiveModel>, StoreError> {
    let changed =
        build.components.iter().enumerate().filter(|(index, component)| before.get(*index) != Some(component));
    changed.map(|(index, component)| component_row(build, index, component)).collect()
}

/// Returns the row of the component at an index.
pub(crate) fn component_row(
    build: &ModuleBuild,
    index: usize,
    component: &ComponentBuild,
) -> Result<component_builds::ActiveModel, StoreError> {
    let planned = build.plan().get(index);
    let planned =
        planned.ok_or_else(|| corrupt(format_args!("build {}, with more components than planned", build.id)))?;
    let state = &component.state;
    Ok(component_builds::ActiveModel {
        build_id: Set(build.id.get()),
        position: Set(i64::try_from(index).unwrap_or(i64::MAX)),
        name: Set(planned.name.to_string()),
        batch: Set(planned.batch.into()),
        state: Set(state.name().to_owned()),
        task_id: Set(state.task().map(|task| task.0)),
        nvr: Set(state.built().map(|built| built.nvr.to_string())),
        attempt: Set(component.attempt.into()),
        reason: Set(component.reason().map(plain)),
        source_commit: Set(component.source.as_ref().map(|source| source.commit.to_string())),
        document: Set(json(component)?),
    })
}

/// Returns the row of a new instruction, due at a time.
pub(crate) fn effect_row(effect: &Effect, due: Timestamp) -> Result<effects::ActiveModel, StoreError> {
    Ok(effects::ActiveModel {
        id: Set(effect.id.to_string()),
        build_id: Set(effect.id.build.get()),
        number: Set(effect.id.number.into()),
        due_at: Set(due.millis()),
        attempts: Set(0),
        failures: Set(0),
        lease_owner: Set(None),
        lease_until: Set(None),
        last_error: Set(None),
        effect: Set(json(effect)?),
    })
}

/// Reads a build back from its row, its submission's, and its components' documents in the plan's order.
pub(crate) fn build(
    row: module_builds::Model,
    submission: Option<module_submissions::Model>,
    components: &[String],
) -> Result<ModuleBuild, StoreError> {
    let id = build_id(row.id)?;
    let submission = submission.ok_or_else(|| corrupt(format_args!("build {id}, without its submission,")))?;
    let submission: Submission = parse(&submission.document, format_args!("the submission of build {id}"))?;
    let document: BuildDocument = parse(&row.document, format_args!("build {id}"))?;
    if components.len() != submission.plan.len() {
        return Err(corrupt(format_args!("build {id}, with other components than planned,")));
    }
    let component = |(document, planned): (&String, &rida_core::plan::PlannedComponent)| {
        parse(document, format_args!("component {} of build {id}", planned.name))
    };
    Ok(ModuleBuild {
        id,
        revision: counted(row.revision)?,
        components: components.iter().zip(submission.plan.iter()).map(component).collect::<Result<_, _>>()?,
        submission: Arc::new(submission),
        dist_tag: document.dist_tag,
        phase: document.phase,
        phase_since: document.phase_since,
        effects_issued: document.effects_issued,
        run_started: document.run_started,
        repository_generation: document.repository_generation,
        history: document.history,
        modified_at: Timestamp::from_millis(row.modified_at),
    })
}

/// Reads what a list tells of a build.
pub(crate) fn summary(row: SummaryRow) -> Result<BuildSummary, StoreError> {
    let id = build_id(row.id)?;
    let unreadable = |what: &str| corrupt(format_args!("the {what} of build {id}"));
    Ok(BuildSummary {
        id,
        state: state(row.state).ok_or_else(|| unreadable("state"))?,
        nsvc: Nsvc {
            name: row.name.parse().map_err(|error| unreadable("name").because(error))?,
            stream: row.stream.parse().map_err(|error| unreadable("stream").because(error))?,
            version: row.version.parse().map_err(|error| unreadable("version").because(error))?,
            context: row.context.parse().map_err(|error| unreadable("context").because(error))?,
        },
        owner: row.owner.parse().map_err(|error| unreadable("owner").because(error))?,
        scm_url: Some(row.scm_url).filter(|url| !url.is_empty()),
        reason: row.reason,
        scratch: row.scratch,
        submitted_at: Timestamp::from_millis(row.submitted_at),
        modified_at: Timestamp::from_millis(row.modified_at),
        completed_at: row.completed_at.map(Timestamp::from_millis),
    })
}

/// Reads what the throttle knows of a build.
pub(crate) fn queued(row: QueuedRow) -> Result<QueuedBuild, StoreError> {
    let id = build_id(row.id)?;
    let unreadable = |what: &str| corrupt(format_args!("the {what} of build {id}"));
    Ok(QueuedBuild {
        id,
        name: row.name.parse().map_err(|error| unreadable("name").because(error))?,
        owner: row.owner.parse().map_err(|error| unreadable("owner").because(error))?,
        since: Timestamp::from_millis(row.since),
        batches: u32::try_from(row.batches).map_err(|error| unreadable("number of batches").because(error))?,
    })
}

/// Reads a line of the log back.
pub(crate) fn log_line(row: &events::Model) -> Result<LogLine, StoreError> {
    let what = format!("line {} of the log", row.sequence);
    Ok(LogLine {
        sequence: counted(row.sequence)?,
        build: build_id(row.build_id)?,
        revision: counted(row.revision)?,
        event: parse(&row.event, &what)?,
        announcements: parse(&row.announcements, &what)?,
    })
}

/// Returns the row of an announcement that a reader parked.
pub(crate) fn parked_row(reader: &str, parked: &Parked, reason: String) -> parked::ActiveModel {
    parked::ActiveModel {
        reader: Set(reader.to_owned()),
        sequence: Set(bound(parked.sequence)),
        build_id: Set(parked.announcement.build.get()),
        revision: Set(bound(parked.announcement.revision)),
        position: Set(parked.announcement.index.into()),
        reason: Set(reason),
        at: Set(parked.at.millis()),
        retrying: Set(parked.retrying),
    }
}

/// Reads a parked announcement back.
pub(crate) fn parked(row: parked::Model) -> Result<Parked, StoreError> {
    let index = u32::try_from(row.position).map_err(|error| corrupt("a parked announcement").because(error))?;
    Ok(Parked {
        sequence: counted(row.sequence)?,
        announcement: AnnouncementId { build: build_id(row.build_id)?, revision: counted(row.revision)?, index },
        reason: row.reason,
        at: Timestamp::from_millis(row.at),
        retrying: row.retrying,
    })
}

/// Reads a state's code.
pub(crate) fn state(code: i32) -> Option<BuildState> {
    rida_core::BUILD_STATES.by_code(code.into())
}
