//! Repositories of a module's build tag.
//!
//! A repository is the one that was asked for when each package that it is asked for was tagged before its event. That
//! is read off the hub, so that nothing has to be remembered. One that failed is asked for again; hubs that keep a queue
//! do that, and see to it that there are never two at once for one tag; with older ones it is done here.

use rida_core::{BuildId, ComponentState, Fact, ModuleBuild, Phase, PortError};

use super::components::builds_of;
use super::{KojiBuildSystem, unreadable};
use crate::client::Version;
use crate::error::KojiErrorKind;
use crate::map::{Names, port_error, refused};
use crate::wire::{Build, Repository, Task};
use crate::xmlrpc::{Call, Value};

/// How many modules' repositories are remembered.
const REMEMBERED: usize = 4096;

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// A place in the queue.
    Request(i64),
    /// A task of an older hub.
    Task(i64),
    /// Nothing: there is one for the first package.
    Nothing,
}

impl KojiBuildSystem {
    /// Sees to it that there will be a repository for the first package; nobody waits for it here.
    pub(super) async fn first_repository(&self, build: &ModuleBuild, names: &Names) -> Result<(), PortError> {
        let call = Call::new("getRepo", [Value::from(names.build_tag.as_str())]);
        let known = self.client.read(&call).await.map_err(port_error)?;
        if Repository::from_value(known).map_err(unreadable)?.is_some() {
            self.memory().repositories.insert(build.id, Asked::Nothing);
            return Ok(());
        }
        self.ask(build.id, names).await
    }

    pub(super) async fn ask_for_repository(&self, build: &ModuleBuild, _generation: u32) -> Result<(), PortError> {
        let names = self.names(build);
        self.ask(build.id, &names).await
    }

    async fn ask(&self, build: BuildId, names: &Names) -> Result<(), PortError> {
        let asked = if self.client.version().await.map_err(port_error)? >= Version::REPOSITORY_QUEUE {
            self.ask_queue(names).await?
        } else {
            self.ask_builder(names).await?
        };
        let mut memory = self.memory();
        if memory.repositories.len() >= REMEMBERED {
            memory.repositories.pop_first();
        }
        match asked {
            Some(asked) => memory.repositories.insert(build, asked),
            None => memory.repositories.remove(&build),
        };
        Ok(())
    }

    /// Asks the queue. It answers with the same place while one is taken, and with the repository when it is there.
    async fn ask_queue(&self, names: &Names) -> Result<Option<Asked>, PortError> {
        let tag = Value::from(names.build_tag.as_str());
        let answer = match self.client.write(&Call::new("repo.request", [tag]).with("min_event", "last")).await {
            Ok(answer) => answer,
            // The next look asks again, which changes nothing.
            Err(error) if error.kind() == KojiErrorKind::Committed => return Ok(None),
            Err(error) => return Err(port_error(error)),
        };
        let request = answer.fields("repo.request").map_err(unreadable)?.take("request");
        if request.is_nil() {
            return Ok(None);
        }
        let id = request.fields("request").map_err(unreadable)?.int("id").map_err(unreadable)?;
        Ok(Some(Asked::Request(id)))
    }

    /// Asks a builder, unless one works on this tag: whoever waits asks again after that.
    async fn ask_builder(&self, names: &Names) -> Result<Option<Asked>, PortError> {
        if let Some(task) = self.regenerating(names).await? {
            return Ok(Some(Asked::Task(task)));
        }
        match self.client.write(&Call::new("newRepo", [Value::from(names.build_tag.as_str())])).await {
            Ok(task) => Ok(Some(Asked::Task(task.int("newRepo").map_err(unreadable)?))),
            Err(error) if error.kind() == KojiErrorKind::Committed => {
                Ok(self.regenerating(names).await?.map(Asked::Task))
            }
            Err(error) => Err(port_error(error)),
        }
    }

    /// Returns the task that makes a repository of the module's build tag now, whoever asked for it.
    async fn regenerating(&self, names: &Names) -> Result<Option<i64>, PortError> {
        let options = [
            ("method", Value::from("newRepo")),
            ("state", Value::Array([0, 1, 4].map(Value::Int).to_vec())),
            ("decode", Value::Bool(true)),
        ];
        let answer = self.client.read(&Call::new("listTasks", [Value::from(options)])).await.map_err(port_error)?;
        for task in answer.array("listTasks").map_err(unreadable)? {
            let task = Task::from_value(task).map_err(unreadable)?;
            if let Value::Array(request) = &task.request
                && request.first().and_then(|tag| tag.text("tag").ok()) == Some(&names.build_tag)
            {
                return Ok(Some(task.id));
            }
        }
        Ok(None)
    }

    /// Tells whether the repository that a build waits for is there; asks for it again when nobody makes it. The first
    /// package waits for one, too, of which nothing is told.
    pub(super) async fn repository(&self, build: &ModuleBuild) -> Result<Option<Fact>, PortError> {
        let asked = self.memory().repositories.get(&build.id).copied();
        let covered = match &build.phase {
            Phase::Building { regenerating: Some(covered) } => Some(covered),
            _ if is_first_building(build) && !matches!(asked, Some(Asked::Nothing)) => None,
            _ => return Ok(None),
        };
        let names = self.names(build);
        let tag = || Value::from(names.build_tag.as_str());
        let mut calls = vec![Call::new("getRepo", [tag()]), Call::new("listTagged", [tag()]).with("inherit", false)];
        calls.extend(asked.and_then(|asked| match asked {
            Asked::Request(id) => Some(Call::new("repo.checkRequest", [Value::Int(id)])),
            Asked::Task(id) => Some(Call::new("getTaskInfo", [Value::Int(id)])),
            Asked::Nothing => None,
        }));
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let repository = answers.next().unwrap_or(Ok(Value::Nil));
        let repository = repository.map_err(|fault| refused("a repository cannot be looked up", fault))?;
        let repository = Repository::from_value(repository).map_err(unreadable)?;
        let tagged = builds_of(answers.next().unwrap_or(Ok(Value::Nil)))?;
        if let Some(repository) = repository.filter(|repository| repository.state == Repository::READY) {
            let Some(covered) = covered else {
                self.memory().repositories.insert(build.id, Asked::Nothing);
                return Ok(None);
            };
            if has_all(build, covered, &repository, &tagged) {
                self.memory().repositories.insert(build.id, Asked::Nothing);
                return Ok(Some(Fact::RepositoryRegenerated { generation: build.repository_generation }));
            }
        }
        let under_way = match (asked, answers.next()) {
            (Some(Asked::Request(_)), Some(Ok(answer))) => {
                let request = answer.fields("repo.checkRequest").map_err(unreadable)?.take("request");
                request.fields("request").and_then(|mut request| request.flag("active")).map_err(unreadable)?
            }
            (Some(Asked::Task(_)), Some(Ok(answer))) if !answer.is_nil() => {
                Task::from_value(answer).map_err(unreadable)?.state.is_active()
            }
            _ => false,
        };
        if !under_way {
            if matches!(asked, Some(Asked::Request(_) | Asked::Task(_))) {
                let (id, tag) = (build.id.get(), &names.build_tag);
                tracing::warn!(build.id = id, %tag, "a repository failed or came too early; it is asked for again");
            }
            self.ask(build.id, &names).await?;
        }
        Ok(None)
    }
}

/// Tells whether a repository has all that it was asked for.
fn has_all(build: &ModuleBuild, covered: &[usize], repository: &Repository, tagged: &[Build]) -> bool {
    // What is tagged meanwhile is for the next one.
    let is_covered = |index: usize| covered.is_empty() || covered.contains(&index);
    let mut wanted = build.components.iter().enumerate().filter_map(|(index, component)| match &component.state {
        ComponentState::Tagged(built) if is_covered(index) => Some(built.nvr.to_string()),
        ComponentState::Available(built) => Some(built.nvr.to_string()),
        _ => None,
    });
    wanted.all(|nvr| {
        let found = tagged.iter().find(|build| build.nvr == nvr);
        found.and_then(|build| build.tagged_by).is_some_and(|event| event <= repository.event)
    })
}

/// Tells whether the macros are being built, which need a repository that nobody is told of.
fn is_first_building(build: &ModuleBuild) -> bool {
    let first = build.components.first();
    matches!(first.map(|component| &component.state), Some(ComponentState::Building { .. }))
}
