//! Documents that are built against several streams.

use serde_json::{Value, json};

use crate::harness::{Server, until};

fn submission(module: &str) -> String {
    json!({"scmurl": format!("https://src.example.org/modules/{module}.git?#main")}).to_string()
}

#[tokio::test]
async fn one_submission_makes_a_build_for_each_stream() {
    let server = Server::start().await;
    let answer = server.post(submission("many")).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let first = answer.json();
    assert_eq!((&first["id"], &first["siblings"]), (&json!(1), &json!([2])), "{first}");
    let show = async |id: i64| server.get(&format!("/rida/module-builds/{id}?verbose=true")).await.json();
    until("both are ready", async || show(1).await["state"] == "ready" && show(2).await["state"] == "ready").await;
    let (first, second) = (show(1).await, show(2).await);
    assert_eq!(
        (&first["build_requires"], &second["build_requires"]),
        (&json!(["platform:el8"]), &json!(["platform:el9"]))
    );
    assert_eq!(second["siblings"], json!([1]));
    let text = |build: &Value, key: &str| build[key].as_str().unwrap().to_owned();
    assert!(text(&first, "version").starts_with('8') && text(&second, "version").starts_with('9'));
    assert_ne!(first["context"], second["context"]);
    // They share the number, so that none looks newer than the other.
    assert!(text(&first, "dist_tag").starts_with(".module+el8+1+"), "{}", first["dist_tag"]);
    assert!(text(&second, "dist_tag").starts_with(".module+el9+1+"), "{}", second["dist_tag"]);
    let again = server.post(submission("many")).await;
    again.error(409);
    let document = server.get("/rida/module-builds/2/final-modulemd").await.json();
    let document = document["x86_64"].as_str().unwrap();
    assert!(
        document.contains("platform: [el9]") && !document.contains("el8"),
        "each has a document of its own: {document}"
    );
}

#[tokio::test]
async fn all_builds_are_told_when_they_are_asked_for() {
    let server = Server::start().await;
    let path = "/rida/module-builds/?all=true";
    let answer = server.send(warp::http::Method::POST, path, &[], submission("many")).await;
    let ids: Vec<Value> = answer.json().as_array().unwrap().iter().map(|build| build["id"].clone()).collect();
    assert_eq!((answer.status.as_u16(), ids), (201, vec![json!(1), json!(2)]));
    assert_eq!(answer.header("location"), "/rida/module-builds/1");
    let one = server.send(warp::http::Method::POST, path, &[], submission("foo")).await;
    assert_eq!((one.json().as_array().unwrap().len(), &one.json()[0]["siblings"]), (1, &json!([])));
}

#[tokio::test]
async fn all_are_accepted_or_none() {
    let server = Server::with_policy(|_| {}, |policy| policy.limits.queue = 1).await;
    let message = server.post(submission("many")).await.error(503);
    assert!(message.contains("the queue is full"), "{message}");
    assert_eq!(server.get("/rida/module-builds/").await.json(), json!([]));
    let limited = Server::with_policy(|_| {}, |policy| policy.builds_per_submission = 1).await;
    let message = limited.post(submission("many")).await.error(422);
    assert!(message.contains("its dependencies make 2 builds"), "{message}");
}

#[tokio::test]
async fn any_stream_is_each_that_the_operator_named() {
    let unknown = Server::start().await;
    let message = unknown.post(submission("any")).await.error(422);
    assert!(
        message.contains("builds.base_streams") && message.contains("12:7: dependencies.0.buildrequires.platform"),
        "{message}"
    );
    let named = Server::with_policy(
        |_| {},
        |policy| {
            let streams = ["f28", "f29", "f30"].map(|it| ("platform".parse().unwrap(), it.parse().unwrap()));
            policy.base_streams = streams.into_iter().collect();
        },
    )
    .await;
    let answer = named.post(submission("any")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["siblings"]), (201, &json!([2, 3])), "{}", answer.text());
}

#[tokio::test]
async fn a_submission_chooses_streams() {
    let server = Server::start().await;
    let body = |more: Value| {
        let mut body = json!({"scmurl": "https://src.example.org/modules/many.git?#main"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body.to_string()
    };
    let shown = async |more: Value, siblings: Value| {
        let answer = server.post(body(more)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let id = answer.json()["id"].clone();
        assert_eq!(answer.json()["siblings"], siblings);
        server.get(&format!("/rida/module-builds/{id}?verbose=true")).await.json()["build_requires"].clone()
    };
    assert_eq!(
        shown(json!({"buildrequire_overrides": {"platform": ["el10"]}}), json!([])).await,
        json!(["platform:el10"])
    );
    assert_eq!(shown(json!({"default_streams": {"platform": "el9"}}), json!([1])).await, json!(["platform:el9"]));
    // Both are of one document, and the first one knows it too.
    assert_eq!(server.get("/rida/module-builds/1?verbose=true").await.json()["siblings"], json!([2]));
    assert_eq!(server.get("/module-build-service/2/module-builds/1").await.json()["siblings"], json!([2]));
    let refused = server.post(body(json!({"require_overrides": {"gone": ["1"]}}))).await.error(400);
    assert!(refused.contains("require_overrides names modules that the modulemd does not have"), "{refused}");
    let refused = server.post(body(json!({"default_streams": {"platform": "f42"}}))).await.error(422);
    assert!(refused.contains("the request asks for platform:f42"), "{refused}");
}
