//! A git server over HTTP that says whatever a test wants.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rida_core::scm::CommitHash;

/// What was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Such as `POST /foo/git-upload-pack`.
    pub(crate) line: String,
    pub(crate) body: String,
}

/// A server whose answers are written by a function.
pub(crate) struct Scripted {
    pub(crate) port: u16,
    pub(crate) asked: Arc<Mutex<Vec<Asked>>>,
}

impl Scripted {
    pub(crate) fn place(&self) -> String {
        format!("http://127.0.0.1:{}/foo", self.port)
    }
}

/// Starts a server; what the function writes is the whole answer, and its failure is the client's hanging up.
pub(crate) fn scripted(
    script: impl Fn(&Asked, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> Scripted {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (asked, script) = (Arc::new(Mutex::new(Vec::new())), Arc::new(script));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        while let Ok((mut connection, _)) = listener.accept() {
            let (log, script) = (Arc::clone(&log), Arc::clone(&script));
            std::thread::spawn(move || {
                let asked = read(&connection)?;
                log.lock().unwrap().push(asked.clone());
                script(&asked, &mut connection)
            });
        }
    });
    Scripted { port, asked }
}

/// Starts a server of the second protocol that has one branch, `main`, and gives a pack to whoever wants anything.
pub(crate) fn pack_server(commit: &CommitHash, pack: Vec<u8>) -> Scripted {
    let commit = commit.clone();
    scripted(move |asked, to| match step(asked) {
        Step::Greeting => answer(to, "advertisement", &greeting()),
        Step::Refs => answer(to, "result", &[line(&format!("{commit} refs/heads/main\n")), flush()].concat()),
        Step::Fetch => {
            begin(to, "result")?;
            to.write_all(&line("packfile\n"))?;
            for chunk in pack.chunks(60_000) {
                to.write_all(&packet(&[&[1], chunk].concat()))?;
            }
            to.write_all(&flush())
        }
    })
}

/// What a client of the second protocol does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Greeting,
    Refs,
    Fetch,
}

pub(crate) fn step(asked: &Asked) -> Step {
    if asked.line.starts_with("GET") {
        Step::Greeting
    } else if asked.body.contains("command=ls-refs") {
        Step::Refs
    } else {
        Step::Fetch
    }
}

/// What a server of the second protocol can do: also what no client of Rida's may ask for.
pub(crate) fn greeting() -> Vec<u8> {
    let can = ["version 2\n", "ls-refs=unborn\n", "fetch=shallow wait-for-done filter packfile-uris\n", "bundle-uri\n"];
    let can = can.into_iter().chain(["object-format=sha1\n", "server-option\n", "object-info\n"]);
    let lines: Vec<u8> = can.flat_map(line).collect();
    [line("# service=git-upload-pack\n"), flush(), lines, flush()].concat()
}

/// Begins an answer whose end is the end of the connection.
pub(crate) fn begin(to: &mut TcpStream, kind: &str) -> std::io::Result<()> {
    write!(to, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/x-git-upload-pack-{kind}\r\n\r\n")
}

pub(crate) fn answer(to: &mut TcpStream, kind: &str, body: &[u8]) -> std::io::Result<()> {
    begin(to, kind)?;
    to.write_all(body)
}

/// Writes bytes one by one, ten in a second.
pub(crate) fn drip(to: &mut TcpStream, bytes: &[u8]) -> std::io::Result<()> {
    for byte in bytes {
        to.write_all(&[*byte])?;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

pub(crate) fn packet(content: &[u8]) -> Vec<u8> {
    [format!("{:04x}", content.len() + 4).as_bytes(), content].concat()
}

pub(crate) fn line(text: &str) -> Vec<u8> {
    packet(text.as_bytes())
}

pub(crate) fn flush() -> Vec<u8> {
    b"0000".to_vec()
}

fn read(connection: &TcpStream) -> std::io::Result<Asked> {
    connection.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut from = BufReader::new(connection.try_clone()?.take(1024 * 1024));
    let (mut line, mut length) = (String::new(), 0);
    from.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        from.read_line(&mut header)?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    let line = line.trim_end_matches(" HTTP/1.1\r\n").to_owned();
    Ok(Asked { line, body: String::from_utf8_lossy(&body).into_owned() })
}
