//! The resolved settings that the core decides by.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use crate::base_streams::BaseStreams;
use crate::id::ModuleName;
use crate::plan::RebuildStrategy;
use crate::scm::Repository;

/// The settings that decisions are made by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// How many builds may run, and wait.
    pub limits: Limits,
    /// How many components of one build are with the build system at once.
    pub components_at_once: usize,
    /// A finished build is released at once, without waiting for anybody.
    pub ready_at_once: bool,
    /// Whether modules may be submitted to be tried only.
    pub allow_scratch: bool,
    /// Whether a request may bring its modulemd along; to be tried it always may.
    pub allow_modulemd: bool,
    /// Whether a request may name source packages that somebody sent to the build system, which has to take them.
    pub allow_packages: bool,
    /// Whether modules may be built against side tags of the distribution, which the build system has to have.
    pub allow_side_tags: bool,
    /// How long each thing may take.
    pub deadlines: Deadlines,
    /// How often the build system is asked when no message came.
    pub follow_every: Duration,
    /// What a dist tag starts with, after its dot: `module+`.
    pub dist_tag_prefix: String,
    /// Modules that stand for the distribution itself, such as `platform`.
    pub base_modules: BTreeSet<ModuleName>,
    /// What is known of the streams of base modules.
    pub base_streams: BaseStreams,
    /// How many builds one submission may make.
    pub builds_per_submission: usize,
    /// Where components come from.
    pub sources: SourcePolicy,
    /// How much is built again of what an earlier build of a module has.
    pub rebuild: RebuildPolicy,
}

/// How much is built again of what an earlier build of a module has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RebuildPolicy {
    /// What happens when a submission says nothing.
    pub strategy: RebuildStrategy,
    /// What a submission may ask for; when empty, it may not ask.
    pub choices: BTreeSet<RebuildStrategy>,
}

/// How many builds may run at once, and how many may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// In all.
    pub builds: usize,
    /// Of one module, whatever the stream.
    pub builds_per_module: usize,
    /// Of one user.
    pub builds_per_owner: usize,
    /// How many builds may be in `init` and `wait` together before a submission is refused.
    pub queue: usize,
    /// How many of these may be of one module.
    pub queue_per_module: usize,
    /// How many of these may be of one user.
    pub queue_per_owner: usize,
    /// After this long in `wait` the age alone decides who is next.
    pub patience: Duration,
}

/// How long each thing may take before the build is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// The check of the sources.
    pub init: Duration,
    /// The wait for a slot.
    pub wait: Duration,
    /// The preparation of the build environment.
    pub prepare: Duration,
    /// All of the building, from the environment's readiness on.
    pub build: Duration,
    /// The writing of the metadata.
    pub finish: Duration,
}

/// Where components come from, and what a modulemd may say about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourcePolicy {
    /// Where a component without a `repository` is: this, and its name appended.
    pub repository: Option<Repository>,
    /// Whether a modulemd may name repositories of its own.
    pub allow_repository: bool,
    /// The lookaside cache of components without a `cache`; absent when there is none.
    pub cache: Option<Arc<str>>,
    /// Whether a modulemd may name caches of its own.
    pub allow_cache: bool,
    /// The branch of a component without a `ref`; absent means the module's stream.
    pub branch: Option<String>,
}

impl Default for Policy {
    fn default() -> Self {
        const HOUR: Duration = Duration::from_secs(3600);
        Self {
            limits: Limits {
                builds: 4,
                builds_per_module: 2,
                builds_per_owner: 4,
                queue: 1000,
                queue_per_module: 1000,
                queue_per_owner: 1000,
                patience: HOUR,
            },
            components_at_once: 5,
            ready_at_once: true,
            allow_scratch: false,
            allow_modulemd: false,
            allow_packages: false,
            allow_side_tags: false,
            deadlines: Deadlines { init: HOUR, wait: 7 * 24 * HOUR, prepare: HOUR, build: 7 * 24 * HOUR, finish: HOUR },
            follow_every: Duration::from_secs(10),
            dist_tag_prefix: "module+".to_owned(),
            base_modules: ModuleName::new("platform").into_iter().collect(),
            base_streams: BaseStreams::default(),
            builds_per_submission: 64,
            sources: SourcePolicy {
                repository: None,
                allow_repository: false,
                cache: None,
                allow_cache: false,
                branch: None,
            },
            rebuild: RebuildPolicy { strategy: RebuildStrategy::ChangedAndAfter, choices: BTreeSet::new() },
        }
    }
}
