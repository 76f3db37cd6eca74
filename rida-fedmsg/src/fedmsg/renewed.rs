//! Files that are replaced while they are used: certificates are renewed, and lists of revoked ones every few days.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::error::BusError;

/// How often it is looked whether a file is another one.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What tells a file from its successor: where it is, how long, and since when; nothing when it is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

/// The files that something was made of.
#[derive(Debug)]
pub(super) struct Files {
    paths: Vec<PathBuf>,
    /// As they were when they were read.
    used: Vec<Stamp>,
    /// As they were when they could not be used.
    refused: Vec<Stamp>,
    looked: Instant,
}

impl Files {
    /// Takes note of files as they are. They are to be read afterwards: what is replaced between is read once more.
    pub(super) fn new(paths: Vec<PathBuf>) -> Self {
        let used = stamps(&paths);
        Self { paths, used, refused: Vec::new(), looked: Instant::now() }
    }

    /// Makes something anew when its files are others. What cannot be made, because they are half written or not each
    /// other's, is tried again, and what there was is kept until then.
    pub(super) fn renewed<T>(&mut self, what: &str, make: impl FnOnce() -> Result<T, BusError>) -> Option<T> {
        if self.looked.elapsed() < LOOK_EVERY {
            return None;
        }
        self.looked = Instant::now();
        let found = stamps(&self.paths);
        if found == self.used {
            return None;
        }
        match make() {
            Ok(made) => {
                tracing::info!("{what} was replaced and is read anew");
                self.used = found;
                Some(made)
            }
            Err(error) => {
                if self.refused != found {
                    let error = crate::chain(&error);
                    tracing::error!(error = %error.escape_debug(), "{what} was replaced and cannot be used; what was read before is");
                }
                self.refused = found;
                None
            }
        }
    }
}

fn stamps(paths: &[PathBuf]) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    paths.iter().map(stamp).collect()
}
