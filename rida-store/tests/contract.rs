//! The promises of a store, kept by SQLite.

use rida_core::testing::store_contract::PROMISES;
use rida_store::{Database, StoreConfig};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sqlite_keeps_every_promise_of_a_store() {
    for promise in PROMISES {
        println!("checking: {}", promise.name);
        let folder = tempfile::tempdir().unwrap();
        let database = Database::connect(&StoreConfig::sqlite(folder.path().join("rida.db"))).await.unwrap();
        database.migrate().await.unwrap();
        promise.check(&database).await;
        database.close().await;
    }
}
