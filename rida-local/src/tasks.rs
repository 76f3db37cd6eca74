//! The record of tasks: what was asked to be built, and what became of it. All of it is on the disk.
//!
//! A task is there when its key is: the key's file is written last. What a task came to is there when its result is.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rida_core::{BuildId, ComponentKey, ComponentName, Nvr, PinnedSource, TaskId};
use serde::{Deserialize, Serialize};

use crate::layout::{BuildFolder, Layout, names, put_folder, read_record, write_record};

/// What is to be built.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Task {
    pub(crate) id: TaskId,
    pub(crate) build: BuildId,
    pub(crate) component: ComponentName,
    pub(crate) source: Source,
}

/// Where the sources come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Source {
    /// A commit, and the lookaside cache for what its `sources` file names.
    Git { pinned: PinnedSource, cache: Option<Arc<str>> },
    /// Files made by the orchestrator, each with its name.
    Generated(Vec<(String, String)>),
}

/// What became of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TaskResult {
    Built(Arc<Nvr>),
    Failed(Arc<str>),
    Canceled,
}

/// The task of a key.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct KeyRecord {
    task: Option<TaskId>,
    /// The key's task is not wanted any more, or, without one, never to be started.
    cancelled: bool,
}

/// What a key's record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    Unknown,
    Task(TaskId),
    /// Cancelled before it had a task.
    NeverStarts,
}

/// What is asked for when a task starts.
pub(crate) enum Started {
    /// A new task; it has to be run.
    New(Task),
    /// There was one for this key, or one that an earlier try left.
    Known(TaskId),
    /// The key was cancelled.
    NeverStarts,
}

/// The folder of one task.
#[derive(Clone, Debug)]
pub(crate) struct TaskFolder(PathBuf);

/// The record of tasks in a data folder. The caller lets one change happen at a time.
#[derive(Clone, Debug)]
pub(crate) struct Tasks {
    layout: Layout,
}

impl Tasks {
    pub(crate) fn new(layout: Layout) -> Self {
        Self { layout }
    }

    pub(crate) fn folder(&self, build: BuildId, task: TaskId) -> TaskFolder {
        TaskFolder(self.layout.build(build).task(task))
    }

    pub(crate) fn state(&self, key: &ComponentKey) -> io::Result<KeyState> {
        let record = self.record(key)?;
        Ok(match record {
            None => KeyState::Unknown,
            Some(KeyRecord { task: Some(task), .. }) => KeyState::Task(task),
            Some(KeyRecord { task: None, .. }) => KeyState::NeverStarts,
        })
    }

    fn record(&self, key: &ComponentKey) -> io::Result<Option<KeyRecord>> {
        read_record(&self.layout.build(key.build).key(key))
    }

    fn write(&self, key: &ComponentKey, record: &KeyRecord) -> io::Result<()> {
        write_record(&self.layout.build(key.build).key(key), record)
    }

    /// Returns the task of a key, and makes one when there is none and no earlier try left one that is of use.
    pub(crate) fn start(&self, key: &ComponentKey, source: Source) -> io::Result<Started> {
        match self.state(key)? {
            KeyState::Task(task) => return Ok(Started::Known(task)),
            KeyState::NeverStarts => return Ok(Started::NeverStarts),
            KeyState::Unknown => {}
        }
        for attempt in (1..key.attempt).rev() {
            let earlier = ComponentKey { attempt, ..key.clone() };
            if let KeyState::Task(task) = self.state(&earlier)?
                && self.is_of_use(key.build, task)?
            {
                self.write(key, &KeyRecord { task: Some(task), cancelled: false })?;
                return Ok(Started::Known(task));
            }
        }
        let folder = self.layout.build(key.build);
        fs::create_dir_all(folder.keys())?;
        fs::create_dir_all(folder.tasks())?;
        let id = self.layout.next_task()?;
        let task = Task { id, build: key.build, component: key.component.clone(), source };
        let part = crate::layout::beside(&folder.task(id), "new");
        fs::create_dir(&part)?;
        write_record(&part.join("task.json"), &task)?;
        put_folder(&part, &folder.task(id))?;
        self.write(key, &KeyRecord { task: Some(id), cancelled: false })?;
        Ok(Started::New(task))
    }

    fn is_of_use(&self, build: BuildId, task: TaskId) -> io::Result<bool> {
        let folder = self.folder(build, task);
        Ok(!folder.is_canceled() && matches!(folder.result()?, None | Some(TaskResult::Built(_))))
    }

    /// Records that a key is cancelled, and returns the task that has to end with it.
    pub(crate) fn cancel(&self, key: &ComponentKey) -> io::Result<Option<TaskId>> {
        let record = self.record(key)?.unwrap_or_default();
        fs::create_dir_all(self.layout.build(key.build).keys())?;
        self.write(key, &KeyRecord { cancelled: true, ..record.clone() })?;
        let Some(task) = record.task else { return Ok(None) };
        let folder = self.folder(key.build, task);
        if folder.result()?.is_some() || self.is_wanted_later(key, task)? {
            return Ok(None);
        }
        fs::write(folder.join("canceled"), "")?;
        Ok(Some(task))
    }

    fn is_wanted_later(&self, key: &ComponentKey, task: TaskId) -> io::Result<bool> {
        for name in names(&self.layout.build(key.build).keys())? {
            let Some((component, attempt)) = name.rsplit_once('.') else { continue };
            let Ok(attempt) = attempt.parse::<u32>() else { continue };
            if component == key.component.as_str() && attempt > key.attempt {
                let later = ComponentKey { attempt, ..key.clone() };
                if self.record(&later)?.is_some_and(|record| record.task == Some(task) && !record.cancelled) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    /// Returns the tasks that have no result, oldest first, and removes what was started without being finished.
    pub(crate) fn unfinished(&self) -> io::Result<Vec<Task>> {
        let mut tasks = Vec::new();
        for build in self.layout.builds()? {
            let folder = self.layout.build(build);
            let known = self.known(&folder)?;
            let entries = match fs::read_dir(folder.tasks()) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                entries => entries?,
            };
            for entry in entries {
                let entry = entry?;
                let name = entry.file_name();
                let id = name.to_str().and_then(|name| name.parse().ok()).map(TaskId);
                let task = id.filter(|id| known.contains(id));
                let Some(id) = task else {
                    // The service ended between the task and its key: nobody was told of it.
                    drop(fs::remove_dir_all(entry.path()));
                    continue;
                };
                let task_folder = self.folder(build, id);
                if task_folder.result()?.is_none()
                    && let Some(task) = read_record(&task_folder.join("task.json"))?
                {
                    tasks.push(task);
                }
            }
        }
        tasks.sort_by_key(|task: &Task| task.id);
        Ok(tasks)
    }

    fn known(&self, folder: &BuildFolder) -> io::Result<Vec<TaskId>> {
        let keys = folder.keys();
        let mut known = Vec::new();
        // Tasks without a key are removed: only a folder that is not there has none.
        let there = match names(&keys) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            names => names?,
        };
        for name in there {
            let record: Option<KeyRecord> = read_record(&keys.join(name))?;
            known.extend(record.and_then(|record| record.task));
        }
        Ok(known)
    }
}

impl TaskFolder {
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.join("log")
    }

    pub(crate) fn work(&self) -> PathBuf {
        self.join("work")
    }

    pub(crate) fn sources(&self) -> PathBuf {
        self.join("sources")
    }

    /// What was built, once it is checked.
    pub(crate) fn packages(&self) -> PathBuf {
        self.join("packages")
    }

    pub(crate) fn is_canceled(&self) -> bool {
        self.join("canceled").exists()
    }

    pub(crate) fn result(&self) -> io::Result<Option<TaskResult>> {
        read_record(&self.join("result.json"))
    }

    pub(crate) fn write_result(&self, result: &TaskResult) -> io::Result<()> {
        write_record(&self.join("result.json"), result)
    }
}
