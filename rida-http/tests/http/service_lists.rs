//! What other services ask lists for: another Module Build Service, and what composes repositories.

use rida_core::{Policy, StreamUse, StreamVersion};
use serde_json::{Value, json};

use crate::harness::Server;

const BUILDS: &str = "/module-build-service/1/module-builds/";

/// A server with some builds against `platform:el8`, and with streams of that base module in the settings.
async fn server() -> Server {
    let server = Server::with_policy(
        |settings| {
            settings.api.base_tags = [("platform:el8.2.0".to_owned(), "el8.2-build".to_owned())].into();
            settings.api.arches = vec!["x86_64".to_owned(), "s390x".to_owned()];
        },
        distribution,
    )
    .await;
    for (number, nsvc) in (1..).zip(["foo:1:1:cafe", "foo:1:2:cafe", "bar:1:1:cafe"]) {
        server.keep(number, nsvc, usize::MAX).await;
    }
    server
}

fn distribution(policy: &mut Policy) {
    let streams = &mut policy.base_streams;
    let mut known = |stream: &str| streams.entry("platform".parse().unwrap(), stream.parse().unwrap()).clone();
    for stream in ["el8", "f28"] {
        known(stream);
    }
    for (stream, usage) in
        [("el8.0.0", StreamUse::Ended), ("el8.1.0", StreamUse::Offered), ("el8.2.0", StreamUse::Named)]
    {
        let known = streams.entry("platform".parse().unwrap(), stream.parse().unwrap());
        known.virtual_streams.insert("el8".parse().unwrap());
        known.usage = usage;
    }
    let rawhide = streams.entry("platform".parse().unwrap(), "rawhide".parse().unwrap());
    rawhide.version = Some(StreamVersion::new(430_000));
    rawhide.virtual_streams.insert("fedora".parse().unwrap());
    rawhide.dist_tag_marking = Some("fc43".parse().unwrap());
}

/// Returns what a page has, as names with streams or as ids.
async fn page(server: &Server, query: &str) -> Vec<Value> {
    let answer = server.get(&format!("{BUILDS}?{query}")).await;
    assert_eq!(answer.status, 200, "{query}: {answer:?}");
    let page = answer.json();
    let items = page["items"].as_array().unwrap();
    if !query.contains("page=") {
        assert_eq!(page["meta"]["total"], items.len(), "{query}");
    }
    let told = |item: &Value| if item["id"].is_null() { item["stream"].clone() } else { item["id"].clone() };
    items.iter().map(told).collect()
}

#[tokio::test]
async fn builds_are_found_as_other_services_ask() {
    let server = server().await;
    let whole = server.get(&format!("{BUILDS}1?verbose=true")).await.json();
    let place = whole["scmurl"].as_str().unwrap().replace('#', "%23");
    let tag = whole["koji_tag"].as_str().unwrap();
    let context = whole["build_context"].as_str().unwrap();
    for (query, found) in [
        (format!("koji_tag={tag}"), json!([1])),
        (format!("koji_tag={tag}&verbose=true"), json!([1])),
        (format!("koji_tag={tag}&name=bar"), json!([])),
        ("koji_tag=module-nothere".to_owned(), json!([])),
        (format!("scmurl={place}"), json!([2, 1])),
        (format!("build_context={context}"), json!([3, 2, 1])),
        ("rebuild_strategy=all".to_owned(), json!([3, 2, 1])),
        ("rebuild_strategy=only-changed".to_owned(), json!([])),
        ("reused_module_id=1".to_owned(), json!([])),
        ("reused_module_id=0".to_owned(), json!([])),
        ("state_reason=nothing".to_owned(), json!([])),
        ("state=garbage".to_owned(), json!([])),
        ("state=garbage&state=ready".to_owned(), json!([3, 2, 1])),
        ("state=6".to_owned(), json!([])),
        // As what composes repositories asks for what runs on a platform.
        ("nsvc=foo:1&state=3&state=5&order_desc_by=version&base_module_br_name=platform&base_module_br_stream=el8".to_owned(), json!([2, 1])),
        ("base_module_br_name=platform&base_module_br_stream_version_lte=80000&base_module_br_stream_version_gte=80000".to_owned(), json!([3, 2, 1])),
        ("base_module_br_stream_version=80000.0".to_owned(), json!([3, 2, 1])),
        ("base_module_br_stream_version_gte=80001".to_owned(), json!([])),
        // As another Module Build Service asks.
        ("name=foo&state=ready&verbose=True&order_desc_by=version&stream=1&page=1&per_page=5&base_module_br=platform:el8:1:00000000".to_owned(), json!([2, 1])),
        ("name=foo&base_module_br=platform:f28:1:00000000".to_owned(), json!([])),
        ("name=foo&base_module_br=platform:el8:2:00000000".to_owned(), json!([])),
        ("name=foo&base_module_br=platform:el8:1:c0ffee".to_owned(), json!([])),
        ("page=1&per_page=1&short=True&name=foo&stream=1".to_owned(), json!([2])),
        ("order_desc_by=stream_version&order_desc_by=name&order_desc_by=version".to_owned(), json!([2, 1, 3])),
        ("order_by=name&order_by=version".to_owned(), json!([3, 1, 2])),
    ] {
        assert_eq!(Value::from(page(&server, &query).await), found, "{query}");
    }
    let of_rida = server.get("/rida/module-builds/?base_module_br_stream=el8&rebuild_strategy=all").await.json();
    assert_eq!(of_rida.as_array().map(Vec::len), Some(3));
    for path in ["/rida/module-builds/?state=garbage", "/rida/module-builds/?base_module_br_version=7&page=1"] {
        assert_eq!(server.get(path).await.text(), "[]\n", "{path}");
    }
    for (query, message) in [
        ("base_module_br=platform:f28", "base_module_br=\"platform:f28\" is not name, stream, version and context"),
        ("stream_version_lte=9999", "stream_version_lte=9999 is below 10000"),
        ("stream_version_lte=", "stream_version_lte has no value"),
        ("stream_version_lte=many", "stream_version_lte=\"many\" is not the number of a stream"),
        ("stream_version=1&stream_version_lte=10000", "stream_version is given beside stream_version_lte"),
        ("rebuild_strategy=some", "there is no rebuild strategy \"some\""),
        ("runtime_context=abc", "unknown parameters: \"runtime_context\""),
        ("rpm=foo-1-1.noarch.rpm", "unknown parameters: \"rpm\""),
    ] {
        let told = server.get(&format!("{BUILDS}?{query}")).await.error(400);
        assert!(told.starts_with(message), "{query}: {told}");
    }
    server.get("/rida/module-builds/?virtual_stream=el8").await.error(400);
}

#[tokio::test]
async fn base_modules_are_found_as_other_services_ask() {
    let server = server().await;
    for (query, found) in [
        ("name=platform", json!(["rawhide", "f28", "el8.2.0", "el8.1.0", "el8.0.0", "el8"])),
        ("name=platform&order_by=stream_version", json!(["el8", "el8.0.0", "el8.1.0", "el8.2.0", "f28", "rawhide"])),
        ("name=platform&order_by=stream", json!(["el8", "el8.0.0", "el8.1.0", "el8.2.0", "f28", "rawhide"])),
        ("nsvc=platform:f28", json!(["f28"])),
        ("nsvc=platform:f28:1:00000000", json!(["f28"])),
        ("nsvc=platform:f28:2", json!([])),
        ("name=platform&stream=f29", json!([])),
        ("name=platform&state=ready&state=done", json!(["rawhide", "f28", "el8.2.0", "el8.1.0", "el8"])),
        ("name=platform&state=garbage", json!(["el8.0.0"])),
        ("name=platform&state=failed", json!([])),
        (
            "name=platform&virtual_stream=el8&order_desc_by=stream_version&order_desc_by=version&per_page=1",
            json!(["el8.2.0"]),
        ),
        (
            "name=platform&virtual_stream=el8&virtual_stream=fedora&state=ready",
            json!(["rawhide", "el8.2.0", "el8.1.0"]),
        ),
        ("virtual_stream=el8&stream_version_lte=80100.0", json!(["el8.1.0", "el8.0.0"])),
        ("stream_version=430000", json!(["rawhide"])),
        ("stream_version_lte=289999", json!(["f28"])),
        ("virtual_stream=nothere", json!([])),
        ("virtual_stream=%00", json!([])),
        ("koji_tag=el8.2-build", json!(["el8.2.0"])),
        (
            "name=platform&owner=mbs_import&scratch=false&rebuild_strategy=all&page=2&per_page=4",
            json!(["el8.0.0", "el8"]),
        ),
        ("name=platform&scratch=true", json!([])),
        ("name=platform&owner=nobody", json!([])),
        ("name=platform&submitted_before=2030-01-01T00:00:00Z", json!([])),
        ("name=platform&page=1000000000000&per_page=1000", json!([])),
    ] {
        assert_eq!(Value::from(page(&server, query).await), found, "{query}");
    }
    let count = server.get(&format!("{BUILDS}?name=platform&per_page=1&short=true")).await.json();
    assert_eq!((&count["meta"]["total"], &count["meta"]["pages"]), (&json!(6), &json!(6)));
    let get = async |query: &str| server.get(&format!("{BUILDS}?{query}")).await.json()["items"][0].clone();
    let keys = |item: &Value| item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    // As a build has them.
    for view in ["short=true", "verbose=false", "verbose=true"] {
        let (base, build) = (get(&format!("name=platform&{view}")).await, get(view).await);
        assert_eq!(keys(&base), keys(&build), "{view}");
    }
    let rawhide = get("name=platform&stream=rawhide&verbose=true").await;
    assert_eq!((&rawhide["virtual_streams"], &rawhide["stream_version"]), (&json!(["fedora"]), &json!(430_000.0)));
    let text = rawhide["modulemd"].as_str().unwrap();
    let read = rida_core::modulemd::read(text.as_bytes()).unwrap();
    assert_eq!(read.into_stream().unwrap().version, Some(1));
    assert!(text.contains("disttag_marking: fc43") && text.contains("- fedora"), "{text}");
    // What is built against one tells it alike.
    let build = server.get(&format!("{BUILDS}1?verbose=true")).await.json();
    let required = &build["buildrequires"]["platform"];
    assert_eq!((&required["version"], &required["context"]), (&json!("1"), &json!("00000000")));
    assert_eq!(build["base_module_buildrequires"][0]["stream_version"], 80_000.0);
    let body = r#"{"scmurl": "https://src.example.org/modules/foo.git?#abc"}"#;
    let build = server.send(warp::http::Method::POST, BUILDS, &[], body).await.json();
    assert_eq!(build["arches"], json!(["x86_64", "s390x"]), "{build}");
}

#[tokio::test]
async fn any_stream_is_there_where_none_is_known() {
    let server = Server::still().await;
    assert_eq!(page(&server, "name=platform").await, [Value::Null; 0]);
    assert_eq!(page(&server, "name=platform&stream=f41").await, ["f41"]);
    assert_eq!(page(&server, "name=platform&stream=no%20stream").await, [Value::Null; 0]);
    assert_eq!(page(&server, "virtual_stream=f41").await, [Value::Null; 0]);
}
