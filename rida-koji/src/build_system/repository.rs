//! Repositories of a module's build tag.
//!
//! A repository is the one that was asked for when each package that it is asked for was tagged before its event. That
//! is read off the hub, so that nothing has to be remembered. One that failed is asked for again; hubs that keep a queue
//! do that, and see to it that there are never two at once for one tag; with older ones it is done here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rida_core::{BuildId, ComponentState, Fact, ModuleBuild, Phase, PortError};

use self::awaited::Of;
pub(super) use self::awaited::{Asked, Awaited};
use super::components::builds_of;
use super::{KojiBuildSystem, running, unreadable};
use crate::client::Version;
use crate::error::KojiErrorKind;
use crate::map::{Names, port_error, refused};
use crate::wire::{Build, Repository, Tag};
use crate::xmlrpc::{Call, Value};

mod awaited;

/// How many modules' repositories are remembered.
const REMEMBERED: usize = 4096;
/// The shortest pause between two questions for the first repository.
const SHORTEST: Duration = Duration::from_secs(1);

/// A turn of each module whose repository somebody asks for, as long as anybody does. It is held while a builder is
/// asked, so that who comes meanwhile finds what was asked for. No module waits for what the hub does for another.
#[derive(Debug, Default)]
pub(super) struct Turns(Mutex<BTreeMap<BuildId, Weak<Turn>>>);

type Turn = tokio::sync::Mutex<()>;

impl Turns {
    async fn of(&self, build: BuildId) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, turn| turn.strong_count() > 0);
            let known = turns.get(&build).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let turn = Arc::<Turn>::default();
                turns.insert(build, Arc::downgrade(&turn));
                turn
            })
        };
        turn.lock_owned().await
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
    /// Tells that the first repository is being made, without which no builder begins, once the queue was asked for it.
    pub(super) fn first_is_pending(&self, build: &ModuleBuild, asked: Option<Asked>) -> PortError {
        self.await_repository(build.id, Of::First(build.run_started), asked);
        self.pending(Duration::ZERO, None)
    }

    /// Asks a builder for the first repository, and tells that it is being made.
    pub(super) async fn ask_for_first(&self, build: &ModuleBuild) -> Result<PortError, PortError> {
        self.ask_once(build, Of::First(build.run_started), None).await?;
        Ok(self.pending(Duration::ZERO, None))
    }

    fn pending(&self, waited: Duration, why: Option<String>) -> PortError {
        let text =
            why.unwrap_or_else(|| "Koji is making the module's first repository, which every builder needs".to_owned());
        PortError::pending(text, self.freshness(waited).max(SHORTEST))
    }

    /// Looks after the first repository, once it was asked for; tells whether it was.
    pub(super) async fn first_repository(&self, build: &ModuleBuild) -> Option<Result<(), PortError>> {
        let awaited = self.memory().repositories.get(&build.id).cloned()?;
        let asked = awaited.asked.filter(|_| awaited.of == Of::First(build.run_started))?;
        Some(self.look_after_first(build, asked, &awaited).await)
    }

    async fn look_after_first(&self, build: &ModuleBuild, asked: Asked, awaited: &Awaited) -> Result<(), PortError> {
        let names = self.names(build);
        let tag = || Value::from(names.build_tag.as_str());
        let calls = [Call::new("getRepo", [tag()]), Call::new("getTag", [tag()]), asked.question()];
        let mut answers = self.look(&calls).await?.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        let known = next().map_err(|fault| refused("a repository cannot be looked up", fault))?;
        let known = Repository::from_value(known).map_err(unreadable)?;
        let tag = next().map_err(|fault| refused("a tag cannot be looked up", fault))?;
        let tag = Tag::from_value(tag).map_err(unreadable)?;
        let tag = tag.ok_or_else(|| PortError::permanent(format!("Koji's tag {} is gone", names.build_tag)))?;
        let under_way = asked.is_under_way(Some(next()))?;
        // A builder may have begun before the environment was complete; and where it failed, an older one is there.
        if let Some(repository) = known.filter(|_| !under_way)
            && self.is_current(tag.id, &repository).await?
        {
            self.memory().repositories.remove(&build.id);
            return Ok(());
        }
        let why = if under_way { awaited.before() } else { self.ask_again(build, &names, awaited).await? };
        Err(self.pending((self.elapsed)().saturating_sub(awaited.since), why))
    }

    pub(super) async fn ask_for_repository(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError> {
        self.ask_once(build, Of::Generation(generation), None).await
    }

    /// Asks again for a repository that nobody makes, when it is time to, and says why it is not there.
    async fn ask_again(
        &self,
        build: &ModuleBuild,
        names: &Names,
        awaited: &Awaited,
    ) -> Result<Option<String>, PortError> {
        if awaited.is_due((self.elapsed)(), self.config.freshness) {
            let (id, tag) = (build.id.get(), &names.build_tag);
            tracing::warn!(build.id = id, %tag, "a repository failed or came too early; it is asked for again");
            self.ask_once(build, awaited.of, awaited.asked).await?;
        }
        Ok(awaited.words())
    }

    /// Asks for a repository unless somebody has done so since it was known that `before` was asked for.
    async fn ask_once(&self, build: &ModuleBuild, of: Of, before: Option<Asked>) -> Result<(), PortError> {
        let _turn = self.turns.of(build.id).await;
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
        let awaited = Awaited::again(memory.repositories.get(&build), of, asked, now);
        memory.repositories.insert(build, awaited);
    }

    /// Tells what was asked for meanwhile, by who had the turn.
    fn asked_meanwhile(&self, build: BuildId, of: Of, before: Option<Asked>) -> Option<Asked> {
        let memory = self.memory();
        let awaited = memory.repositories.get(&build).filter(|awaited| awaited.of == of)?;
        awaited.asked.filter(|asked| Some(*asked) != before)
    }

    /// Asks for a repository, and returns what to ask after.
    async fn ask(&self, names: &Names) -> Result<Option<Asked>, PortError> {
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
        let answer = self.client.read(&running::ask("newRepo", None)).await.map_err(port_error)?;
        let own = running::tasks(answer)?.into_iter().filter(|task| running::makes_repository(task, &names.build_tag));
        Ok(own.map(|task| task.id).min())
    }

    /// Tells whether the repository that a build waits for is there; asks for it again when nobody makes it.
    pub(super) async fn repository(&self, build: &ModuleBuild) -> Result<Option<Fact>, PortError> {
        let Phase::Building { regenerating: Some(covered) } = &build.phase else { return Ok(None) };
        let of = Of::Generation(build.repository_generation);
        let now = (self.elapsed)();
        let awaited = {
            let mut memory = self.memory();
            match memory.repositories.get_mut(&build.id).filter(|awaited| awaited.of == of) {
                Some(awaited) => {
                    let fresh = self.freshness(now.saturating_sub(awaited.since));
                    if let Some(told) = awaited.told(now, fresh) {
                        return told.map(|()| None);
                    }
                    awaited.look(now);
                    Some(awaited.clone())
                }
                None => None,
            }
        };
        let found = self.look_for_repository(build, covered, awaited).await;
        if let Err(error) = &found
            && let Some(awaited) = self.memory().repositories.get_mut(&build.id).filter(|awaited| awaited.of == of)
        {
            awaited.tell(error);
        }
        found
    }

    async fn look_for_repository(
        &self,
        build: &ModuleBuild,
        covered: &[usize],
        awaited: Option<Awaited>,
    ) -> Result<Option<Fact>, PortError> {
        let generation = build.repository_generation;
        let names = self.names(build);
        let tag = || Value::from(names.build_tag.as_str());
        let awaited = awaited.and_then(|awaited| Some((awaited.asked?, awaited)));
        let mut calls = vec![Call::new("getRepo", [tag()]), Call::new("listTagged", [tag()]).with("inherit", false)];
        calls.extend(awaited.iter().map(|(asked, _)| asked.question()));
        let mut answers = self.look(&calls).await?.into_iter();
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
        let unless_told = |why: Option<String>| why.map_or(Ok(None), |why| Err(PortError::unavailable(why)));
        if let Some((asked, awaited)) = &awaited
            && asked.is_under_way(answers.next())?
        {
            return unless_told(awaited.before());
        }
        // No repository has what is not in the tag.
        if let Some(nvr) = wanted(build, covered).find(|nvr| tagged.iter().all(|build| build.nvr != *nvr)) {
            let tag = &names.build_tag;
            let text =
                format!("somebody took {nvr} out of Koji's tag {tag}, and the module cannot be built on; put it back");
            return Err(PortError::unavailable(text));
        }
        let Some((_, awaited)) = awaited else {
            self.ask_once(build, Of::Generation(generation), None).await?;
            return Ok(None);
        };
        unless_told(self.ask_again(build, &names, &awaited).await?)
    }
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
