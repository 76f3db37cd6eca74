//! Reading one build.

use std::collections::BTreeMap;

use rida_core::{
    BuildId, BuildState, BuildSummary, DonorQuery, ModuleBuild, ModuleName, Nsvc, StoreError, StoreErrorKind,
    StreamName,
};
use sea_orm::sea_query::{CaseStatement, Expr};
use sea_orm::{
    ColumnTrait, DatabaseConnection, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationTrait, Select,
};

use crate::convert::{self, SummaryRow, bound, version_text};
use crate::database::Database;
use crate::entities::{component_builds, module_builds, module_submissions};
use crate::error::{Failed, corrupt};

/// How often a build may change while it is read.
const TRIES: usize = 20;

/// How many builds one statement reads.
pub(super) const BUILDS_AT_ONCE: usize = 500;

/// Returns a build as it was last committed.
pub(crate) async fn load(database: &Database, id: BuildId) -> Result<Option<ModuleBuild>, StoreError> {
    for _ in 0..TRIES {
        let found = database.read(|| async |connection| read(connection, id).await).await;
        let found = found.map_err(|error| error.during("read a build"))?;
        let Some((build, submission, components)) = found else { return Ok(None) };
        // Two statements see the build at two points in time: the second tells whether it was the same.
        if components.iter().all(|(_, _, revision)| *revision == build.revision) {
            let in_place = (0..).zip(&components).all(|(index, (position, _, _))| *position == index);
            if !in_place {
                return Err(corrupt(format_args!("build {id}, with a component missing,")));
            }
            let documents: Vec<String> = components.into_iter().map(|(_, document, _)| document).collect();
            return convert::build(build, submission, &documents).map(Some);
        }
    }
    Err(StoreError::new(StoreErrorKind::Unavailable, format!("build {id} changes faster than it can be read")))
}

type Found = (module_builds::Model, Option<module_submissions::Model>, Vec<(i64, String, i64)>);

async fn read(connection: &DatabaseConnection, id: BuildId) -> Result<Option<Found>, Failed> {
    use component_builds::Column;
    let find = module_builds::Entity::find_by_id(id.get()).find_also_related(module_submissions::Entity);
    let Some((build, submission)) = find.one(connection).await? else { return Ok(None) };
    let components = component_builds::Entity::find()
        .select_only()
        .columns([Column::Position, Column::Document])
        .column(module_builds::Column::Revision)
        .join(JoinType::InnerJoin, component_builds::Relation::Build.def())
        .filter(Column::BuildId.eq(id.get()))
        .order_by_asc(Column::Position)
        .into_tuple::<(i64, String, i64)>()
        .all(connection)
        .await?;
    Ok(Some((build, submission, components)))
}

/// Returns builds as they were last committed, in the order asked for, some hundreds with two statements.
pub(crate) async fn load_all(database: &Database, ids: &[BuildId]) -> Result<Vec<ModuleBuild>, StoreError> {
    let mut found: BTreeMap<BuildId, ModuleBuild> = BTreeMap::new();
    for some in ids.chunks(BUILDS_AT_ONCE) {
        let read = database.read(|| async |connection| read_some(connection, some).await).await;
        for (build, submission, components) in read.map_err(|error| error.during("read builds"))? {
            let id = convert::build_id(build.id)?;
            let whole = (0..)
                .zip(&components)
                .all(|(index, (position, _, revision))| *position == index && *revision == build.revision);
            // One that changed between the two statements is read by itself, which finds out what else it may be.
            let read = if whole {
                let documents: Vec<String> = components.into_iter().map(|(_, document, _)| document).collect();
                Some(convert::build(build, submission, &documents)?)
            } else {
                load(database, id).await?
            };
            found.extend(read.map(|build| (id, build)));
        }
    }
    Ok(ids.iter().filter_map(|id| found.get(id).cloned()).collect())
}

/// Returns those of some builds that can be read; the log tells of the others.
pub(crate) async fn readable(database: &Database, ids: &[BuildId]) -> Result<Vec<ModuleBuild>, Failed> {
    let found = database.read(|| async |connection| read_some(connection, ids).await).await?;
    let mut builds = Vec::new();
    for (build, submission, components) in found {
        let id = build.id;
        let documents: Vec<String> = components.into_iter().map(|(_, document, _)| document).collect();
        match convert::build(build, submission, &documents) {
            Ok(build) => builds.push(build),
            Err(error) => tracing::warn!(build.id = id, %error, "a build cannot be read"),
        }
    }
    Ok(builds)
}

async fn read_some(connection: &DatabaseConnection, ids: &[BuildId]) -> Result<Vec<Found>, Failed> {
    use component_builds::Column;
    let ids = || ids.iter().map(|id| id.get());
    let builds = module_builds::Entity::find()
        .filter(module_builds::Column::Id.is_in(ids()))
        .find_also_related(module_submissions::Entity)
        .all(connection)
        .await?;
    let components = component_builds::Entity::find()
        .select_only()
        .columns([Column::BuildId, Column::Position, Column::Document])
        .column(module_builds::Column::Revision)
        .join(JoinType::InnerJoin, component_builds::Relation::Build.def())
        .filter(Column::BuildId.is_in(ids()))
        .order_by_asc(Column::BuildId)
        .order_by_asc(Column::Position)
        .into_tuple::<(i64, i64, String, i64)>()
        .all(connection)
        .await?;
    let mut of: BTreeMap<i64, Vec<(i64, String, i64)>> = BTreeMap::new();
    for (build, position, document, revision) in components {
        of.entry(build).or_default().push((position, document, revision));
    }
    Ok(builds
        .into_iter()
        .map(|(build, submission)| {
            let components = of.remove(&build.id).unwrap_or_default();
            (build, submission, components)
        })
        .collect())
}

/// Returns the build with an NSVC.
pub(crate) async fn find(database: &Database, nsvc: &Nsvc) -> Result<Option<BuildSummary>, StoreError> {
    use module_builds::Column;
    let query = summaries()
        .filter(Column::Name.eq(nsvc.name.as_str()))
        .filter(Column::Stream.eq(nsvc.stream.as_str()))
        .filter(Column::Version.eq(version_text(nsvc.version)))
        .filter(Column::Context.eq(nsvc.context.as_str()));
    one(database, query).await
}

/// Returns the ready build of a stream with the highest version.
pub(crate) async fn latest_ready(
    database: &Database,
    name: &ModuleName,
    stream: &StreamName,
) -> Result<Option<BuildSummary>, StoreError> {
    one(database, latest(name, stream)).await
}

/// Returns the streams of a module that have a ready build.
pub(crate) async fn ready_streams(
    database: &Database,
    name: &ModuleName,
    limit: usize,
) -> Result<Vec<StreamName>, StoreError> {
    use module_builds::Column;
    let query = ready(module_builds::Entity::find().select_only().column(Column::Stream).distinct(), name)
        .order_by_asc(Column::Stream)
        .limit(bound(u64::try_from(limit).unwrap_or(u64::MAX)).unsigned_abs());
    let rows =
        database.read(|| async |connection| Ok(query.clone().into_tuple::<String>().all(connection).await?)).await;
    let rows = rows.map_err(|error| error.during("look the streams of a module up"))?;
    let read = |text: String| text.parse().map_err(|error| corrupt("a stream").because(error));
    rows.into_iter().map(read).collect()
}

/// Selects the ready builds of a stream, the highest version first.
fn latest(name: &ModuleName, stream: &StreamName) -> Select<module_builds::Entity> {
    use module_builds::Column;
    ready(summaries(), name)
        .filter(Column::Stream.eq(stream.as_str()))
        .order_by_desc(Column::Version)
        .order_by_desc(Column::Id)
}

/// Selects the ready builds of a module.
fn ready(select: Select<module_builds::Entity>, name: &ModuleName) -> Select<module_builds::Entity> {
    is_ready(select).filter(module_builds::Column::Name.eq(name.as_str()))
}

/// Selects ready builds; what is only tried is none.
pub(super) fn is_ready(select: Select<module_builds::Entity>) -> Select<module_builds::Entity> {
    use module_builds::Column;
    select.filter(Column::State.eq(i32::from(BuildState::Ready.code()))).filter(Column::Scratch.eq(false))
}

/// Returns the build that components may be taken over from.
pub(crate) async fn donor(database: &Database, wanted: &DonorQuery) -> Result<Option<BuildId>, StoreError> {
    use module_builds::Column;
    if wanted.build_contexts.is_empty() {
        return Ok(None);
    }
    let places = (0_i32..).zip(&wanted.build_contexts);
    let place = places.fold(CaseStatement::new(), |case, (place, context)| {
        case.case(Column::BuildContext.eq(context.as_str()), place)
    });
    let place: Expr = place.into();
    let query = module_builds::Entity::find()
        .select_only()
        .column(Column::Id)
        .filter(Column::Name.eq(wanted.name.as_str()))
        .filter(Column::Stream.eq(wanted.stream.as_str()))
        .filter(Column::BuildContext.is_in(wanted.build_contexts.iter().map(String::as_str)))
        .filter(Column::State.eq(i32::from(BuildState::Ready.code())))
        .filter(Column::RebuildStrategy.is_in(wanted.strategies.iter().map(|strategy| strategy.name())))
        .order_by_asc(place)
        .order_by_desc(Column::CompletedAt)
        .order_by_desc(Column::Id)
        .limit(1);
    let found = database.read(|| async |connection| Ok(query.clone().into_tuple::<i64>().one(connection).await?)).await;
    found
        .map_err(|error| error.during("look for a build to take components over from"))?
        .map(convert::build_id)
        .transpose()
}

async fn one(database: &Database, query: Select<module_builds::Entity>) -> Result<Option<BuildSummary>, StoreError> {
    let query = query.limit(1);
    let row =
        database.read(|| async |connection| Ok(query.clone().into_model::<SummaryRow>().one(connection).await?)).await;
    let row = row.map_err(|error| error.during("look a build up"))?;
    row.map(convert::summary).transpose()
}

/// Selects what a summary tells, and nothing larger.
pub(crate) fn summaries() -> Select<module_builds::Entity> {
    use module_builds::Column;
    module_builds::Entity::find().select_only().columns([
        Column::Id,
        Column::State,
        Column::Name,
        Column::Stream,
        Column::Version,
        Column::Context,
        Column::Owner,
        Column::ScmUrl,
        Column::Reason,
        Column::Scratch,
        Column::SubmittedAt,
        Column::ModifiedAt,
        Column::CompletedAt,
    ])
}
