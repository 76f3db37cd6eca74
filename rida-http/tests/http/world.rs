//! A world in memory: git, a build system and a bus, each with what a test needs to set.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use async_trait::async_trait;
use rida_core::plan::ComponentSource;
use rida_core::scm::{CommitHash, ScmUrl};
use rida_core::testing::sample;
use rida_core::*;
use tokio::sync::Semaphore;

/// Where modules come from, how they are built, and what is told of them.
pub(crate) struct World {
    /// The problems of components whose sources are not good.
    pub(crate) bad: Mutex<BTreeMap<String, Vec<String>>>,
    /// What git answers instead of a modulemd.
    pub(crate) git_fails: Mutex<Option<PortErrorKind>>,
    /// Git panics.
    pub(crate) git_panics: AtomicBool,
    /// The check of the sources panics.
    pub(crate) checks_panic: AtomicBool,
    /// A check of the sources has begun.
    pub(crate) checking: AtomicBool,
    /// The check of the sources ends when there is a permit.
    pub(crate) checks: Semaphore,
    /// What the bus answers instead of taking an announcement.
    pub(crate) bus_fails: Mutex<Option<PortErrorKind>>,
    /// What was announced.
    pub(crate) announced: Mutex<Vec<Announcement>>,
    /// The logs of components, and whether each is complete.
    pub(crate) logs: Mutex<BTreeMap<String, (Vec<u8>, bool)>>,
    tasks: Mutex<BTreeMap<ComponentKey, TaskId>>,
    next_task: AtomicI64,
}

impl Default for World {
    fn default() -> Self {
        Self {
            bad: Mutex::default(),
            git_fails: Mutex::default(),
            git_panics: AtomicBool::new(false),
            checks_panic: AtomicBool::new(false),
            checking: AtomicBool::new(false),
            checks: Semaphore::new(Semaphore::MAX_PERMITS),
            bus_fails: Mutex::default(),
            announced: Mutex::default(),
            logs: Mutex::default(),
            tasks: Mutex::default(),
            next_task: AtomicI64::new(6378),
        }
    }
}

impl World {
    /// Makes the check of sources wait for [`Self::let_checks_end`].
    pub(crate) fn hold_checks(&self) {
        self.checks.forget_permits(usize::MAX);
    }

    pub(crate) fn let_checks_end(&self) {
        self.checks.add_permits(1000);
    }

    pub(crate) fn log(&self, component: &str, text: &str, complete: bool) {
        let mut logs = self.logs.lock().unwrap();
        let (bytes, ended) = logs.entry(component.to_owned()).or_default();
        bytes.extend_from_slice(text.as_bytes());
        *ended = complete;
    }
}

/// Returns the modulemd of a module with two components.
pub(crate) fn modulemd(name: &str) -> String {
    format!(
        "document: modulemd\nversion: 2\ndata:\n  name: {name}\n  stream: \"1\"\n  summary: A test\n  description: Of a test\n  \
         license:\n    module: [MIT]\n  dependencies:\n  - buildrequires:\n      platform: [el8]\n    requires:\n      platform: [el8]\n  \
         components:\n    rpms:\n      foo:\n        rationale: tested\n        buildorder: 1\n      bar:\n        rationale: needed\n"
    )
}

#[async_trait]
impl Scm for World {
    async fn fetch_modulemd(&self, url: &ScmUrl) -> Result<FetchedModulemd, PortError> {
        assert!(!self.git_panics.load(Ordering::SeqCst), "secret=hunter2");
        if let Some(kind) = *self.git_fails.lock().unwrap() {
            let error = PortError::new(kind, "the repository cannot be read; check its address");
            return Err(error.because("git --secret=hunter2 /var/lib/rida ended with 128"));
        }
        let name = url.repository().name();
        let bytes = match name {
            "broken" => b"document: modulemd\nversion: 9\n".to_vec(),
            "many" => modulemd(name).replace("platform: [el8]", "platform: [el8, el9]").into_bytes(),
            "any" => modulemd(name).replace("platform: [el8]", "platform: []").into_bytes(),
            name => modulemd(name).into_bytes(),
        };
        let commit = CommitHash::new("0123456789abcdef0123456789abcdef01234567").unwrap();
        Ok(FetchedModulemd { bytes, commit, committed_at: sample::at(0) })
    }

    async fn check_components(
        &self,
        components: &[(ComponentName, ComponentSource)],
    ) -> Result<Vec<ComponentCheck>, PortError> {
        assert!(!self.checks_panic.load(Ordering::SeqCst), "secret=hunter2");
        self.checking.store(true, Ordering::SeqCst);
        drop(self.checks.acquire().await);
        let bad = self.bad.lock().unwrap();
        let check = |(name, source): &(ComponentName, ComponentSource)| match bad.get(name.as_str()) {
            Some(problems) => ComponentCheck::Bad(problems.clone()),
            None => {
                let commit = CommitHash::new("89abcdef0123456789abcdef0123456789abcdef").unwrap();
                ComponentCheck::Good(PinnedSource { repository: source.repository.clone(), commit })
            }
        };
        Ok(components.iter().map(check).collect())
    }
}

#[async_trait]
impl BuildSystem for World {
    async fn prepare(&self, _: &ModuleBuild) -> Result<(), PortError> {
        Ok(())
    }

    async fn build(&self, _: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError> {
        let mut tasks = self.tasks.lock().unwrap();
        Ok(*tasks.entry(key.clone()).or_insert_with(|| TaskId(self.next_task.fetch_add(1, Ordering::SeqCst))))
    }

    async fn tag(&self, _: &ModuleBuild, _: &[ComponentKey]) -> Result<(), PortError> {
        Ok(())
    }

    async fn regenerate(&self, _: &ModuleBuild, _: u32) -> Result<(), PortError> {
        Ok(())
    }

    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError> {
        let mut facts = Vec::new();
        for (planned, component) in build.components() {
            if let ComponentState::Building { task, .. } = component.state {
                let nvr = format!("{}-1.0-1{}", planned.name, build.dist_tag).parse().unwrap();
                let (component, attempt) = (planned.name.clone(), component.attempt);
                facts.push(Fact::ComponentBuilt { component, attempt, task, nvr: std::sync::Arc::new(nvr) });
            }
        }
        if let Phase::Building { regenerating: Some(_) } = build.phase {
            facts.push(Fact::RepositoryRegenerated { generation: build.repository_generation });
        }
        Ok(facts)
    }

    async fn cancel(&self, _: &ModuleBuild, _: &ComponentKey, _: Option<TaskId>) -> Result<(), PortError> {
        Ok(())
    }

    async fn write_metadata(&self, _: &ModuleBuild) -> Result<(), PortError> {
        Ok(())
    }

    async fn final_modulemd(&self, build: &ModuleBuild) -> Result<BTreeMap<Arch, String>, PortError> {
        let text = build.submission.modulemd.to_string();
        Ok(["s390x", "x86_64"].map(|arch| (Arch::new(arch).unwrap(), format!("# {arch}\n{text}"))).into())
    }

    async fn read_log(&self, key: &ComponentKey, offset: u64, max: usize) -> Result<LogChunk, PortError> {
        let logs = self.logs.lock().unwrap();
        let Some((bytes, complete)) = logs.get(key.component.as_str()) else {
            return Err(PortError::permanent(format!("there is no log of {} yet", key.component)));
        };
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(bytes.len());
        let end = start.saturating_add(max).min(bytes.len());
        let piece = bytes.get(start..end).unwrap_or_default().to_vec();
        Ok(LogChunk { bytes: piece, complete: *complete && end == bytes.len() })
    }
}

#[async_trait]
impl Publisher for World {
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        if let Some(kind) = *self.bus_fails.lock().unwrap() {
            return Err(PortError::new(kind, "the bus is away").because("password=hunter2"));
        }
        self.announced.lock().unwrap().push(announcement.clone());
        Ok(Receipt::Confirmed)
    }
}
