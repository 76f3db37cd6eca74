//! The readers of the log: their places, their leases, and what they park.

use rida_core::{
    AnnouncementId, BuildId, LeaseTimes, Parked, ParkedFilter, ReaderState, StoreError, Timestamp, WorkerId,
};
use sea_orm::ActiveValue::Set;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DatabaseTransaction, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
    QuerySelect,
};

use crate::convert::{self, bound, counted, plain};
use crate::database::Database;
use crate::entities::{cursors, parked};
use crate::error::Failed;

/// How many rows one statement inserts; databases limit the values of a statement.
const ROWS_AT_ONCE: usize = 500;

/// How much of a reason is kept.
const REASON_CHARACTERS: usize = 2000;

/// Returns where a reader is.
pub(crate) async fn state(database: &Database, reader: &str) -> Result<ReaderState, StoreError> {
    match database.read(|| async |connection| read(connection, reader).await).await {
        Ok(state) => Ok(state.unwrap_or_default()),
        Err(error) => Err(error.during("read how far the log was read")),
    }
}

async fn read(connection: &impl ConnectionTrait, reader: &str) -> Result<Option<ReaderState>, Failed> {
    let reader = plain(reader);
    let Some(row) = cursors::Entity::find_by_id(reader.as_str()).one(connection).await? else { return Ok(None) };
    let of_reader = parked::Entity::find().filter(parked::Column::Reader.eq(reader.as_str()));
    let parked = of_reader.clone().count(connection).await?;
    let retrying =
        if parked == 0 { 0 } else { of_reader.filter(parked::Column::Retrying.eq(true)).count(connection).await? };
    let until = row.lease_until.map(Timestamp::from_millis);
    Ok(Some(ReaderState {
        known: true,
        sequence: counted(row.sequence)?,
        lease: row.lease_owner.map(WorkerId).zip(until),
        parked,
        retrying,
    }))
}

/// Makes a reader that is not known begin behind a line.
pub(crate) async fn start(database: &Database, reader: &str, sequence: u64) -> Result<(), StoreError> {
    use cursors::{Column, Entity};
    let name = plain(reader);
    let row = || cursors::ActiveModel {
        reader: Set(name.clone()),
        sequence: Set(bound(sequence)),
        lease_owner: Set(None),
        lease_until: Set(None),
    };
    let known = OnConflict::column(Column::Reader).do_nothing().to_owned();
    let insert = || Entity::insert(row()).on_conflict(known.clone());
    let started = database.write(|| async |tx| Ok(insert().exec_without_returning(tx).await?)).await;
    started.map(|_| ()).map_err(|error| error.during("begin to read the log"))
}

/// Leases a reader to a worker, unless another holds it.
pub(crate) async fn take(
    database: &Database,
    reader: &str,
    worker: &WorkerId,
    LeaseTimes { now, until, latest }: LeaseTimes,
) -> Result<Option<ReaderState>, StoreError> {
    use cursors::{Column, Entity};
    let (name, owner) = (plain(reader), plain(&worker.0));
    let row = || cursors::ActiveModel {
        reader: Set(name.clone()),
        sequence: Set(0),
        lease_owner: Set(Some(owner.clone())),
        lease_until: Set(Some(until.millis())),
    };
    let mut known = OnConflict::column(Column::Reader);
    known.update_columns([Column::LeaseOwner, Column::LeaseUntil]);
    let free = Expr::col((Entity, Column::LeaseOwner)).is_null();
    let own = Expr::col((Entity, Column::LeaseOwner)).eq(owner.as_str());
    let ended = Expr::col((Entity, Column::LeaseUntil)).lte(now.millis());
    let lost = Expr::col((Entity, Column::LeaseUntil)).gt(latest.millis());
    known.action_and_where(free.or(own).or(ended).or(lost));
    let lease = || Entity::insert(row()).on_conflict(known.clone());
    let taken = database
        .write(|| {
            async |tx| match lease().exec_without_returning(tx).await? {
                0 => Ok(None),
                _ => read(tx, reader).await,
            }
        })
        .await;
    taken.map_err(|error| error.during("lease a reader of the log"))
}

/// Moves a reader on, and parks announcements.
pub(crate) async fn advance(
    database: &Database,
    reader: &str,
    worker: &WorkerId,
    (from, to): (u64, u64),
    parked: &[Parked],
) -> Result<bool, StoreError> {
    use cursors::Column;
    let name = plain(reader);
    let update = cursors::Entity::update_many()
        .col_expr(Column::Sequence, Expr::value(bound(to)))
        .filter(Column::Reader.eq(name.as_str()))
        .filter(Column::LeaseOwner.eq(plain(&worker.0)))
        .filter(Column::Sequence.eq(bound(from)));
    let advance = || {
        async |tx: &DatabaseTransaction| {
            if update.clone().exec(tx).await?.rows_affected == 0 {
                return Ok(false);
            }
            for some in parked.chunks(ROWS_AT_ONCE) {
                let rows = some.iter().map(|parked| convert::parked_row(&name, parked, shortened(&parked.reason)));
                use parked::Column;
                let key = [Column::Reader, Column::Sequence, Column::BuildId, Column::Revision, Column::Position];
                let there = OnConflict::columns(key).do_nothing().to_owned();
                let insert = parked::Entity::insert_many(rows).on_conflict(there);
                insert.exec_without_returning(tx).await?;
            }
            Ok(true)
        }
    };
    // Done a second time, it would seem as if somebody else had taken the reader.
    let is_advanced = |advanced: &bool| {
        let advanced = *advanced;
        let there = cursors::Entity::find_by_id(name.as_str()).lock_exclusive();
        let owner = plain(&worker.0);
        async move |tx: &DatabaseTransaction| {
            let ours = |row: cursors::Model| row.lease_owner == Some(owner) && row.sequence == bound(to);
            Ok(!advanced || there.one(tx).await?.is_some_and(ours))
        }
    };
    let advanced = database.write_once(advance, is_advanced).await;
    advanced.map_err(|error| error.during("record how far the log was read"))
}

/// Ends the lease that a worker holds of a reader.
pub(crate) async fn release(database: &Database, reader: &str, worker: &WorkerId) -> Result<(), StoreError> {
    use cursors::Column;
    let update = cursors::Entity::update_many()
        .col_expr(Column::LeaseOwner, Expr::value(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<i64>))
        .filter(Column::Reader.eq(plain(reader)))
        .filter(Column::LeaseOwner.eq(plain(&worker.0)));
    let released = database.write(|| async |tx| Ok(update.clone().exec(tx).await?)).await;
    released.map(|_| ()).map_err(|error| error.during("release a reader of the log"))
}

/// Ends the leases of all readers, whoever holds them, and returns how many there were.
pub(crate) async fn release_all(database: &Database) -> Result<u64, StoreError> {
    use cursors::Column;
    let update = cursors::Entity::update_many()
        .col_expr(Column::LeaseOwner, Expr::value(None::<String>))
        .col_expr(Column::LeaseUntil, Expr::value(None::<i64>))
        .filter(Column::LeaseUntil.is_not_null());
    let released = database.write(|| async |tx| Ok(update.clone().exec(tx).await?)).await;
    released.map(|released| released.rows_affected).map_err(|error| error.during("end leases"))
}

/// Moves a reader back.
pub(crate) async fn rewind(database: &Database, reader: &str, sequence: u64) -> Result<(), StoreError> {
    use cursors::Column;
    let update = cursors::Entity::update_many()
        .col_expr(Column::Sequence, Expr::value(bound(sequence)))
        .filter(Column::Reader.eq(plain(reader)))
        .filter(Column::Sequence.gt(bound(sequence)));
    let rewound = database.write(|| async |tx| Ok(update.clone().exec(tx).await?)).await;
    rewound.map(|_| ()).map_err(|error| error.during("move a reader of the log back"))
}

/// Returns parked announcements in the order of the log.
pub(crate) async fn parked(
    database: &Database,
    reader: &str,
    filter: ParkedFilter,
    limit: usize,
) -> Result<Vec<Parked>, StoreError> {
    use parked::Column;
    let ParkedFilter { build, retrying } = filter;
    let mut query = parked::Entity::find().filter(Column::Reader.eq(plain(reader)));
    if let Some(build) = build {
        query = query.filter(Column::BuildId.eq(build.get()));
    }
    if retrying {
        query = query.filter(Column::Retrying.eq(true));
    }
    let ordered = [Column::Sequence, Column::BuildId, Column::Revision, Column::Position];
    let query = ordered.into_iter().fold(query, QueryOrder::order_by_asc);
    let limit = bound(u64::try_from(limit).unwrap_or(u64::MAX)).unsigned_abs();
    let query = query.limit(limit);
    let rows = database.read(|| async |connection| Ok(query.clone().all(connection).await?)).await;
    let rows = rows.map_err(|error| error.during("read what is parked"))?;
    rows.into_iter().map(convert::parked).collect()
}

/// Marks parked announcements to be tried again.
pub(crate) async fn retry(database: &Database, reader: &str, build: Option<BuildId>) -> Result<u64, StoreError> {
    use parked::Column;
    let mut meant = Condition::all().add(Column::Reader.eq(plain(reader)));
    if let Some(build) = build {
        meant = meant.add(Column::BuildId.eq(build.get()));
    }
    // Those that are marked already, thousands perhaps, are not written anew.
    let update = parked::Entity::update_many()
        .col_expr(Column::Retrying, Expr::value(true))
        .filter(meant.clone())
        .filter(Column::Retrying.eq(false));
    let marked = parked::Entity::find().filter(meant).filter(Column::Retrying.eq(true));
    let count = database.write(|| {
        async |tx| {
            update.clone().exec(tx).await?;
            Ok(marked.clone().count(tx).await?)
        }
    });
    count.await.map_err(|error| error.during("mark what is parked"))
}

/// Removes a parked announcement.
pub(crate) async fn unpark(database: &Database, reader: &str, id: AnnouncementId) -> Result<(), StoreError> {
    let delete = parked::Entity::delete_many().filter(named(reader, id));
    let removed = database.write(|| async |tx| Ok(delete.clone().exec(tx).await?)).await;
    removed.map(|_| ()).map_err(|error| error.during("remove what was parked"))
}

/// Records that a parked announcement was refused again.
pub(crate) async fn keep(
    database: &Database,
    reader: &str,
    id: AnnouncementId,
    reason: &str,
) -> Result<(), StoreError> {
    use parked::Column;
    let stop = parked::Entity::update_many()
        .col_expr(Column::Retrying, Expr::value(false))
        .filter(Column::Reader.eq(plain(reader)))
        .filter(Column::BuildId.eq(id.build.get()));
    let tell = parked::Entity::update_many()
        .col_expr(Column::Reason, Expr::value(shortened(reason)))
        .filter(named(reader, id));
    let kept = database.write(|| {
        async |tx| {
            stop.clone().exec(tx).await?;
            tell.clone().exec(tx).await?;
            Ok(())
        }
    });
    kept.await.map_err(|error: Failed| error.during("record why it is parked"))
}

fn named(reader: &str, id: AnnouncementId) -> Condition {
    use parked::Column;
    Condition::all()
        .add(Column::Reader.eq(plain(reader)))
        .add(Column::BuildId.eq(id.build.get()))
        .add(Column::Revision.eq(bound(id.revision)))
        .add(Column::Position.eq(i64::from(id.index)))
}

fn shortened(reason: &str) -> String {
    plain(reason).chars().take(REASON_CHARACTERS).collect()
}
