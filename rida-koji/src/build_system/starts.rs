//! Components of a module that start at the same moment, and are looked for and started together.
//!
//! Whoever wants a component started says so here, and waits for the module's turn: a moment, while the module has others
//! that are to start and nobody here wants yet. Who has the turn starts whatever is wanted by then. Nothing else is
//! started: an instruction is for who leased it, which may be another process.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rida_core::{BuildId, ComponentKey, ComponentState, ModuleBuild, PortError, TaskId};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::xmlrpc::Value;

/// How often it is looked whether the others have come.
const LOOKS: u32 = 10;

/// How many are started at once: more in one transaction of the hub would hold its locks for too long.
const AT_ONCE: usize = 50;

/// What became of a start.
pub(super) type Started = Result<TaskId, PortError>;

/// A component that is to start.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) key: ComponentKey,
    /// What Koji is to build; absent for the macros, which are packed when nothing was found of them.
    pub(super) source: Option<Result<String, PortError>>,
    /// The options of its task.
    pub(super) options: Value,
    /// Who waits for the task.
    answers: Vec<oneshot::Sender<Started>>,
}

impl Start {
    pub(super) fn new(key: ComponentKey, source: Option<Result<String, PortError>>, options: Value) -> Self {
        Self { key, source, options, answers: Vec::new() }
    }

    /// Tells what became of it to everybody who waits.
    pub(super) fn answer(mut self, started: Started) {
        let last = self.answers.pop();
        let copies: Vec<Started> = self.answers.iter().map(|_| copy(&started)).collect();
        for (answer, started) in self.answers.into_iter().chain(last).zip(copies.into_iter().chain([started])) {
            // Who does not wait any more finds the task when it looks again.
            let _ = answer.send(started);
        }
    }
}

/// Copies what became of a start, without the cause of a failure, which is told once.
fn copy(started: &Started) -> Started {
    match started {
        Ok(task) => Ok(*task),
        Err(error) => Err(PortError::new(error.kind(), error.message())),
    }
}

/// What is to start, by module.
#[derive(Debug, Default)]
pub(super) struct Starts(Mutex<BTreeMap<BuildId, Module>>);

#[derive(Debug, Default)]
struct Module {
    wanted: Vec<Start>,
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// Somebody who waits for a start.
pub(super) struct Waiting {
    /// Whoever holds it starts what is wanted of the module.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    answer: oneshot::Receiver<Started>,
}

impl Waiting {
    /// Returns what became of the start, when somebody has done it. After [`Self::is_lost`] nobody will.
    pub(super) fn answer(&mut self) -> Option<Started> {
        self.answer.try_recv().ok()
    }

    /// Tells whether whoever was to answer has ended without it.
    pub(super) fn is_lost(&mut self) -> bool {
        matches!(self.answer.try_recv(), Err(TryRecvError::Closed))
    }
}

impl Starts {
    fn modules(&self) -> MutexGuard<'_, BTreeMap<BuildId, Module>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wants a component started, and returns what to wait for.
    pub(super) fn want(&self, mut start: Start) -> Waiting {
        let (sender, answer) = oneshot::channel();
        start.answers.push(sender);
        let mut modules = self.modules();
        modules.retain(|_, module| Arc::strong_count(&module.turn) > 1);
        let module = modules.entry(start.key.build).or_default();
        module.wanted.push(start);
        Waiting { turn: Arc::clone(&module.turn), answer }
    }

    /// Waits until all of a module's components that are to start are wanted, for so long at most.
    pub(super) async fn gather(&self, build: &ModuleBuild, longest: Duration) {
        let is_to_start = |state: &ComponentState| matches!(state, ComponentState::Submitted);
        let all = build.components.iter().filter(|component| is_to_start(&component.state)).count().min(AT_ONCE);
        let mut before = 0;
        for _ in 0..LOOKS {
            let wanted = self.wanted(build.id);
            // Fewer than before: somebody starts them.
            if wanted >= all || wanted < before {
                return;
            }
            before = wanted;
            tokio::time::sleep(longest / LOOKS).await;
        }
    }

    fn wanted(&self, build: BuildId) -> usize {
        self.modules().get(&build).map_or(0, |module| module.wanted.len())
    }

    /// Takes what is wanted of a module, each component once, and leaves out what nobody waits for any more.
    pub(super) fn take(&self, build: BuildId) -> Vec<Start> {
        let mut modules = self.modules();
        let Some(module) = modules.get_mut(&build) else { return Vec::new() };
        let mut taken: Vec<Start> = Vec::new();
        for mut start in std::mem::take(&mut module.wanted) {
            start.answers.retain(|answer| !answer.is_closed());
            if start.answers.is_empty() {
                continue;
            }
            let room = taken.len() < AT_ONCE;
            match taken.iter_mut().find(|known| known.key == start.key) {
                Some(known) => known.answers.append(&mut start.answers),
                None if room => taken.push(start),
                None => module.wanted.push(start),
            }
        }
        taken
    }
}
