//! The program logs in to Koji by Kerberos, which it speaks with as a process of its own.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

#[path = "../../rida-koji/tests/client/certificates.rs"]
mod certificates;
#[expect(dead_code, reason = "only one way to log in is tried here")]
#[path = "../../rida-koji/tests/kerberos/realm.rs"]
mod realm;
#[expect(dead_code, reason = "one service is started, and asked few things")]
#[path = "program/running.rs"]
mod running;
#[expect(dead_code, reason = "the program makes the client")]
#[path = "../../rida-koji/tests/kerberos/world.rs"]
mod world;

use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use rida_koji::fault;
use rida_koji::testing::{Trouble, When};
use rida_koji::xmlrpc::Fault;
use serde_json::json;

use self::running::{Starting, body, repository, within};
use self::world::{PRINCIPAL, World};

/// The program that speaks with Kerberos.
const HELPER: &str = env!("CARGO_BIN_EXE_rida-http");

const MODULE: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: A gate\n  \
    description: A gate.\n  license: {module: [MIT]}\n";

/// Makes a command of the program with the realm's environment and settings.
fn program(world: &World, more: &[&str]) -> Command {
    let profile = world.realm.path("koji.conf");
    let server = world.hub.url();
    fs::write(&profile, format!("[koji]\nserver = {server}\nserverca = {}\n", world.authority.display())).unwrap();
    let mut command = world.realm.command(HELPER);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RIDA_")) {
        command.env_remove(name);
    }
    let config = format!("koji.config={}", profile.display());
    let settings =
        ["builds.build_system=koji", &config, "koji.base_tags=platform:el8=platform-build", "koji.arches=x86_64"];
    for setting in settings.iter().chain(more) {
        command.args(["--set", setting]);
    }
    command
}

fn koji_check(world: &World, more: &[&str]) -> (Output, String) {
    let mut command = program(world, more);
    let output = tokio::task::block_in_place(|| command.args(["koji", "check"]).output().unwrap());
    let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output, told)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn koji_check_logs_in_with_the_keytab_of_the_settings() {
    let world = World::new().await;
    let keytab = format!("koji.keytab={}", world.keytab.display());
    let (output, told) = koji_check(&world, &[&keytab]);
    assert!(output.status.success(), "{told}");
    assert!(
        told.contains(&format!("good: it takes this service for rida (Kerberos principal {PRINCIPAL})\n")),
        "{told}"
    );
    // Another principal than the keytab has.
    let (output, told) = koji_check(&world, &[&keytab, "koji.principal=-nobody@RIDA.TEST"]);
    assert!(!output.status.success());
    assert!(told.contains("rida.keytab has no key of -nobody@RIDA.TEST"), "{told}");
    // A cache instead, which is not there.
    let (_, told) = koji_check(&world, &["koji.ccache=FILE:/nowhere/cache"]);
    assert!(told.contains("there is no Kerberos ticket; a service needs a keytab"), "{told}");
    // Nothing says that it is Kerberos.
    let (_, told) = koji_check(&world, &[]);
    assert!(told.contains("set cert, principal and keytab, or user and password, in Koji's profile"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_waits_for_the_kdc_and_is_made_then() {
    let mut world = World::new().await;
    let root = fs::canonicalize(world.realm.folder()).unwrap();
    repository(&root.join("git/gate"), "gate.yaml", MODULE);
    let git = format!("file://{}/git", root.display());
    let keytab = format!("koji.keytab={}", world.keytab.display());
    let command = program(&world, &[&keytab, "koji.import_tag=modular-candidate", "worker.idle=100ms"]);
    world.realm.stop();
    tokio::task::block_in_place(|| {
        let starting = Starting::by(command, &root.join("data"), &root.join("said"), &["--allow", &git]);
        let service = starting.serving();
        let submission = json!({"scmurl": format!("{git}/gate?#main")}).to_string();
        let answer = service.send("POST /rida/module-builds/", &submission);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let path = format!("/rida/module-builds/{}?verbose=true", body(&answer)["id"]);
        within(Duration::from_secs(60), "the KDC is missed", || {
            let build = service.json(&path);
            if build["waits_for"].to_string().contains("no KDC answers (Cannot contact any KDC") {
                Ok(())
            } else {
                Err(build.to_string())
            }
        });
        world.realm.restart();
        // In the middle of it the hub forgets who this is.
        let expired = Fault { code: fault::AUTH_EXPIRED, message: "session \"1\" has expired".to_owned() };
        world.hub.world().trouble(When::method("upload"), Trouble::Fault(expired));
        within(Duration::from_secs(240), "the module is ready", || {
            world.hub.advance(Duration::from_secs(10));
            let build = service.json(&path);
            assert_ne!(build["state"], "failed", "{build}");
            if build["state"] == "ready" { Ok(()) } else { Err(build.to_string()) }
        });
        let logins = world.hub.world().calls.iter().filter(|call| call.contains("sslLogin")).count();
        assert!(logins >= 2, "{:#?}", world.hub.world().calls);
        let (code, said) = service.end("-TERM");
        assert_eq!(code, Some(0), "{said}");
        assert!(!said.contains("panicked"), "{said}");
    });
}
