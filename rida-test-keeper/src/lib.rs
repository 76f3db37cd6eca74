//! A home for the services that a test starts: PostgreSQL, a broker, a KDC, Apache.
//!
//! A test process can be killed, by whoever has waited long enough for it, and then runs no destructor. What it started
//! would go on for ever, beside the next run. So each service lives in a [`Home`], which a process outside watches.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A folder of a service, and of whatever else is started with it in the command line.
///
/// When this is dropped, and when the process ends, however it does, every program that has the folder's path in its
/// command line is ended, and the folder deleted. Who starts a program says so with a path in the folder: that of its
/// settings, or of its data.
#[derive(Debug)]
pub struct Home {
    folder: PathBuf,
    /// The process that outlives this one to clean up, and what it waits for the end of.
    keeper: Child,
    held: Option<ChildStdin>,
}

impl Home {
    /// Makes a home.
    ///
    /// # Panics
    /// When there is no place for a folder, or no shell.
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("rida-home-").tempdir().expect("a folder can be made").keep();
        let mut keeper = Command::new("sh")
            .args(["-c", include_str!("keeper.sh")])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell runs");
        let mut held = keeper.stdin.take();
        if let Some(held) = &mut held {
            writeln!(held, "{}", folder.display()).expect("the shell reads");
        }
        Self { folder, keeper, held }
    }

    /// Returns the folder.
    pub fn path(&self) -> &Path {
        &self.folder
    }
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        drop(self.held.take());
        // It ends by itself in any case.
        let _ = self.keeper.wait();
    }
}
