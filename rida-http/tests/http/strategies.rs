//! How much of a module is built again, as answers tell it and requests ask for it.

use rida_core::plan::RebuildStrategy;
use serde_json::json;

use crate::harness::Server;

fn submission(more: serde_json::Value) -> String {
    let mut body = json!({"scmurl": "https://src.example.org/modules/foo.git?#main"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    body.to_string()
}

#[tokio::test]
async fn the_strategies_tell_which_may_be_asked_for() {
    let told = async |server: &Server| {
        let items = server.get("/rida/rebuild-strategies/").await.json()["items"].clone();
        let items = items.as_array().unwrap().iter();
        assert!(items.clone().all(|item| !item["description"].as_str().unwrap().is_empty()));
        items.map(|item| json!([item["name"], item["allowed"], item["default"]])).collect::<Vec<_>>()
    };
    assert_eq!(
        told(&Server::start().await).await,
        [json!(["all", false, false]), json!(["changed-and-after", true, true]), json!(["only-changed", false, false])]
    );
    let open = |policy: &mut rida_core::Policy| policy.rebuild.choices = RebuildStrategy::ALL.into();
    assert_eq!(
        told(&Server::with_policy(|_| {}, open).await).await,
        [json!(["all", true, false]), json!(["changed-and-after", true, true]), json!(["only-changed", true, false])]
    );
}

#[tokio::test]
async fn a_strategy_and_a_donor_are_asked_for_in_a_submission() {
    let closed = Server::start().await;
    let message = closed.post(submission(json!({"rebuild_strategy": "only-changed"}))).await.error(400);
    assert!(message.contains("cannot be chosen here: it is changed-and-after"), "{message}");

    let open = |policy: &mut rida_core::Policy| policy.rebuild.choices = RebuildStrategy::ALL.into();
    let server = Server::with_policy(|_| {}, open).await;
    for (more, expected) in [
        (json!({"rebuild_strategy": "some"}), "choose one of: all, changed-and-after, only-changed"),
        (json!({"rebuild_strategy": 7}), "rebuild_strategy"),
        (json!({"rebuild_strategy": "all", "reuse_components_from": 1}), "everything is built"),
        (json!({"reuse_components_from": {}}), "send the number of a build or its name:stream:version:context"),
        (json!({"reuse_components_from": true}), "send the number of a build or its name:stream:version:context"),
        (json!({"reuse_components_from": "x"}), "it is neither the number of a build nor"),
        (json!({"reuse_components_from": 991}), "there is no such build"),
        (json!({"reuse_components_from": "foo:1:1:c0ffee"}), "there is no such build"),
    ] {
        let message = server.post(submission(more.clone())).await.error(400);
        assert!(message.contains(expected), "{more}: {message}");
    }
    let answer = server.post(submission(json!({"rebuild_strategy": "only-changed"}))).await;
    assert_eq!(answer.status, 201, "{}", answer.text());
    let path = format!("{}?verbose=true", answer.header("location"));
    assert_eq!(server.get(&path).await.json()["rebuild_strategy"], "only-changed");
}
