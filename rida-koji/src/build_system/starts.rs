//! Components of a module that start at the same moment, and are looked for and started together.
//!
//! Whoever wants a component started says so here and waits for the module's turn. Who has the turn starts whatever is
//! wanted by then, so that the first of a batch goes alone and the others follow together. Nothing else is started: an
//! instruction is for who leased it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rida_core::{BuildId, ComponentKey, PortError, TaskId};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::TryRecvError;

use crate::xmlrpc::Value;

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
