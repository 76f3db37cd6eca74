//! The interface of the Module Build Service: what its clients ask, and what they are answered.

use serde_json::Value;
use warp::http::Method;

use crate::harness::{Answer, Server, until};

/// A server with seven builds: `foo:1` in four versions and two contexts, and others, in different states.
async fn server() -> Server {
    let server = Server::still().await;
    let builds = [
        ("foo:1:1:cafe", usize::MAX),
        ("foo:1:2:cafe", usize::MAX),
        ("foo:1:10:cafe", 2),
        ("foo:1:2:beef", 1),
        ("bar:1:1:cafe", usize::MAX),
        ("bar:2:1:cafe", 4),
        ("perl:5.30:1:cafe", usize::MAX),
    ];
    for (number, (nsvc, steps)) in (1..).zip(builds) {
        server.keep(number, nsvc, steps).await;
    }
    server
}

fn ids(answer: &Answer) -> Vec<i64> {
    let items = answer.json()["items"].as_array().cloned().unwrap_or_default();
    items.iter().map(|item| item["id"].as_i64().unwrap()).collect()
}

/// What matters of an answer: an error's beginning, or the ids of a page with their whole number.
enum Expected {
    Ids(&'static [i64], u64),
    Error(u16, &'static str),
}
use Expected::{Error, Ids};

#[tokio::test]
async fn lists_of_builds_are_answered_as_clients_expect() {
    let server = server().await;
    let cases = [
        ("", Ids(&[7, 6, 5, 4, 3, 2, 1], 7)),
        ("per_page=2&page=2&order_by=id", Ids(&[3, 4], 7)),
        ("per_page=10&order_desc_by=id", Ids(&[7, 6, 5, 4, 3, 2, 1], 7)),
        ("per_page=3", Ids(&[7, 6, 5], 7)),
        ("page=3&per_page=3", Ids(&[1], 7)),
        ("page=9&per_page=3", Ids(&[], 7)),
        ("per_page=1000000", Ids(&[7, 6, 5, 4, 3, 2, 1], 7)),
        ("nsvc=foo:1:2&per_page=2", Ids(&[4, 2], 2)),
        ("nsvc=foo&per_page=2", Ids(&[4, 3], 4)),
        ("nsvc=foo:1:2:cafe", Ids(&[2], 1)),
        ("verbose=true&nsvc=foo&order_desc_by=version&per_page=1", Ids(&[3], 4)),
        ("name=foo&context=beef", Ids(&[4], 1)),
        ("name=nothere&short=true", Ids(&[], 0)),
        ("state=ready", Ids(&[7, 5, 2, 1], 4)),
        ("state=5&state=0", Ids(&[7, 5, 4, 2, 1], 5)),
        ("state=5&order_desc_by=id&verbose=True&per_page=10&page=1", Ids(&[7, 5, 2, 1], 4)),
        ("name=foo&order_by=version", Ids(&[1, 2, 4, 3], 4)),
        ("scratch=false", Ids(&[7, 6, 5, 4, 3, 2, 1], 7)),
        ("scratch=true", Ids(&[], 0)),
        ("submitted_after=2016-09-03T11:23:20", Ids(&[7, 6, 5, 4, 3, 2, 1], 7)),
        ("submitted_before=2016-09-03T11:23:20Z", Ids(&[], 0)),
        ("verbose=1&per_page=1", Ids(&[7], 7)),
        ("short=1&per_page=1", Ids(&[7], 7)),
        // As rpkg asks.
        ("verbose=true&state=5&order_desc_by=id&verbose=True&per_page=10&page=1", Ids(&[7, 5, 2, 1], 4)),
        ("verbose=true&verbose=false", Error(400, "verbose is given more than once, and not as the same")),
        (
            "id=1",
            Error(
                400,
                "The \"id\" query option is invalid. Did you mean to go to \"/module-build-service/1/module-builds/1\"?",
            ),
        ),
        ("order_by=unknown", Error(400, "builds cannot be ordered by \"unknown\"")),
        ("order_by=component_builds", Error(400, "builds cannot be ordered by")),
        ("order_by=id&order_desc_by=id", Error(400, "order_by and order_desc_by are both given")),
        // Other than there: what is a mistake is told.
        ("page=-1", Error(400, "page=")),
        ("page=abc", Error(400, "page=")),
        ("per_page=-1", Error(400, "per_page=")),
        ("per_page=0", Error(400, "per_page=")),
        ("state=99", Error(400, "there is no state \"99\"")),
        ("state=-1", Error(400, "there is no state \"-1\"")),
        ("state=", Error(400, "there is no state")),
        ("nsvc=foo:1:1:2:3:4", Error(400, "nsvc=")),
        ("name=a&name=foo", Error(400, "name is given more than once")),
        ("submitted_after=2016-99-99T11:23:20Z", Error(400, "submitted_after=")),
        ("time_submitted=2016", Error(400, "unknown parameters: \"time_submitted\"")),
        ("endpoint=foo&per_page=1", Error(400, "unknown parameters: \"endpoint\"")),
        ("verbose=yes", Error(400, "verbose=")),
    ];
    for version in [1, 2] {
        for (query, expected) in &cases {
            let answer = server.get(&format!("/module-build-service/{version}/module-builds/?{query}")).await;
            match expected {
                Ids(wanted, total) => {
                    assert_eq!(answer.status, 200, "{query}: {answer:?}");
                    assert_eq!(ids(&answer), *wanted, "{query}");
                    assert_eq!(answer.json()["meta"]["total"], *total, "{query}");
                }
                Error(status, message) => {
                    let told = answer.error(*status);
                    let wanted = message.replace("service/1", &format!("service/{version}"));
                    assert!(told.starts_with(&wanted), "{query}: {told}");
                }
            }
        }
    }
}

#[tokio::test]
async fn lists_of_components_are_answered_as_clients_expect() {
    let server = server().await;
    let all = |build: i64| (1..=4).map(move |index| build * 65_536 + index);
    let everything: Vec<i64> = (1..=7).rev().flat_map(|build| all(build).rev()).collect();
    let count = everything.len();
    let ask = async |query: &str| server.get(&format!("/module-build-service/1/component-builds/?{query}")).await;
    assert_eq!(ids(&ask("per_page=100").await), everything);
    assert_eq!(ids(&ask("").await), everything[..10], "ten, the newest first");
    assert_eq!(ids(&ask("format=rpms&per_page=100").await).len(), count);
    assert_eq!(ids(&ask("format=container").await), [0_i64; 0]);
    for name in ["module_build", "module_id"] {
        assert_eq!(ids(&ask(&format!("{name}=2&order_by=id")).await), all(2).collect::<Vec<_>>());
    }
    assert_eq!(ids(&ask("module_build=0").await), [0_i64; 0]);
    assert_eq!(ids(&ask("module_build=99").await), [0_i64; 0]);
    let complete = ids(&ask("state=1&per_page=100").await);
    assert!(!complete.is_empty() && complete.len() < count);
    assert_eq!(ids(&ask("state=complete&per_page=100").await), complete);
    assert_eq!(ids(&ask("state=COMPLETE&state=3&per_page=100").await), complete, "none has failed");
    assert_eq!(ids(&ask("state=2").await), [0_i64; 0], "nothing is ever deleted");
    let (tagged, others) = (ids(&ask("tagged=true&per_page=100").await), ids(&ask("tagged=false&per_page=100").await));
    assert!(!tagged.is_empty() && tagged.len() + others.len() == count);
    let one = ask("package=bar&module_build=1&verbose=true").await.json()["items"][0].clone();
    assert_eq!(one["package"], "bar");
    for (name, value) in
        [("task_id", one["task_id"].to_string()), ("nvr", one["nvr"].as_str().unwrap().replace('+', "%2B"))]
    {
        let found = ids(&ask(&format!("{name}={value}&module_build=1")).await);
        assert_eq!(found, [one["id"].as_i64().unwrap()], "{name}={value}");
    }
    assert_eq!(ids(&ask("batch=1&per_page=100").await).len(), 7, "each module has its macros");
    for (query, message) in [
        ("state=bogus", "there is no state \"bogus\""),
        ("order_by=bogus", "components cannot be ordered by \"bogus\""),
        (
            "id=1",
            "The \"id\" query option is invalid. Did you mean to go to \"/module-build-service/1/component-builds/1\"?",
        ),
        ("task_id=x", "task_id="),
        ("module_id=1&module_build=1", "module_id and module_build are the same"),
        ("weight=1", "unknown parameters"),
    ] {
        let told = ask(query).await.error(400);
        assert!(told.starts_with(message), "{query}: {told}");
    }
}

#[tokio::test]
async fn links_stay_under_the_version_and_keep_what_was_asked() {
    let server = server().await;
    let host = server.address;
    for version in [1, 2] {
        let path = format!("/module-build-service/{version}/module-builds/");
        let answer = server.get(&format!("{path}?state=ready&state=5&state=0&per_page=2&page=2&name=foo")).await;
        let link =
            |page: u64| format!("http://{host}{path}?state=ready&state=5&state=0&name=foo&per_page=2&page={page}");
        let expected = serde_json::json!({
            "first": link(1), "last": link(2), "next": null, "page": 2, "pages": 2, "per_page": 2, "prev": link(1), "total": 3,
        });
        assert_eq!(answer.json()["meta"], expected);
    }
    // Following them meets everything once.
    let mut met = Vec::new();
    let mut next = Some("/module-build-service/2/module-builds/?state=ready&state=init&per_page=2".to_owned());
    while let Some(path) = next {
        let answer = server.get(&path).await;
        met.extend(ids(&answer));
        next =
            answer.json()["meta"]["next"].as_str().map(|next| next.split_once(&host.to_string()).unwrap().1.to_owned());
    }
    assert_eq!(met, [7, 5, 4, 2, 1]);
    let nothing = server.get("/module-build-service/1/module-builds/?name=nothere").await.json()["meta"].clone();
    assert_eq!((&nothing["next"], &nothing["prev"], &nothing["pages"]), (&Value::Null, &Value::Null, &0.into()));
    // More than a page can have is as much as it can.
    for (view, most) in [("short=true&", 1000), ("", 100), ("verbose=true&", 100)] {
        let path = format!("/module-build-service/1/module-builds/?{view}per_page=1000000");
        let meta = server.get(&path).await.json()["meta"].clone();
        assert_eq!(meta["per_page"], most, "{path}");
        let last = format!("?{view}per_page={most}&page=1");
        assert!(meta["last"].as_str().unwrap().ends_with(&last), "{meta}");
    }
}

#[tokio::test]
async fn links_lead_where_the_client_came_from() {
    let server = server().await;
    let path = "/module-build-service/1/module-builds/?per_page=3";
    let next = async |headers: &[(&str, &str)]| {
        let answer = server.send(Method::GET, path, headers, "").await;
        answer.json()["meta"]["next"].as_str().unwrap().to_owned()
    };
    let rest = "/module-build-service/1/module-builds/?per_page=3&page=2";
    assert_eq!(next(&[("host", "mbs.example.org")]).await, format!("http://mbs.example.org{rest}"));
    let proxied = [("host", "mbs.example.org:8443"), ("x-forwarded-proto", "https")];
    assert_eq!(next(&proxied).await, format!("https://mbs.example.org:8443{rest}"));
    let odd = [("host", "mbs.example.org"), ("x-forwarded-proto", "javascript")];
    assert_eq!(next(&odd).await, format!("http://mbs.example.org{rest}"));
    assert_eq!(next(&[("host", "no host/\"at all")]).await, rest);
}

#[tokio::test]
async fn what_is_not_there_is_told_in_json() {
    let server = server().await;
    for path in [
        "/1/module-builds/9999",
        "/1/module-builds/9999/messages",
        "/1/module-builds/x",
        "/1/component-builds/9999",
        "/1/component-builds/9999/messages",
        "/1/component-builds/65541",
        "/1/component-builds/x",
        "/2/component-builds/-1",
        "/2/final-modulemd/9999",
        "/2/final-modulemd/4",
    ] {
        server.get(&format!("/module-build-service{path}")).await.error(404);
    }
    for path in ["/0/about/", "/99/module-builds/", "/-1/about/"] {
        let told = server.get(&format!("/module-build-service{path}")).await.error(404);
        assert_eq!(told, "The requested API version is not available", "{path}");
    }
    let answer = server.send(Method::DELETE, "/module-build-service/1/module-builds/1", &[], "").await;
    answer.error(405);
    assert_eq!(answer.header("allow"), "GET, HEAD, PATCH, OPTIONS");
    server.send(Method::POST, "/module-build-service/1/component-builds/", &[], "{}").await.error(405);
}

#[tokio::test]
async fn one_body_is_answered_with_one_build_or_with_a_list() {
    let server = Server::start().await;
    let post = async |version: u8, body: &str| {
        let path = format!("/module-build-service/{version}/module-builds/");
        server.send(Method::POST, &path, &[], body.to_owned()).await
    };
    let body = |module: &str| {
        format!(r#"{{"scmurl": "https://src.example.org/modules/{module}.git?#abc", "branch": "1", "scratch": false}}"#)
    };
    let one = post(1, &body("foo")).await;
    assert_eq!((one.status.as_u16(), one.header("location")), (201, "/module-build-service/1/module-builds/1"));
    assert_eq!((&one.json()["id"], &one.json()["name"]), (&1.into(), &"foo".into()));
    let list = post(2, &body("many")).await;
    assert_eq!((list.status.as_u16(), list.header("location")), (201, "/module-build-service/2/module-builds/2"));
    let builds: Vec<(Value, Value)> =
        list.json().as_array().unwrap().iter().map(|it| (it["id"].clone(), it["siblings"].clone())).collect();
    assert_eq!(builds, [(2.into(), vec![3].into()), (3.into(), vec![2].into())]);
    assert_eq!(list.json()[1]["state_url"], "/module-build-service/2/module-builds/3");
    post(1, &body("foo")).await.error(409);
    post(2, &body("many")).await.error(409);
    for (body, status, message) in [
        ("{", 400, "the body is not a JSON object"),
        ("null", 400, "the body is not a JSON object"),
        ("[]", 400, "the body is not a JSON object"),
        ("{}", 400, "\"scmurl\" is missing"),
        (r#"{"scmurl": 7}"#, 400, "\"scmurl\" is a number"),
        (r#"{"scmurl": "git://badurl.com", "branch": "master"}"#, 400, "the scmurl is not valid"),
        (r#"{"scmurl": "https://bad.example.com/modules/foo?#abc"}"#, 403, "the scmurl https://bad.example.com"),
        (r#"{"scmurl": "unsupported://example.com/modules/"}"#, 400, "the scmurl is not valid"),
        (r#"{"scmurl": "https://src.example.org/modules/broken?#abc"}"#, 422, "the modulemd is not valid"),
        (r#"{"scmurl": "https://src.example.org/modules/foo?#abc", "scratch": true}"#, 403, "scratch builds are not"),
        (r#"{"scmurl": "https://src.example.org/modules/foo?#abc", "zz": 1, "yy": 2}"#, 400, "the body has unknown"),
        (
            r#"{"scmurl": "https://src.example.org/modules/foo?#abc", "rebuild_strategy": "all"}"#,
            400,
            "the rebuild strategy",
        ),
        (
            r#"{"scmurl": "https://src.example.org/modules/foo?#abc", "reuse_components_from": {}}"#,
            400,
            "\"reuse_components_from\" is",
        ),
        (
            r#"{"scmurl": "https://src.example.org/modules/foo?#abc", "reuse_components_from": 991}"#,
            400,
            "components cannot be taken",
        ),
        (
            r#"{"scmurl": "https://src.example.org/modules/foo?#abc", "branch": "2"}"#,
            422,
            "the modulemd is not valid: stream: ",
        ),
    ] {
        for version in [1, 2] {
            let told = post(version, body).await.error(status);
            assert!(told.starts_with(message), "{body}: {told}");
        }
    }
}

#[tokio::test]
async fn builds_are_cancelled_and_nothing_else() {
    let server = Server::start().await;
    server.world.hold_checks();
    let headers = [("prefer", "respond-async")];
    let body = r#"{"scmurl": "https://src.example.org/modules/foo.git?#abc"}"#;
    server.send(Method::POST, "/module-build-service/2/module-builds/", &headers, body).await;
    let patch = async |id: &str, body: &str| {
        server.patch(&format!("/module-build-service/2/module-builds/{id}"), body.to_owned()).await
    };
    patch("1", "").await.error(400);
    patch("1", r#"{"state": "bogus"}"#).await.error(400);
    patch("1", r#"{"state": "build"}"#).await.error(400);
    patch("999", r#"{"state": "failed"}"#).await.error(404);
    let canceled = patch("1", r#"{"state": "failed", "owner": "foo"}"#).await;
    assert_eq!(canceled.status, 200);
    let build = canceled.json();
    assert_eq!((&build["state"], &build["state_name"], &build["id"]), (&4.into(), &"failed".into(), &1.into()));
    assert_eq!(build["state_reason"], "canceled by foo");
    assert_eq!(build["state_trace"].as_array().unwrap().len(), 2);
    patch("1", r#"{"state": "failed"}"#).await.error(400);
    server.world.let_checks_end();
}

#[tokio::test]
async fn messages_tell_what_happened_newest_first() {
    let server = server().await;
    let all = server.get("/module-build-service/1/module-builds/1/messages?per_page=100").await.json();
    let texts: Vec<&str> =
        all["messages"].as_array().unwrap().iter().map(|it| it["message"].as_str().unwrap()).collect();
    assert_eq!(all["meta"]["total"], texts.len());
    assert_eq!((texts[0], *texts.last().unwrap()), ("the build is ready", "the build is init"));
    let mut ids: Vec<u64> = all["messages"].as_array().unwrap().iter().map(|it| it["id"].as_u64().unwrap()).collect();
    assert!(ids.is_sorted_by(|a, b| a > b), "{ids:?}");
    ids.dedup();
    assert_eq!(ids.len(), texts.len());
    let page = server.get("/module-build-service/1/module-builds/1/messages?per_page=2&page=2").await.json();
    assert_eq!(page["messages"], Value::from(all["messages"].as_array().unwrap()[2..4].to_vec()));
    let next = page["meta"]["next"].as_str().unwrap();
    assert!(next.ends_with("/module-build-service/1/module-builds/1/messages?per_page=2&page=3"), "{next}");
    let of_one = server.get("/module-build-service/1/component-builds/65538/messages?per_page=100").await.json();
    let name = server.get("/module-build-service/1/component-builds/65538").await.json()["package"].clone();
    let name = name.as_str().unwrap();
    let expected: Vec<&&str> = texts.iter().filter(|text| text.starts_with(&format!("{name} is"))).collect();
    assert!(!expected.is_empty());
    let told: Vec<&str> =
        of_one["messages"].as_array().unwrap().iter().map(|it| it["message"].as_str().unwrap()).collect();
    assert_eq!(told.iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_page_costs_the_store_the_same_whatever_its_length() {
    use std::sync::atomic::Ordering;
    let server = Server::still().await;
    for number in 1..=100 {
        server.keep(number, &format!("foo:1:{number}:cafe"), usize::MAX).await;
    }
    for (query, most) in [("short=true", 2), ("", 4), ("verbose=true", 4)] {
        for per_page in [1, 100] {
            let before = server.store.calls.load(Ordering::SeqCst);
            let answer =
                server.get(&format!("/module-build-service/2/module-builds/?per_page={per_page}&{query}")).await;
            assert_eq!(ids(&answer).len(), per_page);
            let asked = server.store.calls.load(Ordering::SeqCst) - before;
            assert!(asked <= most, "{asked} for {per_page} with {query:?}");
        }
    }
    let before = server.store.calls.load(Ordering::SeqCst);
    server.get("/module-build-service/2/component-builds/?per_page=100&verbose=true").await;
    assert_eq!(server.store.calls.load(Ordering::SeqCst) - before, 2);
}

#[tokio::test]
async fn nothing_is_answered_without_a_store_but_what_needs_none() {
    use std::sync::atomic::Ordering;
    let server = server().await;
    server.store.down.store(true, Ordering::SeqCst);
    for path in
        ["module-builds", "module-builds/1", "module-builds/1/messages", "component-builds", "component-builds/65537"]
    {
        server.get(&format!("/module-build-service/1/{path}")).await.error(503);
    }
    assert_eq!(server.get("/module-build-service/1/about/").await.json()["api_version"], 2);
    server.store.down.store(false, Ordering::SeqCst);
    until("it answers again", async || server.get("/module-build-service/1/module-builds").await.status == 200).await;
}

#[tokio::test]
async fn the_document_is_complete_and_its_hashes_are_those_of_the_service() {
    let server = Server::start().await;
    let body = r#"{"scmurl": "https://src.example.org/modules/foo.git?#abc"}"#;
    let build = server.send(Method::POST, "/module-build-service/1/module-builds/", &[], body).await.json();
    let text = build["modulemd"].as_str().unwrap();
    let document = rida_core::modulemd::read(text.as_bytes()).unwrap();
    let stream = document.into_stream().unwrap();
    let told = (stream.name.as_deref(), stream.stream.as_deref(), stream.context.as_deref());
    assert_eq!(told, (Some("foo"), build["stream"].as_str(), build["context"].as_str()));
    assert_eq!(stream.version.map(|version| version.to_string()).as_deref(), build["version"].as_str());
    for part in
        ["koji_tag: module-foo-1-", "mse: TRUE", "stream: el8", "ref: virtual", "scmurl: https://src.example.org"]
    {
        assert!(text.contains(part), "{part} is not in {text}");
    }
    // SHA-1 of {"platform": "el8"}, of {} and of {"platform": ["el8"]}.
    assert_eq!(build["build_context"], "eca50767b80d2887d7cf8e9c28131660c2e39077");
    assert_eq!(build["build_context_no_bms"], "bf21a9e8fbc5a3846fb05b4fa0859e0917b2202f");
    let runtime = build["runtime_context"].as_str().unwrap();
    let context = rida_core::context::context("eca50767b80d2887d7cf8e9c28131660c2e39077", runtime);
    assert_eq!(build["context"], context.as_str(), "the two make the context");
}

#[tokio::test]
async fn a_modulemd_may_come_in_the_body() {
    use serde_json::json;
    let text = crate::world::modulemd("foo");
    let unnamed = text.replace("  name: foo\n", "");
    let start = async |scratch: bool, modulemd: bool| {
        let allow = move |policy: &mut rida_core::Policy| {
            (policy.allow_scratch, policy.allow_modulemd) = (scratch, modulemd);
        };
        Server::with_policy(|_| {}, allow).await
    };
    let post = async |server: &Server, body: Value| {
        server.send(Method::POST, "/module-build-service/2/module-builds/", &[], body.to_string()).await
    };
    let name = |answer: &Answer| {
        let build = answer.json()[0].clone();
        let part = |key: &str| build[key].as_str().unwrap().to_owned();
        let context = part("context");
        (part("name"), part("stream"), context.contains('_'), build["scmurl"].clone())
    };
    let server = start(false, true).await;
    let answer = post(&server, json!({"modulemd": text, "module_name": "testmodule"})).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(name(&answer), ("foo".to_owned(), "1".to_owned(), false, Value::Null));
    assert!(answer.json()[0]["version"].as_str().unwrap().starts_with("820"), "{answer:?}");
    // As it comes from a folder that is no repository.
    let none = json!({"scmurl": null, "branch": null, "modulemd": unnamed, "module_name": "testmodule", "module_stream": "alternate"});
    assert_eq!(name(&post(&server, none).await), ("testmodule".to_owned(), "alternate".to_owned(), false, Value::Null));
    post(&server, json!({"modulemd": text, "scratch": true})).await.error(403);
    let server = start(true, false).await;
    let scratch = json!({"scratch": true, "modulemd": text, "module_name": "foo", "module_stream": "alternate"});
    assert_eq!(
        name(&post(&server, scratch.clone()).await),
        ("foo".to_owned(), "alternate".to_owned(), true, Value::Null)
    );
    let refused = post(&server, json!({"modulemd": text})).await.error(403);
    assert!(refused.starts_with("a modulemd in the request is taken for scratch builds only"), "{refused}");
    let refused =
        post(&server, json!({"modulemd": "not yaml: [", "module_name": "x", "scratch": true})).await.error(422);
    assert!(refused.starts_with("the modulemd is not valid"), "{refused}");
    let refused = post(&server, json!({"modulemd": unnamed, "scratch": true})).await.error(422);
    assert!(refused.contains("add `name` to the modulemd's data, or `module_name` to the request"), "{refused}");
    // In the list and in the detail of either dialect it has no place in git.
    for path in ["/rida/module-builds/1?verbose=true", "/module-build-service/1/module-builds/1?verbose=true"] {
        assert_eq!(server.get(path).await.json()["scmurl"], Value::Null, "{path}");
    }
}

#[tokio::test]
async fn what_comes_with_a_request_is_held_to_its_form() {
    let server =
        Server::with_policy(|_| {}, |policy| (policy.allow_scratch, policy.allow_packages) = (true, true)).await;
    let url = r#""scmurl": "https://src.example.org/modules/foo?#abc""#;
    let cases = [
        (r#""module_name": "x""#, 400, "\"module_name\" is for a modulemd in the request"),
        (r#""module_stream": "x""#, 400, "\"module_stream\" is for a modulemd in the request"),
        (r#""modulemd": 7"#, 400, "\"modulemd\" is a number"),
        (r#""modulemd": """#, 400, "\"modulemd\" is empty"),
        (r#""modulemd": "x", "module_stream": "a b""#, 400, "\"module_stream\" is not valid"),
        (r#""srpms": "x""#, 400, "\"srpms\" is a string"),
        (r#""srpms": [7]"#, 400, "\"srpms\" has a number in it"),
        (r#""srpms": ["x"]"#, 400, "\"srpms\" is not valid"),
        (r#""srpms": ["cli-build/../../etc/passwd.src.rpm"]"#, 400, "\"srpms\" is not valid"),
        (r#""srpms": ["cli-build/a/--define=x.src.rpm"]"#, 400, "\"srpms\" is not valid"),
        (r#""srpms": ["cli-build/a/foo.src.rpm", "cli-build/b/foo.src.rpm"]"#, 400, "\"srpms\" has more than one of"),
        (r#""srpms": ["cli-build/a/foo.src.rpm"]"#, 403, "srpms are taken for scratch builds only"),
        (r#""scratch": true, "srpms": ["cli-build/a/baz.src.rpm"]"#, 422, "the modulemd is not valid: srpms: "),
        (
            r#""buildrequire_overrides": {"platform": 28}"#,
            400,
            "\"buildrequire_overrides\" has for \"platform\" a number",
        ),
        (r#""require_overrides": {"platform": "f28"}"#, 400, "\"require_overrides\" has for \"platform\" a string"),
        (r#""require_overrides": "platform:f28""#, 400, "\"require_overrides\" is a string"),
        (
            r#""require_overrides": {"nonexistent": ["23"], "nonexistent2": ["2"]}"#,
            400,
            "require_overrides names modules that the modulemd does not have in its requires: nonexistent, nonexistent2",
        ),
        (
            r#""rpm_component_ref_overrides": {"foo": 28}"#,
            400,
            "the \"rpm_component_ref_overrides\" parameter must be an object with the keys as component names and the values as strings of refs",
        ),
        (
            r#""rpm_component_ref_overrides": {"foo": "--upload-pack=x"}"#,
            400,
            "\"rpm_component_ref_overrides\" is not valid",
        ),
        (
            r#""rpm_component_ref_overrides": {"nothere": "x"}"#,
            422,
            "the modulemd is not valid: rpm_component_ref_overrides",
        ),
    ];
    for (fields, status, message) in cases {
        for path in ["/module-build-service/2/module-builds/", "/rida/module-builds/"] {
            let told = server.send(Method::POST, path, &[], format!("{{{url}, {fields}}}")).await.error(status);
            assert!(told.starts_with(message), "{fields}: {told}");
        }
    }
    let many: Vec<String> = (0..1001).map(|number| format!("\"cli-build/a/p{number}.src.rpm\"")).collect();
    let told = server.post(format!("{{{url}, \"srpms\": [{}]}}", many.join(","))).await.error(400);
    assert!(told.contains("has more than 1000"), "{told}");
    assert_eq!(server.get("/rida/module-builds/").await.text(), "[]\n");
    let good = format!(
        "{{{url}, \"scratch\": true, \"srpms\": [\"cli-build/1790.1.abcdefgh/foo.src.rpm\"], \
         \"buildrequire_overrides\": {{\"platform\": [\"el9\"]}}, \"require_overrides\": {{\"platform\": [\"el9\"]}}, \
         \"rpm_component_ref_overrides\": {{\"bar\": \"next\"}}}}"
    );
    let build = server.send(Method::POST, "/module-build-service/1/module-builds/", &[], good).await.json();
    assert_eq!(build["srpms"], serde_json::json!(["cli-build/1790.1.abcdefgh/foo.src.rpm"]), "{build}");
    assert_eq!(build["buildrequires"]["platform"]["stream"], "el9");
    let detail = server.get("/rida/module-builds/1?verbose=true").await.json();
    let reference = |name: &str| {
        let component = detail["components"].as_array().unwrap().iter().find(|it| it["name"] == name).unwrap().clone();
        (component["reference"].clone(), component["repository"].clone())
    };
    assert_eq!(reference("bar").0, "next");
    assert_eq!(reference("foo"), (Value::Null, Value::Null));
}
