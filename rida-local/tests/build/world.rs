//! A folder with git repositories of components, and a build system on it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use rida_core::plan::{ComponentSource, Plan, PlannedComponent, WaitsFor};
use rida_core::scm::{AllowList, CommitHash, GitRef, Repository};
use rida_core::testing::sample;
use rida_core::{
    BuildSystem, Built, ComponentKey, ComponentState, Fact, ModuleBuild, Phase, PinnedSource, Policy, Submission,
    TaskId, TaskProgress,
};
use rida_local::git::{GitConfig, GitScm};
use rida_local::{BackendChoice, BuildLimits, LocalBuildSystem, LocalConfig, SandboxChoice};
use tempfile::TempDir;

pub(crate) struct World {
    folder: PathBuf,
    _owned: Option<TempDir>,
    last: AtomicI64,
    pub(crate) hints: Arc<AtomicUsize>,
}

impl World {
    pub(crate) fn new() -> Self {
        let owned = TempDir::new().unwrap();
        Self { folder: fs::canonicalize(owned.path()).unwrap(), _owned: Some(owned), ..Self::at("/") }
    }

    /// Makes one of a folder that another process owns.
    pub(crate) fn at(folder: impl AsRef<Path>) -> Self {
        let folder = fs::canonicalize(folder).unwrap();
        Self { folder, _owned: None, last: AtomicI64::new(0), hints: Arc::default() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Returns settings in which nothing but what is tried can stop a build.
    pub(crate) fn config(&self) -> LocalConfig {
        LocalConfig {
            backend: BackendChoice::Rpmbuild,
            sandbox: SandboxChoice::Require,
            parallel: 2,
            jobs: 1,
            limits: BuildLimits { time: Duration::from_secs(60), ..BuildLimits::default() },
            spare_disk: 1,
            ..LocalConfig::new(self.path("data"))
        }
    }

    pub(crate) fn scm(&self) -> GitScm {
        let root = Repository::parse(&format!("file://{}", self.path("git").display())).unwrap();
        GitScm::new(GitConfig::new(self.path("cache"), AllowList::new([root]))).unwrap()
    }

    pub(crate) async fn open(&self) -> LocalBuildSystem {
        self.open_with(self.config()).await
    }

    pub(crate) async fn open_with(&self, config: LocalConfig) -> LocalBuildSystem {
        let hints = Arc::clone(&self.hints);
        let hint = move |_| {
            hints.fetch_add(1, Ordering::SeqCst);
        };
        LocalBuildSystem::open(config, self.scm(), hint).await.unwrap()
    }

    /// Makes the repository of a component, or a new commit in it.
    pub(crate) fn component(&self, name: &str, files: &[(&str, &str)]) -> PinnedSource {
        let folder = self.path("git").join(name);
        if !folder.exists() {
            fs::create_dir_all(&folder).unwrap();
            git(&folder, &["init", "-q", "-b", "main"]);
        }
        for (file, text) in files {
            fs::write(folder.join(file), text).unwrap();
        }
        git(&folder, &["add", "-A"]);
        git(&folder, &["commit", "-q", "--allow-empty", "-m", "Change"]);
        let commit = CommitHash::new(git(&folder, &["rev-parse", "HEAD"]).trim()).unwrap();
        PinnedSource { repository: Repository::parse(&format!("file://{}", folder.display())).unwrap(), commit }
    }

    /// Makes a component of one spec.
    pub(crate) fn spec(&self, name: &str, spec: &str) -> PinnedSource {
        self.component(name, &[(&format!("{name}.spec"), spec)])
    }

    /// Returns a module of the macros and these components, each in a batch of its own.
    pub(crate) fn module(&self, components: &[(&str, PinnedSource)]) -> ModuleBuild {
        self.module_of(MODULEMD, components)
    }

    pub(crate) fn module_of(&self, modulemd: &str, components: &[(&str, PinnedSource)]) -> ModuleBuild {
        let number = self.last.fetch_add(1, Ordering::SeqCst) + 1;
        let planned = |batch: u32, name: &str, source: Option<&PinnedSource>| PlannedComponent {
            name: sample::component(name),
            source: source.map(|source| ComponentSource {
                repository: source.repository.clone(),
                reference: GitRef::new("main").unwrap(),
                cache: None,
            }),
            batch,
            waits_for: WaitsFor::Batches,
            buildonly: name.starts_with("only"),
            arches: Vec::new(),
            package: None,
        };
        let macros = planned(1, "module-build-macros", None);
        let others = (2..).zip(components).map(|(batch, (name, source))| planned(batch, name, Some(source)));
        let plan = Plan::from_components(std::iter::once(macros).chain(others).collect());
        let nsvc = sample::nsvc(&format!("bench:1.0:{number}:c0ffee"));
        let submission =
            Submission { plan, modulemd: modulemd.into(), build_requires: Vec::new(), ..sample::submission(nsvc) };
        let mut build = rida_core::submit(sample::id(number), submission, &Policy::default()).unwrap().build;
        for (component, (_, source)) in build.components.iter_mut().skip(1).zip(components) {
            component.source = Some(Arc::new(source.clone()));
        }
        ModuleBuild { phase: Phase::Building { regenerating: None }, ..build }
    }
}

pub(crate) const MODULEMD: &str = "document: modulemd\nversion: 2\ndata:\n  summary: A bench\n  description: A bench.\n  \
    license: {module: MIT}\n";

fn git(folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=Packager", "-c", "user.email=packager@example.org"])
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns a spec without files; `more` are lines of its head, `build` those of `%build`.
pub(crate) fn spec(name: &str, more: &str, build: &str) -> String {
    format!(
        "Name: {name}\nVersion: 1.0\nRelease: 1%{{?dist}}\nSummary: A package\nLicense: MIT\nBuildArch: noarch\n{more}\n\
         %description\nA package.\n\n%prep\n\n%build\n{build}\n\n%install\n\n%files\n"
    )
}

pub(crate) fn key(build: &ModuleBuild, name: &str) -> ComponentKey {
    build.key(index(build, name)).unwrap()
}

pub(crate) fn index(build: &ModuleBuild, name: &str) -> usize {
    build.plan().index_of(&sample::component(name)).unwrap()
}

pub(crate) async fn start(system: &LocalBuildSystem, build: &mut ModuleBuild, name: &str) -> TaskId {
    let task = system.build(build, &key(build, name)).await.unwrap();
    let index = index(build, name);
    build.components[index].state = ComponentState::Building { task, progress: TaskProgress::Free };
    task
}

/// Waits until a component has ended.
pub(crate) async fn ended(system: &LocalBuildSystem, build: &ModuleBuild, name: &str) -> Fact {
    for _ in 0..1200 {
        for fact in system.follow(build).await.unwrap() {
            match &fact {
                Fact::ComponentBuilt { component, .. } | Fact::ComponentFailed { component, .. }
                    if component.as_str() == name =>
                {
                    return fact;
                }
                _ => {}
            }
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{name} does not end: {}", log(system, build, name).await);
}

/// Waits until a component has failed, and returns why.
pub(crate) async fn failed(system: &LocalBuildSystem, build: &ModuleBuild, name: &str) -> String {
    match ended(system, build, name).await {
        Fact::ComponentFailed { reason, .. } => reason.to_string(),
        other => panic!("{name} did not fail: {other:?}"),
    }
}

/// Starts a component and waits until it is built and tagged.
pub(crate) async fn built(system: &LocalBuildSystem, build: &mut ModuleBuild, name: &str) -> Built {
    start(system, build, name).await;
    let Fact::ComponentBuilt { task, nvr, .. } = ended(system, build, name).await else {
        panic!("{name} failed: {}", log(system, build, name).await);
    };
    let built = Built { task, nvr };
    let index = index(build, name);
    build.components[index].state = ComponentState::Built(built.clone());
    system.tag(build, &[key(build, name)]).await.unwrap();
    build.components[index].state = ComponentState::Tagged(built.clone());
    built
}

pub(crate) async fn regenerated(system: &LocalBuildSystem, build: &mut ModuleBuild) {
    build.repository_generation += 1;
    system.regenerate(build, build.repository_generation).await.unwrap();
    build.phase = Phase::Building { regenerating: Some(Vec::new()) };
    let facts = system.follow(build).await.unwrap();
    assert!(facts.contains(&Fact::RepositoryRegenerated { generation: build.repository_generation }), "{facts:?}");
    build.phase = Phase::Building { regenerating: None };
}

/// Prepares a module and builds its macros.
pub(crate) async fn with_macros(system: &LocalBuildSystem, build: &mut ModuleBuild) {
    system.prepare(build).await.unwrap();
    built(system, build, "module-build-macros").await;
    regenerated(system, build).await;
}

pub(crate) async fn log(system: &LocalBuildSystem, build: &ModuleBuild, name: &str) -> String {
    let chunk = system.read_log(&key(build, name), 0, 1 << 20).await.unwrap();
    String::from_utf8_lossy(&chunk.bytes).into_owned()
}

/// Runs a program and returns what it wrote; its failure is the test's.
pub(crate) fn output(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8(output.stdout).unwrap()
}

/// Returns the command lines of processes of this machine that hold a text.
pub(crate) fn processes(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let line = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        let is_this = entry.file_name().to_str() == Some(&std::process::id().to_string());
        if line.contains(text) && !is_this {
            found.push(line);
        }
    }
    found
}

/// Returns the names of the packages in a folder.
pub(crate) fn names_in(folder: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".rpm")).collect()
}
