//! Logs of components, as they are and as they grow.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{PATIENCE, Server, read_to_end};

/// The steps of the sample life after which `bar` is being built.
const BAR_IS_OPEN: usize = 11;

async fn reads(stream: &mut TcpStream, expected: &str) {
    let mut seen = String::new();
    let reading = async {
        while !seen.contains(expected) {
            let mut bytes = [0; 4096];
            let count = stream.read(&mut bytes).await.unwrap();
            assert!(count > 0, "the connection ended; before came {seen:?}");
            seen.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, reading).await.unwrap_or_else(|_| panic!("{expected:?} never comes"));
}

async fn follow(server: &Server, component: &str) -> TcpStream {
    let mut stream = server.connect().await;
    let request = format!("GET /rida/module-builds/1/logs/{component}?follow=true HTTP/1.1\r\nhost: x\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_log_is_read_as_a_whole_and_from_an_offset() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", usize::MAX).await;
    let text = "<script>alert(1)</script> \u{1b}[31m line\n".repeat(10_000);
    server.world.log("bar", &text, true);
    let answer = server.get("/rida/module-builds/1/logs/bar").await;
    assert_eq!(answer.text(), text);
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(server.get("/rida/module-builds/1/logs/bar/?offset=300000").await.text(), &text[300_000..]);
    assert_eq!(server.get("/rida/module-builds/1/logs/bar?offset=99999999").await.text(), "");
    assert_eq!(server.get("/rida/module-builds/1/logs/bar?attempt=1&follow=false").await.text(), text);
}

#[tokio::test]
async fn a_log_that_is_not_there_is_not_found() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", usize::MAX).await;
    server.world.log("bar", "text", true);
    for path in [
        "2/logs/bar",
        "1/logs/nothing",
        "1/logs/foo",
        "1/logs/foo?follow=true",
        "1/logs/bar?attempt=2",
        "1/logs/..",
        "1/logs/%2e%2e%2fbar",
    ] {
        server.get(&format!("/rida/module-builds/{path}")).await.error(404);
    }
    for query in ["offset=-1", "offset=x", "offset=99999999999999999999", "attempt=0", "follow=maybe", "tail=1"] {
        server.get(&format!("/rida/module-builds/1/logs/bar?{query}")).await.error(400);
    }
}

#[tokio::test]
async fn a_log_that_grows_is_read_as_far_as_it_is() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", BAR_IS_OPEN).await;
    server.world.log("bar", "so far", false);
    assert_eq!(server.get("/rida/module-builds/1/logs/bar").await.text(), "so far");
}

#[tokio::test]
async fn a_log_is_followed_from_before_its_start_to_its_end() {
    let server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", BAR_IS_OPEN).await;
    let mut stream = follow(&server, "bar").await;
    reads(&mut stream, "\r\n\r\n").await;
    server.world.log("bar", "first\n", false);
    reads(&mut stream, "first\n").await;
    server.world.log("bar", "second\n", false);
    reads(&mut stream, "second\n").await;
    server.world.log("bar", "last\n", true);
    reads(&mut stream, "0\r\n\r\n").await;
}

#[tokio::test]
async fn a_followed_log_ends_with_the_service() {
    let mut server = Server::still().await;
    server.keep(1, "foo:1:2:c0ffee", BAR_IS_OPEN).await;
    server.world.log("bar", "first\n", false);
    let mut stream = follow(&server, "bar").await;
    reads(&mut stream, "first\n").await;
    server.begin_stop();
    assert!(read_to_end(&mut stream).await.ends_with("0\r\n\r\n"));
    server.ended().await;
}

#[tokio::test]
async fn only_so_many_logs_are_followed_at_once() {
    let server = Server::still_with(|settings| settings.api.max_followers = 1).await;
    server.keep(1, "foo:1:2:c0ffee", BAR_IS_OPEN).await;
    server.world.log("bar", "first\n", false);
    let mut stream = follow(&server, "bar").await;
    reads(&mut stream, "first\n").await;
    server.get("/rida/module-builds/1/logs/bar?follow=true").await.error(503);
    assert_eq!(server.get("/rida/module-builds/1/logs/bar").await.text(), "first\n");
    drop(stream);
    // The place of a reader that left is free again.
    crate::harness::until("there is room", async || {
        let followed = server.get("/rida/module-builds/1/logs/bar?follow=true&offset=0");
        let answer = tokio::time::timeout(Duration::from_millis(100), followed).await;
        answer.is_err()
    })
    .await;
}
