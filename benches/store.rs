//! What keeping builds costs: `cargo bench --bench store --features testing,http`.
//!
//! Each change is one transaction. The store in memory is beside it in the same run: what remains is the database.
//! PostgreSQL is started for it, with its writes on the disk as the machine's own.

use std::sync::OnceLock;

use divan::Bencher;
use rida::store::{Database, Durability, StoreConfig};
use rida::testing::{MemoryStore, sample};
use rida::{ListQuery, Store};
use rida_test_postgres::{Cluster, Settings, TestDatabase};
use tokio::runtime::Runtime;

fn main() {
    divan::main();
}

/// A whole life of a build of three components, from its submission to ready; divide by 21 for a change.
#[divan::bench(sample_count = 20)]
fn life_in_memory(bencher: Bencher) {
    let runtime = runtime();
    let store = MemoryStore::new();
    lives(bencher, &runtime, &store);
}

/// The same in SQLite, each change on the disk before the next.
#[divan::bench(sample_count = 20)]
fn life_in_sqlite(bencher: Bencher) {
    let runtime = runtime();
    let (_folder, store) = runtime.block_on(database(Durability::Full));
    lives(bencher, &runtime, &store);
}

/// The same in SQLite when a crash of the machine may cost the last changes.
#[divan::bench(sample_count = 20)]
fn life_in_sqlite_normal(bencher: Bencher) {
    let runtime = runtime();
    let (_folder, store) = runtime.block_on(database(Durability::Normal));
    lives(bencher, &runtime, &store);
}

/// The same in PostgreSQL.
#[divan::bench(sample_count = 20)]
fn life_in_postgres(bencher: Bencher) {
    let runtime = runtime();
    let (_database, store) = runtime.block_on(postgres(Durability::Full));
    lives(bencher, &runtime, &store);
}

/// The same in PostgreSQL when a crash of the machine may cost the last changes.
#[divan::bench(sample_count = 20)]
fn life_in_postgres_normal(bencher: Bencher) {
    let runtime = runtime();
    let (_database, store) = runtime.block_on(postgres(Durability::Normal));
    lives(bencher, &runtime, &store);
}

/// Eight lives at once, by eight callers of one process; divide by 168 for a change.
#[divan::bench(sample_count = 20)]
fn eight_lives_at_once_in_sqlite(bencher: Bencher) {
    let runtime = runtime();
    let (_folder, store) = runtime.block_on(database(Durability::Full));
    lives_at_once(bencher, &runtime, &store);
}

/// The same in PostgreSQL, where changes wait for each other only at their end.
#[divan::bench(sample_count = 20)]
fn eight_lives_at_once_in_postgres(bencher: Bencher) {
    let runtime = runtime();
    let (_database, store) = runtime.block_on(postgres(Durability::Full));
    lives_at_once(bencher, &runtime, &store);
}

#[divan::bench]
fn load_from_postgres(bencher: Bencher) {
    let runtime = runtime();
    let (_database, store) = runtime.block_on(postgres(Durability::Normal));
    runtime.block_on(live(&store, 1));
    bencher.bench_local(|| runtime.block_on(store.load(sample::id(1))).expect("it is there"));
}

#[divan::bench(args = [10, 500])]
fn list_from_postgres(bencher: Bencher, limit: u64) {
    let runtime = runtime();
    let (_database, store) = runtime.block_on(postgres(Durability::Normal));
    list(bencher, &runtime, &store, limit);
}

#[divan::bench]
fn load_from_sqlite(bencher: Bencher) {
    let runtime = runtime();
    let (_folder, store) = runtime.block_on(database(Durability::Normal));
    runtime.block_on(live(&store, 1));
    bencher.bench_local(|| runtime.block_on(store.load(sample::id(1))).expect("it is there"));
}

#[divan::bench(args = [10, 500])]
fn list_from_sqlite(bencher: Bencher, limit: u64) {
    let runtime = runtime();
    let (_folder, store) = runtime.block_on(database(Durability::Normal));
    list(bencher, &runtime, &store, limit);
}

fn list(bencher: Bencher, runtime: &Runtime, store: &dyn Store, limit: u64) {
    runtime.block_on(async {
        for number in 1..=1000 {
            submitted(store, number).await;
        }
    });
    let query = ListQuery { limit, descending: true, ..ListQuery::default() };
    bencher.bench_local(|| runtime.block_on(store.list(&query)).expect("they are there"));
}

fn lives_at_once(bencher: Bencher, runtime: &Runtime, store: &Database) {
    let mut number = 0;
    bencher.bench_local(|| {
        runtime.block_on(async {
            let living: Vec<_> = (0..8)
                .map(|_| {
                    number += 1;
                    let (store, number) = (store.clone(), number);
                    tokio::spawn(async move { live(&store, number).await })
                })
                .collect();
            for life in living {
                life.await.expect("it ends");
            }
        });
    });
}

fn lives(bencher: Bencher, runtime: &Runtime, store: &dyn Store) {
    let mut number = 0;
    bencher.bench_local(|| {
        number += 1;
        runtime.block_on(live(store, number));
    });
}

async fn live(store: &dyn Store, number: i64) {
    let id = store.reserve_id().await.expect("there are ids");
    for written in sample::life_to_ready(id, sample::nsvc(&format!("lua:5.4:{number}:c0ffee"))) {
        store.commit(written.commit()).await.expect("it is accepted");
    }
}

async fn submitted(store: &dyn Store, number: i64) {
    let id = store.reserve_id().await.expect("there are ids");
    let first = sample::Written::new(id, sample::nsvc(&format!("lua:5.4:{number}:c0ffee")));
    store.commit(first.commit()).await.expect("it is accepted");
}

async fn database(durability: Durability) -> (tempfile::TempDir, Database) {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let config = StoreConfig { durability, ..StoreConfig::sqlite(folder.path().join("bench.sqlite")) };
    let store = Database::connect(&config).await.expect("it opens");
    store.migrate().await.expect("it is made");
    (folder, store)
}

async fn postgres(durability: Durability) -> (TestDatabase<'static>, Database) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(|| Cluster::start(Settings { durable: true, ..Settings::default() }));
    let database = cluster.database();
    let url = database.url().parse().expect("its address is good");
    let store = Database::connect(&StoreConfig { durability, ..StoreConfig::postgres(url) }).await.expect("it opens");
    store.migrate().await.expect("it is made");
    (database, store)
}

fn runtime() -> Runtime {
    Runtime::new().expect("a runtime starts")
}
