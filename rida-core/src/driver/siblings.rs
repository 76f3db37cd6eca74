//! Finds the builds that were made of one document.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Driver;
use crate::build::{ModuleBuild, Submission};
use crate::id::{BuildId, ModuleName, Nsvc, StreamName};
use crate::ports::StoreError;

/// How many builds of the documents of one list are looked at.
const MOST_BUILDS: usize = 10_000;

/// What builds of one document have in common: module, stream, and the version without the platform's number before it.
type Document = (String, ModuleName, StreamName, u64);

impl Driver {
    /// Tells builds which others there are of the same document by now, besides those that they were submitted with: what
    /// was submitted later for other streams is recorded with those alone. A scratch build has only those that it was
    /// submitted with, and so has one whose document came with the request. The store is asked once, whatever the number of builds.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn find_siblings(&self, builds: &mut [ModuleBuild]) -> Result<(), StoreError> {
        let lasting = builds.iter().filter(|build| !build.is_scratch());
        let urls: BTreeMap<&str, _> = lasting
            .filter_map(|build| build.submission.scm_url.as_ref())
            .map(|url| (url.as_str(), url.clone()))
            .collect();
        if urls.is_empty() {
            return Ok(());
        }
        let urls: Vec<_> = urls.into_values().collect();
        let mut of_each: BTreeMap<Document, BTreeSet<BuildId>> = BTreeMap::new();
        for found in self.parts.store.of_documents(&urls, MOST_BUILDS).await? {
            let Some(url) = found.scm_url else { continue };
            of_each.entry(document(url, &found.nsvc)).or_default().insert(found.id);
        }
        for build in builds.iter_mut().filter(|build| !build.is_scratch()) {
            let Some(url) = &build.submission.scm_url else { continue };
            let key = document(url.to_string(), build.nsvc());
            let Some(of_document) = of_each.get(&key) else { continue };
            let known = &build.submission.siblings;
            let mut all: BTreeSet<BuildId> = known.iter().chain(of_document).copied().collect();
            all.remove(&build.id);
            if all.len() > known.len() {
                let submission: &mut Submission = Arc::make_mut(&mut build.submission);
                submission.siblings = all.into_iter().collect();
            }
        }
        Ok(())
    }
}

fn document(scm_url: String, nsvc: &Nsvc) -> Document {
    // A time, as `YYYYMMDDhhmmss`.
    const TIME: u64 = 100_000_000_000_000;
    (scm_url, nsvc.name.clone(), nsvc.stream.clone(), nsvc.version % TIME)
}
