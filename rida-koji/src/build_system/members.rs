//! Which packages belong to a finished module on an architecture, and which to its companion.
//!
//! The rules are those that composes of distributions are made by: a module has what it does not leave out, and its
//! companion everything else that was built for the architecture, so that nothing is in both and nothing in neither.

use std::collections::{BTreeMap, BTreeSet};

use rida_core::modulemd::ModuleStream;
use rida_core::{ComponentName, ModuleBuild};

use crate::wire::Rpm;

#[cfg(test)]
mod tests;

/// What the names of packages end with that help to find faults in others.
const DEBUG: [&str; 2] = ["-debuginfo", "-debugsource"];

/// A package of a component.
pub(super) struct Package {
    pub(super) component: ComponentName,
    pub(super) rpm: Rpm,
    /// Empty where its header has none.
    pub(super) license: String,
    /// The only architectures that the component is for, as the source package says; empty means all.
    pub(super) exclusive: BTreeSet<String>,
    /// Architectures that it is not for, as the source package says.
    pub(super) excluded: BTreeSet<String>,
}

/// What a module says of what belongs to it.
pub(super) struct Rules {
    /// The components whose packages it has.
    pub(super) components: BTreeSet<String>,
    /// The names of packages that it leaves out.
    pub(super) filter: BTreeSet<String>,
    /// The components of which it has packages for other architectures too, by component, with the architectures where
    /// it has them.
    pub(super) multilib: BTreeMap<String, BTreeSet<String>>,
}

/// What was built for an architecture, source packages last.
pub(super) struct Members<'a> {
    pub(super) module: Vec<&'a Package>,
    pub(super) devel: Vec<&'a Package>,
}

impl Package {
    pub(super) fn is_source(&self) -> bool {
        matches!(self.rpm.arch.as_str(), "src" | "nosrc")
    }

    /// Returns the name of the package that this one helps to find faults in.
    fn debugged(&self) -> Option<&str> {
        DEBUG.iter().find_map(|suffix| self.rpm.name.strip_suffix(suffix))
    }

    /// Tells whether the component that this source package is of is for an architecture.
    fn is_for(&self, arch: &str) -> bool {
        (self.exclusive.is_empty() || self.exclusive.contains(arch)) && !self.excluded.contains(arch)
    }
}

impl Rules {
    pub(super) fn of(build: &ModuleBuild, stream: &ModuleStream, packages: &[Package]) -> Self {
        let listed = stream.buildopts.as_ref().map(|options| options.rpms.whitelist.clone()).unwrap_or_default();
        let planned = || build.plan().iter().map(|planned| planned.name.to_string()).collect();
        let components = if listed.is_empty() { planned() } else { listed };
        let buildonly: BTreeSet<&ComponentName> =
            build.plan().iter().filter(|planned| planned.buildonly).map(|planned| &planned.name).collect();
        let mut filter = stream.filter.rpms.clone();
        let only_needed = packages.iter().filter(|package| buildonly.contains(&package.component));
        filter.extend(only_needed.filter(|package| !package.is_source()).map(|package| package.rpm.name.clone()));
        let multilib = stream.components.rpms.iter().map(|(key, component)| {
            let name = component.name.as_ref().unwrap_or(key).clone();
            (name, component.multilib.clone())
        });
        Self { components, filter, multilib: multilib.collect() }
    }

    /// Tells whether the module has a package, if it was built for the architecture.
    fn have(&self, package: &Package, arch: &str) -> bool {
        let component = package.component.as_str();
        let of_other = !matches!(package.rpm.arch.as_str(), "noarch") && package.rpm.arch != arch;
        let is_multilib = || self.multilib.get(component).is_some_and(|arches| arches.contains(arch));
        self.components.contains(component) && !self.filter.contains(&package.rpm.name) && (!of_other || is_multilib())
    }
}

/// Sorts out what belongs where on an architecture.
pub(super) fn members<'a>(rules: &Rules, arch: &str, packages: &'a [Package]) -> Members<'a> {
    let sources: BTreeMap<&ComponentName, &Package> =
        packages.iter().filter(|package| package.is_source()).map(|package| (&package.component, package)).collect();
    let binary = || packages.iter().filter(|package| !package.is_source());
    let is_here = |package: &&Package| {
        let other = package.rpm.arch.as_str();
        let fits = other == arch || other == "noarch" || is_second(other, arch);
        fits && sources.get(&package.component).is_none_or(|source| source.is_for(arch))
    };
    let built: BTreeSet<&str> = binary().map(|package| package.rpm.name.as_str()).collect();
    // Others first: they decide about those that help to find their faults.
    let (debug, plain): (Vec<_>, Vec<_>) = binary().filter(is_here).partition(|package| package.debugged().is_some());
    let mut found = Members { module: Vec::new(), devel: Vec::new() };
    let (mut names, mut components) = (BTreeSet::new(), BTreeSet::new());
    for package in plain.into_iter().chain(debug) {
        let has_what_it_is_for = package.debugged().is_none_or(|debugged| {
            // One that is for no package in particular, such as for all sources, comes with any package of its component.
            names.contains(debugged) || !built.contains(debugged) && components.contains(&package.component)
        });
        if has_what_it_is_for && rules.have(package, arch) {
            names.insert(package.rpm.name.as_str());
            components.insert(&package.component);
            found.module.push(package);
        } else {
            found.devel.push(package);
        }
    }
    // A source package is in one place: where the module has any package that is built of it, in the module.
    let left_out: BTreeSet<&ComponentName> = found.devel.iter().map(|package| &package.component).collect();
    let of = |wanted: &dyn Fn(&ComponentName) -> bool| -> Vec<&'a Package> {
        sources.iter().filter(|(component, _)| wanted(component)).map(|(_, source)| *source).collect()
    };
    found.module.extend(of(&|component| components.contains(component)));
    found.devel.extend(of(&|component| left_out.contains(component) && !components.contains(component)));
    found
}

/// Tells whether packages of `other` can be used beside those of `arch`.
fn is_second(other: &str, arch: &str) -> bool {
    match arch {
        "x86_64" => matches!(other, "i386" | "i486" | "i586" | "i686" | "athlon"),
        "s390x" => other == "s390",
        "ppc64" => other == "ppc",
        _ => false,
    }
}
