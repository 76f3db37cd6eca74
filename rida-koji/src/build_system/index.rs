//! Which task was started for which try of which component: read off the tasks' options, again and again.

use std::collections::{BTreeMap, BTreeSet};

use rida_core::{ComponentKey, ModuleBuild, PortError, Timestamp};

use super::components::builds_of;
use super::{KojiBuildSystem, unreadable};
use crate::map::{Names, port_error, refused};
use crate::wire::{Task, TaskState};
use crate::xmlrpc::{Answer, Call, Struct, Value};

/// The option that names the component, as the Module Build Service has it.
pub(super) const COMPONENT: &str = "mbs_artifact_name";
/// The option that names the module's target, as the Module Build Service has it.
pub(super) const TARGET: &str = "mbs_module_target";
/// The option that counts the tries.
pub(super) const ATTEMPT: &str = "rida_attempt";
/// The option that tells builds of one name and number from each other.
pub(super) const MARK: &str = "rida_build";
/// How far back the hub is asked again, in seconds: tasks appear when the call that makes them ends, with the time that
/// it began at, and clocks differ.
const OVERLAP: f64 = 1800.0;
/// How many tasks are asked for at once.
const PAGE: i64 = 1000;
/// The state of a build that has its packages.
const COMPLETE: i64 = 1;
/// How many tasks are remembered; looks that are under way may bring more.
const REMEMBERED: usize = 200_000;
/// How often a look begins anew when another made room for itself.
const LOOKS: u32 = 5;

/// A try of a component, as its task's options tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Try {
    target: String,
    component: String,
    /// 0 of tasks that tell none, which are the Module Build Service's.
    attempt: u32,
    /// Which build of that name and number it is for; absent of tasks that an earlier version of this service started.
    mark: Option<String>,
}

impl Try {
    /// Tells whether a task that was started for `self` is the one of `wanted`.
    fn is(&self, wanted: &Self) -> bool {
        self.attempt == wanted.attempt && self.is_of_same_build(wanted)
    }

    fn is_of_same_build(&self, wanted: &Self) -> bool {
        self.mark.is_none() || self.mark == wanted.mark
    }

    /// Tells whether a task that was started for `self` is of a try before that of `wanted`: of this build, or of
    /// one that another database has, or had, under its name and number.
    fn is_before(&self, wanted: &Self) -> bool {
        self.attempt < wanted.attempt || !self.is_of_same_build(wanted)
    }

    fn place(&self) -> (String, String) {
        (self.target.clone(), self.component.clone())
    }
}

/// The tasks that were found.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// By target and component, in the order that they were started in.
    tasks: BTreeMap<(String, String), BTreeMap<i64, Try>>,
    count: usize,
    /// The time from which on all tasks were seen; absent before the first look.
    from: Option<f64>,
    /// The time of the latest look, by the hub's tasks or this machine's clock.
    until: f64,
    /// How often room was made.
    forgotten: u64,
}

/// A look for tasks that is under way.
#[derive(Clone, Copy, Debug)]
struct Look {
    from: f64,
    forgotten: u64,
}

impl Index {
    pub(super) fn note(&mut self, started: Try, task: i64) {
        let known = self.tasks.entry(started.place()).or_default();
        self.count += usize::from(known.insert(task, started).is_none());
    }

    pub(super) fn get(&self, wanted: &Try) -> Option<i64> {
        let known = self.tasks.get(&wanted.place())?;
        known.iter().rev().find(|(_, started)| started.is(wanted)).map(|(task, _)| *task)
    }

    /// Returns the tasks of earlier tries, the latest first.
    pub(super) fn earlier(&self, wanted: &Try) -> Vec<i64> {
        let known = self.tasks.get(&wanted.place()).into_iter().flatten().rev();
        known.filter(|(_, started)| started.is_before(wanted)).map(|(task, _)| *task).collect()
    }

    /// Returns the time from which on to look, so that everything from `since` on is known afterwards.
    fn look_from(&self, since: f64) -> f64 {
        match self.from {
            Some(from) if from <= since => self.until - OVERLAP,
            _ => since,
        }
    }

    /// Begins a look, after which everything from `since` on is known.
    fn begin(&mut self, since: f64) -> Look {
        if self.count > REMEMBERED {
            self.forget_older();
        }
        Look { from: self.look_from(since), forgotten: self.forgotten }
    }

    /// Ends a look, and tells whether what it saw is known: where room was made meanwhile, some of it may not be.
    fn end(&mut self, look: Look, until: f64) -> bool {
        if look.forgotten != self.forgotten {
            return false;
        }
        self.from = Some(self.from.map_or(look.from, |known| known.min(look.from)));
        self.until = self.until.max(until);
        true
    }

    /// Forgets the older half. All of it is found again by whoever needs it.
    fn forget_older(&mut self) {
        let mut ids: Vec<i64> = self.tasks.values().flat_map(BTreeMap::keys).copied().collect();
        let middle = ids.len() / 2;
        if middle < ids.len() {
            let first_kept = *ids.select_nth_unstable(middle).1;
            for known in self.tasks.values_mut() {
                *known = known.split_off(&first_kept);
            }
            self.tasks.retain(|_, known| !known.is_empty());
        }
        self.count = self.tasks.values().map(BTreeMap::len).sum();
        self.from = None;
        self.forgotten += 1;
    }
}

/// Returns the try that a key stands for.
pub(super) fn the_try(names: &Names, key: &ComponentKey) -> Try {
    Try {
        target: names.target.clone(),
        component: key.component.to_string(),
        attempt: key.attempt,
        mark: Some(names.mark.clone()),
    }
}

/// What a look for tasks brought, and what else was asked with it.
pub(super) struct Looked {
    /// How far the tasks are that were seen.
    pub(super) states: BTreeMap<i64, TaskState>,
    pub(super) answers: std::vec::IntoIter<Answer>,
}

impl KojiBuildSystem {
    /// Looks for tasks of this service that were started since the module was submitted.
    pub(super) async fn look_for_tasks(&self, build: &ModuleBuild) -> Result<(), PortError> {
        self.look_and_ask(build, &[]).await.map(drop)
    }

    /// Looks for tasks of this service that were started since the module was submitted, and asks in the same request
    /// what else there is to ask.
    pub(super) async fn look_and_ask(&self, build: &ModuleBuild, questions: &[Call]) -> Result<Looked, PortError> {
        let owner = self.client.user().await.map_err(port_error)?.id;
        let mut states = BTreeMap::new();
        let mut others = None;
        for _ in 0..LOOKS {
            let look = self.memory().index.begin(seconds(build.submission.at) - OVERLAP);
            let (mut latest, mut offset) = (look.from, 0);
            let is_known = loop {
                let mut calls = vec![tasks_since(owner, look.from, offset)];
                calls.extend(questions.iter().filter(|_| others.is_none()).cloned());
                let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
                let page = answers.next().unwrap_or(Ok(Value::Nil));
                let page = page.map_err(|fault| refused("tasks cannot be listed", fault))?;
                let page = page.array("listTasks").map_err(unreadable)?;
                others.get_or_insert(answers);
                let full = page.len();
                let mut memory = self.memory();
                for task in page {
                    let task = Task::from_value(task).map_err(unreadable)?;
                    latest = task.created.map_or(latest, |created| created.max(latest));
                    if let Some(tried) = tried(&task) {
                        states.insert(task.id, task.state);
                        memory.index.note(tried, task.id);
                    }
                }
                if i64::try_from(full).unwrap_or(i64::MAX) < PAGE {
                    break memory.index.end(look, latest);
                }
                offset += PAGE;
            };
            if is_known {
                return Ok(Looked { states, answers: others.unwrap_or_default() });
            }
        }
        Err(PortError::unavailable("too many tasks of this service run at once to know which of them are whose"))
    }

    /// Asks for tasks by their numbers; one that is not known is absent.
    pub(super) async fn tasks(&self, ids: &[i64]) -> Result<Vec<Option<Task>>, PortError> {
        Ok(self.tasks_and_packages(ids, &[]).await?.0)
    }

    /// Asks for tasks by their numbers, and in the same request which of `eager` have made their packages.
    pub(super) async fn tasks_and_packages(
        &self,
        ids: &[i64],
        eager: &[i64],
    ) -> Result<(Vec<Option<Task>>, BTreeSet<i64>), PortError> {
        if ids.is_empty() {
            return Ok((Vec::new(), BTreeSet::new()));
        }
        let made = |task: &i64| Call::new("listBuilds", []).with("taskID", *task).with("state", COMPLETE);
        let calls: Vec<Call> = std::iter::once(Call::new("getTaskInfo", [Value::from(ids.to_vec())]))
            .chain(eager.iter().map(made))
            .collect();
        let mut answers = self.look(&calls).await?.into_iter();
        let answer =
            answers.next().unwrap_or(Ok(Value::Nil)).map_err(|fault| refused("tasks cannot be looked up", fault))?;
        let tasks = answer.array("getTaskInfo").map_err(unreadable)?.into_iter();
        let tasks: Vec<Option<Task>> = tasks
            .map(|task| if task.is_nil() { Ok(None) } else { Task::from_value(task).map(Some) })
            .collect::<Result<_, _>>()
            .map_err(unreadable)?;
        if tasks.len() != ids.len() {
            return Err(PortError::temporary(format!("Koji told of {} of {} tasks", tasks.len(), ids.len())));
        }
        // Of what is refused the task tells by itself, once it has ended.
        let is_made =
            |(task, answer): (&i64, Answer)| builds_of(answer).is_ok_and(|builds| !builds.is_empty()).then_some(*task);
        Ok((tasks, eager.iter().zip(answers).filter_map(is_made).collect()))
    }
}

/// Asks for tasks of a user that were started since a time, from one of them on.
fn tasks_since(owner: i64, from: f64, offset: i64) -> Call {
    let options = [
        ("method", Value::from("build")),
        ("owner", Value::Int(owner)),
        ("createdAfter", Value::from(text_of(from))),
        ("decode", Value::Bool(true)),
    ];
    let query = [("order", Value::from("id")), ("limit", Value::Int(PAGE)), ("offset", Value::Int(offset))];
    Call::new("listTasks", [Value::from(options), Value::from(query)])
}

/// Reads off a task's options what it is for.
fn tried(task: &Task) -> Option<Try> {
    let Value::Array(request) = &task.request else { return None };
    let Some(Value::Struct(options)) = request.get(2) else { return None };
    let text = |name: &str| options.get(name).and_then(|value| value.text(name).ok()).map(str::to_owned);
    let attempt = number(options, ATTEMPT).and_then(|attempt| u32::try_from(attempt).ok());
    Some(Try { target: text(TARGET)?, component: text(COMPONENT)?, attempt: attempt.unwrap_or(0), mark: text(MARK) })
}

fn number(members: &Struct, name: &str) -> Option<i64> {
    members.get(name).and_then(|value| value.int(name).ok())
}

/// Writes a time with its zone: of a number, hubs up to 1.34 make a text without one, in theirs, which a database of
/// another takes for another time.
fn text_of(seconds: f64) -> String {
    let since = std::time::Duration::try_from_secs_f64(seconds.max(0.0)).unwrap_or_default();
    Timestamp::EPOCH.plus(since).to_string()
}

/// Returns a time as the hub's clocks count it.
pub(super) fn seconds(at: Timestamp) -> f64 {
    std::time::Duration::from_millis(u64::try_from(at.millis()).unwrap_or(0)).as_secs_f64()
}

#[cfg(test)]
mod tests;
