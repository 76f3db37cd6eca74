//! Following tasks: many are asked about at once, whichever build it was that somebody wanted to know of.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rida_core::{ComponentKey, ComponentState, Fact, ModuleBuild, PortError, TaskId, TaskProgress};

use super::components::builds_of;
use super::{KojiBuildSystem, unreadable};
use crate::map::{in_short, nvr, port_error, refused};
use crate::wire::{Task, TaskState};
use crate::xmlrpc::{Call, Fault, Value};

/// How many tasks are asked about in one call.
const BATCH: usize = 200;
/// How long after a message about a task it is asked about at nearly every look.
const EAGER: Duration = Duration::from_secs(30);
/// How old what is known of it may be then: not every look of many that come together.
const EAGERLY: Duration = Duration::from_secs(5);
/// How many that run are asked for after a restart.
const MOST: i64 = 10_000;
/// After this long a task that nobody asked about is forgotten.
const FORGOTTEN: Duration = Duration::from_secs(300);

/// What is known of tasks that somebody waits for.
#[derive(Debug, Default)]
pub(super) struct Watched {
    tasks: BTreeMap<i64, Known>,
    /// All that runs was asked for once.
    has_begun: bool,
}

/// What the hub said of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said {
    /// It was not asked.
    Nothing,
    /// It does not know the task.
    Unknown,
    /// How far the task is.
    State(TaskState),
}

impl From<Option<TaskState>> for Said {
    fn from(state: Option<TaskState>) -> Self {
        state.map_or(Self::Unknown, Self::State)
    }
}

#[derive(Debug)]
struct Known {
    said: Said,
    /// When it said so; absent when that does not count any more.
    at: Option<Duration>,
    /// Since when somebody has wanted to know.
    since: Duration,
    /// When somebody last wanted to know.
    wanted: Duration,
    /// Until when it is asked about more often: there was a message, and messages come before the task ends.
    eager_until: Duration,
}

impl Known {
    const fn new(now: Duration) -> Self {
        Self { said: Said::Nothing, at: None, since: now, wanted: now, eager_until: Duration::ZERO }
    }
}

impl Watched {
    /// Takes what is known of tasks for old.
    pub(super) fn expire(&mut self, tasks: impl IntoIterator<Item = i64>, now: Duration) {
        for task in tasks {
            if let Some(known) = self.tasks.get_mut(&task) {
                known.at = None;
                known.eager_until = now + EAGER;
            }
        }
    }

    /// Tells, once, that the hub was never asked about tasks which somebody wants to know of: another process has started
    /// them.
    fn begins(&mut self, ids: &[i64]) -> bool {
        let begins = !self.has_begun && ids.iter().any(|id| self.said(*id) == Said::Nothing);
        self.has_begun |= begins;
        begins
    }

    /// Notes that a task was started just now, so that nobody has to ask for a while.
    pub(super) fn started(&mut self, task: i64, now: Duration) {
        self.seen(task, TaskState::Free, now);
    }

    fn seen(&mut self, task: i64, state: TaskState, now: Duration) {
        let known = Known { said: Said::State(state), at: Some(now), ..Known::new(now) };
        self.tasks.entry(task).or_insert(known);
    }

    /// Notes that somebody wants to know of these tasks.
    fn want(&mut self, ids: &[i64], now: Duration) {
        for id in ids {
            let known = self.tasks.entry(*id).or_insert(Known::new(now));
            known.wanted = now;
        }
    }

    /// Forgets the tasks that nobody has wanted to know of for long. Only who asks may do so: what others ask about has to
    /// be there when the answer comes.
    fn forget(&mut self, now: Duration) {
        self.tasks.retain(|_, known| now.saturating_sub(known.wanted) < FORGOTTEN);
    }

    /// Returns the tasks that have to be asked about: none when what is known of `ids` is fresh; otherwise those among
    /// all that somebody waits for and that are not.
    fn stale(&self, ids: &[i64], now: Duration, fresh: impl Fn(Duration) -> Duration) -> Vec<i64> {
        let is_fresh = |known: &Known| {
            known.at.is_some_and(|at| {
                // What has ended stays as it is.
                let ended = matches!(known.said, Said::State(state) if !state.is_active());
                let fresh = |waited| if now < known.eager_until { EAGERLY.min(fresh(waited)) } else { fresh(waited) };
                ended || now.saturating_sub(at) < fresh(now.saturating_sub(known.since))
            })
        };
        if ids.iter().all(|id| self.tasks.get(id).is_some_and(is_fresh)) {
            return Vec::new();
        }
        self.tasks.iter().filter(|(_, known)| !is_fresh(known)).map(|(id, _)| *id).collect()
    }

    /// Returns those that there was a message about a little while ago.
    fn eager(&self, ids: &[i64], now: Duration) -> Vec<i64> {
        let is_eager = |id: &i64| self.tasks.get(id).is_some_and(|known| now < known.eager_until);
        ids.iter().copied().filter(is_eager).collect()
    }

    fn learn(&mut self, id: i64, state: Option<TaskState>, now: Duration) {
        if let Some(known) = self.tasks.get_mut(&id) {
            known.said = Said::from(state);
            known.at = Some(now);
        }
    }

    fn said(&self, id: i64) -> Said {
        self.tasks.get(&id).map_or(Said::Nothing, |known| known.said)
    }
}

impl KojiBuildSystem {
    pub(super) async fn follow_build(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError> {
        let waiting: Vec<(ComponentKey, i64)> = build
            .components()
            .enumerate()
            .filter_map(|(index, (_, component))| match component.state {
                ComponentState::Building { task, .. } => Some((build.key(index)?, task.0)),
                _ => None,
            })
            .collect();
        let ids: Vec<i64> = waiting.iter().map(|(_, task)| *task).collect();
        let said = self.refresh(&ids).await?;
        let (mut facts, mut trouble) = self.results(waiting.into_iter().zip(said).collect()).await?;
        match self.repository(build).await {
            Ok(fact) => facts.extend(fact),
            Err(error) => trouble = Some(error),
        }
        // What is known of others is told first.
        match trouble {
            Some(error) if facts.is_empty() => Err(error),
            Some(error) => {
                tracing::warn!(build.id = build.id.get(), %error, "Koji does not tell all that a build waits for");
                Ok(facts)
            }
            None => Ok(facts),
        }
    }

    /// Sees to it that what is known of tasks is fresh, and tells it.
    async fn refresh(&self, ids: &[i64]) -> Result<Vec<Said>, PortError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // Whoever asks meanwhile asks about these too.
        let has_begun = {
            let mut memory = self.memory();
            memory.watched.want(ids, (self.elapsed)());
            memory.watched.has_begun
        };
        if !has_begun {
            // It takes a login, which nobody else is to wait for.
            self.client.user().await.map_err(port_error)?;
        }
        // Who waits here finds that somebody else has asked meanwhile.
        let _asking = self.asking.lock().await;
        let now = (self.elapsed)();
        let begins = {
            let mut memory = self.memory();
            memory.watched.forget(now);
            // Who has waited for long was forgotten.
            memory.watched.want(ids, now);
            memory.watched.begins(ids)
        };
        if begins {
            self.learn_all(now).await?;
        }
        let stale = self.memory().watched.stale(ids, now, |waited| self.freshness(waited));
        for batch in stale.chunks(BATCH) {
            let eager = self.memory().watched.eager(batch, now);
            let (tasks, complete) = self.tasks_and_packages(batch, &eager).await?;
            let mut memory = self.memory();
            for (id, task) in batch.iter().zip(tasks) {
                let state = task.map(|task: Task| task.state);
                // Its packages are told of before it ends; it has nothing more to do.
                let is_done = complete.contains(id) && state.is_some_and(|state| state.is_active());
                memory.watched.learn(*id, if is_done { Some(TaskState::Closed) } else { state }, now);
            }
        }
        let memory = self.memory();
        Ok(ids.iter().map(|id| memory.watched.said(*id)).collect())
    }

    /// Learns of all tasks of this service that run: after a restart many builds are looked at, one after the other.
    async fn learn_all(&self, now: Duration) -> Result<(), PortError> {
        let owner = self.client.user().await.map_err(port_error)?.id;
        let options = [
            ("method", Value::from("build")),
            ("owner", Value::Int(owner)),
            ("state", Value::Array([0, 1, 4].map(Value::Int).to_vec())),
        ];
        let query = [("order", Value::from("-id")), ("limit", Value::Int(MOST))];
        let call = Call::new("listTasks", [Value::from(options), Value::from(query)]);
        let answer = self.look(&[call]).await?.pop().unwrap_or(Ok(Value::Nil));
        let answer = answer.map_err(|fault| refused("tasks cannot be listed", fault))?;
        let mut memory = self.memory();
        for task in answer.array("listTasks").map_err(unreadable)? {
            let task = Task::from_value(task).map_err(unreadable)?;
            memory.watched.seen(task.id, task.state, now);
            memory.watched.learn(task.id, Some(task.state), now);
        }
        Ok(())
    }

    /// Tells what became of tasks, and what is wrong with an answer about one of them; asks for the results of those that
    /// ended, all at once.
    async fn results(
        &self,
        tasks: Vec<((ComponentKey, i64), Said)>,
    ) -> Result<(Vec<Fact>, Option<PortError>), PortError> {
        let questions: Vec<Call> = tasks
            .iter()
            .filter_map(|((_, task), said)| match said {
                Said::State(TaskState::Closed) => Some(Call::new("listBuilds", []).with("taskID", *task)),
                Said::State(TaskState::Failed) => {
                    Some(Call::new("getTaskResult", [Value::Int(*task)]).with("raise_fault", false))
                }
                _ => None,
            })
            .collect();
        let answers = if questions.is_empty() { Vec::new() } else { self.look(&questions).await? };
        let mut answers = answers.into_iter();
        let (mut facts, mut trouble) = (Vec::new(), None);
        for ((key, id), said) in tasks {
            let (component, attempt, task) = (key.component, key.attempt, TaskId(id));
            let progress = |progress| Fact::TaskProgressed { component: component.clone(), attempt, task, progress };
            let failed = |reason: String| Fact::ComponentFailed {
                component: component.clone(),
                attempt,
                task: Some(task),
                reason: Arc::from(reason),
            };
            let state = match said {
                Said::State(state) => state,
                Said::Unknown => {
                    facts.push(failed(format!("Koji does not know the task {id}")));
                    continue;
                }
                Said::Nothing => {
                    trouble = Some(PortError::temporary(format!("Koji was not asked about the task {id}")));
                    continue;
                }
            };
            facts.push(match state {
                TaskState::Free => progress(TaskProgress::Free),
                TaskState::Assigned => progress(TaskProgress::Assigned),
                TaskState::Open => progress(TaskProgress::Open),
                TaskState::Canceled => failed(format!("Koji's task {id} was cancelled")),
                TaskState::Closed => match builds_of(answers.next().unwrap_or(Ok(Value::Nil))) {
                    Ok(builds) => match builds.first().map(|build| nvr(&build.nvr)) {
                        Some(Ok(nvr)) => Fact::ComponentBuilt { component, attempt, task, nvr: Arc::new(nvr) },
                        Some(Err(error)) => failed(error.message().to_owned()),
                        None => failed(format!("Koji's task {id} ended without a package")),
                    },
                    Err(error) => {
                        trouble = Some(error);
                        continue;
                    }
                },
                TaskState::Failed => {
                    let reason = match answers.next().unwrap_or(Ok(Value::Nil)) {
                        Ok(result) => Fault::from_value(&result).map(|fault| fault.message),
                        // That it failed is known all the same.
                        Err(fault) => Some(format!("its result cannot be read: {}", fault.message)),
                    };
                    failed(format!(
                        "Koji's task {id} failed: {}",
                        reason.as_deref().map_or("no reason is told", in_short)
                    ))
                }
            });
        }
        Ok((facts, trouble))
    }
}
