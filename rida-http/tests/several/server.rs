//! A server process: the service as it is, on PostgreSQL, a build system that others share, and sources in memory.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rida_core::scm::AllowList;
use rida_core::{Announcement, Clock, Limits, Parts, Policy, PortError, Publisher, Receipt};
use rida_http::{ApiSettings, JsonLines, Lines, Service, ServiceSettings, SystemClock, WorkerSettings, telemetry};
use rida_store::{Database, StoreConfig};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::modules::{LIMITS, PLACE};
use crate::remote::Remote;
use crate::sources;
use crate::told::{TOLD, Told};

/// How long after the death of a process others take over what it was doing.
const LEASE: Duration = Duration::from_secs(3);

/// A publisher that notes who is about to publish what, and when.
struct Noted {
    publisher: JsonLines,
    notes: File,
}

#[async_trait]
impl Publisher for Noted {
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        let at = SystemClock.now().millis();
        let note = format!("{}\n", json!({"id": announcement.id.to_string(), "who": std::process::id(), "at": at}));
        (&self.notes).write_all(note.as_bytes()).map_err(|error| PortError::temporary("no note").because(error))?;
        self.publisher.publish(announcement).await
    }
}

/// Serves until it is killed.
pub(crate) fn run() {
    let told = std::env::var(TOLD).unwrap_or_else(|_| panic!("{TOLD} is not set; the test `several` starts this"));
    let told: Told = serde_json::from_str(&told).unwrap();
    let log = rida_http::config::LogSettings { format: rida_http::config::LogFormat::Text, filter: "info".to_owned() };
    telemetry::start(&log).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(serve(&told));
}

async fn serve(told: &Told) {
    let database = connect(told).await;
    let limits = Limits {
        builds: LIMITS.0,
        builds_per_module: LIMITS.1,
        builds_per_owner: LIMITS.2,
        ..Policy::default().limits
    };
    let mut policy = Policy { limits, follow_every: Duration::from_millis(300), ..Policy::default() };
    policy.sources.repository = Some("https://src.example.org/rpms".parse().unwrap());
    let parts = Parts {
        store: Arc::new(database),
        build_system: Arc::new(Remote(told.farm.parse().unwrap())),
        publisher: Arc::new(Noted {
            publisher: JsonLines::new(Lines::File(Path::new(&told.lines).to_owned())),
            notes: File::options().create(true).append(true).open(&told.notes).unwrap(),
        }),
        scm: Arc::new(sources::scm(told.modules)),
        clock: Arc::new(SystemClock),
        allow: AllowList::new([PLACE.parse().unwrap()]),
        policy,
    };
    let worker = WorkerSettings { idle: Duration::from_millis(200), lease: LEASE, ..WorkerSettings::default() };
    let api = ApiSettings { submit_wait: Duration::ZERO, ..ApiSettings::default() };
    let settings = ServiceSettings { worker, api, ..ServiceSettings::default() };
    // Nobody tells of news: everything is found by looking.
    let (_, hints) = mpsc::channel(1);
    let service = Service::new(parts, settings, hints);
    let listener = TcpListener::bind(&told.listen).await.unwrap();
    service.run(listener, std::future::pending()).await;
}

/// Connects and migrates as soon as the database is there, as somebody who starts the process again and again would.
async fn connect(told: &Told) -> Database {
    let config = StoreConfig {
        connect_timeout: Duration::from_secs(1),
        ..StoreConfig::postgres(told.database.parse().unwrap())
    };
    loop {
        match Database::connect(&config).await {
            Ok(database) => match database.migrate().await {
                Ok(()) => match database.belong_to("the farm of the test").await {
                    Ok(()) => return database,
                    Err(error) => tracing::warn!(%error, "trying again"),
                },
                Err(error) => tracing::warn!(%error, "trying again"),
            },
            Err(error) => tracing::warn!(%error, "trying again"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
