//! Merges indexes, as libmodulemd's `ModuleIndexMerger` does.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{Index, Module};
use crate::modulemd::defaults::{DefaultSet, Defaults};

/// Merges the indexes of several repositories: those of one priority with each other, and then each priority over the
/// lower ones.
#[derive(Clone, Debug, Default)]
pub struct Merger {
    levels: BTreeMap<i32, Vec<Index>>,
    /// Repositories of one priority that disagree about a default stream are a conflict, instead of the module having no
    /// default stream.
    pub strict_default_streams: bool,
}

/// Two defaults documents, modified at once, that cannot both hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the defaults of module {module} conflict: {what}")]
pub struct MergeConflict {
    /// The module.
    pub module: String,
    /// What the conflict is about.
    pub what: String,
}

impl Merger {
    /// Adds an index; of what indexes say differently, that of the higher priority holds.
    pub fn add(&mut self, index: Index, priority: i32) {
        self.levels.entry(priority).or_default().push(index);
    }

    /// Merges what was added.
    ///
    /// # Errors
    /// When defaults of one priority conflict.
    pub fn merge(self) -> Result<Index, MergeConflict> {
        let mut merged = Index::default();
        for level in self.levels.into_values() {
            let mut this = Index::default();
            for index in level {
                this.merge(index, false, self.strict_default_streams)?;
            }
            this.finish_defaults();
            merged.merge(this, true, self.strict_default_streams)?;
        }
        Ok(merged)
    }
}

/// The default stream of documents that disagree; a document cannot have it, for no text has a NUL.
const CONFLICT: &str = "\0";

impl Index {
    /// Merges another index into this one. With `replace`, its defaults take the place of these.
    fn merge(&mut self, other: Self, replace: bool, strict: bool) -> Result<(), MergeConflict> {
        for (name, module) in other.modules {
            match self.modules.entry(name.clone()) {
                Entry::Vacant(vacant) => {
                    vacant.insert(module);
                }
                Entry::Occupied(mut occupied) => {
                    let conflict = |what| MergeConflict { module: name, what };
                    occupied.get_mut().merge(module, replace, strict).map_err(conflict)?;
                }
            }
        }
        Ok(())
    }

    fn finish_defaults(&mut self) {
        for defaults in self.modules.values_mut().filter_map(|module| module.defaults.as_mut()) {
            defaults.base.stream.take_if(|stream| stream == CONFLICT);
        }
    }
}

impl Module {
    fn merge(&mut self, other: Self, replace: bool, strict: bool) -> Result<(), String> {
        for (identity, stream) in other.streams {
            // Two streams of one identity are the same; when they are not, the one that was there first stays.
            self.streams.entry(identity).or_insert(stream);
        }
        self.defaults = match (self.defaults.take(), other.defaults) {
            (Some(known), Some(new)) if !replace => Some(merge_defaults(known, new, strict)?),
            (known, new) => new.or(known),
        };
        for (stream, translations) in other.translations {
            match self.translations.entry(stream) {
                Entry::Occupied(known) if known.get().modified >= translations.modified => {}
                Entry::Occupied(mut known) => {
                    known.insert(translations);
                }
                Entry::Vacant(vacant) => {
                    vacant.insert(translations);
                }
            }
        }
        self.obsoletes.extend(other.obsoletes);
        Ok(())
    }
}

/// Merges two defaults documents of one module: what only one says holds, and of what both say, the one modified later.
fn merge_defaults(mut known: Defaults, new: Defaults, strict: bool) -> Result<Defaults, String> {
    let age = new.modified.cmp(&known.modified);
    match (&known.base.stream, new.base.stream) {
        (_, None) => {}
        (None, stream) => known.base.stream = stream,
        (Some(old), Some(new)) if old == CONFLICT || *old == new => {}
        (Some(old), Some(new)) => match age {
            std::cmp::Ordering::Greater => known.base.stream = Some(new),
            std::cmp::Ordering::Less => {}
            std::cmp::Ordering::Equal if strict => return Err(format!("the default stream is {old} and {new}")),
            std::cmp::Ordering::Equal => known.base.stream = Some(CONFLICT.to_owned()),
        },
    }
    merge_profiles(&mut known.base, new.base.profiles, age)?;
    for (intent, set) in new.intents {
        let here = known.intents.entry(intent.clone()).or_default();
        match (&here.stream, set.stream) {
            (_, None) => {}
            (None, stream) => here.stream = stream,
            (Some(old), Some(new)) if *old == new => {}
            (Some(old), Some(new)) => match age {
                std::cmp::Ordering::Greater => here.stream = Some(new),
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    return Err(format!("the default stream for {intent} is {old} and {new}"));
                }
            },
        }
        merge_profiles(here, set.profiles, age)?;
    }
    known.modified = known.modified.max(new.modified);
    Ok(known)
}

fn merge_profiles(
    known: &mut DefaultSet,
    new: BTreeMap<String, std::collections::BTreeSet<String>>,
    age: std::cmp::Ordering,
) -> Result<(), String> {
    for (stream, profiles) in new {
        match known.profiles.entry(stream) {
            Entry::Vacant(vacant) => {
                vacant.insert(profiles);
            }
            Entry::Occupied(old) if *old.get() == profiles => {}
            Entry::Occupied(mut old) => match age {
                std::cmp::Ordering::Greater => {
                    old.insert(profiles);
                }
                std::cmp::Ordering::Less => {}
                std::cmp::Ordering::Equal => {
                    return Err(format!("the default profiles of stream {} differ", old.key()));
                }
            },
        }
    }
    Ok(())
}
