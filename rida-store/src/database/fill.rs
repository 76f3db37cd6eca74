//! What columns of later versions have of rows that earlier ones wrote.

use rida_core::{BuildId, ModuleBuild};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ColumnTrait, DatabaseConnection, DatabaseTransaction, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
};

use super::Database;
use crate::convert;
use crate::entities::{module_build_requires, module_builds};
use crate::error::Failed;
use crate::queries::load;

/// How many builds are read at once.
const AT_ONCE: u64 = 100;

impl Database {
    /// Fills in what lists are filtered by where a server wrote rows that did not know of it: before the columns were
    /// there, or beside a newer one. Everything else goes on meanwhile, and any number of processes may do so at once.
    pub(super) async fn fill(&self) -> Result<(), Failed> {
        let (mut after, mut filled) = (0, 0_u64);
        loop {
            let ids = self.read(|| async |connection| unfilled(connection, after).await).await?;
            let Some(last) = ids.last() else { break };
            after = *last;
            let ids = ids.into_iter().map(convert::build_id).collect::<Result<Vec<BuildId>, _>>()?;
            for build in load::readable(self, &ids).await? {
                self.write(|| async |tx| fill(tx, &build).await).await?;
                filled += 1;
            }
        }
        if filled > 0 {
            tracing::info!(builds = filled, "columns that lists are filtered by were filled in");
        }
        Ok(())
    }
}

/// Returns builds after one whose columns are not filled in, in the order of their ids.
async fn unfilled(connection: &DatabaseConnection, after: i64) -> Result<Vec<i64>, Failed> {
    use module_builds::{Column, Entity};
    let select = Entity::find().select_only().column(Column::Id).filter(Column::Tag.is_null());
    let select = select.filter(Column::Id.gt(after)).order_by_asc(Column::Id).limit(AT_ONCE);
    Ok(select.into_tuple().all(connection).await?)
}

async fn fill(tx: &DatabaseTransaction, build: &ModuleBuild) -> Result<(), Failed> {
    use module_builds::{Column, Entity};
    let (tag, reused) = (Some(build.tag().to_string()), build.donor().map(BuildId::get));
    // One that was changed since it was read is filled in by who changed it, or at the next start.
    let update =
        Entity::update_many().col_expr(Column::Tag, Expr::val(tag)).col_expr(Column::ReusedId, Expr::val(reused));
    let update = update
        .filter(Column::Id.eq(build.id.get()))
        .filter(Column::Tag.is_null())
        .filter(Column::Revision.eq(convert::column(build.revision)?));
    if update.exec(tx).await?.rows_affected == 0 {
        return Ok(());
    }
    for (position, require) in (0_i64..).zip(&build.submission.build_requires) {
        use module_build_requires::{Column, Entity};
        let number = convert::stream_number(&require.stream);
        let update = Entity::update_many().col_expr(Column::StreamNumber, Expr::val(number));
        update.filter(Column::BuildId.eq(build.id.get())).filter(Column::Position.eq(position)).exec(tx).await?;
    }
    Ok(())
}
