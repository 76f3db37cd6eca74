//! Leases of the readers of the log, and what they park.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, boolean, string, string_null, text};

/// The columns that cursors get.
const LEASE: [&str; 2] = ["lease_owner", "lease_until"];

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m20261126_000003_readers"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [string_null("lease_owner"), big_integer_null("lease_until")] {
            manager.alter_table(Table::alter().table("cursors").add_column(column).to_owned()).await?;
        }
        let mut table = Table::create();
        table.table("parked");
        table.col(string("reader")).col(big_integer("sequence")).col(big_integer("build_id"));
        table.col(big_integer("revision")).col(big_integer("position"));
        table.col(text("reason")).col(big_integer("at")).col(boolean("retrying"));
        let mut key = Index::create();
        key.col("reader").col("sequence").col("build_id").col("revision").col("position");
        table.primary_key(&mut key);
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("parked").to_owned()).await?;
        for column in LEASE {
            manager.alter_table(Table::alter().table("cursors").drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
