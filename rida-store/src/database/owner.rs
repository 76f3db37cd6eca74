//! Whose database file it is: a service has an SQLite file for itself.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::error::SetupError;

/// How long to wait for another service to let go of the file: for one that was told to end, and is ending.
const WAIT: Duration = Duration::from_secs(2);

/// A lock beside an SQLite file, for as long as any clone of the database is there; none elsewhere.
///
/// It is not a lock of SQLite: the commands that look after a database work beside the service.
#[derive(Clone, Debug)]
pub(super) struct Owner {
    file: Option<PathBuf>,
    lock: Arc<Mutex<Option<File>>>,
}

impl Owner {
    /// Names the lock of an SQLite file.
    pub(super) fn of_file(database: &Path) -> Self {
        let mut file = database.as_os_str().to_owned();
        file.push("-service");
        Self { file: Some(file.into()), lock: Arc::default() }
    }

    /// Of a database that any number of services share.
    pub(super) fn nobody() -> Self {
        Self { file: None, lock: Arc::default() }
    }

    /// Takes the lock; tells whether there is one.
    pub(super) async fn lock(&self) -> Result<bool, SetupError> {
        let Some(path) = &self.file else { return Ok(false) };
        let kept = || self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if kept().is_some() {
            return Ok(true);
        }
        let file = OpenOptions::new().create(true).append(true).open(path).map_err(SetupError::Lock)?;
        let until = Instant::now() + WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < until => {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(TryLockError::WouldBlock) => return Err(SetupError::InUse),
                Err(TryLockError::Error(error)) => return Err(SetupError::Lock(error)),
            }
        }
        *kept() = Some(file);
        Ok(true)
    }
}
