//! What the double answers is what hubs of Koji 1.35.3 were seen to answer.

use std::collections::BTreeSet;

use rida_koji::testing::Hub;
use rida_koji::xmlrpc::{Call, Value};
use rida_koji::{Client, ClientConfig, Login};

async fn asked() -> (Hub, Client) {
    let hub = Hub::start().await.unwrap();
    let login = Login::Password { user: "rida".to_owned(), password: "secret".to_owned() };
    let client = Client::new(ClientConfig::new(hub.url(), login)).unwrap();
    (hub, client)
}

#[tokio::test]
async fn refusals_have_the_codes_and_words_of_hubs() {
    let (hub, client) = asked().await;
    let tag = hub.world().add_tag("mine", "x86_64");
    let words = |method: &str, arguments: &[&str]| Call::new(method, arguments.iter().copied().map(Value::from));
    let edit = |name: &str, value: Value| words("editTag2", &["mine"]).with(name, value);
    let refused = [
        (words("getTag", &["nope"]).with("strict", true), 1000, "No such tagInfo: 'nope'"),
        (words("listPackages", &["nope"]), 1000, "No such entry in table tag: nope"),
        (words("getRepo", &["nope"]), 1000, "No such entry in table tag: nope"),
        (words("listTagged", &["nope"]), 1000, "No such tagInfo: 'nope'"),
        (words("createTag", &["mine"]), 1000, "A tag with the name 'mine' already exists"),
        (words("createTag", &["a b"]), 1000, "Name a b does not match RegexNameInternal value"),
        (words("createTag", &["next"]).with("perm", "none"), 1000, "No such entry in table permissions: none"),
        (edit("perm", Value::from("none")), 1000, "No such entry in table permissions: none"),
        (edit("remove_extra", Value::Array(vec![Value::from("gone")])), 1000, "Tag: mine doesn't have extra: gone"),
        (words("deleteBuildTarget", &["nope"]), 1000, "No such build target: nope"),
        (words("packageListAdd", &["mine", "new"]), 1000, "owner not specified"),
        (words("packageListBlock", &["mine", "new"]), 1000, "No such entry in table package: new"),
        (words("groupPackageListAdd", &["mine", "none", "x"]), 1000, "No such entry in table groups: none"),
        (Call::new("repo.checkRequest", [Value::Int(99)]), 1000, "No such request"),
        (Call::new("cancelTask", [Value::Int(99_999)]), 1000, "No such task: 99999"),
        (words("CGImport", &["metadata.json", "nowhere"]), 1000, "No such file: metadata.json"),
        (words("noSuchMethod", &[]), 1000, "Invalid method: noSuchMethod"),
    ];
    let calls: Vec<Call> = refused.iter().map(|(call, ..)| call.clone()).collect();
    for ((call, code, text), answer) in refused.iter().zip(client.write_many(&calls).await.unwrap()) {
        let fault = answer.unwrap_err();
        assert_eq!((fault.code, fault.message.as_str()), (*code, *text), "{}", call.method);
    }
    let tag = client.read(&Call::new("getTag", [Value::Int(tag)])).await.unwrap();
    assert_eq!(tag.fields("tag").unwrap().maybe_text("perm").unwrap(), None, "what is refused changes nothing");
}

fn keys(value: &Value) -> BTreeSet<&str> {
    match value {
        Value::Struct(members) => members.keys().map(String::as_str).collect(),
        other => panic!("{other:?}"),
    }
}

fn first(value: Value) -> Value {
    value.array("list").unwrap().into_iter().next().unwrap()
}

#[tokio::test]
async fn lists_tell_no_more_than_those_of_hubs() {
    let (hub, client) = asked().await;
    hub.world().add_tagged("platform-build", ["bash", "1", "1"], &[("bash", "x86_64")]);
    let tagged = Call::new("listTagged", [Value::from("platform-build")]);
    let tagged = first(client.read(&tagged).await.unwrap());
    for key in ["extra", "source", "creation_ts", "completion_ts"] {
        assert!(!keys(&tagged).contains(key), "{key}: {tagged:?}");
    }
    let build = client.read(&Call::new("getBuild", [Value::from("bash-1-1")])).await.unwrap();
    for key in ["extra", "source", "creation_ts", "completion_ts", "id", "build_id"] {
        assert!(keys(&build).contains(key), "{key}: {build:?}");
    }
    let listed = first(client.read(&Call::new("listBuilds", [])).await.unwrap());
    assert!(!keys(&listed).contains("id") && keys(&listed).contains("build_id"), "{listed:?}");
    let (user, caller) = (Call::new("getUser", [Value::from("rida")]), Call::new("getLoggedInUser", []));
    assert!(!keys(&client.read(&user).await.unwrap()).contains("authtype"));
    assert!(keys(&client.write(&caller).await.unwrap()).contains("authtype"));
}
