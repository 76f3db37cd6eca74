//! Components: found, or started.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use rida_core::{ComponentKey, ComponentName, ModuleBuild, PortError, TaskId};

use super::index::{ATTEMPT, COMPONENT, MARK, TARGET, Try, the_try};
use super::starts::{Start, Started};
use super::{KojiBuildSystem, cancel, unreadable};
use crate::error::{KojiError, KojiErrorKind};
use crate::map::{Names, port_error, refused, source_url};
use crate::wire::{Build, Tag, Task, TaskState};
use crate::xmlrpc::{Answer, Call, Struct, Value};

/// What the hub has of a module that is about to start something.
struct Seen {
    tag: Option<Tag>,
    states: BTreeMap<i64, TaskState>,
}

impl KojiBuildSystem {
    pub(super) async fn build_component(&self, build: &ModuleBuild, key: &ComponentKey) -> Started {
        let names = self.names(build);
        let this = the_try(&names, key);
        loop {
            let known = self.memory().index.get(&this);
            if let Some(task) = known {
                return Ok(TaskId(task));
            }
            let mut waiting = self.starts.want(self.start_of(build, key, &names));
            let turns = Arc::clone(&waiting.turn);
            self.starts.gather(build, self.config.gathering).await;
            loop {
                let _turn = turns.lock().await;
                if let Some(started) = waiting.answer() {
                    return started;
                }
                if waiting.is_lost() {
                    break;
                }
                self.start_wanted(build, &names).await;
            }
        }
    }

    fn start_of(&self, build: &ModuleBuild, key: &ComponentKey, names: &Names) -> Start {
        let source = (key.component != ComponentName::macros()).then(|| {
            let known = build.component(&key.component);
            if let Some(package) = known.and_then(|(planned, _)| planned.package.as_ref()) {
                return Ok(package.to_string());
            }
            let pinned = known.and_then(|(_, component)| component.source.as_deref());
            let unchecked = || PortError::permanent(format!("the sources of {} were never checked", key.component));
            pinned.ok_or_else(unchecked).and_then(source_url)
        });
        Start::new(key.clone(), source, self.options(build, key, names))
    }

    /// Starts what is wanted of a module, and tells everybody who waits for that.
    async fn start_wanted(&self, build: &ModuleBuild, names: &Names) {
        let wanted = self.starts.take(build.id);
        let tries: Vec<Try> = wanted.iter().map(|start| the_try(names, &start.key)).collect();
        let keys: Vec<ComponentKey> = wanted.iter().map(|start| start.key.clone()).collect();
        let found = match self.left_behind(build, &keys, names, &tries).await {
            Ok(found) => found,
            Err(error) => {
                let failed = for_each(wanted.len(), error);
                return wanted.into_iter().zip(failed).for_each(|(start, failed)| start.answer(failed));
            }
        };
        let mut missing = Vec::new();
        for ((mut start, this), found) in wanted.into_iter().zip(tries).zip(found) {
            let source = match (found, start.source.take()) {
                (Ok(Some(task)), _) => {
                    self.memory().index.note(this, task);
                    start.answer(Ok(TaskId(task)));
                    continue;
                }
                (Err(error), _) => Err(error),
                (Ok(None), Some(source)) => source,
                (Ok(None), None) => self.send_macros(build, &start.key, names).await,
            };
            match source {
                Ok(source) => missing.push((start, this, source)),
                Err(error) => start.answer(Err(error)),
            }
        }
        self.start_missing(build, names, missing).await;
    }

    /// Starts what is not there, and ends at once what somebody has cancelled meanwhile.
    async fn start_missing(&self, build: &ModuleBuild, names: &Names, missing: Vec<(Start, Try, String)>) {
        let calls: Vec<Call> = missing.iter().map(|(start, _, source)| self.call(start, names, source)).collect();
        let tries: Vec<&Try> = missing.iter().map(|(_, this, _)| this).collect();
        let mut started = self.start(build, &calls, &tries).await;
        if started.iter().any(Result::is_ok) {
            self.end_cancelled(names, &missing, &mut started).await;
        }
        for ((start, ..), started) in missing.into_iter().zip(started) {
            start.answer(started);
        }
    }

    /// Whoever cancels notes that first and looks for tasks then; here the order is the other way round, so that one of
    /// the two always sees the other. Where something fails here the task is told, and ended as one that nobody waits for;
    /// of a task that is not told nobody would know.
    async fn end_cancelled(&self, names: &Names, missing: &[(Start, Try, String)], started: &mut [Started]) {
        let tag = Call::new("getTag", [Value::from(names.build_tag.as_str())]);
        let tag = self.client.read(&tag).await.ok().and_then(|tag| Tag::from_value(tag).ok()).flatten();
        for ((start, ..), started) in missing.iter().zip(started) {
            let Ok(task) = started else { continue };
            if cancel::is_noted(tag.as_ref(), names, &start.key) && self.end_task(task.0).await.is_ok() {
                *started = Err(never_starts());
            }
        }
    }

    /// Looks for what was there before: a task of this try or an earlier one, or the package itself.
    async fn left_behind(
        &self,
        build: &ModuleBuild,
        keys: &[ComponentKey],
        names: &Names,
        tries: &[Try],
    ) -> Result<Vec<Result<Option<i64>, PortError>>, PortError> {
        let known_before: Vec<i64> = {
            let memory = self.memory();
            tries.iter().flat_map(|this| memory.index.earlier(this)).collect()
        };
        let mut calls = vec![
            Call::new("getTag", [Value::from(names.build_tag.as_str())]),
            Call::new("getTaskInfo", [Value::from(known_before.clone())]),
        ];
        for key in keys {
            let package = key.component.as_str();
            // Of the two tags it may be in one alone: somebody took it out of the other.
            calls.extend([&names.build_tag, &names.tag].map(|tag| {
                let tagged = Call::new("listTagged", [Value::from(tag.as_str())]);
                tagged.with("latest", true).with("package", package).with("inherit", false)
            }));
            calls.push(Call::new("untaggedBuilds", []).with("name", package));
        }
        let looked = self.look_and_ask(build, &calls).await?;
        let (states, mut answers) = (looked.states, looked.answers);
        let mut next =
            || answers.next().unwrap_or(Ok(Value::Nil)).map_err(|fault| refused("Koji cannot be asked", fault));
        let mut seen = Seen { tag: Tag::from_value(next()?).map_err(unreadable)?, states };
        let asked = next()?.array("getTaskInfo").map_err(unreadable)?;
        for (task, state) in known_before.into_iter().zip(asked).filter(|(_, state)| !state.is_nil()) {
            seen.states.insert(task, Task::from_value(state).map_err(unreadable)?.state);
        }
        let mut found = Vec::with_capacity(keys.len());
        for (key, this) in keys.iter().zip(tries) {
            let packages = ([next()?, next()?], next()?);
            found.push(self.find(build, names, (key, this), &seen, packages).await);
        }
        Ok(found)
    }

    /// Finds one component in what the hub has answered.
    async fn find(
        &self,
        build: &ModuleBuild,
        names: &Names,
        (key, this): (&ComponentKey, &Try),
        seen: &Seen,
        (tagged, untagged): ([Value; 2], Value),
    ) -> Result<Option<i64>, PortError> {
        let (known, earlier) = {
            let memory = self.memory();
            (memory.index.get(this), memory.index.earlier(this))
        };
        if known.is_some() {
            return Ok(known);
        }
        let tag = seen.tag.as_ref();
        if tag.is_none() {
            return Err(PortError::permanent(format!("Koji's tag {} is gone", names.build_tag)));
        }
        if cancel::is_noted(tag, names, key) {
            return Err(never_starts());
        }
        let is_of_use =
            |task: &i64| seen.states.get(task).is_some_and(|state| state.is_active() || *state == TaskState::Closed);
        if let Some(task) = earlier.into_iter().find(is_of_use) {
            return Ok(Some(task));
        }
        let dist = build.dist_tag.as_str();
        let own = |found: &Build| found.nvr.ends_with(dist);
        for tagged in tagged {
            if let Some(found) = builds(tagged)?.into_iter().find(own) {
                return self.made_by(&found).map(Some);
            }
        }
        let Some(found) = builds(untagged)?.into_iter().find(own) else { return Ok(None) };
        // The list of untagged builds does not tell their tasks.
        let call = Call::new("getBuild", [Value::from(found.nvr.as_str())]);
        let answer = self.client.read(&call).await.map_err(port_error)?;
        self.made_by(&Build::from_value(answer).map_err(unreadable)?).map(Some)
    }

    /// Returns the task that made a build that is there already.
    fn made_by(&self, found: &Build) -> Result<i64, PortError> {
        found.task.ok_or_else(|| {
            let nvr = &found.nvr;
            PortError::permanent(format!("Koji has {nvr} already, and no task that built it: somebody imported it"))
        })
    }

    /// Packs the macros, sends them to the hub, and returns their place there.
    async fn send_macros(&self, build: &ModuleBuild, key: &ComponentKey, names: &Names) -> Result<String, PortError> {
        let package = self.macros_package(build).await?;
        // The same place with each try, so that what an earlier one left is written over.
        let folder = format!("cli-build/{}.{}", names.tag, key.attempt);
        self.client.upload(&folder, &package.name, &Bytes::from(package.content)).await.map_err(port_error)?;
        Ok(format!("{folder}/{}", package.name))
    }

    fn call(&self, start: &Start, names: &Names, source: &str) -> Call {
        let own_target = self.config.macros_target.as_ref().filter(|_| start.key.component == ComponentName::macros());
        let target = own_target.unwrap_or(&names.target);
        let call = Call::new("build", [Value::from(source), Value::from(target.as_str()), start.options.clone()]);
        call.with("priority", self.config.priority)
    }

    /// Makes the calls that start tasks, several of them in one request. One that is refused keeps none of the others
    /// from being done.
    async fn start(&self, build: &ModuleBuild, calls: &[Call], tries: &[&Try]) -> Vec<Started> {
        let made = match calls {
            [] => return Vec::new(),
            [one] => self.client.write(one).await.map(|task| vec![Ok(task)]),
            several => self.client.write_many(several).await,
        };
        let error = match made {
            Ok(answers) => {
                return tries.iter().zip(answers).map(|(this, answer)| self.note_started(this, answer)).collect();
            }
            Err(error) => error,
        };
        if error.kind() == KojiErrorKind::Committed
            && let Err(error) = self.look_for_tasks(build).await
        {
            return for_each(tries.len(), error);
        }
        let memory = self.memory();
        let failed = for_each(tries.len(), port_error(error)).into_iter();
        tries.iter().zip(failed).map(|(this, failed)| memory.index.get(this).map(TaskId).map_or(failed, Ok)).collect()
    }

    fn note_started(&self, this: &Try, answer: Answer) -> Started {
        let task = answer.map_err(|fault| port_error(KojiError::of_fault(fault)))?.int("task").map_err(unreadable)?;
        let mut memory = self.memory();
        memory.index.note(this.clone(), task);
        memory.watched.started(task, (self.elapsed)());
        Ok(TaskId(task))
    }

    fn options(&self, build: &ModuleBuild, key: &ComponentKey, names: &Names) -> Value {
        let mut options = Struct::new();
        let mut put = |name: &str, value: Value| options.insert(name.to_owned(), value);
        put("skip_tag", Value::Bool(true));
        put(COMPONENT, Value::from(key.component.as_str()));
        put(TARGET, Value::from(names.target.as_str()));
        put(ATTEMPT, Value::Int(i64::from(key.attempt)));
        put(MARK, Value::from(names.mark.as_str()));
        let arches = build.component(&key.component).map(|(planned, _)| planned.arches.as_slice()).unwrap_or_default();
        if self.config.arch_override && !arches.is_empty() {
            let arches: Vec<String> = arches.iter().map(ToString::to_string).collect();
            put("arch_override", Value::from(arches.join(" ")));
        }
        Value::Struct(options)
    }
}

/// Tells everybody of a failure that is for all; its cause is told once.
fn for_each(count: usize, error: PortError) -> Vec<Started> {
    let others = (1..count).map(|_| Err(PortError::new(error.kind(), error.message()))).collect::<Vec<_>>();
    std::iter::once(Err(error)).chain(others).take(count).collect()
}

fn never_starts() -> PortError {
    PortError::permanent("the build of this component was cancelled")
}

fn builds(answer: Value) -> Result<Vec<Build>, PortError> {
    let builds = answer.array("builds").map_err(unreadable)?.into_iter().map(Build::from_value);
    builds.collect::<Result<_, _>>().map_err(unreadable)
}

/// Reads the answers to questions about builds, each of which may be refused.
pub(super) fn builds_of(answer: Answer) -> Result<Vec<Build>, PortError> {
    builds(answer.map_err(|fault| refused("builds cannot be looked up", fault))?)
}
