//! Repositories of a module's build tag.
//!
//! A repository is the one that was asked for when each package that it is asked for was tagged before its event. That
//! is read off the hub, so that nothing has to be remembered. One that failed is asked for again; hubs that keep a queue
//! do that, and see to it that there are never two at once for one tag; with older ones it is done here.

use std::time::Duration;

use rida_core::{BuildId, ComponentState, Fact, ModuleBuild, Phase, PortError};

use super::components::builds_of;
use super::{KojiBuildSystem, unreadable};
use crate::client::Version;
use crate::error::KojiErrorKind;
use crate::map::{Names, port_error, refused};
use crate::wire::{Build, Repository, Task};
use crate::xmlrpc::{Answer, Call, Value};

/// How many modules' repositories are remembered.
const REMEMBERED: usize = 4096;
/// The shortest pause between two questions for the first repository.
const SHORTEST: Duration = Duration::from_secs(1);

/// A repository that is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    /// Which one of the module it is; the first has none of these numbers.
    of: Of,
    /// What was asked for; absent when that is not known.
    asked: Option<Asked>,
    /// Since when it is waited for.
    since: Duration,
    /// When the hub was last asked about it; absent when that does not count any more.
    pub(super) at: Option<Duration>,
}

/// Which repository of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The one that the first package is built with, with the number of the run that prepares for it.
    First(u32),
    /// The one that was asked for with this number.
    Generation(u32),
}

/// What was asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asked {
    /// A place in the queue.
    Request(i64),
    /// A task of an older hub.
    Task(i64),
}

impl Asked {
    /// Asks what became of it.
    fn question(self) -> Call {
        match self {
            Self::Request(id) => Call::new("repo.checkRequest", [Value::Int(id)]),
            Self::Task(id) => Call::new("getTaskInfo", [Value::Int(id)]),
        }
    }

    /// Tells by the answer whether it is still being made.
    fn is_under_way(self, answer: Option<Answer>) -> Result<bool, PortError> {
        let Some(Ok(answer)) = answer.filter(|answer| answer.as_ref().is_ok_and(|answer| !answer.is_nil())) else {
            return Ok(false);
        };
        match self {
            Self::Request(_) => {
                let request = answer.fields("repo.checkRequest").map_err(unreadable)?.take("request");
                request.fields("request").and_then(|mut request| request.flag("active")).map_err(unreadable)
            }
            Self::Task(_) => Ok(Task::from_value(answer).map_err(unreadable)?.state.is_active()),
        }
    }
}

/// Asks the queue for a repository with all that is in a tag now.
pub(super) fn request(names: &Names) -> Call {
    Call::new("repo.request", [Value::from(names.build_tag.as_str())]).with("min_event", "last")
}

/// Reads which place in the queue was given; none when the repository is there.
pub(super) fn place(answer: Value) -> Result<Option<Asked>, PortError> {
    let request = answer.fields("repo.request").map_err(unreadable)?.take("request");
    if request.is_nil() {
        return Ok(None);
    }
    let id = request.fields("request").map_err(unreadable)?.int("id").map_err(unreadable)?;
    Ok(Some(Asked::Request(id)))
}

impl KojiBuildSystem {
    /// Tells that the first repository is being made, without which no builder begins.
    pub(super) fn first_is_pending(&self, build: &ModuleBuild, asked: Option<Asked>) -> PortError {
        self.await_repository(build.id, Of::First(build.run_started), asked);
        self.pending(Duration::ZERO)
    }

    fn pending(&self, waited: Duration) -> PortError {
        let text = "Koji is making the module's first repository, which every builder needs";
        PortError::pending(text, self.freshness(waited).max(SHORTEST))
    }

    /// Looks after the first repository, once it was asked for; tells whether it was.
    pub(super) async fn first_repository(&self, build: &ModuleBuild) -> Option<Result<(), PortError>> {
        let awaited = self.memory().repositories.get(&build.id).copied()?;
        let asked = awaited.asked.filter(|_| awaited.of == Of::First(build.run_started))?;
        Some(self.look_after_first(build, asked, awaited.since).await)
    }

    async fn look_after_first(&self, build: &ModuleBuild, asked: Asked, since: Duration) -> Result<(), PortError> {
        let names = self.names(build);
        let calls = [Call::new("getRepo", [Value::from(names.build_tag.as_str())]), asked.question()];
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let known = answers.next().unwrap_or(Ok(Value::Nil));
        let known = known.map_err(|fault| refused("a repository cannot be looked up", fault))?;
        if Repository::from_value(known).map_err(unreadable)?.is_some() {
            self.memory().repositories.remove(&build.id);
            return Ok(());
        }
        if !asked.is_under_way(answers.next())? {
            failed(build, &names);
            let asked = self.ask(&names).await?;
            return Err(self.first_is_pending(build, asked));
        }
        Err(self.pending((self.elapsed)().saturating_sub(since)))
    }

    pub(super) async fn ask_for_repository(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError> {
        let asked = self.ask(&self.names(build)).await?;
        self.await_repository(build.id, Of::Generation(generation), asked);
        Ok(())
    }

    fn await_repository(&self, build: BuildId, of: Of, asked: Option<Asked>) {
        let now = (self.elapsed)();
        let mut memory = self.memory();
        if memory.repositories.len() >= REMEMBERED {
            memory.repositories.pop_first();
        }
        memory.repositories.insert(build, Awaited { of, asked, since: now, at: asked.map(|_| now) });
    }

    /// Asks for a repository, and returns what to ask after.
    pub(super) async fn ask(&self, names: &Names) -> Result<Option<Asked>, PortError> {
        if self.has_queue().await? { self.ask_queue(names).await } else { self.ask_builder(names).await }
    }

    /// Tells whether the hub keeps a queue of repositories.
    pub(super) async fn has_queue(&self) -> Result<bool, PortError> {
        Ok(self.client.version().await.map_err(port_error)? >= Version::REPOSITORY_QUEUE)
    }

    /// Asks the queue. It answers with the same place while one is taken, and with the repository when it is there.
    async fn ask_queue(&self, names: &Names) -> Result<Option<Asked>, PortError> {
        match self.client.write(&request(names)).await {
            Ok(answer) => place(answer),
            // The next look asks again, which changes nothing.
            Err(error) if error.kind() == KojiErrorKind::Committed => Ok(None),
            Err(error) => Err(port_error(error)),
        }
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

    /// Tells whether the repository that a build waits for is there; asks for it again when nobody makes it.
    pub(super) async fn repository(&self, build: &ModuleBuild) -> Result<Option<Fact>, PortError> {
        let Phase::Building { regenerating: Some(covered) } = &build.phase else { return Ok(None) };
        let generation = build.repository_generation;
        let now = (self.elapsed)();
        let awaited = {
            let mut memory = self.memory();
            let awaited = memory.repositories.get_mut(&build.id);
            let awaited = awaited.filter(|awaited| awaited.of == Of::Generation(generation));
            if let Some(awaited) = awaited {
                let fresh = self.freshness(now.saturating_sub(awaited.since));
                if awaited.at.is_some_and(|at| now.saturating_sub(at) < fresh) {
                    return Ok(None);
                }
                awaited.at = Some(now);
                awaited.asked
            } else {
                None
            }
        };
        let names = self.names(build);
        let tag = || Value::from(names.build_tag.as_str());
        let mut calls = vec![Call::new("getRepo", [tag()]), Call::new("listTagged", [tag()]).with("inherit", false)];
        calls.extend(awaited.map(Asked::question));
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let repository = answers.next().unwrap_or(Ok(Value::Nil));
        let repository = repository.map_err(|fault| refused("a repository cannot be looked up", fault))?;
        let repository = Repository::from_value(repository).map_err(unreadable)?;
        let tagged = builds_of(answers.next().unwrap_or(Ok(Value::Nil)))?;
        if let Some(repository) = repository.filter(|repository| repository.state == Repository::READY)
            && has_all(build, covered, &repository, &tagged)
        {
            self.memory().repositories.remove(&build.id);
            return Ok(Some(Fact::RepositoryRegenerated { generation }));
        }
        let under_way = match awaited {
            Some(asked) => asked.is_under_way(answers.next())?,
            None => false,
        };
        if !under_way {
            if awaited.is_some() {
                failed(build, &names);
            }
            self.ask_for_repository(build, generation).await?;
        }
        Ok(None)
    }
}

fn failed(build: &ModuleBuild, names: &Names) {
    let (id, tag) = (build.id.get(), &names.build_tag);
    tracing::warn!(build.id = id, %tag, "a repository failed or came too early; it is asked for again");
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
