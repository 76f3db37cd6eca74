//! Writes a stream as libmodulemd does, in its order of keys, with quotes wherever another reader would see something
//! else than a text.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Artifacts, BuildOpts, Components, Dependencies, ModuleComponent, ModuleStream, Profile, References, RpmComponent,
    RpmMapEntry, RpmSet,
};
use crate::modulemd::xmd::Xmd;
use crate::modulemd::yaml::{Flow, Writer};

impl ModuleStream {
    /// Returns the document, version 2, in canonical form. Reading it gives an equal stream, to libmodulemd too.
    pub fn to_yaml(&self) -> String {
        Writer::document("modulemd", 2, |w| self.write(w))
    }

    fn write(&self, w: &mut Writer) {
        text(w, "name", self.name.as_deref());
        if let Some(stream) = &self.stream {
            w.key("stream").quoted(stream);
        }
        if let Some(version) = self.version {
            w.key("version").bare(&version.to_string());
        }
        text(w, "context", self.context.as_deref());
        flag(w, "static_context", self.static_context);
        text(w, "arch", self.arch.as_deref());
        w.key("summary").text(&self.summary);
        w.key("description").paragraphs(&self.description);
        if !self.servicelevels.is_empty() {
            w.key("servicelevels").map(|w| {
                for (name, level) in &self.servicelevels {
                    w.key(name).map(|w| {
                        if let Some(eol) = level.eol {
                            w.key("eol").text(&eol.to_string());
                        }
                    });
                }
            });
        }
        w.key("license").map(|w| {
            set(w, "module", &self.license.module);
            set(w, "content", &self.license.content);
        });
        if !self.xmd.is_empty() {
            write_xmd(w.key("xmd"), &self.xmd);
        }
        if !self.dependencies.is_empty() {
            w.key("dependencies")
                .list(Flow::Block, |w| self.dependencies.iter().for_each(|block| dependencies(w, block)));
        }
        self.write_packages(w);
    }

    fn write_packages(&self, w: &mut Writer) {
        write_references(w, &self.references);
        write_profiles(w, &self.profiles);
        write_rpm_sets(w, &self.api, &self.filter, &self.demodularized);
        if let Some(opts) = &self.buildopts {
            w.key("buildopts").map(|w| write_build_opts(w, opts));
        }
        write_components(w, &self.components);
        if self.artifacts != Artifacts::default() {
            w.key("artifacts").map(|w| artifacts(w, &self.artifacts));
        }
    }
}

pub(in crate::modulemd) fn write_references(w: &mut Writer, references: &References) {
    if *references != References::default() {
        w.key("references").map(|w| {
            text(w, "community", references.community.as_deref());
            text(w, "documentation", references.documentation.as_deref());
            text(w, "tracker", references.tracker.as_deref());
        });
    }
}

pub(in crate::modulemd) fn write_profiles(w: &mut Writer, profiles: &BTreeMap<String, Profile>) {
    if !profiles.is_empty() {
        w.key("profiles").map(|w| {
            for (name, content) in profiles {
                w.key(name).map(|w| profile(w, content));
            }
        });
    }
}

pub(in crate::modulemd) fn write_rpm_sets(w: &mut Writer, api: &RpmSet, filter: &RpmSet, demodularized: &RpmSet) {
    for (key, content) in [("api", api), ("filter", filter), ("demodularized", demodularized)] {
        if *content != RpmSet::default() {
            w.key(key).map(|w| set(w, "rpms", &content.rpms));
        }
    }
}

pub(in crate::modulemd) fn text(w: &mut Writer, key: &str, value: Option<&str>) {
    if let Some(value) = value {
        w.key(key).text(value);
    }
}

fn flag(w: &mut Writer, key: &str, value: bool) {
    if value {
        w.key(key).bare("true");
    }
}

pub(in crate::modulemd) fn set(w: &mut Writer, key: &str, values: &BTreeSet<String>) {
    if !values.is_empty() {
        w.key(key).texts(Flow::Block, values);
    }
}

fn flow_set(w: &mut Writer, key: &str, values: &BTreeSet<String>) {
    if !values.is_empty() {
        w.key(key).texts(Flow::Line, values);
    }
}

pub(in crate::modulemd) fn write_xmd(w: &mut Writer, value: &Xmd) {
    match value {
        Xmd::Bool(true) => w.bare("TRUE"),
        Xmd::Bool(false) => w.bare("FALSE"),
        Xmd::Text(text) => w.text(text),
        Xmd::List(items) => w.list(Flow::Block, |w| items.iter().for_each(|item| write_xmd(w, item))),
        Xmd::Map(entries) => w.map(|w| entries.iter().for_each(|(key, value)| write_xmd(w.key(key), value))),
    }
}

fn dependencies(w: &mut Writer, block: &Dependencies) {
    let modules = |w: &mut Writer, key: &str, modules: &BTreeMap<String, BTreeSet<String>>| {
        if !modules.is_empty() {
            w.key(key).map(|w| modules.iter().for_each(|(name, streams)| w.key(name).texts(Flow::Line, streams)));
        }
    };
    w.map(|w| {
        modules(w, "buildrequires", &block.buildrequires);
        modules(w, "requires", &block.requires);
    });
}

fn profile(w: &mut Writer, profile: &Profile) {
    text(w, "description", profile.description.as_deref());
    set(w, "rpms", &profile.rpms);
    flag(w, "default", profile.default);
}

pub(in crate::modulemd) fn write_build_opts(w: &mut Writer, opts: &BuildOpts) {
    if opts.rpms != super::RpmBuildOpts::default() {
        w.key("rpms").map(|w| {
            text(w, "macros", opts.rpms.macros.as_deref());
            set(w, "whitelist", &opts.rpms.whitelist);
        });
    }
    flow_set(w, "arches", &opts.arches);
}

pub(in crate::modulemd) fn write_components(w: &mut Writer, content: &Components) {
    if *content != Components::default() {
        w.key("components").map(|w| components(w, content));
    }
}

fn components(w: &mut Writer, components: &Components) {
    if !components.rpms.is_empty() {
        w.key("rpms").map(|w| {
            for (key, component) in &components.rpms {
                w.key(key).map(|w| rpm_component(w, component));
            }
        });
    }
    if !components.modules.is_empty() {
        w.key("modules").map(|w| {
            for (key, component) in &components.modules {
                w.key(key).map(|w| module_component(w, component));
            }
        });
    }
}

fn rpm_component(w: &mut Writer, component: &RpmComponent) {
    text(w, "rationale", component.rationale.as_deref());
    text(w, "name", component.name.as_deref());
    text(w, "repository", component.repository.as_deref());
    text(w, "cache", component.cache.as_deref());
    text(w, "ref", component.reference.as_deref());
    flag(w, "buildroot", component.buildroot);
    flag(w, "srpm-buildroot", component.srpm_buildroot);
    order(w, component.buildorder);
    flag(w, "buildonly", component.buildonly);
    set(w, "buildafter", &component.buildafter);
    flow_set(w, "arches", &component.arches);
    flow_set(w, "multilib", &component.multilib);
}

fn module_component(w: &mut Writer, component: &ModuleComponent) {
    text(w, "rationale", component.rationale.as_deref());
    text(w, "repository", component.repository.as_deref());
    text(w, "ref", component.reference.as_deref());
    order(w, component.buildorder);
    flag(w, "buildonly", component.buildonly);
}

fn order(w: &mut Writer, order: i32) {
    if order != 0 {
        w.key("buildorder").bare(&order.to_string());
    }
}

fn artifacts(w: &mut Writer, artifacts: &Artifacts) {
    set(w, "rpms", &artifacts.rpms);
    if !artifacts.rpm_map.is_empty() {
        w.key("rpm-map").map(|w| {
            for (digest, entries) in &artifacts.rpm_map {
                w.key(digest).map(|w| {
                    for (checksum, entry) in entries {
                        w.key(checksum).map(|w| rpm_map_entry(w, entry));
                    }
                });
            }
        });
    }
}

fn rpm_map_entry(w: &mut Writer, entry: &RpmMapEntry) {
    w.key("name").text(&entry.name);
    w.key("epoch").bare(&entry.epoch.to_string());
    w.key("version").text(&entry.version);
    w.key("release").text(&entry.release);
    w.key("arch").text(&entry.arch);
    w.key("nevra").text(&entry.nevra);
}
