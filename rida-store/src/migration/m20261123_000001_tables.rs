//! Builds, components, instructions and the log.

use sea_orm_migration::prelude::*;
use sea_orm_migration::schema::{big_integer, big_integer_null, integer, string, string_null, text, text_null};

/// The tables, from those that others refer to down to the rest.
const TABLES: [&str; 8] = [
    "module_builds",
    "module_submissions",
    "module_build_requires",
    "component_builds",
    "events",
    "effects",
    "cursors",
    "counters",
];

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m20261123_000001_tables"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        builds(manager).await?;
        components(manager).await?;
        log(manager).await?;
        effects(manager).await?;
        counters(manager).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in TABLES.into_iter().rev() {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

async fn builds(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table.table("module_builds");
    table.col(big_integer("id").primary_key());
    table.col(big_integer("revision"));
    table.col(string("name")).col(string("stream")).col(string("version")).col(string("context"));
    table.col(integer("state"));
    table.col(string("owner")).col(text("scm_url")).col(text_null("reason"));
    table.col(big_integer("batches"));
    table.col(big_integer("submitted_at")).col(big_integer("modified_at")).col(big_integer("since"));
    table.col(big_integer_null("completed_at")).col(big_integer_null("look_at"));
    table.col(text("document"));
    manager.create_table(table).await?;

    let mut unique = Index::create();
    unique.name("module_builds_nsvc").table("module_builds").unique();
    unique.col("name").col("stream").col("version").col("context");
    manager.create_index(unique).await?;
    index(manager, "module_builds", "module_builds_state", "state").await?;
    index(manager, "module_builds", "module_builds_look_at", "look_at").await?;

    let mut table = Table::create();
    table.table("module_submissions");
    table.col(big_integer("build_id").primary_key());
    table.col(text("document"));
    table.foreign_key(&mut of_build("module_submissions"));
    manager.create_table(table).await?;

    let mut table = Table::create();
    table.table("module_build_requires");
    table.col(big_integer("build_id")).col(big_integer("position"));
    table.col(string("name")).col(string("stream")).col(big_integer_null("required_id"));
    table.primary_key(Index::create().col("build_id").col("position"));
    table.foreign_key(&mut of_build("module_build_requires"));
    manager.create_table(table).await
}

async fn components(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table.table("component_builds");
    table.col(big_integer("build_id")).col(big_integer("position"));
    table.col(string("name")).col(big_integer("batch")).col(string("state"));
    table.col(big_integer_null("task_id")).col(string_null("nvr")).col(big_integer("attempt"));
    table.col(text_null("reason")).col(string_null("source_commit"));
    table.col(text("document"));
    table.primary_key(Index::create().col("build_id").col("position"));
    table.foreign_key(&mut of_build("component_builds"));
    manager.create_table(table).await
}

async fn log(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table.table("events");
    table.col(big_integer("sequence").primary_key());
    table.col(big_integer("build_id")).col(big_integer("revision")).col(big_integer("at"));
    table.col(text("event")).col(text("announcements"));
    table.foreign_key(&mut of_build("events"));
    manager.create_table(table).await?;
    index(manager, "events", "events_build_id", "build_id").await?;

    let mut table = Table::create();
    table.table("cursors");
    table.col(string("reader").primary_key()).col(big_integer("sequence"));
    manager.create_table(table).await
}

async fn effects(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table.table("effects");
    table.col(string("id").primary_key());
    table.col(big_integer("build_id")).col(big_integer("number"));
    table.col(big_integer("due_at")).col(big_integer("attempts"));
    table.col(string_null("lease_owner")).col(big_integer_null("lease_until"));
    table.col(text_null("last_error")).col(text("effect"));
    table.foreign_key(&mut of_build("effects"));
    manager.create_table(table).await?;
    index(manager, "effects", "effects_due_at", "due_at").await
}

/// Numbers that must not be given twice. A row is locked from its change to the end of the transaction: who comes
/// second gets a larger number and becomes visible later, on every database.
async fn counters(manager: &SchemaManager<'_>) -> Result<(), DbErr> {
    let mut table = Table::create();
    table.table("counters");
    table.col(string("name").primary_key()).col(big_integer("value"));
    manager.create_table(table).await?;
    for name in ["build", "log", "queue"] {
        let mut insert = Query::insert();
        insert.into_table("counters").columns(["name", "value"]).values_panic([name.into(), 0_i64.into()]);
        manager.execute(insert).await?;
    }
    Ok(())
}

fn of_build(table: &'static str) -> ForeignKeyCreateStatement {
    let mut key = ForeignKey::create();
    key.name(format!("{table}_build_id")).from(table, "build_id").to("module_builds", "id").to_owned()
}

async fn index(
    manager: &SchemaManager<'_>,
    table: &'static str,
    name: &'static str,
    column: &'static str,
) -> Result<(), DbErr> {
    manager.create_index(Index::create().name(name).table(table).col(column).to_owned()).await
}
