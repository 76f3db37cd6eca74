//! What belongs to a finished module on each architecture, and its documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rida_core::modulemd::{Artifacts, Dependencies, ModuleStream};
use rida_core::{ComponentName, ModuleBuild, PortError, complete_modulemd};

use super::document;
use crate::wire::Rpm;

/// What is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The module.
    Module,
    /// The companion that has what the module filters out.
    Devel,
}

/// A package of a component.
pub(super) struct Package {
    pub(super) component: ComponentName,
    pub(super) rpm: Rpm,
    pub(super) license: String,
    /// The only architectures that the component is for; empty means all.
    pub(super) exclusive: BTreeSet<String>,
    /// Architectures that it is not for.
    pub(super) excluded: BTreeSet<String>,
}

/// What is in a module.
pub(super) struct Content<'a> {
    /// By architecture.
    by_arch: BTreeMap<String, Vec<&'a Package>>,
    /// All that the tag has.
    all: Vec<&'a Package>,
    /// The names of packages that the module leaves out.
    filter: BTreeSet<String>,
}

/// The files that are imported.
pub(super) struct Documents<'a> {
    /// The document as it was submitted, with what the build decided.
    pub(super) whole: ModuleStream,
    /// Each file: name, architecture, type, text, and the packages that it is about.
    pub(super) files: Vec<(String, String, &'static str, String, Vec<&'a Package>)>,
}

impl Package {
    fn is_source(&self) -> bool {
        matches!(self.rpm.arch.as_str(), "src" | "nosrc")
    }

    /// Tells whether the component is for an architecture.
    fn is_for(&self, arch: &str) -> bool {
        (self.exclusive.is_empty() || self.exclusive.contains(arch)) && !self.excluded.contains(arch)
    }

    /// Returns the package's name; that of one that helps to find faults, without what says so.
    fn main_name(&self) -> &str {
        let name = self.rpm.name.as_str();
        name.strip_suffix("-debuginfo").or_else(|| name.strip_suffix("-debugsource")).unwrap_or(name)
    }

    fn nevra(&self) -> String {
        let Rpm { name, version, release, epoch, arch, .. } = &self.rpm;
        format!("{name}-{}:{version}-{release}.{arch}", epoch.unwrap_or(0))
    }
}

/// Sorts out what belongs to a module, or to its companion.
pub(super) fn content<'a>(
    build: &ModuleBuild,
    kind: Kind,
    arches: &[String],
    packages: &'a [Package],
) -> Result<Content<'a>, PortError> {
    let stream = document(build)?;
    let whitelist = stream.buildopts.as_ref().map(|options| options.rpms.whitelist.clone()).unwrap_or_default();
    let buildonly: BTreeSet<&ComponentName> =
        build.plan().iter().filter(|planned| planned.buildonly).map(|planned| &planned.name).collect();
    let mut filter = stream.filter.rpms.clone();
    let only_needed = packages.iter().filter(|package| buildonly.contains(&package.component) && !package.is_source());
    filter.extend(only_needed.map(|package| package.rpm.name.clone()));
    let multilib: BTreeMap<&str, &BTreeSet<String>> = stream
        .components
        .rpms
        .iter()
        .map(|(key, component)| (component.name.as_deref().unwrap_or(key), &component.multilib))
        .collect();
    let macros = ComponentName::macros();
    let own = packages.iter().filter(|package| package.component != macros);
    let own: Vec<&Package> =
        own.filter(|package| whitelist.is_empty() || whitelist.contains(package.component.as_str())).collect();
    let sources: BTreeMap<&ComponentName, &Package> =
        own.iter().filter(|package| package.is_source()).map(|package| (&package.component, *package)).collect();
    let is_filtered = |package: &Package| filter.contains(&package.rpm.name) || filter.contains(package.main_name());
    let mut by_arch = BTreeMap::new();
    for arch in arches {
        let belongs = |package: &&&Package| {
            let is_here = match package.rpm.arch.as_str() {
                "src" | "nosrc" => false,
                "noarch" => sources.get(&package.component).is_none_or(|source| source.is_for(arch)),
                other if other == arch => true,
                other => {
                    is_second(other, arch)
                        && multilib.get(package.component.as_str()).is_some_and(|arches| arches.contains(arch))
                }
            };
            is_here && is_filtered(package) == (kind == Kind::Devel)
        };
        let mut chosen: Vec<&Package> = own.iter().filter(belongs).copied().collect();
        // A source package is there when any of its packages is.
        let with_any: BTreeSet<&ComponentName> = chosen.iter().map(|package| &package.component).collect();
        chosen.extend(sources.iter().filter(|(component, _)| with_any.contains(*component)).map(|(_, source)| *source));
        by_arch.insert(arch.clone(), chosen);
    }
    Ok(Content { by_arch, all: own, filter })
}

/// Tells whether packages of `other` can be used beside those of `arch`.
fn is_second(other: &str, arch: &str) -> bool {
    match arch {
        "x86_64" => matches!(other, "i386" | "i486" | "i586" | "i686"),
        "s390x" => other == "s390",
        "ppc64" => other == "ppc",
        _ => false,
    }
}

/// Makes the files that are imported.
pub(super) fn documents<'a>(
    build: &ModuleBuild,
    kind: Kind,
    content: &Content<'a>,
) -> Result<Documents<'a>, PortError> {
    let mut common = document(build)?;
    complete_modulemd(&mut common, build);
    common.filter.rpms.clone_from(&content.filter);
    if kind == Kind::Devel {
        make_devel(&mut common, build);
    }
    let mut files = Vec::new();
    for (arch, packages) in &content.by_arch {
        let mut stream = common.clone();
        stream.arch = Some(arch.clone());
        let rpms = packages.iter().map(|package| package.nevra()).collect();
        stream.artifacts = Artifacts { rpms, ..Artifacts::default() };
        let licenses = packages.iter().filter(|package| !package.is_source()).map(|package| package.license.clone());
        stream.license.content.extend(licenses.filter(|license| !license.is_empty()));
        files.push((format!("modulemd.{arch}.txt"), arch.clone(), "file", stream.to_yaml(), packages.clone()));
    }
    let text = common.to_yaml();
    files.push(("modulemd.txt".to_owned(), "noarch".to_owned(), "file", text, content.all.clone()));
    if kind == Kind::Module {
        let sources = content.all.iter().filter(|package| package.is_source()).copied().collect();
        let text = build.submission.modulemd.to_string();
        files.push(("modulemd.src.txt".to_owned(), "src".to_owned(), "file", text, sources));
        files.push(("build.log".to_owned(), "noarch".to_owned(), "log", log(build), Vec::new()));
    }
    Ok(Documents { whole: common, files })
}

/// Makes of a module its companion: what it filters out, for who builds against it.
fn make_devel(stream: &mut ModuleStream, build: &ModuleBuild) {
    let nsvc = build.nsvc();
    stream.name = Some(format!("{}-devel", nsvc.name));
    stream.api.rpms.clear();
    stream.filter.rpms.clear();
    stream.profiles.clear();
    if stream.dependencies.is_empty() {
        stream.dependencies.push(Dependencies::default());
    }
    for block in &mut stream.dependencies {
        block.requires.insert(nsvc.name.to_string(), BTreeSet::from([nsvc.stream.to_string()]));
    }
}

/// Tells how the build went.
fn log(build: &ModuleBuild) -> String {
    let mut log = format!("{} (module build {})\n", build.nsvc(), build.id);
    let mut line = |text: std::fmt::Arguments<'_>| {
        // Writing to memory does not fail.
        let _ = writeln!(log, "{text}");
    };
    for transition in &build.history {
        let reason = transition.reason.as_deref().unwrap_or_default();
        line(format_args!("{} {} {reason}", transition.at, transition.state));
    }
    for (planned, component) in build.components() {
        let nvr = component.state.built().map(|built| built.nvr.to_string()).unwrap_or_default();
        let task = component.state.task().map(|task| task.to_string()).unwrap_or_default();
        line(format_args!("{} task {task} {nvr}", planned.name));
    }
    log
}
