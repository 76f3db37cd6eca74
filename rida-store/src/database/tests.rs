use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use rida_core::testing::sample::{self, Written, id, nsvc};
use rida_core::{
    AnnouncementId, BuildFilter, BuildId, DonorQuery, LeaseTimes, ListQuery, LookTimes, Parked, ParkedFilter, Phase,
    Store, StoreErrorKind, Timestamp, WorkerId,
};
use sea_orm::ConnectionTrait;
use tempfile::TempDir;

use super::*;
use crate::config::Durability;

mod postgres;

struct Fixture {
    database: Database,
    folder: TempDir,
}

impl Fixture {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = open(&folder).await;
        database.migrate().await.unwrap();
        Self { database, folder }
    }

    /// Runs a statement where writes are done.
    async fn pragma(&self, sql: &str) {
        self.database.writers.execute_unprepared(sql).await.unwrap();
    }

    async fn commit(&self, written: &Written) -> Result<u64, StoreErrorKind> {
        self.database.commit(written.commit()).await.map_err(|error| error.kind().clone())
    }

    async fn assert_sound(&self) {
        assert_eq!(self.database.integrity_check().await.unwrap(), Vec::<String>::new());
    }
}

async fn open(folder: &TempDir) -> Database {
    let mut config = StoreConfig::sqlite(folder.path().join("rida.db"));
    config.busy_timeout = Duration::from_millis(20);
    Database::connect(&config).await.unwrap()
}

fn large(number: i64) -> Written {
    let mut submission = sample::submission(nsvc(&format!("large:1:{number}:c0ffee")));
    submission.modulemd = "x".repeat(50_000).into();
    Written::of_submission(id(number), submission)
}

/// Holds the write lock until what is returned is dropped.
async fn hold_lock(folder: &TempDir) -> impl Drop + use<> {
    struct Held {
        _release: tokio::sync::oneshot::Sender<()>,
    }
    impl Drop for Held {
        fn drop(&mut self) {}
    }
    let other = open(folder).await;
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let (taken, is_taken) = tokio::sync::oneshot::channel();
    tokio::spawn(async move {
        let tx = other.begin().await.unwrap();
        taken.send(()).unwrap();
        released.await.ok();
        tx.rollback().await.unwrap();
    });
    is_taken.await.unwrap();
    Held { _release: release }
}

#[tokio::test]
async fn a_full_disk_makes_it_unavailable_until_there_is_room() {
    let fixture = Fixture::new().await;
    fixture.pragma("PRAGMA max_page_count = 100").await;
    let mut written = 0;
    let refused = loop {
        match fixture.database.commit(large(written + 1).commit()).await {
            Ok(_) => written += 1,
            Err(refused) => break refused,
        }
        assert!(written < 100, "the disk never gets full");
    };
    assert_eq!(refused.kind(), &StoreErrorKind::Unavailable);
    assert!(refused.outside().is_some_and(|text| text.contains("the disk of the server is full")), "{refused:?}");
    assert!(written > 0);
    assert_eq!(fixture.database.count(&BuildFilter::default()).await.unwrap(), written.unsigned_abs());
    assert_eq!(fixture.database.load(id(written + 1)).await.unwrap(), None);
    assert_eq!(fixture.database.load(id(1)).await.unwrap().as_ref(), Some(&large(1).after));
    fixture.assert_sound().await;

    // A transaction that the full disk ended is not taken for one that is still open: the lock is asked for first.
    let held = hold_lock(&fixture.folder).await;
    let started = AtomicBool::new(false);
    let started = &started;
    let refused = fixture.database.write(|| {
        async move |_| {
            started.store(true, Ordering::Relaxed);
            Ok(())
        }
    });
    assert!(refused.await.unwrap_err().is_busy());
    assert!(!started.load(Ordering::Relaxed), "nothing is done before the lock is held");
    drop(held);

    assert!(fixture.database.ping().await.unwrap_err().outside().is_some(), "the last write is remembered");

    fixture.pragma("PRAGMA max_page_count = 1000000").await;
    let next = large(written + 1);
    commit_when_free(&fixture, &next).await;
    assert_eq!(fixture.database.load(next.after.id).await.unwrap(), Some(next.after));
    fixture.assert_sound().await;
}

/// Commits as soon as the lock is free, which takes its holder a moment after it was told to let go.
async fn commit_when_free(fixture: &Fixture, written: &Written) {
    for _ in 0..1000 {
        match fixture.commit(written).await {
            Ok(_) => return,
            Err(StoreErrorKind::Unavailable) => tokio::task::yield_now().await,
            Err(kind) => panic!("{kind:?}"),
        }
    }
    panic!("the lock is never free");
}

#[tokio::test]
async fn a_read_only_database_makes_it_unavailable_until_it_may_be_written() {
    let fixture = Fixture::new().await;
    fixture.commit(&Written::new(id(1), nsvc("foo:1:1:c0ffee"))).await.unwrap();
    fixture.pragma("PRAGMA query_only = ON").await;
    let next = Written::new(id(2), nsvc("bar:1:1:c0ffee"));
    assert_eq!(fixture.commit(&next).await, Err(StoreErrorKind::Unavailable));
    let refused = fixture.database.reserve_id().await.unwrap_err();
    assert_eq!(refused.kind(), &StoreErrorKind::Unavailable);
    assert!(refused.outside().is_some_and(|text| text.contains("may not be written")), "{refused:?}");
    assert_eq!(fixture.database.list(&ListQuery { limit: 9, ..ListQuery::default() }).await.unwrap().len(), 1);
    let asked = fixture.database.ping().await.unwrap_err();
    assert_eq!((asked.kind(), asked.outside()), (&StoreErrorKind::Unavailable, refused.outside()));
    fixture.pragma("PRAGMA query_only = OFF").await;
    fixture.commit(&next).await.unwrap();
    fixture.database.ping().await.unwrap();
    fixture.assert_sound().await;
}

#[tokio::test]
async fn readers_cannot_write() {
    let fixture = Fixture::new().await;
    let refused = fixture.database.readers.execute_unprepared("DELETE FROM counters").await;
    assert_eq!(Failed::from(refused.unwrap_err()).during("try").kind(), &StoreErrorKind::Unavailable);
}

#[tokio::test]
async fn a_lock_that_is_never_free_makes_it_unavailable() {
    let fixture = Fixture::new().await;
    let held = hold_lock(&fixture.folder).await;
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    assert_eq!(fixture.commit(&first).await, Err(StoreErrorKind::Unavailable));
    assert_eq!(fixture.database.load(id(1)).await.unwrap(), None, "readers do not wait for the lock");
    drop(held);
    commit_when_free(&fixture, &first).await;
}

/// Polls a future so many times and drops it; returns what it made, if it came so far.
async fn drop_after<T>(polls: usize, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(context).map(Some)
    })
    .await
}

#[tokio::test]
async fn a_commit_that_is_dropped_midway_is_whole_or_absent() {
    let fixture = Fixture::new().await;
    let mut last = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    fixture.commit(&last).await.unwrap();
    let (mut dropped, mut done) = (0, 0);
    // The number of polls that a commit takes differs from run to run; far fewer than this in any case.
    for polls in 0..60 {
        let next = last.entering(rida_core::Fact::TimePassed { because: None }, Phase::Wait, None);
        let next = next.telling([rida_core::Action::CheckSources]);
        let committed = drop_after(polls, fixture.database.commit(next.commit())).await;
        let stored = fixture.database.load(id(1)).await.unwrap().unwrap();
        match committed {
            Some(result) => {
                result.unwrap();
                done += 1;
                assert_eq!(stored, next.after);
            }
            None => {
                dropped += 1;
                // Writes once more, so that what the dropped one left behind is rolled back before it is looked at.
                fixture.database.reserve_id().await.unwrap();
            }
        }
        let stored = fixture.database.load(id(1)).await.unwrap().unwrap();
        let log = fixture.database.log_of(id(1)).await.unwrap();
        assert_eq!(log.last().unwrap().revision, stored.revision);
        if stored.revision == next.after.revision {
            assert_eq!(stored, next.after);
            last = next;
        } else {
            assert_eq!(stored, last.after);
        }
        fixture.assert_sound().await;
    }
    assert!(dropped > 0 && done > 0, "{dropped} were dropped, {done} were done");
}

#[tokio::test]
async fn what_is_no_database_is_told_apart_from_one_that_is_away() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("rida.db"), "this is no database, however long one looks at it".repeat(100))
        .unwrap();
    assert!(Database::connect(&StoreConfig::sqlite(folder.path().join("rida.db"))).await.is_err());
    assert!(Database::connect(&StoreConfig::sqlite(folder.path().join("missing/rida.db"))).await.is_err());

    let fresh = Database::connect(&StoreConfig::sqlite(folder.path().join("fresh.db"))).await.unwrap();
    assert!(!fresh.is_migrated().await.unwrap());
    let error = fresh.load(id(1)).await.unwrap_err();
    assert_eq!(error.kind(), &StoreErrorKind::Corrupt, "the tables are not there");
    fresh.migrate().await.unwrap();
    assert!(fresh.is_migrated().await.unwrap());
    assert_eq!(fresh.load(id(1)).await.unwrap(), None);
}

#[tokio::test]
async fn settings_hold_on_every_connection() {
    let fixture = Fixture::new().await;
    for connection in [&fixture.database.writers, &fixture.database.readers] {
        for (pragma, expected) in [("foreign_keys", "1"), ("journal_mode", "wal"), ("synchronous", "2")] {
            let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, format!("PRAGMA {pragma}"));
            let row = connection.query_one_raw(statement).await.unwrap().unwrap();
            let value =
                row.try_get_by_index::<String>(0).or_else(|_| row.try_get_by_index(0).map(|n: i64| n.to_string()));
            assert_eq!(value.unwrap(), expected, "{pragma}");
        }
    }
}

#[tokio::test]
async fn who_is_alone_ends_the_leases_of_those_before() {
    let fixture = Fixture::new().await;
    let submitted = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    let waiting = submitted.entering(rida_core::Fact::TimePassed { because: None }, Phase::Wait, None);
    let waiting = waiting.telling([rida_core::Action::CheckSources, rida_core::Action::PrepareEnvironment]);
    for written in [&submitted, &waiting] {
        fixture.commit(written).await.unwrap();
    }
    let (before, after) = (WorkerId("before".to_owned()), WorkerId("after".to_owned()));
    let (now, until) = (sample::at(2_000_000_000), sample::at(2_000_003_600));
    let times = LeaseTimes { now, until, latest: until };
    let take = async |worker| fixture.database.take_effects(worker, times, 10).await.unwrap();
    let taken = take(&before).await;
    assert!(taken.len() >= 2, "{taken:?}");
    assert_eq!(take(&after).await, [], "they are leased");

    let read = async |worker| fixture.database.take_reader("lines", worker, times).await.unwrap();
    assert!(read(&before).await.is_some() && read(&after).await.is_none(), "it is leased");

    let leases = u64::try_from(taken.len()).unwrap() + 1;
    assert_eq!(fixture.database.release_leases().await.unwrap(), leases);
    assert!(read(&after).await.is_some(), "it is free");
    assert_eq!(fixture.database.release_leases().await.unwrap(), 1);
    assert_eq!(fixture.database.release_leases().await.unwrap(), 0, "none is left");
    // Who held them cannot prolong what is over.
    let ids: Vec<_> = taken.iter().map(|taken| taken.effect.id).collect();
    fixture.database.renew_leases(&before, &ids, until).await.unwrap();
    let again = take(&after).await;
    let what = |taken: &[rida_core::TakenEffect]| taken.iter().map(|it| it.effect.clone()).collect::<Vec<_>>();
    assert_eq!(what(&again), what(&taken));
    assert!(again.iter().all(|taken| taken.attempts == 1), "the tries are still counted: {again:?}");
    fixture.assert_sound().await;
}

#[tokio::test]
async fn a_file_has_one_service_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig::sqlite(folder.path().join("rida.sqlite"));
    let (first, second) = (Database::connect(&config).await.unwrap(), Database::connect(&config).await.unwrap());
    assert!(first.own().await.unwrap());
    assert!(first.clone().own().await.unwrap(), "it has it already");
    // Whoever only looks after it may do so meanwhile.
    second.migrate().await.unwrap();
    let error = second.own().await.unwrap_err();
    assert!(matches!(error, SetupError::InUse), "{error}");
    let kept = first.clone();
    drop(first);
    assert!(second.own().await.is_err(), "a clone has it still");
    drop(kept);
    assert!(second.own().await.unwrap());
}

/// Columns, each with the table that has it.
const COLUMNS: [(&str, &str); 34] = [
    ("module_builds", "id"),
    ("module_builds", "revision"),
    ("module_builds", "name"),
    ("module_builds", "version"),
    ("module_builds", "context"),
    ("module_builds", "state"),
    ("module_builds", "owner"),
    ("module_builds", "batches"),
    ("module_builds", "submitted_at"),
    ("module_builds", "since"),
    ("module_builds", "completed_at"),
    ("module_builds", "document"),
    ("module_submissions", "document"),
    ("component_builds", "position"),
    ("component_builds", "task_id"),
    ("component_builds", "document"),
    ("events", "sequence"),
    ("events", "build_id"),
    ("events", "revision"),
    ("events", "event"),
    ("events", "announcements"),
    ("effects", "attempts"),
    ("effects", "effect"),
    ("cursors", "sequence"),
    ("cursors", "lease_owner"),
    ("cursors", "lease_until"),
    ("parked", "sequence"),
    ("parked", "build_id"),
    ("parked", "revision"),
    ("parked", "position"),
    ("parked", "reason"),
    ("parked", "retrying"),
    ("counters", "value"),
    ("counters", "name"),
];

#[tokio::test]
async fn no_stored_value_makes_it_panic() {
    let values = ["'{'", "''", "'a:b'", "x'ff00'", "-1", "9223372036854775807", "1.5", "'[]'", "'null'"];
    let fixture = Fixture::new().await;
    let last = sample::life_to_failed(id(1), nsvc("foo:1:1:c0ffee"));
    for written in &last {
        fixture.commit(written).await.unwrap();
    }
    let (database, worker) = (&fixture.database, WorkerId("a".to_owned()));
    let times = LeaseTimes { now: sample::at(0), until: sample::at(10), latest: sample::at(10) };
    database.take_reader("reader", &worker, times).await.unwrap();
    let announcement = AnnouncementId { build: id(1), revision: 1, index: 0 };
    let parked = Parked { sequence: 1, announcement, reason: "no".to_owned(), at: sample::at(0), retrying: false };
    assert!(database.advance_reader("reader", &worker, 0, 3, &[parked]).await.unwrap());
    fixture.pragma("PRAGMA foreign_keys = OFF; PRAGMA synchronous = OFF").await;
    let tables: BTreeSet<&str> = COLUMNS.iter().map(|(table, _)| *table).collect();
    for table in &tables {
        fixture.pragma(&format!("CREATE TABLE kept_{table} AS SELECT * FROM {table}")).await;
    }
    let (mut corrupt, mut noticed, mut refused) = (0, 0, 0);
    for (table, column) in COLUMNS {
        for value in values {
            let update = format!("UPDATE OR IGNORE {table} SET {column} = {value}");
            if let Err(error) = fixture.database.writers.execute_unprepared(&update).await {
                assert!(error.to_string().contains("datatype mismatch"), "{error}");
                refused += 1;
            }
            corrupt += ask_everything(&fixture.database, last.last().unwrap()).await;
            noticed += usize::from(!fixture.database.integrity_check().await.unwrap().is_empty());
            for table in &tables {
                let restore = format!("DELETE FROM {table}; INSERT INTO {table} SELECT * FROM kept_{table}");
                fixture.pragma(&restore).await;
            }
        }
        fixture.assert_sound().await;
    }
    assert!(corrupt > 200, "{corrupt} answers told of what cannot be read");
    assert!(noticed > 100, "{noticed} values were noticed by the check");
    assert!(refused < 20, "{refused} values were refused by the database");
}

/// Asks everything that can be asked, and returns how often the answer was that what is stored cannot be read.
async fn ask_everything(database: &Database, last: &Written) -> usize {
    let all = ListQuery { limit: 10, ..ListQuery::default() };
    let (worker, now, nsvc) = (WorkerId("a".to_owned()), Timestamp::from_millis(i64::MAX), last.after.nsvc());
    let next = last.then(rida_core::Fact::TimePassed { because: None }, |_| ());
    let donor = DonorQuery {
        name: nsvc.name.clone(),
        stream: nsvc.stream.clone(),
        build_contexts: vec![last.after.submission.build_context()],
        strategies: vec![last.after.submission.rebuild_strategy],
    };
    let errors = [
        database.load(id(1)).await.err(),
        database.load(BuildId::new(i64::MAX).unwrap()).await.err(),
        database.find(nsvc).await.err(),
        database.latest_ready(&nsvc.name, &nsvc.stream).await.err(),
        database.donor(&donor).await.err(),
        database.list(&all).await.err(),
        database.count(&all.filter).await.err(),
        database.queue().await.err(),
        database.log_after(0, 100).await.err(),
        database.log_of(id(1)).await.err(),
        database.log_end().await.err(),
        database.reader("reader").await.err(),
        database.parked("reader", ParkedFilter::default(), 10).await.err(),
        database.take_effects(&worker, LeaseTimes { now, until: now, latest: now }, 10).await.err(),
        database.take_due_builds(LookTimes { now, building: now, others: now, latest: now }, 10).await.err(),
        database.queue_head(&rida_core::Policy::default().limits, now, 10).await.err(),
        database.pending(id(1)).await.err(),
        database.take_reader("reader", &worker, LeaseTimes { now, until: now, latest: now }).await.err(),
        database.advance_reader("reader", &worker, 3, 9, &[]).await.err(),
        database.reserve_id().await.err(),
        database.commit(next.commit()).await.err(),
    ];
    let kinds = errors.into_iter().flatten().map(|error| error.kind().clone());
    let told = |kind| matches!(kind, StoreErrorKind::Corrupt);
    kinds.inspect(|kind| assert_ne!(*kind, StoreErrorKind::Unavailable)).filter(|kind| told(kind.clone())).count()
}
