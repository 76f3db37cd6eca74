//! Ending what a module's environment was asked for: repositories that builders make, and packages that they tag.

use rida_core::{BuildState, ModuleBuild, PortError};

use super::{KojiBuildSystem, running, unreadable};
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
        let mut calls = vec![running::ask("newRepo", Some(owner)), running::ask("tagBuild", Some(owner))];
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
        let repositories = running::tasks(next()?)?.into_iter();
        tasks.extend(repositories.filter(|task| running::makes_repository(task, &names.build_tag)).map(|task| task.id));
        let tagging = running::tasks(next()?)?;
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
        let is_own = |task: &Task| {
            running::tagging(task).is_some_and(|(tag, build)| tags.contains(&tag) || builds.contains(&build))
        };
        tasks.extend(tagging.into_iter().filter(is_own).map(|task| task.id));
        Ok(tasks)
    }
}
