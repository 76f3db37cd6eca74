//! What a build was built against and by which strategy, to find those that components may be taken over from.
//!
//! Rows of before have neither: nothing is taken over from them.

use sea_orm_migration::prelude::*;

const COLUMNS: [&str; 2] = ["build_context", "rebuild_strategy"];

const INDEX: &str = "module_builds_donors";

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m20261127_000007_reuse"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One at a time: SQLite adds no two columns in one statement.
        for name in COLUMNS {
            let mut column = ColumnDef::new(name);
            column.string().null();
            manager.alter_table(Table::alter().table("module_builds").add_column(column).to_owned()).await?;
        }
        let mut index = Index::create();
        index.name(INDEX).table("module_builds");
        index.col("name").col("stream").col("build_context").col("state").col("completed_at");
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(INDEX).table("module_builds").to_owned()).await?;
        for name in COLUMNS {
            manager.alter_table(Table::alter().table("module_builds").drop_column(name).to_owned()).await?;
        }
        Ok(())
    }
}
