//! A module stream: what is built, and what a built module is.

mod read;
mod validate;
mod write;

use std::collections::{BTreeMap, BTreeSet};

use super::time::Date;
use super::xmd::Xmd;

pub(super) use read::{Version, build_opts, components, profiles, read, references, rpm_set, xmd};
pub(super) use write::{
    set, text, write_build_opts, write_components, write_profiles, write_references, write_rpm_sets, write_xmd,
};

/// A module stream in the form of version 2, which older documents are brought into.
///
/// The fields are named as in the format. Texts are kept exactly as written: a stream `5.30` is not a number.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ModuleStream {
    /// The module's name; by custom left out of sources, where the repository gives it.
    pub name: Option<String>,
    /// The stream; by custom left out of sources, where the branch gives it.
    pub stream: Option<String>,
    /// The version; absent means that the build service gives it.
    pub version: Option<u64>,
    /// The context; a source gives it only together with `static_context`.
    pub context: Option<String>,
    /// The context is to be taken as it is, not computed.
    pub static_context: bool,
    /// The architecture that the document is about, when it is one of a repository.
    pub arch: Option<String>,
    /// What the module is, on one line.
    pub summary: String,
    /// What the module is, at length.
    pub description: String,
    /// Until when the module is supported, by the name of the service level.
    pub servicelevels: BTreeMap<String, ServiceLevel>,
    /// The licences.
    pub license: License,
    /// What is left to tools.
    pub xmd: Xmd,
    /// The modules that it is built against and that it needs: one block for each combination.
    pub dependencies: Vec<Dependencies>,
    /// Where to read more.
    pub references: References,
    /// What is installed together, by name.
    pub profiles: BTreeMap<String, Profile>,
    /// The packages that users may rely on.
    pub api: RpmSet,
    /// The packages that are built and left out.
    pub filter: RpmSet,
    /// The packages that the module no longer has, and that may be updated from outside of it.
    pub demodularized: RpmSet,
    /// How it is built.
    pub buildopts: Option<BuildOpts>,
    /// What it is built from.
    pub components: Components,
    /// What was built; sources have none.
    pub artifacts: Artifacts,
}

/// Until when a module is supported.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ServiceLevel {
    /// The last day.
    pub eol: Option<Date>,
}

/// The licences of a module.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct License {
    /// Those of the document itself.
    pub module: BTreeSet<String>,
    /// Those of the packages; the build service fills them in.
    pub content: BTreeSet<String>,
}

/// Modules that are needed together.
///
/// Each maps a module to its streams: any of those listed, any but those listed with a leading `-`, or any at all
/// when none is listed.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Dependencies {
    /// For building.
    pub buildrequires: BTreeMap<String, BTreeSet<String>>,
    /// For using what was built.
    pub requires: BTreeMap<String, BTreeSet<String>>,
}

/// Where to read more about a module.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct References {
    /// The upstream community.
    pub community: Option<String>,
    /// The documentation.
    pub documentation: Option<String>,
    /// The bug tracker.
    pub tracker: Option<String>,
}

/// Packages that are installed together.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Profile {
    /// What the profile is for.
    pub description: Option<String>,
    /// The packages.
    pub rpms: BTreeSet<String>,
    /// The profile is installed when none is named.
    pub default: bool,
}

/// A set of binary packages.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RpmSet {
    /// Their names.
    pub rpms: BTreeSet<String>,
}

/// How a module is built.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BuildOpts {
    /// What concerns RPM.
    pub rpms: RpmBuildOpts,
    /// The architectures that it is built for; empty means the platform's.
    pub arches: BTreeSet<String>,
}

/// How the packages of a module are built.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RpmBuildOpts {
    /// Lines for RPM's macro file.
    pub macros: Option<String>,
    /// The packages that may be built, instead of the components.
    pub whitelist: BTreeSet<String>,
}

/// What a module is built from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Components {
    /// Source packages, by name.
    pub rpms: BTreeMap<String, RpmComponent>,
    /// Other modules, by name.
    pub modules: BTreeMap<String, ModuleComponent>,
}

impl Components {
    /// Adds others; of two of one name, the other one holds.
    pub(super) fn extend(&mut self, others: Self) {
        self.rpms.extend(others.rpms);
        self.modules.extend(others.modules);
    }
}

/// A source package that a module is built from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RpmComponent {
    /// Why it is in the module.
    pub rationale: Option<String>,
    /// The source package's name when it is not the key.
    pub name: Option<String>,
    /// The git repository.
    pub repository: Option<String>,
    /// The commit, branch or tag; `ref` in the format.
    pub reference: Option<String>,
    /// The lookaside cache.
    pub cache: Option<String>,
    /// The architectures that it is built for; empty means all.
    pub arches: BTreeSet<String>,
    /// The architectures that its packages are multilib on.
    pub multilib: BTreeSet<String>,
    /// The components that must be built before it.
    pub buildafter: BTreeSet<String>,
    /// It is installed into every buildroot.
    pub buildroot: bool,
    /// It is installed into every buildroot that source packages are made in.
    pub srpm_buildroot: bool,
    /// It is needed to build others only, and left out of the module.
    pub buildonly: bool,
    /// Its batch: components of lower ones are built first.
    pub buildorder: i32,
}

/// A module that another is built from.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ModuleComponent {
    /// Why it is in the module.
    pub rationale: Option<String>,
    /// The git repository.
    pub repository: Option<String>,
    /// The commit, branch or tag; `ref` in the format.
    pub reference: Option<String>,
    /// It is needed to build others only, and left out of the module.
    pub buildonly: bool,
    /// Its batch.
    pub buildorder: i32,
}

/// What was built.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Artifacts {
    /// The packages, each `name-epoch:version-release.arch`.
    pub rpms: BTreeSet<String>,
    /// The packages by the digest's algorithm and the digest; `rpm-map` in the format.
    pub rpm_map: BTreeMap<String, BTreeMap<String, RpmMapEntry>>,
}

/// A package in `rpm-map`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct RpmMapEntry {
    /// The name.
    pub name: String,
    /// The epoch.
    pub epoch: u32,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
    /// The architecture.
    pub arch: String,
    /// All of it: `name-epoch:version-release.arch`.
    pub nevra: String,
}

impl RpmMapEntry {
    /// Returns the `nevra` that the other fields make.
    pub fn made_nevra(&self) -> String {
        let Self { name, epoch, version, release, arch, .. } = self;
        format!("{name}-{epoch}:{version}-{release}.{arch}")
    }
}
