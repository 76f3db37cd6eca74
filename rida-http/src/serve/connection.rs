//! One connection: requests in, answers out, whatever a handler does.

use std::convert::Infallible;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::time::Instant;

use futures_util::FutureExt;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpStream;
use tracing::Instrument;
use warp::filters::BoxedFilter;
use warp::http::{HeaderName, HeaderValue, Method, Request, Uri, header};
use warp::reply::Response;

use super::ServerLimits;
use super::normal::normalised;
use super::seats::{Answer, Watch};
use super::stall::Stalling;
use crate::metrics::Metrics;
use crate::reply::ApiError;
use crate::routes::path_of;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Nothing that a build or a user has put into an answer may run in the browser that shows it.
const NOTHING_RUNS: &str = "default-src 'none'; frame-ancestors 'none'; sandbox";

/// The smallest buffer that hyper takes.
const SMALLEST_BUFFER: usize = 8192;

/// Serves connections.
pub(super) struct Connections {
    routes: BoxedFilter<(Response,)>,
    limits: ServerLimits,
    metrics: Metrics,
    http: http1::Builder,
}

impl Connections {
    pub(super) fn new(routes: BoxedFilter<(Response,)>, limits: ServerLimits, metrics: Metrics) -> Self {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new())
            .header_read_timeout(limits.head_timeout)
            .max_header_size(limits.head)
            .max_buf_size(limits.head.max(SMALLEST_BUFFER).saturating_mul(2));
        Self { routes, limits, metrics, http }
    }

    pub(super) const fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Serves one connection until it ends, or until the shutdown has come and its last request is answered.
    pub(super) fn serve(
        &self,
        stream: TcpStream,
        watch: Watch,
        graceful: &GracefulShutdown,
    ) -> impl Future<Output = Result<(), hyper::Error>> + Send + use<> {
        // Answers are written whole; waiting for more to send with them would only delay them.
        let _ = stream.set_nodelay(true);
        let io = TokioIo::new(Stalling::new(stream, self.limits.write_timeout));
        let routes = TowerToHyperService::new(warp::service(self.routes.clone()));
        let metrics = self.metrics.clone();
        let service = service_fn(move |request| {
            let (answering, answered) = (watch.answering(), answer(routes.clone(), metrics.clone(), request));
            async move { Ok::<_, Infallible>(answered.await?.map(|body| Answer::new(body, answering))) }
        });
        graceful.watch(self.http.serve_connection(io, service))
    }
}

/// Answers one request: always, even when a handler panics.
async fn answer<S>(routes: S, metrics: Metrics, mut request: Request<Incoming>) -> Result<Response, Infallible>
where
    S: Service<Request<Incoming>, Response = Response, Error = Infallible>,
{
    let started = Instant::now();
    let id = crate::request_id::next();
    let method = request.method().clone();
    let path: String = request.uri().path().chars().take(512).collect();
    if method == Method::HEAD {
        // Answered as GET is; hyper keeps the body back.
        *request.method_mut() = Method::GET;
    }
    if request.uri().path_and_query().is_none() {
        // Of CONNECT there is an authority only, and warp panics where there is no path.
        *request.uri_mut() = Uri::from_static("/");
    }
    if let Some(uri) = normalised(request.uri()) {
        *request.uri_mut() = uri;
    }
    let route = path_of(request.uri().path());
    let span = tracing::info_span!("request", request.id = %id);
    let handled = async { AssertUnwindSafe(routes.call(request)).catch_unwind().await };
    let mut response = match handled.instrument(span).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(panic) => ApiError::unexplained("answering the request", panic_text(&*panic)).into_response(),
    };
    metrics.request(route, &method, response.status());
    let headers = response.headers_mut();
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOTHING_RUNS));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(value) = HeaderValue::try_from(id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    let millis = (started.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
    let (path, status) = (path.escape_debug(), response.status().as_u16());
    tracing::info!(request.id = %id, http.method = %method, http.path = %path, http.status = status, took_ms = millis, "request");
    Ok(response)
}

/// Returns what a panic said.
pub(crate) fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("a panic without a text")
}
