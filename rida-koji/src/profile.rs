//! Profiles: what Koji's own configuration files say of a hub, so that an operator need not say it twice.
//!
//! The files are those that Koji's clients read, in their order; what a later one says of a profile is added to what
//! earlier ones said.

mod ini;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use self::ini::Sections;
use crate::client::{Canonical, ClientConfig, Kerberos, Login, wrong_with};
use crate::error::{KojiError, KojiErrorKind};

/// How long a configuration file may be, in bytes.
const LARGEST: u64 = 1024 * 1024;

/// Files that Koji's clients take from the user's folder when a profile does not name others.
const PLACES: [(&str, &str); 2] = [("cert", ".koji/client.crt"), ("serverca", ".koji/serverca.crt")];

/// What is said of a hub.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Profile {
    name: String,
    home: Option<PathBuf>,
    values: BTreeMap<String, String>,
}

impl fmt::Debug for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An address that nobody has looked at yet may have a password in it, too.
        let is_secret = |key: &str, value: &str| match key {
            "password" => true,
            "server" => value.contains(['@', '?', '#']),
            _ => false,
        };
        let shown = |(key, value)| (key, if is_secret(key, value) { "…" } else { value });
        let values: BTreeMap<&str, &str> =
            self.values.iter().map(|(key, value)| shown((key.as_str(), value.as_str()))).collect();
        f.debug_struct("Profile").field("name", &self.name).field("home", &self.home).field("values", &values).finish()
    }
}

impl Profile {
    /// Returns the places that Koji's clients look in: the machine's, then the user's, of each the folder first.
    pub fn places(home: Option<&Path>) -> Vec<PathBuf> {
        let machine = ["/etc/koji.conf.d", "/etc/koji.conf"].map(PathBuf::from);
        let user = home.into_iter().flat_map(|home| ["config.d", "config"].map(|name| home.join(".koji").join(name)));
        machine.into_iter().chain(user).collect()
    }

    /// Reads a profile from files, and from the files of folders whose names end in `.conf`. Places that are not there
    /// are left out. `home` is what `~` stands for.
    ///
    /// # Errors
    /// When a file cannot be read, or none says anything of the profile.
    pub fn load(name: &str, places: &[PathBuf], home: Option<&Path>) -> Result<Self, KojiError> {
        let mut sections = Sections::default();
        for place in places {
            for file in files(place)? {
                let unclear = |unclear: ini::Unclear| {
                    settings(format!("line {} of {} {}", unclear.line, file.display(), unclear.what))
                };
                sections.add(&read(&file)?).map_err(unclear)?;
            }
        }
        let unresolved = |(key, why)| settings(format!("{key} of Koji's profile {name:?} {why}"));
        if let Some(values) = sections.section(name).map_err(unresolved)? {
            return Ok(Self { name: name.to_owned(), home: home.map(Path::to_owned), values });
        }
        let looked: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        Err(settings(format!("Koji's profile {name:?} is in none of {}", looked.join(", "))))
    }

    /// Says something of the hub that the files say otherwise, or not.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.values.insert(key.to_owned(), value.into());
    }

    /// Returns a setting as it was written.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a setting that is a file, with `~` resolved. Some have a place of their own when nothing is said.
    fn file(&self, key: &str) -> Option<PathBuf> {
        if !self.values.contains_key(key) {
            let (_, place) = PLACES.iter().find(|(known, _)| *known == key)?;
            return Some(self.home.as_ref()?.join(place)).filter(|file| file.exists());
        }
        let text = self.get(key)?;
        // Kerberos says so of what is a file, which is all that is known here.
        let text = text.strip_prefix("FILE:").unwrap_or(text);
        match (text.strip_prefix("~/"), &self.home) {
            (Some(rest), Some(home)) => Some(home.join(rest)),
            _ => Some(PathBuf::from(text)),
        }
    }

    /// Makes of the profile how the hub is reached.
    ///
    /// # Errors
    /// When something is missing, or is not understood.
    pub fn client(&self) -> Result<ClientConfig, KojiError> {
        let name = &self.name;
        let server = self.get("server").ok_or_else(|| settings(format!("Koji's profile {name:?} names no server")))?;
        let server = Url::parse(server)
            .map_err(|error| settings(format!("the server of Koji's profile {name:?} is no address")).because(error))?;
        if let Some(why) = wrong_with(&server) {
            return Err(settings(format!("the server of Koji's profile {name:?} {why}")));
        }
        let mut config = ClientConfig::new(server, self.login(cfg!(feature = "kerberos"))?);
        config.server_ca = self.file("serverca").filter(|file| file.exists());
        if let Some(timeout) = self.seconds("timeout")? {
            config.timeout = timeout;
        }
        if let Some(timeout) = self.seconds("auth_timeout")? {
            config.login_timeout = timeout;
        }
        if self.get("no_ssl_verify").is_some_and(is_true) {
            return Err(settings(format!(
                "Koji's profile {name:?} says that the hub's certificate is not checked, which is not done here; name \
                 its authority in serverca"
            )));
        }
        if let Some(user) = self.get("runas") {
            return Err(settings(format!(
                "Koji's profile {name:?} says that calls are made as {user:?} (runas), which is not done here; log in as \
                 that user"
            )));
        }
        Ok(config)
    }

    /// Finds out how to log in: as it is said, or by what there is.
    fn login(&self, has_kerberos: bool) -> Result<Login, KojiError> {
        let name = &self.name;
        let missing = |what: &str| settings(format!("Koji's profile {name:?} has no {what}"));
        let by_certificate = || {
            let file = self.file("cert").ok_or_else(|| missing("cert"))?;
            Ok(Login::Certificate { file })
        };
        let by_password = || {
            let user = self.get("user").ok_or_else(|| missing("user"))?.to_owned();
            let password = self.get("password").ok_or_else(|| missing("password"))?.to_owned();
            Ok(Login::Password { user, password })
        };
        let by_ticket = || {
            if has_kerberos {
                return Ok(Login::Kerberos(self.kerberos()));
            }
            Err(settings(format!(
                "Koji's profile {name:?} logs in by Kerberos, which this program was built without (the feature \
                 `kerberos`)"
            )))
        };
        match self.get("authtype") {
            Some("noauth") => Ok(Login::Anonymous),
            Some("ssl") => by_certificate(),
            Some("password") => by_password(),
            Some("kerberos" | "gssapi") => by_ticket(),
            Some(other) => {
                Err(settings(format!("Koji's profile {name:?} logs in by {other:?}, which is not known here")))
            }
            None if self.file("cert").is_some_and(|file| file.exists()) => by_certificate(),
            None if self.get("user").is_some() && self.get("password").is_some() => by_password(),
            None if self.get("principal").is_some() || self.get("keytab").is_some() => by_ticket(),
            None => Ok(Login::Anonymous),
        }
    }

    fn kerberos(&self) -> Kerberos {
        let says = |key: &str| self.get(key).map(is_true);
        let canonical = match (says("krb_rdns"), says("krb_canon_host")) {
            (Some(true), _) => Some(Canonical::Reverse),
            (_, Some(true)) => Some(Canonical::Forward),
            (None, None) => None,
            (_, _) => Some(Canonical::Written),
        };
        Kerberos {
            principal: self.get("principal").map(str::to_owned),
            keytab: self.file("keytab"),
            ccache: self.get("ccache").map(str::to_owned),
            canonical,
            ..Kerberos::default()
        }
    }

    fn seconds(&self, key: &str) -> Result<Option<Duration>, KojiError> {
        let Some(text) = self.get(key) else { return Ok(None) };
        let wrong = || settings(format!("{key} of Koji's profile {:?} is no number of seconds", self.name));
        let seconds: u64 = text.parse().map_err(|_| wrong())?;
        // Koji's own default for calls is half a day, which is for people who wait.
        Ok((seconds > 0).then(|| Duration::from_secs(seconds).min(ClientConfig::LONGEST_TIMEOUT)))
    }
}

fn settings(message: String) -> KojiError {
    KojiError::new(KojiErrorKind::Settings, message)
}

fn is_true(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "1" | "yes" | "true" | "on")
}

/// Returns the files of a place: itself, or what is in it.
fn files(place: &Path) -> Result<Vec<PathBuf>, KojiError> {
    if !place.is_dir() {
        return Ok(place.exists().then(|| place.to_owned()).into_iter().collect());
    }
    let unreadable = |error| settings(format!("the folder {} cannot be read", place.display())).because(error);
    let mut files = Vec::new();
    for entry in fs::read_dir(place).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|extension| extension == "conf") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn read(file: &Path) -> Result<String, KojiError> {
    let unreadable = |error| settings(format!("Koji's configuration {} cannot be read", file.display())).because(error);
    if fs::metadata(file).map_err(unreadable)?.len() > LARGEST {
        return Err(settings(format!("Koji's configuration {} is too large", file.display())));
    }
    fs::read_to_string(file).map_err(unreadable)
}

#[cfg(test)]
mod tests;
