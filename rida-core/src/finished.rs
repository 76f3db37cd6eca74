//! The document of a finished module, as far as it does not depend on what was built.

use std::collections::BTreeSet;

use crate::build::ModuleBuild;
use crate::id::ComponentName;
use crate::modulemd::{ModuleStream, Xmd};

/// The keys of `xmd` that build services keep for themselves.
const SERVICE_XMD: &[&str] = &["mbs", "mbs_options", "rida"];

/// Fills in what the build decided (names, version, context, commits, streams), and takes out what is the build
/// service's own business. Architecture, artifacts and licences of the content are left to who knows them.
pub fn complete_modulemd(stream: &mut ModuleStream, build: &ModuleBuild) {
    let nsvc = build.nsvc();
    stream.name = Some(nsvc.name.to_string());
    stream.stream = Some(nsvc.stream.to_string());
    stream.version = Some(nsvc.version);
    stream.context = Some(nsvc.context.to_string());
    if let Xmd::Map(entries) = &mut stream.xmd {
        for key in SERVICE_XMD {
            entries.remove(key);
        }
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
