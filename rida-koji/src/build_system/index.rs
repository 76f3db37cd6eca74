//! Which task was started for which try of which component: read off the tasks' options, again and again.

use std::collections::BTreeMap;

use rida_core::{ComponentKey, ModuleBuild, PortError, Timestamp};

use super::{KojiBuildSystem, unreadable};
use crate::map::{Names, port_error, refused};
use crate::wire::Task;
use crate::xmlrpc::{Call, Struct, Value};

/// The option that names the component, as the Module Build Service has it.
pub(super) const COMPONENT: &str = "mbs_artifact_name";
/// The option that names the module's target, as the Module Build Service has it.
pub(super) const TARGET: &str = "mbs_module_target";
/// The option that counts the tries.
pub(super) const ATTEMPT: &str = "rida_attempt";
/// How far back the hub is asked again, in seconds: tasks appear when the call that makes them ends, with the time that
/// it began at, and clocks differ.
const OVERLAP: f64 = 1800.0;
/// How many tasks are asked for at once.
const PAGE: i64 = 1000;
/// How many tasks are remembered.
const REMEMBERED: usize = 200_000;

/// A try of a component, as its task's options tell it: target, component, number.
pub(super) type Try = (String, String, u32);

/// The tasks that were found.
#[derive(Debug, Default)]
pub(super) struct Index {
    tasks: BTreeMap<Try, i64>,
    /// The time from which on all tasks were seen; absent before the first look.
    from: Option<f64>,
    /// The time of the latest look, by the hub's tasks or this machine's clock.
    until: f64,
}

impl Index {
    pub(super) fn note(&mut self, key: Try, task: i64) {
        if self.tasks.len() >= REMEMBERED {
            // All of it is found again.
            *self = Self::default();
        }
        self.tasks.insert(key, task);
    }

    pub(super) fn get(&self, key: &Try) -> Option<i64> {
        self.tasks.get(key).copied()
    }

    /// Returns the tasks of earlier tries, the latest first.
    pub(super) fn earlier(&self, key: &Try) -> Vec<i64> {
        let (target, component, _) = key.clone();
        self.tasks.range((target, component, 0)..key.clone()).rev().map(|(_, task)| *task).collect()
    }

    /// Returns the time from which on to look, so that everything from `since` on is known afterwards.
    fn look_from(&self, since: f64) -> f64 {
        match self.from {
            Some(from) if from <= since => self.until - OVERLAP,
            _ => since,
        }
    }

    fn looked(&mut self, from: f64, until: f64) {
        self.from = Some(self.from.map_or(from, |known| known.min(from)));
        self.until = self.until.max(until);
    }
}

/// Returns the try that a key stands for.
pub(super) fn the_try(names: &Names, key: &ComponentKey) -> Try {
    (names.target.clone(), key.component.to_string(), key.attempt)
}

impl KojiBuildSystem {
    /// Looks for tasks of this service that were started since the module was submitted.
    pub(super) async fn look_for_tasks(&self, build: &ModuleBuild) -> Result<(), PortError> {
        let owner = self.client.user().await.map_err(port_error)?.id;
        let from = self.memory().index.look_from(seconds(build.submission.at) - OVERLAP);
        let mut latest = from;
        let mut offset = 0;
        loop {
            let tasks = self.page_of_tasks(owner, from, offset).await?;
            let full = tasks.len();
            let mut memory = self.memory();
            for task in tasks {
                latest = task.created.map_or(latest, |created| created.max(latest));
                if let Some(key) = tried(&task) {
                    memory.index.note(key, task.id);
                }
            }
            if i64::try_from(full).unwrap_or(i64::MAX) < PAGE {
                memory.index.looked(from, latest);
                return Ok(());
            }
            offset += PAGE;
        }
    }

    async fn page_of_tasks(&self, owner: i64, from: f64, offset: i64) -> Result<Vec<Task>, PortError> {
        let options = [
            ("method", Value::from("build")),
            ("owner", Value::Int(owner)),
            ("createdAfter", Value::Double(from)),
            ("decode", Value::Bool(true)),
        ];
        let query = [("order", Value::from("id")), ("limit", Value::Int(PAGE)), ("offset", Value::Int(offset))];
        let call = Call::new("listTasks", [Value::from(options), Value::from(query)]);
        let answer = self.client.read(&call).await.map_err(port_error)?;
        let tasks = answer.array("listTasks").map_err(unreadable)?.into_iter().map(Task::from_value);
        tasks.collect::<Result<_, _>>().map_err(unreadable)
    }

    /// Asks for tasks by their numbers; one that is not known is absent.
    pub(super) async fn tasks(&self, ids: &[i64]) -> Result<Vec<Option<Task>>, PortError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let call = Call::new("getTaskInfo", [Value::from(ids.to_vec())]);
        let answer = self.client.read_many(&[call]).await.map_err(port_error)?.into_iter().next();
        let answer = answer.unwrap_or(Ok(Value::Nil)).map_err(|fault| refused("tasks cannot be looked up", fault))?;
        let tasks = answer.array("getTaskInfo").map_err(unreadable)?.into_iter();
        let tasks: Vec<Option<Task>> = tasks
            .map(|task| if task.is_nil() { Ok(None) } else { Task::from_value(task).map(Some) })
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        if tasks.len() == ids.len() {
            Ok(tasks)
        } else {
            Err(PortError::temporary(format!("Koji told of {} of {} tasks", tasks.len(), ids.len())))
        }
    }
}

/// Reads off a task's options what it is for.
fn tried(task: &Task) -> Option<Try> {
    let Value::Array(request) = &task.request else { return None };
    let Some(Value::Struct(options)) = request.get(2) else { return None };
    let text = |name: &str| options.get(name).and_then(|value| value.text(name).ok()).map(str::to_owned);
    let attempt = number(options, ATTEMPT).and_then(|attempt| u32::try_from(attempt).ok());
    // Tasks of the Module Build Service have no number; what it left is a first try.
    Some((text(TARGET)?, text(COMPONENT)?, attempt.unwrap_or(1)))
}

fn number(members: &Struct, name: &str) -> Option<i64> {
    members.get(name).and_then(|value| value.int(name).ok())
}

/// Returns a time as the hub's clocks count it.
pub(super) fn seconds(at: Timestamp) -> f64 {
    std::time::Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0)).as_secs_f64()
}
