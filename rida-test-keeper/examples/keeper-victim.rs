//! What the test `killed` kills: it starts a service that does as it likes, tells of it, and waits for its end.

#![expect(clippy::unwrap_used, reason = "in the helpers of tests, too, it is an assertion")]

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use rida_test_keeper::Home;

/// Goes on for an hour, whatever it is asked.
const STUBBORN: &str = "trap '' TERM INT QUIT HUP; echo; for _ in $(seq 36000); do sleep 0.1; done";

fn main() {
    let home = Home::new();
    let mut command = Command::new("setsid");
    command.args(["sh", "-c", STUBBORN, "sh"]).arg(home.path().join("settings")).stdin(Stdio::null());
    let mut service = command.stdout(Stdio::piped()).spawn().unwrap();
    // By then it does not listen any more.
    BufReader::new(service.stdout.as_mut().unwrap()).read_line(&mut String::new()).unwrap();
    println!("{} {}", service.id(), home.path().display());
    // The service ends after this, unless something ends it.
    service.wait().unwrap();
}
