//! The composition root: the one place that knows which adapters there are.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use rida_core::{BuildId, BuildSystem, Driver, Parts, PortError, Store, StoreError};
use rida_local::LocalBuildSystem;
use rida_local::git::GitScm;
use rida_store::{Database, Location, SetupError};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

#[cfg(feature = "fedmsg")]
use crate::bus::Buses;
use crate::clock::SystemClock;
use crate::config::Config;
#[cfg(feature = "koji")]
use crate::koji::clean::Cleaner;
use crate::metrics::Metrics;
use crate::publisher::{JsonLines, Lines};
use crate::service::{Service, ServiceSettings};
use crate::status::MAINTENANCE_FILE;

/// How many hints of the build system may wait to be followed.
const HINTS: usize = 1024;

/// The service cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A folder cannot be made.
    #[error("the folder {folder} cannot be made")]
    Folder {
        /// Which.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
    /// The database cannot be used.
    #[error("the database cannot be used")]
    Database(#[from] SetupError),
    /// What an earlier run left in the database cannot be taken over.
    #[error("the database cannot be taken over from an earlier run")]
    Leases(#[source] StoreError),
    /// A bus cannot be used.
    #[error("announcements cannot be made on the bus")]
    Bus(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Koji cannot be used as it is configured.
    #[cfg(feature = "koji")]
    #[error("Koji cannot be used")]
    Koji(#[from] rida_koji::KojiError),
    /// Git or the build system cannot be used.
    #[error("builds cannot be made on this machine")]
    Local(#[from] PortError),
}

/// The service on the adapters that the configuration names.
pub struct App {
    service: Service,
    builds: Builds,
    #[cfg(feature = "fedmsg")]
    buses: Buses,
}

/// Where modules are built.
enum Builds {
    Local(Arc<LocalBuildSystem>),
    #[cfg(feature = "koji")]
    Koji(Arc<rida_koji::KojiBuildSystem>),
}

impl App {
    /// Opens everything that the configuration names: the database is made or brought to this version, and what an
    /// earlier run left in the build system is found.
    ///
    /// # Errors
    /// When any of it cannot be used.
    pub async fn open(config: &Config) -> Result<Self, StartError> {
        let database = open_database(config).await?;
        if let Lines::File(path) = &config.publish {
            make_folder(path.parent())?;
        }
        let scm = GitScm::new(config.git.clone())?;
        let (hint, hints) = mpsc::channel(HINTS);
        #[cfg(feature = "koji")]
        if let Some(koji) = &config.koji {
            return Self::open_koji(config, koji, database, scm, hints).await;
        }
        database.own().await?;
        // A hint that finds no room is no loss: the build is looked at in its turn.
        let hint = move |id| {
            let _ = hint.try_send(id);
        };
        let builds = Arc::new(LocalBuildSystem::open(config.local.clone(), scm.clone(), hint).await?);
        // Two folders would each have a part of the builds.
        database.belong_to(&format!("local builds {}", builds.identity())).await?;
        // Only now, with the build system's folder locked, is every other service of this database known to be gone:
        // it may be one that several share.
        release_leases(&database).await?;
        let service = service(config, Arc::new(database), builds.clone(), scm, hints);
        Self::assemble(config, service, Builds::Local(builds)).await
    }

    /// The same in Koji, where any number of services may share a database that is not a file.
    #[cfg(feature = "koji")]
    async fn open_koji(
        config: &Config,
        koji: &crate::koji::KojiSettings,
        database: Database,
        scm: GitScm,
        hints: mpsc::Receiver<BuildId>,
    ) -> Result<Self, StartError> {
        let alone = database.own().await?;
        let database = Arc::new(database);
        let (builds, calls) = koji.open(database.clone())?;
        // Another hub would not know the tasks.
        database.belong_to(&format!("Koji {}", builds.client().config().server)).await?;
        if alone {
            release_leases(&database).await?;
        }
        let builds = Arc::new(builds);
        let mut service = service(config, database.clone(), builds.clone(), scm, hints);
        calls.register(service.metrics());
        if let Some(every) = koji.clean_up.every {
            let (builds, clock, ages) = (builds.clone(), Arc::new(SystemClock), koji.clean_up.ages);
            let cleaner = Cleaner { builds, store: database, clock, ages, every };
            service = service.with(move |stopping| cleaner.run(stopping));
        }
        Self::assemble(config, service, Builds::Koji(builds)).await
    }

    /// Adds the buses.
    #[cfg(feature = "fedmsg")]
    async fn assemble(config: &Config, service: Service, builds: Builds) -> Result<Self, StartError> {
        let (buses, service) =
            Buses::attach(&config.bus, service).await.map_err(|error| StartError::Bus(error.into()))?;
        Ok(Self { service, builds, buses })
    }

    #[cfg(not(feature = "fedmsg"))]
    async fn assemble(_: &Config, service: Service, builds: Builds) -> Result<Self, StartError> {
        Ok(Self { service, builds })
    }

    /// Returns the build system of this machine, which knows where the repositories of finished modules are; none when
    /// modules are built elsewhere.
    pub fn builds(&self) -> Option<&Arc<LocalBuildSystem>> {
        match &self.builds {
            Builds::Local(builds) => Some(builds),
            #[cfg(feature = "koji")]
            Builds::Koji(_) => None,
        }
    }

    /// Returns the driver.
    pub fn driver(&self) -> &Arc<Driver> {
        self.service.driver()
    }

    /// Returns what the service counts.
    pub fn metrics(&self) -> &Metrics {
        self.service.metrics()
    }

    /// Serves until `shutdown` is done, as [`Service::run`] does.
    pub async fn run(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let Self { service, builds, .. } = self;
        service.run(listener, shutdown).await;
        #[cfg(feature = "fedmsg")]
        self.buses.close().await;
        match builds {
            // Unless somebody else still has it, in which case it goes with them.
            Builds::Local(builds) => {
                if let Some(builds) = Arc::into_inner(builds) {
                    builds.close().await;
                }
            }
            #[cfg(feature = "koji")]
            Builds::Koji(builds) => builds.client().close().await,
        }
    }

    /// Tells in a few lines what was started and how to use it.
    pub fn banner(&self, config: &Config, address: SocketAddr) -> String {
        let allowed: Vec<&str> = config.allow.iter().map(|place| place.as_str()).collect();
        let example = allowed.first().copied().unwrap_or("https://git.example.org/");
        let mut text = String::new();
        let mut line = |name: &str, value: &str| {
            // Writing to memory does not fail.
            let _ = writeln!(text, "  {name:<10} {value}");
        };
        line("serves", &format!("http://{address}/rida/module-builds/"));
        line("data", &config.data.display().to_string());
        line("database", &config.database());
        line("builds", &self.builds.describe());
        line("reads", &allowed.join(", "));
        line(
            "tells",
            &match &config.publish {
                Lines::Stdout => "standard output".to_owned(),
                Lines::File(path) => path.display().to_string(),
            },
        );
        #[cfg(feature = "fedmsg")]
        if let Some(endpoint) = self.buses.fedmsg_endpoint() {
            line("fedmsg", endpoint);
        }
        #[cfg(feature = "fedmsg")]
        if let Some(amqp) = config.bus.amqp.as_ref() {
            line("amqp", &crate::bus::link(amqp).redacted());
        }
        let module = example.trim_end_matches('/');
        format!(
            "rida-http {}\n{text}  submit     curl -d '{{\"scmurl\": \"{module}/MODULE.git?#BRANCH\"}}' \
             http://{address}/rida/module-builds/",
            env!("CARGO_PKG_VERSION")
        )
    }
}

impl Builds {
    fn describe(&self) -> String {
        match self {
            Self::Local(builds) => builds.describe(),
            #[cfg(feature = "koji")]
            Self::Koji(builds) => format!("in Koji at {}", builds.client().config().server),
        }
    }
}

/// Puts a service together on a build system.
fn service(
    config: &Config,
    store: Arc<dyn Store>,
    build_system: Arc<dyn BuildSystem>,
    scm: GitScm,
    hints: mpsc::Receiver<BuildId>,
) -> Service {
    let parts = Parts {
        store,
        build_system,
        publisher: Arc::new(JsonLines::new(config.publish.clone())),
        scm: Arc::new(scm),
        clock: Arc::new(SystemClock),
        allow: config.allow.clone(),
        policy: config.policy.clone(),
    };
    let settings = ServiceSettings {
        server: config.server,
        api: api_settings(config),
        worker: config.worker,
        maintenance: Some(config.data.join(MAINTENANCE_FILE)),
    };
    Service::new(parts, settings, hints)
}

/// Adds to the settings of the interface what others say that it tells.
fn api_settings(config: &Config) -> crate::routes::ApiSettings {
    let settings = crate::routes::ApiSettings { data: Some(config.data.clone()), ..config.api.clone() };
    #[cfg(feature = "koji")]
    if let Some(koji) = &config.koji {
        let arches = koji.builds.arches.iter().map(ToString::to_string).collect();
        return crate::routes::ApiSettings { base_tags: koji.builds.base_tags.clone(), arches, ..settings };
    }
    settings
}

/// Makes what earlier runs were doing due again, once they are known to be gone.
async fn release_leases(database: &Database) -> Result<(), StartError> {
    let released = database.release_leases().await.map_err(StartError::Leases)?;
    tracing::debug!(released, "instructions that an earlier run was performing are due again");
    Ok(())
}

/// Opens the database and brings it to this version.
pub(crate) async fn open_database(config: &Config) -> Result<Database, StartError> {
    make_folder(Some(&config.data))?;
    if let Location::Sqlite(file) = &config.store.location {
        make_folder(file.parent())?;
    }
    let database = Database::connect(&config.store).await?;
    database.migrate().await?;
    Ok(database)
}

/// Tells what is in a database elsewhere, without changing it.
pub(crate) async fn describe_database(config: &Config) -> Result<Option<&'static str>, StartError> {
    if matches!(config.store.location, Location::Sqlite(_)) {
        return Ok(None);
    }
    let database = Database::connect(&config.store).await?;
    let migrated = database.is_migrated().await?;
    database.close().await;
    Ok(Some(if migrated { "its tables are of this version" } else { "its tables are made or changed at the start" }))
}

/// Tells what builds would be made with, and in which sandbox.
pub(crate) async fn describe_build_system(config: &Config) -> Result<String, StartError> {
    #[cfg(feature = "koji")]
    if let Some(koji) = &config.koji {
        return Ok(koji.describe()?);
    }
    Ok(LocalBuildSystem::examine(&config.local).await?)
}

fn make_folder(folder: Option<&Path>) -> Result<(), StartError> {
    let Some(folder) = folder.filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|source| StartError::Folder { folder: folder.display().to_string(), source })
}
