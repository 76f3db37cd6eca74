//! The head of the queue, and whether there is room in it.

use rida_core::plan::{Full, Impatient};
use rida_core::{
    BuildState, Limits, ModuleBuild, Queue, QueueFull, QueueRoom, QueuedBuild, StoreError, StoreErrorKind, Timestamp,
};
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ColumnTrait, Condition, DatabaseConnection, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter,
    QueryOrder, QuerySelect, Select,
};

use crate::convert::{self, QueuedRow, bound, counted};
use crate::database::Database;
use crate::entities::counters;
use crate::entities::module_builds::{Column, Entity};
use crate::error::{Failed, corrupt};

/// Returns the builds that hold a slot, and those that wait and are served first.
pub(crate) async fn head(
    database: &Database,
    limits: &Limits,
    now: Timestamp,
    limit: usize,
) -> Result<Queue, StoreError> {
    let head = database.read(|| async |connection| read(connection, limits, now, limit).await).await;
    head.map_err(|error| error.during("read the head of the queue"))
}

async fn read(connection: &DatabaseConnection, limits: &Limits, now: Timestamp, limit: usize) -> Result<Queue, Failed> {
    // The revision first, as for the whole queue.
    let counter = counters::Entity::find_by_id("queue").one(connection).await?;
    let revision = counted(counter.ok_or_else(|| corrupt("the revision of the queue"))?.value)?;
    let running = rows(connection, in_state(BuildState::Build).order_by_asc(Column::Id)).await?;
    if running.len() >= limits.builds {
        return Ok(Queue { revision, waiting: Vec::new(), running });
    }
    let Full { modules, owners } = Full::of(&running, limits);
    let mut waiting = in_state(BuildState::Wait);
    if !modules.is_empty() {
        waiting = waiting.filter(Column::Name.is_not_in(modules.iter().map(|name| name.as_str())));
    }
    if !owners.is_empty() {
        waiting = waiting.filter(Column::Owner.is_not_in(owners.iter().map(|owner| owner.as_str())));
    }
    let Impatient { since, ahead } = Impatient::at(now, limits);
    let (since, ahead) = (Column::Since.lte(since.millis()), Column::Since.gt(ahead.millis()));
    let by_age = waiting.clone().filter(Condition::any().add(since.clone()).add(ahead.clone()));
    let by_age = by_age.order_by_asc(Column::Since).order_by_asc(Column::Id);
    let mut found = rows(connection, by_age.limit(rows_at_most(limit))).await?;
    let by_batches = waiting.filter(since.not()).filter(ahead.not());
    let by_batches = by_batches.order_by_desc(Column::Batches).order_by_asc(Column::Since).order_by_asc(Column::Id);
    if found.len() < limit {
        found.extend(rows(connection, by_batches.limit(rows_at_most(limit - found.len()))).await?);
    }
    Ok(Queue { revision, waiting: found, running })
}

fn in_state(state: BuildState) -> Select<Entity> {
    Entity::find()
        .select_only()
        .columns([Column::Id, Column::State, Column::Name, Column::Owner, Column::Since, Column::Batches])
        .filter(Column::State.eq(i32::from(state.code())))
}

async fn rows(connection: &DatabaseConnection, select: Select<Entity>) -> Result<Vec<QueuedBuild>, Failed> {
    let rows = select.into_model::<QueuedRow>().all(connection).await?;
    Ok(rows.into_iter().map(convert::queued).collect::<Result<_, _>>()?)
}

fn rows_at_most(limit: usize) -> u64 {
    bound(u64::try_from(limit).unwrap_or(u64::MAX)).unsigned_abs()
}

/// Refuses a change that puts one build too many into the queue; it has been written in this transaction.
pub(crate) async fn check_room(tx: &DatabaseTransaction, build: &ModuleBuild, room: &QueueRoom) -> Result<(), Failed> {
    // Who enters the queue holds this row to the end of the transaction: of two at once the second sees the first.
    let unchanged =
        counters::Entity::update_many().col_expr(counters::Column::Value, Expr::col(counters::Column::Value));
    unchanged.filter(counters::Column::Name.eq("queue")).exec(tx).await?;
    let queued = [BuildState::Init, BuildState::Wait].map(|state| i32::from(state.code()));
    let queued = || Entity::find().filter(Column::State.is_in(queued));
    let others = |count: u64| usize::try_from(count.saturating_sub(1)).unwrap_or(usize::MAX);
    let in_all = others(queued().count(tx).await?);
    let full = if in_all >= room.in_all {
        QueueFull::InAll(in_all)
    } else {
        let of_module = others(queued().filter(Column::Name.eq(build.nsvc().name.as_str())).count(tx).await?);
        let of_owner = others(queued().filter(Column::Owner.eq(build.submission.owner.as_str())).count(tx).await?);
        if of_module >= room.of_module {
            QueueFull::OfModule(of_module)
        } else if of_owner >= room.of_owner {
            QueueFull::OfOwner(of_owner)
        } else {
            return Ok(());
        }
    };
    let message = full.to_string();
    Err(StoreError::new(StoreErrorKind::QueueFull(full), message).into())
}
