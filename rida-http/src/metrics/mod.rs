//! What the service counts, in the text form that Prometheus reads.
//!
//! Labels are words of this program alone: routes, methods, states, kinds of instructions. Nothing that a user sent or
//! that names a module, an owner or a place of this machine is ever one, so that what is counted tells nothing and
//! cannot grow without bounds.

mod readers;
mod stored;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use rida_core::{Driver, Performed, Published};
use warp::http::{Method, StatusCode};

use self::readers::Readers;
use self::stored::Stored;

/// Everything that is counted in this process. Clones count into the same.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Mutex<Registry>,
    requests: Family<Request, Counter>,
    connections: Gauge,
    stalls: Family<Stalled, Counter>,
    effects: Family<Effect, Counter>,
    announcements: Family<Told, Counter>,
    readers: Readers,
    failing: Family<Loop, Counter>,
    stored: Arc<Stored>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: &'static str,
    method: &'static str,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Stalled {
    what: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Effect {
    action: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Told {
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Loop {
    doing: &'static str,
}

/// What a client was too slow with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stall {
    /// The head of a request, or the next request of a connection that is kept.
    Head,
    /// The body of a request.
    Body,
    /// Reading an answer.
    Reader,
    /// Nothing; but it has more connections than one may have.
    Many,
}

/// What became of an announcement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was handed over.
    Published,
    /// It is tried again.
    Failed,
    /// It can never be published.
    Refused,
}

impl Default for Metrics {
    fn default() -> Self {
        let (requests, connections, stalls) = (Family::default(), Gauge::default(), Family::default());
        let (effects, announcements, failing) = (Family::default(), Family::default(), Family::default());
        let stored = Arc::new(Stored::default());
        let mut registry = Registry::with_prefix("rida");
        let of = &mut registry;
        of.register("http_requests", "Requests that were answered, by route, method and status", requests.clone());
        of.register("http_connections", "Connections that are open", connections.clone());
        of.register("http_stalls", "Clients that were given up because they were too slow", stalls.clone());
        of.register("effects", "Instructions that were taken up, by kind and by what became of them", effects.clone());
        of.register("announcements", "Attempts to publish, by what became of them", announcements.clone());
        of.register("store_failures", "Rounds of the worker's loops that the store failed", failing.clone());
        let readers = Readers::registered(of);
        of.register_collector(Box::new(Arc::clone(&stored)));
        let registry = Mutex::new(registry);
        let counted =
            Inner { registry, requests, connections, stalls, effects, announcements, readers, failing, stored };
        Self(Arc::new(counted))
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Adds what an adapter counts. Names get the prefix `rida_`; labels must be words of the program, as the others
    /// are.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.registry());
    }

    /// Writes everything, with what the store tells now, or told a moment ago.
    pub(crate) async fn text(&self, driver: &Driver) -> Result<String, fmt::Error> {
        self.0.stored.refresh(driver).await;
        let mut text = String::new();
        encode(&mut text, &self.registry())?;
        Ok(text)
    }

    /// Counts an answer. `route` is a path of the table.
    pub(crate) fn request(&self, route: Option<&'static str>, method: &Method, status: StatusCode) {
        let (route, method) = (route.unwrap_or("unknown"), method_name(method));
        self.0.requests.get_or_create(&Request { route, method, status: status.as_u16() }).inc();
    }

    /// Counts a connection as open until the guard is dropped.
    pub(crate) fn connection(&self) -> Open {
        self.0.connections.inc();
        Open(self.0.connections.clone())
    }

    pub(crate) fn stall(&self, stall: Stall) {
        let what = match stall {
            Stall::Head => "head",
            Stall::Body => "body",
            Stall::Reader => "reader",
            Stall::Many => "many",
        };
        self.0.stalls.get_or_create(&Stalled { what }).inc();
    }

    /// Counts what became of an instruction; nothing when performing it was broken off.
    pub(crate) fn effect(&self, action: &'static str, performed: Option<&Performed>) {
        let outcome = match performed {
            Some(Performed::Done) => "done",
            Some(Performed::Obsolete) => "obsolete",
            Some(Performed::Retry { .. }) => "retried",
            Some(Performed::Failed { .. }) => "failed",
            Some(Performed::Impossible { .. }) => "impossible",
            None => "broken_off",
        };
        self.0.effects.get_or_create(&Effect { action, outcome }).inc();
    }

    pub(crate) fn announcement(&self, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Published => "published",
            Outcome::Failed => "failed",
            Outcome::Refused => "refused",
        };
        self.0.announcements.get_or_create(&Told { outcome }).inc();
    }

    /// Notes how far a reader of the log has come: so many lines are left, the oldest of them waits so long.
    pub(crate) fn published(&self, reader: &'static str, published: &Published, behind: u64, waiting: Duration) {
        self.0.readers.saw(reader, published, behind, waiting);
    }

    pub(crate) fn store_failed(&self, doing: &'static str) {
        self.0.failing.get_or_create(&Loop { doing }).inc();
    }

    fn registry(&self) -> MutexGuard<'_, Registry> {
        self.0.registry.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An open connection.
pub(crate) struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// Returns a method's name; a client can make up any number of methods.
fn method_name(method: &Method) -> &'static str {
    const KNOWN: [Method; 9] = [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PATCH,
        Method::PUT,
        Method::DELETE,
        Method::OPTIONS,
        Method::TRACE,
        Method::CONNECT,
    ];
    const NAMES: [&str; 9] = ["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    let known = KNOWN.iter().zip(NAMES).find(|(known, _)| *known == method);
    known.map_or("other", |(_, name)| name)
}
