//! What belongs to a finished module on each architecture, and its documents.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use rida_core::modulemd::{Artifacts, Dependencies, ModuleStream};
use rida_core::{ModuleBuild, PortError, complete_modulemd};

use super::document;
use super::members::{Members, Package, Rules, members};
use crate::wire::Rpm;

/// What is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The module.
    Module,
    /// The companion that has what the module filters out.
    Devel,
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
    let rules = Rules::of(build, &document(build)?, packages);
    let of_arch = |arch: &String| {
        let Members { module, devel } = members(&rules, arch, packages);
        (arch.clone(), if kind == Kind::Module { module } else { devel })
    };
    let by_arch = arches.iter().map(of_arch).collect();
    Ok(Content { by_arch, all: packages.iter().collect(), filter: rules.filter })
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
        // What it says of the content itself was said before there was any.
        stream.license.content = licenses.filter(|license| !license.is_empty()).collect();
        files.push((format!("modulemd.{arch}.txt"), arch.clone(), "file", stream.to_yaml(), packages.clone()));
    }
    let text = common.to_yaml();
    files.push(("modulemd.txt".to_owned(), "noarch".to_owned(), "file", text, content.all.clone()));
    if kind == Kind::Module {
        let text = build.submission.modulemd.to_string();
        files.push(("modulemd.src.txt".to_owned(), "src".to_owned(), "file", text, content.all.clone()));
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
