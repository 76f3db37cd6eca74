//! The readers of the log: their places, their leases, and what they park.

use crate::announce::AnnouncementId;
use crate::ports::{LeaseTimes, Store, WorkerId};
use crate::reader::{Parked, ParkedFilter, ReaderState};
use crate::testing::sample::{at, id};
use crate::timestamp::Timestamp;

/// No name that anybody would think of: it is a value, never a part of a statement.
const ODD: &str = "a reader's “name”; --";

fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

async fn take(store: &dyn Store, reader: &str, name: &str, now: i64, until: i64) -> Option<u64> {
    let times = LeaseTimes { now: at(now), until: at(until), latest: at(1_000_000) };
    let taken = store.take_reader(reader, &worker(name), times).await.expect("a reader can be taken");
    taken.map(|state| state.sequence)
}

async fn advance(store: &dyn Store, reader: &str, name: &str, from: u64, to: u64) -> bool {
    store.advance_reader(reader, &worker(name), from, to, &[]).await.expect("a reader can be moved on")
}

async fn place(store: &dyn Store, reader: &str) -> u64 {
    store.reader(reader).await.expect("a reader can be looked at").sequence
}

pub(super) async fn each_reader_has_a_place_of_its_own(store: &dyn Store) {
    assert_eq!(store.log_end().await.expect("the log can be read"), 0);
    assert_eq!(store.reader(ODD).await.expect("a reader can be looked at"), ReaderState::default());
    for reader in [ODD, "another"] {
        assert_eq!(take(store, reader, "a", 0, 10).await, Some(0));
    }
    assert!(advance(store, ODD, "a", 0, 5).await);
    assert!(advance(store, "another", "a", 0, 1).await);
    assert_eq!((place(store, ODD).await, place(store, "another").await, place(store, "a third").await), (5, 1, 0));
}

pub(super) async fn a_reader_begins_where_it_is_told_once(store: &dyn Store) {
    let start = async |sequence| store.start_reader(ODD, sequence).await.expect("a reader can begin");
    start(7).await;
    let state = store.reader(ODD).await.expect("a reader can be looked at");
    assert_eq!(state, ReaderState { known: true, sequence: 7, ..ReaderState::default() }, "nobody holds it");
    start(9).await;
    assert_eq!(take(store, ODD, "a", 0, 10).await, Some(7), "it is known");
    start(11).await;
    assert_eq!((place(store, ODD).await, take(store, ODD, "b", 9, 20).await), (7, None), "its lease is as it was");
}

pub(super) async fn a_reader_is_one_workers_at_a_time(store: &dyn Store) {
    assert_eq!(take(store, ODD, "a", 0, 10).await, Some(0));
    assert_eq!(take(store, ODD, "b", 9, 20).await, None, "it is held");
    let lease = store.reader(ODD).await.expect("a reader can be looked at").lease;
    assert_eq!(lease, Some((worker("a"), at(10))), "who is refused changes nothing");
    assert_eq!(take(store, ODD, "a", 9, 30).await, Some(0), "the holder holds it longer");
    assert_eq!(take(store, ODD, "b", 20, 40).await, None);
    assert_eq!(take(store, ODD, "b", 30, 40).await, Some(0), "the lease has ended");
    store.release_reader(ODD, &worker("a")).await.expect("a reader can be released");
    assert_eq!(take(store, ODD, "a", 31, 50).await, None, "only the holder gives it up");
    store.release_reader(ODD, &worker("b")).await.expect("a reader can be released");
    assert_eq!(take(store, ODD, "a", 31, 50).await, Some(0));
    store.release_reader("nobody's", &worker("a")).await.expect("there is nothing to give up");
    assert!(!store.reader("nobody's").await.expect("a reader can be looked at").known);
    store.release_reader(ODD, &worker("a")).await.expect("a reader can be released");
    let state = store.reader(ODD).await.expect("a reader can be looked at");
    assert!(state.known && state.lease.is_none(), "it is known from its first lease on: {state:?}");
}

pub(super) async fn a_reader_moves_on_with_its_lease_only(store: &dyn Store) {
    assert!(!advance(store, ODD, "a", 0, 3).await, "nobody has taken it");
    assert_eq!(take(store, ODD, "a", 0, 10).await, Some(0));
    assert!(!advance(store, ODD, "b", 0, 3).await);
    assert!(advance(store, ODD, "a", 0, 3).await);
    assert!(!advance(store, ODD, "a", 0, 4).await, "it is not there any more");
    // A lease that has ended and that nobody else has taken is as good as one.
    assert!(advance(store, ODD, "a", 3, 4).await);
    assert_eq!(take(store, ODD, "b", 11, 20).await, Some(4));
    assert!(!advance(store, ODD, "a", 4, 5).await, "it was taken over");
    assert_eq!(place(store, ODD).await, 4);
}

pub(super) async fn a_reader_that_was_moved_back_is_not_moved_on_over_it(store: &dyn Store) {
    store.rewind_reader(ODD, 2).await.expect("a new reader is before every line");
    assert_eq!(take(store, ODD, "a", 0, 10).await, Some(0));
    assert!(advance(store, ODD, "a", 0, 7).await);
    store.rewind_reader(ODD, 9).await.expect("a reader can be moved back");
    assert_eq!(place(store, ODD).await, 7, "it never moves forward so");
    store.rewind_reader(ODD, 2).await.expect("a reader can be moved back");
    assert!(!advance(store, ODD, "a", 7, 8).await, "what was moved back would be skipped");
    assert_eq!(take(store, ODD, "a", 0, 10).await, Some(2));
    assert!(advance(store, ODD, "a", 2, 8).await);
}

fn parked(sequence: u64, build: i64, index: u32) -> Parked {
    let announcement = AnnouncementId { build: id(build), revision: sequence, index };
    Parked { sequence, announcement, reason: format!("it's “no”\n{sequence}"), at: at(1), retrying: false }
}

async fn all_parked(store: &dyn Store, filter: ParkedFilter) -> Vec<Parked> {
    store.parked(ODD, filter, usize::MAX).await.expect("what is parked can be listed")
}

pub(super) async fn what_is_parked_is_there_until_somebody_says_otherwise(store: &dyn Store) {
    let first = [parked(9, 1, 0), parked(9, 1, 1), parked(10, 2, 0)];
    let [one, two, other] = &first;
    assert_eq!(take(store, ODD, "a", 0, 10).await, Some(0));
    let refused = store.advance_reader(ODD, &worker("b"), 0, 10, &first).await.expect("a reader can be moved on");
    assert!(!refused && all_parked(store, ParkedFilter::default()).await.is_empty(), "all or nothing");
    assert!(store.advance_reader(ODD, &worker("a"), 0, 10, &first).await.expect("a reader can be moved on"));
    let changed = Parked { reason: "another".to_owned(), at: Timestamp::EPOCH, ..one.clone() };
    let again = [changed, parked(12, 1, 0)];
    assert!(store.advance_reader(ODD, &worker("a"), 10, 12, &again).await.expect("a reader can be moved on"));
    let expected = [one.clone(), two.clone(), other.clone(), parked(12, 1, 0)];
    assert_eq!(all_parked(store, ParkedFilter::default()).await, expected, "in order, and as first parked");
    assert_eq!(store.parked(ODD, ParkedFilter::default(), 2).await.expect("it can be listed"), expected[..2]);
    assert_eq!(store.parked("another", ParkedFilter::default(), 9).await.expect("it can be listed"), []);
    let of_two = ParkedFilter { build: Some(id(2)), retrying: false };
    assert_eq!(all_parked(store, of_two).await.first(), Some(other));
    let state = store.reader(ODD).await.expect("a reader can be looked at");
    assert_eq!((state.parked, state.retrying), (4, 0));

    let retrying = ParkedFilter { build: None, retrying: true };
    assert_eq!(all_parked(store, retrying).await, []);
    assert_eq!(store.retry_parked(ODD, Some(id(1))).await.expect("it can be marked"), 3);
    assert_eq!(store.retry_parked("another", None).await.expect("it can be marked"), 0);
    let marked = all_parked(store, retrying).await;
    assert_eq!(marked.iter().map(|parked| parked.sequence).collect::<Vec<_>>(), [9, 9, 12]);
    assert!(marked.iter().all(|parked| parked.retrying));
    assert_eq!(store.reader(ODD).await.expect("a reader can be looked at").retrying, 3);

    store.unpark(ODD, one.announcement).await.expect("it is published");
    store.unpark(ODD, one.announcement).await.expect("a repeat changes nothing");
    store.keep_parked(ODD, two.announcement, "still not").await.expect("it is refused");
    let kept = Parked { reason: "still not".to_owned(), ..two.clone() };
    assert_eq!(all_parked(store, ParkedFilter::default()).await, [kept, other.clone(), parked(12, 1, 0)]);
    for _ in 0..2 {
        assert_eq!(store.retry_parked(ODD, None).await.expect("it can be marked"), 3, "also what is marked already");
    }
}

pub(super) async fn a_lease_of_a_clock_that_was_set_back_has_ended(store: &dyn Store) {
    assert_eq!(take(store, ODD, "a", 3600, 3630).await, Some(0));
    let times = |latest| LeaseTimes { now: at(0), until: at(30), latest: at(latest) };
    let held = store.take_reader(ODD, &worker("b"), times(3630)).await.expect("a reader can be taken");
    assert_eq!(held, None, "such times are given");
    let taken = store.take_reader(ODD, &worker("b"), times(60)).await.expect("a reader can be taken");
    assert_eq!(taken.map(|state| state.lease), Some(Some((worker("b"), at(30)))));
}
