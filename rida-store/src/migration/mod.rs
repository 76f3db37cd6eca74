//! The steps from an empty database to the tables of this version, oldest first. A released step never changes.
//!
//! Servers of the version before go on while one of a new version brings the tables there. So a step only adds: tables,
//! indexes, columns that are null or have a default. What nobody uses any more is taken away by a step of a later
//! release, which also raises [`NEEDED_STEPS`], so that software that still uses it says so and does not start.

use sea_orm_migration::prelude::*;

mod m20261123_000001_tables;
mod m20261123_000002_list_indexes;
mod m20261126_000003_readers;
mod m20261126_000004_settings;
mod m20261126_000005_queue;
mod m20261127_000006_scratch;
mod m20261127_000007_reuse;
mod m20261127_000008_documents;
mod m20261127_000009_service_lists;

/// The setting that says how many of these steps software must know to work with the tables.
pub(crate) const NEEDED_STEPS: &str = "needed_steps";

/// Knows every step.
pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261123_000001_tables::Step),
            Box::new(m20261123_000002_list_indexes::Step),
            Box::new(m20261126_000003_readers::Step),
            Box::new(m20261126_000004_settings::Step),
            Box::new(m20261126_000005_queue::Step),
            Box::new(m20261127_000006_scratch::Step),
            Box::new(m20261127_000007_reuse::Step),
            Box::new(m20261127_000008_documents::Step),
            Box::new(m20261127_000009_service_lists::Step),
        ]
    }
}

#[cfg(test)]
mod tests;
