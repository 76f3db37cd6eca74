//! Ending what a module's environment was asked for: repositories that builders make, and packages that they tag.

use rida_core::{BuildState, ModuleBuild, PortError};

use super::{KojiBuildSystem, unreadable};
use crate::error::KojiErrorKind;
use crate::map::{port_error, refused};
use crate::wire::{Build, Tag, Task};
use crate::xmlrpc::{Answer, Call, Value};

impl KojiBuildSystem {
    /// Ends the tasks of this service that make a repository of the module's build tag, or tag what is the module's.
    ///
    /// What the queue of repositories makes is the hub's: its tasks belong to the queue's user, nobody can take back what
    /// was asked of it, and a task that somebody ends is made anew.
    pub(super) async fn abandon_environment(&self, build: &ModuleBuild) -> Result<(), PortError> {
        let tasks = self.tasks_of_environment(build).await?;
        if tasks.is_empty() || self.goes_on(build).await? {
            return Ok(());
        }
        {
            let mut memory = self.memory();
            memory.repositories.remove(&build.id);
            memory.putting.remove(&build.id);
        }
        let calls: Vec<Call> = tasks.iter().map(|task| Call::new("cancelTask", [Value::Int(*task)])).collect();
        let answers = match self.client.write_many(&calls).await {
            Ok(answers) => answers,
            // All was asked for; what of it was refused is not known.
            Err(error) if error.kind() == KojiErrorKind::Committed => return Ok(()),
            Err(error) => return Err(port_error(error)),
        };
        for (task, answer) in tasks.iter().zip(answers) {
            if let Err(fault) = answer {
                let (id, reason) = (build.id.get(), fault.message);
                tracing::warn!(build.id = id, task, %reason, "Koji does not end a task that nobody waits for");
            }
        }
        Ok(())
    }

    /// Tells whether the build was submitted again and has a slot, so that it waits for what is under way.
    async fn goes_on(&self, build: &ModuleBuild) -> Result<bool, PortError> {
        let unavailable = |error| PortError::unavailable("what is known of the build cannot be read").because(error);
        let now = self.builds.load(build.id).await.map_err(unavailable)?;
        Ok(now.is_some_and(|now| now.run_started > build.run_started && now.state() == BuildState::Build))
    }

    /// Asks, in one question, for the tasks of this service that run for the environment of a module.
    async fn tasks_of_environment(&self, build: &ModuleBuild) -> Result<Vec<i64>, PortError> {
        let names = self.names(build);
        let owner = self.client.user().await.map_err(port_error)?.id;
        let tasks = |method: &str| {
            let options = [
                ("method", Value::from(method)),
                ("owner", Value::Int(owner)),
                ("state", Value::Array([0, 1, 4].map(Value::Int).to_vec())),
                ("decode", Value::Bool(true)),
            ];
            Call::new("listTasks", [Value::from(options)])
        };
        let mut calls = vec![tasks("newRepo"), tasks("tagBuild")];
        calls.extend([&names.tag, &names.build_tag].map(|tag| Call::new("getTag", [Value::from(tag.as_str())])));
        // The finished module goes to a tag that is not its own.
        let imported = self.imported(build);
        calls.extend(imported.iter().map(|module| Call::new("getBuild", [Value::from(module.nvr())])));
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let mut next = || {
            let answer: Answer = answers.next().unwrap_or(Ok(Value::Nil));
            answer.map_err(|fault| refused("Koji cannot be asked what it does for the module", fault))
        };
        let mut tasks = Vec::new();
        for task in next()?.array("listTasks").map_err(unreadable)? {
            let task = Task::from_value(task).map_err(unreadable)?;
            if makes_repository(&task, &names.build_tag) {
                tasks.push(task.id);
            }
        }
        let tagging = next()?.array("listTasks").map_err(unreadable)?;
        let (mut tags, mut builds) = (Vec::new(), Vec::new());
        for _ in 0..2 {
            tags.extend(Tag::from_value(next()?).map_err(unreadable)?.map(|tag| tag.id));
        }
        for _ in &imported {
            let known = next()?;
            if !known.is_nil() {
                builds.push(Build::from_value(known).map_err(unreadable)?.id);
            }
        }
        for task in tagging {
            let task = Task::from_value(task).map_err(unreadable)?;
            // They name both by their numbers.
            if let Value::Array(request) = &task.request
                && let [Value::Int(tag), Value::Int(build), ..] = request.as_slice()
                && (tags.contains(tag) || builds.contains(build))
            {
                tasks.push(task.id);
            }
        }
        Ok(tasks)
    }
}

/// Tells whether a task makes a repository of a tag.
pub(super) fn makes_repository(task: &Task, tag: &str) -> bool {
    let Value::Array(request) = &task.request else { return false };
    request.first().and_then(|asked| asked.text("tag").ok()) == Some(tag)
}
