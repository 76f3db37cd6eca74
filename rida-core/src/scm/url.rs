//! The URL of a modulemd in git.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{CommitHash, GitRef, Repository};

/// Where a modulemd is: a repository, a path in it, and a ref.
///
/// Written `git://host/modules/foo.git/foo.yaml?#<ref>`, `git://host/modules/foo.git?#<ref>`,
/// `git://host/modules/foo?#<ref>`, or with the path between `?` and `#`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScmUrl {
    repository: Repository,
    path: Arc<str>,
    revision: GitRef,
    text: Arc<str>,
}

/// A text is not the URL of something in git, or not one that could be read safely.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ScmUrlError {
    message: String,
}

impl ScmUrl {
    /// Reads a URL.
    ///
    /// # Errors
    /// When it is not of one of the forms above.
    pub fn parse(_text: &str) -> Result<Self, ScmUrlError> {
        unimplemented!()
    }

    /// Returns the repository.
    pub fn repository(&self) -> &Repository {
        &self.repository
    }

    /// Returns the path of the modulemd in the repository; by default the repository's name with `.yaml`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Returns the ref.
    pub fn revision(&self) -> &GitRef {
        &self.revision
    }

    /// Returns this URL with the ref replaced by the commit that it resolved to.
    #[must_use]
    pub fn pinned(&self, _commit: CommitHash) -> Self {
        unimplemented!()
    }

    /// Returns the URL as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for ScmUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.text)
    }
}

impl fmt::Debug for ScmUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.text, f)
    }
}

impl FromStr for ScmUrl {
    type Err = ScmUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}

impl Serialize for ScmUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for ScmUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}
