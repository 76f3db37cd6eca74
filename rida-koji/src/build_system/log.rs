//! Build logs, read from the hub piece by piece.

use base64::Engine;
use rida_core::{ComponentKey, LogChunk, PortError};

use super::index::the_try;
use super::{KojiBuildSystem, unreadable};
use crate::map::{Names, port_error};
use crate::wire::{Task, TaskState};
use crate::xmlrpc::{Call, Value};

/// The log that a builder writes while it builds.
const LOG: &str = "build.log";
/// What tells why, of a task that failed before it came to that: first what tells most.
const EARLIER: &[&str] = &["root.log", "mock_output.log", "checkout.log"];
/// The tasks that make a source package.
const SOURCE_TASKS: &[&str] = &["buildSRPMFromSCM", "rebuildSRPM"];
/// How much of a log is asked for at once.
const LARGEST_CHUNK: usize = 4 * 1024 * 1024;

impl KojiBuildSystem {
    pub(super) async fn read_component_log(
        &self,
        key: &ComponentKey,
        offset: u64,
        max: usize,
    ) -> Result<LogChunk, PortError> {
        let none = || PortError::permanent("there is no log for this component");
        let task = self.task_of(key).await?.ok_or_else(none)?;
        // First the state: nothing is added to a log after its task ended.
        let ended = match self.tasks(&[task]).await?.into_iter().next().flatten() {
            Some(task) => !task.state.is_active(),
            None => true,
        };
        let call = Call::new("getTaskChildren", [Value::Int(task)]);
        let children = self.client.read(&call).await.map_err(port_error)?;
        let children = children.array("getTaskChildren").map_err(unreadable)?.into_iter().map(Task::from_value);
        let mut children: Vec<Task> = children.collect::<Result<_, _>>().map_err(unreadable)?;
        // While the source package is made, nobody can know whether its log will be the one that counts.
        let is_early = |child: &Task| child.state == TaskState::Failed && SOURCE_TASKS.contains(&child.method.as_str());
        children.retain(|child| child.method == "buildArch" || is_early(child));
        // The one that failed tells why; otherwise they tell the same.
        children.sort_by(|a, b| (a.state != TaskState::Failed, &a.arch).cmp(&(b.state != TaskState::Failed, &b.arch)));
        let Some(child) = children.first() else { return Ok(LogChunk { bytes: Vec::new(), complete: ended }) };
        let Some((file, size)) = self.log_of(child).await? else {
            return Ok(LogChunk { bytes: Vec::new(), complete: ended });
        };
        if offset >= size {
            return Ok(LogChunk { bytes: Vec::new(), complete: ended });
        }
        let most = i64::try_from(max.min(LARGEST_CHUNK)).unwrap_or(i64::MAX);
        let call = Call::new("downloadTaskOutput", [Value::Int(child.id), Value::from(file)])
            .with("offset", i64::try_from(offset).unwrap_or(i64::MAX))
            .with("size", most);
        let bytes = match self.client.read(&call).await.map_err(port_error)? {
            Value::Bytes(bytes) => bytes,
            other => {
                let packed: String = other.text("downloadTaskOutput").map_err(unreadable)?.split_whitespace().collect();
                let broken = |error| PortError::temporary("a piece of a log cannot be read").because(error);
                crate::xmlrpc::lenient().decode(packed).map_err(broken)?
            }
        };
        let end = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        Ok(LogChunk { complete: ended && end >= size, bytes })
    }

    /// Finds the task of a key: in what is known, or by its module.
    async fn task_of(&self, key: &ComponentKey) -> Result<Option<i64>, PortError> {
        let find = |names: &Names| {
            let (this, memory) = (the_try(names, key), self.memory());
            memory.index.get(&this)
        };
        let known = self.memory().names.get(&key.build).cloned();
        if let Some(task) = known.as_ref().and_then(find) {
            return Ok(Some(task));
        }
        let unavailable = |error| PortError::unavailable("what is known of the build cannot be read").because(error);
        let Some(build) = self.builds.load(key.build).await.map_err(unavailable)? else { return Ok(None) };
        let component = build.component(&key.component).filter(|(_, component)| component.attempt == key.attempt);
        if let Some(task) = component.and_then(|(_, component)| component.state.task()) {
            return Ok(Some(task.0));
        }
        self.look_for_tasks(&build).await?;
        Ok(find(&self.names(&build)))
    }

    /// Returns the log of a task, and how long it is.
    async fn log_of(&self, task: &Task) -> Result<Option<(&'static str, u64)>, PortError> {
        let call = Call::new("listTaskOutput", [Value::Int(task.id)]).with("stat", true);
        let mut files = self.client.read(&call).await.map_err(port_error)?.fields("files").map_err(unreadable)?;
        let others = EARLIER.iter().filter(|_| task.state == TaskState::Failed);
        for name in std::iter::once(&LOG).chain(others) {
            let file = files.take(name);
            if file.is_nil() {
                continue;
            }
            // It is a text, since it may be longer than XML-RPC's numbers.
            let size = match file.fields("log").map_err(unreadable)?.take("st_size") {
                Value::Text(size) => size.parse().unwrap_or(0),
                Value::Int(size) => u64::try_from(size).unwrap_or(0),
                _ => 0,
            };
            if size > 0 {
                return Ok(Some((name, size)));
            }
        }
        Ok(None)
    }
}
