//! Commits that take their time: who has to wait for them, and who must not.

use std::time::{Duration, Instant};

use rida_core::testing::sample::{Written, at, id, nsvc};
use rida_core::{Action, Fact, Store, StoreErrorKind, WorkerId};
use rida_store::{Database, StoreConfig};
use rida_test_postgres::{Cluster, TestDatabase};
use tokio::sync::oneshot;

use crate::proxy::{Fate, Proxy};
use crate::{lease, look};

/// A store whose commits can be held, and one beside it.
async fn two(of: &TestDatabase<'_>) -> (Proxy, Database, Database) {
    let (proxy, address) = Proxy::start(Cluster::shared().port()).await;
    let config =
        StoreConfig { busy_timeout: Duration::from_millis(500), ..StoreConfig::postgres(of.url().parse().unwrap()) };
    let free = Database::connect(&config).await.unwrap();
    free.migrate().await.unwrap();
    (proxy, Proxy::database(address, of).await, free)
}

/// Holds the next commit; the first channel tells that it is there, the second lets it through.
fn hold(proxy: &Proxy) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
    let ((there, is_there), (go, goes)) = (oneshot::channel(), oneshot::channel());
    proxy.next_commit(Fate::Held(there, goes));
    (is_there, go)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leases_waits_for_nobody_who_does() {
    let of = Cluster::shared().database();
    let (proxy, slow, free) = two(&of).await;
    for number in 1..=6 {
        let new = Written::new(id(number), nsvc(&format!("foo:1:{number}:c0ffee")));
        free.commit(new.looking_at(Some(at(number))).commit()).await.unwrap();
    }
    let (a, b) = (WorkerId("a".to_owned()), WorkerId("b".to_owned()));
    let (is_there, go) = hold(&proxy);
    let slowly = slow.take_effects(&a, lease(at(10), at(100)), 2);
    let meanwhile = async {
        is_there.await.unwrap();
        let start = Instant::now();
        let taken = free.take_effects(&b, lease(at(10), at(100)), 10).await.unwrap();
        assert!(start.elapsed() < Duration::from_millis(400), "it was not waited for the lock");
        go.send(()).unwrap();
        taken
    };
    let (first, second) = tokio::join!(slowly, meanwhile);
    let builds = |taken: Vec<rida_core::TakenEffect>| taken.iter().map(|it| it.effect.id.build).collect::<Vec<_>>();
    assert_eq!(builds(first.unwrap()), [id(1), id(2)]);
    assert_eq!(builds(second), [id(3), id(4), id(5), id(6)]);

    let (is_there, go) = hold(&proxy);
    let slowly = slow.take_due_builds(look(at(10), at(100)), 2);
    let meanwhile = async {
        is_there.await.unwrap();
        let start = Instant::now();
        let taken = free.take_due_builds(look(at(10), at(100)), 10).await.unwrap();
        assert!(start.elapsed() < Duration::from_millis(400), "it was not waited for the lock");
        go.send(()).unwrap();
        taken
    };
    let (first, second) = tokio::join!(slowly, meanwhile);
    assert_eq!((first.unwrap(), second), (vec![id(1), id(2)], vec![id(3), id(4), id(5), id(6)]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_on_its_way_is_seen_by_nobody_and_passed_by_none() {
    let of = Cluster::shared().database();
    let (proxy, slow, free) = two(&of).await;
    let (first, second) = (Written::new(id(1), nsvc("foo:1:1:c0ffee")), Written::new(id(2), nsvc("bar:1:1:c0ffee")));
    let (is_there, go) = hold(&proxy);
    let slowly = slow.commit(first.commit());
    let meanwhile = async {
        is_there.await.unwrap();
        // Another build, of another name: only the place in the log is the same.
        let start = Instant::now();
        let error = free.commit(second.commit()).await.unwrap_err();
        assert_eq!(error.kind(), &StoreErrorKind::Unavailable);
        let waited = start.elapsed();
        assert!(waited >= Duration::from_millis(450) && waited < Duration::from_secs(5), "{waited:?}");
        assert_eq!(free.log_after(0, 10).await.unwrap(), []);
        assert_eq!(free.load(id(1)).await.unwrap(), None);
        go.send(()).unwrap();
    };
    let (sequence, ()) = tokio::join!(slowly, meanwhile);
    assert_eq!(sequence.unwrap(), 1);
    assert_eq!(free.commit(second.commit()).await.unwrap(), 2, "no number is lost with a change that was not written");
    assert_eq!(free.integrity_check().await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_never_comes_is_not_waited_for() {
    let of = Cluster::shared().database();
    let (proxy, address) = Proxy::start(Cluster::shared().port()).await;
    let config = StoreConfig {
        busy_timeout: Duration::from_millis(500),
        statement_timeout: Duration::from_millis(500),
        ..StoreConfig::postgres(of.url_by("127.0.0.1", address.port()).parse().unwrap())
    };
    let database = Database::connect(&config).await.unwrap();
    database.migrate().await.unwrap();
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    proxy.next_commit(Fate::Swallowed);
    let start = Instant::now();
    let error = database.commit(first.commit()).await.unwrap_err();
    assert_eq!(error.kind(), &StoreErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(15), "{:?}", start.elapsed());
    // The others go on: the server has ended the transaction that stood still, and released its locks.
    assert_eq!(database.commit(first.commit()).await.unwrap(), 1);
    assert_eq!(database.load(id(1)).await.unwrap(), Some(first.after));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_of_a_build_waits_for_the_one_before_and_conflicts_with_it() {
    let of = Cluster::shared().database();
    let (proxy, slow, free) = two(&of).await;
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    free.commit(first.commit()).await.unwrap();
    let (ours, theirs) = (
        first.then(Fact::TimePassed { because: None }, |_| ()).telling([Action::WriteMetadata]),
        first.then(Fact::TimePassed { because: None }, |_| ()),
    );
    let (is_there, go) = hold(&proxy);
    let slowly = slow.commit(ours.commit());
    let meanwhile = async {
        is_there.await.unwrap();
        let waiting = free.commit(theirs.commit());
        let letting_go = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            go.send(()).unwrap();
        };
        tokio::join!(waiting, letting_go).0
    };
    let (first, second) = tokio::join!(slowly, meanwhile);
    assert_eq!(first.unwrap(), 2);
    assert_eq!(second.unwrap_err().kind(), &StoreErrorKind::Conflict);
    assert_eq!(free.load(id(1)).await.unwrap(), Some(ours.after));
}
