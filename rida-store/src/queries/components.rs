//! Lists of components.

use rida_core::{ComponentFilter, ComponentId, ComponentQuery, ComponentState, ComponentSummary, StoreError, TaskId};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, FromQueryResult, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select,
};

use crate::convert::{self, bound};
use crate::database::Database;
use crate::entities::component_builds::{Column, Entity};
use crate::error::corrupt;

/// The columns that a list reads.
#[derive(Debug, FromQueryResult)]
struct Row {
    build_id: i64,
    position: i64,
    name: String,
    batch: i64,
    state: String,
    task_id: Option<i64>,
    nvr: Option<String>,
    reason: Option<String>,
}

/// Returns one page of components.
pub(crate) async fn list(database: &Database, query: &ComponentQuery) -> Result<Vec<ComponentSummary>, StoreError> {
    let select = page(query);
    let rows = database.read(|| async |connection| Ok(select.clone().into_model::<Row>().all(connection).await?)).await;
    rows.map_err(|error| error.during("list components"))?.into_iter().map(summary).collect()
}

/// Selects one page of components.
pub(super) fn page(query: &ComponentQuery) -> Select<Entity> {
    let order = if query.descending { Order::Desc } else { Order::Asc };
    Entity::find()
        .select_only()
        .columns([Column::BuildId, Column::Position, Column::Name, Column::Batch, Column::State])
        .columns([Column::TaskId, Column::Nvr, Column::Reason])
        .filter(condition(&query.filter))
        .order_by(Column::BuildId, order.clone())
        .order_by(Column::Position, order)
        .offset(bound(query.offset).unsigned_abs())
        .limit(bound(query.limit).unsigned_abs())
}

/// Returns how many components a filter matches.
pub(crate) async fn count(database: &Database, filter: &ComponentFilter) -> Result<u64, StoreError> {
    let select = matching(filter);
    let counted = database.read(|| async |connection| Ok(select.clone().count(connection).await?)).await;
    counted.map_err(|error| error.during("count components"))
}

/// Selects the components that a filter matches.
pub(super) fn matching(filter: &ComponentFilter) -> Select<Entity> {
    Entity::find().select_only().column(Column::BuildId).filter(condition(filter))
}

fn condition(filter: &ComponentFilter) -> Condition {
    // Without a rest pattern, so that a new part of the filter cannot be forgotten here.
    let ComponentFilter { build, name, states, task, nvr, batch, commit } = filter;
    let mut condition = Condition::all()
        .add_option(build.map(|build| Column::BuildId.eq(build.get())))
        .add_option(task.map(|task| Column::TaskId.eq(task.0)))
        .add_option(batch.map(|batch| Column::Batch.eq(i64::from(batch))))
        .add_option(states.as_ref().map(|states| Column::State.is_in(states.iter().copied())));
    for (column, text) in [(Column::Name, name), (Column::Nvr, nvr), (Column::SourceCommit, commit)] {
        condition = match text {
            None => condition,
            // No column has a NUL, and some databases refuse even to compare with one.
            Some(text) if text.contains('\0') => condition.add(Expr::val(false)),
            Some(text) => condition.add(column.eq(text.as_str())),
        };
    }
    condition
}

fn summary(row: Row) -> Result<ComponentSummary, StoreError> {
    let build = convert::build_id(row.build_id)?;
    let unreadable = |what: &str| corrupt(format_args!("the {what} of a component of build {build}"));
    let index = u32::try_from(row.position).map_err(|error| unreadable("place").because(error))?;
    let state = ComponentState::NAMES.into_iter().find(|name| *name == row.state);
    Ok(ComponentSummary {
        id: ComponentId { build, index },
        name: row.name.parse().map_err(|error| unreadable("name").because(error))?,
        batch: u32::try_from(row.batch).map_err(|error| unreadable("batch").because(error))?,
        state: state.ok_or_else(|| unreadable("state"))?,
        task: row.task_id.map(TaskId),
        nvr: row.nvr.map(|nvr| nvr.parse().map_err(|error| unreadable("nvr").because(error))).transpose()?,
        reason: row.reason,
    })
}
