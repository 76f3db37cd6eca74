//! What a killed test process has started is ended, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test stops where something is not as it should be")]

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rida_test_keeper::Home;

/// Returns the program that is killed, which was built together with this test.
fn victim() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.ancestors().nth(2).expect("a test is in target/<profile>/deps").join("examples/keeper-victim");
    assert!(program.exists(), "{} is not built; cargo build --example keeper-victim does that", program.display());
    program
}

fn runs(process: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // A zombie is one that nobody waits for.
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    let until = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < until, "{what}");
        sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_killed_process_leaves_no_service_and_no_folder() {
    let other = Home::new();
    let settings = other.path().join("settings");
    std::fs::write(&settings, "").unwrap();
    let mut bystander = Command::new("tail").arg("-f").arg(settings).stdout(Stdio::null()).spawn().unwrap();
    let mut victim = Command::new(victim()).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let said = BufReader::new(victim.stdout.take().unwrap()).lines();
    let told = said.map_while(Result::ok).next().unwrap();
    let (service, folder) = told.split_once(' ').unwrap();
    let service = service.parse().unwrap();
    assert!(runs(service) && Path::new(folder).exists());
    // At once, so that nothing of it cleans up.
    victim.kill().unwrap();
    victim.wait().unwrap();
    wait_until("the service goes on", || !runs(service));
    wait_until("the folder stays", || !Path::new(folder).exists());
    assert!(runs(bystander.id()) && other.path().exists(), "another's service is left alone");
    let path = other.path().to_owned();
    drop(other);
    assert!(!path.exists(), "the folder goes with its home");
    // What a signal ended; without one it would go on for ever.
    assert_eq!(bystander.wait().unwrap().code(), None);
}
