//! The promises of a store, kept by SQLite.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

use rida_core::testing::store_contract::PROMISES;
use rida_store::{Database, StoreConfig};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise_of_a_store() {
    keeps_every_promise(0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise_with_a_memory() {
    keeps_every_promise(1000).await;
}

async fn keeps_every_promise(remembered: usize) {
    for promise in PROMISES {
        println!("checking: {}", promise.name);
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig { remembered, ..StoreConfig::sqlite(folder.path().join("rida.db")) };
        let database = Database::connect(&config).await.unwrap();
        database.migrate().await.unwrap();
        promise.check(&database).await;
        database.close().await;
    }
}
