//! Facts about the database as a whole, and texts that are ordered by their bytes.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{string, text};
use sea_orm_migration::sea_orm::DbBackend;

use super::NEEDED_STEPS;

/// Columns of text that are keys, or that lists are ordered by. SQLite orders them by their bytes. PostgreSQL would
/// order them as the language of the database does, which changes with the C library and spoils their indexes.
const TEXTS: [(&str, &str); 12] = [
    ("module_builds", "name"),
    ("module_builds", "stream"),
    ("module_builds", "version"),
    ("module_builds", "context"),
    ("module_builds", "owner"),
    ("effects", "id"),
    ("effects", "lease_owner"),
    ("cursors", "reader"),
    ("cursors", "lease_owner"),
    ("parked", "reader"),
    ("counters", "name"),
    ("settings", "name"),
];

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m20261126_000004_settings"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::create();
        table.table("settings").col(string("name").primary_key()).col(text("value"));
        manager.create_table(table).await?;
        let mut insert = Query::insert();
        // See `docs/postgresql.md` on versions: a later step raises it once it takes away what this software uses.
        insert.into_table("settings").columns(["name", "value"]).values_panic([NEEDED_STEPS.into(), "4".into()]);
        manager.execute(insert).await?;
        collate(manager, "C", &TEXTS).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("settings").to_owned()).await?;
        let without_settings = TEXTS.split_last().map_or(&TEXTS[..], |(_, others)| others);
        collate(manager, "default", without_settings).await
    }
}

async fn collate(manager: &SchemaManager<'_>, collation: &str, columns: &[(&str, &str)]) -> Result<(), DbErr> {
    if manager.get_database_backend() != DbBackend::Postgres {
        return Ok(());
    }
    for (table, column) in columns {
        let sql = format!("ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar COLLATE \"{collation}\"");
        manager.get_connection().execute_unprepared(&sql).await?;
    }
    Ok(())
}
