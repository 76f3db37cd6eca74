//! Git, hardened: what every call of it has in common.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use rida_core::PortError;
use rida_core::scm::{Repository, Scheme};

use super::{GitConfig, Inner};
use crate::network;
use crate::process::{Limits, Program};

/// The settings of every call, over those of no configuration file.
const SETTINGS: &[&str] = &[
    "-c",
    "protocol.allow=never",
    "-c",
    "protocol.version=2",
    "-c",
    "core.hooksPath=/dev/null",
    "-c",
    "core.attributesFile=/dev/null",
    "-c",
    "core.fsmonitor=false",
    // Larger blobs are streamed, not held in memory.
    "-c",
    "core.bigFileThreshold=2m",
    // Address space is what the limit of memory counts: what is mapped, and what each thread sets aside.
    "-c",
    "core.packedGitWindowSize=16m",
    "-c",
    "core.packedGitLimit=128m",
    "-c",
    "pack.threads=1",
    "-c",
    "http.followRedirects=false",
    "-c",
    "http.lowSpeedLimit=1",
    "-c",
    "http.lowSpeedTime=60",
    "-c",
    "credential.helper=",
    "-c",
    "core.askPass=",
    "-c",
    "transfer.fsckObjects=true",
    "-c",
    "fetch.fsckObjects=true",
    "-c",
    "transfer.bundleURI=false",
    "-c",
    "transfer.unpackLimit=1",
    "-c",
    "fetch.unpackLimit=1",
    "-c",
    "fetch.recurseSubmodules=false",
    "-c",
    "submodule.recurse=false",
    "-c",
    "gc.auto=0",
    "-c",
    "maintenance.auto=false",
];

/// The only way that ssh is run: it asks nobody, trusts no new host, and runs and forwards nothing.
const SSH: &str = "ssh -oBatchMode=yes -oStrictHostKeyChecking=yes -oConnectTimeout=20 -oControlMaster=no \
                   -oControlPath=none -oProxyCommand=none -oPermitLocalCommand=no -oForwardAgent=no \
                   -oForwardX11=no -oClearAllForwardings=yes";

/// Returns git with its settings and environment, for work on what is here already: it may not connect to anything.
pub(super) fn local(config: &GitConfig, git_dir: &Path) -> Program {
    base(config, config.answer_within).env("GIT_ALLOW_PROTOCOL", "none").env("GIT_DIR", git_dir)
}

fn base(config: &GitConfig, time: Duration) -> Program {
    Program::new("git", "git")
        .limits(Limits {
            time,
            output: config.file_bytes,
            cpu: Some(config.processor_time),
            memory: Some(config.memory),
            // A little more than the limit of the folder, so that it is seen which one was passed.
            file_size: Some(config.fetch_bytes.saturating_add(64 * 1024)),
            ..Limits::default()
        })
        .directory(&config.folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_ATTR_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("GIT_ASKPASS", "/bin/false")
        .env("GIT_SSH_COMMAND", SSH)
        .env("GIT_SSH_VARIANT", "ssh")
        .env("GIT_NO_LAZY_FETCH", "1")
        .env("GIT_NO_REPLACE_OBJECTS", "1")
        .env("GIT_LITERAL_PATHSPECS", "1")
        .env("GIT_OPTIONAL_LOCKS", "0")
        .env("GIT_CEILING_DIRECTORIES", &config.folder)
        .args(SETTINGS)
}

/// A repository that may be connected to, by one protocol and, where it matters, at one address only.
pub(super) struct Remote<'a> {
    config: &'a GitConfig,
    pub(super) repository: &'a Repository,
    address: Option<IpAddr>,
}

impl<'a> Remote<'a> {
    /// Looks at where a repository is. One that nobody chose must be on a public host.
    pub(super) async fn check(inner: &'a Inner, repository: &'a Repository) -> Result<Self, PortError> {
        if repository.scheme() == Scheme::Rsync {
            let text = format!("{repository}: git no longer speaks rsync; use the repository's https or git address");
            return Err(PortError::permanent(text));
        }
        let is_chosen = inner.components.permits(repository) || inner.config.defaults.contains(repository);
        let address = if is_chosen { None } else { Some(network::public_address(repository).await?) };
        Ok(Self { config: &inner.config, repository, address })
    }

    /// Returns git with leave to connect to this repository.
    pub(super) fn git(&self, time: Duration) -> Program {
        let scheme = self.repository.scheme();
        let program = base(self.config, time).env("GIT_ALLOW_PROTOCOL", scheme.as_str()).arg("-c").arg(match scheme {
            Scheme::Git => "protocol.git.allow=always",
            Scheme::Http => "protocol.http.allow=always",
            Scheme::Https => "protocol.https.allow=always",
            Scheme::Ssh => "protocol.ssh.allow=always",
            Scheme::File => "protocol.file.allow=always",
            Scheme::Rsync => "protocol.rsync.allow=never",
        });
        let port = self.repository.port().or(scheme.default_port());
        match (self.address, self.repository.host(), port) {
            // The name is not looked up a second time, when the answer could be another.
            (Some(address), Some(host), Some(port)) => {
                program.arg("-c").setting("http.curloptResolve=", format!("{host}:{port}:{address}"))
            }
            _ => program,
        }
    }
}
