//! The document of a finished module, and which packages belong to it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rida_core::modulemd::{self, BuildOpts, ModuleStream};
use rida_core::{ComponentName, ModuleBuild, PortError};

use crate::build_system::packages::Package;
use crate::layout::BuildFolder;
use crate::repo::{Parts, Tagged};

/// Reads the modulemd of a build.
pub(crate) fn read(build: &ModuleBuild) -> Result<ModuleStream, PortError> {
    let document = modulemd::read(build.submission.modulemd.as_bytes());
    document.and_then(|document| document.to_source()).map_err(|problems| {
        PortError::permanent(format!("the modulemd of the build cannot be read: {}", problems.lines().join("; ")))
    })
}

/// Sorts out which packages are in the module, and completes its document.
///
/// Left out are the macros, components that only others need, packages that the filter names, and packages of
/// components that a whitelist leaves out. A source package is in the module when any of its packages is.
pub(crate) fn finish(
    build: &ModuleBuild,
    folder: &BuildFolder,
    tagged: &[Tagged],
) -> Result<(String, Parts), PortError> {
    let mut stream = read(build)?;
    let mut parts = Parts { repo: Vec::new(), debug: Vec::new(), source: Vec::new() };
    let whitelist = stream.buildopts.as_ref().map(|options: &BuildOpts| options.rpms.whitelist.clone());
    let whitelist = whitelist.unwrap_or_default();
    let mut artifacts = BTreeSet::new();
    for Tagged { component, packages, .. } in tagged {
        if *component == ComponentName::macros() {
            continue;
        }
        let Some((planned, _)) = build.component(component) else { continue };
        if planned.buildonly {
            let names = packages.iter().filter(|package| !package.is_source()).map(|package| package.name.clone());
            stream.filter.rpms.extend(names);
            continue;
        }
        if !whitelist.is_empty() && !whitelist.contains(component.as_str()) {
            continue;
        }
        let filter = &stream.filter.rpms;
        let is_in = |package: &&Package| !package.is_source() && !is_filtered(filter, package);
        let mut any = false;
        for package in packages.iter().filter(is_in) {
            any = true;
            artifacts.insert(package.nevra());
            stream.license.content.insert(package.license.clone());
            let part = if package.is_debug() { &mut parts.debug } else { &mut parts.repo };
            part.push(path(folder, component, package));
        }
        for package in packages.iter().filter(|package| any && package.is_source()) {
            artifacts.insert(package.nevra());
            parts.source.push(path(folder, component, package));
        }
    }
    stream.license.content.retain(|license| !license.is_empty());
    stream.artifacts = modulemd::Artifacts { rpms: artifacts, ..modulemd::Artifacts::default() };
    rida_core::complete_modulemd(&mut stream, build);
    stream.arch = Some(rpm_arch().to_owned());
    Ok((stream.to_yaml(), parts))
}

fn path(folder: &BuildFolder, component: &ComponentName, package: &Package) -> PathBuf {
    folder.tag(component).join(&package.file)
}

/// A package that helps to find faults in one that is filtered is filtered with it.
fn is_filtered(filter: &BTreeSet<String>, package: &Package) -> bool {
    let of = package.name.strip_suffix("-debuginfo").unwrap_or(&package.name);
    filter.contains(&package.name) || filter.contains(of)
}

/// Returns this machine's architecture as RPM names it.
pub(crate) const fn rpm_arch() -> &'static str {
    match std::env::consts::ARCH.as_bytes() {
        b"x86" => "i686",
        b"arm" => "armv7hl",
        b"powerpc64" if cfg!(target_endian = "little") => "ppc64le",
        b"powerpc64" => "ppc64",
        _ => std::env::consts::ARCH,
    }
}
