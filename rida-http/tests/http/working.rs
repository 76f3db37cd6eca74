//! The loops that make builds go on.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rida_core::testing::sample;

use crate::harness::{Server, until};
use crate::recording::Log;

const FOO: &str = r#"{"scmurl": "https://src.example.org/modules/foo.git?#main"}"#;

#[tokio::test]
async fn news_of_the_build_system_are_followed_at_once() {
    let server = Server::with_policy(|_| {}, |policy| policy.follow_every = Duration::from_secs(3600)).await;
    let answer = server.post(FOO).await;
    let item = answer.header("location").to_owned();
    let verbose = format!("{item}?verbose=true");
    let waits = async || server.get(&verbose).await.text().contains("repository 1 of the module");
    until("a repository is being made", &waits).await;
    // Without a hint nobody looks for an hour.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(waits().await);
    until("it is ready", async || {
        server.hints.send(sample::id(1)).await.unwrap();
        server.get(&item).await.json()["state"] == "ready"
    })
    .await;
}

#[tokio::test]
async fn a_panic_stops_one_build_and_no_other() {
    let (log, _guard) = Log::keep();
    let server = Server::with(|settings| settings.api.submit_wait = Duration::ZERO).await;
    server.world.checks_panic.store(true, Ordering::SeqCst);
    assert_eq!(server.post(FOO).await.json()["state"], "init");
    until("it is told", async || log.text().contains("it panicked: secret=hunter2")).await;
    server.world.checks_panic.store(false, Ordering::SeqCst);
    let answer = server.post(FOO.replace("foo", "bar")).await;
    let item = answer.header("location").to_owned();
    until("another build is ready", async || server.get(&item).await.json()["state"] == "ready").await;
    // Its instruction is not lost either.
    until("the first is ready, too", async || server.get("/rida/module-builds/1").await.json()["state"] == "ready")
        .await;
}

#[tokio::test]
async fn work_goes_on_once_the_store_is_back() {
    let server = Server::start().await;
    server.world.hold_checks();
    let at_once = [("prefer", "respond-async")];
    let answer = server.send(warp::http::Method::POST, "/rida/module-builds/", &at_once, FOO).await;
    until("the check has begun", async || server.world.checking.load(Ordering::SeqCst)).await;
    // The store goes while the instruction is being performed, so that its answer cannot be recorded.
    server.store.down.store(true, Ordering::SeqCst);
    server.world.let_checks_end();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.store.down.store(false, Ordering::SeqCst);
    let item = answer.header("location").to_owned();
    until("the build is ready", async || server.get(&item).await.json()["state"] == "ready").await;
}
