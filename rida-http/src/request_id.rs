//! Ids of requests and errors, which tie an answer to its lines in the log.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Differs from process to process, so that two runs' ids do not meet in one log.
static RUN: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(std::process::id()) & 0xffff_ffff);
static NEXT: AtomicU64 = AtomicU64::new(1);

/// Returns an id that was never returned before.
pub(crate) fn next() -> String {
    format!("{:08x}-{:x}", *RUN, NEXT.fetch_add(1, Ordering::Relaxed))
}
