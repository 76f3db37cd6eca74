//! Which packages of the module, and of modules that it is built against, go into the root of a build.
//!
//! Only those that the build's own requirements need, and what those need in turn: a package of the module that is
//! used without being required is not there. What none of them provides is the machine's own business.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use crate::build_system::packages::{Package, Relation};
use crate::build_system::version::Evr;

/// What goes into the root, and what was not found among the packages.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Selection {
    /// The indices of the packages.
    pub(crate) packages: BTreeSet<usize>,
    /// What the build itself requires and no package provides.
    pub(crate) unmet: Vec<Relation>,
    /// What the build itself requires, that packages provide only in another version.
    pub(crate) wrong_version: Vec<Relation>,
}

/// Selects packages for the requirements of a source package. `always` are the names of packages that every root has.
/// Of several with one name, the earliest in the list wins.
pub(crate) fn select(packages: &[Package], requires: &[Relation], always: &[String]) -> Selection {
    let pool = Pool::new(packages);
    let mut selection = Selection::default();
    let mut open: Vec<usize> = Vec::new();
    let always: BTreeSet<&String> = always.iter().collect();
    let mut seen = BTreeSet::new();
    for (index, package) in packages.iter().enumerate() {
        if always.contains(&package.name) && seen.insert(&package.name) {
            open.push(index);
        }
    }
    for relation in requires.iter().filter(|relation| !is_rpms_own(relation)) {
        let (providers, other_versions) = pool.providers(relation);
        match providers.first() {
            _ if is_rich(relation) => open.extend(providers),
            Some(provider) => open.push(*provider),
            None if other_versions => selection.wrong_version.push(relation.clone()),
            None => selection.unmet.push(relation.clone()),
        }
    }
    while let Some(index) = open.pop() {
        if !selection.packages.insert(index) {
            continue;
        }
        let Some(package) = packages.get(index) else { continue };
        for relation in package.requires.iter().filter(|relation| !is_rpms_own(relation)) {
            let (providers, _) = pool.providers(relation);
            let there = providers.iter().any(|provider| selection.packages.contains(provider));
            if is_rich(relation) {
                open.extend(providers);
            } else if !there {
                open.extend(providers.first());
            }
        }
    }
    selection
}

/// Tells whether a relation is about RPM's own features.
pub(crate) fn is_rpms_own(relation: &Relation) -> bool {
    relation.name.starts_with("rpmlib(")
}

/// Tells whether a relation is a boolean expression.
pub(crate) fn is_rich(relation: &Relation) -> bool {
    relation.name.starts_with('(')
}

/// Tells whether what is provided is what is required.
pub(crate) fn matches(required: &Relation, provided: &Relation) -> bool {
    if required.name != provided.name {
        return false;
    }
    if required.comparison.is_empty() || provided.comparison.is_empty() {
        return true;
    }
    let order = Evr::parse(&provided.evr).compare(Evr::parse(&required.evr));
    let (wants, gives) = (&required.comparison, &provided.comparison);
    // Ranges overlap when the one that reaches towards the other meets it.
    match order {
        Ordering::Less => wants.contains('<') || gives.contains('>'),
        Ordering::Greater => wants.contains('>') || gives.contains('<'),
        Ordering::Equal => ['<', '=', '>'].iter().any(|c| wants.contains(*c) && gives.contains(*c)),
    }
}

struct Pool<'a> {
    provides: BTreeMap<&'a str, Vec<(usize, &'a Relation)>>,
    files: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Pool<'a> {
    fn new(packages: &'a [Package]) -> Self {
        let mut pool = Self { provides: BTreeMap::new(), files: BTreeMap::new() };
        for (index, package) in packages.iter().enumerate().filter(|(_, package)| !package.is_source()) {
            for provided in &package.provides {
                pool.provides.entry(&provided.name).or_default().push((index, provided));
            }
            for file in &package.files {
                pool.files.entry(file).or_default().push(index);
            }
        }
        pool
    }

    /// Returns the packages that provide a relation, and whether others do in another version. For a boolean expression
    /// these are the packages that provide any of its names.
    fn providers(&self, relation: &Relation) -> (Vec<usize>, bool) {
        if is_rich(relation) {
            let words = relation.name.split(|c: char| c.is_whitespace() || c == '(' || c == ')');
            let named = words.filter_map(|word| self.provides.get(word)).flatten().map(|(index, _)| *index);
            return (named.collect(), false);
        }
        let provides = self.provides.get(relation.name.as_str()).map_or(&[][..], Vec::as_slice);
        let good = provides.iter().filter(|(_, provided)| matches(relation, provided)).map(|(index, _)| *index);
        let files = self.files.get(relation.name.as_str()).into_iter().flatten().copied();
        let good: Vec<usize> = good.chain(files).collect();
        let other_versions = good.is_empty() && !provides.is_empty();
        (good, other_versions)
    }
}

#[cfg(test)]
mod tests;
