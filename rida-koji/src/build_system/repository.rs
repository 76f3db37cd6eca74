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
/// How often what is known of a repository gets old before one that failed again and again is asked for again: twice as
/// often each time, up to this power of two.
const MOST_PATIENT: u32 = 7;
/// How many modules ask builders at the same time.
const TURNS: usize = 16;

/// Held while a builder is asked for a module's repository, so that who comes meanwhile finds what was asked for.
#[derive(Debug)]
pub(super) struct Turns([tokio::sync::Mutex<()>; TURNS]);

impl Default for Turns {
    fn default() -> Self {
        Self(std::array::from_fn(|_| tokio::sync::Mutex::new(())))
    }
}

impl Turns {
    async fn of(&self, build: BuildId) -> tokio::sync::MutexGuard<'_, ()> {
        let number = usize::try_from(build.get().unsigned_abs()).unwrap_or_default() % TURNS;
        let [first, ..] = &self.0;
        self.0.get(number).unwrap_or(first).lock().await
    }
}

/// A repository that is waited for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Awaited {
    /// Which one of the module it is; the first has none of these numbers.
    of: Of,
    /// What was asked for; absent when that is not known.
    asked: Option<Asked>,
    /// Since when it is waited for.
    since: Duration,
    /// How often it was asked for.
    times: u32,
    /// When it was last asked for.
    asked_at: Duration,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        let known = Repository::from_value(known).map_err(unreadable)?;
        let under_way = asked.is_under_way(answers.next())?;
        if let Some(repository) = known.filter(|_| !under_way) {
            // The queue waits for one that is new enough; a builder may have begun before the environment was complete.
            let tag = match asked {
                Asked::Request(_) => None,
                Asked::Task(_) => repository.rest.get("tag_id").and_then(|tag| tag.int("tag_id").ok()),
            };
            let is_current = match tag {
                Some(tag) => self.is_current(tag, &repository).await?,
                None => true,
            };
            if is_current {
                self.memory().repositories.remove(&build.id);
                return Ok(());
            }
        }
        if !under_way {
            failed(build, &names);
            let asked = self.ask(&names).await?;
            return Err(self.first_is_pending(build, asked));
        }
        Err(self.pending((self.elapsed)().saturating_sub(since)))
    }

    pub(super) async fn ask_for_repository(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError> {
        self.ask_once(build, generation, None).await
    }

    /// Asks for a repository unless somebody has done so since it was known that `before` was asked for.
    async fn ask_once(&self, build: &ModuleBuild, generation: u32, before: Option<Asked>) -> Result<(), PortError> {
        let _turn = self.turns.of(build.id).await;
        let of = Of::Generation(generation);
        if self.asked_meanwhile(build.id, of, before).is_some() {
            return Ok(());
        }
        let asked = self.ask(&self.names(build)).await?;
        self.await_repository(build.id, of, asked);
        Ok(())
    }

    fn await_repository(&self, build: BuildId, of: Of, asked: Option<Asked>) {
        let now = (self.elapsed)();
        let mut memory = self.memory();
        if memory.repositories.len() >= REMEMBERED {
            memory.repositories.pop_first();
        }
        let before = memory.repositories.get(&build).filter(|before| before.of == of);
        let (since, times) = before.map_or((now, 0), |before| (before.since, before.times));
        let awaited =
            Awaited { of, asked, since, times: times.saturating_add(1), asked_at: now, at: asked.map(|_| now) };
        memory.repositories.insert(build, awaited);
    }

    /// Tells what was asked for meanwhile, by who had the turn.
    fn asked_meanwhile(&self, build: BuildId, of: Of, before: Option<Asked>) -> Option<Asked> {
        let memory = self.memory();
        let awaited = memory.repositories.get(&build).filter(|awaited| awaited.of == of)?;
        awaited.asked.filter(|asked| Some(*asked) != before)
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
            Ok(task) => self.only_one(names, task.int("newRepo").map_err(unreadable)?).await,
            Err(error) if error.kind() == KojiErrorKind::Committed => {
                Ok(self.regenerating(names).await?.map(Asked::Task))
            }
            Err(error) => Err(port_error(error)),
        }
    }

    /// Ends a task that was just started when another service has started one at the same moment, and returns the one that
    /// stays: the older one, which both services see.
    async fn only_one(&self, names: &Names, started: i64) -> Result<Option<Asked>, PortError> {
        let oldest = self.regenerating(names).await?.unwrap_or(started);
        if oldest < started {
            self.end_task(started).await?;
            return Ok(Some(Asked::Task(oldest)));
        }
        Ok(Some(Asked::Task(started)))
    }

    /// Returns the oldest task that makes a repository of the module's build tag now, whoever asked for it.
    async fn regenerating(&self, names: &Names) -> Result<Option<i64>, PortError> {
        let options = [
            ("method", Value::from("newRepo")),
            ("state", Value::Array([0, 1, 4].map(Value::Int).to_vec())),
            ("decode", Value::Bool(true)),
        ];
        let answer = self.client.read(&Call::new("listTasks", [Value::from(options)])).await.map_err(port_error)?;
        let mut oldest: Option<i64> = None;
        for task in answer.array("listTasks").map_err(unreadable)? {
            let task = Task::from_value(task).map_err(unreadable)?;
            if let Value::Array(request) = &task.request
                && request.first().and_then(|tag| tag.text("tag").ok()) == Some(&names.build_tag)
            {
                oldest = Some(oldest.map_or(task.id, |known| known.min(task.id)));
            }
        }
        Ok(oldest)
    }

    /// Tells whether the repository that a build waits for is there; asks for it again when nobody makes it.
    pub(super) async fn repository(&self, build: &ModuleBuild) -> Result<Option<Fact>, PortError> {
        let Phase::Building { regenerating: Some(covered) } = &build.phase else { return Ok(None) };
        let generation = build.repository_generation;
        let now = (self.elapsed)();
        let awaited = {
            let mut memory = self.memory();
            let awaited = memory.repositories.get_mut(&build.id);
            if let Some(awaited) = awaited.filter(|awaited| awaited.of == Of::Generation(generation)) {
                let fresh = self.freshness(now.saturating_sub(awaited.since));
                if awaited.at.is_some_and(|at| now.saturating_sub(at) < fresh) {
                    return Ok(None);
                }
                awaited.at = Some(now);
                awaited.asked.map(|asked| (asked, awaited.times, awaited.asked_at))
            } else {
                None
            }
        };
        let names = self.names(build);
        let tag = || Value::from(names.build_tag.as_str());
        let mut calls = vec![Call::new("getRepo", [tag()]), Call::new("listTagged", [tag()]).with("inherit", false)];
        calls.extend(awaited.map(|(asked, ..)| asked.question()));
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
            Some((asked, ..)) => asked.is_under_way(answers.next())?,
            None => false,
        };
        if under_way {
            return Ok(None);
        }
        // No repository has what is not in the tag.
        if let Some(nvr) = wanted(build, covered).find(|nvr| tagged.iter().all(|build| build.nvr != *nvr)) {
            let tag = &names.build_tag;
            let text =
                format!("somebody took {nvr} out of Koji's tag {tag}, and the module cannot be built on; put it back");
            return Err(PortError::unavailable(text));
        }
        let Some((asked, times, asked_at)) = awaited else {
            self.ask_once(build, generation, None).await?;
            return Ok(None);
        };
        // The first time at once; one that can never be made is not asked for all the time.
        let pause = match times {
            0 | 1 => Duration::ZERO,
            more => self.config.freshness.saturating_mul(1 << more.min(MOST_PATIENT)),
        };
        if now.saturating_sub(asked_at) >= pause {
            failed(build, &names);
            self.ask_once(build, generation, Some(asked)).await?;
        }
        if times < 2 {
            return Ok(None);
        }
        let made = match asked {
            Asked::Task(task) => format!("Koji's task {task}, which made the module's repository,"),
            Asked::Request(request) => format!("what Koji's request {request} for the module's repository led to"),
        };
        Err(PortError::unavailable(format!(
            "{made} failed or came too early, and so {times} times; it is asked for again"
        )))
    }
}

fn failed(build: &ModuleBuild, names: &Names) {
    let (id, tag) = (build.id.get(), &names.build_tag);
    tracing::warn!(build.id = id, %tag, "a repository failed or came too early; it is asked for again");
}

/// Returns what a repository is asked for.
fn wanted<'a>(build: &'a ModuleBuild, covered: &'a [usize]) -> impl Iterator<Item = String> + 'a {
    // What is tagged meanwhile is for the next one.
    let is_covered = |index: usize| covered.is_empty() || covered.contains(&index);
    build.components.iter().enumerate().filter_map(move |(index, component)| match &component.state {
        ComponentState::Tagged(built) if is_covered(index) => Some(built.nvr.to_string()),
        ComponentState::Available(built) => Some(built.nvr.to_string()),
        _ => None,
    })
}

/// Tells whether a repository has all that it was asked for.
fn has_all(build: &ModuleBuild, covered: &[usize], repository: &Repository, tagged: &[Build]) -> bool {
    wanted(build, covered).all(|nvr| {
        let found = tagged.iter().find(|build| build.nvr == nvr);
        found.and_then(|build| build.tagged_by).is_some_and(|event| event <= repository.event)
    })
}
