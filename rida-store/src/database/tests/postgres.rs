//! What holds on PostgreSQL alone.

use std::sync::atomic::AtomicU32;

use rida_test_postgres::{Cluster, TestDatabase};
use sea_orm::{DbErr, Statement};
use sea_orm_migration::MigratorTrait;

use super::*;
use crate::error::Fate;
use crate::migration::Migrator;
use crate::queries::commit;

async fn connect(of: &TestDatabase<'_>, change: impl FnOnce(&mut StoreConfig)) -> Database {
    let mut config = StoreConfig::postgres(of.url().parse().unwrap());
    change(&mut config);
    Database::connect(&config).await.unwrap()
}

async fn migrated() -> (Database, TestDatabase<'static>) {
    let of = Cluster::shared().database();
    let database = connect(&of, |_| ()).await;
    database.migrate().await.unwrap();
    (database, of)
}

async fn numbers(database: &Database, sql: &str) -> Vec<i64> {
    let rows = database.readers.query_all_raw(Statement::from_string(database.backend(), sql)).await.unwrap();
    rows.iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

/// What a reader of a log sees at one moment after the other.
struct Seen(Vec<Vec<i64>>);

impl Seen {
    /// Tells whether a number came up that is smaller than one which was there before: whoever had read so far would
    /// never see it.
    fn came_up_behind(&self) -> bool {
        self.0.windows(2).any(|moments| match moments {
            [before, after] => {
                let last = before.iter().max();
                after.iter().any(|number| !before.contains(number) && last.is_some_and(|last| number < last))
            }
            _ => false,
        })
    }
}

/// Two writers append a line each: who appends first commits last, if the database lets the other one pass.
async fn two_writers_overtaking(
    database: &Database,
    append: impl AsyncFn(&DatabaseTransaction, i64),
    log: &str,
) -> Seen {
    let mut seen = Seen(vec![numbers(database, log).await]);
    let slow = database.begin().await.unwrap();
    append(&slow, 1).await;
    let (committed, is_committed) = tokio::sync::oneshot::channel();
    let overtaking = async {
        let tx = database.begin().await.unwrap();
        append(&tx, 2).await;
        tx.commit().await.unwrap();
        // Nobody waits for it any more when it had to wait itself.
        let _ = committed.send(());
    };
    let overtaken = async {
        // Long enough for who need not wait.
        let passed = tokio::time::timeout(Duration::from_millis(300), is_committed).await.is_ok();
        seen.0.push(numbers(database, log).await);
        slow.commit().await.unwrap();
        println!("the second writer passed: {passed}");
    };
    tokio::join!(overtaking, overtaken);
    seen.0.push(numbers(database, log).await);
    seen
}

#[tokio::test]
async fn no_line_of_the_log_comes_up_behind_a_later_one() {
    let (database, of) = migrated().await;
    let builds = [1, 2].map(|number| Written::new(id(number), nsvc(&format!("foo:1:{number}:c0ffee"))));
    for build in &builds {
        database.commit(build.commit()).await.unwrap();
    }
    let append = async |tx: &DatabaseTransaction, number: i64| {
        let build = if number == 1 { &builds[0] } else { &builds[1] };
        commit::append(tx, &build.commit()).await.unwrap();
    };
    let seen = two_writers_overtaking(&database, append, "SELECT sequence FROM events ORDER BY sequence").await;
    assert_eq!(seen.0, [vec![1, 2], vec![1, 2], vec![1, 2, 3, 4]]);
    assert!(!seen.came_up_behind());

    // The same with what a column of numbers usually is, to see that this shows the difference.
    of.sql("CREATE TABLE serial_log (sequence bigserial PRIMARY KEY, build bigint)");
    let append = async |tx: &DatabaseTransaction, number: i64| {
        tx.execute_unprepared(&format!("INSERT INTO serial_log (build) VALUES ({number})")).await.unwrap();
    };
    let seen = two_writers_overtaking(&database, append, "SELECT sequence FROM serial_log ORDER BY sequence").await;
    assert_eq!(seen.0, [vec![], vec![2], vec![1, 2]]);
    assert!(seen.came_up_behind(), "a reader that has seen 2 never sees 1");
}

#[tokio::test]
async fn settings_hold_in_every_session() {
    let of = Cluster::shared().database();
    // Whatever the server's own are.
    of.sql(&format!(
        "ALTER DATABASE {0} SET default_transaction_isolation = 'serializable'; \
         ALTER DATABASE {0} SET synchronous_commit = off; ALTER DATABASE {0} SET statement_timeout = 0",
        of.name()
    ));
    for (durability, synchronous) in [(Durability::Full, "on"), (Durability::Normal, "off")] {
        let database = connect(&of, |config| config.durability = durability).await;
        for (connections, read_only) in [(&database.writers, "off"), (&database.readers, "on")] {
            for (setting, expected) in [
                ("default_transaction_isolation", "read committed"),
                ("statement_timeout", "30s"),
                ("lock_timeout", "10s"),
                ("idle_in_transaction_session_timeout", "5s"),
                ("synchronous_commit", synchronous),
                ("transaction_read_only", read_only),
                ("application_name", "rida"),
            ] {
                let show = Statement::from_string(database.backend(), format!("SHOW {setting}"));
                let row = connections.query_one_raw(show).await.unwrap().unwrap();
                assert_eq!(row.try_get_by_index::<String>(0).unwrap(), expected, "{setting}");
            }
        }
        database.close().await;
    }
}

#[tokio::test]
async fn what_takes_too_long_makes_it_unavailable() {
    let of = Cluster::shared().database();
    let database = connect(&of, |config| config.statement_timeout = Duration::from_millis(100)).await;
    let slow = database.read(|| async |connection| Ok(connection.execute_unprepared("SELECT pg_sleep(30)").await?));
    let error = slow.await.unwrap_err().during("sleep");
    assert_eq!(error.kind(), &StoreErrorKind::Unavailable);
    let slow = database.write(|| async |tx| Ok(tx.execute_unprepared("SELECT pg_sleep(30)").await?));
    assert_eq!(slow.await.unwrap_err().during("sleep").kind(), &StoreErrorKind::Unavailable);
}

/// Makes a statement that fails with an error code.
fn failing(code: &str) -> String {
    format!("DO $$ BEGIN RAISE EXCEPTION 'made by a test' USING ERRCODE = '{code}'; END $$")
}

#[tokio::test]
async fn what_was_rolled_back_because_of_others_is_done_again() {
    let (database, of) = migrated().await;
    of.sql("CREATE TABLE done (number bigint)");
    for code in ["40001", "40P01"] {
        let tries = &AtomicU32::new(0);
        let done = database.write(|| {
            async move |tx| {
                tx.execute_unprepared("INSERT INTO done VALUES (1)").await?;
                if tries.fetch_add(1, Ordering::Relaxed) < 4 {
                    tx.execute_unprepared(&failing(code)).await?;
                }
                Ok(())
            }
        });
        done.await.unwrap();
        assert_eq!(tries.load(Ordering::Relaxed), 5);
    }
    assert_eq!(of.sql("SELECT count(*) FROM done"), "2", "each once");

    let tries = &AtomicU32::new(0);
    let never = database.write(|| {
        async move |tx| {
            tries.fetch_add(1, Ordering::Relaxed);
            tx.execute_unprepared(&failing("40001")).await?;
            Ok(())
        }
    });
    let error = never.await.unwrap_err();
    assert_eq!(error.fate(), Fate::RolledBack);
    assert_eq!(error.during("try").kind(), &StoreErrorKind::Unavailable);
    assert_eq!(tries.load(Ordering::Relaxed), 9, "and no longer than that");

    // What would fail again is not tried again.
    let tries = &AtomicU32::new(0);
    let wrong = database.write(|| {
        async move |tx| {
            tries.fetch_add(1, Ordering::Relaxed);
            tx.execute_unprepared("SELECT * FROM nowhere").await?;
            Ok(())
        }
    });
    assert_eq!(wrong.await.unwrap_err().during("try").kind(), &StoreErrorKind::Corrupt);
    assert_eq!(tries.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn of_two_who_wait_for_each_other_both_get_done() {
    let (database, of) = migrated().await;
    of.sql("CREATE TABLE rows (id bigint PRIMARY KEY, changes bigint); INSERT INTO rows VALUES (1, 0), (2, 0)");
    of.sql(&format!("ALTER DATABASE {} SET deadlock_timeout = '50ms'", of.name()));
    // For new sessions.
    database.close().await;
    let database = connect(&of, |_| ()).await;
    let (barrier, tries) = (&tokio::sync::Barrier::new(2), &AtomicU32::new(0));
    let both_ways = |first: i64, second: i64| {
        let database = &database;
        async move {
            let met = &AtomicBool::new(false);
            let work = database.write(|| {
                async move |tx| {
                    tries.fetch_add(1, Ordering::Relaxed);
                    let change = |id| format!("UPDATE rows SET changes = changes + 1 WHERE id = {id}");
                    tx.execute_unprepared(&change(first)).await?;
                    if !met.swap(true, Ordering::Relaxed) {
                        barrier.wait().await;
                    }
                    tx.execute_unprepared(&change(second)).await?;
                    Ok(())
                }
            });
            work.await.unwrap();
        }
    };
    tokio::join!(both_ways(1, 2), both_ways(2, 1));
    assert_eq!(of.sql("SELECT changes FROM rows"), "2\n2");
    assert!(tries.load(Ordering::Relaxed) > 2, "they waited for each other");
}

#[tokio::test]
async fn a_commit_that_is_dropped_midway_is_whole_or_absent() {
    let (database, _of) = migrated().await;
    let mut last = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    database.commit(last.commit()).await.unwrap();
    let (mut dropped, mut done) = (0, 0);
    for polls in (0..120).step_by(2) {
        let next = last.entering(rida_core::Fact::TimePassed { because: None }, Phase::Wait, None);
        let next = next.telling([rida_core::Action::CheckSources]);
        match drop_after(polls, database.commit(next.commit())).await {
            Some(result) => {
                result.unwrap();
                done += 1;
            }
            None => dropped += 1,
        }
        // Has the log's lock once what was dropped has ended, either way.
        let lock = "SELECT value FROM counters WHERE name = 'log' FOR UPDATE";
        database.write(|| async move |tx| Ok(tx.execute_unprepared(lock).await?)).await.unwrap();
        let stored = database.load(id(1)).await.unwrap().unwrap();
        assert_eq!(database.log_of(id(1)).await.unwrap().last().unwrap().revision, stored.revision);
        if stored.revision == next.after.revision {
            assert_eq!(stored, next.after);
            last = next;
        } else {
            assert_eq!(stored, last.after);
        }
    }
    assert!(dropped > 0 && done > 0, "{dropped} were dropped, {done} were done");
    assert_eq!(database.integrity_check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn a_step_does_not_wait_for_long_for_a_table_that_is_used() {
    let of = Cluster::shared().database();
    let database = connect(&of, |config| config.busy_timeout = Duration::from_millis(300)).await;
    database.write(|| async |tx| Ok(Migrator::up(tx, Some(1)).await?)).await.unwrap();
    let others = connect(&of, |_| ()).await;
    let using = others.begin().await.unwrap();
    using.execute_unprepared("LOCK TABLE module_builds IN ROW EXCLUSIVE MODE").await.unwrap();
    let error = database.migrate().await.unwrap_err();
    let SetupError::Migrate(error) = error else { panic!("{error:?}") };
    assert_eq!(error.kind(), &StoreErrorKind::Unavailable);
    assert!(!database.is_migrated().await.unwrap());
    using.rollback().await.unwrap();
    database.migrate().await.unwrap();
    assert!(database.is_migrated().await.unwrap());
}

#[tokio::test]
async fn who_stands_still_in_a_transaction_holds_nobody_up() {
    let (patient, of) = migrated().await;
    let sluggish = connect(&of, |config| config.busy_timeout = Duration::from_millis(400)).await;
    let still = sluggish.begin().await.unwrap();
    still.execute_unprepared("UPDATE counters SET value = value + 1").await.unwrap();
    // Takes the same row, which is free once the database has ended the other one.
    assert_eq!(patient.reserve_id().await.unwrap(), id(1));
    let gone: DbErr = still.commit().await.unwrap_err();
    assert_ne!(Failed::from(gone).fate(), Fate::Ended, "its worker tries again");
}

#[tokio::test]
async fn tables_that_change_under_a_running_server_cost_it_its_connections_at_most() {
    let (database, of) = migrated().await;
    let build = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    database.commit(build.commit()).await.unwrap();
    let load = async || database.load(id(1)).await.unwrap();
    // On every connection.
    let before = tokio::join!(load(), load(), load(), load());
    // As no step of a later version should do it: what was prepared has another type now.
    of.sql("ALTER TABLE module_builds ALTER COLUMN reason TYPE varchar(1000)");
    let after = tokio::join!(load(), load(), load(), load());
    assert_eq!(after, before);
    let next = build.then(rida_core::Fact::TimePassed { because: None }, |_| ());
    database.commit(next.commit()).await.unwrap();
    assert_eq!(load().await, Some(next.after));
}

#[tokio::test]
async fn a_database_that_cannot_keep_every_text_is_refused() {
    let cluster = Cluster::shared();
    cluster
        .sql("postgres", "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C' TEMPLATE template0");
    let url = cluster.database().url();
    let url = format!("{}/latin?sslmode=disable", url.rsplit_once('/').unwrap().0);
    let refused = Database::connect(&StoreConfig::postgres(url.parse().unwrap())).await.unwrap_err();
    assert!(matches!(&refused, SetupError::Unfit(why) if why.contains("LATIN1")), "{refused:?}");
}
