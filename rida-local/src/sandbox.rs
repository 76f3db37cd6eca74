//! The sandbox that packages are built in, and the description of what runs where.
//!
//! A spec file runs programs as soon as it is read, so whatever reads one runs here: in a user, mount, process,
//! network, IPC and host name namespace of its own, without any capability, as another user when the service is root.
//! It sees the programs of the machine read only, a few files of `/etc`, its sources read only, and its own build and
//! result folders. Nothing of it survives its end, since the first process of a process namespace takes all with it.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rida_core::PortError;

use crate::config::{BuildLimits, LocalConfig, SandboxChoice};
use crate::layout::{Layout, names, remove_tree, storage, write_whole};
use crate::process::{Limits, Program, Terminator};

/// The script that becomes the sandbox.
const SCRIPT: &str = include_str!("build_system/sandbox.sh");

/// What builds see of `/etc`, where it is there: what programs need, and nothing that is this machine's own business.
const ETC: &[&str] = &[
    "alternatives",
    "crypto-policies",
    "debian_version",
    "fedora-release",
    "fonts",
    "java",
    "java-17-openjdk",
    "java-21-openjdk",
    "ld.so.cache",
    "ld.so.conf",
    "ld.so.conf.d",
    "localtime",
    "magic",
    "maven",
    "mime.types",
    "os-release",
    "perl",
    "profile.d",
    "protocols",
    "redhat-release",
    "rpm",
    "services",
    "sgml",
    "ssl/openssl.cnf",
    "system-release",
    "xml",
];

/// What builds see of `/etc` besides when they may reach the network.
const ETC_FOR_NETWORK: &[&str] = &["ca-certificates", "pki", "resolv.conf", "ssl/certs"];

/// What the folder of a run consists of, besides a link to `/etc`.
const FOLDERS: &[&str] = &[
    "sources",
    "build",
    "build/tmp",
    "results",
    "rpms",
    "view",
    "root",
    "root/usr",
    "root/etc",
    "root/opt",
    "root/srv",
    "root/var",
    "root/var/tmp",
    "root/var/lib",
    "root/var/cache",
];

/// Tells whether the build writes to a folder.
fn is_of_build(folder: &str) -> bool {
    ["build", "results", "root/"].iter().any(|start| folder.starts_with(start))
}

/// Where builds run.
#[derive(Clone, Debug)]
pub(crate) enum Sandbox {
    /// In namespaces of their own.
    Namespaces(Namespaces),
    /// With all that the service may do, for this reason.
    None(String),
}

/// How the namespaces are made.
#[derive(Clone, Debug)]
pub(crate) struct Namespaces {
    script: PathBuf,
    /// The start of `/etc` for all runs.
    etc: PathBuf,
    /// Whom to become; absent when the service has no rights to give up.
    become_user: Option<u32>,
    /// The builds cannot make user namespaces themselves.
    no_nesting: bool,
}

/// A folder for one run, and what it may use.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// The folder that [`Sandbox::furnish`] made.
    pub(crate) work: PathBuf,
    pub(crate) limits: BuildLimits,
    pub(crate) network: bool,
    /// The program and its arguments, with paths as seen from inside.
    pub(crate) command: Vec<OsString>,
}

/// A place that a command inside names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Read only: the sources of the package.
    Sources,
    /// Its own folder, which is its home.
    Build,
    /// Where its results go.
    Results,
}

impl Place {
    const fn name(self) -> &'static str {
        match self {
            Self::Sources => "sources",
            Self::Build => "build",
            Self::Results => "results",
        }
    }
}

impl Sandbox {
    /// Finds out what the machine allows.
    ///
    /// # Errors
    /// When a sandbox is required and there can be none.
    pub(crate) async fn find(config: &LocalConfig, layout: &Layout) -> Result<Self, PortError> {
        if config.sandbox == SandboxChoice::Off {
            return Ok(Self::None("the configuration says so".to_owned()));
        }
        let script = layout.path("scripts").join("sandbox.sh");
        write_whole(&script, SCRIPT.as_bytes()).map_err(storage)?;
        let etc = new_etc(&layout.path("etc"), config.network).map_err(storage)?;
        let is_root = rustix::process::geteuid().is_root();
        let users = if is_root { vec![Some(config.build_user), None] } else { vec![None] };
        let mut reason = String::new();
        for become_user in users {
            for no_nesting in [true, false] {
                let namespaces = Namespaces { script: script.clone(), etc: etc.clone(), become_user, no_nesting };
                match Self::Namespaces(namespaces.clone()).try_out(layout, config).await {
                    Ok(()) => return Ok(Self::Namespaces(namespaces)),
                    Err(error) if reason.is_empty() => reason = error,
                    Err(_) => {}
                }
            }
        }
        if config.sandbox == SandboxChoice::Require {
            return Err(PortError::permanent(format!("builds cannot be put into a sandbox on this machine: {reason}")));
        }
        Ok(Self::None(reason))
    }

    async fn try_out(&self, layout: &Layout, config: &LocalConfig) -> Result<(), String> {
        let work = layout.path(".try-out");
        let inside = async {
            remove_tree(&work).await?;
            self.furnish(&work)
        };
        inside.await.map_err(|error| error.to_string())?;
        let command = ["sh", "-c", "test -w /build && test -r /proc/self/status && ! test -w /usr"];
        let run = Run {
            work: work.clone(),
            limits: config.limits,
            network: false,
            command: command.iter().map(OsString::from).collect(),
        };
        let result = self.program(&run).limits(Limits { time: Duration::from_secs(20), ..Limits::default() }).run();
        let result = result.await.map(drop).map_err(|error| {
            let said = error.stderr().lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
            let mut text = error.to_string();
            if !said.is_empty() {
                // The text holds nothing but what the programs of this machine say of the machine itself.
                text.push_str(&format!(" ({})", said.trim()));
            }
            text
        });
        remove_tree(&work).await.map_err(|error| error.to_string())?;
        result
    }

    /// Says where builds run, in words for an administrator.
    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Namespaces(Namespaces { become_user: Some(user), .. }) => {
                format!("in an unprivileged sandbox (bubblewrap, as user {user})")
            }
            Self::Namespaces(_) => "in an unprivileged sandbox (bubblewrap)".to_owned(),
            Self::None(reason) => format!(
                "WITHOUT A SANDBOX: every package can read and change whatever this service can, \
                 and cannot use packages built earlier in its module. Reason: {reason}"
            ),
        }
    }

    pub(crate) const fn is_there(&self) -> bool {
        matches!(self, Self::Namespaces(_))
    }

    /// Makes the folder of a run, with all that the sandbox needs but the sources and packages.
    pub(crate) fn furnish(&self, work: &Path) -> io::Result<()> {
        new_folder(work)?;
        for folder in FOLDERS {
            new_folder(&work.join(folder))?;
        }
        let Self::Namespaces(namespaces) = self else { return Ok(()) };
        symlink(&namespaces.etc, work.join("etc"))?;
        if let Some(user) = namespaces.become_user {
            for folder in FOLDERS.iter().filter(|folder| is_of_build(folder)) {
                chown(work.join(folder), Some(user), Some(user))?;
            }
        }
        Ok(())
    }

    /// Removes what earlier services prepared. Nothing may run that they started.
    pub(crate) async fn tidy(&self, layout: &Layout) -> io::Result<()> {
        let Self::Namespaces(namespaces) = self else { return Ok(()) };
        for name in names(&layout.path("etc"))? {
            let old = layout.path("etc").join(name);
            if old != namespaces.etc {
                remove_tree(&old).await?;
            }
        }
        Ok(())
    }

    /// Returns the path of a place as a command inside sees it.
    pub(crate) fn inside(&self, work: &Path, place: Place) -> PathBuf {
        match self {
            Self::Namespaces(_) => Path::new("/").join(place.name()),
            Self::None(_) => work.join(place.name()),
        }
    }

    /// Returns a run as a program for a short while, with its output captured.
    pub(crate) fn program(&self, run: &Run) -> Program {
        let environment = self.environment(run);
        let program = match self {
            Self::Namespaces(namespaces) => Program::new("unshare", "util-linux")
                .args(namespaces.unshare())
                .arg("/bin/sh")
                .path(&namespaces.script)
                .path(&run.work)
                .operands(Terminator::DoubleDash, &run.command),
            Self::None(_) => Program::new("env", "coreutils").operands(Terminator::DoubleDash, &run.command),
        };
        environment.into_iter().fold(program, |program, (name, value)| program.env(name, value))
    }

    /// Returns the words that start a run, for the supervisor.
    pub(crate) fn words(&self, run: &Run) -> Vec<OsString> {
        let mut words: Vec<OsString> = Vec::new();
        match self {
            Self::Namespaces(namespaces) => {
                words.push("unshare".into());
                words.extend(namespaces.unshare().iter().map(OsString::from));
                words.push("/bin/sh".into());
                words.push(namespaces.script.clone().into());
                words.push(run.work.clone().into());
                words.push("--".into());
            }
            Self::None(_) => {
                words.push("prlimit".into());
                words.extend(limit_words(&run.limits).into_iter().map(OsString::from));
                words.push("--".into());
            }
        }
        words.extend(run.command.iter().cloned());
        words
    }

    /// Returns the variables that a run starts with.
    pub(crate) fn environment(&self, run: &Run) -> Vec<(&'static str, OsString)> {
        let mut variables: Vec<(&'static str, OsString)> = vec![
            ("HOME", self.inside(&run.work, Place::Build).into()),
            ("LANG", "C.UTF-8".into()),
            ("LC_ALL", "C.UTF-8".into()),
        ];
        // Where the C library is elsewhere, RPM's library folder is not one that linkers search.
        if !Path::new("/usr/lib64/libc.so.6").exists() {
            variables.push(("LIBRARY_PATH", "/usr/lib64".into()));
            variables.push(("LD_LIBRARY_PATH", "/usr/lib64".into()));
        }
        if let Self::Namespaces(Namespaces { become_user, no_nesting, .. }) = self {
            let mut more = Vec::new();
            if *no_nesting {
                more.push("--disable-userns");
            }
            if run.network {
                more.push("--share-net");
            }
            let user = become_user.map(|user| user.to_string()).unwrap_or_default();
            variables.push(("RIDA_STAGE", "/mnt".into()));
            variables.push(("RIDA_BECOME", user.into()));
            variables.push(("RIDA_BWRAP", more.join(" ").into()));
            variables.push(("RIDA_SHM", run.limits.shared_memory.to_string().into()));
            variables.push(("RIDA_LIMITS", limit_words(&run.limits).join(" ").into()));
        }
        variables
    }
}

impl Namespaces {
    const fn unshare(&self) -> &'static [&'static str] {
        match self.become_user {
            Some(_) => &["--mount", "--propagation", "private"],
            None => &["--user", "--map-root-user", "--mount", "--propagation", "private"],
        }
    }
}

/// Returns the kernel's limits as words for prlimit.
fn limit_words(limits: &BuildLimits) -> Vec<String> {
    let mut words =
        vec!["--core=0".to_owned(), format!("--nproc={}", limits.processes), format!("--fsize={}", limits.disk)];
    words.extend(limits.memory.map(|bytes| format!("--data={bytes}")));
    words
}

/// Makes the start of `/etc`. Each service makes its own, since runs that an earlier one started still use theirs.
fn new_etc(folder: &Path, network: bool) -> io::Result<PathBuf> {
    fs::create_dir_all(folder)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    let last = names(folder)?.iter().filter_map(|name| name.parse::<u64>().ok()).max().unwrap_or(0);
    let etc = folder.join((last + 1).to_string());
    new_folder(&etc)?;
    new_folder(&etc.join("ssl"))?;
    for name in ETC.iter().chain(if network { ETC_FOR_NETWORK } else { &[] }) {
        copy_readable(&Path::new("/etc").join(name), &etc.join(name))?;
    }
    let hosts = if network { "files dns" } else { "files" };
    let written = [
        ("passwd", "root:x:0:0:root:/:/bin/sh\nbuilder:x:1000:1000:builder:/build:/bin/sh\n".to_owned()),
        ("group", "root:x:0:\nbuilder:x:1000:\n".to_owned()),
        ("hosts", "127.0.0.1 localhost builder\n::1 localhost\n".to_owned()),
        ("nsswitch.conf", format!("passwd: files\ngroup: files\nhosts: {hosts}\n")),
    ];
    for (name, text) in written {
        fs::write(etc.join(name), text)?;
        fs::set_permissions(etc.join(name), fs::Permissions::from_mode(0o644))?;
    }
    Ok(etc)
}

/// Makes a folder that everybody may look into, whatever the service's mask is; the data folder itself is closed.
fn new_folder(path: &Path) -> io::Result<()> {
    fs::create_dir(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// Copies what everybody may read; what is not there or not readable for all is left out.
fn copy_readable(from: &Path, to: &Path) -> io::Result<()> {
    let Ok(metadata) = fs::symlink_metadata(from) else { return Ok(()) };
    if metadata.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    if metadata.permissions().mode() & 0o004 == 0 {
        return Ok(());
    }
    if metadata.is_dir() {
        if !to.is_dir() {
            new_folder(to)?;
        }
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_readable(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if metadata.is_file() {
        fs::copy(from, to)?;
    }
    Ok(())
}
