use rida_core::testing::sample::{Written, id, nsvc};
use rida_core::{BuildFilter, Store};
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, Statement};
use tempfile::TempDir;

use super::*;
use crate::config::StoreConfig;
use crate::database::Database;
use crate::error::Failed;

async fn open() -> (Database, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let database = Database::connect(&StoreConfig::sqlite(folder.path().join("rida.db"))).await.unwrap();
    (database, folder)
}

async fn texts(database: &Database, sql: &str) -> Vec<String> {
    let rows = database.readers.query_all_raw(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn in_transaction(database: &Database, work: impl AsyncFnOnce(&DatabaseTransaction) -> Result<(), DbErr>) {
    database.write(async |tx| work(tx).await.map_err(Failed::from)).await.unwrap();
}

#[tokio::test]
async fn all_steps_down_leave_nothing_behind_and_can_be_taken_again() {
    let (database, _folder) = open().await;
    let schema = "SELECT name FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE 'seaql_%'";
    database.migrate().await.unwrap();
    let made = texts(&database, schema).await;
    assert!(made.contains(&"module_builds".to_owned()) && made.contains(&"module_builds_owner".to_owned()));
    in_transaction(&database, async |tx| Migrator::down(tx, None).await).await;
    assert_eq!(texts(&database, schema).await, Vec::<String>::new());
    database.migrate().await.unwrap();
    assert_eq!(texts(&database, schema).await, made);
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    database.commit(first.commit()).await.unwrap();
    assert_eq!(database.load(id(1)).await.unwrap(), Some(first.after));
}

#[tokio::test]
async fn each_step_keeps_the_rows_that_were_there() {
    let (database, _folder) = open().await;
    in_transaction(&database, async |tx| Migrator::up(tx, Some(1)).await).await;
    // Rows as the first step's tables take them, written without this version's entities.
    in_transaction(&database, async |tx| {
        for id in 1..=3 {
            tx.execute_unprepared(&format!(
                "INSERT INTO module_builds (id, revision, name, stream, version, context, state, owner, scm_url, \
                 batches, submitted_at, modified_at, since, document) VALUES ({id}, 1, 'foo', '1', \
                 '0000000000000000000{id}', 'c0ffee', 0, 'packager', 'https://example.org/foo.git?#main', \
                 1, {id}, {id}, {id}, '{{}}')"
            ))
            .await?;
        }
        Ok(())
    })
    .await;
    let dump = "SELECT id || name || version || owner || modified_at FROM module_builds ORDER BY id";
    let before = texts(&database, dump).await;
    assert_eq!(before.len(), 3);
    let last: u32 = Migrator::migrations().len().try_into().unwrap();
    for _ in 1..last {
        in_transaction(&database, async |tx| Migrator::up(tx, Some(1)).await).await;
        assert_eq!(texts(&database, dump).await, before);
    }
    assert_eq!(database.count(&BuildFilter::default()).await.unwrap(), 3);
    for _ in 1..last {
        in_transaction(&database, async |tx| Migrator::down(tx, Some(1)).await).await;
        assert_eq!(texts(&database, dump).await, before);
    }
}

#[tokio::test]
async fn a_step_that_fails_leaves_nothing_behind() {
    let (database, _folder) = open().await;
    in_transaction(&database, async |tx| {
        // In the way of the last table of the first step.
        tx.execute_unprepared("CREATE TABLE counters (mine TEXT)").await.map(|_| ())
    })
    .await;
    database.migrate().await.unwrap_err();
    assert_eq!(texts(&database, "SELECT name FROM sqlite_schema").await, ["counters"]);
}

#[tokio::test]
async fn tables_of_a_newer_version_are_left_alone() {
    let (database, _folder) = open().await;
    database.migrate().await.unwrap();
    in_transaction(&database, async |tx| {
        let newer = "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99990101_000001_newer', 0)";
        tx.execute_unprepared(newer).await.map(|_| ())
    })
    .await;
    assert!(database.migrate().await.is_err());
    assert!(database.is_migrated().await.is_err());
}
