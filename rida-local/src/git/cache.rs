//! Fetched commits on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rida_core::PortError;
use rida_core::scm::{CommitHash, Repository};
use sha1::{Digest, Sha1};
use tempfile::TempDir;

use crate::layout::storage;
use crate::process::folder_size;

/// What was used this recently may be in use, and stays.
const IN_USE: Duration = Duration::from_secs(15 * 60);

/// What was being fetched this long ago is not fetched any more.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// How much of a commit is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Contents {
    /// Everything but large files.
    Small,
    /// Everything.
    Whole,
}

/// A bare repository with one commit.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) git_dir: PathBuf,
    pub(super) commit: CommitHash,
}

/// The folder of fetched commits.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    limit: u64,
    /// Bytes added since room was last made.
    added: Arc<AtomicU64>,
}

impl Cache {
    pub(super) fn open(folder: &Path, limit: u64) -> Result<Self, PortError> {
        let cache = Self { folder: folder.to_owned(), limit, added: Arc::new(AtomicU64::new(limit)) };
        let make = || {
            fs::create_dir_all(cache.unfinished())?;
            fs::create_dir_all(cache.commits())
        };
        if !folder.is_absolute() {
            return Err(PortError::permanent("the folder for git must be given as an absolute path"));
        }
        make().map_err(|error| PortError::unavailable("the folder for git cannot be made").because(error))?;
        remove_older(&cache.unfinished(), ABANDONED);
        Ok(cache)
    }

    fn unfinished(&self) -> PathBuf {
        self.folder.join("unfinished")
    }

    fn commits(&self) -> PathBuf {
        self.folder.join("commits")
    }

    fn place(&self, repository: &Repository, commit: &CommitHash, contents: Contents) -> PathBuf {
        let digest = Sha1::digest(repository.as_str());
        let key: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let suffix = match contents {
            Contents::Small => "small",
            Contents::Whole => "whole",
        };
        self.commits().join(format!("{key}-{commit}-{suffix}"))
    }

    /// Finds a commit of which at least `contents` is there.
    pub(super) fn find(&self, repository: &Repository, commit: &CommitHash, contents: Contents) -> Option<Entry> {
        let small = (contents == Contents::Small).then_some(Contents::Small);
        let git_dir = [Some(Contents::Whole), small]
            .into_iter()
            .flatten()
            .map(|contents| self.place(repository, commit, contents))
            .find(|place| touch(place).is_ok())?;
        Some(Entry { git_dir, commit: commit.clone() })
    }

    /// Makes a folder to fetch into, which is removed when it is dropped.
    pub(super) fn begin(&self) -> Result<TempDir, PortError> {
        TempDir::new_in(self.unfinished()).map_err(unwritable)
    }

    /// Puts a commit into its place. When another one was faster, that one stays.
    pub(super) fn add(
        &self,
        fetched: TempDir,
        repository: &Repository,
        commit: &CommitHash,
        contents: Contents,
    ) -> Result<Entry, PortError> {
        let git_dir = self.place(repository, commit, contents);
        let added = self.added.fetch_add(folder_size(fetched.path(), u64::MAX), Ordering::Relaxed);
        match fs::rename(fetched.path(), &git_dir) {
            Ok(()) => drop(fetched.keep()),
            Err(_) if git_dir.is_dir() => {}
            Err(error) => return Err(unwritable(error)),
        }
        if added >= self.limit / 10 {
            self.added.store(0, Ordering::Relaxed);
            self.make_room();
        }
        Ok(Entry { git_dir, commit: commit.clone() })
    }

    /// Removes what was not used for longest until the rest is within the limit.
    fn make_room(&self) {
        let mut entries: Vec<_> = subfolders(&self.commits())
            .map(|(path, used)| {
                let size = folder_size(&path, u64::MAX);
                (used, path, size)
            })
            .collect();
        entries.sort();
        let mut total: u64 = entries.iter().map(|(_, _, size)| *size).fold(0, u64::saturating_add);
        for (used, path, size) in entries {
            if total <= self.limit || used.elapsed().is_ok_and(|age| age < IN_USE) {
                return;
            }
            // Renamed first, so that nobody finds half of it.
            let Ok(doomed) = self.begin() else { return };
            if fs::rename(&path, doomed.path().join("entry")).is_ok() {
                total = total.saturating_sub(size);
            }
        }
    }
}

fn unwritable(error: io::Error) -> PortError {
    if error.kind() == io::ErrorKind::StorageFull {
        return storage(error);
    }
    PortError::unavailable("the server cannot write to its folder for git").because(error)
}

fn touch(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.set_modified(SystemTime::now())
}

fn subfolders(folder: &Path) -> impl Iterator<Item = (PathBuf, SystemTime)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| {
        let metadata = entry.metadata().ok()?;
        metadata.is_dir().then_some(())?;
        Some((entry.path(), metadata.modified().ok()?))
    })
}

fn remove_older(folder: &Path, age: Duration) {
    for (path, modified) in subfolders(folder) {
        if modified.elapsed().is_ok_and(|elapsed| elapsed > age) {
            // Another process may be removing it too.
            let _ = fs::remove_dir_all(path);
        }
    }
}
