//! Shutdown and maintenance.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::harness::{Server, read_to_end, until};

const FOO: &str = r#"{"scmurl": "https://src.example.org/modules/foo.git?#main"}"#;

#[tokio::test]
async fn an_idle_server_ends_at_once() {
    let mut server = Server::start().await;
    let mut idle = server.connect().await;
    idle.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    idle.read_exact(&mut [0; 16]).await.unwrap();
    server.begin_stop();
    let began = Instant::now();
    let address = server.address;
    server.ended().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "it still listens");
}

#[tokio::test]
async fn a_request_that_runs_is_finished() {
    let mut server = Server::start().await;
    server.world.hold_checks();
    let mut stream = server.connect().await;
    let head = format!("POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", FOO.len());
    stream.write_all(format!("{head}{FOO}").as_bytes()).await.unwrap();
    until("it is accepted", async || server.get("/rida/module-builds/").await.text() != "[]\n").await;
    server.begin_stop();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 201 Created"), "{answer}");
    server.world.let_checks_end();
    server.ended().await;
}

#[tokio::test]
async fn new_work_on_a_kept_connection_is_refused() {
    let mut server = Server::start().await;
    let mut stream = server.connect().await;
    let head = format!(
        "POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        FOO.len()
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    // The server says that it has begun with the request, and only then is it told to end.
    stream.read_exact(&mut [0; 25]).await.unwrap();
    server.begin_stop();
    let address = server.address;
    until("it accepts no more", async || tokio::net::TcpStream::connect(address).await.is_err()).await;
    stream.write_all(FOO.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(answer.contains("HTTP/1.1 503") && answer.contains("retry-after: "), "{answer}");
    server.ended().await;
}

#[tokio::test]
async fn a_request_without_an_end_does_not_hold_the_shutdown_up() {
    let mut server = Server::with(|settings| settings.server.grace = Duration::from_millis(100)).await;
    let mut stream = server.connect().await;
    let head = "POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.read_exact(&mut [0; 25]).await.unwrap();
    server.begin_stop();
    let began = Instant::now();
    server.ended().await;
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn in_maintenance_builds_are_read_and_not_changed() {
    let server = Server::start().await;
    server.keep(1, "foo:1:2:c0ffee", 2).await;
    let notice = server.data.path().join("maintenance");
    std::fs::write(&notice, "The disk is being replaced, until 14:00 UTC.\n").unwrap();
    for answer in
        [server.post(FOO).await, server.patch("/rida/module-builds/1", "{}").await, server.get("/readyz").await]
    {
        let message = answer.error(503);
        assert!(message.contains("The disk is being replaced, until 14:00 UTC."), "{message}");
    }
    assert_eq!(server.get("/rida/module-builds/1").await.status, 200);
    assert_eq!(server.get("/rida/module-builds/").await.status, 200);
    assert_eq!(server.get("/healthz").await.status, 200);
    std::fs::write(&notice, "").unwrap();
    assert!(server.get("/readyz").await.error(503).contains("maintenance"));
    std::fs::remove_file(&notice).unwrap();
    assert_eq!(server.get("/readyz").await.status, 200);
}
