//! The HTTP interface, as warp filters built from one table.

mod about;
mod body;
mod build;
mod change;
mod components;
mod health;
mod introduce;
mod list;
mod logs;
mod messages;
mod metrics;
mod modulemd;
mod strategies;
mod stream;
mod submit;
mod table;

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rida_core::{BuildId, ComponentId, Driver, Owner};
use tokio::sync::Semaphore;
use warp::Filter;
use warp::filters::BoxedFilter;
use warp::http::uri::Authority;
use warp::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use warp::path::FullPath;
use warp::reply::Response;

pub use self::about::{About, Caller};
pub(crate) use self::table::path_of;
pub use self::table::{Endpoint, ROUTES, Route};
use crate::api::service::Distribution;
use crate::dialect::{Dialect, SERVICE, ServiceVersion};
use crate::metrics::Metrics;
use crate::pulse::Pulse;
use crate::reply::ApiError;
use crate::status::Status;

/// What handlers need.
pub struct Api {
    driver: Arc<Driver>,
    status: Status,
    pulse: Pulse,
    settings: ApiSettings,
    followers: Arc<Semaphore>,
    large_bodies: Arc<Semaphore>,
    metrics: Metrics,
}

/// The resolved settings of the interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiSettings {
    /// The largest body of a request, in bytes.
    pub max_body: usize,
    /// The largest body of a submission, which may bring a document along; as large as others where this is less.
    pub max_submission: usize,
    /// How long a body may take to arrive.
    pub body_timeout: Duration,
    /// How long a submission's answer waits for the check of the sources.
    pub submit_wait: Duration,
    /// Who submits what names no owner.
    pub nobody: Owner,
    /// How many logs may be followed at once.
    pub max_followers: usize,
    /// How often a followed log is asked for more.
    pub follow_every: Duration,
    /// The folder without room in which the service takes no work.
    pub data: Option<PathBuf>,
    /// The build system's tags of base modules, by `name:stream`.
    pub base_tags: BTreeMap<String, String>,
    /// The architectures that modules are built for, where the settings say it.
    pub arches: Vec<String>,
}

impl Default for ApiSettings {
    fn default() -> Self {
        Self {
            max_body: 64 * 1024,
            max_submission: 1024 * 1024,
            body_timeout: Duration::from_secs(10),
            submit_wait: Duration::from_secs(5),
            nobody: Owner::new("anonymous").expect("plain letters are a user name"),
            max_followers: 256,
            follow_every: Duration::from_millis(300),
            data: None,
            base_tags: BTreeMap::new(),
            arches: Vec::new(),
        }
    }
}

impl Api {
    /// Makes what handlers need of the driver, the switch for new work, the signal for changes, and what is counted.
    pub fn new(driver: Arc<Driver>, status: Status, pulse: Pulse, settings: ApiSettings, metrics: Metrics) -> Self {
        let followers = Arc::new(Semaphore::new(settings.max_followers));
        Self { driver, status, pulse, settings, followers, large_bodies: body::turns(), metrics }
    }

    /// Returns what the settings say of the distribution.
    fn distribution(&self) -> Distribution<'_> {
        let policy = &self.driver.parts().policy;
        Distribution {
            modules: &policy.base_modules,
            streams: &policy.base_streams,
            tags: &self.settings.base_tags,
            arches: &self.settings.arches,
        }
    }
}

/// What the URL of a request says.
#[derive(Debug)]
struct Asked {
    dialect: Dialect,
    /// The parts of the path that the pattern leaves open, in order.
    path: Vec<String>,
    query: String,
}

impl Asked {
    /// Returns the part of the path at `index`.
    fn part(&self, index: usize) -> &str {
        self.path.get(index).map_or("", String::as_str)
    }

    /// Returns the build that the path names.
    fn build(&self) -> Result<BuildId, ApiError> {
        self.part(0).parse().map_err(|_| {
            let text: String = self.part(0).chars().take(40).collect();
            ApiError::no_such_build(format_args!("{text:?} (its number is a positive one below 2^63)"))
        })
    }

    /// Returns the component that the path names.
    fn component(&self) -> Result<ComponentId, ApiError> {
        let text = self.part(0);
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.and_then(ComponentId::new).ok_or_else(|| {
            let text: String = text.chars().take(40).collect();
            ApiError::no_such_component(format_args!("{text:?}"))
        })
    }

    /// Returns the path of a list, with a slash at its end.
    fn list(&self, of: &str) -> String {
        format!("{}/{of}/", self.dialect.prefix())
    }
}

type Answers = BoxedFilter<(Response,)>;

/// Builds the whole interface. It answers every request, and rejects none.
pub fn routes(api: Arc<Api>) -> Answers {
    let nothing = warp::any().and_then(|| async { Err::<Response, _>(warp::reject::not_found()) }).boxed();
    let handled =
        ROUTES.iter().map(|route| handler(route, &api)).fold(nothing, |so_far, route| so_far.or(route).unify().boxed());
    let rest =
        warp::method().and(warp::path::full()).map(|method: Method, path: FullPath| unhandled(&method, path.as_str()));
    handled.or(rest).unify().boxed()
}

/// Builds the filter of one row of the table.
fn handler(route: &Route, api: &Arc<Api>) -> Answers {
    let asked = method(&route.method).and(pattern(route.path)).and(query());
    let asked = asked.map(|(dialect, path), query| Asked { dialect, path, query });
    let body = body::limited(api, route.endpoint == Endpoint::SubmitBuild);
    let api = Arc::clone(api);
    let with_headers = || asked.clone().and(warp::header::headers_cloned());
    match route.endpoint {
        Endpoint::ListBuilds => {
            with_headers().then(move |asked, headers| answer(list::list(Arc::clone(&api), asked, headers))).boxed()
        }
        Endpoint::ListComponents => with_headers()
            .then(move |asked, headers| answer(components::list(Arc::clone(&api), asked, headers)))
            .boxed(),
        Endpoint::ReadMessages => {
            let of_component = route.path.contains("component-builds");
            with_headers()
                .then(move |asked, headers| answer(messages::read(Arc::clone(&api), asked, headers, of_component)))
                .boxed()
        }
        Endpoint::ShowComponent => asked.then(move |asked| answer(components::show(Arc::clone(&api), asked))).boxed(),
        Endpoint::Introduce => asked.then(move |asked| answer(introduce::introduce(asked))).boxed(),
        Endpoint::ShowBuild => asked.then(move |asked| answer(build::show(Arc::clone(&api), asked))).boxed(),
        Endpoint::ReadLog => asked.then(move |asked| answer(logs::read(Arc::clone(&api), asked))).boxed(),
        Endpoint::ReadModulemd => asked.then(move |asked| answer(modulemd::read(Arc::clone(&api), asked))).boxed(),
        Endpoint::ListStrategies => asked.then(move |asked| answer(strategies::list(Arc::clone(&api), asked))).boxed(),
        Endpoint::Health => asked.then(move |asked| answer(health::health(asked))).boxed(),
        Endpoint::Readiness => asked.then(move |asked| answer(health::readiness(Arc::clone(&api), asked))).boxed(),
        Endpoint::Metrics => asked.then(move |asked| answer(metrics::read(Arc::clone(&api), asked))).boxed(),
        Endpoint::SubmitBuild => with_headers()
            .and(body)
            .then(move |asked, headers, body| answer(submit::submit(Arc::clone(&api), asked, headers, body)))
            .boxed(),
        Endpoint::ChangeBuild => with_headers()
            .and(body)
            .then(move |asked, headers, body| answer(change::change(Arc::clone(&api), asked, headers, body)))
            .boxed(),
    }
}

/// Makes an answer of an error: in warp, a rejection would mean that another route may match.
async fn answer(result: impl Future<Output = Result<Response, ApiError>>) -> Response {
    result.await.unwrap_or_else(ApiError::into_response)
}

fn method(method: &Method) -> BoxedFilter<()> {
    let method = method.clone();
    warp::method()
        .and_then(move |given: Method| {
            let matches = given == method;
            async move { if matches { Ok(()) } else { Err(warp::reject::not_found()) } }
        })
        .untuple_one()
        .boxed()
}

/// Builds a filter for a path of the table; a slash at the end is as good as none.
fn pattern(path: &'static str) -> BoxedFilter<((Dialect, Vec<String>),)> {
    let mut filter = warp::any().map(|| (Dialect::Rida, Vec::new())).boxed();
    for segment in table::segments(path) {
        filter = match segment {
            table::Segment::Fixed(text) => filter.and(warp::path(text)).boxed(),
            table::Segment::Open => filter
                .and(warp::path::param::<String>())
                .map(|(dialect, mut parts): (Dialect, Vec<String>), part| {
                    parts.push(part);
                    (dialect, parts)
                })
                .boxed(),
            table::Segment::Version => filter
                .and(warp::path::param::<ServiceVersion>())
                .map(|(_, parts), version| (Dialect::Service(version), parts))
                .boxed(),
        };
    }
    filter.and(warp::path::end()).boxed()
}

fn query() -> BoxedFilter<(String,)> {
    warp::query::raw().or(warp::any().map(String::new)).unify().boxed()
}

/// Answers what no handler took: the URL is unknown, or its method is.
fn unhandled(method: &Method, path: &str) -> Response {
    let methods = table::methods_at(path);
    if methods.is_empty() {
        let version = path.strip_prefix(SERVICE).and_then(|rest| rest.split('/').next());
        if version.is_some_and(|version| version.parse::<ServiceVersion>().is_err()) {
            return ApiError::not_found("The requested API version is not available").into_response();
        }
        let path: String = path.chars().take(200).collect();
        let message = format!("there is nothing at {path:?}; builds are at /rida/module-builds/");
        return ApiError::not_found(message).into_response();
    }
    let allow = methods.join(", ");
    if *method == Method::OPTIONS {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        if let Ok(value) = HeaderValue::try_from(allow) {
            response.headers_mut().insert(header::ALLOW, value);
        }
        return response;
    }
    let method: String = method.as_str().chars().take(40).collect();
    let message = format!("{method} has no handler here; use one of {allow}");
    let error = if path.starts_with(SERVICE) { ApiError::not_allowed } else { ApiError::not_implemented };
    error(message, allow).into_response()
}

/// Refuses what a web page makes a browser send, unless the page is this service's own: there is no log-in that would
/// tell it apart. A page can make its host's name mean this machine, so that only an address counts, or `localhost`.
fn same_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://")).map(|(_, authority)| authority);
    let named = host.and_then(|host| host.parse::<Authority>().ok());
    let is_address = named.is_some_and(|authority| {
        let host = authority.host().trim_matches(['[', ']']);
        host == "localhost" || host.parse::<IpAddr>().is_ok()
    });
    if is_address && origin == host {
        return Ok(());
    }
    Err(ApiError::forbidden("a page of another site may not change builds; send the request without an Origin header"))
}
