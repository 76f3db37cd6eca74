//! The program logs in to Koji by Kerberos, which it speaks with as a process of its own.
#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

#[path = "../../rida-koji/tests/client/certificates.rs"]
mod certificates;
#[expect(dead_code, reason = "only one way to log in is tried here")]
#[path = "../../rida-koji/tests/kerberos/realm.rs"]
mod realm;
#[expect(dead_code, reason = "the program makes the client")]
#[path = "../../rida-koji/tests/kerberos/world.rs"]
mod world;

use std::fs;
use std::process::Output;

use self::world::{PRINCIPAL, World};

/// The program that speaks with Kerberos.
const HELPER: &str = env!("CARGO_BIN_EXE_rida-http");

fn koji_check(world: &World, more: &[&str]) -> (Output, String) {
    let profile = world.realm.path("koji.conf");
    let server = world.hub.url();
    fs::write(&profile, format!("[koji]\nserver = {server}\nserverca = {}\n", world.authority.display())).unwrap();
    let mut command = world.realm.command(HELPER);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RIDA_")) {
        command.env_remove(name);
    }
    let config = format!("koji.config={}", profile.display());
    let settings = ["builds.build_system=koji", &config, "koji.base_tags=platform:el8=platform-build"];
    for setting in settings.iter().chain(more) {
        command.args(["--set", setting]);
    }
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
