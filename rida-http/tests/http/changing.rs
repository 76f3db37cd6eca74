//! Cancelling builds, and marking them ready.

use std::sync::atomic::Ordering;

use rida_core::testing::sample;

use crate::harness::Server;

#[tokio::test]
async fn a_build_that_is_under_way_is_cancelled_once() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", 2).await;
    for body in
        [r#"{"state": "done"}"#, r#"{"state": "colour"}"#, r#"{"state": 9}"#, "{}", "[]", r#"{"state": "4", "x": 1}"#]
    {
        server.patch("/rida/module-builds/1", body).await.error(400);
    }
    let answer = server.patch("/rida/module-builds/1/", r#"{"state": "failed", "owner": "alice"}"#).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!((&answer.json()["id"], &answer.json()["state"]), (&1.into(), &"failed".into()));
    let shown = server.get("/rida/module-builds/1?verbose=true").await.json();
    assert_eq!(shown["failure"], "canceled");
    assert!(shown["state_reason"].as_str().unwrap().contains("alice"), "{shown}");
    let message = server.patch("/rida/module-builds/1", r#"{"state": 4}"#).await.error(400);
    assert!(message.contains("failed") && message.contains("init, wait or build"), "{message}");
}

#[tokio::test]
async fn a_finished_build_is_marked_ready_once() {
    let server = Server::still().await;
    let whole_life = sample::life_to_ready(sample::id(1), sample::nsvc("foo:1:2:c0ffee")).len();
    server.keep(1, "foo:1:2:c0ffee", whole_life - 1).await;
    assert_eq!(server.get("/rida/module-builds/1").await.json()["state"], "done");
    let answer = server.patch("/rida/module-builds/1", r#"{"state": "5"}"#).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["state"]), (200, &"ready".into()));
    server.patch("/rida/module-builds/1", r#"{"state": "failed"}"#).await.error(400);
}

#[tokio::test]
async fn what_cannot_be_changed_says_why() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", 2).await;
    server.patch("/rida/module-builds/7", r#"{"state": "failed"}"#).await.error(404);
    let message = server.patch("/rida/module-builds/1", r#"{"state": "ready"}"#).await.error(400);
    assert!(message.contains("done") && message.contains("wait"), "{message}");
    server.store.down.store(true, Ordering::SeqCst);
    server.patch("/rida/module-builds/1", r#"{"state": "failed"}"#).await.error(503);
}
