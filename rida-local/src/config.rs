//! Settings of the build system of this machine.

use std::path::PathBuf;
use std::time::Duration;

use rida_core::PortError;

/// What packages are built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum BackendChoice {
    /// mock where it is installed, rpmbuild otherwise.
    #[default]
    Auto,
    /// mock: a clean root of a distribution for each package.
    Mock,
    /// rpmbuild on the programs of this machine.
    Rpmbuild,
}

/// Whether rpmbuild runs in a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum SandboxChoice {
    /// Where the machine allows one.
    #[default]
    Auto,
    /// Always; without one the service does not start.
    Require,
    /// Never: every package that is built can do what the service can.
    Off,
}

/// The settings of a [`LocalBuildSystem`](crate::LocalBuildSystem).
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// The folder for everything that is kept: tasks, logs, packages and repositories. One service uses it at a time.
    pub folder: PathBuf,
    /// What packages are built with.
    pub backend: BackendChoice,
    /// Whether rpmbuild runs in a sandbox.
    pub sandbox: SandboxChoice,
    /// The name of the root that mock builds in, such as `fedora-42-x86_64`; absent means mock's own default.
    pub mock_root: Option<String>,
    /// Where mock is; absent means the usual folders of programs.
    pub mock_program: Option<PathBuf>,
    /// How many components are built at once, of all modules together.
    pub parallel: usize,
    /// How many jobs each build may run at once: `%_smp_mflags`.
    pub jobs: usize,
    /// What the build of one component may use.
    pub limits: BuildLimits,
    /// The bytes of disk that no build may use up; below them no build starts and running ones are ended.
    pub spare_disk: u64,
    /// Builds may reach the network.
    pub network: bool,
    /// Whom builds run as when the service runs as root.
    pub build_user: u32,
}

/// What the build of one component may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BuildLimits {
    /// How long it may take.
    pub time: Duration,
    /// The bytes of disk, for its build folder and results; every file counts 4096 bytes or more.
    pub disk: u64,
    /// The bytes of its log.
    pub log: u64,
    /// The bytes of data of each of its processes; absent means no limit.
    pub memory: Option<u64>,
    /// The number of its processes.
    pub processes: u64,
    /// The bytes of shared memory.
    pub shared_memory: u64,
}

impl Default for BuildLimits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(2 * 3600),
            disk: 20 * 1024 * 1024 * 1024,
            log: 64 * 1024 * 1024,
            memory: Some(8 * 1024 * 1024 * 1024),
            processes: 2048,
            shared_memory: 256 * 1024 * 1024,
        }
    }
}

impl LocalConfig {
    /// Makes the settings that suit most machines.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        Self {
            folder: folder.into(),
            backend: BackendChoice::Auto,
            sandbox: SandboxChoice::Auto,
            mock_root: None,
            mock_program: None,
            parallel: processors.div_ceil(2),
            jobs: processors,
            limits: BuildLimits::default(),
            spare_disk: 1024 * 1024 * 1024,
            network: false,
            // The user `nobody` of all distributions.
            build_user: 65534,
        }
    }

    /// Refuses settings that make no sense.
    pub(crate) fn check(&self) -> Result<(), PortError> {
        let wrong = |text: &str| Err(PortError::permanent(text));
        if !self.folder.is_absolute() {
            return wrong("the folder of the local build system must be an absolute path");
        }
        if self.parallel == 0 || self.jobs == 0 {
            return wrong("the local build system needs at least one build at once and one job for each");
        }
        let BuildLimits { time, disk, log, memory, processes, shared_memory } = self.limits;
        if time.as_secs() == 0 || [disk, log, processes, shared_memory].contains(&0) || memory == Some(0) {
            return wrong("the limits of a build must be above zero, its time at least one second");
        }
        if self.build_user == 0 {
            return wrong("builds cannot run as root; choose another build user");
        }
        let good = |root: &str| {
            root.starts_with(|c: char| c.is_ascii_alphanumeric())
                && root.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
        };
        if self.mock_root.as_deref().is_some_and(|root| !good(root)) {
            return wrong("the name of mock's root may hold letters, digits and . _ + - only");
        }
        if self.mock_program.as_ref().is_some_and(|program| !program.is_absolute()) {
            return wrong("the place of mock must be an absolute path");
        }
        Ok(())
    }
}
