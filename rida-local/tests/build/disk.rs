use std::time::Duration;

use rida_core::{BuildSystem, PortErrorKind};
use rida_local::LocalConfig;

use crate::world::{World, built, log, spec, start, with_macros};

/// Settings that demand more free disk than any machine has.
fn no_room(world: &World) -> LocalConfig {
    LocalConfig { spare_disk: u64::MAX, ..world.config() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_module_is_begun_on_a_disk_that_is_nearly_full() {
    let world = World::new();
    let system = world.open_with(no_room(&world)).await;
    let build = world.module(&[]);
    let error = system.prepare(&build).await.unwrap_err();
    assert_eq!(error.kind(), PortErrorKind::Unavailable, "it is tried again");
    assert_eq!(error.message(), "the disk of the server is nearly full; its administrator can make room");
    assert!(!world.path("data/builds/1").exists(), "nothing was written");
    system.close().await;

    let system = world.open().await;
    system.prepare(&build).await.unwrap();
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_component_waits_until_the_disk_has_room_and_is_built_then() {
    let world = World::new();
    let system = world.open().await;
    let source = world.spec("waiting", &spec("waiting", "", "echo building"));
    let mut build = world.module(&[("waiting", source)]);
    with_macros(&system, &mut build).await;
    system.close().await;

    let system = world.open_with(no_room(&world)).await;
    let task = start(&system, &mut build, "waiting").await;
    let waits = "the build waits: the disk of the server is nearly full";
    for _ in 0..600 {
        if log(&system, &build, "waiting").await.contains(waits) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(log(&system, &build, "waiting").await.ends_with("its administrator can make room\n"), "it says why");
    let run = world.path(&format!("data/builds/1/tasks/{task}/run-srpm"));
    assert!(!run.exists(), "it was not started");
    system.close().await;

    let system = world.open().await;
    assert_eq!(built(&system, &mut build, "waiting").await.task, task);
    assert!(log(&system, &build, "waiting").await.contains("\nbuilding\n"));
    system.close().await;
}
