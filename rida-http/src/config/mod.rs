//! Configuration, in two steps: what was written in the file, the environment and the flags, and what it
//! means ([`Config`]).

mod bus;
mod check;
mod database;
mod environment;
mod raw;
mod resolve;
mod told;
mod units;

use std::fmt;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use rida_core::Policy;
use rida_core::scm::AllowList;
use rida_local::LocalConfig;
use rida_local::git::GitConfig;
use rida_store::StoreConfig;

pub use self::bus::{AmqpSettings, BusConfig, FedmsgListening, FedmsgSettings, FedmsgWay};
pub(crate) use self::database::shown;
pub use self::raw::LogFormat;
use self::raw::Raw;
use crate::publisher::Lines;
use crate::routes::ApiSettings;
use crate::serve::ServerLimits;
use crate::worker::WorkerSettings;

/// The resolved configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where the service listens.
    pub listen: SocketAddr,
    /// Limits of the server.
    pub server: ServerLimits,
    /// Settings of the interface.
    pub api: ApiSettings,
    /// How the worker's loops go round.
    pub worker: WorkerSettings,
    /// The settings that decisions are made by.
    pub policy: Policy,
    /// The places that may be read.
    pub allow: AllowList,
    /// The folder that everything is kept in.
    pub data: PathBuf,
    /// The database.
    pub store: StoreConfig,
    /// How git is asked.
    pub git: GitConfig,
    /// How components are built on this machine.
    pub local: LocalConfig,
    /// How modules are built in Koji, when they are.
    #[cfg(feature = "koji")]
    pub koji: Option<crate::koji::KojiSettings>,
    /// Where announcements go.
    pub publish: Lines,
    /// The buses.
    pub bus: BusConfig,
    /// How the log is written.
    pub log: LogSettings,
}

impl Config {
    /// Tells where the database is, without a password.
    pub fn database(&self) -> String {
        shown(&self.store.location)
    }
}

/// How the log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// As text or JSON.
    pub format: LogFormat,
    /// What is logged, as `tracing-subscriber` reads it: `info`, or `info,rida_http=debug`.
    pub filter: String,
}

/// The configuration with where each value came from, and what is wrong with it.
#[derive(Clone, Debug)]
pub struct Resolved {
    /// What it means.
    pub config: Config,
    /// Each setting.
    pub settings: Vec<Setting>,
    /// What keeps the service from starting.
    pub problems: Vec<String>,
}

/// A setting as it was resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Section and key, such as `server.listen`.
    pub key: &'static str,
    /// The value as TOML writes it, without secrets; absent when it is not set.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag of the command line.
    Flag(String),
}

/// The configuration cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("the configuration file {} cannot be read: {error}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file does not say what it should. The text shows the place, without passwords.
    #[error("the configuration file {} is not valid: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: String,
    },
    /// An environment variable or a flag does not say what it should.
    #[error("{origin} is not valid: {message}")]
    Value {
        /// Which.
        origin: Origin,
        /// What is wrong.
        message: String,
    },
}

/// What was written somewhere, from the weakest place to the strongest.
#[derive(Debug, Default)]
pub struct Layers(Vec<Layer>);

#[derive(Debug)]
struct Layer {
    origin: Origin,
    raw: Raw,
}

/// The largest configuration file; a larger one is something else.
const LARGEST_FILE: u64 = 1024 * 1024;

/// Reads a file that may be anything.
fn read(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    // Whoever opens a pipe waits until somebody writes to it.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file, but a folder, a device or a pipe"));
    }
    let read = std::fs::File::open(path)?.take(LARGEST_FILE + 1).read_to_string(&mut text)?;
    if u64::try_from(read).unwrap_or(u64::MAX) > LARGEST_FILE {
        return Err(std::io::Error::other(format!("it is larger than {LARGEST_FILE} bytes")));
    }
    Ok(text)
}

impl Layers {
    /// Adds what a file says.
    ///
    /// # Errors
    /// When it cannot be read or is not valid.
    pub fn file(&mut self, path: &Path) -> Result<(), ConfigError> {
        let text = read(path).map_err(|error| ConfigError::Unreadable { path: path.to_owned(), error })?;
        self.text(path, &text)
    }

    /// Adds what a text says, as if it were that file's.
    ///
    /// # Errors
    /// When it is not valid.
    pub fn text(&mut self, path: &Path, text: &str) -> Result<(), ConfigError> {
        let raw = toml::from_str(text)
            .map_err(|error| ConfigError::File { path: path.to_owned(), error: told::place(text, &error) })?;
        self.0.push(Layer { origin: Origin::File(path.to_owned()), raw });
        Ok(())
    }

    /// Adds what environment variables named `RIDA_<SECTION>__<KEY>` say.
    ///
    /// # Errors
    /// When one names no setting, or its value is not valid.
    pub fn environment(&mut self, variables: impl IntoIterator<Item = (String, String)>) -> Result<(), ConfigError> {
        let mut named: Vec<(String, String)> = variables
            .into_iter()
            .filter(|(name, _)| name.starts_with(environment::PREFIX) && name.contains(environment::SEPARATOR))
            .collect();
        named.sort();
        for (name, value) in named {
            let (section, key) = environment::setting(&name);
            let origin = Origin::Environment(name);
            let raw = environment::read(&section, &key, &value, &origin)?;
            self.0.push(Layer { origin, raw });
        }
        Ok(())
    }

    /// Adds what a flag says of the setting `section.key`.
    ///
    /// # Errors
    /// When there is no such setting, or its value is not valid.
    pub fn flag(&mut self, flag: &str, setting: &str, value: &str) -> Result<(), ConfigError> {
        let origin = Origin::Flag(flag.to_owned());
        let Some((section, key)) = setting.rsplit_once('.') else {
            let message = format!("{setting:?} is not the name of a setting, such as limits.builds");
            return Err(ConfigError::Value { origin, message });
        };
        let raw = environment::read(section, key, value, &origin)?;
        self.0.push(Layer { origin, raw });
        Ok(())
    }

    /// Finds out what everything together means.
    pub fn resolve(self) -> Resolved {
        resolve::resolve(&self.0)
    }
}

impl Resolved {
    /// Writes each setting with its origin, as TOML with comments.
    pub fn describe(&self) -> String {
        let mut text = String::new();
        let mut section = "";
        let parts = |setting: &Setting| setting.key.rsplit_once('.').unwrap_or(("", setting.key));
        let mut settings: Vec<&Setting> = self.settings.iter().collect();
        // A section is written once, wherever its settings were asked for.
        settings.sort_by_key(|setting| self.settings.iter().position(|first| parts(first).0 == parts(setting).0));
        for setting in settings {
            let (of, key) = parts(setting);
            if of != section {
                let gap = if section.is_empty() { "" } else { "\n" };
                text.push_str(&format!("{gap}[{of}]\n"));
                section = of;
            }
            match &setting.value {
                Some(value) => text.push_str(&format!("{key} = {value}  # {}\n", setting.origin)),
                None => text.push_str(&format!("# {key} is not set\n")),
            }
        }
        text
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

#[cfg(test)]
mod tests;
