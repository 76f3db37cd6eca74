//! The settings of git.

use std::path::PathBuf;
use std::time::Duration;

use rida_core::scm::{AllowList, Repository};

/// The settings of [`GitScm`](super::GitScm).
#[derive(Clone, Debug)]
pub struct GitConfig {
    /// The folder that fetched commits are kept in.
    pub folder: PathBuf,
    /// The repositories that modules and components may come from.
    pub allow: AllowList,
    /// Where components without a repository of their own are: allowed for components, whatever the list says.
    pub default_repository: Option<Repository>,
    /// Repositories that say which modules a distribution has by default: allowed for that, whatever the list says.
    pub defaults: Vec<Repository>,
    /// What becomes of repositories that are not in the list.
    pub unlisted: Unlisted,
    /// The lookaside caches that the administrator chose, which may be on any host, or folders (`file:///…`).
    ///
    /// Other caches are read only over HTTP and on public hosts.
    pub caches: Vec<String>,
    /// How many repositories are read at once: that many for submissions, for checks of components, and for builds each.
    /// One host gets about half of them, so that one that never answers does not hold everybody up.
    pub parallel: usize,
    /// How long a git server or a lookaside cache may take to answer a question; a submission waits no longer for its
    /// turn than that either.
    pub answer_within: Duration,
    /// How long a fetch or a download may take.
    pub fetch_within: Duration,
    /// How much processor time git may take to unpack or list what it got: a small pack can hold very much.
    pub processor_time: Duration,
    /// How many bytes of memory each process of git may take.
    pub memory: u64,
    /// How many bytes one fetch may have.
    pub fetch_bytes: u64,
    /// How many bytes a modulemd, a spec or a `sources` file may have.
    pub file_bytes: u64,
    /// How many bytes the files of a component may have, unpacked.
    pub tree_bytes: u64,
    /// How many files a repository may have.
    pub tree_files: usize,
    /// How many bytes the files of a component from a lookaside cache may have, together.
    pub source_bytes: u64,
    /// How many bytes the folder may have; what was not used for longest is removed first.
    pub cache_bytes: u64,
}

/// What becomes of repositories that are not in the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Unlisted {
    /// They are refused.
    #[default]
    Refuse,
    /// They are read over `git`, `http` and `https` when their host has only public addresses.
    PublicHosts,
}

impl GitConfig {
    /// Returns settings for most servers: everything has a limit, and only what is in the list is read.
    pub fn new(folder: impl Into<PathBuf>, allow: AllowList) -> Self {
        const MIB: u64 = 1024 * 1024;
        Self {
            folder: folder.into(),
            allow,
            default_repository: None,
            defaults: Vec::new(),
            unlisted: Unlisted::Refuse,
            caches: Vec::new(),
            parallel: 5,
            answer_within: Duration::from_secs(30),
            fetch_within: Duration::from_secs(180),
            processor_time: Duration::from_secs(60),
            memory: 1024 * MIB,
            fetch_bytes: 512 * MIB,
            file_bytes: 4 * MIB,
            tree_bytes: 1024 * MIB,
            tree_files: 50_000,
            source_bytes: 4096 * MIB,
            cache_bytes: 10 * 1024 * MIB,
        }
    }
}
