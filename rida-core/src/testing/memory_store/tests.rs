use std::pin::pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::testing::store_contract;

/// Runs a future that waits for nothing but the store in memory, which never makes anybody wait.
fn run<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("the store in memory made somebody wait"),
    }
}

#[test]
fn it_keeps_every_promise_of_a_store() {
    run(store_contract::run_all(async || MemoryStore::new()));
}

#[test]
fn clones_share_what_is_kept() {
    let store = MemoryStore::new();
    assert_eq!(run(store.reserve_id()).unwrap().get(), 1);
    assert_eq!(run(store.clone().reserve_id()).unwrap().get(), 2);
}
