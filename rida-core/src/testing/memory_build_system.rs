//! A build system in memory, with tasks that take simulated time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use crate::build::{ModuleBuild, Phase};
use crate::component::{ComponentKey, ComponentState, TaskProgress};
use crate::driver::Clock;
use crate::error::PortError;
use crate::event::Fact;
use crate::id::{BuildId, ComponentName, Nvr, TaskId};
use crate::ports::{BuildSystem, LogChunk};
use crate::timestamp::Timestamp;

/// How the tasks of a component go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// They take this long and succeed.
    Succeeds(Duration),
    /// They take this long and fail.
    Fails(Duration),
    /// They never end by themselves.
    Hangs,
}

/// A build system in memory. Clones share it.
///
/// It keeps count of what it was asked, so that a test can see that nothing was built twice.
#[derive(Clone)]
pub struct MemoryBuildSystem {
    clock: Arc<dyn Clock>,
    world: Arc<Mutex<World>>,
}

#[derive(Debug, Default)]
struct World {
    courses: BTreeMap<ComponentName, Course>,
    prepared: BTreeSet<BuildId>,
    /// The task of each key. Keys of later attempts may share the task of an earlier one.
    keys: BTreeMap<ComponentKey, TaskId>,
    tasks: BTreeMap<TaskId, Task>,
    cancelled: BTreeSet<ComponentKey>,
    tagged: BTreeMap<BuildId, BTreeSet<ComponentKey>>,
    repositories: BTreeMap<(BuildId, u32), Repository>,
    /// Repositories that are asked for from now on never come.
    stuck: bool,
    finished: BTreeSet<BuildId>,
    /// What somebody took away of finished builds.
    gone: BTreeSet<(BuildId, ComponentName)>,
    violations: Vec<String>,
    /// How often each thing was asked for.
    calls: BTreeMap<String, usize>,
    /// It starts a task whenever it is asked to, which the port forbids.
    careless: bool,
}

#[derive(Debug)]
struct Task {
    build: BuildId,
    component: ComponentName,
    started: Timestamp,
    course: Course,
    cancelled: bool,
    nvr: Arc<Nvr>,
}

#[derive(Debug)]
struct Repository {
    /// When it is there; absent when it never comes.
    ready: Option<Timestamp>,
    contents: BTreeSet<ComponentKey>,
}

/// What a task came to.
enum Ended {
    Built,
    Failed,
    Cancelled,
}

/// How long a repository takes.
const REPOSITORY_TIME: Duration = Duration::from_secs(5);
/// How long the tasks of a component take that nothing was said of.
const TASK_TIME: Duration = Duration::from_secs(30);

impl MemoryBuildSystem {
    /// Makes an empty build system.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, world: Arc::default() }
    }

    /// Says how the tasks of a component go from now on.
    pub fn set_course(&self, component: &ComponentName, course: Course) {
        self.world().courses.insert(component.clone(), course);
    }

    /// Returns how many tasks were started for each component of a build.
    pub fn started(&self, build: BuildId) -> BTreeMap<ComponentName, usize> {
        let world = self.world();
        let mut started: BTreeMap<ComponentName, usize> = BTreeMap::new();
        for task in world.tasks.values().filter(|task| task.build == build) {
            *started.entry(task.component.clone()).or_default() += 1;
        }
        started
    }

    /// Returns every component of a build that was built, once for each task that built it.
    pub fn built(&self, build: BuildId) -> Vec<ComponentName> {
        let now = self.clock.now();
        let world = self.world();
        let built = |task: &&Task| task.build == build && matches!(task.ended(now), Some(Ended::Built));
        world.tasks.values().filter(built).map(|task| task.component.clone()).collect()
    }

    /// Returns the builds whose metadata were written.
    pub fn finished(&self) -> BTreeSet<BuildId> {
        self.world().finished.clone()
    }

    /// Takes away what a build has of a component, so that no other can take it over.
    pub fn lose(&self, build: BuildId, component: &ComponentName) {
        self.world().gone.insert((build, component.clone()));
    }

    /// Returns the components that are in a build's tag.
    pub fn tagged(&self, build: BuildId) -> BTreeSet<ComponentName> {
        let world = self.world();
        world.tagged.get(&build).into_iter().flatten().map(|key| key.component.clone()).collect()
    }

    /// Returns what was asked in a wrong order, such as a component before the environment.
    pub fn violations(&self) -> Vec<String> {
        self.world().violations.clone()
    }

    /// Returns the builds and components of tasks that still run.
    pub fn running(&self) -> Vec<(BuildId, ComponentName)> {
        let now = self.clock.now();
        let world = self.world();
        let running = world.tasks.values().filter(|task| task.ended(now).is_none());
        running.map(|task| (task.build, task.component.clone())).collect()
    }

    /// Returns the builds and numbers of repositories that are being made.
    pub fn regenerating(&self) -> Vec<(BuildId, u32)> {
        let now = self.clock.now();
        let world = self.world();
        world.repositories.iter().filter(|(_, repository)| !repository.is_ready(now)).map(|(of, _)| *of).collect()
    }

    /// Says whether repositories that are asked for from now on never come.
    pub fn set_stuck(&self, stuck: bool) {
        self.world().stuck = stuck;
    }

    /// Returns what was asked for more than once, with how often.
    pub fn repeated(&self) -> BTreeMap<String, usize> {
        self.world().calls.iter().filter(|(_, count)| **count > 1).map(|(call, count)| (call.clone(), *count)).collect()
    }

    /// Makes it start a task whenever it is asked to, without a look at what it was asked before.
    pub(super) fn set_careless(&self, careless: bool) {
        self.world().careless = careless;
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    fn count(&mut self, call: String) {
        *self.calls.entry(call).or_default() += 1;
    }

    /// Ends the repositories of a build before one that are being made.
    fn end_repositories(&mut self, build: BuildId, before: u32, now: Timestamp) {
        self.repositories
            .retain(|(of, generation), repository| *of != build || *generation >= before || repository.is_ready(now));
    }

    /// Tells whether a build has a component that others can take over.
    fn has(&self, build: BuildId, component: &ComponentName) -> bool {
        let tagged = self.tagged.get(&build).is_some_and(|keys| keys.iter().any(|key| key.component == *component));
        tagged && !self.gone.contains(&(build, component.clone()))
    }

    fn task(&self, key: &ComponentKey) -> Option<(TaskId, &Task)> {
        let id = *self.keys.get(key)?;
        Some((id, self.tasks.get(&id)?))
    }

    /// Returns the task of an earlier attempt that runs, or that built the component after all.
    fn left_by_earlier_attempt(&self, key: &ComponentKey, now: Timestamp) -> Option<TaskId> {
        let earlier = ComponentKey { attempt: 0, ..key.clone() };
        let left =
            |id: &TaskId| self.tasks.get(id).is_some_and(|task| matches!(task.ended(now), None | Some(Ended::Built)));
        self.keys.range(earlier..key.clone()).map(|(_, id)| *id).rfind(left)
    }

    /// Notes when a component starts before all that it waits for is in a finished repository.
    fn check_order(&mut self, build: &ModuleBuild, key: &ComponentKey, now: Timestamp) {
        let Some((planned, _)) = build.component(&key.component) else {
            self.violations.push(format!("{key:?} is not a component of the build"));
            return;
        };
        let ready = |repository: &&Repository| repository.is_ready(now);
        let mut repositories = self.repositories.range((build.id, 0)..=(build.id, u32::MAX)).map(|(_, r)| r);
        let newest = repositories.rfind(ready);
        let missing = build.plan().iter().enumerate().find(|(index, other)| {
            let needed = match &planned.waits_for {
                crate::plan::WaitsFor::Batches => other.batch < planned.batch,
                crate::plan::WaitsFor::Components(needed) => needed.contains(index),
            };
            let in_repository =
                newest.is_some_and(|repository| repository.contents.iter().any(|k| k.component == other.name));
            needed && !in_repository
        });
        if let Some((_, missing)) = missing {
            self.violations.push(format!("{key:?} started before {} was in the repository", missing.name));
        }
    }
}

impl Repository {
    fn is_ready(&self, now: Timestamp) -> bool {
        self.ready.is_some_and(|ready| ready <= now)
    }
}

impl Task {
    fn ended(&self, now: Timestamp) -> Option<Ended> {
        let after = |time| self.started.plus(time) <= now;
        match self.course {
            _ if self.cancelled => Some(Ended::Cancelled),
            Course::Succeeds(time) if after(time) => Some(Ended::Built),
            Course::Fails(time) if after(time) => Some(Ended::Failed),
            Course::Succeeds(_) | Course::Fails(_) | Course::Hangs => None,
        }
    }
}

#[async_trait]
impl BuildSystem for MemoryBuildSystem {
    async fn prepare(&self, build: &ModuleBuild) -> Result<(), PortError> {
        let mut world = self.world();
        world.count(format!("prepare {}", build.id));
        world.prepared.insert(build.id);
        Ok(())
    }

    async fn build(&self, build: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError> {
        let now = self.clock.now();
        let mut world = self.world();
        world.count(format!("build {} of {}, try {}", key.component, key.build, key.attempt));
        if let Some(task) = world.keys.get(key).filter(|_| !world.careless) {
            return Ok(*task);
        }
        if world.cancelled.contains(key) {
            return Err(PortError::permanent("the build of this component was cancelled"));
        }
        if !world.prepared.contains(&build.id) {
            world.violations.push(format!("{key:?} started before the environment was prepared"));
        }
        if let Some(task) = world.left_by_earlier_attempt(key, now).filter(|_| !world.careless) {
            world.keys.insert(key.clone(), task);
            return Ok(task);
        }
        world.check_order(build, key, now);
        let id = TaskId(i64::try_from(world.tasks.len()).unwrap_or(i64::MAX).saturating_add(1));
        let course = world.courses.get(&key.component).copied().unwrap_or(Course::Succeeds(TASK_TIME));
        let nvr = Nvr {
            name: key.component.as_str().into(),
            version: "1".into(),
            release: format!("{}{}", key.attempt, build.dist_tag).into(),
        };
        let task = Task {
            build: key.build,
            component: key.component.clone(),
            started: now,
            course,
            cancelled: false,
            nvr: Arc::new(nvr),
        };
        world.tasks.insert(id, task);
        world.keys.insert(key.clone(), id);
        Ok(id)
    }

    async fn tag(&self, build: &ModuleBuild, components: &[ComponentKey]) -> Result<(), PortError> {
        let now = self.clock.now();
        let mut world = self.world();
        for key in components {
            let component = build.component(&key.component).map(|(_, component)| component);
            let component = component.filter(|component| component.attempt == key.attempt);
            if let Some(taken) = component.and_then(|component| component.taken()) {
                if !world.has(taken.build, &key.component) {
                    let donor = taken.build;
                    return Err(PortError::permanent(format!("build {donor} has no {} any more", key.component)));
                }
                world.tagged.entry(key.build).or_default().insert(key.clone());
                continue;
            }
            let built = world.task(key).and_then(|(_, task)| task.ended(now));
            if !matches!(built, Some(Ended::Built)) || key.build != build.id {
                return Err(PortError::permanent(format!("{} was not built", key.component)));
            }
            world.tagged.entry(key.build).or_default().insert(key.clone());
        }
        Ok(())
    }

    async fn reusable(
        &self,
        donor: &ModuleBuild,
        components: &[ComponentName],
    ) -> Result<Vec<ComponentName>, PortError> {
        let world = self.world();
        Ok(components.iter().filter(|component| world.has(donor.id, component)).cloned().collect())
    }

    async fn regenerate(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError> {
        let now = self.clock.now();
        let mut world = self.world();
        let of = |generation| (build.id, generation);
        if world.repositories.range(of(generation)..=of(u32::MAX)).next().is_some() {
            return Ok(());
        }
        // One at a time: it has all that an earlier one would have.
        world.end_repositories(build.id, generation, now);
        let contents = world.tagged.get(&build.id).cloned().unwrap_or_default();
        let ready = (!world.stuck).then(|| now.plus(REPOSITORY_TIME));
        world.repositories.insert(of(generation), Repository { ready, contents });
        Ok(())
    }

    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError> {
        let now = self.clock.now();
        let world = self.world();
        let mut facts = Vec::new();
        for (index, (planned, component)) in build.components().enumerate() {
            let (ComponentState::Building { task, .. }, Some(key)) = (&component.state, build.key(index)) else {
                continue;
            };
            let (component, attempt, task) = (planned.name.clone(), component.attempt, *task);
            let known = world.task(&key).filter(|(id, _)| *id == task).map(|(_, known)| known);
            let failed = |reason: &str| Fact::ComponentFailed {
                component: component.clone(),
                attempt,
                task: Some(task),
                reason: reason.into(),
            };
            facts.push(match known.map(|known| (known, known.ended(now))) {
                None => failed("the build system does not know the task"),
                Some((_, None)) => Fact::TaskProgressed { component, attempt, task, progress: TaskProgress::Open },
                Some((known, Some(Ended::Built))) => {
                    Fact::ComponentBuilt { component, attempt, task, nvr: known.nvr.clone() }
                }
                Some((_, Some(Ended::Failed))) => failed("the compiler gave up"),
                Some((_, Some(Ended::Cancelled))) => failed("the task was cancelled"),
            });
        }
        if let Phase::Building { regenerating: Some(_) } = build.phase {
            let generation = build.repository_generation;
            let repository = world.repositories.get(&(build.id, generation));
            if repository.is_some_and(|repository| repository.is_ready(now)) {
                facts.push(Fact::RepositoryRegenerated { generation });
            }
        }
        Ok(facts)
    }

    async fn cancel(&self, _: &ModuleBuild, key: &ComponentKey, _: Option<TaskId>) -> Result<(), PortError> {
        let now = self.clock.now();
        let mut world = self.world();
        world.cancelled.insert(key.clone());
        let Some(id) = world.keys.get(key).copied() else { return Ok(()) };
        let last = ComponentKey { attempt: u32::MAX, ..key.clone() };
        let later = world.keys.range(key.clone()..=last).filter(|(other, _)| other.attempt > key.attempt);
        let taken_over = later.into_iter().any(|(_, task)| *task == id);
        if let Some(task) = world.tasks.get_mut(&id)
            && !taken_over
            && task.ended(now).is_none()
        {
            task.cancelled = true;
        }
        Ok(())
    }

    async fn abandon(&self, build: &ModuleBuild) -> Result<(), PortError> {
        let now = self.clock.now();
        // A later run asks for a repository of a later number.
        self.world().end_repositories(build.id, build.repository_generation.saturating_add(1), now);
        Ok(())
    }

    async fn write_metadata(&self, build: &ModuleBuild) -> Result<(), PortError> {
        let mut world = self.world();
        world.count(format!("metadata of {}", build.id));
        let untagged = build.components().find(|(planned, component)| {
            let key = ComponentKey { build: build.id, component: planned.name.clone(), attempt: component.attempt };
            component.state != ComponentState::Unneeded
                && !world.tagged.get(&build.id).is_some_and(|tagged| tagged.contains(&key))
        });
        if let Some((planned, _)) = untagged {
            world.violations.push(format!("the metadata of {} came before the tag of {}", build.id, planned.name));
        }
        world.finished.insert(build.id);
        Ok(())
    }

    async fn read_log(&self, key: &ComponentKey, offset: u64, max: usize) -> Result<LogChunk, PortError> {
        let now = self.clock.now();
        let world = self.world();
        let Some((id, task)) = world.task(key) else {
            return Err(PortError::permanent("there is no log for this component"));
        };
        let ended = task.ended(now);
        let mut text = format!("task {id} builds {}\n", task.nvr);
        text.push_str(match ended {
            None => "",
            Some(Ended::Built) => "done\n",
            Some(Ended::Failed) => "the compiler gave up\n",
            Some(Ended::Cancelled) => "cancelled\n",
        });
        let offset = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes: Vec<u8> = text.bytes().skip(offset).take(max).collect();
        let complete = ended.is_some() && offset.saturating_add(bytes.len()) >= text.len();
        Ok(LogChunk { bytes, complete })
    }
}

#[cfg(test)]
mod tests;
