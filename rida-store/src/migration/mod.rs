//! The steps from an empty database to the tables of this version, oldest first. A released step never changes.

use sea_orm_migration::prelude::*;

mod m20261123_000001_tables;
mod m20261123_000002_list_indexes;
mod m20261126_000003_readers;

/// Knows every step.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_tables::Step),
            Box::new(m20261123_000002_list_indexes::Step),
            Box::new(m20261126_000003_readers::Step),
        ]
    }
}

#[cfg(test)]
mod tests;
