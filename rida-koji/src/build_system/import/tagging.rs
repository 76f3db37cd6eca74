//! Putting imported modules where finished ones are looked for: a builder does that, and may be refused.

use std::collections::BTreeMap;
use std::time::Duration;

use rida_core::{ModuleBuild, PortError};

use super::super::{KojiBuildSystem, PATIENCE, REMEMBERED, running, unreadable};
use super::Imported;
use crate::config::ImportConfig;
use crate::error::KojiErrorKind;
use crate::map::{in_short, port_error, refused};
use crate::wire::{Build, Tag, Task, TaskState};
use crate::xmlrpc::{Answer, Call, Fault, Value};

/// What builders were asked to tag for a module.
#[derive(Debug)]
pub(in crate::build_system) struct Putting {
    since: Duration,
    /// The task of each build.
    tasks: BTreeMap<String, i64>,
}

/// What there is of an import.
#[derive(Default)]
pub(super) struct Found {
    pub(super) build: Option<Build>,
    is_tagged: bool,
    /// The task that is known to tag it, when it was last asked about.
    task: Option<Task>,
}

/// Asks a builder to tag a build.
pub(super) fn put_into(tag: &str, nvr: &str) -> Call {
    Call::new("tagBuild", [tag, nvr].map(Value::from))
}

impl KojiBuildSystem {
    /// Looks which modules are imported and tagged, in one question.
    pub(super) async fn found_imports(
        &self,
        build: &ModuleBuild,
        import: &ImportConfig,
        modules: &[Imported],
    ) -> Result<Vec<Found>, PortError> {
        let mut calls = Vec::new();
        for nvr in modules.iter().map(Imported::nvr) {
            // Before the tags: what has ended then is seen in them.
            let task = self.putting(build, &nvr).map_or(Value::Array(Vec::new()), Value::Int);
            calls.push(Call::new("getTaskInfo", [task]));
            calls.push(Call::new("getBuild", [Value::from(nvr.as_str())]));
            calls.push(Call::new("listTags", [Value::from(nvr)]));
        }
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        let asked = |answer: Answer| answer.map_err(|fault| refused("Koji cannot be asked", fault));
        let mut all = Vec::new();
        for _ in modules {
            let (task, known, tags) = (asked(next())?, asked(next())?, next());
            let mut found = Found::default();
            if matches!(task, Value::Struct(_)) {
                found.task = Some(Task::from_value(task).map_err(unreadable)?);
            }
            if !known.is_nil() {
                found.build = Some(Build::from_value(known).map_err(unreadable)?);
                for tag in asked(tags)?.array("listTags").map_err(unreadable)? {
                    let tag = Tag::from_value(tag).map_err(unreadable)?;
                    found.is_tagged |= tag.is_some_and(|tag| import.tag.as_ref() == Some(&tag.name));
                }
            }
            all.push(found);
        }
        Ok(all)
    }

    /// Sees to it that imported modules are tagged; `found` is what was known before they were imported.
    pub(super) async fn tag_imports(
        &self,
        build: &ModuleBuild,
        import: &ImportConfig,
        modules: &[Imported],
        found: Vec<Found>,
    ) -> Result<(), PortError> {
        let Some(tag) = &import.tag else { return Ok(()) };
        let mut is_pending = false;
        for (module, found) in modules.iter().zip(found) {
            let nvr = module.nvr();
            if found.is_tagged {
                continue;
            }
            match found.task {
                Some(task) if task.state.is_active() => is_pending = true,
                Some(task) if task.state == TaskState::Closed => {
                    tracing::warn!(build.id = build.id.get(), %nvr, %tag, "somebody took a module out of its tag");
                }
                Some(task) => {
                    self.memory().putting.remove(&build.id);
                    return Err(self.not_put(&nvr, tag, &task).await);
                }
                None => {
                    if self.putting(build, &nvr).is_none() {
                        self.put(build, &nvr, tag).await?;
                    }
                    is_pending = true;
                }
            }
        }
        if !is_pending {
            self.memory().putting.remove(&build.id);
            return Ok(());
        }
        let since = self.memory().putting.get(&build.id).map(|putting| putting.since);
        let waited = since.map_or(Duration::ZERO, |since| (self.elapsed)().saturating_sub(since));
        let after = self.config.tagging_pause.max(self.config.longest_freshness.min(waited / PATIENCE));
        Err(PortError::pending("Koji is tagging the finished module", after))
    }

    /// Asks a builder, unless one works on it since a service asked that has ended.
    async fn put(&self, build: &ModuleBuild, nvr: &str, tag: &str) -> Result<(), PortError> {
        let calls = [
            Call::new("getTag", [Value::from(tag)]),
            Call::new("getBuild", [Value::from(nvr)]),
            running::ask("tagBuild", None),
        ];
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let mut next =
            || answers.next().unwrap_or(Ok(Value::Nil)).map_err(|fault| refused("Koji cannot be asked", fault));
        let known_tag = Tag::from_value(next()?).map_err(unreadable)?;
        let known_build = next()?;
        if let (Some(tag), false) = (known_tag, known_build.is_nil()) {
            // Tasks name both by their numbers.
            let wanted = (tag.id, Build::from_value(known_build).map_err(unreadable)?.id);
            let asked = running::tasks(next()?)?.into_iter().find(|task| running::tagging(task) == Some(wanted));
            if let Some(task) = asked {
                self.note_putting(build, nvr, task.id);
                return Ok(());
            }
        }
        match self.client.write(&put_into(tag, nvr)).await {
            Ok(task) => self.put_by(build, nvr, tag, Ok(task)),
            // The next look finds the task, or what it did.
            Err(error) if error.kind() == KojiErrorKind::Committed => Ok(()),
            Err(error) => match error.fault() {
                Some(fault) => self.put_by(build, nvr, tag, Err(fault.clone())),
                None => Err(port_error(error)),
            },
        }
    }

    /// Notes the task that puts a build into a tag, or says why there is none.
    pub(super) fn put_by(&self, build: &ModuleBuild, nvr: &str, tag: &str, answer: Answer) -> Result<(), PortError> {
        let task = answer.map_err(|fault| refused(&format!("{nvr} cannot be put into {tag}"), fault))?;
        self.note_putting(build, nvr, task.int("tagBuild").map_err(unreadable)?);
        Ok(())
    }

    fn note_putting(&self, build: &ModuleBuild, nvr: &str, task: i64) {
        let now = (self.elapsed)();
        let mut memory = self.memory();
        if memory.putting.len() >= REMEMBERED {
            memory.putting.pop_first();
        }
        let putting = memory.putting.entry(build.id).or_insert(Putting { since: now, tasks: BTreeMap::new() });
        putting.tasks.insert(nvr.to_owned(), task);
    }

    /// Returns the task that is known to tag a build.
    fn putting(&self, build: &ModuleBuild, nvr: &str) -> Option<i64> {
        self.memory().putting.get(&build.id).and_then(|putting| putting.tasks.get(nvr)).copied()
    }

    /// Says why a builder has not tagged a build.
    async fn not_put(&self, nvr: &str, tag: &str, task: &Task) -> PortError {
        let id = task.id;
        if task.state == TaskState::Canceled {
            return PortError::permanent(format!("{nvr} cannot be put into {tag}: Koji's task {id} was cancelled"));
        }
        let call = Call::new("getTaskResult", [Value::Int(id)]).with("raise_fault", false);
        match self.client.read(&call).await {
            Ok(result) => {
                let fault = Fault::from_value(&result).map(|fault| fault.message);
                let reason = fault.as_deref().map_or("no reason is told", in_short);
                PortError::permanent(format!("{nvr} cannot be put into {tag}: Koji's task {id} failed: {reason}"))
            }
            Err(error) => port_error(error),
        }
    }
}
