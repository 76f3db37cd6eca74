//! Ready builds by the streams of a base module that they are built against.

use std::collections::{BTreeMap, BTreeSet};

use rida_core::{BuildSummary, ModuleName, StoreError, StreamName};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, FromQueryResult, JoinType};
use sea_orm::{QueryFilter, QueryOrder, QuerySelect, QueryTrait, Select};

use crate::convert::{self, SummaryRow};
use crate::database::Database;
use crate::entities::{module_build_requires, module_builds};
use crate::error::Failed;
use crate::queries::load::{BUILDS_AT_ONCE, is_ready, summaries};

/// How many builds are returned of one stream of a module.
const MOST_OF_A_STREAM: usize = 64;

/// The highest versions of ready builds, by module, stream, and stream of the base module.
type Highest = BTreeMap<(String, String, Option<String>), String>;

/// A build with the stream of a base module that it is built against.
#[derive(Debug, FromQueryResult)]
struct OnBase {
    id: i64,
    name: String,
    stream: String,
    version: String,
    base_stream: Option<String>,
}

/// Returns the ready builds of streams with the highest version for each stream of a base module.
pub(crate) async fn latest_ready_on(
    database: &Database,
    streams: &[(ModuleName, StreamName)],
    (base, base_streams): (&ModuleName, &[StreamName]),
) -> Result<Vec<Vec<BuildSummary>>, StoreError> {
    let found = database
        .read(|| {
            async |connection| {
                let highest = highest(connection, streams, base).await?;
                let rows = in_versions(connection, streams, base, &highest).await?;
                let chosen = streams.iter().map(|of| choose(of, base_streams, &highest, &rows));
                let chosen: Vec<Vec<i64>> = chosen.collect();
                let all: BTreeSet<i64> = chosen.iter().flatten().copied().collect();
                Ok((chosen, told(connection, all.into_iter().collect()).await?))
            }
        })
        .await;
    let (chosen, told) = found.map_err(|error| error.during("look builds for a platform up"))?;
    let read = |ids: Vec<i64>| ids.iter().filter_map(|id| told.get(id)).cloned().map(convert::summary).collect();
    chosen.into_iter().map(read).collect()
}

/// Chooses the builds of a stream for each stream of a base module.
fn choose(
    (name, stream): &(ModuleName, StreamName),
    base_streams: &[StreamName],
    highest: &Highest,
    rows: &[OnBase],
) -> Vec<i64> {
    let highest_on = |on: Option<&StreamName>| {
        let of = (name.to_string(), stream.to_string(), on.map(ToString::to_string));
        highest.get(&of).map(String::as_str)
    };
    let of_stream = rows.iter().filter(|row| row.name == name.as_str() && row.stream == stream.as_str());
    let mut ids = Vec::new();
    for (place, base_stream) in base_streams.iter().enumerate() {
        // What is built against none of its streams counts for the first.
        let without = highest_on(None).filter(|_| place == 0);
        let Some(version) = highest_on(Some(base_stream)).into_iter().chain(without).max() else { continue };
        let is_on = |row: &&OnBase| match &row.base_stream {
            Some(stream) => stream.as_str() == base_stream.as_str(),
            None => place == 0,
        };
        ids.extend(of_stream.clone().filter(is_on).filter(|row| row.version == version).map(|row| row.id));
    }
    ids.truncate(MOST_OF_A_STREAM);
    ids
}

async fn highest(
    connection: &DatabaseConnection,
    streams: &[(ModuleName, StreamName)],
    base: &ModuleName,
) -> Result<Highest, Failed> {
    use module_builds::Column;
    let mut highest = Highest::new();
    for some in streams.chunks(BUILDS_AT_ONCE) {
        let of_each = of_streams(some, base)
            .columns([Column::Name, Column::Stream])
            .column_as(module_build_requires::Column::Stream.into_expr(), "base_stream")
            .column_as(Column::Version.max(), "highest")
            .group_by(Column::Name)
            .group_by(Column::Stream)
            .group_by(module_build_requires::Column::Stream);
        let rows = of_each.into_tuple::<(String, String, Option<String>, String)>().all(connection).await?;
        highest.extend(rows.into_iter().map(|(name, stream, base, version)| ((name, stream, base), version)));
    }
    Ok(highest)
}

/// Returns the ready builds of streams in any of the highest versions, the last one first.
async fn in_versions(
    connection: &DatabaseConnection,
    streams: &[(ModuleName, StreamName)],
    base: &ModuleName,
    highest: &Highest,
) -> Result<Vec<OnBase>, Failed> {
    use module_builds::Column;
    let versions: Vec<&str> = highest.values().map(String::as_str).collect::<BTreeSet<_>>().into_iter().collect();
    let mut rows = Vec::new();
    for some in streams.chunks(BUILDS_AT_ONCE) {
        for versions in versions.chunks(BUILDS_AT_ONCE) {
            let query = of_streams(some, base)
                .columns([Column::Id, Column::Name, Column::Stream, Column::Version])
                .column_as(module_build_requires::Column::Stream.into_expr(), "base_stream")
                .filter(Column::Version.is_in(versions.iter().copied()))
                .order_by_desc(Column::Id);
            rows.extend(query.into_model::<OnBase>().all(connection).await?);
        }
    }
    Ok(rows)
}

/// Reads what is told of builds, by their numbers.
async fn told(connection: &DatabaseConnection, ids: Vec<i64>) -> Result<BTreeMap<i64, SummaryRow>, Failed> {
    let mut told = BTreeMap::new();
    for some in ids.chunks(BUILDS_AT_ONCE) {
        let query = summaries().filter(module_builds::Column::Id.is_in(some.iter().copied()));
        let rows = query.into_model::<SummaryRow>().all(connection).await?;
        told.extend(rows.into_iter().map(|row| (row.id(), row)));
    }
    Ok(told)
}

/// Selects the ready builds of streams, beside what they are built against of a base module.
fn of_streams(streams: &[(ModuleName, StreamName)], base: &ModuleName) -> Select<module_builds::Entity> {
    use module_builds::Column;
    let names: BTreeSet<&str> = streams.iter().map(|(name, _)| name.as_str()).collect();
    let of: BTreeSet<&str> = streams.iter().map(|(_, stream)| stream.as_str()).collect();
    // These are more than the pairs are, of which who asks takes those that it means.
    let mut select = is_ready(module_builds::Entity::find().select_only())
        .filter(Column::Name.is_in(names))
        .filter(Column::Stream.is_in(of));
    QueryTrait::query(&mut select).join(JoinType::LeftJoin, module_build_requires::Entity, is_required(base));
    select
}

/// Selects the row of a build that says against which stream of a module it is built.
fn is_required(module: &ModuleName) -> Expr {
    use module_build_requires::{Column, Entity};
    let of_the_build = Expr::col((Entity, Column::BuildId)).equals((module_builds::Entity, module_builds::Column::Id));
    of_the_build.and(Expr::col((Entity, Column::Name)).eq(module.as_str()))
}
