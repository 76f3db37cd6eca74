//! Lists of builds, and the queue.

use rida_core::scm::ScmUrl;
use rida_core::{
    BaseModuleFilter, BuildFilter, BuildState, BuildSummary, ListQuery, ModuleName, OrderKey, Queue, QueuedBuild,
    StoreError, StreamName, StreamVersion, Timestamp,
};
use sea_orm::sea_query::{Expr, NullOrdering, Query, SelectStatement};
use sea_orm::{ColumnTrait, Condition, DatabaseConnection, EntityTrait, Order, PaginatorTrait};
use sea_orm::{QueryFilter, QueryOrder, QuerySelect, Select};

use crate::convert::{self, QueuedRow, SummaryRow, bound, counted, version_text};
use crate::database::Database;
use crate::entities::module_builds::{Column, Entity};
use crate::entities::{counters, module_build_requires};
use crate::error::{Failed, corrupt};
use crate::queries::load::summaries;

/// Returns one page of builds.
pub(crate) async fn list(database: &Database, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError> {
    let select = page(query);
    let rows =
        database.read(|| async |connection| Ok(select.clone().into_model::<SummaryRow>().all(connection).await?)).await;
    let rows = rows.map_err(|error| error.during("list builds"))?;
    rows.into_iter().map(convert::summary).collect()
}

/// Selects one page of builds.
pub(super) fn page(query: &ListQuery) -> Select<Entity> {
    let (order, nulls) = match query.descending {
        false => (Order::Asc, NullOrdering::First),
        true => (Order::Desc, NullOrdering::Last),
    };
    let mut select = summaries().filter(condition(&query.filter));
    if let Some(after) = query.after {
        let id = after.get();
        select = select.filter(if query.descending { Column::Id.lt(id) } else { Column::Id.gt(id) });
    }
    for key in &query.order {
        select = match key {
            OrderKey::Completed => select.order_by_with_nulls(Column::CompletedAt, order.clone(), nulls),
            key => select.order_by(column(*key), order.clone()),
        };
    }
    let select = if query.order.last() == Some(&OrderKey::Id) { select } else { select.order_by(Column::Id, order) };
    // The numbers are bound as unsigned ones, of which a database knows only the lower half.
    select.offset(bound(query.offset).unsigned_abs()).limit(bound(query.limit).unsigned_abs())
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
    let select = matching(filter);
    let counted = database.read(|| async |connection| Ok(select.clone().count(connection).await?)).await;
    counted.map_err(|error| error.during("count builds"))
}

/// Selects the builds that a filter matches.
pub(super) fn matching(filter: &BuildFilter) -> Select<Entity> {
    Entity::find().select_only().column(Column::Id).filter(condition(filter))
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
        tag,
        scm_url,
        rebuild_strategy,
        reused,
        build_context,
        reason,
        base_module,
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
        (Column::Tag, tag.clone()),
        (Column::ScmUrl, scm_url.clone()),
        (Column::RebuildStrategy, rebuild_strategy.map(|strategy| strategy.name().to_owned())),
        (Column::BuildContext, build_context.clone()),
        (Column::Reason, reason.clone()),
    ];
    for (column, text) in texts {
        condition = condition.add_option(text.map(|text| is(column, text)));
    }
    condition = condition
        // What came from no place has an empty one.
        .add_option(scm_url.is_some().then(|| Column::ScmUrl.ne("")))
        .add_option(scratch.map(|scratch| Column::Scratch.eq(scratch)))
        .add_option(reused.map(|reused| Column::ReusedId.eq(reused.get())))
        .add_option(base_module.as_ref().map(|base| Column::Id.in_subquery(against(base))));
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

/// Compares a column with a text that somebody asks for.
fn is(column: impl ColumnTrait, text: String) -> Expr {
    // No column has a NUL, and some databases refuse even to compare with one.
    if text.contains('\0') { Expr::val(false) } else { column.eq(text) }
}

/// Selects the ids of the builds that are built against a base module, which is no build itself.
fn against(base: &BaseModuleFilter) -> SelectStatement {
    use module_build_requires::{Column, Entity};
    let BaseModuleFilter { name, stream, least, most, numbers } = base;
    let number = |number: StreamVersion| bound(number.thousandths());
    let mut condition = Condition::all()
        .add(Column::RequiredId.is_null())
        .add_option(name.clone().map(|name| is(Column::Name, name)))
        .add_option(stream.clone().map(|stream| is(Column::Stream, stream)));
    if base.has_range() {
        let named = |(name, stream): &(ModuleName, StreamName)| {
            Condition::all().add(Column::Name.eq(name.as_str())).add(Column::Stream.eq(stream.as_str()))
        };
        let by_name = Condition::all()
            .add_option(least.map(|least| Column::StreamNumber.gte(number(least))))
            .add_option(most.map(|most| Column::StreamNumber.lte(number(most))));
        let by_name = numbers.keys().fold(by_name, |all, known| all.add(named(known).not()));
        let given = numbers.iter().filter(|(_, number)| base.contains(**number));
        condition = condition.add(given.fold(Condition::any().add(by_name), |any, (known, _)| any.add(named(known))));
    }
    Query::select().column(Column::BuildId).from(Entity).cond_where(condition).to_owned()
}
