//! What the service counts, and what of that it must not tell.

use std::sync::atomic::Ordering;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use rida_core::PortErrorKind;
use tokio::io::AsyncWriteExt;
use warp::http::Method;

use crate::harness::{Server, read_to_end, until};

const FOO: &str = r#"{"scmurl": "https://src.example.org/modules/foo.git?#main", "owner": "hunter2"}"#;

async fn text(server: &Server) -> String {
    let answer = server.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert!(answer.header("content-type").starts_with("application/openmetrics-text; version=1.0.0"), "{answer:?}");
    answer.text().to_owned()
}

/// Returns the value of a line, whose labels may be in any order.
fn value(text: &str, name: &str, labels: &[&str]) -> Option<f64> {
    let fits = |line: &&str| line.starts_with(name) && labels.iter().all(|label| line.contains(label));
    text.lines().find(fits)?.rsplit(' ').next()?.parse().ok()
}

#[tokio::test]
async fn what_happens_is_counted() {
    let server = Server::start().await;
    let before = text(&server).await;
    assert_eq!(value(&before, "rida_builds", &["state=\"ready\""]), Some(0.0), "{before}");
    assert_eq!(value(&before, "rida_queue_length", &[]), Some(0.0), "{before}");
    assert_eq!(server.post(FOO).await.status, 201);
    server.get("/rida/module-builds/7").await.error(404);
    server.get("/nothing/here").await.error(404);
    until("all of it is counted", async || {
        let text = text(&server).await;
        value(&text, "rida_builds", &["state=\"ready\""]) == Some(1.0)
            && value(&text, "rida_effects_total", &["action=\"build_component\"", "outcome=\"done\""]) == Some(3.0)
            && value(&text, "rida_publish_lag_seconds", &[]) == Some(0.0)
    })
    .await;
    let text = text(&server).await;
    let requests = |labels: &[&str]| value(&text, "rida_http_requests_total", labels);
    assert_eq!(requests(&["route=\"/rida/module-builds\"", "method=\"POST\"", "status=\"201\""]), Some(1.0), "{text}");
    assert_eq!(requests(&["route=\"/rida/module-builds/{id}\"", "status=\"404\""]), Some(1.0), "{text}");
    assert_eq!(requests(&["route=\"unknown\"", "status=\"404\""]), Some(1.0), "{text}");
    let announced = value(&text, "rida_announcements_total", &["outcome=\"published\""]).unwrap();
    assert!(announced >= 5.0, "{text}");
    assert!(value(&text, "rida_http_connections", &[]) >= Some(1.0), "{text}");
    assert_eq!(value(&text, "rida_store_up", &[]), Some(1.0));
    assert!(text.ends_with("# EOF\n"), "{text}");
}

#[tokio::test]
async fn nothing_that_a_user_sent_is_a_label() {
    let server = Server::start().await;
    *server.world.git_fails.lock().unwrap() = Some(PortErrorKind::Permanent);
    server.post(FOO).await.error(422);
    *server.world.git_fails.lock().unwrap() = None;
    server.post(FOO).await;
    for number in 0..50 {
        let method = Method::from_bytes(format!("HUNTER2-{number}").as_bytes()).unwrap();
        server.send(method, "/rida/module-builds/", &[], "").await.error(501);
        server.get(&format!("/hunter2/{number}?x=hunter2")).await.error(404);
        server.get(&format!("/rida/module-builds/{number}/logs/hunter2")).await.error(404);
    }
    let text = text(&server).await;
    for secret in ["hunter2", "HUNTER2", "example.org", "foo", "/tmp"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    assert!(text.lines().count() < 100, "made-up methods and paths make lines: {text}");
}

#[tokio::test]
async fn while_the_store_is_away_the_rest_is_told() {
    let server = Server::start().await;
    server.store.down.store(true, Ordering::SeqCst);
    until("that is told", async || {
        let text = text(&server).await;
        value(&text, "rida_store_up", &[]) == Some(0.0)
            && value(&text, "rida_store_failures_total", &["doing=\"granting slots\""]) >= Some(1.0)
            && !text.contains("rida_builds{")
    })
    .await;
    server.store.down.store(false, Ordering::SeqCst);
    until("it is back", async || value(&text(&server).await, "rida_store_up", &[]) == Some(1.0)).await;
}

#[tokio::test]
async fn announcements_that_wait_are_told() {
    let server = Server::start().await;
    *server.world.bus_fails.lock().unwrap() = Some(PortErrorKind::Unavailable);
    server.post(FOO).await;
    until("it waits", async || {
        let text = text(&server).await;
        value(&text, "rida_publish_lag_seconds", &[]) > Some(0.0)
            && value(&text, "rida_announcements_total", &["outcome=\"failed\""]) >= Some(1.0)
    })
    .await;
    *server.world.bus_fails.lock().unwrap() = None;
    until("it is told", async || value(&text(&server).await, "rida_publish_lag_seconds", &[]) == Some(0.0)).await;
}

#[tokio::test]
async fn clients_that_are_given_up_are_counted() {
    let short = Duration::from_millis(100);
    let server = Server::still_with(|settings| {
        settings.server.head_timeout = short;
        settings.server.write_timeout = short;
        settings.api.body_timeout = short;
    })
    .await;
    server.keep(1, "foo:1:2:c0ffee", usize::MAX).await;
    server.world.log("bar", &"x".repeat(30_000_000), true);
    server.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\nx: ").await;
    server.raw(b"POST /rida/module-builds HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\n{").await;
    let mut reader = server.connect().await;
    reader.write_all(b"GET /rida/module-builds/1/logs/bar HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    until("all three are counted", async || {
        let text = text(&server).await;
        let stalls = |what: &str| value(&text, "rida_http_stalls_total", &[&format!("what=\"{what}\"")]);
        stalls("head") >= Some(1.0) && stalls("body") == Some(1.0) && stalls("reader") == Some(1.0)
    })
    .await;
    read_to_end(&mut reader).await;
}

#[tokio::test]
async fn an_adapter_can_add_what_it_counts() {
    let server = Server::start().await;
    let calls = Counter::<u64>::default();
    server.metrics.register(|registry| registry.register("hub_calls", "Calls to the hub", calls.clone()));
    calls.inc();
    assert_eq!(value(&text(&server).await, "rida_hub_calls_total", &[]), Some(1.0));
}
