//! Clients that are slow, large, many or hostile.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use warp::http::Method;

use crate::harness::{Server, read_to_end, until};

const SHORT: Duration = Duration::from_millis(200);

async fn hasty() -> Server {
    Server::still_with(|settings| {
        settings.server.head_timeout = SHORT;
        settings.api.body_timeout = SHORT;
    })
    .await
}

#[tokio::test]
async fn a_head_that_does_not_come_ends_the_connection() {
    let server = hasty().await;
    for start in ["", "GET /healthz HTTP/1.1\r\nhost: x\r\nx-slow: "] {
        let began = Instant::now();
        let answer = server.raw(start.as_bytes()).await;
        assert!(!answer.contains("200 OK"), "{answer}");
        assert!(began.elapsed() >= SHORT, "{start:?} was not waited for");
    }
    // A byte now and then does not help.
    let mut stream = server.connect().await;
    let ended = async {
        stream.write_all(b"GET /healthz HTTP/1.1\r\nx: ").await?;
        loop {
            stream.write_all(b"x").await?;
            let read = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut [0; 256])).await;
            if let Ok(read) = read
                && read? == 0
            {
                return std::io::Result::Ok(());
            }
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(10), ended).await.expect("the connection stays open");
}

#[tokio::test]
async fn a_connection_that_idles_is_ended() {
    let server = hasty().await;
    let answer = server.raw(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK"), "{answer}");
}

#[tokio::test]
async fn a_body_that_does_not_come_is_answered() {
    let server = hasty().await;
    let head = "POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{";
    let answer = server.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("did not arrive"), "{answer}");
    let mut stream = server.connect().await;
    let chunked = "POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\n{\r\n";
    stream.write_all(chunked.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut stream).await.contains("did not arrive"));
}

#[tokio::test]
async fn a_body_that_is_too_large_is_answered() {
    // As large as any other body, whatever is smaller.
    let server = Server::still_with(|settings| settings.api.max_submission = 1).await;
    let megabytes = format!("{{\"scmurl\": \"{}\"}}", "x".repeat(10_000_000));
    for body in [megabytes, "x".repeat(64 * 1024 + 1)] {
        let message = server.post(body).await.error(400);
        assert!(message.contains("65536 bytes"), "{message}");
    }
    // As large as is allowed, it is only no JSON.
    let message = server.post("x".repeat(64 * 1024)).await.error(400);
    assert!(message.contains("JSON"), "{message}");
    // What says itself that it is far too large is not even read.
    let head = "POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\n";
    let answer = server.raw(head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("65536 bytes"), "{answer}");
    // Nor does it help not to say so.
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    let head =
        "POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = server.raw(format!("{head}{}0\r\n\r\n", chunk.repeat(20)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("65536 bytes"), "{answer}");
}

#[tokio::test]
async fn a_compressed_body_is_refused() {
    let server = Server::still().await;
    for encoding in ["gzip", "deflate, gzip", "br"] {
        let answer = server.send(Method::POST, "/rida/module-builds/", &[("content-encoding", encoding)], "{}").await;
        assert!(answer.error(400).contains("Content-Encoding"));
    }
}

#[tokio::test]
async fn a_head_that_is_too_large_is_refused() {
    let server = Server::still().await;
    let small =
        format!("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-small: {}\r\n\r\n", "x".repeat(8000));
    assert!(server.raw(small.as_bytes()).await.starts_with("HTTP/1.1 200"));
    let large = format!("GET /healthz HTTP/1.1\r\nhost: x\r\nx-large: {}\r\n\r\n", "x".repeat(17_000));
    assert!(server.raw(large.as_bytes()).await.starts_with("HTTP/1.1 431"));
    let endless = format!("GET /healthz?{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(200_000));
    let answer = server.raw(endless.as_bytes()).await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    let many: String = (0..200).map(|number| format!("x-{number}: y\r\n")).collect();
    let many = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{many}\r\n");
    assert!(server.raw(many.as_bytes()).await.starts_with("HTTP/1.1 431"));
}

#[tokio::test]
async fn what_is_no_http_does_no_harm() {
    let server = Server::still().await;
    let lengths = "POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello!";
    let smuggled = "GET / HTTP/1.1\r\nhost: x\r\nx: a\0b\r\n\r\n";
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        lengths.as_bytes(),
        smuggled.as_bytes(),
    ] {
        let answer = server.raw(bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    assert_eq!(server.get("/healthz").await.status, 200);
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let server = Server::still_with(|settings| settings.server.connections = 2).await;
    let (first, second) = (server.connect().await, server.connect().await);
    let third = tokio::time::timeout(Duration::from_millis(200), server.get("/healthz")).await;
    assert!(third.is_err(), "a third connection was served");
    drop(first);
    assert_eq!(server.get("/healthz").await.status, 200);
    drop(second);
}

#[tokio::test]
async fn a_reader_that_does_not_read_is_given_up() {
    let server = Server::still_with(|settings| {
        settings.server.write_timeout = SHORT;
        settings.server.connections = 1;
    })
    .await;
    server.keep(1, "foo:1:2:c0ffee", usize::MAX).await;
    server.world.log("bar", &"x".repeat(30_000_000), true);
    let mut stream = server.connect().await;
    stream.write_all(b"GET /rida/module-builds/1/logs/bar HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    // The only place is free again, though the first reader has never left.
    assert_eq!(server.get("/healthz").await.status, 200);
    drop(stream);
}

/// Returns a submission with a document that is as large as some are.
fn large_submission(length: usize) -> String {
    let described = format!("  description: {}\n", "long ".repeat(length / 5));
    let document = crate::world::modulemd("foo");
    let start = document.find("  description:").unwrap();
    let end = start + document[start..].find('\n').unwrap() + 1;
    let document = format!("{}{described}{}", &document[..start], &document[end..]);
    serde_json::json!({"modulemd": document, "module_name": "foo"}).to_string()
}

#[tokio::test]
async fn a_submission_may_bring_a_large_document() {
    let server = Server::with_policy(|_| {}, |policy| policy.allow_modulemd = true).await;
    let answer = server.post(large_submission(300 * 1024)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let told = server.post(large_submission(1024 * 1024)).await.error(400);
    assert!(told.contains("larger than 1048576 bytes"), "{told}");
    let change = format!(r#"{{"state": "failed", "owner": "{}"}}"#, "x".repeat(70_000));
    let told = server.patch("/rida/module-builds/1", change).await.error(400);
    assert!(told.contains("larger than 65536 bytes"), "{told}");
}

#[tokio::test]
async fn few_large_bodies_are_read_at_once() {
    let server = Server::with_policy(|_| {}, |policy| policy.allow_modulemd = true).await;
    let part = "x".repeat(100_000);
    let head = "POST /rida/module-builds/ HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 200000\r\n\r\n";
    let begin = async || {
        let mut stream = server.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(part.as_bytes()).await.unwrap();
        stream
    };
    let mut slow = Vec::new();
    for _ in 0..16 {
        slow.push(begin().await);
    }
    let one_more = large_submission(100_000);
    let is_refused = async || server.post(one_more.clone()).await.status == 503;
    until("all turns are taken", async || is_refused().await).await;
    let refused = server.post(one_more.clone()).await;
    assert_eq!(refused.header("retry-after"), "5");
    assert!(refused.error(503).starts_with("as many large submissions"));
    // What is no larger than other bodies is read meanwhile.
    let small = server.post("{}").await.error(400);
    assert!(small.contains("scmurl"), "{small}");
    // Who is refused for what it says gives its turn back, and so does who breaks off.
    let mut ended = slow.pop().unwrap();
    ended.write_all(part.as_bytes()).await.unwrap();
    assert!(read_to_end(&mut ended).await.starts_with("HTTP/1.1 400"));
    assert!(!is_refused().await);
    slow.push(begin().await);
    until("all turns are taken again", async || is_refused().await).await;
    drop(slow);
    until("turns are given back", async || !is_refused().await).await;
}
