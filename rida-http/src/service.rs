//! The service as a whole: the interface and the worker on one driver, from start to orderly end.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use rida_core::{BuildId, Driver, PUBLISHER, Parts, WorkerId};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::metrics::Metrics;
use crate::publisher::Logged;
use crate::pulse::Pulse;
use crate::routes::{Api, ApiSettings, routes};
use crate::serve::{ServerLimits, panic_text, serve};
use crate::status::Status;
use crate::worker::{Feeds, Reader, WorkerSettings, work};

/// The orchestrator behind its interface, on whatever ports it is given.
pub struct Service {
    driver: Arc<Driver>,
    id: WorkerId,
    settings: ServiceSettings,
    metrics: Metrics,
    readers: Vec<Reader>,
    beside: Vec<Beside>,
    hints: mpsc::Receiver<BuildId>,
}

/// How long what runs beside the service may take to end.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// What runs beside the service until the shutdown begins.
type Beside = Box<dyn FnOnce(watch::Receiver<bool>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

/// The settings of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceSettings {
    /// Limits of the server.
    pub server: ServerLimits,
    /// Settings of the interface.
    pub api: ApiSettings,
    /// How the worker's loops go round.
    pub worker: WorkerSettings,
    /// The file that means maintenance while it is there.
    pub maintenance: Option<PathBuf>,
}

impl Service {
    /// Makes a service of its ports. `hints` name builds for which the build system has news; a channel whose sender
    /// is gone is as good as none.
    ///
    /// What the world is told is told to the log, too.
    pub fn new(mut parts: Parts, settings: ServiceSettings, hints: mpsc::Receiver<BuildId>) -> Self {
        let metrics = Metrics::default();
        parts.publisher = Arc::new(Logged::new(parts.publisher, metrics.clone()));
        let id = worker_id();
        let publisher = Arc::clone(&parts.publisher);
        let readers = vec![Reader { name: PUBLISHER, doing: "publishing", publisher }];
        let driver = Arc::new(Driver::new(parts, id.clone()).with_lease(settings.worker.lease));
        Self { driver, id, settings, metrics, readers, beside: Vec::new(), hints }
    }

    /// Adds one who reads the log, beside the publisher that the service was made with: a bus. It has a cursor of its
    /// own, and delays nobody.
    #[must_use]
    pub fn with_reader(mut self, reader: Reader) -> Self {
        self.readers.push(reader);
        self
    }

    /// Adds what is to run beside the service, such as a listener, until the shutdown begins. It is given the switch.
    #[must_use]
    pub fn with<F>(mut self, run: impl FnOnce(watch::Receiver<bool>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.beside.push(Box::new(|stopping| Box::pin(run(stopping))));
        self
    }

    /// Returns the driver, for those who embed the service and act beside its interface.
    pub fn driver(&self) -> &Arc<Driver> {
        &self.driver
    }

    /// Returns what the service counts, for adapters that have something to add.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Serves until `shutdown` is done and what runs has ended, at most for the time of grace. What runs in the build
    /// system goes on and is found again after the next start.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let Self { driver, id, settings, metrics, readers, beside, hints } = self;
        let (draining, stopping) = watch::channel(false);
        let mut running = JoinSet::new();
        for run in beside {
            running.spawn(guarded(run(stopping.clone()), stopping.clone()));
        }
        let pulse = Pulse::default();
        let status = Status::new(stopping.clone(), settings.maintenance);
        let api = Api::new(Arc::clone(&driver), status, pulse.clone(), settings.api, metrics.clone());
        let serving = serve(listener, routes(Arc::new(api)), settings.server, metrics.clone(), draining, shutdown);
        let working = work(driver, id, pulse, settings.worker, metrics, Feeds { readers, hints }, stopping);
        tokio::join!(serving, working);
        // They saw the switch as the others did, and need a moment at most.
        let ended = async { while running.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(LAST_MOMENT, ended).await;
        running.shutdown().await;
        tracing::info!("the service has ended");
    }
}

/// Runs what is to run beside the service until the end, and tells when it does not: nothing else would.
async fn guarded(run: impl Future<Output = ()>, stopping: watch::Receiver<bool>) {
    let ended = AssertUnwindSafe(run).catch_unwind().await;
    if let Err(panic) = ended {
        let panic = panic_text(&*panic);
        tracing::error!(panic = %panic.escape_debug(), "what runs beside the service panicked; it has ended until the next start");
    } else if !*stopping.borrow() {
        tracing::error!("what runs beside the service has ended before it; it is not there until the next start");
    }
}

/// Names this process, uniquely among those that share a store.
fn worker_id() -> WorkerId {
    WorkerId(format!("{}-{}", std::process::id(), crate::request_id::next()))
}
