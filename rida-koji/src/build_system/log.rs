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
        children.retain(|child| child.method == "buildArch");
        // The one that failed tells why; otherwise they tell the same.
        children.sort_by(|a, b| (a.state != TaskState::Failed, &a.arch).cmp(&(b.state != TaskState::Failed, &b.arch)));
        let Some(child) = children.first() else { return Ok(LogChunk { bytes: Vec::new(), complete: ended }) };
        let size = self.log_size(child.id).await?.unwrap_or(0);
        if offset >= size {
            return Ok(LogChunk { bytes: Vec::new(), complete: ended });
        }
        let most = i64::try_from(max.min(LARGEST_CHUNK)).unwrap_or(i64::MAX);
        let call = Call::new("downloadTaskOutput", [Value::Int(child.id), Value::from(LOG)])
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

    async fn log_size(&self, task: i64) -> Result<Option<u64>, PortError> {
        let call = Call::new("listTaskOutput", [Value::Int(task)]).with("stat", true);
        let mut files = self.client.read(&call).await.map_err(port_error)?.fields("files").map_err(unreadable)?;
        let log = files.take(LOG);
        if log.is_nil() {
            return Ok(None);
        }
        // It is a text, since it may be longer than XML-RPC's numbers.
        Ok(match log.fields("log").map_err(unreadable)?.take("st_size") {
            Value::Text(size) => size.parse().ok(),
            Value::Int(size) => u64::try_from(size).ok(),
            _ => None,
        })
    }
}
