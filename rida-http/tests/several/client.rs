//! A client of a service that may be gone at any moment.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

/// An answer: its status code and its body.
pub(crate) type Answer = (u16, Value);

/// Sends a request and returns the answer, unless it breaks off.
pub(crate) fn send(address: &str, request: &str, body: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    let headers = format!("prefer: respond-async\r\ncontent-length: {}", body.len());
    write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n\r\n{body}")?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes)?;
    let text = String::from_utf8(bytes).map_err(io::Error::other)?;
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(broken)?;
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).ok_or_else(broken)?;
    // A list comes in pieces, each behind its length.
    let body =
        if head.to_ascii_lowercase().contains("transfer-encoding: chunked") { whole(body)? } else { body.to_owned() };
    Ok((status, serde_json::from_str(&body).map_err(|_| broken())?))
}

fn whole(mut pieces: &str) -> io::Result<String> {
    let broken = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let mut whole = String::new();
    loop {
        let (length, rest) = pieces.split_once("\r\n").ok_or_else(broken)?;
        let length = usize::from_str_radix(length, 16).map_err(io::Error::other)?;
        if length == 0 {
            return Ok(whole);
        }
        whole.push_str(rest.get(..length).ok_or_else(broken)?);
        pieces = rest.get(length..).and_then(|rest| rest.strip_prefix("\r\n")).ok_or_else(broken)?;
    }
}
