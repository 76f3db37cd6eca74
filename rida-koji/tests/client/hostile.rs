//! Servers that are no hub, or mean harm: each call ends, soon and without much memory, and says what came.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, sleep};
use std::time::Duration;

use rida_koji::testing::{Hub, Trouble, When};
use rida_koji::xmlrpc::{Call, Fault, Value};
use rida_koji::{Client, ClientConfig, KojiError, KojiErrorKind, Login};
use url::Url;

use crate::certificates::{issue, write};

/// A server that does the same on each connection, once it has read the head of a request.
struct Server {
    url: Url,
    connections: Arc<AtomicUsize>,
}

impl Server {
    fn new(answer: impl Fn(&mut TcpStream) -> io::Result<()> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = Url::parse(&format!("http://{}/kojihub", listener.local_addr().unwrap())).unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let (counted, answer) = (Arc::clone(&connections), Arc::new(answer));
        thread::spawn(move || {
            for stream in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                // It ends when the client closes, with an error that is nobody's concern.
                thread::spawn(move || stream.and_then(|mut stream| answer(&mut stream)));
            }
        });
        Self { url, connections }
    }

    fn config(&self) -> ClientConfig {
        let login = Login::Password { user: "rida".to_owned(), password: "secret".to_owned() };
        let pause = Duration::from_millis(4);
        let largest_answer = 1024 * 1024;
        ClientConfig { pause, offline_pause: pause, largest_answer, ..ClientConfig::new(self.url.clone(), login) }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// Reads a request to the end of its body.
fn request(stream: &mut TcpStream) -> io::Result<()> {
    let mut read = Vec::new();
    let mut piece = [0; 4096];
    while !read.windows(13).any(|window| window == b"</methodCall>") {
        match stream.read(&mut piece)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            length => read.extend_from_slice(&piece[..length]),
        }
    }
    Ok(())
}

async fn failed(config: ClientConfig) -> KojiError {
    let client = Client::new(config).unwrap();
    tokio::time::timeout(Duration::from_secs(60), client.read(&Call::new("getTag", [Value::from("x")])))
        .await
        .expect("the call ends")
        .unwrap_err()
}

#[tokio::test]
async fn an_endless_answer_is_given_up_at_the_limit() {
    for head in ["Transfer-Encoding: chunked", "Content-Length: 999999999999999", "Connection: close"] {
        let server = Server::new(move |stream| {
            request(stream)?;
            write!(stream, "HTTP/1.1 200 OK\r\n{head}\r\n\r\n")?;
            let piece = if head.starts_with("Transfer") {
                format!("{:x}\r\n{}\r\n", 65536, " ".repeat(65536))
            } else {
                " ".repeat(65536)
            };
            loop {
                stream.write_all(piece.as_bytes())?;
            }
        });
        let error = failed(server.config()).await;
        assert_eq!(error.kind(), KojiErrorKind::Invalid, "{head}: {error}");
        assert_eq!(error.to_string(), "Koji's answer is longer than 1048576 bytes");
        assert_eq!(server.connections(), 1, "{head}: it would be as long another time");
    }
}

#[tokio::test]
async fn a_slow_answer_is_given_up_in_time() {
    type Slowly = fn(&mut TcpStream) -> io::Result<()>;
    let cases: [(&str, Slowly); 4] = [
        ("nothing", |_| Ok(())),
        ("a head without an end", |stream| write!(stream, "HTTP/1.1 200 OK\r\nX-")),
        ("a body without an end", |stream| write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")),
        ("a chunk without an end", |stream| {
            write!(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n999\r\n")
        }),
    ];
    for (what, begin) in cases {
        let server = Server::new(move |stream| {
            request(stream)?;
            begin(stream)?;
            loop {
                sleep(Duration::from_millis(20));
                if what == "nothing" { stream.write_all(b"")? } else { stream.write_all(b"x")? }
            }
        });
        let error = failed(ClientConfig { timeout: Duration::from_millis(500), ..server.config() }).await;
        assert_eq!(error.to_string(), "Koji cannot be reached: no answer came in time", "{what}");
        assert_eq!(server.connections(), 1, "{what}: a call has this time once, and not for each try");
    }
}

#[tokio::test]
async fn a_login_that_is_not_answered_has_its_time_once() {
    let server = Server::new(|stream| {
        request(stream)?;
        loop {
            sleep(Duration::from_secs(1));
            stream.write_all(b"")?;
        }
    });
    let config = ClientConfig { login_timeout: Duration::from_millis(500), ..server.config() };
    let client = Client::new(config).unwrap();
    let error = client.write(&Call::new("createTag", [Value::from("x")])).await.unwrap_err();
    assert_eq!(error.to_string(), "Koji cannot be reached: no answer came in time");
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn endless_heads_are_given_up() {
    for line in ["X-More: more\r\n", "HTTP/1.1 100 Continue\r\n\r\n"] {
        let server = Server::new(move |stream| {
            request(stream)?;
            if line.starts_with('X') {
                stream.write_all(b"HTTP/1.1 200 OK\r\n")?;
            }
            let piece = line.repeat(1000);
            loop {
                stream.write_all(piece.as_bytes())?;
            }
        });
        let error = failed(ClientConfig { timeout: Duration::from_millis(500), ..server.config() }).await;
        assert_eq!(error.kind(), KojiErrorKind::Unreachable, "{line}: {error}");
    }
}

#[tokio::test]
async fn a_flood_of_provisional_answers_is_cut_off_and_few_are_taken() {
    let written = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&written);
    let server = Server::new(move |stream| {
        request(stream)?;
        let piece = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
        loop {
            counted.fetch_add(stream.write(piece.as_bytes())?, Ordering::SeqCst);
        }
    });
    // Long before the time for an answer is over.
    let error = failed(ClientConfig { timeout: Duration::from_secs(3600), ..server.config() }).await;
    assert_eq!(error.kind(), KojiErrorKind::Unreachable, "{error}");
    // The buffers of the system between the two take some megabytes, too.
    let each = written.load(Ordering::SeqCst) / server.connections();
    assert!(each < 16 * 1024 * 1024, "{each} bytes on each of {} connections", server.connections());

    // A few are as good as none.
    let server = Server::new(|stream| {
        request(stream)?;
        let answer = "<?xml version='1.0'?><methodResponse><params><param><value><int>1</int></value></param></params>\
                      </methodResponse>";
        let few = "HTTP/1.1 100 Continue\r\n\r\n".repeat(100);
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n", answer.len());
        stream.write_all(format!("{few}{head}{answer}").as_bytes())
    });
    let answer = Client::new(server.config()).unwrap().read(&Call::new("getTag", [Value::from("x")])).await;
    assert_eq!(answer.unwrap(), Value::from(1));
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_is_told() {
    let elsewhere = Server::new(|_| Ok(()));
    let to = format!("{}?session-id=7&session-key=7-secret&callnum=0", elsewhere.url);
    let server = Server::new(move |stream| {
        request(stream)?;
        write!(stream, "HTTP/1.1 308 Permanent Redirect\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
    });
    let error = failed(server.config()).await;
    let expected =
        format!("Koji itself does not answer: its server answered 308 Permanent Redirect, to {}", elsewhere.url);
    assert_eq!((error.kind(), error.to_string()), (KojiErrorKind::NotTheHub, expected), "without a session's secret");
    let client = Client::new(server.config()).unwrap();
    let error = client.write(&Call::new("createTag", [Value::from("x")])).await.unwrap_err();
    assert_eq!(error.kind(), KojiErrorKind::NotTheHub, "{error}");
    assert_eq!(elsewhere.connections(), 0, "a password would have gone elsewhere");
}

#[tokio::test]
async fn what_is_no_answer_is_told() {
    for (answer, kind) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", KojiErrorKind::NotTheHub),
        ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", KojiErrorKind::NotTheHub),
        ("HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\n<methodResponse><fault", KojiErrorKind::Invalid),
        ("HTTP/1.1 204 No Content\r\n\r\n", KojiErrorKind::NotTheHub),
        ("SSH-2.0-OpenSSH_9.2\r\n\r\n", KojiErrorKind::Unreachable),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello", KojiErrorKind::Unreachable),
        ("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n", KojiErrorKind::Unreachable),
    ] {
        let server = Server::new(move |stream| {
            request(stream)?;
            stream.write_all(answer.as_bytes())
        });
        let error = failed(server.config()).await;
        assert_eq!(error.kind(), kind, "{answer:?}: {error}");
        let text = error.to_string();
        assert!(!text.contains("reached: Koji"), "{text}");
    }
}

#[tokio::test]
async fn tls_that_is_not_answered_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let authority = write(folder.path(), "authority.pem", &issue("authority", None));
    let server = Server::new(|stream| {
        sleep(Duration::from_secs(60));
        stream.write_all(b"")
    });
    let told = async |authority: &Path| {
        let mut config = ClientConfig { connect_timeout: Duration::from_millis(300), ..server.config() };
        config.server.set_scheme("https").unwrap();
        config.server_ca = Some(authority.to_owned());
        failed(config).await
    };
    let error = told(&authority).await;
    assert_eq!(error.to_string(), "Koji cannot be reached: connecting takes too long");
}

#[tokio::test]
async fn long_words_of_a_hub_are_cut() {
    let hub = Hub::start().await.unwrap();
    let fault = Fault { code: 1000, message: format!("wrong: {}", "é".repeat(1_000_000)) };
    for method in ["getTag", "multiCall"] {
        hub.world().trouble(When::method(method), Trouble::Fault(fault.clone()));
    }
    let login = Login::Password { user: "rida".to_owned(), password: "secret".to_owned() };
    let client = Client::new(ClientConfig::new(hub.url(), login)).unwrap();
    let get = Call::new("getTag", [Value::from("x")]);
    for error in [client.read(&get).await.unwrap_err(), client.read_many(&[get]).await.unwrap_err()] {
        let text = error.to_string();
        assert!(text.starts_with("Koji answers: wrong: éé") && text.ends_with("é…"), "{}", text.len());
        assert!(text.len() < 20_000 && error.fault().unwrap().message.len() < 20_000, "{}", text.len());
    }
}

#[tokio::test]
async fn a_connection_that_was_idle_for_long_is_not_trusted() {
    let hub = Hub::start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // Something in between counts connections.
    let (between, hub_address) = (listener.local_addr().unwrap(), hub.url().socket_addrs(|| None).unwrap());
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&connections);
    thread::spawn(move || {
        for stream in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            let (mut client, mut hub) = (stream.unwrap(), TcpStream::connect(&*hub_address).unwrap());
            let (mut from, mut to) = (client.try_clone().unwrap(), hub.try_clone().unwrap());
            thread::spawn(move || io::copy(&mut from, &mut to));
            thread::spawn(move || io::copy(&mut hub, &mut client));
        }
    });
    let login = Login::Password { user: "rida".to_owned(), password: "secret".to_owned() };
    let mut url = hub.url();
    url.set_port(Some(between.port())).unwrap();
    for (idle, expected) in [(Duration::from_secs(60), 2), (Duration::ZERO, 5)] {
        connections.store(0, Ordering::SeqCst);
        let client = Client::new(ClientConfig { idle, ..ClientConfig::new(url.clone(), login.clone()) }).unwrap();
        for round in 0..2 {
            client.read(&Call::new("getTag", [Value::from("x")])).await.unwrap();
            let name = format!("tag-{}-{round}", idle.as_secs());
            client.write(&Call::new("createTag", [Value::from(name)])).await.unwrap();
        }
        // One to read, and one to log in and write; or one for each of them.
        assert_eq!(connections.load(Ordering::SeqCst), expected, "{idle:?}");
    }
}
