//! A thousand clients that do nothing.

use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::running::{Starting, program, send, status};

/// As many files as many systems let a process open, and fewer than there are clients.
const FEW_FILES: &str = r#"ulimit -S -n 512; exec "$@""#;

const CLIENTS: usize = 1000;

/// Returns the kibibytes of memory that a process has.
fn memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_thousand_idle_clients_cost_little_and_hold_nobody_up() {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let service = program(&[]);
    let mut command = Command::new("sh");
    command.args(["-c", FEW_FILES, "sh"]).arg(service.get_program());
    for (name, _) in service.get_envs() {
        command.env_remove(name);
    }
    let more = ["--set", "server.head_timeout=2m", "--set", "log.filter=warn"];
    let service = Starting::by(command, &folder.path().join("data"), &folder.path().join("said"), &more).serving();
    assert_eq!(status(&service.ask("GET /rida/module-builds/")), 200);
    let before = memory(service.id());
    let half = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-half: {}", "x".repeat(4000));
    let clients: Vec<TcpStream> = (0..CLIENTS)
        .map(|number| {
            let mut client = TcpStream::connect(&service.address).unwrap();
            // Some have said nothing, some half of what they want, some have their answer and stay.
            let says = [b"".as_slice(), half.as_bytes(), b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n"][number % 3];
            client.write_all(says).unwrap();
            client
        })
        .collect();
    let end = Instant::now() + Duration::from_secs(20);
    let connections = loop {
        let began = Instant::now();
        let text = send(&service.address, "GET /metrics", "").unwrap();
        assert!(began.elapsed() < Duration::from_secs(5), "it took {:?}", began.elapsed());
        let line = text.lines().find_map(|line| line.strip_prefix("rida_http_connections ")).unwrap();
        let connections: usize = line.parse().unwrap();
        if connections > CLIENTS || Instant::now() > end {
            break connections;
        }
    };
    assert!(connections > CLIENTS, "only {connections} are open:\n{}", service.said());
    let each = (memory(service.id()) - before) / 1000;
    println!("{CLIENTS} idle clients take {each} KiB each");
    assert!(each < 48, "each client takes {each} KiB");
    assert!(!service.said().contains("could not be accepted"), "{}", service.said());
    drop(clients);
}
