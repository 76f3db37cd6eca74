//! The service as a whole: the interface and the worker on one driver, from start to orderly end.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use rida_core::{BuildId, Driver, Parts, WorkerId};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, watch};

use crate::metrics::Metrics;
use crate::publisher::Logged;
use crate::pulse::Pulse;
use crate::routes::{Api, ApiSettings, routes};
use crate::serve::{ServerLimits, serve};
use crate::status::Status;
use crate::worker::{WorkerSettings, work};

/// The orchestrator behind its interface, on whatever ports it is given.
pub struct Service {
    driver: Arc<Driver>,
    id: WorkerId,
    settings: ServiceSettings,
    metrics: Metrics,
    hints: mpsc::Receiver<BuildId>,
}

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
        let driver = Arc::new(Driver::new(parts, id.clone()).with_lease(settings.worker.lease));
        Self { driver, id, settings, metrics, hints }
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
        let Self { driver, id, settings, metrics, hints } = self;
        let (draining, stopping) = watch::channel(false);
        let pulse = Pulse::default();
        let status = Status::new(stopping.clone(), settings.maintenance);
        let api = Api::new(Arc::clone(&driver), status, pulse.clone(), settings.api, metrics.clone());
        let serving = serve(listener, routes(Arc::new(api)), settings.server, metrics.clone(), draining, shutdown);
        let working = work(driver, id, pulse, settings.worker, metrics, hints, stopping);
        tokio::join!(serving, working);
        tracing::info!("the service has ended");
    }
}

/// Names this process, uniquely among those that share a store.
fn worker_id() -> WorkerId {
    WorkerId(format!("{}-{}", std::process::id(), crate::request_id::next()))
}
