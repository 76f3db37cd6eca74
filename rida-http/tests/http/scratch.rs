//! Modules that are only tried, and the documents of finished ones.

use serde_json::{Value, json};

use crate::harness::{Server, until};

fn submission(scratch: impl Into<Value>) -> String {
    json!({"scmurl": "https://src.example.org/modules/foo.git?#main", "scratch": scratch.into()}).to_string()
}

async fn until_in(server: &Server, id: &Value, state: &str) -> Value {
    let path = format!("/rida/module-builds/{id}?verbose=true");
    until(&format!("{id} is {state}"), async || server.get(&path).await.json()["state"] == state).await;
    server.get(&path).await.json()
}

#[tokio::test]
async fn a_module_is_tried_beside_its_build_and_never_released() {
    let server = Server::with_policy(|_| {}, |policy| policy.allow_scratch = true).await;
    let normal = server.post(submission(false)).await;
    assert_eq!((normal.status.as_u16(), &normal.json()["scratch"]), (201, &json!(false)));
    let context = normal.json()["context"].as_str().unwrap().to_owned();
    // As texts, too: old clients send them.
    for (number, scratch) in [(1, json!(true)), (2, json!("true")), (3, json!("1"))] {
        let answer = server.post(submission(scratch)).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        let body = answer.json();
        assert_eq!((&body["scratch"], &body["context"]), (&json!(true), &json!(format!("{context}_{number}"))));
        let build = until_in(&server, &body["id"], "done").await;
        assert_eq!(
            (&build["phase"], &build["scratch"], &build["waits_for"]),
            (&json!("done"), &json!(true), &json!([]))
        );
        let (tag, dist) = (build["tag"].as_str().unwrap(), build["dist_tag"].as_str().unwrap());
        assert!(tag.starts_with("scrmod-foo-1-8") && tag.ends_with(&format!("_{number}+{}", body["id"])), "{tag}");
        assert!(dist.starts_with(".scrmod+el8+"), "{dist}");
        let refused = server.patch(answer.header("location"), r#"{"state": "ready"}"#).await.error(400);
        assert!(refused.contains("is never released"), "{refused}");
    }
    until_in(&server, &normal.json()["id"], "ready").await;
    let listed = async |query: &str| {
        let list = server.get(&format!("/rida/module-builds/?{query}")).await.json();
        list.as_array().unwrap().iter().map(|build| build["id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(listed("scratch=false").await, [json!(1)]);
    assert_eq!(listed("scratch=true").await, [json!(2), json!(3), json!(4)]);
    assert_eq!(listed("scratch=1&order_desc_by=id&per_page=1").await, [json!(4)]);
    server.get("/rida/module-builds/?scratch=maybe").await.error(400);
    let told = server.get("/rida/module-builds/?verbose=true").await.json();
    assert_eq!(told[1]["scratch"], true);
    server.post(submission(7)).await.error(400);
    server.post(submission("perhaps")).await.error(400);
}

#[tokio::test]
async fn trying_is_refused_where_it_is_not_enabled() {
    let server = Server::start().await;
    let message = server.post(submission(true)).await.error(403);
    assert!(message.contains("builds.allow_scratch"), "{message}");
    assert_eq!(server.post(submission(Value::Null)).await.status, 201);
}

#[tokio::test]
async fn a_finished_module_has_a_document_for_each_architecture() {
    let server = Server::start().await;
    server.world.hold_checks();
    let answer = server
        .send(warp::http::Method::POST, "/rida/module-builds/", &[("prefer", "respond-async")], submission(false))
        .await;
    let path = format!("{}/final-modulemd", answer.header("location"));
    let message = server.get(&path).await.error(404);
    assert!(message.contains("once it is done"), "{message}");
    server.world.let_checks_end();
    until_in(&server, &answer.json()["id"], "ready").await;
    let documents = server.get(&path).await.json();
    let arches: Vec<&String> = documents.as_object().unwrap().keys().collect();
    assert_eq!(arches, ["s390x", "x86_64"]);
    assert!(documents["s390x"].as_str().unwrap().starts_with("# s390x\ndocument: modulemd\n"));
    server.get("/rida/module-builds/77/final-modulemd").await.error(404);
    server.get(&format!("{path}?arch=x86_64")).await.error(400);
}
