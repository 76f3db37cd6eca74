//! One connection to the hub, and one request at a time on it.

use std::fmt::Write as _;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use hyper::{HeaderMap, Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use openssl::ssl::SslConnector;
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};
use tokio_openssl::SslStream;

use super::config::{ClientConfig, Login, wrong_with};
use super::head::{Bounded, Room};
use super::tls::Tls;
use super::trouble::Trouble;
use crate::error::{KojiError, KojiErrorKind};

/// How long the head of an answer may be. Tickets of Kerberos take some tens of kilobytes.
const LONGEST_HEAD: usize = 128 * 1024;
/// How much may come before an answer and with its head, provisional answers included.
const LONGEST_WAY_TO_A_HEAD: usize = 2 * LONGEST_HEAD;

/// Where requests go, and how the connection is kept from others.
pub(super) struct Endpoint {
    host: String,
    port: u16,
    authority: String,
    path: String,
    tls: Option<Tls>,
    /// What it is when the files that TLS needs cannot be used any more: of a login, that it fails.
    unusable: KojiErrorKind,
    connect_timeout: Duration,
    idle: Duration,
    largest_answer: usize,
}

/// Why a request has no answer.
pub(super) enum SendError {
    /// Nothing of it can have arrived.
    NotSent(KojiError),
    /// It may have arrived, and been done.
    Lost(KojiError),
    /// What came back is no use, and would not be another time.
    Unusable(KojiError),
}

/// An answer as it came.
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// A request to be sent; it may be sent again.
#[derive(Clone)]
pub(super) struct Outgoing {
    /// What follows the path, from `?` on.
    pub(super) query: String,
    pub(super) content_type: &'static str,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
}

impl Endpoint {
    /// Makes the endpoint that calls go to.
    pub(super) fn calls(config: &ClientConfig) -> Result<Self, KojiError> {
        let is_secure = config.server.scheme() == "https";
        Self::new(config, "", is_secure.then_some(None), KojiErrorKind::Unreachable)
    }

    /// Makes the endpoint that certificates and tickets are shown to, which is always one of TLS.
    pub(super) fn logins(config: &ClientConfig) -> Result<Self, KojiError> {
        let certificate = match &config.login {
            Login::Certificate { file } => Some(file.clone()),
            _ => None,
        };
        Self::new(config, "/ssllogin", Some(certificate), KojiErrorKind::Login)
    }

    /// Makes one, which is secure when something is said of a certificate: that there is none, or which.
    fn new(
        config: &ClientConfig,
        below: &str,
        secure: Option<Option<PathBuf>>,
        unusable: KojiErrorKind,
    ) -> Result<Self, KojiError> {
        let settings = |message: &str| KojiError::new(KojiErrorKind::Settings, message);
        let server = &config.server;
        let host = server.host_str().ok_or_else(|| settings("the address of Koji's hub has no host"))?;
        if !matches!(server.scheme(), "http" | "https") {
            return Err(settings("the address of Koji's hub must begin with http:// or https://"));
        }
        if let Some(why) = wrong_with(server) {
            return Err(settings(&format!("the address of Koji's hub {why}")));
        }
        let port = server.port().unwrap_or(if secure.is_some() { 443 } else { 80 });
        let authority = server.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let tls = secure.map(|certificate| Tls::new(config, certificate)).transpose()?;
        Ok(Self {
            // OpenSSL and the system want an address of the sixth version without its brackets.
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            authority,
            path: format!("{}{below}", server.path().trim_end_matches('/')),
            tls,
            unusable,
            connect_timeout: config.connect_timeout,
            idle: config.idle,
            largest_answer: config.largest_answer,
        })
    }

    /// Returns the host's name or address.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Connects.
    pub(super) async fn connect(&self) -> Result<Connection, Trouble> {
        // There is no use in trying again at once; who mends it is not asked to start the service anew.
        let unusable = |error: KojiError| Trouble::Final(KojiError::new(self.unusable, error.message()).because(error));
        let connector = self.tls.as_ref().map(Tls::connector).transpose().map_err(unusable)?;
        self.connect_by(connector).await.map_err(Trouble::NotSent)
    }

    async fn connect_by(&self, connector: Option<SslConnector>) -> Result<Connection, KojiError> {
        let unreachable = |what: &str| KojiError::new(KojiErrorKind::Unreachable, what);
        let room = Room::new();
        let connecting = async {
            let stream = TcpStream::connect((self.host.as_str(), self.port))
                .await
                .map_err(|error| unreachable("no connection can be made").because(error))?;
            let _ = stream.set_nodelay(true);
            let Some(tls) = &connector else { return handshake(Bounded::new(stream, room.clone())).await };
            let ssl = tls
                .configure()
                .and_then(|configuration| configuration.into_ssl(&self.host))
                .map_err(|error| unreachable("TLS cannot be set up").because(error))?;
            let mut stream =
                SslStream::new(ssl, stream).map_err(|error| unreachable("TLS cannot be set up").because(error))?;
            Pin::new(&mut stream)
                .connect()
                .await
                .map_err(|error| unreachable(&format!("TLS is refused ({error})")).because(error))?;
            handshake(Bounded::new(stream, room.clone())).await
        };
        let sender =
            timeout(self.connect_timeout, connecting).await.map_err(|_| unreachable("connecting takes too long"))??;
        Ok(Connection { sender, room, used: Instant::now(), idle: self.idle })
    }
}

async fn handshake<S>(stream: S) -> Result<SendRequest<Full<Bytes>>, KojiError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::Builder::new()
            .max_buf_size(LONGEST_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| KojiError::new(KojiErrorKind::Unreachable, "HTTP cannot be spoken").because(error))?;
    // It ends with the sender; what it fails of, the sender tells.
    tokio::spawn(connection);
    Ok(sender)
}

/// A connection that is kept alive between requests.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    room: Room,
    used: Instant,
    idle: Duration,
}

impl Connection {
    /// Tells whether another request can be tried on it.
    pub(super) fn is_usable(&self) -> bool {
        !self.sender.is_closed() && self.used.elapsed() < self.idle
    }

    /// Sends a request and reads its answer.
    pub(super) async fn send(
        &mut self,
        endpoint: &Endpoint,
        outgoing: &Outgoing,
        limit: Duration,
    ) -> Result<Reply, SendError> {
        let request = request(endpoint, outgoing).map_err(SendError::Unusable)?;
        let answer = timeout(limit, self.exchange(request, endpoint.largest_answer)).await;
        self.used = Instant::now();
        match answer {
            Ok(answer) => answer,
            Err(_) => Err(SendError::Lost(lost("no answer came in time"))),
        }
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>, largest: usize) -> Result<Reply, SendError> {
        // A connection that the hub closed while it was idle takes nothing any more.
        if let Err(error) = self.sender.ready().await {
            return Err(SendError::NotSent(lost("the connection was closed").because(error)));
        }
        self.room.limit(LONGEST_WAY_TO_A_HEAD);
        let response = self.sender.send_request(request).await;
        self.room.lift();
        let response = match response {
            Ok(response) => response,
            Err(error) if error.is_canceled() => {
                return Err(SendError::NotSent(lost("the connection was closed").because(error)));
            }
            Err(error) => return Err(SendError::Lost(lost("the connection broke").because(error))),
        };
        let (head, body) = response.into_parts();
        let body: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(Limited::new(body, largest).collect());
        match body.await {
            Ok(body) => Ok(Reply { status: head.status, headers: head.headers, body: body.to_bytes() }),
            Err(error) if error.is::<LengthLimitError>() => {
                let message = format!("Koji's answer is longer than {largest} bytes");
                Err(SendError::Unusable(KojiError::new(KojiErrorKind::Invalid, message)))
            }
            Err(error) => Err(SendError::Lost(lost("the answer broke off").because(error))),
        }
    }
}

fn lost(what: &str) -> KojiError {
    KojiError::new(KojiErrorKind::Lost, what)
}

fn request(endpoint: &Endpoint, outgoing: &Outgoing) -> Result<Request<Full<Bytes>>, KojiError> {
    let mut uri = String::new();
    // Writing to memory does not fail.
    let _ = write!(uri, "{}{}", endpoint.path, outgoing.query);
    let mut builder = Request::builder()
        .method(Method::POST)
        .uri(uri)
        .header(HOST, &endpoint.authority)
        .header(USER_AGENT, concat!("rida-koji/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, outgoing.content_type)
        // The hub's server refuses bodies whose length is not told.
        .header(CONTENT_LENGTH, outgoing.body.len());
    for (name, value) in &outgoing.headers {
        builder = builder.header(name, value);
    }
    builder
        .body(Full::new(outgoing.body.clone()))
        .map_err(|error| KojiError::new(KojiErrorKind::Invalid, "the request cannot be made").because(error))
}
