//! What the configuration means: every default, and what cannot be.

mod base_streams;
mod bus;
#[cfg(feature = "koji")]
mod koji;
mod local;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use rida_core::scm::{AllowList, Repository};
use rida_core::{Deadlines, Limits, Policy, RebuildPolicy, SourcePolicy};
use rida_store::{Location, StoreConfig};
use serde::Serialize;

use super::database::DatabasePlace;
use super::raw::{BuildSystemChoice, Durability, LogFormat, Raw};
use super::units::{Size, Span};
use super::{Config, Layer, LogSettings, Origin, Resolved, Setting};
use crate::publisher::Lines;
use crate::routes::ApiSettings;
use crate::serve::ServerLimits;
use crate::worker::WorkerSettings;

/// What keeps the service from starting without a list of places.
const NO_PLACES: &str = "no place is allowed that modules may be read from; write in the configuration file
    [sources]
    allow = [\"https://git.example.org/modules/\"]
with the places that you trust, or give --allow URL; each entry allows the repositories at and below it";

/// What keeps the service from starting on a network.
const NOT_LOOPBACK: &str = "server.listen is not on this machine alone, and there are no users to tell apart: everybody \
    who reaches it can submit and cancel builds; set server.trust_network = true when that is meant, or listen on 127.0.0.1";

/// Takes settings out of the layers, and notes each.
struct Picker<'a> {
    layers: &'a [Layer],
    settings: Vec<Setting>,
}

impl Picker<'_> {
    /// Returns a setting from the strongest place that has it.
    fn optional<T: Serialize>(&mut self, key: &'static str, get: impl Fn(&Raw) -> Option<T>) -> Option<T> {
        let found = self.layers.iter().rev().find_map(|layer| Some((get(&layer.raw)?, layer.origin.clone())));
        let (value, origin) = found.map_or((None, Origin::Default), |(value, origin)| (Some(value), origin));
        self.settings.push(Setting { key, value: value.as_ref().map(shown), origin });
        value
    }

    /// The same for a setting that has a default.
    fn or<T: Serialize>(&mut self, key: &'static str, get: impl Fn(&Raw) -> Option<T>, default: T) -> T {
        let value = self.optional(key, get).unwrap_or(default);
        if let Some(setting) = self.settings.last_mut() {
            setting.value = Some(shown(&value));
        }
        value
    }

    fn span(&mut self, key: &'static str, get: impl Fn(&Raw) -> Option<Span>, default: Duration) -> Duration {
        self.or(key, get, Span(default)).0
    }

    fn size(&mut self, key: &'static str, get: impl Fn(&Raw) -> Option<Size>, default: usize) -> usize {
        self.or(key, get, Size(default)).0
    }

    fn count(&mut self, key: &'static str, get: impl Fn(&Raw) -> Option<u32>, default: usize) -> usize {
        let default = u32::try_from(default).unwrap_or(u32::MAX);
        usize::try_from(self.or(key, get, default)).unwrap_or(usize::MAX)
    }
}

/// Writes a value as TOML does, for texts, numbers, and lists of them.
fn shown(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "\"?\"".to_owned())
}

pub(super) fn resolve(layers: &[Layer]) -> Resolved {
    let mut pick = Picker { layers, settings: Vec::new() };
    let loopback = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080);
    let listen = pick.or("server.listen", |raw| raw.server.listen, loopback);
    let trusted = pick.or("server.trust_network", |raw| raw.server.trust_network, false);
    let (api, server) = (api(&mut pick), server(&mut pick));
    let data = pick.or("data.folder", |raw| raw.data.folder.clone(), PathBuf::from("rida-data"));
    let mut store = store(&mut pick, &data);
    let allow = pick.or("sources.allow", |raw| raw.sources.allow.clone(), Vec::<Repository>::new());
    let allow = AllowList::new(allow);
    // Said again where its section is; other settings have other defaults by it.
    let chosen = layers.iter().rev().find_map(|layer| layer.raw.builds.build_system);
    let build_system = chosen.unwrap_or(BuildSystemChoice::Local);
    let (policy, listed, mut unclear_streams) = policy(&mut pick, build_system);
    let absolute = std::path::absolute(&data).unwrap_or_else(|_| data.clone());
    let git = local::git(&mut pick, &absolute, &allow, &policy);
    let local = local::build_system(&mut pick, &absolute);
    #[cfg(feature = "koji")]
    let (koji, unclear) = koji::build_system(&mut pick, build_system);
    #[cfg(feature = "koji")]
    let policy = koji.iter().fold(policy, |policy, koji| koji::with_what_it_allows(policy, listed, koji));
    #[cfg(not(feature = "koji"))]
    let _ = listed;
    if build_system == BuildSystemChoice::Koji {
        // No folder of local builds is locked, so that any number of services may share the database.
        store.remembered = 0;
    }
    let defaults = WorkerSettings::default();
    let worker = WorkerSettings {
        at_once: pick.count("worker.at_once", |raw| raw.worker.at_once, defaults.at_once),
        idle: pick.span("worker.idle", |raw| raw.worker.idle, defaults.idle),
        lease: pick.span("worker.lease", |raw| raw.worker.lease, defaults.lease),
        grace: server.grace,
    };
    let file = data.join("announcements.jsonl").display().to_string();
    let publish = match pick.or("publish.to", |raw| raw.publish.to.clone(), file).as_str() {
        "stdout" => Lines::Stdout,
        path => Lines::File(PathBuf::from(path)),
    };
    let mut bus_problems = Vec::new();
    let bus = bus::bus(&mut pick, &mut bus_problems);
    let log = LogSettings {
        format: pick.or("log.format", |raw| raw.log.format, LogFormat::Text),
        filter: pick.or("log.filter", |raw| raw.log.filter.clone(), "info".to_owned()),
    };
    let mut problems = impossible(&pick.settings);
    problems.append(&mut bus_problems);
    problems.append(&mut unclear_streams);
    #[cfg(feature = "koji")]
    problems.extend(unclear);
    #[cfg(not(feature = "koji"))]
    if build_system == BuildSystemChoice::Koji {
        problems.push("this program was made without Koji; make it with the feature koji, or build locally".to_owned());
    }
    if allow.iter().next().is_none() {
        problems.push(NO_PLACES.to_owned());
    }
    if !listen.ip().is_loopback() && !trusted {
        problems.push(NOT_LOOPBACK.to_owned());
    }
    let config = Config {
        listen,
        server,
        api,
        worker,
        policy,
        allow,
        data,
        store,
        git,
        local,
        publish,
        bus,
        log,
        #[cfg(feature = "koji")]
        koji,
    };
    Resolved { config, settings: pick.settings, problems }
}

/// Tells which settings are zero that must not be: nothing would ever be done.
fn impossible(settings: &[Setting]) -> Vec<String> {
    const MAY_BE_ZERO: [&str; 8] = [
        "koji.priority",
        "koji.clean_up_every",
        "koji.targets_after",
        "server.submit_wait",
        "server.max_followers",
        "local.memory",
        "local.spare_disk",
        "bus.fedmsg.linger",
    ];
    let zero = |setting: &&Setting| matches!(setting.value.as_deref(), Some("0" | "\"0\"" | "\"0s\""));
    let wrong = settings.iter().filter(zero).filter(|setting| !MAY_BE_ZERO.contains(&setting.key));
    wrong.map(|setting| format!("{} is zero ({}); give it a value above", setting.key, setting.origin)).collect()
}

fn server(pick: &mut Picker<'_>) -> ServerLimits {
    let defaults = ServerLimits::default();
    ServerLimits {
        connections: pick.count("server.max_connections", |raw| raw.server.max_connections, defaults.connections),
        for_one_client: pick.count(
            "server.max_connections_per_client",
            |raw| raw.server.max_connections_per_client,
            defaults.for_one_client,
        ),
        head: pick.size("server.max_head", |raw| raw.server.max_head, defaults.head),
        head_timeout: pick.span("server.head_timeout", |raw| raw.server.head_timeout, defaults.head_timeout),
        write_timeout: pick.span("server.write_timeout", |raw| raw.server.write_timeout, defaults.write_timeout),
        grace: pick.span("server.shutdown_grace", |raw| raw.server.shutdown_grace, defaults.grace),
    }
}

fn api(pick: &mut Picker<'_>) -> ApiSettings {
    let defaults = ApiSettings::default();
    ApiSettings {
        max_body: pick.size("server.max_body", |raw| raw.server.max_body, defaults.max_body),
        max_submission: pick.size("server.max_submission", |raw| raw.server.max_submission, defaults.max_submission),
        body_timeout: pick.span("server.body_timeout", |raw| raw.server.body_timeout, defaults.body_timeout),
        submit_wait: pick.span("server.submit_wait", |raw| raw.server.submit_wait, defaults.submit_wait),
        nobody: pick.or("server.default_owner", |raw| raw.server.default_owner.clone(), defaults.nobody),
        max_followers: pick.count("server.max_followers", |raw| raw.server.max_followers, defaults.max_followers),
        follow_every: defaults.follow_every,
        data: defaults.data,
        base_tags: defaults.base_tags,
        arches: defaults.arches,
    }
}

/// How many components of builds the store keeps in memory: some ten megabytes.
const REMEMBERED: usize = 20_000;

fn store(pick: &mut Picker<'_>, data: &std::path::Path) -> StoreConfig {
    let default = DatabasePlace(Location::Sqlite(data.join("rida.sqlite")));
    let place = pick.or("data.database", |raw| raw.data.database.clone(), default).0;
    // A file has one service at a time, which locks it. Other databases may have several.
    let remembered = match &place {
        Location::Sqlite(_) => REMEMBERED,
        _ => 0,
    };
    let mut config = StoreConfig { remembered, ..StoreConfig::new(place) };
    let readers = usize::try_from(config.readers).unwrap_or(1);
    config.readers = u32::try_from(pick.count("data.readers", |raw| raw.data.readers, readers)).unwrap_or(1);
    let writers = usize::try_from(config.writers).unwrap_or(1);
    config.writers = u32::try_from(pick.count("data.writers", |raw| raw.data.writers, writers)).unwrap_or(1);
    config.connect_timeout = pick.span("data.connect_timeout", |raw| raw.data.connect_timeout, config.connect_timeout);
    config.busy_timeout = pick.span("data.lock_timeout", |raw| raw.data.lock_timeout, config.busy_timeout);
    config.statement_timeout =
        pick.span("data.statement_timeout", |raw| raw.data.statement_timeout, config.statement_timeout);
    config.durability = match pick.or("data.durability", |raw| raw.data.durability, Durability::Full) {
        Durability::Full => rida_store::Durability::Full,
        Durability::Normal => rida_store::Durability::Normal,
    };
    config
}

/// How long what Koji has to do by itself may take: it may be away for hours.
const KOJI_AWAY: Duration = Duration::from_secs(24 * 3600);

/// Returns what is decided by; whether the operator said which streams of base modules there are; and what is not clear.
fn policy(pick: &mut Picker<'_>, build_system: BuildSystemChoice) -> (Policy, bool, Vec<String>) {
    let mut defaults = Policy::default();
    if build_system == BuildSystemChoice::Koji {
        defaults.deadlines.prepare = KOJI_AWAY;
        defaults.deadlines.finish = KOJI_AWAY;
    }
    let sources = SourcePolicy {
        repository: pick.optional("sources.repository", |raw| raw.sources.repository.clone()),
        allow_repository: pick.or(
            "sources.allow_repository",
            |raw| raw.sources.allow_repository,
            defaults.sources.allow_repository,
        ),
        cache: pick.optional("sources.cache", |raw| raw.sources.cache.clone()).map(Into::into),
        allow_cache: pick.or("sources.allow_cache", |raw| raw.sources.allow_cache, defaults.sources.allow_cache),
        branch: pick.optional("sources.branch", |raw| raw.sources.branch.clone()).map(|it| it.to_string()),
    };
    let (of, at_most) = (defaults.limits, defaults.deadlines);
    let limits = Limits {
        builds: pick.count("limits.builds", |raw| raw.limits.builds, of.builds),
        builds_per_module: pick.count(
            "limits.builds_per_module",
            |raw| raw.limits.builds_per_module,
            of.builds_per_module,
        ),
        builds_per_owner: pick.count("limits.builds_per_owner", |raw| raw.limits.builds_per_owner, of.builds_per_owner),
        queue: pick.count("limits.queue", |raw| raw.limits.queue, of.queue),
        queue_per_module: pick.count("limits.queue_per_module", |raw| raw.limits.queue_per_module, of.queue_per_module),
        queue_per_owner: pick.count("limits.queue_per_owner", |raw| raw.limits.queue_per_owner, of.queue_per_owner),
        patience: pick.span("limits.patience", |raw| raw.limits.patience, of.patience),
    };
    let deadlines = Deadlines {
        init: pick.span("deadlines.init", |raw| raw.deadlines.init, at_most.init),
        wait: pick.span("deadlines.wait", |raw| raw.deadlines.wait, at_most.wait),
        prepare: pick.span("deadlines.prepare", |raw| raw.deadlines.prepare, at_most.prepare),
        build: pick.span("deadlines.build", |raw| raw.deadlines.build, at_most.build),
        finish: pick.span("deadlines.finish", |raw| raw.deadlines.finish, at_most.finish),
    };
    pick.or("builds.build_system", |raw| raw.builds.build_system, build_system);
    let builds_per_submission = pick.count(
        "limits.builds_per_submission",
        |raw| raw.limits.builds_per_submission,
        defaults.builds_per_submission,
    );
    let base = |raw: &Raw| raw.builds.base_modules.clone().map(|modules| modules.into_iter().collect());
    let base_modules = pick.or("builds.base_modules", base, defaults.base_modules);
    let base_streams::Known { streams: base_streams, listed, problems } = base_streams::known(pick, &base_modules);
    let choices = |raw: &Raw| raw.builds.rebuild_choices.clone().map(|choices| choices.into_iter().collect());
    let policy = Policy {
        limits,
        base_streams,
        builds_per_submission,
        components_at_once: pick.count(
            "builds.components_at_once",
            |raw| raw.builds.components_at_once,
            defaults.components_at_once,
        ),
        ready_at_once: pick.or("builds.ready_at_once", |raw| raw.builds.ready_at_once, defaults.ready_at_once),
        allow_scratch: pick.or("builds.allow_scratch", |raw| raw.builds.allow_scratch, defaults.allow_scratch),
        // As the build system has them.
        allow_modulemd: pick.or("builds.allow_modulemd", |raw| raw.builds.allow_modulemd, defaults.allow_modulemd),
        allow_packages: defaults.allow_packages,
        allow_side_tags: defaults.allow_side_tags,
        deadlines,
        follow_every: pick.span("builds.follow_every", |raw| raw.builds.follow_every, defaults.follow_every),
        dist_tag_prefix: pick.or(
            "builds.dist_tag_prefix",
            |raw| raw.builds.dist_tag_prefix.clone(),
            defaults.dist_tag_prefix,
        ),
        base_modules,
        sources,
        rebuild: RebuildPolicy {
            strategy: pick.or("builds.rebuild", |raw| raw.builds.rebuild, defaults.rebuild.strategy),
            choices: pick.or("builds.rebuild_choices", choices, defaults.rebuild.choices),
        },
    };
    (policy, listed, problems)
}
