//! Git as the source of modulemd documents and components.
//!
//! Nothing is ever checked out. A commit is fetched into a bare repository of its own, without hooks, submodules,
//! redirects, credentials or configuration from outside, within limits of bytes and time; then its tree is listed and
//! the few files that matter are read as blobs, so that a symbolic link is only a line of text.
//!
//! Each commit has its own folder in the cache, which appears there complete, by a rename, and never changes. Any
//! number of fetches, also by other processes, may work on one repository.

mod cache;
mod check;
mod command;
mod config;
mod defaults;
mod export;
mod failure;
mod fetch;
mod resolve;
mod slots;
mod tree;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rida_core::plan::ComponentSource;
use rida_core::scm::{AllowList, CommitHash, Repository, ScmUrl};
use rida_core::{ComponentCheck, ComponentName, DefaultModules, FetchedDefaults, FetchedModulemd, PortError, Scm};
use tokio::task::JoinSet;

use self::cache::{Cache, Contents};
use self::slots::Slots;
use self::tree::Tree;
use crate::lookaside::Lookaside;
use crate::network;

pub use self::config::{GitConfig, Unlisted};

/// Reads sources from git repositories, and their large files from lookaside caches.
#[derive(Clone, Debug)]
pub struct GitScm {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: GitConfig,
    /// Where components may come from: the list, and the default repository.
    components: AllowList,
    cache: Cache,
    lookaside: Lookaside,
    slots: AllSlots,
}

/// How many times the duration of a fetch the components of a module may wait for their turn.
const MODULES_WAIT: u32 = 20;

/// How many of each kind of work are done at once: a submission does not wait for the components of others.
#[derive(Debug)]
struct AllSlots {
    modulemd: Slots,
    checks: Slots,
    exports: Slots,
}

impl GitScm {
    /// Makes one of its settings; its folder is made when it is not there.
    ///
    /// # Errors
    /// When the folder cannot be made, or a setting makes no sense.
    pub fn new(config: GitConfig) -> Result<Self, PortError> {
        let cache = Cache::open(&config.folder, config.cache_bytes)?;
        let lookaside = Lookaside::new(&config)?;
        let components = AllowList::new(config.allow.iter().cloned().chain(config.default_repository.clone()));
        // A packager waits for the answer to a submission; a module of hundreds of components waits mostly for its own.
        let (short, long) = (config.answer_within, config.fetch_within.saturating_mul(MODULES_WAIT));
        let slots = AllSlots {
            modulemd: Slots::new(config.parallel, short),
            checks: Slots::new(config.parallel, long),
            exports: Slots::new(config.parallel, long),
        };
        Ok(Self { inner: Arc::new(Inner { config, components, cache, lookaside, slots }) })
    }

    /// Writes the tree of a commit into a folder as plain files: no filters, attributes or hooks are applied.
    ///
    /// Files keep their executable bit; symbolic links are left out unless they point to something inside; submodules
    /// are left out. The folder is made when it is not there, and should be empty; after an error it is to be removed.
    ///
    /// # Errors
    /// When the commit cannot be had, or has more files or bytes than is allowed.
    pub async fn export(&self, repository: &Repository, commit: &CommitHash, into: &Path) -> Result<(), PortError> {
        let inner = &self.inner;
        inner.permit(&inner.components, repository)?;
        let _slot = inner.slots.exports.take(Some(repository)).await?;
        let entry = fetch::commit(inner, repository, commit, Contents::Whole).await?;
        let tree = Tree::read(inner, repository, &entry).await?;
        export::write(inner, repository, &entry, &tree, into).await
    }

    /// Fetches what the file `sources` in a folder names from a lookaside cache into that folder, and compares the
    /// checksums. Without that file nothing is fetched; what is in the folder already is left as it is.
    ///
    /// # Errors
    /// When a file is not in the cache, is another than its checksum says, or is larger than is allowed.
    pub async fn download(&self, name: &ComponentName, cache: Option<&str>, into: &Path) -> Result<(), PortError> {
        let place = cache.and_then(|cache| Repository::parse(cache).ok());
        let _slot = self.inner.slots.exports.take(place.as_ref()).await?;
        self.inner.lookaside.download(name, cache, into).await
    }
}

impl Inner {
    /// Refuses repositories that nobody allowed.
    fn permit(&self, list: &AllowList, repository: &Repository) -> Result<(), PortError> {
        if repository.segments().is_empty() {
            return Err(PortError::permanent(format!("{repository} names a host and no repository")));
        }
        let unlisted = self.config.unlisted == Unlisted::PublicHosts && network::can_be_public(repository);
        if list.permits(repository) || unlisted {
            return Ok(());
        }
        Err(PortError::permanent(format!(
            "{repository} is not in the list of repositories that this server may read; \
             use one that is, or ask its administrator to add it"
        )))
    }
}

#[async_trait]
impl Scm for GitScm {
    async fn fetch_modulemd(&self, url: &ScmUrl) -> Result<FetchedModulemd, PortError> {
        let inner = &self.inner;
        let repository = url.repository();
        inner.permit(&inner.config.allow, repository)?;
        let _slot = inner.slots.modulemd.take(Some(repository)).await?;
        let (commit, entry) = fetch::revision(inner, repository, url.revision()).await?;
        let tree = Tree::read(inner, repository, &entry).await?;
        let file =
            tree.regular(url.path()).map_err(|problem| PortError::permanent(problem.text(repository, &commit)))?;
        let bytes = tree::blob(inner, repository, &entry, file, url.path()).await?;
        let committed_at = tree::commit_time(inner, repository, &entry).await?;
        Ok(FetchedModulemd { bytes, commit, committed_at })
    }

    async fn fetch_defaults(&self, place: &DefaultModules) -> Result<FetchedDefaults, PortError> {
        defaults::read(&self.inner, place).await
    }

    async fn check_components(
        &self,
        components: &[(ComponentName, ComponentSource)],
    ) -> Result<Vec<ComponentCheck>, PortError> {
        let mut checks = JoinSet::new();
        for (index, (name, source)) in components.iter().cloned().enumerate() {
            let inner = Arc::clone(&self.inner);
            checks.spawn(async move { (index, check::component(&inner, &name, &source).await) });
        }
        let mut answers: Vec<_> = components.iter().map(|_| None).collect();
        while let Some(checked) = checks.join_next().await {
            let (index, answer) = checked
                .map_err(|error| PortError::temporary("the check of the components was interrupted").because(error))?;
            if let Some(slot) = answers.get_mut(index) {
                *slot = Some(answer);
            }
        }
        Ok(answers.into_iter().flatten().collect())
    }
}
