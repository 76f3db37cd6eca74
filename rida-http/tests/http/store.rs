//! A store in memory that can be away, or break in the middle of a list.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use rida_core::testing::{MemoryStore, StoreLayer};
use rida_core::*;

/// A store in memory, with a switch.
#[derive(Default)]
pub(crate) struct TestStore {
    inner: MemoryStore,
    /// Nothing answers.
    pub(crate) down: AtomicBool,
    /// How many more lists are answered before one fails; below zero means all.
    pub(crate) lists_left: AtomicI64,
    /// A list that fails panics instead.
    pub(crate) panics: AtomicBool,
    /// The limits of the lists that were asked for.
    pub(crate) limits: Mutex<Vec<u64>>,
    /// How often it was asked for anything.
    pub(crate) calls: AtomicI64,
}

impl TestStore {
    pub(crate) fn fail_lists_after(&self, answered: i64) {
        self.lists_left.store(answered + 1, Ordering::SeqCst);
    }
}

#[async_trait]
impl StoreLayer for TestStore {
    type Inner = MemoryStore;

    fn inner(&self) -> &MemoryStore {
        &self.inner
    }

    async fn before(&self) -> Result<(), StoreError> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.down.load(Ordering::SeqCst) {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                "the test switched the store off: password=hunter2",
            ));
        }
        Ok(())
    }

    async fn list(&self, query: &ListQuery) -> Result<Vec<BuildSummary>, StoreError> {
        self.limits.lock().unwrap().push(query.limit);
        if self.lists_left.fetch_sub(1, Ordering::SeqCst) == 1 {
            assert!(!self.panics.load(Ordering::SeqCst), "secret=hunter2");
            return Err(StoreError::new(StoreErrorKind::Corrupt, "the test broke the list: password=hunter2"));
        }
        self.inner.list(query).await
    }
}
