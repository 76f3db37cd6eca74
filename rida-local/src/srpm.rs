//! Source packages: the generated one of a module's macros, and what source packages require.

use std::fs;
use std::path::Path;

use rida_core::{BuildMacros, ModuleBuild, PortError};

use crate::build_system::packages::Package;
use crate::layout::storage;
use crate::tasks::Source;

/// Generates the sources of `module-build-macros`. `packager` is the modulemd's `buildopts.rpms.macros`.
pub(crate) fn macros_source(build: &ModuleBuild, packager: Option<&str>) -> Source {
    let macros = BuildMacros {
        nsvc: build.nsvc(),
        dist_tag: &build.dist_tag,
        packager,
        conflicts: &[],
        at: build.submission.at,
    };
    Source::Generated(vec![
        (BuildMacros::spec_name(), macros.spec()),
        (BuildMacros::source_name().to_owned(), macros.macros()),
    ])
}

/// Writes generated sources into an empty folder.
pub(crate) fn write_sources(files: &[(String, String)], into: &Path) -> Result<(), PortError> {
    for (name, text) in files {
        fs::write(into.join(name), text).map_err(storage)?;
    }
    Ok(())
}

/// Returns the only source package among those that a run made.
///
/// # Errors
/// When there is none, or more than one, in words for a packager.
pub(crate) fn only_source(packages: &[Package]) -> Result<&Package, String> {
    let mut sources = packages.iter().filter(|package| package.is_source());
    match (sources.next(), sources.next()) {
        (Some(source), None) => Ok(source),
        (None, _) => Err("no source package was made".to_owned()),
        (Some(_), Some(_)) => Err("more than one source package was made".to_owned()),
    }
}
