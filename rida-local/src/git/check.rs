//! The checks of a component before anything is built.

use rida_core::plan::ComponentSource;
use rida_core::scm::{CommitHash, Repository};
use rida_core::{ComponentCheck, ComponentName, PinnedSource, PortError};

use super::cache::Entry;
use super::tree::{self, Tree};
use super::{Inner, fetch};
use crate::{lookaside, spec};

/// How many times the duration of a fetch a cache may take to say which of a component's files it has.
const FETCHES: u32 = 4;

/// The file that names what is in the lookaside cache.
const SOURCES: &str = "sources";

/// Checks one component and tells all that is wrong with it.
pub(super) async fn component(inner: &Inner, name: &ComponentName, source: &ComponentSource) -> ComponentCheck {
    match examine(inner, name, source).await {
        Ok(check) => check,
        Err(error) if error.is_retryable() => ComponentCheck::Unknown(error),
        Err(error) => ComponentCheck::Bad(vec![error.message().to_owned()]),
    }
}

async fn examine(inner: &Inner, name: &ComponentName, source: &ComponentSource) -> Result<ComponentCheck, PortError> {
    let repository = &source.repository;
    inner.permit(&inner.components, repository)?;
    let _slot = inner.slots.checks.take(Some(repository)).await?;
    let (commit, entry) = fetch::revision(inner, repository, &source.reference).await?;
    let tree = Tree::read(inner, repository, &entry).await?;
    let files = Files { inner, repository, commit: &commit, entry: &entry, tree };

    let mut problems = Problems::default();
    files.check_spec(name, &mut problems).await;
    files.check_sources(name, source.cache.as_deref(), &mut problems).await;
    problems.into_check(PinnedSource { repository: repository.clone(), commit: commit.clone() })
}

/// What is wrong, and the first thing that nothing could be said of.
#[derive(Default)]
struct Problems {
    certain: Vec<String>,
    unknown: Option<PortError>,
}

impl Problems {
    fn take<T>(&mut self, outcome: Result<T, PortError>) -> Option<T> {
        match outcome {
            Ok(value) => return Some(value),
            Err(error) if error.is_retryable() => self.unknown = self.unknown.take().or(Some(error)),
            Err(error) => self.certain.push(error.message().to_owned()),
        }
        None
    }

    /// What is certainly wrong is told even when nothing can be said of the rest: asking again would not change it.
    fn into_check(self, source: PinnedSource) -> Result<ComponentCheck, PortError> {
        match self.unknown {
            _ if !self.certain.is_empty() => Ok(ComponentCheck::Bad(self.certain)),
            Some(error) => Err(error),
            None => Ok(ComponentCheck::Good(source)),
        }
    }
}

/// The files of the component's commit.
struct Files<'a> {
    inner: &'a Inner,
    repository: &'a Repository,
    commit: &'a CommitHash,
    entry: &'a Entry,
    tree: Tree,
}

impl Files<'_> {
    async fn read(&self, path: &str) -> Result<Vec<u8>, PortError> {
        let file = self.tree.regular(path);
        let file = file.map_err(|problem| PortError::permanent(problem.text(self.repository, self.commit)))?;
        tree::blob(self.inner, self.repository, self.entry, file, path).await
    }

    async fn check_spec(&self, name: &ComponentName, problems: &mut Problems) {
        let path = format!("{name}.spec");
        let Some(bytes) = problems.take(self.read(&path).await) else { return };
        if let Err(problem) = spec::check_name(&bytes, name) {
            problems.certain.push(format!("{path} in {} {problem}", self.repository));
        }
    }

    async fn check_sources(&self, name: &ComponentName, cache: Option<&str>, problems: &mut Problems) {
        if self.tree.get(SOURCES.as_bytes()).is_none() {
            return;
        }
        let Some(bytes) = problems.take(self.read(SOURCES).await) else { return };
        let (files, broken) = lookaside::parse_sources(&bytes);
        problems.certain.extend(broken.iter().map(|problem| format!("{SOURCES} in {} {problem}", self.repository)));
        let within = self.inner.config.fetch_within.saturating_mul(FETCHES);
        let until = tokio::time::Instant::now() + within;
        for file in files {
            // What is committed needs no cache.
            if self.tree.regular(file.name()).is_ok() {
                continue;
            }
            let asked = tokio::time::timeout_at(until, self.inner.lookaside.check(name, cache, &file)).await;
            let asked = asked.unwrap_or_else(|_| {
                Err(PortError::temporary(format!(
                    "the lookaside cache did not answer for all files of {name} within {} s; try again later",
                    within.as_secs_f32()
                )))
            });
            if problems.take(asked).is_none() && problems.unknown.is_some() {
                // It is away, or slow: nothing better comes of asking it for the others, which may be thousands.
                break;
            }
        }
    }
}
