use std::fs;
use std::os::unix::fs::chown;
use std::process::Command;

use rida_core::BuildSystem;
use rida_local::{LocalBuildSystem, LocalConfig, SandboxChoice};

use crate::world::{World, built, failed, log, regenerated, spec, start, with_macros};

/// Builds run as another user when the service is root; here the service is an ordinary user itself.
#[test]
fn an_ordinary_user_builds_in_a_sandbox_too() {
    const USER: u32 = 64_321;
    let folder = tempfile::tempdir().unwrap();
    let tests = folder.path().join("tests");
    fs::copy(std::env::current_exe().unwrap(), &tests).unwrap();
    let mut command = Command::new(&tests);
    if rustix::process::geteuid().is_root() {
        chown(folder.path(), Some(USER), Some(USER)).unwrap();
        let user = USER.to_string();
        command = Command::new("setpriv");
        command.args(["--reuid", &user, "--regid", &user, "--clear-groups"]).arg(&tests);
    }
    let these = [
        "hostile::a_build_sees_and_reaches_nothing_of_this_machine",
        "hostile::what_never_ends_is_ended_and_nothing_of_it_survives",
        "module::a_module_of_two_batches_is_built_and_can_be_installed",
        "restart::tasks_wait_their_turn_and_can_be_cancelled_before_and_in_it",
    ];
    let output = command
        .args(these)
        .args(["--exact", "--test-threads=1"])
        .current_dir(folder.path())
        .env("TMPDIR", folder.path())
        .env("HOME", folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("test result: ok. 4 passed"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_says_where_builds_run() {
    let world = World::new();
    let system = world.open().await;
    assert!(system.is_sandboxed());
    let said = system.describe();
    assert_eq!(LocalBuildSystem::examine(&world.config()).await.unwrap(), said, "also beside a service that runs");
    assert!(said.starts_with("rpmbuild in an unprivileged sandbox (bubblewrap"), "{said}");
    system.close().await;

    let system = world.open_with(LocalConfig { sandbox: SandboxChoice::Off, ..world.config() }).await;
    assert!(!system.is_sandboxed());
    let said = system.describe();
    assert!(said.starts_with("rpmbuild WITHOUT A SANDBOX: every package"), "{said}");
    assert!(said.contains("Reason: the configuration says so"), "{said}");
    system.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_sandbox_packages_of_the_module_cannot_be_used() {
    let world = World::new();
    let system = world.open_with(LocalConfig { sandbox: SandboxChoice::Off, ..world.config() }).await;
    let first = world.spec("first", &spec("first", "", "echo %{modularitylabel}"));
    let second = world.spec("second", &spec("second", "BuildRequires: first", ""));
    let mut build = world.module(&[("first", first), ("second", second)]);
    with_macros(&system, &mut build).await;
    let nvr = built(&system, &mut build, "first").await.nvr;
    assert_eq!(nvr.to_string(), format!("first-1.0-1{}", build.dist_tag), "the macros are in force");
    assert!(log(&system, &build, "first").await.contains("\nbench:1.0:1:c0ffee\n"));
    regenerated(&system, &mut build).await;
    start(&system, &mut build, "second").await;
    let reason = failed(&system, &build, "second").await;
    assert!(reason.starts_with("it needs packages of modules (first, module-build-macros), which cannot"), "{reason}");
    system.write_metadata(&build).await.unwrap();
    system.close().await;
}
