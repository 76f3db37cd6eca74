//! The source package of `module-build-macros`, made by `rpmbuild` of what the core says.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rida_core::{BuildMacros, ModuleBuild, PortError};
use tokio::process::Command;
use tokio::time::timeout;

use super::{KojiBuildSystem, document};
use crate::config::KojiConfig;

/// How long it may take.
const LONGEST: Duration = Duration::from_secs(120);
/// How long a package of a few lines may be.
const LARGEST: u64 = 16 * 1024 * 1024;

/// A package, to be sent to Koji.
pub(super) struct Package {
    pub(super) name: String,
    pub(super) content: Vec<u8>,
}

impl KojiBuildSystem {
    pub(super) async fn macros_package(&self, build: &ModuleBuild) -> Result<Package, PortError> {
        let options = document(build)?.buildopts;
        let packager = options.as_ref().and_then(|options| options.rpms.macros.as_deref());
        let conflicts = self.conflicts(build).await?;
        let (nsvc, dist_tag, at) = (build.nsvc(), &build.dist_tag, build.submission.at);
        let macros = BuildMacros { nsvc, dist_tag, packager, conflicts: &conflicts, at };
        let storage = |error| PortError::unavailable("the server's disk cannot be written").because(error);
        let folder = tempfile::tempdir().map_err(storage)?;
        let spec = folder.path().join(BuildMacros::spec_name());
        tokio::fs::write(&spec, macros.spec()).await.map_err(storage)?;
        tokio::fs::write(folder.path().join(BuildMacros::source_name()), macros.macros()).await.map_err(storage)?;
        self.rpmbuild(folder.path(), &spec).await?;
        // Named by what the spec says, not by what the program chose.
        let (version, release) = (BuildMacros::VERSION, BuildMacros::RELEASE);
        let stem = BuildMacros::spec_name();
        let stem = stem.trim_end_matches(".spec");
        let name = format!("{stem}-{version}-{release}{}.src.rpm", build.dist_tag);
        let path = folder.path().join(&name);
        let length = tokio::fs::metadata(&path).await.map_err(|error| {
            PortError::permanent("rpmbuild on the server made no source package of the macros").because(error)
        })?;
        if length.len() > LARGEST {
            return Err(PortError::permanent("the source package of the macros is too large"));
        }
        let content = tokio::fs::read(&path).await.map_err(storage)?;
        Ok(Package { name, content })
    }

    /// Packs a spec and its source. Nothing of either is run: only the spec is read, and the core wrote all of it.
    async fn rpmbuild(&self, folder: &Path, spec: &Path) -> Result<(), PortError> {
        let mut command = rpmbuild_command(&self.config, folder);
        for name in ["_topdir", "_sourcedir", "_srcrpmdir", "_builddir", "_tmppath"] {
            command.arg("--define").arg(format!("{name} {}", folder.display()));
        }
        command.args(["-bs", "--nodeps", "--"]).arg(spec);
        command.stderr(Stdio::piped());
        let missing = |error: std::io::Error| {
            let text = "rpmbuild cannot be run on the server; its administrator can install it (package rpm-build, or \
                        rpm on Debian)";
            PortError::unavailable(text).because(error)
        };
        let child = command.spawn().map_err(missing)?;
        let output = timeout(LONGEST, child.wait_with_output()).await;
        let output = output.map_err(|_| PortError::temporary("rpmbuild on the server takes too long"))?;
        let output = output.map_err(missing)?;
        if output.status.success() {
            return Ok(());
        }
        let said: String = String::from_utf8_lossy(&output.stderr).chars().take(2000).collect();
        Err(PortError::permanent("rpmbuild on the server cannot pack the module's macros").because(said))
    }
}

/// Returns the program that packs source packages, which sees nothing of this service but a folder that is its home.
pub(crate) fn rpmbuild_command(config: &KojiConfig, home: &Path) -> Command {
    let mut command = Command::new(config.rpmbuild.as_deref().unwrap_or_else(|| Path::new("rpmbuild")));
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", home).env("LC_ALL", "C.UTF-8");
    command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
    command
}
