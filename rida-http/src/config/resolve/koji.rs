//! The settings of builds in Koji.

use std::collections::BTreeMap;
use std::path::PathBuf;

use rida_koji::{ImportConfig, KojiConfig, Profile};

use super::Picker;
use crate::config::raw::{BuildSystemChoice, Tagging};
use crate::config::units::Span;
use crate::koji::KojiSettings;

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
    if choice != BuildSystemChoice::Koji {
        return (None, Vec::new());
    }
    let (base_tags, problems) = base_tags(pairs);
    let builds = KojiConfig {
        arches,
        base_tags,
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
    (Some(KojiSettings { profile, places, principal, keytab, ccache, sessions, timeout, builds }), problems)
}

/// Reads pairs such as `platform:el8=el8-build`.
fn base_tags(pairs: Vec<String>) -> (BTreeMap<String, String>, Vec<String>) {
    let (mut tags, mut problems) = (BTreeMap::new(), Vec::new());
    for pair in pairs {
        match pair.split_once('=') {
            Some((module, tag)) if module.contains(':') && !tag.trim().is_empty() => {
                tags.insert(module.trim().to_owned(), tag.trim().to_owned());
            }
            _ => problems.push(format!(
                "koji.base_tags has {pair:?}; write a module, its stream and its tag, such as \"platform:el8=el8-build\""
            )),
        }
    }
    (tags, problems)
}

/// Adds what the user of this process has to the machine's own places.
fn with_home(places: Vec<PathBuf>) -> Vec<PathBuf> {
    if places == Profile::places(None) { Profile::places(crate::koji::home().as_deref()) } else { places }
}
