use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rida_core::{BuildSystem, Phase};
use rida_local::{BackendChoice, LocalBuildSystem, LocalConfig};

use crate::module::{TOOL, USER};
use crate::world::{World, built, failed, key, log, names_in, processes, regenerated, spec, start, with_macros};

/// mock itself cannot be installed everywhere; this takes the same options and settings.
const MOCK: &str = include_str!("mock.py");

async fn open(world: &World) -> LocalBuildSystem {
    let mock = world.path("mock");
    fs::write(&mock, MOCK).unwrap();
    fs::set_permissions(&mock, Permissions::from_mode(0o755)).unwrap();
    let config = LocalConfig {
        backend: BackendChoice::Auto,
        mock_program: Some(mock),
        mock_root: Some("fedora-42-x86_64".to_owned()),
        ..world.config()
    };
    world.open_with(config).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_of_two_batches_is_built_with_mock() {
    let world = World::new();
    let system = open(&world).await;
    assert_eq!(system.describe(), "mock, in a clean root for each package (root: fedora-42-x86_64)");
    let tool = world.component("tool", &[("tool.spec", TOOL), ("tool.sh", "#!/bin/sh\necho made by the tool\n")]);
    let user = world.spec("user", USER);
    let missing = world.spec("missing", &spec("missing", "BuildRequires: bench-nothing", ""));
    let mut build = world.module(&[("tool", tool), ("user", user), ("missing", missing)]);
    with_macros(&system, &mut build).await;
    let nvr = built(&system, &mut build, "tool").await.nvr;
    assert_eq!(nvr.to_string(), format!("tool-1.0-1{}", build.dist_tag), "the macros are in force");
    let said = log(&system, &build, "tool").await;
    assert!(said.contains("root: /etc/mock/fedora-42-x86_64.cfg rida-2 network: False\n"), "{said}");
    regenerated(&system, &mut build).await;
    built(&system, &mut build, "user").await;
    start(&system, &mut build, "missing").await;
    let reason = failed(&system, &build, "missing").await;
    assert!(reason.contains("No matching package to install: 'bench-nothing'"), "{reason}");
    build.phase = Phase::Finishing;
    system.write_metadata(&build).await.unwrap();
    let built: Vec<String> = names_in(&system.repository(build.id)).into_iter().collect();
    assert_eq!(built.len(), 4, "{built:?}");
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mock_cleans_up_when_its_task_is_cancelled() {
    let world = World::new();
    let system = open(&world).await;
    let marker = format!("9182.{}", std::process::id());
    let slow = world.spec("slow", &spec("slow", "", &format!("sleep {marker}")));
    let mut build = world.module(&[("slow", slow)]);
    with_macros(&system, &mut build).await;
    let task = start(&system, &mut build, "slow").await;
    for _ in 0..600 {
        if !processes(&format!("sleep {marker}")).is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    system.cancel(&build, &key(&build, "slow"), Some(task)).await.unwrap();
    assert_eq!(processes(&format!("sleep {marker}")), Vec::<String>::new(), "nothing of it runs");
    assert_eq!(failed(&system, &build, "slow").await, "the task was cancelled");
    let said = log(&system, &build, "slow").await;
    assert!(said.contains("mock cleaned up\n"), "{said}");
    system.close().await;
}
