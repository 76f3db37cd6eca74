//! A server on a free port of this machine, and a client for it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rida_core::scm::{AllowList, Repository};
use rida_core::testing::{Layered, sample};
use rida_core::{BuildId, Parts, Policy, Store};
use rida_http::{Api, Metrics, Pulse, Service, ServiceSettings, Status, SystemClock, routes, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use warp::http::{HeaderMap, Method, Request, StatusCode};

use crate::store::TestStore;
use crate::world::World;

/// Longer than anything that is waited for takes; only a failing test waits that long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running service.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) store: Arc<Layered<TestStore>>,
    pub(crate) world: Arc<World>,
    pub(crate) data: tempfile::TempDir,
    /// Names builds that the build system has news of.
    pub(crate) hints: mpsc::Sender<BuildId>,
    /// What it counts.
    pub(crate) metrics: Metrics,
    stop: Option<oneshot::Sender<()>>,
    running: JoinHandle<()>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts only the interface: builds stay as a test stores them.
    pub(crate) async fn still() -> Self {
        Self::still_with(|_| {}).await
    }

    pub(crate) async fn still_with(change: impl FnOnce(&mut ServiceSettings)) -> Self {
        Self::launch(change, |_| {}, false).await
    }

    /// Starts a server with settings changed.
    pub(crate) async fn with(change: impl FnOnce(&mut ServiceSettings)) -> Self {
        Self::with_policy(change, |_| {}).await
    }

    pub(crate) async fn with_policy(
        change: impl FnOnce(&mut ServiceSettings),
        policy: impl FnOnce(&mut Policy),
    ) -> Self {
        Self::launch(change, policy, true).await
    }

    async fn launch(
        change: impl FnOnce(&mut ServiceSettings),
        policy: impl FnOnce(&mut Policy),
        working: bool,
    ) -> Self {
        let data = tempfile::tempdir().unwrap();
        let (store, world) = (Arc::new(Layered::<TestStore>::default()), Arc::new(World::default()));
        let mut settings =
            ServiceSettings { maintenance: Some(data.path().join("maintenance")), ..ServiceSettings::default() };
        settings.worker.idle = Duration::from_millis(20);
        settings.api.follow_every = Duration::from_millis(10);
        change(&mut settings);
        let mut decides = Policy { follow_every: Duration::from_millis(20), ..Policy::default() };
        decides.sources.repository = Some(Repository::parse("https://src.example.org/rpms/").unwrap());
        policy(&mut decides);
        let parts = Parts {
            store: store.clone(),
            build_system: world.clone(),
            publisher: world.clone(),
            scm: world.clone(),
            clock: Arc::new(SystemClock),
            allow: AllowList::new([Repository::parse("https://src.example.org/").unwrap()]),
            policy: decides,
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let stopped = async { drop(stopped.await) };
        let (sender, hints) = mpsc::channel(1);
        let service = Service::new(parts, settings.clone(), hints);
        let metrics = service.metrics().clone();
        let running = if working {
            tokio::spawn(service.run(listener, stopped))
        } else {
            let (draining, seen) = watch::channel(false);
            let status = Status::new(seen, settings.maintenance);
            let driver = Arc::clone(service.driver());
            let api = Api::new(driver, status, Pulse::default(), settings.api, metrics.clone());
            tokio::spawn(serve(listener, routes(Arc::new(api)), settings.server, metrics.clone(), draining, stopped))
        };
        Self { address, store, world, data, hints: sender, metrics, stop: Some(stop), running }
    }

    /// Tells the server to end, without waiting for it.
    pub(crate) fn begin_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Waits until the server has ended.
    pub(crate) async fn ended(self) {
        tokio::time::timeout(PATIENCE, self.running).await.expect("the server does not end").unwrap();
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(&self, body: impl Into<Bytes>) -> Answer {
        self.send(Method::POST, "/rida/module-builds/", &[], body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::PATCH, path, &[], body).await
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, headers, body).await.unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Answer, hyper::Error> {
        let (mut client, connection) = http1::handshake(TokioIo::new(self.connect().await)).await?;
        tokio::spawn(connection);
        let mut request = Request::builder().method(method.clone()).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.header("host", self.address.to_string());
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = async {
            let response = client.send_request(request.body(Full::new(body.into())).unwrap()).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            // In the table percent-encoding has no place.
            if !path.contains('%') {
                crate::routes_page::check(&method, path, head.status);
            }
            Ok(Answer { status: head.status, headers: head.headers, body })
        };
        tokio::time::timeout(PATIENCE, answer).await.unwrap_or_else(|_| panic!("{path} is not answered"))
    }

    /// Sends bytes as they are and returns all that comes back until the server closes the connection.
    pub(crate) async fn raw(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect().await;
        // The server may have answered and closed before all is sent.
        let _ = stream.write_all(bytes).await;
        read_to_end(&mut stream).await
    }

    /// Stores the sample life of a build up to its end, or only the first `steps` of it.
    pub(crate) async fn keep(&self, number: i64, nsvc: &str, steps: usize) -> BuildId {
        let id = sample::id(number);
        for written in sample::life_to_ready(id, sample::nsvc(nsvc)).iter().take(steps) {
            self.store.commit(written.commit()).await.unwrap();
        }
        id
    }
}

/// Reads until the other side closes.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(PATIENCE, stream.read_to_end(&mut bytes)).await;
    let _ = read.expect("the server does not close the connection");
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Waits until a condition holds.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap_or_else(|_| panic!("it never came that {what}"));
}

impl Answer {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.text()))
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// Checks that this is an error of the form that all have, and returns its message.
    #[track_caller]
    pub(crate) fn error(&self, status: u16) -> String {
        assert_eq!(self.status.as_u16(), status, "{}", self.text());
        assert_eq!(self.header("content-type"), "application/json", "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], status);
        assert_eq!(body["error"], StatusCode::from_u16(status).unwrap().canonical_reason().unwrap());
        let message = body["message"].as_str().unwrap_or_default().to_owned();
        assert!(message.len() > 10 && !message.contains("/tmp") && !message.contains(".rs"), "{message}");
        assert_eq!(status == 503, !self.header("retry-after").is_empty(), "{:?}", self.headers);
        message
    }
}
