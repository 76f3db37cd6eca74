//! The bodies that clients of the Module Build Service read, each held by a file.

use warp::http::Method;

use crate::golden::check;
use crate::harness::Server;

#[tokio::test]
async fn clients_find_every_key_that_they_read() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:cafe", usize::MAX).await;
    server.keep(2, "foo:1:3:cafe", 1).await;
    server.keep(3, "foo:1:4:cafe", 5).await;
    let get = async |path: &str| {
        let headers = [("host", "mbs.example.org")];
        server.send(Method::GET, &format!("/module-build-service/{path}"), &headers, "").await
    };
    check("service/about", &get("1/about/").await);
    check("service/build", &get("1/module-builds/1").await);
    check("service/build_in_init", &get("1/module-builds/2").await);
    check("service/build_in_build", &get("1/module-builds/3").await);
    check("service/build_short", &get("1/module-builds/1?short=true").await);
    check("service/build_verbose", &get("2/module-builds/1?verbose=true").await);
    check("service/builds", &get("2/module-builds/?per_page=1&page=2").await);
    check("service/builds_short", &get("2/module-builds/?short=true").await);
    check("service/component", &get("1/component-builds/65538").await);
    check("service/component_verbose", &get("1/component-builds/65538?verbose=true").await);
    check("service/components", &get("1/component-builds/?per_page=2").await);
    check("service/messages", &get("1/module-builds/3/messages").await);
    check("service/strategies", &get("1/rebuild-strategies/").await);
}

/// The keys of version 3.9.2 of the service, as its clients know them.
#[tokio::test]
async fn no_key_of_the_service_is_missing() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:cafe", usize::MAX).await;
    let keys = async |path: &str| {
        let answer = server.get(&format!("/module-build-service/1/{path}")).await.json();
        answer.as_object().unwrap().keys().cloned().collect::<std::collections::BTreeSet<String>>()
    };
    let set = |names: &str| names.split(' ').map(str::to_owned).collect::<std::collections::BTreeSet<String>>();
    let short = set("context id name scratch state state_name stream version");
    let mut usual = set(
        "batch buildrequires component_builds koji_tag new_repo_task_id owner rebuild_strategy scmurl siblings srpms \
         state_reason tasks time_completed time_modified time_submitted",
    );
    usual.extend(short.clone());
    let mut verbose = set(
        "arches base_module_buildrequires build_context build_context_no_bms modulemd reused_module_id runtime_context \
         state_trace state_url stream_version virtual_streams",
    );
    verbose.extend(usual.clone());
    assert_eq!(keys("module-builds/1?short=1").await, short);
    assert_eq!(keys("module-builds/1").await, usual);
    assert_eq!(keys("module-builds/1?verbose=true").await, verbose);
    assert_eq!(keys("module-builds/1?verbose=true&short=true").await, verbose);
    let component = set("format id module_build nvr package state state_name state_reason task_id");
    assert_eq!(keys("component-builds/65537").await, component);
    let more = component.into_iter().chain(["batch", "state_trace", "state_url"].map(str::to_owned)).collect();
    assert_eq!(keys("component-builds/65537?verbose=true").await, more);
    assert_eq!(keys("about").await, set("api_version auth_method version"));
}
