//! A load of requests over kept connections.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const CONNECTIONS: usize = 16;
const ROUND: Duration = Duration::from_millis(1500);

/// Returns how many requests a second are answered.
pub(crate) async fn rate(address: SocketAddr, path: &'static str) -> f64 {
    let start = Instant::now();
    let mut clients = JoinSet::new();
    for _ in 0..CONNECTIONS {
        clients.spawn(async move {
            let mut connection = connect(address).await;
            let mut answered = 0_u32;
            while start.elapsed() < ROUND {
                ask(&mut connection, path).await;
                answered += 1;
            }
            answered
        });
    }
    let answered: u32 = clients.join_all().await.into_iter().sum();
    f64::from(answered) / start.elapsed().as_secs_f64()
}

/// Waits until a server answers.
pub(crate) async fn until_answered(address: SocketAddr, path: &str) {
    while TcpStream::connect(address).await.is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    get(address, path).await;
}

/// Returns the answer to one request.
pub(crate) async fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).await.expect("the server listens");
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.expect("it takes the request");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers in text");
    assert!(answer.starts_with("HTTP/1.0 200") || answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

async fn connect(address: SocketAddr) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).await.expect("the server listens");
    stream.set_nodelay(true).expect("it can be set");
    BufReader::new(stream)
}

/// Sends a request and reads its answer, which has a length.
async fn ask(connection: &mut BufReader<TcpStream>, path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    connection.get_mut().write_all(request.as_bytes()).await.expect("it takes the request");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(connection.read_u8().await.expect("it answers"));
    }
    let head = String::from_utf8(head).expect("a head is text").to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 200"), "{head}");
    if head.contains("transfer-encoding: chunked") {
        return chunks(connection).await;
    }
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    let length = length.and_then(|length| length.parse().ok()).expect("the answer has a length");
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.expect("the body comes");
}

async fn chunks(connection: &mut BufReader<TcpStream>) {
    loop {
        let mut line = Vec::new();
        while !line.ends_with(b"\r\n") {
            line.push(connection.read_u8().await.expect("a chunk comes"));
        }
        let size = std::str::from_utf8(&line).ok().and_then(|line| usize::from_str_radix(line.trim(), 16).ok());
        let size = size.expect("a chunk has a size");
        let mut body = vec![0; size + 2];
        connection.read_exact(&mut body).await.expect("the chunk comes");
        if size == 0 {
            return;
        }
    }
}
