//! Components: found, or started.

use bytes::Bytes;
use rida_core::{ComponentKey, ComponentName, ModuleBuild, PortError, TaskId};

use super::index::{ATTEMPT, COMPONENT, MARK, TARGET, Try, the_try};
use super::{KojiBuildSystem, cancel, unreadable};
use crate::error::KojiErrorKind;
use crate::map::{Names, port_error, refused, source_url};
use crate::wire::{Build, Tag, Task, TaskState};
use crate::xmlrpc::{Answer, Call, Struct, Value};

impl KojiBuildSystem {
    pub(super) async fn build_component(&self, build: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError> {
        let names = self.names(build);
        let this = the_try(&names, key);
        let known = self.memory().index.get(&this);
        if let Some(task) = known {
            return Ok(TaskId(task));
        }
        if let Some(task) = self.left_behind(build, key, &names, &this).await? {
            self.memory().index.note(this, task);
            return Ok(TaskId(task));
        }
        let source = self.source(build, key, &names).await?;
        let task = self.start(build, key, &names, &this, &source).await?;
        // Whoever cancels notes that first and looks for tasks then; here the order is the other way round, so that one
        // of the two always sees the other.
        let tag = Call::new("getTag", [Value::from(names.build_tag.as_str())]);
        let tag = Tag::from_value(self.client.read(&tag).await.map_err(port_error)?).map_err(unreadable)?;
        if cancel::is_noted(tag.as_ref(), &names, key) {
            self.end_task(task).await?;
            return Err(never_starts());
        }
        Ok(TaskId(task))
    }

    /// Looks for what was there before: a task of this try or an earlier one, or the package itself.
    async fn left_behind(
        &self,
        build: &ModuleBuild,
        key: &ComponentKey,
        names: &Names,
        this: &Try,
    ) -> Result<Option<i64>, PortError> {
        let known_before = self.memory().index.earlier(this);
        let package = key.component.as_str();
        let tagged = Call::new("listTagged", [Value::from(names.build_tag.as_str())]);
        let calls = [
            Call::new("getTag", [Value::from(names.build_tag.as_str())]),
            tagged.with("latest", true).with("package", package).with("inherit", false),
            Call::new("untaggedBuilds", []).with("name", package),
            Call::new("getTaskInfo", [Value::from(known_before.clone())]),
        ];
        let mut looked = self.look_and_ask(build, &calls).await?;
        let (known, earlier) = {
            let memory = self.memory();
            (memory.index.get(this), memory.index.earlier(this))
        };
        if known.is_some() {
            return Ok(known);
        }
        let mut next =
            || looked.answers.next().unwrap_or(Ok(Value::Nil)).map_err(|fault| refused("Koji cannot be asked", fault));
        let tag = Tag::from_value(next()?).map_err(unreadable)?;
        if tag.is_none() {
            return Err(PortError::permanent(format!("Koji's tag {} is gone", names.build_tag)));
        }
        if cancel::is_noted(tag.as_ref(), names, key) {
            return Err(never_starts());
        }
        let (tagged, untagged) = (builds(next()?)?, builds(next()?)?);
        let asked = next()?.array("getTaskInfo").map_err(unreadable)?;
        for (task, state) in known_before.into_iter().zip(asked).filter(|(_, state)| !state.is_nil()) {
            looked.states.insert(task, Task::from_value(state).map_err(unreadable)?.state);
        }
        let is_of_use =
            |task: &i64| looked.states.get(task).is_some_and(|state| state.is_active() || *state == TaskState::Closed);
        if let Some(task) = earlier.into_iter().find(is_of_use) {
            return Ok(Some(task));
        }
        let dist = build.dist_tag.as_str();
        let own = |found: &Build| found.nvr.ends_with(dist);
        if let Some(found) = tagged.into_iter().find(own) {
            return self.made_by(&found).map(Some);
        }
        let Some(found) = untagged.into_iter().find(own) else { return Ok(None) };
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

    /// Returns what Koji is to build: a commit, or the generated package, which is sent to it.
    async fn source(&self, build: &ModuleBuild, key: &ComponentKey, names: &Names) -> Result<String, PortError> {
        if key.component != ComponentName::macros() {
            let pinned = build.component(&key.component).and_then(|(_, component)| component.source.as_deref());
            let unchecked = || PortError::permanent(format!("the sources of {} were never checked", key.component));
            return source_url(pinned.ok_or_else(unchecked)?);
        }
        let package = self.macros_package(build).await?;
        // The same place with each try, so that what an earlier one left is written over.
        let folder = format!("cli-build/{}.{}", names.tag, key.attempt);
        self.client.upload(&folder, &package.name, &Bytes::from(package.content)).await.map_err(port_error)?;
        Ok(format!("{folder}/{}", package.name))
    }

    async fn start(
        &self,
        build: &ModuleBuild,
        key: &ComponentKey,
        names: &Names,
        this: &Try,
        source: &str,
    ) -> Result<i64, PortError> {
        let own_target = self.config.macros_target.as_ref().filter(|_| key.component == ComponentName::macros());
        let target = own_target.unwrap_or(&names.target);
        let call =
            Call::new("build", [Value::from(source), Value::from(target.as_str()), self.options(build, key, names)]);
        let error = match self.client.write(&call.with("priority", self.config.priority)).await {
            Ok(task) => {
                let task = task.int("task").map_err(unreadable)?;
                let mut memory = self.memory();
                memory.index.note(this.clone(), task);
                memory.watched.started(task, (self.elapsed)());
                return Ok(task);
            }
            Err(error) => error,
        };
        if error.kind() == KojiErrorKind::Committed {
            self.look_for_tasks(build).await?;
            if let Some(task) = self.memory().index.get(this) {
                return Ok(task);
            }
        }
        Err(port_error(error))
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
