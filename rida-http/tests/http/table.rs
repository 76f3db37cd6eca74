//! Every route of the table with every method, and what is no route.

use rida_http::{Endpoint, ROUTES};
use warp::http::Method;

use crate::harness::Server;

const METHODS: [&str; 10] =
    ["GET", "HEAD", "POST", "PATCH", "OPTIONS", "PUT", "DELETE", "TRACE", "PROPFIND", "module-builds"];

/// What a request to each endpoint is answered with on a server that has one build, number 1, with a log of `bar`, and
/// where the body is `{}`. There is no other arm: a new endpoint has to be added here.
fn expected(endpoint: Endpoint) -> u16 {
    match endpoint {
        Endpoint::ListBuilds
        | Endpoint::ShowBuild
        | Endpoint::ReadLog
        | Endpoint::ReadModulemd
        | Endpoint::ListStrategies
        | Endpoint::ReadMessages
        | Endpoint::ListComponents
        | Endpoint::ShowComponent
        | Endpoint::Introduce
        | Endpoint::Health
        | Endpoint::Readiness
        | Endpoint::Metrics => 200,
        Endpoint::SubmitBuild | Endpoint::ChangeBuild => 400,
    }
}

#[tokio::test]
async fn every_route_answers_every_method() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", usize::MAX).await;
    server.world.log("bar", "built", true);
    let mut paths: Vec<&str> = ROUTES.iter().map(|route| route.path).collect();
    paths.sort_unstable();
    paths.dedup();
    for path in paths {
        let here: Vec<_> = ROUTES.iter().filter(|route| route.path == path).collect();
        let url = path.replace("component-builds/{id}", "component-builds/65537").replace("{version}", "2");
        let url = url.replace("{id}", "1").replace("{component}", "bar");
        let unhandled = if url.starts_with("/module-build-service/") { 405 } else { 501 };
        assert!(!url.contains('{'), "say what to put into {path}");
        for (method, slash) in METHODS.iter().flat_map(|method| [(method, ""), (method, "/")]) {
            let url = format!("{url}{slash}");
            let as_get = if *method == "HEAD" { "GET" } else { method };
            let answer = server.send(Method::from_bytes(method.as_bytes()).unwrap(), &url, &[], "{}").await;
            let what = format!("{method} {url}: {answer:?}");
            match here.iter().find(|route| route.method == as_get) {
                Some(route) => assert_eq!(answer.status.as_u16(), expected(route.endpoint), "{what}"),
                None if *method == "OPTIONS" => assert_eq!(answer.status.as_u16(), 204, "{what}"),
                None => assert!(answer.error(unhandled).contains(answer.header("allow")), "{what}"),
            }
            if [204, 405, 501].contains(&answer.status.as_u16()) {
                let allowed: Vec<&str> = answer.header("allow").split(", ").collect();
                for route in &here {
                    assert!(allowed.contains(&route.method.as_str()), "{what}");
                }
                assert!(allowed.contains(&"OPTIONS"), "{what}");
            }
            assert_eq!(answer.header("x-content-type-options"), "nosniff", "{what}");
            assert!(!answer.header("x-request-id").is_empty(), "{what}");
        }
    }
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", 2).await;
    let service = "/module-build-service/1/module-builds/";
    for path in ["/rida/module-builds/", "/rida/module-builds/1", "/healthz", "/rida/module-builds/2", service] {
        let get = server.get(path).await;
        let head = server.send(Method::HEAD, path, &[], "").await;
        assert_eq!(head.status, get.status, "{path}");
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn what_is_no_route_is_not_found() {
    let server = Server::still().await;
    let unknown = [
        "/",
        "/rida",
        "/rida/",
        "/rida/module-builds//",
        "/rida//module-builds/",
        "//healthz",
        "/rida/module-builds/1/x",
        "/rida/module-builds/1/logs",
        "/rida/module-builds/1/logs/a/b",
        "/Rida/module-builds/",
        "/healthz/x",
        "/%2e%2e/",
        "/rida/module-builds%2F1",
        "/..%2f..%2fetc/passwd",
        "/rida/module-builds;x=1",
        "/%00",
        "/favicon.ico",
        "/module-build-service/",
        "/module-build-service/1",
        "/module-build-service/module-builds/",
        "/module-build-service/0/module-builds/",
        "/module-build-service/3/module-builds/",
        "/module-build-service/-1/about/",
        "/module-build-service/1/import-module/",
        "/module-build-service/1/module-builds/1/logs/foo",
        "/module-build-service/1/final-modulemd/",
    ];
    for path in unknown {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            server.send(method, path, &[], "").await.error(404);
        }
    }
}

#[tokio::test]
async fn paths_may_be_percent_encoded() {
    let server = Server::still().await;
    server.keep(42, "foo:1:2:c0ffee", 2).await;
    let answer = server.get("/rida/module%2Dbuilds/%34%32").await;
    assert_eq!(answer.json()["id"], 42);
}

#[tokio::test]
async fn a_number_that_no_build_can_have_is_not_found() {
    let server = Server::still().await;
    for id in [
        "0",
        "-1",
        "18446744073709551616",
        "9223372036854775808",
        "9223372036854775807",
        "zz",
        "1.0",
        "0x1",
        "%20",
        "%F0%9F%92%A5",
        "1'--",
    ] {
        let path = format!("/rida/module-builds/{id}");
        server.get(&path).await.error(404);
        server.patch(&path, r#"{"state": "failed"}"#).await.error(404);
        server.get(&format!("{path}/logs/foo")).await.error(404);
    }
}
