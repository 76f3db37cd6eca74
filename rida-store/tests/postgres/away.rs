//! A server that is stopped, crashes, and comes back.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rida_core::testing::sample::{Written, at, id, nsvc};
use rida_core::{BuildFilter, Fact, Store, StoreErrorKind, WorkerId};
use rida_store::{Database, SetupError, StoreConfig};
use rida_test_postgres::{Cluster, Settings};

use crate::lease;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_survives_restarts_and_crashes_under_load() {
    const WRITERS: i64 = 4;
    let cluster = Arc::new(Cluster::start(Settings::default()));
    let of = cluster.database();
    let config = StoreConfig {
        // Shorter than the server is away, so that it is noticed.
        connect_timeout: Duration::from_millis(300),
        ..StoreConfig::postgres(of.url().parse().unwrap())
    };
    let database = Database::connect(&config).await.unwrap();
    database.migrate().await.unwrap();
    let (over, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writing: Vec<_> = (1..=WRITERS)
        .map(|number| tokio::spawn(write_on(database.clone(), number, Arc::clone(&over), Arc::clone(&refused))))
        .collect();
    for round in 0..4 {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let server = Arc::clone(&cluster);
        let restart = move || {
            if round % 2 == 0 {
                server.stop()
            } else {
                server.crash()
            }
            std::thread::sleep(Duration::from_millis(700));
            server.start_again();
        };
        tokio::task::spawn_blocking(restart).await.unwrap();
        // At once, and on every connection that the pool still has.
        for _ in 0..8 {
            database.ping().await.unwrap();
            database.count(&BuildFilter::default()).await.unwrap();
            database.reserve_id().await.unwrap();
        }
    }
    over.store(true, Ordering::Relaxed);
    let mut written = 0;
    for task in writing {
        written += task.await.unwrap();
    }
    assert!(refused.load(Ordering::Relaxed) > 0, "it was noticed that the server was away");
    let log = database.log_after(0, 1_000_000).await.unwrap();
    let lines: BTreeSet<_> = log.iter().map(|line| (line.build, line.revision)).collect();
    assert_eq!(lines.len(), log.len());
    assert_eq!(u64::try_from(log.len()).unwrap(), written, "every change once");
    assert_eq!(database.integrity_check().await.unwrap(), Vec::<String>::new());
    println!("{written} changes, {} refused while it was away", refused.load(Ordering::Relaxed));
}

/// Changes one build again and again, each time until the change is there, and returns how many there were.
async fn write_on(database: Database, number: i64, over: Arc<AtomicBool>, refused: Arc<AtomicU64>) -> u64 {
    let mut next = Written::new(id(1000 + number), nsvc(&format!("foo:1:{number}:c0ffee")));
    let mut revision = 0;
    while !over.load(Ordering::Relaxed) {
        match database.commit(next.commit()).await {
            Ok(_) => revision += 1,
            // Asked for again after it was not known whether it was written: it was.
            Err(error) if matches!(error.kind(), StoreErrorKind::Conflict | StoreErrorKind::Exists { .. }) => {
                let stored = database.load(next.after.id).await;
                match stored {
                    Ok(Some(stored)) => assert_eq!(stored, next.after),
                    Ok(None) => panic!("it conflicts with nothing"),
                    Err(error) => {
                        assert_eq!(error.kind(), &StoreErrorKind::Unavailable, "{error}");
                        continue;
                    }
                }
                revision += 1;
            }
            Err(error) => {
                assert_eq!(error.kind(), &StoreErrorKind::Unavailable, "{error:?}");
                refused.fetch_add(1, Ordering::Relaxed);
                continue;
            }
        }
        next = next.then(Fact::TimePassed { because: None }, |_| ());
    }
    revision
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_makes_it_unavailable_in_time() {
    let cluster = Cluster::start(Settings::default());
    let of = cluster.database();
    let config =
        StoreConfig { connect_timeout: Duration::from_millis(300), ..StoreConfig::postgres(of.url().parse().unwrap()) };
    let database = Database::connect(&config).await.unwrap();
    database.migrate().await.unwrap();
    cluster.stop();
    let (start, worker) = (Instant::now(), WorkerId("a".to_owned()));
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    let errors = [
        database.ping().await.unwrap_err(),
        database.load(id(1)).await.unwrap_err(),
        database.commit(first.commit()).await.unwrap_err(),
        database.take_effects(&worker, lease(at(0), at(1)), 1).await.unwrap_err(),
        database.release_leases().await.unwrap_err(),
    ];
    assert!(errors.iter().all(|error| *error.kind() == StoreErrorKind::Unavailable), "{errors:?}");
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    let refused = Database::connect(&config).await.unwrap_err();
    assert!(matches!(refused, SetupError::Reach { .. }), "{refused:?}");
    assert!(refused.to_string().contains("127.0.0.1"), "{refused}");
    cluster.start_again();
    database.commit(first.commit()).await.unwrap();
    assert_eq!(database.load(id(1)).await.unwrap(), Some(first.after));
}
