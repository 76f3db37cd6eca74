//! A thousand clients that do nothing.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::running::{Running, Starting, program, send, status};

/// As many files as many systems let a process open, and fewer than there are clients.
const FEW_FILES: &str = r#"ulimit -S -n 512; exec "$@""#;

const CLIENTS: usize = 1000;

/// Returns the kibibytes of memory that a process has.
fn memory(id: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Lets this process open as many files as it may, and starts a service that nothing ends by time.
fn patient_service(folder: &std::path::Path, more: &[&str]) -> Running {
    let limit = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit }).unwrap();
    let mut all = vec!["--set", "log.filter=warn"];
    for set in ["server.head_timeout=30m", "server.body_timeout=30m", "server.write_timeout=30m"] {
        all.extend(["--set", set]);
    }
    all.extend(more);
    Starting::new(&folder.join("data"), &folder.join("said"), &all).serving()
}

/// Connects from an address of this machine, and says something.
async fn client(from: [u8; 4], to: &str, says: &[u8]) -> tokio::net::TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from((from, 0))).unwrap();
    let mut stream = socket.connect(to.parse().unwrap()).await.unwrap();
    // One that has too many connections is told nothing.
    let _ = stream.write_all(says).await;
    stream
}

#[track_caller]
fn is_served(service: &Running) {
    for _ in 0..20 {
        let began = Instant::now();
        assert_eq!(status(&service.ask("GET /rida/module-builds/")), 200);
        assert!(began.elapsed() < Duration::from_secs(10), "it took {:?}", began.elapsed());
    }
}

#[tokio::test]
async fn a_thousand_slow_clients_of_several_addresses_hold_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let service = patient_service(folder.path(), &[]);
    let mut slow = Vec::new();
    for number in 0..1024_u32 {
        let from = [127, 0, 1, u8::try_from(1 + number % 4).unwrap()];
        let says: &[u8] =
            [b"GET /healthz HTTP/1.1\r\nhost: x\r\nx-half: ".as_slice(), b""][usize::try_from(number / 4 % 2).unwrap()];
        slow.push(client(from, &service.address, says).await);
    }
    is_served(&service);
    assert!(!service.said().contains("could not be accepted"), "{}", service.said());
    drop(slow);
}

#[tokio::test]
async fn a_thousand_slow_clients_of_one_address_hold_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let service = patient_service(folder.path(), &[]);
    let (mut slow, half) =
        (Vec::new(), b"POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\ncontent-length: 60000\r\n\r\n{");
    for _ in 0..1024 {
        slow.push(client([127, 0, 1, 9], &service.address, half).await);
    }
    is_served(&service);
    let text = service.ask("GET /metrics");
    let line = text.lines().find_map(|line| line.strip_prefix("rida_http_stalls_total{what=\"many\"} ")).unwrap();
    assert_eq!(line, "768", "{text}");
    drop(slow);
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
    let many = ["--set", "server.max_connections_per_client=1024"];
    let more = ["--set", "server.head_timeout=2m", "--set", "log.filter=warn", many[0], many[1]];
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
