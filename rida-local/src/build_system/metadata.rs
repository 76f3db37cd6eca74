//! The document of a finished module, and which packages belong to it.

use std::collections::BTreeSet;
use std::path::PathBuf;

use rida_core::modulemd::{self, BuildOpts, ModuleStream, Xmd};
use rida_core::{ComponentName, ModuleBuild, PortError};

use crate::build_system::packages::Package;
use crate::layout::BuildFolder;
use crate::repo::{Parts, Tagged};

/// The keys of `xmd` that build services keep for themselves.
const SERVICE_XMD: &[&str] = &["mbs", "mbs_options", "rida"];

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
    complete(&mut stream, build);
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

/// Fills in what the build decided, and takes out what is this service's own business.
fn complete(stream: &mut ModuleStream, build: &ModuleBuild) {
    let nsvc = build.nsvc();
    stream.name = Some(nsvc.name.to_string());
    stream.stream = Some(nsvc.stream.to_string());
    stream.version = Some(nsvc.version);
    stream.context = Some(nsvc.context.to_string());
    stream.arch = Some(rpm_arch().to_owned());
    if let Xmd::Map(entries) = &mut stream.xmd {
        entries.retain(|key, _| !SERVICE_XMD.contains(&key.as_str()));
    }
    for (key, component) in &mut stream.components.rpms {
        component.repository = None;
        component.cache = None;
        let name = ComponentName::new(component.name.as_deref().unwrap_or(key)).ok();
        let source = name.and_then(|name| build.component(&name)).and_then(|(_, built)| built.source.as_ref());
        if let Some(source) = source {
            component.reference = Some(source.commit.to_string());
        }
    }
    for component in stream.components.modules.values_mut() {
        component.repository = None;
    }
    if let [only] = stream.dependencies.as_mut_slice() {
        for required in &build.submission.build_requires {
            if let Some(streams) = only.buildrequires.get_mut(required.name.as_str()) {
                *streams = BTreeSet::from([required.stream.to_string()]);
            }
        }
    }
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
