//! Whether the macros of modules can be packed here.

use std::io::ErrorKind;
use std::process::Stdio;
use std::time::Duration;

use tokio::time::timeout;

use super::Finding;
use crate::build_system::rpmbuild_command;
use crate::config::KojiConfig;

/// How long the program may take to say which version it is.
pub(super) const LONGEST: Duration = Duration::from_secs(20);

/// Runs the program that packs the macros of modules, as it is run for a module, for so long at most.
pub(super) async fn rpmbuild(config: &KojiConfig, longest: Duration) -> Finding {
    let folder = match tempfile::tempdir() {
        Ok(folder) => folder,
        Err(error) => return Finding::bad(format!("no temporary folder can be made for rpmbuild: {error}")),
    };
    let mut command = rpmbuild_command(config, folder.path());
    command.arg("--version").stderr(Stdio::null());
    match timeout(longest, command.status()).await {
        Ok(Ok(status)) if status.success() => Finding::good("rpmbuild packs the macros of modules"),
        Ok(Ok(status)) => Finding::bad(format!(
            "rpmbuild, which packs the macros of modules, ends with {status}; it is run without this environment, and with \
             PATH=/usr/bin:/bin"
        )),
        Ok(Err(error)) if error.kind() == ErrorKind::NotFound => Finding::bad(
            "rpmbuild, which packs the macros of modules, is not installed here, in /usr/bin or /bin; install rpm-build \
             (Debian: rpm)",
        ),
        Ok(Err(error)) => {
            Finding::bad(format!("rpmbuild, which packs the macros of modules, cannot be run here: {error}"))
        }
        Err(_) => Finding::bad(format!(
            "rpmbuild, which packs the macros of modules, does not say its version within {longest:?}",
        )),
    }
}

#[cfg(test)]
mod tests;
