//! What every task shares: the settings, the records, the machine, and the list of tasks that are under way.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rida_core::{BuildId, PortError, TaskId};
use serde::{Deserialize, Serialize};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinHandle;

use crate::build_system::packages::Package;
use crate::build_system::runner;
use crate::build_system::supervisor::Supervisor;
use crate::config::LocalConfig;
use crate::git::GitScm;
use crate::layout::{Layout, read_record, storage};
use crate::repo;
use crate::rpmbuild::HostPackages;
use crate::sandbox::Sandbox;
use crate::tasks::{Task, Tasks};

/// What packages are built with.
#[derive(Clone, Debug)]
pub(crate) enum Backend {
    Rpmbuild(HostPackages),
    /// mock, and where it is.
    Mock(PathBuf),
}

/// The description of the environment of a module build.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Environment {
    /// The module, to tell a folder of the same number that another database filled.
    pub(crate) module: String,
    /// The macros of the module, as `module-build-macros` has them.
    pub(crate) macros: String,
    /// The packages that every root has, when they are built.
    pub(crate) always: Vec<String>,
    /// The module builds whose packages can be used.
    pub(crate) required: Vec<BuildId>,
}

/// What every task shares.
pub(crate) struct Shop {
    pub(crate) config: LocalConfig,
    pub(crate) layout: Layout,
    pub(crate) tasks: Tasks,
    pub(crate) sandbox: Sandbox,
    pub(crate) supervisor: Supervisor,
    pub(crate) backend: Backend,
    pub(crate) scm: GitScm,
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) hint: Box<dyn Fn(BuildId) + Send + Sync>,
    /// One change of the records at a time.
    pub(crate) records: Mutex<()>,
    /// One repository or module at a time.
    pub(crate) repositories: tokio::sync::Mutex<()>,
    pub(crate) under_way: Mutex<BTreeMap<TaskId, UnderWay>>,
    /// Held for as long as this service uses the folder.
    pub(crate) _lock: File,
}

/// A task that this service takes care of.
pub(crate) struct UnderWay {
    pub(crate) running: Arc<Running>,
    pub(crate) handle: JoinHandle<()>,
}

/// The place of a task among those that run at once.
pub(crate) enum Slot {
    /// It runs already, with a slot when there was one left.
    Taken(Option<OwnedSemaphorePermit>),
    Wanted,
}

/// What is known of a task while it is under way.
pub(crate) struct Running {
    /// It has left the queue.
    pub(crate) open: AtomicBool,
    cancel: watch::Sender<bool>,
    done: watch::Sender<bool>,
}

impl Running {
    fn new() -> Self {
        Self { open: AtomicBool::new(false), cancel: watch::Sender::new(false), done: watch::Sender::new(false) }
    }

    /// Waits until the task is cancelled.
    pub(crate) async fn canceled(&self) {
        // The sender is here, so the wait cannot fail.
        drop(self.cancel.subscribe().wait_for(|canceled| *canceled).await);
    }

    /// Cancels the task and waits until nothing of it runs and its result is recorded, but no longer than that. Tells
    /// whether it is.
    pub(crate) async fn cancel(&self, longest: Duration) -> bool {
        let mut done = self.done.subscribe();
        self.cancel.send_replace(true);
        // A result that cannot be recorded, for want of room on the disk, is recorded by the task itself later.
        tokio::time::timeout(longest, done.wait_for(|done| *done)).await.is_ok()
    }
}

impl Shop {
    fn under_way(&self) -> MutexGuard<'_, BTreeMap<TaskId, UnderWay>> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes care of a task from now on. One that runs already does not wait for a slot.
    pub(crate) fn take_care(self: &Arc<Self>, task: Task, runs_already: bool) {
        let running = Arc::new(Running::new());
        let id = task.id;
        if self.tasks.folder(task.build, id).is_canceled() {
            running.cancel.send_replace(true);
        }
        let slot =
            if runs_already { Slot::Taken(Arc::clone(&self.slots).try_acquire_owned().ok()) } else { Slot::Wanted };
        running.open.store(runs_already, Ordering::Relaxed);
        let mut under_way = self.under_way();
        let handle = tokio::spawn(runner::run(Arc::clone(self), task, Arc::clone(&running), slot));
        under_way.insert(id, UnderWay { running, handle });
    }

    /// Forgets a task that has its result.
    pub(crate) fn forget(&self, task: TaskId) {
        if let Some(ended) = self.under_way().remove(&task) {
            ended.running.done.send_replace(true);
        }
    }

    pub(crate) fn running(&self, task: TaskId) -> Option<Arc<Running>> {
        self.under_way().get(&task).map(|under_way| Arc::clone(&under_way.running))
    }

    pub(crate) fn is_open(&self, task: TaskId) -> bool {
        self.running(task).is_some_and(|running| running.open.load(Ordering::Relaxed))
    }

    /// Lets go of all tasks. Their runs go on.
    pub(crate) fn let_go(&self) -> Vec<JoinHandle<()>> {
        let under_way = std::mem::take(&mut *self.under_way());
        let let_go = |UnderWay { running, handle }: UnderWay| {
            handle.abort();
            running.done.send_replace(true);
            handle
        };
        under_way.into_values().map(let_go).collect()
    }

    /// Returns the description that was written when the environment was prepared.
    pub(crate) fn environment(&self, build: BuildId) -> Result<Environment, PortError> {
        let record = read_record(&self.layout.build(build).join("build.json")).map_err(storage)?;
        record.ok_or_else(|| PortError::permanent("the build environment of the module was never prepared"))
    }

    /// Returns the packages of modules that a build may use, each with the folder it is in.
    pub(crate) fn pool(&self, build: BuildId, environment: &Environment) -> Result<Vec<(PathBuf, Package)>, PortError> {
        let folder = self.layout.build(build);
        let repository = folder.repos().join(repo::generation(&folder).to_string());
        let own = repo::available(&folder)?.into_iter().map(|package| (repository.clone(), package));
        let mut pool: Vec<_> = own.collect();
        for required in &environment.required {
            let Some((place, packages)) = repo::finished(&self.layout.build(*required))? else { continue };
            pool.extend(packages.into_iter().map(|package| (place.clone(), package)));
        }
        Ok(pool)
    }

    /// Tells whether the disk has more room than must be spared.
    pub(crate) fn has_room(&self) -> Result<bool, PortError> {
        let disk = rustix::fs::statvfs(self.layout.root()).map_err(|error| storage(error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize) > self.config.spare_disk)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_cancellation_that_cannot_be_recorded_holds_nobody_up() {
        let running = Running::new();
        assert!(!running.cancel(Duration::from_millis(20)).await);
        assert!(*running.cancel.borrow(), "the task is ended all the same");
        running.done.send_replace(true);
        assert!(running.cancel(Duration::from_secs(60)).await);
    }
}
