//! Sources that are kept in memory.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::base_streams::DefaultModules;
use crate::component::PinnedSource;
use crate::error::PortError;
use crate::id::ComponentName;
use crate::plan::ComponentSource;
use crate::ports::{ComponentCheck, DefaultsFile, FetchedDefaults, FetchedModulemd, Scm};
use crate::scm::{CommitHash, ScmUrl};
use crate::timestamp::Timestamp;

/// Sources that are kept in memory. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct MemoryScm(Arc<Mutex<Sources>>);

#[derive(Debug, Default)]
struct Sources {
    modules: BTreeMap<String, FetchedModulemd>,
    broken: BTreeMap<ComponentName, Vec<String>>,
    defaults: BTreeMap<DefaultModules, FetchedDefaults>,
}

impl MemoryScm {
    /// Puts a modulemd where `url` names it; its commit is made of `committed_at`.
    pub fn put_modulemd(&self, url: &ScmUrl, yaml: &str, committed_at: Timestamp) {
        let commit = commit_of(&format!("{url}{committed_at}"));
        let fetched = FetchedModulemd { bytes: yaml.as_bytes().to_vec(), commit, committed_at };
        self.lock().modules.insert(url.to_string(), fetched);
    }

    /// Puts documents of defaults, each a path and a text, where a repository's ref names them.
    pub fn put_defaults(&self, place: &DefaultModules, files: &[(&str, &str)]) {
        let file = |(path, text): &(&str, &str)| DefaultsFile {
            path: (*path).to_owned(),
            overrides: path.starts_with("overrides/"),
            bytes: text.as_bytes().to_vec(),
        };
        let commit = commit_of(place.reference.as_str());
        let fetched = FetchedDefaults { commit, files: files.iter().map(file).collect() };
        self.lock().defaults.insert(place.clone(), fetched);
    }

    /// Makes a component's sources wrong; an empty list mends them.
    pub fn break_component(&self, component: &ComponentName, problems: Vec<String>) {
        self.lock().broken.insert(component.clone(), problems);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Sources> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Scm for MemoryScm {
    async fn fetch_modulemd(&self, url: &ScmUrl) -> Result<FetchedModulemd, PortError> {
        let fetched = self.lock().modules.get(url.as_str()).cloned();
        fetched.ok_or_else(|| PortError::permanent(format!("there is nothing at {url}; check the URL and push first")))
    }

    async fn fetch_defaults(&self, place: &DefaultModules) -> Result<FetchedDefaults, PortError> {
        let fetched = self.lock().defaults.get(place).cloned();
        let DefaultModules { repository, reference } = place;
        fetched.ok_or_else(|| PortError::permanent(format!("there is no {reference} in {repository}")))
    }

    async fn check_components(
        &self,
        components: &[(ComponentName, ComponentSource)],
    ) -> Result<Vec<ComponentCheck>, PortError> {
        let sources = self.lock();
        let check = |(name, source): &(ComponentName, ComponentSource)| match sources.broken.get(name) {
            Some(problems) if !problems.is_empty() => ComponentCheck::Bad(problems.clone()),
            _ => ComponentCheck::Good(PinnedSource {
                repository: source.repository.clone(),
                commit: source.reference.commit().unwrap_or_else(|| commit_of(source.reference.as_str())),
            }),
        };
        Ok(components.iter().map(check).collect())
    }
}

/// Makes a commit hash of a text.
fn commit_of(text: &str) -> CommitHash {
    use sha1::{Digest, Sha1};
    let hex: String = Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect();
    CommitHash::new(&hex).expect("a SHA-1 in hexadecimal is a commit hash")
}

#[cfg(test)]
mod tests;
