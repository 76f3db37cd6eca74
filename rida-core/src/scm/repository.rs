//! The address of a git repository, parsed.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::ScmUrlError;

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

/// The address of a git repository: scheme, host, port and whole path segments, nothing else.
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
    pub fn parse(_text: &str) -> Result<Self, ScmUrlError> {
        unimplemented!()
    }

    /// Returns the scheme.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Returns the host in lower case; absent for `file`.
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
    pub fn join(&self, _segment: &str) -> Result<Self, ScmUrlError> {
        unimplemented!()
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
