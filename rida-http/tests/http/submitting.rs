//! Submissions: what is accepted, and every way to refuse one.

use std::sync::atomic::Ordering;
use std::time::Duration;

use rida_core::testing::sample;
use rida_core::{PortErrorKind, Store};
use serde_json::json;
use warp::http::Method;

use crate::harness::{Answer, Server, until};

const FOO: &str = r#"{"scmurl": "https://src.example.org/modules/foo.git?#main"}"#;

async fn state(server: &Server, id: &serde_json::Value) -> String {
    server.get(&format!("/rida/module-builds/{id}")).await.json()["state"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_module_goes_from_submission_to_ready() {
    let server = Server::start().await;
    let answer = server.post(FOO).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let body = answer.json();
    let id = &body["id"];
    assert_eq!(answer.header("location"), format!("/rida/module-builds/{id}"));
    assert_eq!((&body["name"], &body["stream"], &body["owner"]), (&json!("foo"), &json!("1"), &json!("anonymous")));
    assert_ne!(body["state"], "init", "the answer waits for the check of the sources");
    until("the build is ready", async || state(&server, id).await == "ready").await;
    let item = server.get(answer.header("location")).await.json();
    let task = item["tasks"]["rpms/foo"].as_str().unwrap();
    assert!(task.ends_with("/closed"), "{item}");
    until("all of it is announced", async || {
        let announced = server.world.announced.lock().unwrap();
        let states: Vec<_> = announced
            .iter()
            .filter_map(|it| match it.change {
                rida_core::Change::Module { to, .. } => Some(to.name()),
                rida_core::Change::Component { .. } => None,
            })
            .collect();
        states == ["init", "wait", "build", "done", "ready"]
    })
    .await;
}

#[tokio::test]
async fn an_owner_may_be_named() {
    let server = Server::start().await;
    let body = r#"{"scmurl": "https://src.example.org/modules/foo.git?#main", "owner": "Jörg <script>"}"#;
    let answer = server.post(body).await;
    assert_eq!(answer.json()["owner"], "Jörg <script>");
}

#[tokio::test]
async fn an_answer_at_once_is_given_when_preferred() {
    let server = Server::start().await;
    server.world.hold_checks();
    let prefer = [("prefer", "foo; x=1, Respond-Async")];
    let answer = server.send(Method::POST, "/rida/module-builds/", &prefer, FOO).await;
    assert_eq!((answer.status.as_u16(), answer.header("preference-applied")), (201, "respond-async"));
    assert_eq!(answer.json()["state"], "init");
    server.world.let_checks_end();
    until("the build goes on", async || state(&server, &answer.json()["id"]).await == "ready").await;
}

#[tokio::test]
async fn an_answer_does_not_wait_for_ever() {
    let server = Server::with(|settings| settings.api.submit_wait = Duration::from_millis(50)).await;
    server.world.hold_checks();
    let answer = server.post(FOO).await;
    assert_eq!((answer.status.as_u16(), answer.json()["state"].as_str()), (201, Some("init")));
    assert_eq!(answer.header("preference-applied"), "");
    server.world.let_checks_end();
}

#[tokio::test]
async fn all_that_is_wrong_with_the_components_is_told() {
    let server = Server::start().await;
    {
        let mut bad = server.world.bad.lock().unwrap();
        bad.insert(
            "foo".to_owned(),
            vec!["foo.spec is not in the repository".to_owned(), "a source is missing".to_owned()],
        );
        bad.insert("bar".to_owned(), vec!["the branch main does not exist".to_owned()]);
    }
    let answer = server.post(FOO).await;
    answer.error(422);
    let body = answer.json();
    let problems: Vec<&str> = body["problems"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    for part in
        ["foo.spec is not in the repository", "a source is missing", "the branch main does not exist", "foo: ", "bar: "]
    {
        assert!(problems.iter().any(|problem| problem.contains(part)), "{part} is not in {problems:?}");
    }
    assert_eq!(state(&server, &body["id"]).await, "failed");
    // Once it is corrected, the same submission takes the build up again.
    server.world.bad.lock().unwrap().clear();
    let again = server.post(FOO).await;
    assert_eq!((again.status.as_u16(), &again.json()["id"]), (201, &body["id"]));
}

#[tokio::test]
async fn every_refusal_has_its_code() {
    let server = Server::start().await;
    let submit = async |url: &str| server.post(json!({ "scmurl": url }).to_string()).await;
    submit("https://src.example.org/modules/broken.git?#main").await.error(422);
    submit("https://elsewhere.example.org/foo.git?#main").await.error(403);
    for (url, reason) in [
        ("foo", "it has no scheme"),
        ("--upload-pack=touch x", "it starts with a dash"),
        ("ext::sh -c id?#main", "helper program"),
        ("ssh://-oProxyCommand=id/x?#main", "its host is not a host name"),
        ("git://--upload-pack=x/foo.git?#main", "its host is not a host name"),
        ("https://src.example.org@evil.example.org/foo?#main", "a user or password"),
        ("https://src.example.org/../x?#main", "a segment `.` or `..`"),
        ("git://src.example.org/--upload-pack=x/foo.git?#main", "a segment of its path starts with a dash"),
        ("https://src.example.org/x?--upload-pack=x#main", "none of which starts with a dot or a dash"),
        ("https://src.example.org/modules/foo.git?#--upload-pack=x", "its ref is not good"),
        ("https://src.example.org/%2e%2e/x?#main", "percent-encoding is not accepted"),
        ("https://src.example.org/modules/foo.git?#\u{0}", "a control character"),
    ] {
        let message = submit(url).await.error(400);
        assert!(message.contains(reason), "{url}: {message}");
    }
    submit("https://src.example.org.evil.example.org/foo?#main").await.error(403);

    let first = submit("https://src.example.org/modules/foo.git?#main").await;
    assert_eq!(first.status, 201);
    let again = submit("https://src.example.org/modules/foo.git?#main").await;
    let message = again.error(409);
    assert!(message.contains("foo:1:"), "{message}");
    assert_eq!(again.json()["id"], first.json()["id"]);

    *server.world.git_fails.lock().unwrap() = Some(PortErrorKind::Permanent);
    let message = submit("https://src.example.org/modules/gone.git?#main").await.error(422);
    assert!(message.contains("cannot be read") && !message.contains("hunter2"), "{message}");
    *server.world.git_fails.lock().unwrap() = Some(PortErrorKind::Unavailable);
    let message = submit("https://src.example.org/modules/gone.git?#main").await.error(503);
    assert!(!message.contains("hunter2"), "{message}");
    *server.world.git_fails.lock().unwrap() = None;

    server.store.down.store(true, Ordering::SeqCst);
    submit("https://src.example.org/modules/bar.git?#main").await.error(503);
}

#[tokio::test]
async fn a_full_queue_says_when_to_come_back() {
    let server = Server::with_policy(|_| {}, |policy| policy.limits.queue = 1).await;
    server.world.hold_checks();
    let answer = server.send(Method::POST, "/rida/module-builds", &[("prefer", "respond-async")], FOO).await;
    assert_eq!(answer.status, 201);
    let answer = server.post(FOO.replace("foo", "bar")).await;
    let message = answer.error(503);
    assert!(message.contains("the queue is full, with 1 waiting"), "{message}");
    server.world.let_checks_end();
}

#[tokio::test]
async fn a_panic_is_an_error_with_an_id() {
    let server = Server::start().await;
    server.world.git_panics.store(true, Ordering::SeqCst);
    let message = server.post(FOO).await.error(500);
    assert!(message.contains("log as ") && !message.contains("hunter2"), "{message}");
    server.world.git_panics.store(false, Ordering::SeqCst);
    assert_eq!(server.post(FOO).await.status, 201);
}

#[tokio::test]
async fn bodies_that_are_no_submission_are_refused() {
    let server = Server::start().await;
    let deep = "[".repeat(60_000);
    for body in ["", "null", "[]", "7", "{", "{}", r#"{"scmurl": 7}"#, r#"{"scmurl": "a", "scmurl": "b"}"#, &deep] {
        server.post(body.to_owned()).await.error(400);
    }
    server.post(&b"\xff\xfe\x00"[..]).await.error(400);
    let message = server.post(r#"{"scmurl": "a", "scm-url": "b", "colour": 1}"#).await.error(400);
    assert!(message.contains("scm-url") && message.contains("colour") && message.contains("branch"), "{message}");
    let list = server.store.count(&rida_core::BuildFilter::default()).await.unwrap();
    assert_eq!(list, 0);
}

#[tokio::test]
async fn what_a_browser_sends_for_another_site_is_refused() {
    let server = Server::start().await;
    for origin in ["https://evil.example.org", "null", "http://localhost:1"] {
        let headers = [("origin", origin), ("content-type", "text/plain")];
        server.send(Method::POST, "/rida/module-builds/", &headers, FOO).await.error(403);
    }
    // A name that a page has made to mean this machine.
    let rebound = [("origin", "http://evil.example.org:8080"), ("host", "evil.example.org:8080")];
    server.send(Method::POST, "/rida/module-builds/", &rebound, FOO).await.error(403);
    let own = format!("http://{}", server.address);
    let answer: Answer = server.send(Method::POST, "/rida/module-builds/", &[("origin", &own)], FOO).await;
    assert_eq!(answer.status, 201);
}

#[tokio::test]
async fn unknown_parameters_are_named() {
    let server = Server::start().await;
    server.keep(1, "foo:1:2:c0ffee", 1).await;
    let answer = server.send(Method::POST, "/rida/module-builds/?scratch=true", &[], FOO).await;
    assert!(answer.error(400).contains("scratch"));
    assert!(server.store.load(sample::id(2)).await.unwrap().is_none());
}
