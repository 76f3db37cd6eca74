//! rpmbuild on the programs of this machine.
//!
//! # What it can and cannot promise
//! A package is built with the compilers and libraries of the machine, not in a root made for it. Packages of the module
//! (and of modules that it is built against) are unpacked over the machine's `/usr` and `/etc` for that one build, if
//! its build requirements need them: their scripts and triggers do not run. So a build requirement that is missing in a
//! spec is noticed for packages of modules; for what the machine has, it is not. Build requirements that no module
//! provides are checked where RPM's database is the machine's own (Fedora, EL), and taken from the machine unchecked
//! elsewhere (Debian), which the log says. What `%generate_buildrequires` adds is not installed. For a clean root,
//! use mock.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rida_core::ComponentName;

use crate::build_system::packages::Relation;
use crate::build_system::requirements::{is_rich, is_rpms_own, matches};
use crate::process::{Limits, Program, Terminator};
use crate::sandbox::{Place, Sandbox};

/// What is asked of rpmbuild.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The source package alone.
    SourcePackage,
    /// Everything.
    Packages,
}

/// A macro file that is loaded where no package with it can be installed.
pub(crate) const LOOSE_MACROS: &str = "macros.module";

/// Returns the command that builds a component, with paths as seen from inside the sandbox.
///
/// The build requirements are checked before, by [`crate::build_system::requirements`] and [`HostPackages`].
pub(crate) fn command(
    sandbox: &Sandbox,
    work: &Path,
    component: &ComponentName,
    ask: Ask,
    jobs: usize,
) -> Vec<OsString> {
    let [sources, build, results] =
        [Place::Sources, Place::Build, Place::Results].map(|place| sandbox.inside(work, place));
    let mut words: Vec<OsString> = vec!["rpmbuild".into()];
    words.push(match ask {
        Ask::SourcePackage => "-bs".into(),
        Ask::Packages => "-ba".into(),
    });
    words.push("--nodeps".into());
    let mut define = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
        let mut definition = OsString::from(name);
        definition.push(" ");
        definition.push(value);
        words.push("--define".into());
        words.push(definition);
    };
    define("_topdir", &build.join("rpmbuild"));
    define("_tmppath", &build.join("tmp"));
    define("_dbpath", &build.join("rpmdb"));
    define("_sourcedir", &sources);
    define("_specdir", &sources);
    define("_rpmdir", &results);
    define("_srcrpmdir", &results);
    define("_build_name_fmt", &"%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm");
    define("_smp_mflags", &format!("-j{jobs}"));
    define("_smp_build_ncpus", &jobs.to_string());
    if !sandbox.is_there() {
        let mut load = OsString::from("--load=");
        load.push(build.join(LOOSE_MACROS));
        words.push(load);
    }
    words.push("--".into());
    words.push(sources.join(format!("{component}.spec")).into());
    words
}

/// The packages of the machine, where RPM knows them.
#[derive(Clone, Debug)]
pub(crate) struct HostPackages {
    /// Where RPM's database is, when it is not in its usual place.
    database: Option<PathBuf>,
    are_known: bool,
}

impl HostPackages {
    /// Finds out whether RPM knows what is installed: it does when something provides the shell.
    pub(crate) async fn find(database: Option<PathBuf>) -> Self {
        let unknown = Self { database, are_known: false };
        let are_known = !unknown.providing("/bin/sh").await.is_empty();
        Self { are_known, ..unknown }
    }

    pub(crate) const fn are_known(&self) -> bool {
        self.are_known
    }

    /// Returns those of the relations that the machine does not provide.
    pub(crate) async fn missing<'a>(&self, required: &'a [Relation]) -> Vec<&'a Relation> {
        let mut missing = Vec::new();
        let mut asked: BTreeMap<&str, Vec<Relation>> = BTreeMap::new();
        for relation in required.iter().filter(|relation| !is_rich(relation) && !is_rpms_own(relation)) {
            if !asked.contains_key(relation.name.as_str()) {
                asked.insert(&relation.name, self.providing(&relation.name).await);
            }
            let provided = asked.get(relation.name.as_str()).map_or(&[][..], Vec::as_slice);
            let by_path = relation.name.starts_with('/') && !provided.is_empty();
            if !by_path && !provided.iter().any(|provided| matches(relation, provided)) {
                missing.push(relation);
            }
        }
        missing
    }

    /// Returns all that the packages provide that provide this name.
    async fn providing(&self, name: &str) -> Vec<Relation> {
        let mut program = Program::new("rpm", "rpm").args(&["-q", "--qf", PROVIDES, "--whatprovides"]);
        if let Some(database) = &self.database {
            program = program.setting("--dbpath=", database);
        }
        let limits = Limits { time: Duration::from_secs(30), output: 16 * 1024 * 1024, ..Limits::default() };
        let asked = program.operands(Terminator::DoubleDash, [name]).limits(limits).run().await;
        // rpm fails when nothing provides it.
        let Ok(output) = asked else { return Vec::new() };
        let relation = |line: &str| {
            let mut fields = line.split('\t');
            let mut next = || fields.next().unwrap_or_default().trim().to_owned();
            Relation { name: next(), comparison: next(), evr: next() }
        };
        String::from_utf8_lossy(&output.stdout).lines().map(relation).collect()
    }
}

/// Lists what a package provides, a line for each.
const PROVIDES: &str = "[%{PROVIDENAME}\t%{PROVIDEFLAGS:depflags}\t%{PROVIDEVERSION}\n]";

#[cfg(test)]
mod tests;
