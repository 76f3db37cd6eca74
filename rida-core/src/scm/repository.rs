//! The address of a git repository, parsed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ScmUrlError;
use super::address::{self, Reason};

/// How a repository is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scheme {
    /// `git://`
    Git,
    /// `http://`, also written `git+http://`
    Http,
    /// `https://`, also written `git+https://`
    Https,
    /// `rsync://`, also written `git+rsync://`
    Rsync,
    /// `ssh://`, also written `git+ssh://`
    Ssh,
    /// `file://`, a folder of this machine
    File,
}

impl Scheme {
    /// Returns the scheme as git takes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Git => "git",
            Self::Http => "http",
            Self::Https => "https",
            Self::Rsync => "rsync",
            Self::Ssh => "ssh",
            Self::File => "file",
        }
    }

    /// Returns the port that a server of this scheme listens on unless an address names another.
    pub const fn default_port(self) -> Option<u16> {
        match self {
            Self::Git => Some(9418),
            Self::Http => Some(80),
            Self::Https => Some(443),
            Self::Rsync => Some(873),
            Self::Ssh => Some(22),
            Self::File => None,
        }
    }

    /// Reads a scheme, with or without `git+` before it, in upper or lower case.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        match text.strip_prefix("git+").unwrap_or(&text) {
            "git" if text == "git" => Some(Self::Git),
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            "rsync" => Some(Self::Rsync),
            "ssh" => Some(Self::Ssh),
            "file" => Some(Self::File),
            _ => None,
        }
    }
}

/// The address of a git repository: scheme, host, port and whole path segments, nothing else.
///
/// Two addresses of one place are equal: `git+https://HOST:443/a/` and `https://host/a`. Without path segments it is the
/// place that a host's repositories are in, as an [`AllowList`](super::AllowList) may name it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Repository {
    scheme: Scheme,
    host: Option<Arc<str>>,
    port: Option<u16>,
    segments: Vec<Arc<str>>,
    text: Arc<str>,
}

impl Repository {
    /// Reads an address.
    ///
    /// # Errors
    /// When it is not one of a git repository that could be read safely.
    pub fn parse(text: &str) -> Result<Self, ScmUrlError> {
        Self::read(text).map_err(|reason| ScmUrlError::repository(text, &reason))
    }

    /// Reads an address, and says why not without repeating it.
    pub(super) fn read(text: &str) -> Result<Self, Reason> {
        address::check_raw(text)?;
        let (scheme, rest) = address::split_scheme(text)?;
        if rest.contains(['?', '#']) {
            return Err("a repository's address has no `?` and no `#`".into());
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = address::read_authority(scheme, authority)?;
        Ok(Self::of_parts(scheme, host, port, address::read_segments(path)?))
    }

    /// Puts an address together from parts that are good.
    fn of_parts(scheme: Scheme, host: Option<Arc<str>>, port: Option<u16>, segments: Vec<Arc<str>>) -> Self {
        let mut text = format!("{}://{}", scheme.as_str(), host.as_deref().unwrap_or_default());
        if let Some(port) = port {
            text.push_str(&format!(":{port}"));
        }
        for segment in &segments {
            text.push('/');
            text.push_str(segment);
        }
        if segments.is_empty() {
            text.push('/');
        }
        Self { scheme, host, port, segments, text: text.into() }
    }

    /// Returns the scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host in lower case, an IPv6 address in its brackets; absent for `file`.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// Returns the port when it is not the scheme's own.
    pub fn port(&self) -> Option<u16> {
        self.port
    }

    /// Returns the segments of the path.
    pub fn segments(&self) -> &[Arc<str>] {
        &self.segments
    }

    /// Returns the last segment without `.git`: what the repository is called.
    pub fn name(&self) -> &str {
        self.segments.last().map_or("", |last| last.strip_suffix(".git").unwrap_or(last))
    }

    /// Returns the address as git takes it.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the address of a repository below this one.
    ///
    /// # Errors
    /// When `segment` is not one good path segment.
    pub fn join(&self, segment: &str) -> Result<Self, ScmUrlError> {
        address::check_raw(segment)
            .and_then(|()| address::check_segment(segment))
            .map_err(|reason| ScmUrlError::repository(segment, &reason))?;
        let mut segments = self.segments.clone();
        segments.push(segment.into());
        Ok(Self::of_parts(self.scheme, self.host.clone(), self.port, segments))
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl FromStr for Repository {
    type Err = ScmUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for Repository {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for Repository {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
