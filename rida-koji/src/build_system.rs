//! Modules are built in Koji: all that is known of a build is in the hub, and found there again.
//!
//! Nothing is kept here but what saves questions. Every task carries the component and the try that it is for among its
//! options, so that a task whose start was never answered is found; a try that must never start is noted in the
//! module's tag. So any number of services may work on one hub, and any of them may end at any time.

mod abandon;
mod cancel;
mod changed;
mod clean;
mod components;
mod conflicts;
mod environment;
mod follow;
mod import;
mod index;
mod log;
mod macros;
mod members;
mod module;
mod overlap;
mod parents;
mod repository;
mod reuse;
mod running;
mod starts;
mod tagging;
mod xmd;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rida_core::modulemd::{self, ModuleStream};
use rida_core::{
    Arch, BuildId, BuildSystem, BuildSystemHint, ComponentKey, ComponentName, Fact, LogChunk, ModuleBuild, PortError,
    Remarks, Store, TaskId,
};

pub use self::clean::{CleanUp, CleanUpError, Cleaned};
use self::follow::Watched;
use self::index::Index;
pub(crate) use self::macros::rpmbuild_command;
use self::repository::Awaited;
use self::starts::Starts;
use crate::client::Client;
use crate::config::KojiConfig;
use crate::map::{Names, port_error};
use crate::xmlrpc::{Answer, Call};

/// How many modules' names are remembered.
const REMEMBERED: usize = 4096;

/// Builds modules in Koji. It is used within a tokio runtime.
pub struct KojiBuildSystem {
    client: Client,
    config: KojiConfig,
    builds: Arc<dyn Store>,
    memory: Mutex<Memory>,
    /// Tells how much time has gone by.
    elapsed: Elapsed,
    /// Components that are to start, by module.
    starts: Starts,
    turns: repository::Turns,
    /// Held while the hub is asked about tasks, so that who comes meanwhile finds the answer.
    asking: tokio::sync::Mutex<()>,
}

/// Tells how much time has gone by since some moment.
type Elapsed = Box<dyn Fn() -> Duration + Send + Sync>;

/// Of how long something has been waited for, this is how old what is known of it may be.
const PATIENCE: u32 = 3;

/// What saves questions.
#[derive(Default)]
struct Memory {
    index: Index,
    watched: Watched,
    repositories: BTreeMap<BuildId, Awaited>,
    names: BTreeMap<BuildId, Names>,
    putting: BTreeMap<BuildId, import::Putting>,
    /// What somebody changed of environments that are being prepared.
    changed: BTreeMap<BuildId, Vec<Arc<str>>>,
}

impl std::fmt::Debug for KojiBuildSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KojiBuildSystem")
            .field("client", &self.client)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

impl KojiBuildSystem {
    /// Makes one of a client. `builds` knows the modules that others are built against.
    pub fn new(client: Client, config: KojiConfig, builds: Arc<dyn Store>) -> Self {
        let began = Instant::now();
        Self {
            client,
            config,
            builds,
            memory: Mutex::default(),
            elapsed: Box::new(move || began.elapsed()),
            starts: Starts::default(),
            turns: repository::Turns::default(),
            asking: tokio::sync::Mutex::default(),
        }
    }

    /// Lets another clock say how much time has gone by, by which it is decided what is asked again.
    #[must_use]
    pub fn with_clock(mut self, elapsed: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        self.elapsed = Box::new(elapsed);
        self
    }

    /// Returns the client.
    pub const fn client(&self) -> &Client {
        &self.client
    }

    /// Returns how modules are built.
    pub const fn config(&self) -> &KojiConfig {
        &self.config
    }

    /// Returns how old what is known may be of something that has been waited for so long. Who waits for long learns of
    /// its end a little later, and costs the hub less.
    fn freshness(&self, waited: Duration) -> Duration {
        self.config.freshness.max(self.config.longest_freshness.min(waited / PATIENCE))
    }

    /// Asks what is asked again and again, and whose answer others wait for: not for as long as a call may take.
    async fn look(&self, calls: &[Call]) -> Result<Vec<Answer>, PortError> {
        self.client.read_many_within(self.config.look_timeout, calls).await.map_err(port_error)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the names of what a module has in Koji, and remembers them for calls that only have its number.
    fn names(&self, build: &ModuleBuild) -> Names {
        let names = Names::of(build);
        let mut memory = self.memory();
        if memory.names.len() >= REMEMBERED {
            memory.names.pop_first();
        }
        memory.names.insert(build.id, names.clone());
        names
    }
}

/// Reads the modulemd of a build.
fn document(build: &ModuleBuild) -> Result<ModuleStream, PortError> {
    let document = modulemd::read(build.submission.modulemd.as_bytes());
    document.and_then(|document| document.to_source()).map_err(|problems| {
        PortError::permanent(format!("the modulemd of the build cannot be read: {}", problems.lines().join("; ")))
    })
}

/// Says that an answer of the hub cannot be read.
fn unreadable(error: crate::xmlrpc::Shape) -> PortError {
    port_error(crate::client::unreadable(error))
}

#[async_trait]
impl BuildSystem for KojiBuildSystem {
    async fn prepare(&self, build: &ModuleBuild) -> Result<(), PortError> {
        self.prepare_environment(build).await
    }

    async fn remarks(&self, build: &ModuleBuild) -> Result<Remarks, PortError> {
        let without = self.left_out(build).await?;
        let changed = self.memory().changed.remove(&build.id).unwrap_or_default();
        Ok(Remarks { without, changed })
    }

    async fn build(&self, build: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError> {
        self.build_component(build, key).await
    }

    async fn tag(&self, build: &ModuleBuild, components: &[ComponentKey]) -> Result<(), PortError> {
        self.tag_components(build, components).await
    }

    async fn reusable(
        &self,
        donor: &ModuleBuild,
        components: &[ComponentName],
    ) -> Result<Vec<ComponentName>, PortError> {
        self.components_there(donor, components).await
    }

    async fn regenerate(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError> {
        self.ask_for_repository(build, generation).await
    }

    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError> {
        self.follow_build(build).await
    }

    async fn cancel(&self, build: &ModuleBuild, key: &ComponentKey, task: Option<TaskId>) -> Result<(), PortError> {
        self.cancel_component(build, key, task).await
    }

    async fn abandon(&self, build: &ModuleBuild) -> Result<(), PortError> {
        self.abandon_environment(build).await
    }

    async fn write_metadata(&self, build: &ModuleBuild) -> Result<(), PortError> {
        self.import_module(build).await
    }

    async fn final_modulemd(&self, build: &ModuleBuild) -> Result<BTreeMap<Arch, String>, PortError> {
        self.documents(build).await
    }

    async fn read_log(&self, key: &ComponentKey, offset: u64, max: usize) -> Result<LogChunk, PortError> {
        self.read_component_log(key, offset, max).await
    }

    fn concerns(&self, hint: &BuildSystemHint, build: &ModuleBuild) -> bool {
        let names = Names::of(build);
        let is_target = hint.tag.as_ref().is_some_and(|tag| *tag == names.tag || *tag == names.build_tag);
        let concerned = is_target || hint.concerns(build);
        let (mut memory, now) = (self.memory(), (self.elapsed)());
        // It may be of a task that nobody has recorded yet.
        memory.watched.expire(hint.task.iter().map(|task| task.0), now);
        if concerned && hint.task.is_none() && hint.tag.is_none() {
            let tasks = build.components.iter().filter_map(|component| Some(component.state.task()?.0));
            memory.watched.expire(tasks, now);
        }
        if let Some(awaited) = memory.repositories.get_mut(&build.id).filter(|_| is_target) {
            awaited.at = None;
        }
        concerned
    }
}
