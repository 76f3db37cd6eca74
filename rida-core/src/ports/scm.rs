//! Sources.

use async_trait::async_trait;

use crate::base_streams::DefaultModules;
use crate::component::PinnedSource;
use crate::error::PortError;
use crate::id::ComponentName;
use crate::plan::ComponentSource;
use crate::scm::{CommitHash, ScmUrl};
use crate::timestamp::Timestamp;

/// Source code management: where modulemd documents and components come from.
///
/// All methods only read; calling one twice is harmless. Implementations bound bytes, time and processes.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Scm: Send + Sync {
    /// Reads the modulemd that a URL names, at the commit that the URL's ref resolves to.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when repository, ref or file are not there or not acceptable,
    /// in words for a packager.
    async fn fetch_modulemd(&self, url: &ScmUrl) -> Result<FetchedModulemd, PortError>;

    /// Checks components, in parallel and bounded, and returns one answer for each, in the same order: the repository
    /// is reachable, the ref resolves to a commit, a spec of that name is there, and what the `sources` file names is
    /// available.
    ///
    /// # Errors
    /// When nothing can be said of any component; a fault with one component is in that component's answer.
    async fn check_components(
        &self,
        components: &[(ComponentName, ComponentSource)],
    ) -> Result<Vec<ComponentCheck>, PortError>;

    /// Reads the documents that say which modules a distribution has by default: the files of a repository's folder and
    /// of its folder `overrides` whose names end with `.yaml`, in the order of their paths. A source of modules that says
    /// nothing else has none.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when repository or ref are not there, or one of the files is not
    /// acceptable.
    async fn fetch_defaults(&self, place: &DefaultModules) -> Result<FetchedDefaults, PortError> {
        Err(PortError::permanent(format!("{} cannot be read for default modules", place.repository)))
    }
}

/// The documents of a repository of defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedDefaults {
    /// The commit that the ref resolved to.
    pub commit: CommitHash,
    /// The files.
    pub files: Vec<DefaultsFile>,
}

/// A file with documents of defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DefaultsFile {
    /// Its path.
    pub path: String,
    /// What it says goes before what files elsewhere say.
    pub overrides: bool,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A modulemd as read from git.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedModulemd {
    /// The file's bytes.
    pub bytes: Vec<u8>,
    /// The commit that the ref resolved to.
    pub commit: CommitHash,
    /// The commit's time, which makes the module's version.
    pub committed_at: Timestamp,
}

/// What was found out about one component's sources.
#[derive(Debug)]
pub enum ComponentCheck {
    /// All is there.
    Good(PinnedSource),
    /// All that is missing or wrong, in words for a packager.
    Bad(Vec<String>),
    /// Nothing could be said; worth asking again.
    Unknown(PortError),
}
