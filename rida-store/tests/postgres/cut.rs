//! Connections that break off: what was asked for is done once, wherever it happens.

use std::time::Duration;

use rida_core::testing::sample::{self, Written, at, id, nsvc};
use rida_core::{Action, EffectId, Fact, Parked, ParkedFilter, Phase, Store, StoreErrorKind, WorkerId};
use rida_store::{Database, StoreConfig};
use rida_test_postgres::{Cluster, TestDatabase};

use crate::proxy::{Fate, Proxy};
use crate::{lease, look};

/// A store whose connections break off, and one beside it whose connections do not.
struct Bench {
    proxy: Proxy,
    shaky: Database,
    firm: Database,
    of: TestDatabase<'static>,
}

impl Bench {
    async fn new() -> Self {
        let (of, port) = (Cluster::shared().database(), Cluster::shared().port());
        let (proxy, address) = Proxy::start(port).await;
        let firm = Database::connect(&StoreConfig::postgres(of.url().parse().unwrap())).await.unwrap();
        firm.migrate().await.unwrap();
        let shaky = Proxy::database(address, &of).await;
        Self { proxy, shaky, firm, of }
    }

    async fn assert_sound(&self) {
        assert_eq!(self.firm.integrity_check().await.unwrap(), Vec::<String>::new());
    }
}

/// What happens to commits: each is told apart by whether the server gets them.
const FATES: [(&str, MakeFate); 3] = [
    ("dropped", || Fate::Dropped),
    ("unanswered", || Fate::Unanswered),
    ("delayed", || Fate::Delayed(Duration::from_millis(300))),
];

type MakeFate = fn() -> Fate;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_change_whose_answer_was_lost_is_written_once() {
    for (name, fate) in FATES {
        println!("the commit is {name}");
        let bench = Bench::new().await;
        let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
        bench.proxy.next_commit(fate());
        assert_eq!(bench.shaky.commit(first.commit()).await.unwrap(), 1);

        let next =
            first.entering(Fact::TimePassed { because: None }, Phase::Wait, None).telling([Action::PrepareEnvironment]);
        let next = next.answering(1);
        bench.proxy.next_commit(fate());
        assert_eq!(bench.shaky.commit(next.commit()).await.unwrap(), 2);

        let revision = bench.shaky.queue().await.unwrap().revision;
        let granted = next.entering(Fact::SlotGranted, Phase::Preparing, None).by_queue(revision);
        bench.proxy.next_commit(fate());
        assert_eq!(bench.shaky.commit(granted.commit()).await.unwrap(), 3);
        assert_eq!(bench.firm.queue().await.unwrap().revision, revision + 1);

        assert!(bench.proxy.is_done(), "{name}");
        assert_eq!(bench.firm.load(id(1)).await.unwrap(), Some(granted.after));
        assert_eq!(bench.firm.log_after(0, 100).await.unwrap().len(), 3);
        bench.assert_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_does_not_hide_that_somebody_else_was_first() {
    // The commit never reaches the server, and another change comes before it is tried again.
    let bench = Bench::new().await;
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    bench.firm.commit(first.commit()).await.unwrap();
    let (ours, theirs) =
        (first.then(Fact::TimePassed { because: None }, |_| ()), first.entering(Fact::SlotGranted, Phase::Wait, None));
    let (there, is_there) = tokio::sync::oneshot::channel();
    let (go, goes) = tokio::sync::oneshot::channel();
    bench.proxy.next_commit(Fate::Held(there, goes));
    let commit = bench.shaky.commit(ours.commit());
    let meddling = async {
        is_there.await.unwrap();
        // Ends the transaction that waits to be committed, and with it the connection.
        bench.of.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'");
        bench.firm.commit(theirs.commit()).await.unwrap();
        go.send(()).unwrap();
    };
    let (committed, ()) = tokio::join!(commit, meddling);
    assert_eq!(committed.unwrap_err().kind(), &StoreErrorKind::Conflict);
    assert_eq!(bench.firm.load(id(1)).await.unwrap(), Some(theirs.after));
    bench.assert_sound().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_leased_with_a_lost_answer_is_known_and_counted_once() {
    for (name, fate) in FATES {
        println!("the commit is {name}");
        let bench = Bench::new().await;
        let new = Written::new(id(1), nsvc("foo:1:1:c0ffee")).telling([Action::PrepareEnvironment]);
        bench.firm.commit(new.commit()).await.unwrap();
        let (ours, other) = (WorkerId("ours".to_owned()), WorkerId("other".to_owned()));
        bench.proxy.next_commit(fate());
        let taken = bench.shaky.take_effects(&ours, lease(at(10), at(100)), 10).await.unwrap();
        assert!(bench.proxy.is_done(), "{name}");
        assert_eq!(taken.len(), 2, "{name}");
        assert!(taken.iter().all(|taken| taken.attempts == 0));
        assert_eq!(bench.firm.take_effects(&other, lease(at(99), at(200)), 10).await.unwrap(), []);
        let again = bench.firm.take_effects(&other, lease(at(100), at(200)), 10).await.unwrap();
        assert!(again.len() == 2 && again.iter().all(|taken| taken.attempts == 1), "{name}: {again:?}");
        bench.assert_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_else_may_be_asked_for_twice() {
    for (name, fate) in FATES {
        println!("the commits are {name}");
        let bench = Bench::new().await;
        let (store, worker) = (&bench.shaky, &WorkerId("ours".to_owned()));
        let lose = || bench.proxy.next_commit(fate());
        lose();
        let given = store.reserve_id().await.unwrap();
        assert_ne!(store.reserve_id().await.unwrap(), given);

        let new = Written::new(given, nsvc("foo:1:1:c0ffee")).telling([Action::PrepareEnvironment]);
        let new = new.looking_at(Some(at(5)));
        store.commit(new.commit()).await.unwrap();
        let effect = |number| EffectId { build: given, number };
        store.take_effects(worker, lease(at(10), at(100)), 10).await.unwrap();
        lose();
        store.renew_leases(worker, &[effect(1), effect(2)], at(150)).await.unwrap();
        assert_eq!(store.take_effects(worker, lease(at(149), at(200)), 10).await.unwrap(), []);
        lose();
        store.retry_effect(worker, effect(1), at(20), 1, "it's away").await.unwrap();
        lose();
        store.drop_effect(effect(2)).await.unwrap();
        let taken = bench.firm.take_effects(worker, lease(at(20), at(300)), 10).await.unwrap();
        assert_eq!(taken.iter().map(|taken| taken.effect.id).collect::<Vec<_>>(), [effect(1)]);
        lose();
        let due = store.take_due_builds(look(at(5), at(50)), 10).await.unwrap();
        assert!(due == [given] || (due.is_empty() && name != "dropped"), "{name}: at the latest with the next look");
        // A delayed one may still hold the build, which is passed over then.
        let mut later = Vec::new();
        while later.is_empty() {
            later = bench.firm.take_due_builds(look(at(50), at(60)), 10).await.unwrap();
        }
        assert_eq!(later, [given]);

        lose();
        assert!(store.take_reader("bus", worker, lease(at(0), at(100))).await.unwrap().is_some());
        let announcement = rida_core::AnnouncementId { build: given, revision: 1, index: 0 };
        let parked = Parked { sequence: 1, announcement, reason: "too large".to_owned(), at: at(1), retrying: false };
        lose();
        assert!(store.advance_reader("bus", worker, 0, 1, std::slice::from_ref(&parked)).await.unwrap(), "{name}");
        assert!(!store.advance_reader("bus", worker, 0, 1, &[]).await.unwrap(), "it is not there any more");
        assert_eq!(bench.firm.parked("bus", ParkedFilter::default(), 10).await.unwrap(), [parked]);
        lose();
        assert_eq!(store.retry_parked("bus", None).await.unwrap(), 1);
        lose();
        store.keep_parked("bus", announcement, "still too large").await.unwrap();
        lose();
        store.unpark("bus", announcement).await.unwrap();
        lose();
        store.rewind_reader("bus", 0).await.unwrap();
        lose();
        store.release_reader("bus", worker).await.unwrap();
        let reader = bench.firm.reader("bus").await.unwrap();
        assert_eq!((reader.sequence, reader.lease, reader.parked), (0, None, 0));
        lose();
        store.migrate().await.unwrap();
        lose();
        store.belong_to("a build system").await.unwrap();
        assert!(bench.proxy.is_done(), "{name}");
        bench.assert_sound().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wherever_a_connection_breaks_off_a_life_is_written_once() {
    let bench = Bench::new().await;
    // Each message of a change in turn: its beginning, its statements, its end, and the questions in between.
    let mut cut_at = Vec::new();
    for number in 1..=40 {
        let life = sample::life_to_ready(id(i64::from(number)), nsvc(&format!("foo:1:{number}:c0ffee")));
        let before = bench.proxy.cuts();
        bench.proxy.cut_after(number - 1);
        for (written, revision) in life.iter().take(4).zip(1..) {
            let sequence = bench.shaky.commit(written.commit()).await.unwrap();
            assert_eq!(sequence, u64::from(number - 1) * 4 + revision);
            assert_eq!(bench.shaky.load(written.after.id).await.unwrap().as_ref(), Some(&written.after));
        }
        cut_at.extend((bench.proxy.cuts() > before).then_some(number));
    }
    assert_eq!(cut_at.len(), 40, "each time something was broken off");
    assert_eq!(bench.firm.log_after(0, 1000).await.unwrap().len(), 160);
    bench.assert_sound().await;
}
