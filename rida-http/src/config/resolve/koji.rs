//! The settings of builds in Koji.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use rida_core::{Policy, StreamUse};
use rida_koji::{CleanUp, ClientConfig, ImportConfig, KojiConfig, Profile};

use super::Picker;
use super::base_streams::base_stream;
use crate::config::raw::{BuildSystemChoice, Tagging};
use crate::config::units::Span;
use crate::koji::{CleanUpSettings, KojiSettings};

/// A day.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// What is wrong with a time that is too short.
const FAILED_TOO_SOON: &str = "koji.failed_after is less than a day; who submits a failed module again within one would \
                               miss the packages";
/// What is wrong with a call that may take too long.
const TOO_LONG: &str = "koji.timeout is more than an hour; a session that waits for an answer does nothing else";

/// Returns the settings when Koji was chosen, and what is not clear of them.
pub(super) fn build_system(pick: &mut Picker<'_>, choice: BuildSystemChoice) -> (Option<KojiSettings>, Vec<String>) {
    let defaults = KojiConfig::default();
    let import_as = ImportConfig::default();
    let profile = pick.or("koji.profile", |raw| raw.koji.profile.clone(), "koji".to_owned());
    let places = pick.or("koji.config", |raw| raw.koji.config.clone(), Profile::places(None));
    let principal = pick.optional("koji.principal", |raw| raw.koji.principal.clone());
    let keytab = pick.optional("koji.keytab", |raw| raw.koji.keytab.clone());
    let ccache = pick.optional("koji.ccache", |raw| raw.koji.ccache.clone());
    let arches = pick.or("koji.arches", |raw| raw.koji.arches.clone(), defaults.arches);
    let pairs = pick.or("koji.base_tags", |raw| raw.koji.base_tags.clone(), Vec::new());
    let side_pairs = pick.or("koji.side_tags", |raw| raw.koji.side_tags.clone(), Vec::new());
    let external_repos = pick.optional("koji.external_repos", |raw| raw.koji.external_repos.clone());
    let ask_every = pick.span("koji.ask_every", |raw| raw.koji.ask_every, defaults.freshness);
    let permission = pick.optional("koji.permission", |raw| raw.koji.permission.clone());
    let package_owner = pick.optional("koji.package_owner", |raw| raw.koji.package_owner.clone());
    let priority = pick.or("koji.priority", |raw| raw.koji.priority, 10);
    let macros_target = pick.optional("koji.macros_target", |raw| raw.koji.macros_target.clone());
    let arch_override = pick.or("koji.arch_override", |raw| raw.koji.arch_override, defaults.arch_override);
    let tagging = match pick.or("koji.tagging", |raw| raw.koji.tagging, Tagging::Direct) {
        Tagging::Direct => rida_koji::Tagging::Direct,
        Tagging::Task => rida_koji::Tagging::Task,
    };
    let imports = pick.or("koji.import", |raw| raw.koji.import, true);
    let import = ImportConfig {
        generator: pick.or("koji.import_as", |raw| raw.koji.import_as.clone(), import_as.generator),
        tag: pick.optional("koji.import_tag", |raw| raw.koji.import_tag.clone()),
        devel: pick.or("koji.devel", |raw| raw.koji.devel, import_as.devel),
    };
    let build_group = pick.or("koji.build_group", |raw| raw.koji.build_group.clone(), defaults.build_group);
    let srpm_group = pick.or("koji.srpm_group", |raw| raw.koji.srpm_group.clone(), defaults.srpm_group);
    let sessions = pick.count("koji.sessions", |raw| raw.koji.sessions, 4);
    let timeout = pick.optional("koji.timeout", |raw| raw.koji.timeout).map(|Span(timeout)| timeout);
    let clean_up = clean_up(pick);
    if choice != BuildSystemChoice::Koji {
        return (None, Vec::new());
    }
    let (base_tags, mut problems) = tags("koji.base_tags", "platform:el8=el8-build", pairs);
    if clean_up.ages.failed_after < DAY {
        problems.push(FAILED_TOO_SOON.to_owned());
    }
    if timeout.is_some_and(|timeout| timeout > ClientConfig::LONGEST_TIMEOUT) {
        problems.push(TOO_LONG.to_owned());
    }
    let (side_tags, unclear) = tags("koji.side_tags", "platform:el8=el8-build-side-{side_tag}", side_pairs);
    problems.extend(unclear);
    for (module, tag) in side_tags.iter().filter(|(_, tag)| !tag.contains("{side_tag}")) {
        problems.push(format!(
            "koji.side_tags names {tag:?} for {module}; write {{side_tag}} where a side tag's name goes"
        ));
    }
    let builds = KojiConfig {
        arches,
        base_tags,
        side_tags,
        external_repos,
        freshness: ask_every,
        longest_freshness: ask_every * 2,
        permission,
        package_owner,
        priority: i64::from(priority),
        macros_target,
        arch_override,
        tagging,
        import: imports.then_some(import),
        build_group,
        srpm_group,
        ..KojiConfig::default()
    };
    let places = with_home(places);
    (Some(KojiSettings { profile, places, principal, keytab, ccache, sessions, timeout, builds, clean_up }), problems)
}

fn clean_up(pick: &mut Picker<'_>) -> CleanUpSettings {
    let defaults = CleanUp::default();
    let every = pick.span("koji.clean_up_every", |raw| raw.koji.clean_up_every, DAY);
    let targets_after = pick.span("koji.targets_after", |raw| raw.koji.targets_after, defaults.targets_after);
    let failed_after = pick.span("koji.failed_after", |raw| raw.koji.failed_after, defaults.failed_after);
    CleanUpSettings {
        every: Some(every).filter(|every| !every.is_zero()),
        ages: CleanUp { targets_after, failed_after },
    }
}

/// Adds to a policy what follows from how modules are built in Koji.
///
/// What can be built with is what has a tag. Where the operator said which streams there are, others with a tag are good
/// for who names them.
pub(super) fn with_what_it_allows(mut policy: Policy, listed: bool, koji: &KojiSettings) -> Policy {
    // The hub takes what anybody sends it, and its own policies say whose packages it builds.
    policy.allow_packages = true;
    policy.allow_side_tags = !koji.builds.side_tags.is_empty();
    let tagged = koji.builds.base_tags.keys().filter_map(|name| base_stream(name));
    for (name, stream) in tagged.filter(|(name, _)| policy.base_modules.contains(name)) {
        if policy.base_streams.get(&name, &stream).is_none() {
            let usage = if listed { StreamUse::Named } else { StreamUse::Offered };
            policy.base_streams.entry(name, stream).usage = usage;
        }
    }
    policy
}

/// Reads pairs such as `platform:el8=el8-build`.
fn tags(setting: &str, example: &str, pairs: Vec<String>) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut tags, mut problems) = (BTreeMap::new(), Vec::new());
    for pair in pairs {
        match pair.split_once('=') {
            Some((module, tag)) if module.contains(':') && !tag.trim().is_empty() => {
                tags.insert(module.trim().to_owned(), tag.trim().to_owned());
            }
            _ => problems
                .push(format!("{setting} has {pair:?}; write a module, its stream and its tag, such as \"{example}\"")),
        }
    }
    (tags, problems)
}

/// Adds what the user of this process has to the machine's own places.
fn with_home(places: Vec<PathBuf>) -> Vec<PathBuf> {
    if places == Profile::places(None) { Profile::places(crate::koji::home().as_deref()) } else { places }
}
