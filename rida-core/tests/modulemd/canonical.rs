//! The content of a stream in the form of the manifests: what libmodulemd's interface tells of it.

use rida_core::modulemd::{
    BuildOpts, Components, Content, DefaultSet, Defaults, Dependencies, ModuleStream, Obsoletes, Packager, Profile,
    RpmComponent, Translations, Xmd,
};
use serde_json::{Map, Value, json};

/// Returns the content of a document.
pub(crate) fn of(content: &Content) -> Value {
    match content {
        Content::Stream(stream) => of_stream(stream),
        Content::Packager(packager) => of_packager(packager),
        Content::Defaults(defaults) => of_defaults(defaults),
        Content::Obsoletes(obsoletes) => of_obsoletes(obsoletes),
        Content::Translations(translations) => of_translations(translations),
    }
}

/// Returns the content of a stream.
pub(crate) fn of_stream(stream: &ModuleStream) -> Value {
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
        "components": components(&stream.components),
        "artifacts": {"rpms": stream.artifacts.rpms, "rpm_map": rpm_map(stream)},
        "servicelevels": object(stream.servicelevels.iter().map(|(name, level)| {
            (name, json!(level.eol.map(|eol| eol.to_string())))
        })),
    })
}

fn of_packager(packager: &Packager) -> Value {
    let profile = |profile: &Profile| json!({"description": profile.description, "rpms": profile.rpms, "default": profile.default});
    json!({
        "kind": "packager3",
        "name": packager.name,
        "stream": packager.stream,
        "summary": packager.summary,
        "description": packager.description,
        "licenses": {"module": packager.license},
        "xmd": xmd(&packager.xmd),
        "configurations": object(packager.configurations.iter().map(|(context, configuration)| {
            (context, json!({
                "platform": configuration.platform,
                "buildrequires": configuration.buildrequires,
                "requires": configuration.requires,
                "buildopts": configuration.buildopts.as_ref().map(build_opts),
            }))
        })),
        "references": {
            "community": packager.references.community,
            "documentation": packager.references.documentation,
            "tracker": packager.references.tracker,
        },
        "profiles": object(packager.profiles.iter().map(|(name, content)| (name, profile(content)))),
        "api": packager.api.rpms,
        "filter": packager.filter.rpms,
        "demodularized": packager.demodularized.rpms,
        "components": components(&packager.components),
    })
}

fn of_defaults(defaults: &Defaults) -> Value {
    let intent =
        |name: &str, set: &DefaultSet| json!({"stream": defaults.stream_for(Some(name)), "profiles": set.profiles});
    json!({
        "kind": "defaults",
        "module": defaults.module.as_deref().unwrap_or("__DEFAULT_PLACEHOLDER__"),
        "modified": defaults.modified,
        "stream": defaults.base.stream,
        "profiles": defaults.base.profiles,
        "intents": object(defaults.intents.iter().map(|(name, set)| (name, intent(name, set)))),
    })
}

fn of_obsoletes(obsoletes: &Obsoletes) -> Value {
    let successor = obsoletes.obsoleted_by.as_ref();
    json!({
        "kind": "obsoletes",
        "module": obsoletes.module,
        "stream": obsoletes.stream,
        "context": obsoletes.context,
        "modified": obsoletes.modified.map_or(0, |minute| minute.compact()),
        "eol_date": obsoletes.eol_date.map_or(0, |minute| minute.compact()),
        "reset": obsoletes.reset,
        "message": obsoletes.message,
        "obsoleted_by": {
            "module": successor.map(|successor| &successor.module),
            "stream": successor.map(|successor| &successor.stream),
        },
    })
}

fn of_translations(translations: &Translations) -> Value {
    json!({
        "kind": "translations",
        "module": translations.module,
        "stream": translations.stream,
        "modified": translations.modified,
        "translations": object(translations.translations.iter().map(|(locale, translation)| {
            (locale, json!({
                "summary": translation.summary,
                "description": translation.description,
                "profiles": translation.profiles,
            }))
        })),
    })
}

fn components(components: &Components) -> Value {
    json!({
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
