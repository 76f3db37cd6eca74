//! Koji as the build system.

pub(crate) mod clean;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use rida_core::Store;
use rida_koji::{CallReport, Client, ClientConfig, Finding, KojiBuildSystem, KojiConfig, KojiError, Login, Profile};

pub use self::clean::CleanUpSettings;
use crate::metrics::Metrics;

/// How modules are built in Koji.
#[derive(Clone, Debug, PartialEq)]
pub struct KojiSettings {
    /// The section of Koji's own configuration that says how the hub is reached.
    pub profile: String,
    /// The files, and folders of files, that this configuration is in.
    pub places: Vec<PathBuf>,
    /// Who logs in by Kerberos; absent means what the profile says.
    pub principal: Option<String>,
    /// The file with the principal's keys; absent means what the profile says.
    pub keytab: Option<PathBuf>,
    /// The credential cache; absent means what the profile says.
    pub ccache: Option<String>,
    /// How many sessions there are at most.
    pub sessions: usize,
    /// How long a call may take; absent means what the profile says, or ten minutes.
    pub timeout: Option<Duration>,
    /// How modules are built.
    pub builds: KojiConfig,
    /// When what is taken away of what nobody needs any more.
    pub clean_up: CleanUpSettings,
}

/// The upper bounds of what calls of the hub are sorted by, in seconds.
const SECONDS: [f64; 8] = [0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0];

/// What is counted of calls of the hub.
#[derive(Clone)]
pub(crate) struct Calls {
    calls: Family<Ended, Counter>,
    seconds: Family<Called, Histogram, fn() -> Histogram>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    method: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Called {
    method: String,
}

impl Calls {
    fn new() -> Self {
        Self { calls: Family::default(), seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)) }
    }

    fn count(&self, report: &CallReport<'_>) {
        let (method, outcome) = (report.method.to_owned(), report.outcome.word());
        self.calls.get_or_create(&Ended { method: method.clone(), outcome }).inc();
        self.seconds.get_or_create(&Called { method }).observe(report.took.as_secs_f64());
    }

    /// Adds what is counted to what the service tells.
    pub(crate) fn register(&self, metrics: &Metrics) {
        metrics.register(|registry| {
            registry.register("koji_calls", "Calls of Koji, by method and by how they ended", self.calls.clone());
            registry.register("koji_call_seconds", "How long calls of Koji took", self.seconds.clone());
        });
    }
}

/// Returns the home of the user of this process.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os("HOME").map(PathBuf::from).filter(|home| home.is_absolute())
}

impl KojiSettings {
    fn client(&self) -> Result<ClientConfig, KojiError> {
        let mut profile = Profile::load(&self.profile, &self.places, home().as_deref())?;
        let keytab = self.keytab.as_ref().map(|keytab| keytab.display().to_string());
        for (key, value) in [("principal", &self.principal), ("keytab", &keytab), ("ccache", &self.ccache)] {
            let Some(value) = value else { continue };
            profile.set(key, value);
            profile.set("authtype", "kerberos");
        }
        let mut client = profile.client()?;
        if let Login::Kerberos(kerberos) = &mut client.login {
            // This very program, also when its file has been replaced since it started.
            kerberos.helper = ["/proc/self/exe", "koji", "negotiate", "--"].map(OsString::from).to_vec();
        }
        client.sessions = self.sessions;
        client.timeout = self.timeout.unwrap_or(client.timeout);
        Ok(client)
    }

    /// Makes the build system. Nothing is asked of the hub yet, which may be away.
    pub(crate) fn open(&self, store: Arc<dyn Store>) -> Result<(KojiBuildSystem, Calls), KojiError> {
        let calls = Calls::new();
        let counted = calls.clone();
        let client = Client::with_hook(self.client()?, move |report| counted.count(report))?;
        Ok((KojiBuildSystem::new(client, self.builds.clone(), store), calls))
    }

    /// Says what modules are built in.
    pub(crate) fn describe(&self) -> Result<String, KojiError> {
        let config = self.client()?;
        // It also looks whether the files that it names can be used.
        Client::new(config.clone())?;
        Ok(format!("Koji at {} (profile {}, {:?})", config.server, self.profile, config.login))
    }

    /// Looks at everything that keeps modules from being built in Koji.
    pub(crate) async fn check(&self) -> Result<Vec<Finding>, KojiError> {
        let client = Client::new(self.client()?)?;
        let findings = rida_koji::check(&client, &self.builds).await;
        client.close().await;
        Ok(findings)
    }
}
