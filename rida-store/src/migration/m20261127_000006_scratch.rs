//! Which builds are only tried.

use sea_orm_migration::prelude::*;

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m20261127_000006_scratch"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut scratch = ColumnDef::new("scratch");
        scratch.boolean().not_null().default(false);
        manager.alter_table(Table::alter().table("module_builds").add_column(scratch).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("module_builds").drop_column("scratch").to_owned()).await
    }
}
