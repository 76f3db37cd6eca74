//! The log and how far its readers have come.

use rida_core::{BuildId, LogLine, StoreError};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use crate::convert::{self, bound, counted};
use crate::database::Database;
use crate::entities::{cursors, events};
use crate::error::Failed;

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
    let rows = query.order_by_asc(events::Column::Sequence).all(&database.readers).await;
    let rows = rows.map_err(|error| Failed::from(error).during("read the log"))?;
    rows.iter().map(convert::log_line).collect()
}

/// Returns how far a reader has come.
pub(crate) async fn cursor(database: &Database, reader: &str) -> Result<u64, StoreError> {
    let row = cursors::Entity::find_by_id(reader).one(&database.readers).await;
    let row = row.map_err(|error| Failed::from(error).during("read how far the log was read"))?;
    row.map_or(Ok(0), |row| counted(row.sequence))
}

/// Records how far a reader has come, unless it was further already.
pub(crate) async fn advance(database: &Database, reader: &str, sequence: u64) -> Result<(), StoreError> {
    use cursors::Column;
    let row = cursors::ActiveModel { reader: Set(reader.to_owned()), sequence: Set(bound(sequence)) };
    let mut forward = OnConflict::column(Column::Reader);
    forward.update_column(Column::Sequence);
    forward.action_and_where(Expr::col((cursors::Entity, Column::Sequence)).lt(bound(sequence)));
    let insert = cursors::Entity::insert(row).on_conflict(forward);
    let advanced = database.write(async |tx| Ok(insert.exec_without_returning(tx).await?)).await;
    advanced.map(|_| ()).map_err(|error| error.during("record how far the log was read"))
}
