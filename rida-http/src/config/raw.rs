//! What can be written in the configuration. Every setting is optional; what is absent is left to another place or to
//! its default, which [`resolve`](super::resolve) knows.

use std::net::SocketAddr;
use std::path::PathBuf;

use rida_core::plan::RebuildStrategy;
use rida_core::scm::{GitRef, Repository};
use rida_core::{Arch, ModuleName, Owner};
use serde::{Deserialize, Serialize};

use super::database::DatabasePlace;
use super::units::{Size, Span};

/// All sections.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Raw {
    pub(super) server: Server,
    pub(super) data: Data,
    pub(super) sources: Sources,
    pub(super) limits: Limits,
    pub(super) deadlines: Deadlines,
    pub(super) builds: Builds,
    pub(super) koji: Koji,
    pub(super) git: Git,
    pub(super) local: Local,
    pub(super) worker: Worker,
    pub(super) publish: Publish,
    pub(super) bus: Bus,
    pub(super) log: Log,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Server {
    pub(super) listen: Option<SocketAddr>,
    pub(super) trust_network: Option<bool>,
    pub(super) default_owner: Option<Owner>,
    pub(super) submit_wait: Option<Span>,
    pub(super) max_connections: Option<u32>,
    pub(super) max_connections_per_client: Option<u32>,
    pub(super) max_head: Option<Size>,
    pub(super) max_body: Option<Size>,
    pub(super) max_submission: Option<Size>,
    pub(super) max_followers: Option<u32>,
    pub(super) head_timeout: Option<Span>,
    pub(super) body_timeout: Option<Span>,
    pub(super) write_timeout: Option<Span>,
    pub(super) shutdown_grace: Option<Span>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Data {
    pub(super) folder: Option<PathBuf>,
    pub(super) database: Option<DatabasePlace>,
    pub(super) durability: Option<Durability>,
    pub(super) readers: Option<u32>,
    pub(super) writers: Option<u32>,
    pub(super) connect_timeout: Option<Span>,
    pub(super) lock_timeout: Option<Span>,
    pub(super) statement_timeout: Option<Span>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Sources {
    pub(super) allow: Option<Vec<Repository>>,
    pub(super) repository: Option<Repository>,
    pub(super) allow_repository: Option<bool>,
    pub(super) cache: Option<String>,
    pub(super) allow_cache: Option<bool>,
    pub(super) branch: Option<GitRef>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Limits {
    pub(super) builds: Option<u32>,
    pub(super) builds_per_module: Option<u32>,
    pub(super) builds_per_owner: Option<u32>,
    pub(super) builds_per_submission: Option<u32>,
    pub(super) queue: Option<u32>,
    pub(super) queue_per_module: Option<u32>,
    pub(super) queue_per_owner: Option<u32>,
    pub(super) patience: Option<Span>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Deadlines {
    pub(super) init: Option<Span>,
    pub(super) wait: Option<Span>,
    pub(super) prepare: Option<Span>,
    pub(super) build: Option<Span>,
    pub(super) finish: Option<Span>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Builds {
    pub(super) build_system: Option<BuildSystemChoice>,
    pub(super) components_at_once: Option<u32>,
    pub(super) ready_at_once: Option<bool>,
    pub(super) allow_scratch: Option<bool>,
    pub(super) allow_modulemd: Option<bool>,
    pub(super) follow_every: Option<Span>,
    pub(super) dist_tag_prefix: Option<String>,
    pub(super) base_modules: Option<Vec<ModuleName>>,
    pub(super) rebuild: Option<RebuildStrategy>,
    pub(super) rebuild_choices: Option<Vec<RebuildStrategy>>,
    pub(super) base_streams: Option<Vec<String>>,
    pub(super) virtual_streams: Option<Vec<String>>,
    pub(super) stream_versions: Option<Vec<String>>,
    pub(super) dist_tag_markings: Option<Vec<String>>,
    pub(super) excluded_streams: Option<Vec<String>>,
    pub(super) ended_streams: Option<Vec<String>>,
    pub(super) compatible_streams: Option<CompatibleStreams>,
    pub(super) default_modules: Option<Vec<String>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Koji {
    pub(super) profile: Option<String>,
    pub(super) config: Option<Vec<PathBuf>>,
    pub(super) principal: Option<String>,
    pub(super) keytab: Option<PathBuf>,
    pub(super) ccache: Option<String>,
    pub(super) arches: Option<Vec<Arch>>,
    pub(super) base_tags: Option<Vec<String>>,
    pub(super) side_tags: Option<Vec<String>>,
    pub(super) external_repos: Option<String>,
    pub(super) ask_every: Option<Span>,
    pub(super) permission: Option<String>,
    pub(super) package_owner: Option<String>,
    pub(super) priority: Option<u32>,
    pub(super) macros_target: Option<String>,
    pub(super) arch_override: Option<bool>,
    pub(super) tagging: Option<Tagging>,
    pub(super) import: Option<bool>,
    pub(super) import_as: Option<String>,
    pub(super) import_tag: Option<String>,
    pub(super) devel: Option<bool>,
    pub(super) build_group: Option<Vec<String>>,
    pub(super) srpm_group: Option<Vec<String>>,
    pub(super) sessions: Option<u32>,
    pub(super) timeout: Option<Span>,
    pub(super) clean_up_every: Option<Span>,
    pub(super) targets_after: Option<Span>,
    pub(super) failed_after: Option<Span>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Git {
    pub(super) at_once: Option<u32>,
    pub(super) answer_within: Option<Span>,
    pub(super) fetch_within: Option<Span>,
    pub(super) processor_time: Option<Span>,
    pub(super) memory: Option<Size>,
    pub(super) fetch_size: Option<Size>,
    pub(super) file_size: Option<Size>,
    pub(super) tree_size: Option<Size>,
    pub(super) tree_files: Option<u32>,
    pub(super) source_size: Option<Size>,
    pub(super) cache_size: Option<Size>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Local {
    pub(super) builder: Option<Builder>,
    pub(super) sandbox: Option<Sandbox>,
    pub(super) mock_root: Option<String>,
    pub(super) mock_program: Option<PathBuf>,
    pub(super) at_once: Option<u32>,
    pub(super) jobs: Option<u32>,
    pub(super) network: Option<bool>,
    pub(super) build_user: Option<u32>,
    pub(super) spare_disk: Option<Size>,
    pub(super) time: Option<Span>,
    pub(super) disk: Option<Size>,
    pub(super) log: Option<Size>,
    pub(super) memory: Option<Size>,
    pub(super) processes: Option<u32>,
    pub(super) shared_memory: Option<Size>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Worker {
    pub(super) at_once: Option<u32>,
    pub(super) idle: Option<Span>,
    pub(super) lease: Option<Span>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Publish {
    pub(super) to: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Log {
    pub(super) format: Option<LogFormat>,
    pub(super) filter: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Bus {
    pub(super) topic_prefix: Option<String>,
    pub(super) environment: Option<String>,
    pub(super) module_name: Option<String>,
    pub(super) instance: Option<String>,
    pub(super) from_instance: Option<String>,
    pub(super) fedmsg: Fedmsg,
    pub(super) amqp: Amqp,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Fedmsg {
    pub(super) bind: Option<Vec<String>>,
    pub(super) relay: Option<String>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) username: Option<String>,
    pub(super) needs_listener: Option<bool>,
    pub(super) high_water_mark: Option<u32>,
    pub(super) linger: Option<Span>,
    pub(super) listen: Option<Vec<String>>,
    pub(super) topics: Option<Vec<String>>,
    pub(super) authority: Option<PathBuf>,
    pub(super) revoked: Option<PathBuf>,
    pub(super) senders: Option<Vec<String>>,
    pub(super) nitpicky: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Amqp {
    pub(super) url: Option<Address>,
    pub(super) authority: Option<PathBuf>,
    pub(super) certificate: Option<PathBuf>,
    pub(super) key: Option<PathBuf>,
    pub(super) exchange: Option<String>,
    pub(super) announce: Option<bool>,
    pub(super) needs_queue: Option<bool>,
    pub(super) queue: Option<String>,
    pub(super) topics: Option<Vec<String>>,
    pub(super) prefetch: Option<u16>,
    pub(super) dead_letters: Option<String>,
}

/// The address of something, which may have a password in it. Shown, it has none.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(super) struct Address(pub(super) String);

impl Serialize for Address {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match url::Url::parse(&self.0) {
            Ok(mut url) if url.has_host() => {
                if url.password().is_some() && url.set_password(Some("***")).is_err() {
                    return serializer.serialize_str("***");
                }
                serializer.collect_str(&url)
            }
            // What cannot be read may have one anywhere.
            Ok(_) | Err(_) => serializer.serialize_str("***"),
        }
    }
}

impl std::fmt::Debug for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("\"***\"")
    }
}

/// How lines of the log look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What a crash of the machine may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Durability {
    /// Nothing.
    Full,
    /// The last changes.
    Normal,
}

/// Where packages are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum BuildSystemChoice {
    /// On this machine.
    Local,
    /// In Koji.
    Koji,
}

/// Which builds may stand for what was never built against a stream of a base module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum CompatibleStreams {
    /// Those against older minor streams.
    Older,
    /// Those against any that shares a virtual stream.
    Any,
    /// None.
    Same,
}

/// How packages get into a module's tags in Koji.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Tagging {
    /// At once.
    Direct,
    /// By a task of a builder.
    Task,
}

/// What packages are built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Builder {
    /// mock where it is installed, else rpmbuild.
    Auto,
    Mock,
    Rpmbuild,
}

/// Whether rpmbuild runs in a sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Sandbox {
    /// Where the machine allows one.
    Auto,
    Require,
    Off,
}
