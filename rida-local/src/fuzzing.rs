//! What reads the bytes of packagers and of programs, for the fuzz targets: each reads or refuses, and what was read
//! holds its promises.

use rida_core::ComponentName;

use crate::build_system::version::{Evr, compare_versions};
use crate::build_system::{packages, requirements, supervisor};
use crate::lookaside::parse_sources;
use crate::spec;

/// Gives bytes to everything that reads some.
///
/// # Panics
/// When a promise is broken.
pub fn read(data: &[u8]) {
    for file in parse_sources(data).0 {
        let name = file.name();
        assert!(!name.starts_with(['.', '-']) && !name.contains(['/', '\0', '%']), "{name:?}");
    }
    let _ = spec::check_name(data, &ComponentName::macros());
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = supervisor::parse_exit(text);
    let found = packages::parse(text);
    let requires: Vec<_> = found.iter().flat_map(|package| package.requires.clone()).collect();
    let _ = requirements::select(&found, &requires, &[]);
    let (one, other) = text.split_once(' ').unwrap_or((text, ""));
    assert_eq!(compare_versions(one, other), compare_versions(other, one).reverse(), "{one:?} {other:?}");
    let (a, b) = (Evr::parse(one), Evr::parse(other));
    assert_eq!(a.compare(b), b.compare(a).reverse(), "{a:?} {b:?}");
}
