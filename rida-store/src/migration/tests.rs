use rida_core::testing::sample::{Written, id, nsvc};
use rida_core::{BuildFilter, Store, StoreErrorKind};
use rida_test_postgres::{Cluster, TestDatabase};
use sea_orm::{ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, Statement};
use tempfile::TempDir;

use super::*;
use crate::config::StoreConfig;
use crate::database::Database;
use crate::error::{Failed, SetupError};

/// An empty database, and what it is gone with.
enum Fresh {
    Sqlite(Database, TempDir),
    Postgres(Database, TestDatabase<'static>),
}

impl Fresh {
    async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig::sqlite(folder.path().join("rida.db"));
        Self::Sqlite(Database::connect(&config).await.unwrap(), folder)
    }

    async fn postgres() -> Self {
        let database = Cluster::shared().database();
        let config = StoreConfig::postgres(database.url().parse().unwrap());
        Self::Postgres(Database::connect(&config).await.unwrap(), database)
    }

    fn database(&self) -> &Database {
        match self {
            Self::Sqlite(database, folder) => {
                assert!(folder.path().exists());
                database
            }
            Self::Postgres(database, of) => {
                assert!(!of.name().is_empty());
                database
            }
        }
    }

    /// Selects what there is, beside the table of the steps themselves: tables with their columns and collations, and
    /// indexes.
    const fn schema(&self) -> &'static str {
        match self {
            Self::Sqlite(..) => {
                "SELECT name || coalesce(sql, '') FROM sqlite_schema \
                 WHERE name NOT LIKE 'sqlite_%' AND name NOT LIKE 'seaql_%' ORDER BY name"
            }
            Self::Postgres(..) => {
                "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable || ' ' || \
                 coalesce(collation_name, '') FROM information_schema.columns \
                 WHERE table_schema = 'public' AND table_name NOT LIKE 'seaql_%' \
                 UNION ALL SELECT indexdef FROM pg_indexes \
                 WHERE schemaname = 'public' AND tablename NOT LIKE 'seaql_%' ORDER BY 1"
            }
        }
    }
}

macro_rules! on_every_database {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Fresh::sqlite().await).await;
            })+
        }

        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Fresh::postgres().await).await;
            })+
        }
    };
}

on_every_database! {
    all_steps_down_leave_nothing_behind_and_can_be_taken_again,
    each_step_keeps_the_rows_that_were_there,
    a_step_that_fails_leaves_nothing_behind,
    tables_of_a_newer_version_are_worked_with_while_that_is_possible,
    a_database_belongs_to_one_build_system,
    rows_of_a_server_that_does_not_know_columns_are_filled_in,
}

async fn texts(database: &Database, sql: &str) -> Vec<String> {
    // Tried again where a statement was prepared before the tables changed, as everything that is read is.
    let read = || {
        async |connection: &DatabaseConnection| {
            let statement = Statement::from_string(database.backend(), sql);
            Ok(connection.query_all_raw(statement).await?)
        }
    };
    let rows = database.read(read).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn in_transaction(database: &Database, work: impl AsyncFn(&DatabaseTransaction) -> Result<(), DbErr>) {
    let work = &work;
    database.write(|| async move |tx| work(tx).await.map_err(Failed::from)).await.unwrap();
}

async fn execute(database: &Database, sql: &str) {
    in_transaction(database, async |tx| tx.execute_unprepared(sql).await.map(|_| ())).await;
}

async fn all_steps_down_leave_nothing_behind_and_can_be_taken_again(fresh: Fresh) {
    let (database, schema) = (fresh.database(), fresh.schema());
    database.migrate().await.unwrap();
    let made = texts(database, schema).await;
    let has = |name: &str| made.iter().any(|it| it.contains(name));
    assert!(has("module_builds") && has("module_builds_owner"), "{made:?}");
    in_transaction(database, async |tx| Migrator::down(tx, None).await).await;
    assert_eq!(texts(database, schema).await, Vec::<String>::new());
    database.migrate().await.unwrap();
    assert_eq!(texts(database, schema).await, made);
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    database.commit(first.commit()).await.unwrap();
    assert_eq!(database.load(id(1)).await.unwrap(), Some(first.after));
}

async fn each_step_keeps_the_rows_that_were_there(fresh: Fresh) {
    let (database, schema) = (fresh.database(), fresh.schema());
    in_transaction(database, async |tx| Migrator::up(tx, Some(1)).await).await;
    // Rows as the first step's tables take them, written without this version's entities.
    for id in 1..=3 {
        execute(
            database,
            &format!(
                "INSERT INTO module_builds (id, revision, name, stream, version, context, state, owner, scm_url, \
                 batches, submitted_at, modified_at, since, document) VALUES ({id}, 1, 'foo', '1', \
                 '0000000000000000000{id}', 'c0ffee', 0, 'packager', 'https://example.org/foo.git?#main', \
                 1, {id}, {id}, {id}, '{{}}')"
            ),
        )
        .await;
    }
    execute(database, "INSERT INTO cursors (reader, sequence) VALUES ('bus', 7)").await;
    let dump = "SELECT id || name || version || owner || modified_at FROM module_builds \
                UNION ALL SELECT reader || sequence FROM cursors ORDER BY 1";
    let before = texts(database, dump).await;
    assert_eq!(before.len(), 4);
    let last: u32 = Migrator::migrations().len().try_into().unwrap();
    let mut schemas = vec![texts(database, schema).await];
    for _ in 1..last {
        in_transaction(database, async |tx| Migrator::up(tx, Some(1)).await).await;
        assert_eq!(texts(database, dump).await, before);
        schemas.push(texts(database, schema).await);
    }
    assert_eq!(database.count(&BuildFilter::default()).await.unwrap(), 3);
    assert_eq!(database.reader("bus").await.unwrap().sequence, 7);
    schemas.pop();
    for _ in 1..last {
        in_transaction(database, async |tx| Migrator::down(tx, Some(1)).await).await;
        assert_eq!(texts(database, dump).await, before);
        if database.backend() == DbBackend::Postgres {
            // SQLite keeps the text of a table that was changed, with other spaces.
            assert_eq!(Some(texts(database, schema).await), schemas.pop(), "it is as it was before the step");
        }
    }
}

async fn a_step_that_fails_leaves_nothing_behind(fresh: Fresh) {
    let database = fresh.database();
    // In the way of the last table of the first step.
    execute(database, "CREATE TABLE counters (mine TEXT)").await;
    database.migrate().await.unwrap_err();
    let tables = match database.backend() {
        DbBackend::Postgres => "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'",
        _ => "SELECT name FROM sqlite_schema",
    };
    assert_eq!(texts(database, tables).await, ["counters"]);
}

async fn tables_of_a_newer_version_are_worked_with_while_that_is_possible(fresh: Fresh) {
    let database = fresh.database();
    database.migrate().await.unwrap();
    // A later version that only added something.
    execute(
        database,
        "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m99990101_000001_newer', 0); \
         ALTER TABLE module_builds ADD COLUMN later TEXT",
    )
    .await;
    database.migrate().await.unwrap();
    assert!(database.is_migrated().await.unwrap());
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    database.commit(first.commit()).await.unwrap();
    assert_eq!(database.load(id(1)).await.unwrap(), Some(first.after));
    assert_eq!(database.integrity_check().await.unwrap(), Vec::<String>::new());
    database.ping().await.unwrap();

    // One that took something away says so.
    let steps = Migrator::migrations().len() + 1;
    execute(database, &format!("UPDATE settings SET value = '{steps}' WHERE name = '{NEEDED_STEPS}'")).await;
    for refused in [database.migrate().await.err(), database.is_migrated().await.err()] {
        let refused = refused.unwrap();
        assert!(matches!(&refused, SetupError::TooNew { newest } if newest == "m99990101_000001_newer"), "{refused:?}");
        assert!(refused.to_string().contains("too old"), "{refused}");
    }
    let running = database.ping().await.unwrap_err();
    assert_eq!(running.kind(), &StoreErrorKind::Corrupt);
    assert!(running.to_string().contains("too old"), "{running}");
}

async fn a_database_belongs_to_one_build_system(fresh: Fresh) {
    let database = fresh.database();
    database.migrate().await.unwrap();
    for _ in 0..2 {
        database.belong_to("koji https://koji.example.org/kojihub").await.unwrap();
    }
    let refused = database.belong_to("local 7").await.unwrap_err();
    assert!(matches!(refused, SetupError::OtherBuildSystem { .. }), "{refused:?}");
    assert!(refused.to_string().contains("kojihub") && refused.to_string().contains("local 7"), "{refused}");
    database.belong_to("koji https://koji.example.org/kojihub").await.unwrap();
}

async fn rows_of_a_server_that_does_not_know_columns_are_filled_in(fresh: Fresh) {
    let database = fresh.database();
    database.migrate().await.unwrap();
    let mut tags = Vec::new();
    for number in 1..=250 {
        let mut new = Written::new(id(number), nsvc(&format!("foo:{number}:1:c0ffee")));
        if number == 250 {
            for component in &mut new.after.components {
                let built = rida_core::testing::sample::built("foo", 7);
                let taken = rida_core::plan::Taken { build: id(9), built };
                component.reuse = Some(std::sync::Arc::new(rida_core::plan::Reuse::Taken(taken)));
            }
        }
        database.commit(new.commit()).await.unwrap();
        tags.push(new.after.tag().to_string());
    }
    // As one of the version before leaves them, and one that nobody can read any more.
    execute(database, "UPDATE module_builds SET tag = NULL, reused_id = NULL WHERE id > 100").await;
    execute(database, "UPDATE module_build_requires SET stream_number = NULL WHERE build_id > 100").await;
    execute(database, "UPDATE module_submissions SET document = 'damaged' WHERE build_id = 120").await;
    let by_tag = async |number: usize| {
        let tag = Some(tags[number - 1].clone());
        database.count(&BuildFilter { tag, ..BuildFilter::default() }).await.unwrap()
    };
    assert_eq!((by_tag(100).await, by_tag(101).await, by_tag(250).await), (1, 0, 0));
    for _ in 0..2 {
        database.migrate().await.unwrap();
        assert_eq!((by_tag(100).await, by_tag(101).await, by_tag(120).await, by_tag(250).await), (1, 1, 0, 1));
        let reused = BuildFilter { reused: Some(id(9)), ..BuildFilter::default() };
        assert_eq!(database.count(&reused).await.unwrap(), 1);
        let least = rida_core::StreamVersion::new(80_000);
        let base = rida_core::BaseModuleFilter { least: Some(least), ..rida_core::BaseModuleFilter::default() };
        let numbered = BuildFilter { base_module: Some(base), ..BuildFilter::default() };
        assert_eq!(database.count(&numbered).await.unwrap(), 249, "all but the damaged one");
    }
}
