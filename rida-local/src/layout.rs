//! Where things are in the data folder, and how files there change: whole, or not at all.
//!
//! ```text
//! lock                       held by the service that uses the folder
//! last-task                  the highest task number ever given
//! identity                   tells this folder from any other
//! scripts/                   the supervisor and the sandbox
//! builds/<build>/
//!   build.json               the description of the build environment
//!   keys/<component>.<try>   the task of each key
//!   tasks/<task>/            see `Task`
//!   tag/<component>/         what is tagged: packages.json and hard links of packages
//!   repos/<generation>/      repositories of all that was tagged
//!   repo                     a link to the newest of them
//!   module/                  the finished module: repo, debug, source, modules.yaml
//! ```

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rida_core::{BuildId, ComponentKey, ComponentName, PortError, TaskId};
use rustix::fs::{FlockOperation, OFlags, flock};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::process::Program;

/// The largest record that is read.
const RECORD_BYTES: u64 = 256 * 1024 * 1024;

/// How long to wait for another service to let go of the folder.
const LOCK_WAIT: Duration = Duration::from_secs(2);

/// The data folder.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    root: PathBuf,
}

/// The folder of a module build.
#[derive(Clone, Debug)]
pub(crate) struct BuildFolder(PathBuf);

impl Layout {
    /// Makes the data folder when it is not there, readable for its owner alone.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        DirBuilder::new().recursive(true).mode(0o700).create(root)?;
        fs::create_dir_all(root.join("builds"))?;
        fs::create_dir_all(root.join("scripts"))?;
        Ok(Self { root: root.to_owned() })
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn build(&self, id: BuildId) -> BuildFolder {
        BuildFolder(self.root.join("builds").join(id.to_string()))
    }

    /// Iterates over the builds that have a folder.
    pub(crate) fn builds(&self) -> io::Result<Vec<BuildId>> {
        names(&self.root.join("builds")).map(|names| names.iter().filter_map(|name| name.parse().ok()).collect())
    }

    /// Takes the folder for this service, for as long as the file is open.
    pub(crate) fn lock(&self) -> Result<File, PortError> {
        let file = OpenOptions::new().create(true).append(true).mode(0o600).open(self.path("lock")).map_err(storage)?;
        let until = Instant::now() + LOCK_WAIT;
        while let Err(error) = flock(&file, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(storage(error.into()));
            }
            if Instant::now() > until {
                return Err(PortError::permanent(
                    "another service uses the data folder of the local build system; \
                     stop it first, or give this one a folder of its own",
                ));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(file)
    }

    /// Returns what tells this folder from any other, wherever it is moved to. The caller holds the lock.
    pub(crate) fn identity(&self) -> io::Result<String> {
        let path = self.path("identity");
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => return Ok(text.trim().to_owned()),
            Ok(_) => return Err(damaged("identity")),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let mut random = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut random)?;
        let new: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        write_whole(&path, format!("{new}\n").as_bytes())?;
        Ok(new)
    }

    /// Returns a task number above all that were ever given. The caller holds the lock.
    pub(crate) fn next_task(&self) -> io::Result<TaskId> {
        let path = self.path("last-task");
        let last: i64 = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().map_err(|_| damaged("last-task"))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
            Err(error) => return Err(error),
        };
        let next = last.checked_add(1).filter(|next| *next > 0).ok_or_else(|| damaged("last-task"))?;
        write_whole(&path, format!("{next}\n").as_bytes())?;
        Ok(TaskId(next))
    }
}

impl BuildFolder {
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.join("keys")
    }

    pub(crate) fn key(&self, key: &ComponentKey) -> PathBuf {
        self.keys().join(format!("{}.{}", key.component, key.attempt))
    }

    pub(crate) fn tasks(&self) -> PathBuf {
        self.join("tasks")
    }

    pub(crate) fn task(&self, id: TaskId) -> PathBuf {
        self.tasks().join(id.to_string())
    }

    pub(crate) fn tags(&self) -> PathBuf {
        self.join("tag")
    }

    pub(crate) fn tag(&self, component: &ComponentName) -> PathBuf {
        self.tags().join(component.as_str())
    }

    pub(crate) fn repos(&self) -> PathBuf {
        self.join("repos")
    }

    /// The link to the newest repository.
    pub(crate) fn current_repo(&self) -> PathBuf {
        self.join("repo")
    }

    pub(crate) fn module(&self) -> PathBuf {
        self.join("module")
    }
}

/// Returns the names of what is in a folder, in order; hidden ones are unfinished work and left out.
pub(crate) fn names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        if let Some(name) = entry?.file_name().to_str()
            && !name.starts_with('.')
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Writes a file that is either the old or the new one, whatever happens, and is on the disk afterwards.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = beside(path, "new");
    let mut file = OpenOptions::new().create(true).write(true).truncate(true).open(&part)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&part, path)?;
    sync_parent(path)
}

/// Writes a record, whole or not at all.
pub(crate) fn write_record(path: &Path, record: &impl Serialize) -> io::Result<()> {
    write_whole(path, &serde_json::to_vec_pretty(record)?)
}

/// Reads a record; nothing when there is none.
pub(crate) fn read_record<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(RECORD_BYTES).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    serde_json::from_slice(&bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// Puts a finished folder in its place; afterwards it is there, with all that is in it, also after a crash of the
/// machine.
pub(crate) fn put_folder(from: &Path, to: &Path) -> io::Result<()> {
    sync_all_in(from)?;
    fs::rename(from, to)?;
    sync_parent(to)
}

/// Returns the hidden name for something that is not finished, in the same folder.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    path.with_file_name(format!(".{name}.{suffix}"))
}

/// Writes a folder and all that is in it to the disk. Links are not followed.
fn sync_all_in(folder: &Path) -> io::Result<()> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_file() {
                open_regular(&entry.path())?.sync_all()?;
            }
        }
        File::open(&folder)?.sync_all()?;
    }
    Ok(())
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Removes a folder with all in it, also one that a stranger filled: links are not followed, nothing is too deep.
pub(crate) async fn remove_tree(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
        return Ok(());
    }
    let long = crate::process::Limits { time: Duration::from_secs(600), ..Default::default() };
    let remove = || Program::new("rm", "coreutils").args(&["-r", "-f", "--"]).path(path).limits(long);
    if remove().run().await.is_err() {
        // Folders that their owner may not look into.
        let open = Program::new("chmod", "coreutils").args(&["-R", "-f", "u+rwX", "--"]).path(path).limits(long);
        drop(open.run().await);
        remove().run().await.map_err(io::Error::other)?;
    }
    Ok(())
}

/// Opens a file that a stranger may have put there: a regular one, never a link.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// Makes the error of a port of a failed access to the data folder.
pub(crate) fn storage(error: io::Error) -> PortError {
    if error.kind() == io::ErrorKind::StorageFull {
        return PortError::unavailable("the disk of the server is full; its administrator can make room")
            .because(error);
    }
    PortError::unavailable("the server cannot keep the files of the build").because(error)
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what} in the data folder is damaged"))
}

/// Runs a piece of work on files away from the threads that answer requests.
pub(crate) async fn blocking<T, F>(work: F) -> Result<T, PortError>
where
    T: Send + 'static,
    F: FnOnce() -> Result<T, PortError> + Send + 'static,
{
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(PortError::temporary("the work on files was interrupted").because(error)))
}
