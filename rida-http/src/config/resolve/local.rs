//! The settings of what runs on this machine: git, and the builds.

use std::path::Path;

use rida_core::Policy;
use rida_core::scm::AllowList;
use rida_local::git::GitConfig;
use rida_local::{BackendChoice, BuildLimits, LocalConfig, SandboxChoice};

use super::Picker;
use crate::config::raw::{Builder, Raw, Sandbox};
use crate::config::units::Size;

/// Returns the settings of git, which keeps what it read in the data folder.
pub(super) fn git(pick: &mut Picker<'_>, data: &Path, allow: &AllowList, policy: &Policy) -> GitConfig {
    let defaults = GitConfig::new(data.join("git"), allow.clone());
    let sources = &policy.sources;
    GitConfig {
        default_repository: sources.repository.clone(),
        defaults: policy.base_streams.default_modules().map(|place| place.repository.clone()).collect(),
        caches: sources.cache.iter().map(|cache| cache.to_string()).collect(),
        parallel: pick.count("git.at_once", |raw| raw.git.at_once, defaults.parallel),
        answer_within: pick.span("git.answer_within", |raw| raw.git.answer_within, defaults.answer_within),
        fetch_within: pick.span("git.fetch_within", |raw| raw.git.fetch_within, defaults.fetch_within),
        processor_time: pick.span("git.processor_time", |raw| raw.git.processor_time, defaults.processor_time),
        memory: bytes(pick, "git.memory", |raw| raw.git.memory, defaults.memory),
        fetch_bytes: bytes(pick, "git.fetch_size", |raw| raw.git.fetch_size, defaults.fetch_bytes),
        file_bytes: bytes(pick, "git.file_size", |raw| raw.git.file_size, defaults.file_bytes),
        tree_bytes: bytes(pick, "git.tree_size", |raw| raw.git.tree_size, defaults.tree_bytes),
        tree_files: pick.count("git.tree_files", |raw| raw.git.tree_files, defaults.tree_files),
        source_bytes: bytes(pick, "git.source_size", |raw| raw.git.source_size, defaults.source_bytes),
        cache_bytes: bytes(pick, "git.cache_size", |raw| raw.git.cache_size, defaults.cache_bytes),
        ..defaults
    }
}

/// Returns the settings of the builds, whose results are kept in the data folder.
pub(super) fn build_system(pick: &mut Picker<'_>, data: &Path) -> LocalConfig {
    let defaults = LocalConfig::new(data.join("builds"));
    let backend = match pick.or("local.builder", |raw| raw.local.builder, Builder::Auto) {
        Builder::Auto => BackendChoice::Auto,
        Builder::Mock => BackendChoice::Mock,
        Builder::Rpmbuild => BackendChoice::Rpmbuild,
    };
    let sandbox = match pick.or("local.sandbox", |raw| raw.local.sandbox, Sandbox::Auto) {
        Sandbox::Auto => SandboxChoice::Auto,
        Sandbox::Require => SandboxChoice::Require,
        Sandbox::Off => SandboxChoice::Off,
    };
    let mock_root = pick.optional("local.mock_root", |raw| raw.local.mock_root.clone());
    let mock_program = pick.optional("local.mock_program", |raw| raw.local.mock_program.clone());
    let most = defaults.limits;
    let processes = pick.count("local.processes", |raw| raw.local.processes, amount(most.processes));
    let memory = bytes(pick, "local.memory", |raw| raw.local.memory, most.memory.unwrap_or_default());
    let limits = BuildLimits {
        time: pick.span("local.time", |raw| raw.local.time, most.time),
        disk: bytes(pick, "local.disk", |raw| raw.local.disk, most.disk),
        log: bytes(pick, "local.log", |raw| raw.local.log, most.log),
        memory: (memory > 0).then_some(memory),
        processes: u64::try_from(processes).unwrap_or(u64::MAX),
        shared_memory: bytes(pick, "local.shared_memory", |raw| raw.local.shared_memory, most.shared_memory),
    };
    LocalConfig {
        backend,
        sandbox,
        mock_root,
        mock_program,
        parallel: pick.count("local.at_once", |raw| raw.local.at_once, defaults.parallel),
        jobs: pick.count("local.jobs", |raw| raw.local.jobs, defaults.jobs),
        limits,
        spare_disk: bytes(pick, "local.spare_disk", |raw| raw.local.spare_disk, defaults.spare_disk),
        network: pick.or("local.network", |raw| raw.local.network, defaults.network),
        build_user: pick.or("local.build_user", |raw| raw.local.build_user, defaults.build_user),
        folder: defaults.folder,
    }
}

fn bytes(pick: &mut Picker<'_>, key: &'static str, get: impl Fn(&Raw) -> Option<Size>, default: u64) -> u64 {
    u64::try_from(pick.size(key, get, amount(default))).unwrap_or(u64::MAX)
}

fn amount(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
