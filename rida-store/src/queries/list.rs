//! Lists of builds, and the queue.

use rida_core::scm::ScmUrl;
use rida_core::{
    BuildFilter, BuildState, BuildSummary, ListQuery, OrderKey, Queue, QueuedBuild, StoreError, Timestamp,
};
use sea_orm::sea_query::{Expr, NullOrdering};
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, EntityTrait, Order, PaginatorTrait};
use sea_orm::{QueryFilter, QueryOrder, QuerySelect};

use crate::convert::{self, QueuedRow, SummaryRow, bound, counted, version_text};
use crate::database::Database;
use crate::entities::counters;
use crate::entities::module_builds::{Column, Entity};
use crate::error::{Failed, corrupt};
use crate::queries::load::summaries;

/// Returns one page of builds.
pub(crate) async fn list(database: &Database, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError> {
    let (order, nulls) = match query.descending {
        false => (Order::Asc, NullOrdering::First),
        true => (Order::Desc, NullOrdering::Last),
    };
    let mut select = summaries().filter(condition(&query.filter));
    if let Some(after) = query.after {
        let id = after.get();
        select = select.filter(if query.descending { Column::Id.lt(id) } else { Column::Id.gt(id) });
    }
    if query.order == OrderKey::Completed {
        select = select.order_by_with_nulls(Column::CompletedAt, order.clone(), nulls);
    } else if query.order != OrderKey::Id {
        select = select.order_by(column(query.order), order.clone());
    }
    let select = select.order_by(Column::Id, order);
    // The numbers are bound as unsigned ones, of which a database knows only the lower half.
    let select = select.offset(bound(query.offset).unsigned_abs()).limit(bound(query.limit).unsigned_abs());
    let rows =
        database.read(|| async |connection| Ok(select.clone().into_model::<SummaryRow>().all(connection).await?)).await;
    let rows = rows.map_err(|error| error.during("list builds"))?;
    rows.into_iter().map(convert::summary).collect()
}

/// How many places are looked for at once.
const URLS_AT_ONCE: usize = 500;

/// Returns the builds whose modulemd came from one of some places.
pub(crate) async fn of_documents(
    database: &Database,
    scm_urls: &[ScmUrl],
    limit: usize,
) -> Result<Vec<BuildSummary>, StoreError> {
    let mut rows = Vec::new();
    for some in scm_urls.chunks(URLS_AT_ONCE) {
        let select = summaries()
            .filter(Column::ScmUrl.is_in(some.iter().map(ScmUrl::as_str)))
            .filter(Column::Scratch.eq(false))
            .order_by_asc(Column::Id)
            .limit(bound(u64::try_from(limit).unwrap_or(u64::MAX)).unsigned_abs());
        let found = database
            .read(|| async |connection| Ok(select.clone().into_model::<SummaryRow>().all(connection).await?))
            .await;
        rows.extend(found.map_err(|error| error.during("list the builds of documents"))?);
    }
    let mut builds = rows.into_iter().map(convert::summary).collect::<Result<Vec<_>, _>>()?;
    builds.sort_by_key(|build| build.id);
    builds.truncate(limit);
    Ok(builds)
}

/// Returns how many builds a filter matches.
pub(crate) async fn count(database: &Database, filter: &BuildFilter) -> Result<u64, StoreError> {
    let select = Entity::find().filter(condition(filter));
    let counted = database.read(|| async |connection| Ok(select.clone().count(connection).await?)).await;
    counted.map_err(|error| error.during("count builds"))
}

/// Returns the builds that wait for a slot and those that hold one.
pub(crate) async fn queue(database: &Database) -> Result<Queue, StoreError> {
    let queue = database.read(|| async |connection| read_queue(connection).await).await;
    queue.map_err(|error| error.during("read the queue"))
}

async fn read_queue(connection: &DatabaseConnection) -> Result<Queue, Failed> {
    let states = [BuildState::Wait, BuildState::Build].map(|state| i32::from(state.code()));
    // The revision first: a slot that is granted between the two reads makes this picture an old one, never a new one.
    let counter = counters::Entity::find_by_id("queue").one(connection).await?;
    let revision = counter.ok_or_else(|| corrupt("the revision of the queue"))?.value;
    let rows = Entity::find()
        .select_only()
        .columns([Column::Id, Column::State, Column::Name, Column::Owner, Column::Since, Column::Batches])
        .filter(Column::State.is_in(states))
        .order_by_asc(Column::Id)
        .into_model::<QueuedRow>()
        .all(connection)
        .await?;
    let (waiting, running): (Vec<_>, Vec<_>) =
        rows.into_iter().partition(|row| row.state == i32::from(BuildState::Wait.code()));
    let read = |rows: Vec<QueuedRow>| rows.into_iter().map(convert::queued).collect::<Result<Vec<QueuedBuild>, _>>();
    Ok(Queue { revision: counted(revision)?, waiting: read(waiting)?, running: read(running)? })
}

fn column(order: OrderKey) -> Column {
    match order {
        OrderKey::Id => Column::Id,
        OrderKey::Name => Column::Name,
        OrderKey::Stream => Column::Stream,
        OrderKey::Version => Column::Version,
        OrderKey::Context => Column::Context,
        OrderKey::State => Column::State,
        OrderKey::Owner => Column::Owner,
        OrderKey::Submitted => Column::SubmittedAt,
        OrderKey::Modified => Column::ModifiedAt,
        OrderKey::Completed => Column::CompletedAt,
    }
}

fn condition(filter: &BuildFilter) -> Condition {
    // Without a rest pattern, so that a new part of the filter cannot be forgotten here.
    let BuildFilter {
        states,
        name,
        stream,
        version,
        context,
        owner,
        scratch,
        submitted_after,
        submitted_before,
        modified_after,
        modified_before,
        completed_after,
        completed_before,
    } = filter;
    let mut condition = Condition::all();
    if !states.is_empty() {
        condition = condition.add(Column::State.is_in(states.iter().map(|state| i32::from(state.code()))));
    }
    let texts = [
        (Column::Name, name.clone()),
        (Column::Stream, stream.clone()),
        (Column::Version, version.map(version_text)),
        (Column::Context, context.clone()),
        (Column::Owner, owner.clone()),
    ];
    for (column, text) in texts {
        condition = match text {
            None => condition,
            // No column has a NUL, and some databases refuse even to compare with one.
            Some(text) if text.contains('\0') => condition.add(Expr::val(false)),
            Some(text) => condition.add(column.eq(text)),
        };
    }
    condition = condition.add_option(scratch.map(|scratch| Column::Scratch.eq(scratch)));
    let times = [
        (Column::SubmittedAt, submitted_after, submitted_before),
        (Column::ModifiedAt, modified_after, modified_before),
        (Column::CompletedAt, completed_after, completed_before),
    ];
    for (column, after, before) in times {
        condition = condition
            .add_option(after.map(|at: Timestamp| column.gte(at.millis())))
            .add_option(before.map(|at: Timestamp| column.lte(at.millis())));
    }
    condition
}
