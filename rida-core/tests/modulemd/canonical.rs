//! The content of a stream in the form of the manifests: what libmodulemd's interface tells of it.

use rida_core::modulemd::{BuildOpts, Dependencies, ModuleStream, RpmComponent, Xmd};
use serde_json::{Map, Value, json};

/// Returns the content of a stream.
pub(crate) fn of(stream: &ModuleStream) -> Value {
    let components = &stream.components;
    let dependencies: Vec<Value> = stream.dependencies.iter().map(block).collect();
    json!({
        "kind": "stream",
        "name": stream.name,
        "stream": stream.stream,
        "version": stream.version.unwrap_or(0),
        "context": stream.context,
        "arch": stream.arch,
        "static_context": stream.static_context,
        "summary": stream.summary,
        "description": stream.description,
        "licenses": {"module": stream.license.module, "content": stream.license.content},
        "xmd": xmd(&stream.xmd),
        "dependencies": dependencies,
        "references": {
            "community": stream.references.community,
            "documentation": stream.references.documentation,
            "tracker": stream.references.tracker,
        },
        "profiles": object(stream.profiles.iter().map(|(name, profile)| {
            (name, json!({"description": profile.description, "rpms": profile.rpms}))
        })),
        "api": stream.api.rpms,
        "filter": stream.filter.rpms,
        "demodularized": stream.demodularized.rpms,
        "buildopts": stream.buildopts.as_ref().map(build_opts),
        "components": {
            "rpms": object(components.rpms.iter().map(|(key, component)| (key, rpm_component(key, component)))),
            "modules": object(components.modules.iter().map(|(key, component)| {
                (key, json!({
                    "name": key,
                    "rationale": component.rationale,
                    "repository": component.repository,
                    "ref": component.reference,
                    "buildonly": component.buildonly,
                    "buildorder": component.buildorder,
                }))
            })),
        },
        "artifacts": {"rpms": stream.artifacts.rpms, "rpm_map": rpm_map(stream)},
        "servicelevels": object(stream.servicelevels.iter().map(|(name, level)| {
            (name, json!(level.eol.map(|eol| eol.to_string())))
        })),
    })
}

fn object<'a>(entries: impl Iterator<Item = (&'a String, Value)>) -> Value {
    Value::Object(entries.map(|(key, value)| (key.clone(), value)).collect::<Map<_, _>>())
}

fn xmd(value: &Xmd) -> Value {
    match value {
        Xmd::Bool(value) => json!(value),
        Xmd::Text(text) => json!(text),
        Xmd::List(items) => items.iter().map(xmd).collect(),
        Xmd::Map(entries) => object(entries.iter().map(|(key, value)| (key, xmd(value)))),
    }
}

fn block(block: &Dependencies) -> Value {
    json!({"buildrequires": block.buildrequires, "requires": block.requires})
}

fn build_opts(opts: &BuildOpts) -> Value {
    json!({"macros": opts.rpms.macros, "whitelist": opts.rpms.whitelist, "arches": opts.arches})
}

fn rpm_component(key: &str, component: &RpmComponent) -> Value {
    json!({
        "name": component.name.as_deref().unwrap_or(key),
        "rationale": component.rationale,
        "repository": component.repository,
        "cache": component.cache,
        "ref": component.reference,
        "arches": component.arches,
        "multilib": component.multilib,
        "buildroot": component.buildroot,
        "srpm_buildroot": component.srpm_buildroot,
        "buildafter": component.buildafter,
        "buildonly": component.buildonly,
        "buildorder": component.buildorder,
    })
}

fn rpm_map(stream: &ModuleStream) -> Value {
    object(stream.artifacts.rpm_map.iter().map(|(digest, entries)| {
        let entries = entries.iter().map(|(checksum, entry)| {
            let entry = json!({
                "name": entry.name,
                "epoch": entry.epoch,
                "version": entry.version,
                "release": entry.release,
                "arch": entry.arch,
                "nevra": entry.nevra,
            });
            (checksum, entry)
        });
        (digest, object(entries))
    }))
}

/// Returns the fields in which two contents differ.
pub(crate) fn unequal(wanted: &Value, found: &Value) -> Vec<String> {
    let (Value::Object(wanted), Value::Object(found)) = (wanted, found) else {
        return if wanted == found { Vec::new() } else { vec!["all".to_owned()] };
    };
    // `nsvca` is made of other fields.
    let keys = wanted.keys().filter(|key| key.as_str() != "nsvca");
    keys.filter(|key| wanted.get(*key) != found.get(*key)).cloned().collect()
}
