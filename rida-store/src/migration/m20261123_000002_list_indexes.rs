//! Indexes for what lists of builds are filtered and ordered by.

use sea_orm_migration::prelude::*;

const INDEXES: [(&str, &str); 2] = [("module_builds_owner", "owner"), ("module_builds_modified_at", "modified_at")];

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m20261123_000002_list_indexes"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, column) in INDEXES {
            let index = Index::create().name(name).table("module_builds").col(column).to_owned();
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in INDEXES {
            manager.drop_index(Index::drop().name(name).table("module_builds").to_owned()).await?;
        }
        Ok(())
    }
}
