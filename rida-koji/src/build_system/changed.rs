//! What somebody else changed of a module's tags: it is told to who has the module built, and left as it is.
//!
//! What is missing before anything was built was not made yet; afterwards somebody took it away.

use std::collections::BTreeSet;
use std::sync::Arc;

use rida_core::{ComponentName, ModuleBuild, PortError};

use super::environment::{Found, Wanted};
use super::{KojiBuildSystem, REMEMBERED};
use crate::wire::Tag;
use crate::xmlrpc::{Struct, Value};

/// How many names of a kind are told.
const TOLD: usize = 10;
/// What the settings begin with that this service makes as it goes on.
const OWN: &str = "rida.";

impl KojiBuildSystem {
    /// Notes what somebody changed, until it is told.
    pub(super) fn note_changes(&self, build: &ModuleBuild, wanted: &Wanted, found: &Found) -> Result<(), PortError> {
        let changes = self.changes(wanted, found)?;
        let mut memory = self.memory();
        if changes.is_empty() {
            memory.changed.remove(&build.id);
            return Ok(());
        }
        if memory.changed.len() >= REMEMBERED {
            memory.changed.pop_first();
        }
        memory.changed.insert(build.id, changes.into_iter().map(Arc::from).collect());
        Ok(())
    }

    /// Says, in words, what of a module's tags is not as it was made. The target is checked where it is made.
    fn changes(&self, wanted: &Wanted, found: &Found) -> Result<Vec<String>, PortError> {
        let arches = self.arches(wanted, found)?;
        let is_complete = found.is_complete(wanted);
        let mut changes = Vec::new();
        for tag in [&found.tag, &found.build_tag].into_iter().flatten() {
            changes.extend(self.permission(tag, is_complete));
            changes.extend(settings(tag, wanted, &arches));
        }
        for (tag, listed) in [(&found.tag, &found.packages), (&found.build_tag, &found.build_packages)] {
            let Some(Tag { name, .. }) = tag else { continue };
            let is_build_tag = *name == wanted.names.build_tag;
            let missing = wanted.packages.iter().filter(|package| is_complete && !listed.contains_key(*package));
            changes.extend(words(missing, |names| format!("Koji's tag {name} does not list {names} any more")));
            let is_known = |package: &String| {
                wanted.packages.contains(package) || (is_build_tag && wanted.blocked.contains(package))
            };
            let others = listed.keys().filter(|package| !is_known(package));
            changes.extend(words(others, |names| format!("Koji's tag {name} lists {names} too")));
            let unblocked = found.unblocked.iter().filter(|_| is_build_tag && is_complete);
            changes.extend(words(unblocked, |names| format!("Koji's tag {name} does not block {names} any more")));
        }
        if let Some(tag) = &found.build_tag {
            changes.extend(groups(tag, wanted, found, is_complete));
            changes.extend(inheritance(tag, wanted, found, is_complete));
        }
        Ok(changes)
    }

    fn permission(&self, tag: &Tag, is_complete: bool) -> Option<String> {
        let name = &tag.name;
        match (&tag.permission, &self.config.permission) {
            (Some(known), Some(wanted)) if known != wanted => {
                Some(format!("Koji's tag {name} needs the permission {known} instead of {wanted}"))
            }
            (Some(known), None) => Some(format!("Koji's tag {name} needs the permission {known}")),
            (None, Some(wanted)) if is_complete => {
                Some(format!("Koji's tag {name} needs no permission instead of {wanted}"))
            }
            (Some(_), Some(_)) | (None, _) => None,
        }
    }
}

fn settings(tag: &Tag, wanted: &Wanted, arches: &[String]) -> Vec<String> {
    let name = &tag.name;
    let mut changes = Vec::new();
    let (known, wished) = (tag.arches.iter().collect::<BTreeSet<_>>(), arches.iter().collect::<BTreeSet<_>>());
    if known != wished {
        let (known, wished) = (tag.arches.join(" "), arches.join(" "));
        changes.push(format!("Koji's tag {name} has the architectures {known:?} instead of {wished:?}"));
    }
    let others = wanted.extra.iter().filter(|(key, value)| tag.extra.get(*key) != Some(*value)).map(|(key, _)| key);
    changes.extend(words(others, |names| format!("Koji's tag {name} has other settings of {names}")));
    let more = tag.extra.keys().filter(|key| !wanted.extra.contains_key(*key) && !key.starts_with(OWN));
    changes.extend(words(more, |names| format!("Koji's tag {name} has more settings: {names}")));
    changes
}

fn groups(tag: &Tag, wanted: &Wanted, found: &Found, is_complete: bool) -> Vec<String> {
    let name = &tag.name;
    let macros = ComponentName::macros();
    let mut changes = Vec::new();
    for (group, packages) in &wanted.groups {
        let Some(known) = found.groups.get(*group) else {
            if is_complete {
                changes.push(format!("Koji's tag {name} has no group {group} any more"));
            }
            continue;
        };
        let missing = packages.iter().filter(|package| is_complete && !known.contains(*package));
        changes.extend(words(missing, |names| format!("the group {group} of Koji's tag {name} lacks {names}")));
        let more = known.iter().filter(|package| !packages.contains(*package) && *package != macros.as_str());
        changes.extend(words(more, |names| format!("the group {group} of Koji's tag {name} has {names} too")));
    }
    let others = found.groups.keys().filter(|group| wanted.groups.iter().all(|(known, _)| known != group));
    changes.extend(words(others, |names| format!("Koji's tag {name} has more groups: {names}")));
    changes
}

fn inheritance(tag: &Tag, wanted: &Wanted, found: &Found, is_complete: bool) -> Vec<String> {
    let name = &tag.name;
    let number = |link: &Struct, of: &str| link.get(of).and_then(|value| value.int(of).ok());
    let link_to = |parent: i64| found.inherited.iter().find(|link| number(link, "parent_id") == Some(parent));
    let mut changes = Vec::new();
    let parents = || wanted.parents.iter().zip(&found.parents).filter_map(|(_, tag)| tag.as_ref());
    let missing = parents().filter(|parent| is_complete && link_to(parent.id).is_none()).map(|parent| &parent.name);
    changes.extend(words(missing, |names| format!("Koji's tag {name} does not inherit from {names} any more")));
    let otherwise = parents().filter(|parent| link_to(parent.id).is_some_and(is_otherwise)).map(|parent| &parent.name);
    changes.extend(words(otherwise, |names| format!("Koji's tag {name} inherits from {names} in another way")));
    let priorities: Vec<i64> =
        parents().filter_map(|parent| link_to(parent.id)).filter_map(|link| number(link, "priority")).collect();
    if !priorities.is_sorted() {
        changes.push(format!("Koji's tag {name} inherits in another order"));
    }
    let strangers: Vec<String> = found
        .inherited
        .iter()
        .filter(|link| parents().all(|parent| number(link, "parent_id") != Some(parent.id)))
        .map(|link| match link.get("name") {
            Some(Value::Text(name)) => name.clone(),
            _ => "an unknown tag".to_owned(),
        })
        .collect();
    changes.extend(words(strangers.iter(), |names| {
        format!("Koji's tag {name} inherits from {names}, which the module does not ask for")
    }));
    changes
}

/// Tells whether a link of an inheritance is not as this service makes them.
fn is_otherwise(link: &Struct) -> bool {
    let is_set = |name: &str| match link.get(name) {
        None | Some(Value::Nil | Value::Bool(false)) => false,
        Some(Value::Text(text)) => !text.is_empty(),
        Some(_) => true,
    };
    ["maxdepth", "intransitive", "noconfig", "pkg_filter"].into_iter().any(is_set)
}

/// Says something of names, if there are any: of the first few, and how many more there are.
fn words<'a>(names: impl Iterator<Item = &'a String>, say: impl FnOnce(String) -> String) -> Option<String> {
    let names: Vec<&str> = names.map(String::as_str).collect();
    let first = names.get(..TOLD.min(names.len())).unwrap_or_default().join(", ");
    let more = names.len().saturating_sub(TOLD);
    match names.len() {
        0 => None,
        _ if more > 0 => Some(say(format!("{first} and {more} more"))),
        _ => Some(say(first)),
    }
}
