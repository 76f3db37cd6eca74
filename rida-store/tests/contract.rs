//! The promises of a store, kept on every database.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

use rida_core::testing::store_contract::PROMISES;
use rida_store::{Database, StoreConfig};
use support::Place;

mod support;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise_of_a_store() {
    keeps_every_promise(Place::sqlite, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise_with_a_memory() {
    keeps_every_promise(Place::sqlite, 1000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_every_promise_of_a_store() {
    keeps_every_promise(Place::postgres, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_keeps_every_promise_with_a_memory() {
    keeps_every_promise(Place::postgres, 1000).await;
}

async fn keeps_every_promise(place: fn() -> Place, remembered: usize) {
    for promise in PROMISES {
        println!("checking: {}", promise.name);
        let place = place();
        let database = Database::connect(&StoreConfig { remembered, ..place.config() }).await.unwrap();
        database.migrate().await.unwrap();
        promise.check(&database).await;
        database.close().await;
    }
}
