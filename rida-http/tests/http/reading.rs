//! Lists and single builds.

use std::sync::atomic::Ordering;

use rida_core::Store;
use rida_core::testing::sample::{self, Written};

use crate::golden;
use crate::harness::Server;

/// Four builds: ready, failed, building, and one that has just been submitted.
async fn four_builds() -> Server {
    let server = Server::still().await;
    server.keep(41, "foo:1:20180205135154:c0ffee", usize::MAX).await;
    for written in sample::life_to_failed(sample::id(42), sample::nsvc("foo:2:7:c0ffee")) {
        server.store.commit(written.commit()).await.unwrap();
    }
    server.keep(43, "bar:1:7:c0ffee", 14).await;
    server.keep(44, "bar:1:8060020220523160029:fbe42456", 1).await;
    server
}

fn ids(answer: &crate::harness::Answer) -> Vec<i64> {
    answer.json().as_array().unwrap().iter().map(|build| build["id"].as_i64().unwrap()).collect()
}

#[tokio::test]
async fn bodies_are_as_they_were_written_down() {
    let server = four_builds().await;
    golden::check("list", &server.get("/rida/module-builds/").await);
    golden::check("list_verbose", &server.get("/rida/module-builds/?verbose=true").await);
    golden::check("item", &server.get("/rida/module-builds/43").await);
    golden::check("item_submitted", &server.get("/rida/module-builds/44").await);
    golden::check("item_verbose_ready", &server.get("/rida/module-builds/41?verbose=true").await);
    golden::check("item_verbose_failed", &server.get("/rida/module-builds/42?verbose=1").await);
    golden::check("error_not_found", &server.get("/rida/module-builds/7").await);
    golden::check("error_no_handler", &server.send(warp::http::Method::PUT, "/rida/module-builds/", &[], "").await);
    golden::check("error_bad_filter", &server.get("/rida/module-builds/?state=unready").await);
}

#[tokio::test]
async fn an_item_has_the_documented_shape_and_nothing_more() {
    let server = four_builds().await;
    let body = server.get("/rida/module-builds/43").await.json();
    let keys: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["id", "state", "tasks"]);
    assert_eq!(body["tasks"]["rpms/module-build-macros"], "100/closed");
    // What has no task yet is left out.
    assert!(body["tasks"].get("rpms/baz").is_none());
    server.get("/rida/module-builds/43?colour=red").await.error(400);
    server.get("/rida/module-builds/43?verbose=perhaps").await.error(400);
}

#[tokio::test]
async fn an_empty_list_is_a_list() {
    let server = Server::still().await;
    let answer = server.get("/rida/module-builds/").await;
    assert_eq!(answer.text(), "[]\n");
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn lists_are_filtered_and_ordered() {
    let server = four_builds().await;
    let cases = [
        ("state=ready", vec![41]),
        ("state=5&state=failed", vec![41, 42]),
        ("name=bar", vec![43, 44]),
        ("nsvc=foo:2", vec![42]),
        ("version=8060020220523160029", vec![44]),
        ("name=%27%20OR%20%271%27=%271", vec![]),
        ("owner=packager&order_desc_by=id", vec![44, 43, 42, 41]),
        ("order_by=version", vec![42, 43, 41, 44]),
        ("submitted_after=2100-01-01T00:00:00Z", vec![]),
        ("submitted_before=2100-01-01T00:00:00Z&stream=2", vec![42]),
    ];
    for (query, expected) in cases {
        let answer = server.get(&format!("/rida/module-builds/?{query}")).await;
        assert_eq!(ids(&answer), expected, "{query}");
        assert_eq!(answer.header("link"), "", "{query}");
    }
    for query in
        ["state=unready", "colour=red", "submitted_after=2016-99-99T00:00:00Z", "order_by=modulemd", "per_page=0"]
    {
        server.get(&format!("/rida/module-builds/?{query}")).await.error(400);
    }
}

#[tokio::test]
async fn a_time_that_is_shown_can_be_asked_for() {
    let server = four_builds().await;
    let shown = server.get("/rida/module-builds/41?verbose=true").await.json();
    let modified = shown["time_modified"].as_str().unwrap();
    let query = format!("name=foo&stream=1&modified_before={modified}&modified_after={modified}");
    assert_eq!(ids(&server.get(&format!("/rida/module-builds/?{query}")).await), [41]);
}

#[tokio::test]
async fn pages_are_linked_when_asked_for() {
    let server = four_builds().await;
    let mut url = "/rida/module-builds/?per_page=1&state=init&state=ready&state=build".to_owned();
    let mut walked = Vec::new();
    loop {
        let answer = server.get(&url).await;
        walked.extend(ids(&answer));
        let links = answer.header("link");
        assert!(links.contains("rel=\"first\"") && links.contains("rel=\"last\""), "{links}");
        let next = links.split(", ").find_map(|link| link.strip_suffix(">; rel=\"next\"")?.strip_prefix('<'));
        match next {
            Some(next) => url = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(walked, [41, 43, 44]);
    assert_eq!(ids(&server.get("/rida/module-builds/?page=7").await), Vec::<i64>::new());
}

/// Stores builds 1 to `count`.
async fn many(server: &Server, count: i64) {
    for number in 1..=count {
        let written = Written::new(sample::id(number), sample::nsvc(&format!("foo:1:{number}:c0ffee")));
        server.store.commit(written.commit()).await.unwrap();
    }
}

#[tokio::test]
async fn ten_thousand_builds_are_streamed_in_pieces() {
    let server = Server::still().await;
    many(&server, 10_000).await;
    let up: Vec<i64> = (1..=10_000).collect();
    let down: Vec<i64> = (1..=10_000).rev().collect();
    for (query, expected) in
        [("", &up), ("?order_desc_by=id", &down), ("?order_by=version", &up), ("?verbose=true", &up)]
    {
        let answer = server.get(&format!("/rida/module-builds/{query}")).await;
        assert_eq!(ids(&answer), *expected, "{query}");
        assert_eq!(answer.header("transfer-encoding"), "chunked");
    }
    let largest = server.store.limits.lock().unwrap().iter().max().copied();
    assert!(largest <= Some(500), "{largest:?} were asked for at once");
}

#[tokio::test]
async fn a_page_asks_the_store_as_often_whatever_is_on_it() {
    let server = Server::still().await;
    many(&server, 100).await;
    let asked = async |query: &str, expected: usize| {
        let before = server.store.calls.load(Ordering::SeqCst);
        assert_eq!(ids(&server.get(&format!("/rida/module-builds/?{query}")).await).len(), expected);
        server.store.calls.load(Ordering::SeqCst) - before
    };
    for verbose in ["", "&verbose=true"] {
        let ten = asked(&format!("per_page=10{verbose}"), 10).await;
        let hundred = asked(&format!("per_page=100{verbose}"), 100).await;
        assert!(ten == hundred && ten <= 2, "{ten} for ten, {hundred} for a hundred");
    }
}

#[tokio::test]
async fn a_list_that_breaks_off_is_not_taken_for_a_whole_one() {
    let server = Server::still().await;
    many(&server, 1200).await;
    server.store.fail_lists_after(1);
    let broken = server.try_send(warp::http::Method::GET, "/rida/module-builds/", &[], "").await;
    assert!(broken.is_err(), "{broken:?}");
    // Before anything was sent, it can still be said.
    server.store.fail_lists_after(0);
    let message = server.get("/rida/module-builds/").await.error(500);
    assert!(!message.contains("hunter2"), "{message}");
    // A panic in the middle cuts the answer off, too.
    server.store.panics.store(true, Ordering::SeqCst);
    server.store.fail_lists_after(1);
    let broken = server.try_send(warp::http::Method::GET, "/rida/module-builds/", &[], "").await;
    assert!(broken.is_err(), "{broken:?}");
    server.store.fail_lists_after(0);
    let message = server.get("/rida/module-builds/").await.error(500);
    assert!(!message.contains("hunter2"), "{message}");
}

#[tokio::test]
async fn while_the_store_is_away_everything_says_so() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", 2).await;
    assert_eq!(server.get("/readyz").await.json()["status"], "ready");
    server.store.down.store(true, Ordering::SeqCst);
    for path in [
        "/rida/module-builds/",
        "/rida/module-builds/?page=1",
        "/rida/module-builds/1",
        "/rida/module-builds/1/logs/foo",
        "/readyz",
    ] {
        let message = server.get(path).await.error(503);
        assert!(message.contains("database") && !message.contains("hunter2"), "{message}");
    }
    assert_eq!(server.get("/healthz").await.json()["status"], "ok");
    server.store.down.store(false, Ordering::SeqCst);
    assert_eq!(server.get("/readyz").await.status, 200);
}
