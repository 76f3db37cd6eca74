//! The URL of a modulemd in git.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::address::{self, Reason};
use super::{CommitHash, GitRef, Repository};

/// Where a modulemd is: a repository, a path in it, and a ref.
///
/// Written `git://host/modules/foo.git/foo.yaml?#<ref>`, `git://host/modules/foo.git?#<ref>`,
/// `git://host/modules/foo?#<ref>`, or with the path between `?` and `#`. The `?` may be left out where nothing follows
/// it. Only `.git` tells where a repository ends and the path of a file in it starts.
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
    pub fn parse(text: &str) -> Result<Self, ScmUrlError> {
        Self::read(text).map_err(|reason| ScmUrlError::modulemd(text, &reason))
    }

    fn read(text: &str) -> Result<Self, Reason> {
        address::check_raw(text)?;
        let (place, revision) = match text.split_once('#') {
            Some((place, revision)) => (place, Some(revision)),
            None => (text, None),
        };
        let (place, query) = place.split_once('?').unwrap_or((place, ""));
        let (repository, inner) = split_at_git(place);
        let repository = Repository::read(repository)?;
        if repository.segments().is_empty() {
            return Err("it names a host and no repository".into());
        }
        let path = match (inner, query) {
            (Some(path), "") => path.to_owned(),
            (None, "") if place.ends_with(".yaml") || place.ends_with(".yml") => {
                return Err("where the repository ends is not clear; write …/foo?foo.yaml#<commit>".into());
            }
            (None, "") => format!("{}.yaml", repository.name()),
            (None, path) => path.to_owned(),
            (Some(_), _) => return Err("it names a file twice, before and after the `?`".into()),
        };
        address::check_yaml_path(&path)?;
        let revision = match revision {
            None | Some("") => return Err("it has no ref; add # and a commit, branch or tag at its end".into()),
            Some(revision) => {
                GitRef::new(revision).map_err(|error| format!("its ref is not good: {}", error.rule()))?
            }
        };
        Ok(Self { repository, path: path.into(), revision, text: text.into() })
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
    pub fn pinned(&self, commit: CommitHash) -> Self {
        let place = self.text.split_once('#').map_or(&*self.text, |(place, _)| place);
        let text = format!("{place}#{commit}").into();
        Self { revision: commit.into(), text, repository: self.repository.clone(), path: Arc::clone(&self.path) }
    }

    /// Returns the URL as written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// Splits after the first segment of the path that ends in `.git`, when more follows it.
fn split_at_git(place: &str) -> (&str, Option<&str>) {
    let authority = place.find("://").map_or(0, |at| at + "://".len());
    let path = place.get(authority..).and_then(|rest| rest.find('/')).map_or(place.len(), |at| authority + at);
    let split = place.get(path..).and_then(|path| path.find(".git/")).map(|at| path + at + ".git".len());
    match split.and_then(|at| place.split_at_checked(at)) {
        Some((repository, inner)) if inner != "/" => (repository, inner.strip_prefix('/')),
        _ => (place, None),
    }
}

impl ScmUrlError {
    pub(super) fn repository(text: &str, reason: &str) -> Self {
        let message = format!(
            "{:?} is not the address of a git repository: {reason}; expected is something like https://host/path/name.git",
            excerpt(text)
        );
        Self { message }
    }

    fn modulemd(text: &str, reason: &str) -> Self {
        let message = format!(
            "{:?} is not the URL of a module: {reason}; expected is git://host/path/name.git?#<commit>, \
             with the path of the file before the # when it is not name.yaml",
            excerpt(text)
        );
        Self { message }
    }
}

/// Returns as much of a text as a person needs to recognise it, without what may be a password: errors are told to
/// others, and logged.
fn excerpt(text: &str) -> String {
    let start = text.find("://").map_or(0, |at| at + "://".len());
    let end = [text.rfind('@').map(|at| at + 1), text.rfind("%40").map(|at| at + 3)].into_iter().flatten().max();
    let shown = match (text.get(..start), end.filter(|end| *end > start).and_then(|end| text.get(end..))) {
        (Some(scheme), Some(after)) => format!("{scheme}…@{after}"),
        _ => text.to_owned(),
    };
    shown.chars().take(120).collect()
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
