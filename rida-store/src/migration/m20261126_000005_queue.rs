//! How often an instruction failed, and indexes in the order in which instructions are due and waiting builds are
//! served.

use sea_orm_migration::prelude::*;

const INDEXES: [(&str, [&str; 6]); 2] = [
    ("module_builds_by_age", ["state", "since", "id", "name", "owner", "batches"]),
    ("module_builds_by_batches", ["state", "batches", "since", "id", "name", "owner"]),
];

/// The first in the order in which they are taken, the second to find those of one build.
const OF_EFFECTS: [(&str, &[&str]); 2] =
    [("effects_in_order", &["due_at", "build_id", "number"]), ("effects_of_build", &["build_id", "number"])];

pub(super) struct Step;

impl MigrationName for Step {
    fn name(&self) -> &'static str {
        "m20261126_000005_queue"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Step {
    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }

    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut failures = ColumnDef::new("failures");
        failures.big_integer().not_null().default(0);
        manager.alter_table(Table::alter().table("effects").add_column(failures).to_owned()).await?;
        for (name, columns) in INDEXES {
            let mut index = Index::create();
            index.name(name).table("module_builds");
            for column in columns {
                match column {
                    "batches" if name == "module_builds_by_batches" => index.col((column, IndexOrder::Desc)),
                    _ => index.col(column),
                };
            }
            manager.create_index(index).await?;
        }
        for (name, columns) in OF_EFFECTS {
            let mut index = Index::create();
            index.name(name).table("effects");
            columns.iter().for_each(|column| {
                index.col(*column);
            });
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (name, _) in OF_EFFECTS {
            manager.drop_index(Index::drop().name(name).table("effects").to_owned()).await?;
        }
        for (name, _) in INDEXES {
            manager.drop_index(Index::drop().name(name).table("module_builds").to_owned()).await?;
        }
        manager.alter_table(Table::alter().table("effects").drop_column("failures").to_owned()).await
    }
}
