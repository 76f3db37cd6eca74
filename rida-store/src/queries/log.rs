//! The log.

use rida_core::{BuildId, LogLine, StoreError};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::convert::{self, bound, counted};
use crate::database::Database;
use crate::entities::events;

/// Returns lines of the log after a sequence number.
pub(crate) async fn after(database: &Database, sequence: u64, limit: usize) -> Result<Vec<LogLine>, StoreError> {
    let limit = bound(u64::try_from(limit).unwrap_or(u64::MAX)).unsigned_abs();
    let query = events::Entity::find().filter(events::Column::Sequence.gt(bound(sequence))).limit(limit);
    lines(database, query).await
}

/// Returns the log of one build.
pub(crate) async fn of(database: &Database, id: BuildId) -> Result<Vec<LogLine>, StoreError> {
    lines(database, events::Entity::find().filter(events::Column::BuildId.eq(id.get()))).await
}

async fn lines(database: &Database, query: Select<events::Entity>) -> Result<Vec<LogLine>, StoreError> {
    let query = query.order_by_asc(events::Column::Sequence);
    let rows = database.read(|| async |connection| Ok(query.clone().all(connection).await?)).await;
    let rows = rows.map_err(|error| error.during("read the log"))?;
    rows.iter().map(convert::log_line).collect()
}

/// Returns the number of the last line.
pub(crate) async fn end(database: &Database) -> Result<u64, StoreError> {
    let last = events::Entity::find().select_only().column_as(events::Column::Sequence.max(), "last");
    let last =
        database.read(|| async |connection| Ok(last.clone().into_tuple::<Option<i64>>().one(connection).await?)).await;
    let last = last.map_err(|error| error.during("read the end of the log"))?;
    last.flatten().map_or(Ok(0), counted)
}
