//! The build system of this machine.
//!
//! Everything that is known of a task is in the data folder, and each build runs under a supervisor of its own that
//! outlives this service. So a service that starts finds its finished, running and queued tasks again; what the machine
//! took with it when it went down is started again under the same number.

pub(crate) mod metadata;
pub(crate) mod packages;
pub(crate) mod report;
pub(crate) mod requirements;
pub(crate) mod runner;
pub(crate) mod shop;
pub(crate) mod supervisor;
pub(crate) mod version;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rida_core::plan::PlannedComponent;
use rida_core::{
    Arch, BuildId, BuildMacros, BuildSystem, ComponentKey, ComponentName, ComponentState, Fact, LogChunk, ModuleBuild,
    Phase, PortError, TaskId, TaskProgress,
};
use tokio::sync::Semaphore;

use self::shop::{Backend, Environment, Shop};
use self::supervisor::Supervisor;
use crate::config::{BackendChoice, LocalConfig};
use crate::git::GitScm;
use crate::layout::{Layout, blocking, read_record, storage, write_record};
use crate::process::{is_installed, locate};
use crate::repo;
use crate::rpmbuild::HostPackages;
use crate::sandbox::Sandbox;
use crate::srpm;
use crate::tasks::{KeyState, Source, Started, TaskResult, Tasks};

/// The most bytes of a log that are read at once.
const LARGEST_CHUNK: usize = 4 * 1024 * 1024;

/// Programs that every backend needs, each with the package that has it.
const PROGRAMS: &[(&str, &str)] = &[
    ("createrepo_c", "createrepo_c (Debian: createrepo-c)"),
    ("curl", "curl"),
    ("git", "git"),
    ("modifyrepo_c", "createrepo_c (Debian: createrepo-c)"),
    ("prlimit", "util-linux"),
    ("rpm", "rpm"),
    ("setsid", "util-linux"),
];

/// Programs that rpmbuild needs besides.
const RPMBUILD_PROGRAMS: &[(&str, &str)] =
    &[("rpmbuild", "rpm-build (Debian: rpm)"), ("rpm2archive", "rpm"), ("tar", "tar"), ("gzip", "gzip")];

/// Builds modules on this machine, with mock or rpmbuild.
///
/// It must be made and used within a tokio runtime. When it is dropped, running builds go on; one that is made later on
/// the same folder finds them. Under systemd that needs `KillMode=process`; otherwise systemd ends the builds with the
/// service, and they start again with it.
///
/// # What it promises
/// With mock, each package is built in a clean root of the distribution that was chosen, with the module's repository.
/// mock makes the limits on memory and processes; those of this crate hold for time, log and results.
///
/// With rpmbuild, each package is built with the compilers and libraries of this machine, in a sandbox without network,
/// without rights, and without sight of anything but them. Packages of the module, and of modules that it is built
/// against, are unpacked over `/usr` and `/etc` for that build alone, and only when its build requirements need them:
/// one that is forgotten in a spec is noticed. Their scripts and triggers do not run. Build requirements that no module
/// provides are checked where RPM's database is the machine's own (Fedora, EL); elsewhere (Debian) they are taken from
/// the machine unchecked, which the log says. What `%generate_buildrequires` adds is not installed. Memory is limited
/// for each process, not for all of them together, and disk is looked at every few seconds.
///
/// Without a sandbox, which [`describe`](Self::describe) says loudly, a build can do what the service can.
pub struct LocalBuildSystem {
    shop: Arc<Shop>,
    identity: String,
}

impl std::fmt::Debug for LocalBuildSystem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalBuildSystem").field("config", &self.shop.config).finish_non_exhaustive()
    }
}

impl LocalBuildSystem {
    /// Takes over the data folder and goes on with the tasks in it. `scm` gives the sources; `hint` is called with a
    /// build when it is worth asking what became of it.
    ///
    /// # Errors
    /// When another service uses the folder, a setting makes no sense, what the settings demand is not installed, or
    /// the folder cannot be used.
    pub async fn open(
        config: LocalConfig,
        scm: GitScm,
        hint: impl Fn(BuildId) + Send + Sync + 'static,
    ) -> Result<Self, PortError> {
        config.check()?;
        let folder = config.folder.clone();
        let (layout, lock, identity) = blocking(move || {
            let layout = Layout::open(&folder).map_err(storage)?;
            let lock = layout.lock()?;
            let identity = layout.identity().map_err(storage)?;
            Ok((layout, lock, identity))
        })
        .await?;
        let supervisor = Supervisor::install(&layout.path("scripts")).map_err(storage)?;
        let sandbox = Sandbox::find(&config, &layout).await?;
        let backend = find_backend(&config).await?;
        let shop = Arc::new(Shop {
            tasks: Tasks::new(layout.clone()),
            slots: Arc::new(Semaphore::new(config.parallel)),
            config,
            layout,
            sandbox,
            supervisor,
            backend,
            scm,
            hint: Box::new(hint),
            records: std::sync::Mutex::default(),
            repositories: tokio::sync::Mutex::default(),
            under_way: std::sync::Mutex::default(),
            _lock: lock,
        });
        let unfinished = Arc::clone(&shop);
        let unfinished = blocking(move || unfinished.tasks.unfinished().map_err(storage)).await?;
        let mut any_runs = false;
        for task in unfinished {
            let runs_already = runner::is_running(&shop.tasks.folder(task.build, task.id));
            any_runs |= runs_already;
            shop.take_care(task, runs_already);
        }
        if !any_runs {
            shop.sandbox.tidy(&shop.layout).await.map_err(storage)?;
        }
        Ok(Self { shop, identity })
    }

    /// Says what packages would be built with and where, and which programs are missing, without taking the data folder
    /// or going on with the tasks in it.
    ///
    /// # Errors
    /// When a setting makes no sense, or what the settings demand is not installed.
    pub async fn examine(config: &LocalConfig) -> Result<String, PortError> {
        config.check()?;
        let scratch = tempfile::tempdir().map_err(storage)?;
        let layout = Layout::open(&scratch.path().join("examine")).map_err(storage)?;
        let sandbox = Sandbox::find(config, &layout).await?;
        let backend = find_backend(config).await?;
        check_programs(&backend)?;
        Ok(describe(config, &backend, &sandbox))
    }

    /// Says what packages are built with and where, in words for an administrator.
    pub fn describe(&self) -> String {
        describe(&self.shop.config, &self.shop.backend, &self.shop.sandbox)
    }

    /// Returns what tells this build system from any other: its folder, wherever that is moved to. Nobody else uses
    /// the folder for as long as this is open.
    pub fn identity(&self) -> &str {
        &self.identity
    }

    /// Tells whether builds are kept apart from this machine.
    pub fn is_sandboxed(&self) -> bool {
        matches!(self.shop.backend, Backend::Mock(_)) || self.shop.sandbox.is_there()
    }

    /// Returns the folder of the repository that a finished module can be installed from. Beside it are `debug` and
    /// `source`, and `modules.yaml`, the module's document.
    pub fn repository(&self, build: BuildId) -> PathBuf {
        repo::finished_folder(&self.shop.layout.build(build))
    }

    /// Lets go of the data folder. Running builds go on, and are found by whoever opens the folder next.
    pub async fn close(self) {
        for handle in self.shop.let_go() {
            drop(handle.await);
        }
    }

    async fn blocking<T, F>(&self, work: F) -> Result<T, PortError>
    where
        T: Send + 'static,
        F: FnOnce(&Shop) -> Result<T, PortError> + Send + 'static,
    {
        let shop = Arc::clone(&self.shop);
        blocking(move || work(&shop)).await
    }
}

impl Drop for LocalBuildSystem {
    fn drop(&mut self) {
        drop(self.shop.let_go());
    }
}

fn describe(config: &LocalConfig, backend: &Backend, sandbox: &Sandbox) -> String {
    match backend {
        Backend::Mock(_) => {
            let root = config.mock_root.as_deref().unwrap_or("mock's default");
            format!("mock, in a clean root for each package (root: {root})")
        }
        Backend::Rpmbuild(host) => {
            let checked = if host.are_known() {
                "checked with rpm"
            } else {
                "not checked, since RPM does not know what this machine has"
            };
            format!("rpmbuild {}; build requirements outside of modules are {checked}", sandbox.describe())
        }
    }
}

async fn find_backend(config: &LocalConfig) -> Result<Backend, PortError> {
    let mock = match &config.mock_program {
        Some(program) => program.is_file().then(|| program.clone()),
        None => locate("mock"),
    };
    match (config.backend, mock) {
        (BackendChoice::Mock, None) => Err(PortError::permanent(
            "mock is not installed on the server; its administrator can install the package mock, or choose rpmbuild",
        )),
        (BackendChoice::Auto | BackendChoice::Mock, Some(mock)) => Ok(Backend::Mock(mock)),
        (BackendChoice::Auto, None) | (BackendChoice::Rpmbuild, _) => {
            Ok(Backend::Rpmbuild(HostPackages::find(None).await))
        }
    }
}

/// Tells which programs are missing, and which packages have them.
fn check_programs(backend: &Backend) -> Result<(), PortError> {
    let more = match backend {
        Backend::Rpmbuild(_) => RPMBUILD_PROGRAMS,
        Backend::Mock(_) => &[],
    };
    let missing = PROGRAMS.iter().chain(more).filter(|(program, _)| !is_installed(program));
    let missing: Vec<String> = missing.map(|(program, package)| format!("{program} (package {package})")).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(PortError::unavailable(format!(
        "the server cannot build packages: {} is not installed; its administrator can install it",
        missing.join(", ")
    )))
}

/// Refuses a component that is not for this machine.
fn check_arch(planned: &PlannedComponent) -> Result<(), PortError> {
    let here = metadata::rpm_arch();
    if planned.arches.is_empty()
        || planned.arches.iter().any(|arch| matches!(arch.as_str(), a if a == here || a == "noarch"))
    {
        return Ok(());
    }
    let arches = planned.arches.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Err(PortError::permanent(format!("{} is built only for {arches}, and this machine is {here}", planned.name)))
}

fn source(build: &ModuleBuild, key: &ComponentKey) -> Result<Source, PortError> {
    let unknown = || PortError::permanent(format!("{} is not a component of the module", key.component));
    let (planned, component) = build.component(&key.component).ok_or_else(unknown)?;
    check_arch(planned)?;
    if key.component == ComponentName::macros() {
        let stream = metadata::read(build)?;
        let macros = stream.buildopts.and_then(|options| options.rpms.macros);
        return Ok(srpm::macros_source(build, macros.as_deref()));
    }
    let pinned = component.source.as_deref().cloned();
    let pinned =
        pinned.ok_or_else(|| PortError::permanent(format!("the sources of {} were never checked", key.component)))?;
    let cache = planned.source.as_ref().and_then(|source| source.cache.clone());
    Ok(Source::Git { pinned, cache })
}

/// Says that packages are not there any more, which were when it was decided to take them over.
fn gone(component: &ComponentName, donor: BuildId) -> PortError {
    PortError::permanent(format!(
        "the packages of {component}, which were to be taken over from build {donor}, are not on this server any more; \
         submit the module again, and they are built"
    ))
}

/// How long a cancellation waits until it is recorded. Who asks is not held up for longer, and asks again.
const CANCEL: Duration = Duration::from_secs(20);

#[async_trait]
impl BuildSystem for LocalBuildSystem {
    async fn prepare(&self, build: &ModuleBuild) -> Result<(), PortError> {
        check_programs(&self.shop.backend)?;
        if !self.shop.has_room()? {
            return Err(PortError::unavailable(
                "the disk of the server is nearly full; its administrator can make room",
            ));
        }
        let stream = metadata::read(build)?;
        let packager = stream.buildopts.as_ref().and_then(|options| options.rpms.macros.as_deref());
        let macros = BuildMacros {
            nsvc: build.nsvc(),
            dist_tag: &build.dist_tag,
            packager,
            conflicts: &[],
            at: build.submission.at,
        };
        let in_every_root = stream.components.rpms.iter().filter(|(_, component)| component.buildroot);
        let in_every_root = in_every_root.map(|(key, component)| component.name.clone().unwrap_or_else(|| key.clone()));
        let macros_package = ComponentName::macros().to_string();
        let required = build.submission.build_requires.iter();
        let environment = Environment {
            module: build.nsvc().to_string(),
            macros: macros.macros(),
            always: std::iter::once(macros_package).chain(in_every_root).collect(),
            required: required.clone().filter_map(|require| require.build).collect(),
        };
        let required: Vec<_> = required
            .filter_map(|require| Some((require.build?, format!("{}:{}", require.name, require.stream))))
            .collect();
        let id = build.id;
        self.blocking(move |shop| {
            for (required, name) in required {
                if repo::finished(&shop.layout.build(required))?.is_none() {
                    return Err(PortError::permanent(format!(
                        "the packages of {name} (build {required}) are not on this server any more; build it, and then \
                         this module, from a new commit"
                    )));
                }
            }
            let folder = shop.layout.build(id);
            fs::create_dir_all(folder.path()).map_err(storage)?;
            let record = folder.join("build.json");
            let before: Option<Environment> = read_record(&record).map_err(storage)?;
            if let Some(other) = before.filter(|before| before.module != environment.module) {
                return Err(PortError::permanent(format!(
                    "the server's folder of build {id} has the packages of another module, {}: its database does not \
                     belong to its builds; its administrator can restore the one that does, or move the builds away",
                    other.module
                )));
            }
            write_record(&record, &environment).map_err(storage)
        })
        .await
    }

    async fn build(&self, build: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError> {
        let source = source(build, key)?;
        let key = key.clone();
        let shop = Arc::clone(&self.shop);
        blocking(move || {
            let _one_at_a_time = shop.records.lock().unwrap_or_else(PoisonError::into_inner);
            shop.environment(key.build)?;
            match shop.tasks.start(&key, source).map_err(storage)? {
                Started::Known(task) => Ok(task),
                Started::NeverStarts => Err(PortError::permanent("the build of this component was cancelled")),
                Started::New(task) => {
                    // Here, where nothing can be interrupted between the record and its care.
                    let id = task.id;
                    shop.take_care(task, false);
                    Ok(id)
                }
            }
        })
        .await
    }

    async fn tag(&self, build: &ModuleBuild, components: &[ComponentKey]) -> Result<(), PortError> {
        let (id, keys) = (build.id, components.to_vec());
        let _one_at_a_time = self.shop.repositories.lock().await;
        let taken = |key: &ComponentKey| {
            let component = build.component(&key.component).map(|(_, component)| component);
            component.filter(|component| component.attempt == key.attempt)?.taken().cloned()
        };
        let keys: Vec<_> = keys.into_iter().map(|key| (taken(&key), key)).collect();
        self.blocking(move |shop| {
            for (taken, key) in keys {
                if let Some(taken) = taken {
                    let (donor, own) = (shop.layout.build(taken.build), shop.layout.build(id));
                    if !repo::take_over(&donor, &own, &key.component, taken.built.task)? {
                        return Err(gone(&key.component, taken.build));
                    }
                    continue;
                }
                let not_built = || PortError::permanent(format!("{} was not built", key.component));
                let KeyState::Task(task) = shop.tasks.state(&key).map_err(storage)? else { return Err(not_built()) };
                let folder = shop.tasks.folder(id, task);
                if key.build != id || !matches!(folder.result().map_err(storage)?, Some(TaskResult::Built(_))) {
                    return Err(not_built());
                }
                repo::tag(&shop.layout.build(id), &key.component, task, &folder.packages())?;
            }
            Ok(())
        })
        .await
    }

    async fn reusable(
        &self,
        donor: &ModuleBuild,
        components: &[ComponentName],
    ) -> Result<Vec<ComponentName>, PortError> {
        let built = components.iter().filter_map(|name| {
            let (_, component) = donor.component(name)?;
            Some((name.clone(), component.state.built()?.task))
        });
        let (id, built) = (donor.id, built.collect::<Vec<_>>());
        self.blocking(move |shop| {
            let folder = shop.layout.build(id);
            let mut there = Vec::new();
            for (name, task) in built {
                if repo::to_take_over(&folder, &name, task)?.is_some() {
                    there.push(name);
                }
            }
            Ok(there)
        })
        .await
    }

    async fn regenerate(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError> {
        let shop = &self.shop;
        let _one_at_a_time = shop.repositories.lock().await;
        let folder = shop.layout.build(build.id);
        repo::regenerate(&shop.sandbox, &folder, shop.config.limits, generation).await?;
        (shop.hint)(build.id);
        Ok(())
    }

    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError> {
        let waiting: Vec<(ComponentKey, TaskId)> = build
            .components()
            .enumerate()
            .filter_map(|(index, (_, component))| match component.state {
                ComponentState::Building { task, .. } => Some((build.key(index)?, task)),
                _ => None,
            })
            .collect();
        let regenerating = matches!(build.phase, Phase::Building { regenerating: Some(_) });
        let (id, generation) = (build.id, build.repository_generation);
        self.blocking(move |shop| {
            let mut facts = Vec::new();
            for (key, task) in waiting {
                facts.push(what_became_of(shop, &key, task)?);
            }
            if regenerating && repo::generation(&shop.layout.build(id)) >= generation {
                facts.push(Fact::RepositoryRegenerated { generation });
            }
            Ok(facts)
        })
        .await
    }

    async fn cancel(&self, _: &ModuleBuild, key: &ComponentKey, _: Option<TaskId>) -> Result<(), PortError> {
        let key = key.clone();
        let task = self
            .blocking(move |shop| {
                let _one_at_a_time = shop.records.lock().unwrap_or_else(PoisonError::into_inner);
                shop.tasks.cancel(&key).map_err(storage)
            })
            .await?;
        match task.and_then(|task| self.shop.running(task)) {
            Some(running) if !running.cancel(CANCEL).await => {
                Err(PortError::unavailable("the task is being ended, and that cannot be recorded yet"))
            }
            _ => Ok(()),
        }
    }

    async fn write_metadata(&self, build: &ModuleBuild) -> Result<(), PortError> {
        let shop = &self.shop;
        let _one_at_a_time = shop.repositories.lock().await;
        let folder = shop.layout.build(build.id);
        let tagged = repo::tagged(&folder)?;
        let (document, parts) = metadata::finish(build, &folder, &tagged)?;
        let tasks = tagged.iter().map(|tagged| tagged.task).collect();
        repo::write_module(&shop.sandbox, &folder, shop.config.limits, tasks, parts, &document).await?;
        (shop.hint)(build.id);
        Ok(())
    }

    async fn final_modulemd(&self, build: &ModuleBuild) -> Result<BTreeMap<Arch, String>, PortError> {
        let id = build.id;
        self.blocking(move |shop| {
            let gone = || PortError::permanent(format!("the packages of the module build {id} are not on this server"));
            let document = repo::document(&shop.layout.build(id))?.ok_or_else(gone)?;
            Ok(Arch::new(metadata::rpm_arch()).into_iter().map(|arch| (arch, document.clone())).collect())
        })
        .await
    }

    async fn read_log(&self, key: &ComponentKey, offset: u64, max: usize) -> Result<LogChunk, PortError> {
        let key = key.clone();
        self.blocking(move |shop| {
            let KeyState::Task(task) = shop.tasks.state(&key).map_err(storage)? else {
                return Err(PortError::permanent("there is no log for this component"));
            };
            let folder = shop.tasks.folder(key.build, task);
            // First the result: nothing is added to a log after it.
            let ended = folder.result().map_err(storage)?.is_some();
            let Ok(mut file) = File::open(folder.log()) else {
                return Ok(LogChunk { bytes: Vec::new(), complete: ended });
            };
            let length = file.metadata().map_err(storage)?.len();
            if offset >= length {
                return Ok(LogChunk { bytes: Vec::new(), complete: ended });
            }
            file.seek(SeekFrom::Start(offset)).map_err(storage)?;
            let most = u64::try_from(max.min(LARGEST_CHUNK)).unwrap_or(u64::MAX);
            let mut bytes = Vec::new();
            file.take(most).read_to_end(&mut bytes).map_err(storage)?;
            let end = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
            Ok(LogChunk { bytes, complete: ended && end >= length })
        })
        .await
    }
}

fn what_became_of(shop: &Shop, key: &ComponentKey, task: TaskId) -> Result<Fact, PortError> {
    let (component, attempt) = (key.component.clone(), key.attempt);
    let failed =
        |reason: Arc<str>| Fact::ComponentFailed { component: component.clone(), attempt, task: Some(task), reason };
    if shop.tasks.state(key).map_err(storage)? != KeyState::Task(task) {
        return Ok(failed(format!("the build system does not know the task {task}").into()));
    }
    Ok(match shop.tasks.folder(key.build, task).result().map_err(storage)? {
        Some(TaskResult::Built(nvr)) => Fact::ComponentBuilt { component, attempt, task, nvr },
        Some(TaskResult::Failed(reason)) => failed(reason),
        Some(TaskResult::Canceled) => failed("the task was cancelled".into()),
        None => {
            let progress = if shop.is_open(task) { TaskProgress::Open } else { TaskProgress::Free };
            Fact::TaskProgressed { component, attempt, task, progress }
        }
    })
}
