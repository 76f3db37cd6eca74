//! What clients of the Module Build Service filter lists by: the tag of a build, the build that components were taken over
//! from, the base modules that it is built against with their numbers, and names, NVRs and tasks of components.
//!
//! What the columns have of earlier rows is filled in at the start: see [`fill`](crate::database::fill).

use sea_orm_migration::prelude::*;

/// Columns, each with its table.
fn columns() -> [(&'static str, ColumnDef); 3] {
    let null = |name: &'static str, kind: fn(&mut ColumnDef) -> &mut ColumnDef| {
        let mut column = ColumnDef::new(name);
        kind(&mut column).null();
        column
    };
    [
        ("module_builds", null("tag", ColumnDef::string)),
        ("module_builds", null("reused_id", ColumnDef::big_integer)),
        ("module_build_requires", null("stream_number", ColumnDef::big_integer)),
    ]
}

/// Indexes, each with its table and columns.
const INDEXES: [(&str, &str, &[&str]); 7] = [
    ("module_builds_tag", "module_builds", &["tag"]),
    ("module_builds_reused_id", "module_builds", &["reused_id"]),
    ("module_build_requires_stream", "module_build_requires", &["name", "stream"]),
    ("module_build_requires_number", "module_build_requires", &["name", "stream_number"]),
    ("component_builds_name", "component_builds", &["name", "build_id"]),
    ("component_builds_nvr", "component_builds", &["nvr"]),
    ("component_builds_task_id", "component_builds", &["task_id"]),
];

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m20261127_000009_service_lists"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One at a time: SQLite adds no two columns in one statement.
        for (table, column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await?;
        }
        for (name, table, columns) in INDEXES {
            let mut index = Index::create();
            index.name(name).table(table);
            for column in columns {
                index.col(*column);
            }
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, table, _) in INDEXES {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        for (table, column) in columns() {
            manager.alter_table(Table::alter().table(table).drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}
