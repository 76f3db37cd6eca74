//! The Module Build Service, unmodified, which takes the modules that it builds against from a service of ours.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rida_koji::testing::Hub;
use serde_json::{Value, json};

use crate::koji;
use crate::running::{Running, body, repository, stderr, stdout, within};

const PATIENCE: Duration = Duration::from_secs(60);

fn module(name: &str, requires: &str) -> String {
    format!(
        "document: modulemd\nversion: 2\ndata:\n  name: {name}\n  stream: rolling\n  summary: A {name}\n  \
         description: A {name}.\n  license: {{module: [MIT]}}\n  dependencies:\n  - buildrequires: {{{requires}}}\n    \
         requires: {{{requires}}}\n  profiles:\n    buildroot: {{rpms: [{name}-tools]}}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_module_build_service_builds_against_what_is_here() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    repository(&root.join("git/gate"), "gate.yaml", &module("gate", "platform: [el8]"));
    // Only the older platform has one, which the newer may use.
    repository(
        &root.join("git/hinge"),
        "hinge.yaml",
        &module("hinge", "platform: [el8.1.0]")
            .replace("requires: {platform: [el8.1.0]}\n  profiles", "requires: {platform: [el8]}\n  profiles"),
    );
    let git = format!("file://{}/git", root.display());
    for tag in ["el8.1-build", "el8.2-build"] {
        hub.world().add_tag(tag, "x86_64");
    }
    let mut settings = koji::settings(&root, &hub, "secret");
    let more = [
        "koji.base_tags=platform:el8.1.0=el8.1-build,platform:el8.2.0=el8.2-build",
        "builds.virtual_streams=platform:el8.1.0=el8,platform:el8.2.0=el8,platform:el8.0.0=el8",
        "builds.ended_streams=platform:el8.0.0",
        "koji.ask_every=200ms",
        "builds.follow_every=200ms",
    ];
    settings.extend(more.iter().flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()]));
    settings.extend(["--allow".to_owned(), git.clone()]);
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let wall = root.join("wall.yaml");
    std::fs::write(&wall, module("wall", "platform: [el8.2.0], gate: [rolling], hinge: [rolling]")).unwrap();
    tokio::task::block_in_place(|| {
        let service = Running::start(&root.join("data"), &settings);
        let built: Vec<Value> = ["gate", "hinge"].into_iter().map(|name| build(&service, &hub, &git, name)).collect();
        let [gate, hinge] = built.as_slice() else { panic!("two were built") };
        let tag = gate["koji_tag"].as_str().unwrap();
        let url = format!("http://{}/module-build-service/1/module-builds/", service.address);
        let said = ask(&[&url, wall.to_str().unwrap(), tag]);
        let nsvc = |build: &Value| {
            let part = |name: &str| build[name].as_str().unwrap().to_owned();
            format!("{}:{}:{}:{}", part("name"), part("stream"), part("version"), part("context"))
        };
        let platform = |stream: &str| format!("platform:{stream}:1:00000000");
        assert_eq!(said["streams"], json!(["el8.2.0", "el8.1.0", "-el9", "el7"]), "the newest stands for el8");
        assert_eq!(said["platform"], platform("el8.2.0"));
        let told = &said["platform_xmd"];
        assert_eq!((&told["koji_tag"], &told["virtual_streams"]), (&json!("el8.2-build"), &json!(["el8"])));
        assert_eq!(said["older"], json!([platform("el8.1.0"), platform("el8.2.0")]));
        assert_eq!(said["ended"], json!([platform("el8.0.0")]));
        assert_eq!(said["gates"], json!([nsvc(gate)]));
        assert_eq!((&said["by_tag"], &said["by_no_tag"]), (&json!(nsvc(gate)), &Value::Null));
        let required = &said["requires"]["gate"];
        assert_eq!(required["version"], gate["version"]);
        assert_eq!(required["koji_tag"], gate["koji_tag"]);
        assert_eq!(required["ref"].as_str().map(str::len), Some(40), "{required}");
        assert_eq!(said["requires"]["platform"]["koji_tag"], "el8.2-build");
        assert_eq!(said["dependencies"], json!({"el8.2-build": [platform("el8.2.0")]}));
        assert_eq!(said["missing"], "Failed to find module in MBS nothere:1:None:None");

        // One build, against the platform that the document names and the latest of the others.
        let against = |build: &Value| {
            let part = |name: &str| build[name].as_str().unwrap().to_owned();
            format!("{}:{}:{}:{}", part("stream"), part("version"), part("context"), part("koji_tag"))
        };
        let expected = json!([{
            "gate": against(gate), "hinge": against(hinge), "platform": "el8.2.0:1:00000000:el8.2-build",
        }]);
        assert_eq!(said["expanded"], expected);
        assert_eq!(said["expanded_locally"], expected);
        let profiles = json!([{"buildroot": ["gate-tools", "hinge-tools"]}]);
        assert_eq!(said["expanded_profiles"], profiles);
    });
}

/// Builds a module and returns what clients of that service see of it.
fn build(service: &Running, hub: &Hub, git: &str, name: &str) -> Value {
    let submitted = format!(r#"{{"scmurl": "{git}/{name}?#main"}}"#);
    let submitted = body(&service.send("POST /rida/module-builds/", &submitted));
    let id = submitted["id"].as_i64().unwrap_or_else(|| panic!("{submitted}"));
    within(PATIENCE, &format!("{name} is ready"), || {
        hub.advance(Duration::from_secs(10));
        let build = service.json(&format!("/module-build-service/1/module-builds/{id}"));
        assert_ne!(build["state_name"], "failed", "{build}");
        if build["state_name"] == "ready" { Ok(()) } else { Err(build.to_string()) }
    });
    service.json(&format!("/module-build-service/1/module-builds/{id}"))
}

/// Lets that service ask, and returns what it says that it learnt.
fn ask(arguments: &[&str]) -> Value {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.parent().unwrap().join("target/python/mbs/bin/python");
    assert!(python.exists(), "{} is not there; scripts/setup.sh test makes it", python.display());
    let mut command = Command::new(python);
    command.arg("-Wignore").arg(here.join("tests/python/mbs_asks.py")).args(arguments);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    let said = stdout(&output).lines().last().unwrap_or_default();
    serde_json::from_str(said).unwrap_or_else(|error| panic!("{error}: {}", stdout(&output)))
}
