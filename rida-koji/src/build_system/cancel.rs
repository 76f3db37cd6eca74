//! Ending tasks that nobody waits for any more.

use rida_core::{ComponentKey, ComponentState, ModuleBuild, PortError, TaskId};

use super::KojiBuildSystem;
use super::index::the_try;
use crate::error::{KojiErrorKind, fault};
use crate::map::{Names, port_error};
use crate::wire::Tag;
use crate::xmlrpc::{Call, Value};

/// What the settings of a tag begin with that say that a try must never start.
const CANCELLED: &str = "rida.cancelled";

fn note(key: &ComponentKey) -> String {
    format!("{CANCELLED}.{}.{}", key.component, key.attempt)
}

/// Tells whether a try must never start.
pub(super) fn is_noted(tag: Option<&Tag>, names: &Names, key: &ComponentKey) -> bool {
    tag.and_then(|tag| tag.extra.get(&note(key))).is_some_and(|noted| match noted {
        // Of another build of that name and number, which another database had.
        Value::Text(mark) => *mark == names.mark,
        _ => true,
    })
}

impl KojiBuildSystem {
    pub(super) async fn cancel_component(
        &self,
        build: &ModuleBuild,
        key: &ComponentKey,
        task: Option<TaskId>,
    ) -> Result<(), PortError> {
        let names = self.names(build);
        let this = the_try(&names, key);
        if is_wanted_by_later(build, key) {
            return Ok(());
        }
        if task.is_none() {
            self.note_cancellation(&names, key).await?;
            self.look_for_tasks(build).await?;
        }
        // A try may have taken over the task of an earlier one without anybody having been told.
        let mut tasks: Vec<i64> = task.into_iter().map(|task| task.0).collect();
        {
            let memory = self.memory();
            tasks.extend(memory.index.get(&this));
            tasks.extend(memory.index.earlier(&this));
        }
        tasks.sort_unstable();
        tasks.dedup();
        let known = self.tasks(&tasks).await?;
        for task in known.into_iter().flatten().filter(|task| task.state.is_active()) {
            self.end_task(task.id).await?;
        }
        Ok(())
    }

    /// Notes in the module's tag that a try must never start. Without a tag none can.
    async fn note_cancellation(&self, names: &Names, key: &ComponentKey) -> Result<(), PortError> {
        let extra = Value::from([(note(key).as_str(), Value::from(names.mark.as_str()))]);
        let call = Call::new("editTag2", [Value::from(names.build_tag.as_str())]).with("extra", extra);
        match self.client.write(&call).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == KojiErrorKind::Committed => Ok(()),
            // There is no such tag.
            Err(error) if error.fault().is_some_and(|fault| fault.code == fault::GENERIC) => Ok(()),
            Err(error) => Err(port_error(error)),
        }
    }

    /// Ends a task. One that has ended stays as it is.
    pub(super) async fn end_task(&self, task: i64) -> Result<(), PortError> {
        match self.client.write(&Call::new("cancelTask", [Value::Int(task)])).await {
            Ok(_) => Ok(()),
            Err(error) if error.kind() == KojiErrorKind::Committed => Ok(()),
            Err(error) => Err(port_error(error)),
        }
    }
}

/// Tells whether a later try has, or is about to take, what this one started.
fn is_wanted_by_later(build: &ModuleBuild, key: &ComponentKey) -> bool {
    build.component(&key.component).is_some_and(|(_, component)| {
        component.attempt > key.attempt
            && matches!(component.state, ComponentState::Submitted | ComponentState::Building { .. })
    })
}
