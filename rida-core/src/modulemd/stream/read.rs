//! Reads the `data` of stream documents, versions 1 and 2, and of packager documents, version 2.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Artifacts, BuildOpts, Components, Dependencies, License, ModuleComponent, ModuleStream, Profile, References,
    RpmBuildOpts, RpmComponent, RpmMapEntry, RpmSet, ServiceLevel,
};
use crate::modulemd::decode::{Decoder, Repeat, digits};
use crate::modulemd::problem::Shown;
use crate::modulemd::rule::Rule;
use crate::modulemd::time::Date;
use crate::modulemd::tree::Node;
use crate::modulemd::xmd::Xmd;

/// Which of the formats a document is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::modulemd) enum Version {
    /// A stream, version 1.
    Stream1,
    /// A stream, version 2.
    Stream2,
    /// What a packager writes, version 2.
    Packager2,
}

const COMMON: &[&str] =
    &["summary", "description", "license", "dependencies", "references", "profiles", "api", "filter", "components"];
const STREAM: &[&str] =
    &["name", "stream", "version", "context", "arch", "servicelevels", "xmd", "buildopts", "artifacts"];
const REFERENCES: &[&str] = &["community", "documentation", "tracker"];
const RPM_COMPONENT: &[&str] = &[
    "rationale",
    "name",
    "repository",
    "ref",
    "cache",
    "arches",
    "multilib",
    "buildafter",
    "buildroot",
    "srpm-buildroot",
    "buildonly",
    "buildorder",
];
const MODULE_COMPONENT: &[&str] = &["rationale", "repository", "ref", "buildonly", "buildorder"];
const RPM_MAP_ENTRY: &[&str] = &["name", "epoch", "version", "release", "arch", "nevra"];

impl Version {
    fn known(self) -> Vec<&'static str> {
        let own: &[&[&str]] = match self {
            Self::Stream1 => &[COMMON, STREAM, &["eol"]],
            Self::Stream2 => &[COMMON, STREAM, &["static_context", "demodularized"]],
            Self::Packager2 => &[COMMON, &["static_context", "demodularized"]],
        };
        own.concat()
    }
}

/// Reads `data`; what is missing of the required fields is noted as a problem too.
pub(in crate::modulemd) fn read<'n>(decoder: &mut Decoder<'n>, data: Node<'n>, version: Version) -> ModuleStream {
    let known = version.known();
    let mut stream = ModuleStream::default();
    let mut given = BTreeSet::new();
    decoder.fields(data, &known, |decoder, key, value| {
        let defined = known.contains(&key);
        if defined {
            given.insert(key);
            field(decoder, &mut stream, key, value, version);
        }
        defined
    });
    for key in ["summary", "description", "license"] {
        if !given.contains(key) {
            let message = format!("the module has no {key}");
            let hint = format!("add `{key}:` to the keys of data");
            decoder.problem_of(key, Rule::Required, data.position(), message, hint);
        }
    }
    stream
}

fn field<'n>(decoder: &mut Decoder<'n>, stream: &mut ModuleStream, key: &str, value: Node<'n>, version: Version) {
    match key {
        "name" => stream.name = decoder.string(value),
        "stream" => stream.stream = decoder.string(value),
        // Zero is how documents say that there is none.
        "version" => stream.version = decoder.unsigned(value).filter(|number| *number > 0),
        "context" => stream.context = decoder.string(value),
        "static_context" => stream.static_context = decoder.boolean(value).unwrap_or_default(),
        "arch" => stream.arch = decoder.string(value),
        "summary" => stream.summary = decoder.string(value).unwrap_or_default(),
        "description" => stream.description = decoder.string(value).unwrap_or_default(),
        "license" => stream.license = license(decoder, value, version),
        "servicelevels" => stream.servicelevels.extend(service_levels(decoder, value)),
        // What version 1 calls so is the service level `rawhide` of version 2; of the two, the later one holds.
        "eol" => {
            stream.servicelevels.insert("rawhide".to_owned(), ServiceLevel { eol: date(decoder, value) });
        }
        "xmd" => stream.xmd = xmd(decoder, value),
        "dependencies" => dependencies(decoder, value, version, &mut stream.dependencies),
        "references" => stream.references = references(decoder, value),
        "profiles" => stream.profiles = profiles(decoder, value),
        "api" => stream.api = rpm_set(decoder, value),
        "filter" => stream.filter = rpm_set(decoder, value),
        "demodularized" => stream.demodularized = rpm_set(decoder, value),
        "buildopts" => stream.buildopts = Some(build_opts(decoder, value)),
        "components" => stream.components = components(decoder, value),
        "artifacts" => stream.artifacts = artifacts(decoder, value, version),
        _ => {}
    }
}

fn license<'n>(decoder: &mut Decoder<'n>, node: Node<'n>, version: Version) -> License {
    let mut license = License::default();
    let known: &[&str] = if version == Version::Packager2 { &["module"] } else { &["module", "content"] };
    decoder.fields(node, known, |decoder, key, value| {
        match key {
            "module" => license.module = decoder.set(value),
            "content" if version != Version::Packager2 => license.content = decoder.set(value),
            _ => return false,
        }
        true
    });
    license
}

fn service_levels<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> BTreeMap<String, ServiceLevel> {
    let mut levels = BTreeMap::new();
    decoder.entries(node, |decoder, _, name, value| {
        let mut level = ServiceLevel::default();
        decoder.fields(value, &["eol"], |decoder, key, value| {
            let known = key == "eol";
            if known {
                level.eol = date(decoder, value);
            }
            known
        });
        levels.insert(name.to_owned(), level);
    });
    levels
}

fn date<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> Option<Date> {
    let text = decoder.text(node)?;
    let date = Date::parse(text);
    if date.is_none() {
        let message = format!("`{}` is not a day of the calendar", Shown(text));
        decoder.problem(Rule::Date, node.position(), message, "write it as YYYY-MM-DD, such as 2030-06-30");
    }
    date
}

pub(in crate::modulemd) fn xmd<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> Xmd {
    let xmd = Xmd::read(decoder, node);
    if matches!(xmd, Xmd::List(_)) {
        decoder.problem(Rule::Mapping, node.position(), "expected a mapping, but this is a list", "write `key: value`");
    }
    xmd
}

/// Reads dependencies; a section that occurs again adds others.
fn dependencies<'n>(decoder: &mut Decoder<'n>, node: Node<'n>, version: Version, list: &mut Vec<Dependencies>) {
    if version == Version::Stream1 {
        // One mapping, with one stream for each module.
        let read = block(decoder, node, |decoder, node| {
            let mut modules = BTreeMap::new();
            decoder.entries(node, |decoder, _, name, value| {
                modules.insert(name.to_owned(), decoder.string(value).into_iter().collect());
            });
            modules
        });
        let mut whole = list.pop().unwrap_or_default();
        whole.buildrequires.extend(read.buildrequires);
        whole.requires.extend(read.requires);
        list.extend(Some(whole).filter(|block| *block != Dependencies::default()));
    } else {
        let sets = |decoder: &mut Decoder<'n>, node| decoder.sets(node, Repeat::Refused);
        decoder.items(node, |decoder, item| list.push(block(decoder, item, sets)));
    }
}

fn block<'n>(
    decoder: &mut Decoder<'n>,
    node: Node<'n>,
    modules: fn(&mut Decoder<'n>, Node<'n>) -> BTreeMap<String, BTreeSet<String>>,
) -> Dependencies {
    let mut block = Dependencies::default();
    decoder.fields(node, &["buildrequires", "requires"], |decoder, key, value| {
        match key {
            "buildrequires" => block.buildrequires = modules(decoder, value),
            "requires" => block.requires = modules(decoder, value),
            _ => return false,
        }
        true
    });
    block
}

pub(in crate::modulemd) fn references<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> References {
    let mut references = References::default();
    decoder.fields(node, REFERENCES, |decoder, key, value| {
        match key {
            "community" => references.community = decoder.string(value),
            "documentation" => references.documentation = decoder.string(value),
            "tracker" => references.tracker = decoder.string(value),
            _ => return false,
        }
        true
    });
    references
}

pub(in crate::modulemd) fn profiles<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> BTreeMap<String, Profile> {
    let mut profiles = BTreeMap::new();
    decoder.entries(node, |decoder, _, name, value| {
        let mut profile = Profile::default();
        decoder.fields(value, &["description", "rpms", "default"], |decoder, key, value| {
            match key {
                "description" => profile.description = decoder.string(value),
                "rpms" => profile.rpms = decoder.set(value),
                "default" => profile.default = decoder.boolean(value).unwrap_or_default(),
                _ => return false,
            }
            true
        });
        profiles.insert(name.to_owned(), profile);
    });
    profiles
}

pub(in crate::modulemd) fn rpm_set<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> RpmSet {
    let mut set = RpmSet::default();
    decoder.fields(node, &["rpms"], |decoder, key, value| {
        let known = key == "rpms";
        if known {
            set.rpms = decoder.set(value);
        }
        known
    });
    set
}

pub(in crate::modulemd) fn build_opts<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> BuildOpts {
    let mut opts = BuildOpts::default();
    decoder.fields(node, &["rpms", "arches"], |decoder, key, value| {
        match key {
            "rpms" => opts.rpms = rpm_build_opts(decoder, value),
            "arches" => opts.arches = decoder.set(value),
            _ => return false,
        }
        true
    });
    opts
}

fn rpm_build_opts<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> RpmBuildOpts {
    let mut opts = RpmBuildOpts::default();
    decoder.fields(node, &["macros", "whitelist"], |decoder, key, value| {
        match key {
            "macros" => opts.macros = decoder.string(value),
            "whitelist" => opts.whitelist = decoder.set(value),
            _ => return false,
        }
        true
    });
    opts
}

pub(in crate::modulemd) fn components<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> Components {
    let mut components = Components::default();
    decoder.fields(node, &["rpms", "modules"], |decoder, key, value| {
        match key {
            "rpms" => {
                // Maps that are made of all their entries at once are packed densely.
                let mut rpms = Vec::new();
                decoder.entries(value, |decoder, _, name, value| {
                    rpms.push((name.to_owned(), rpm_component(decoder, value)));
                });
                components.rpms.append(&mut rpms.into_iter().collect());
            }
            "modules" => decoder.entries(value, |decoder, _, name, value| {
                components.modules.insert(name.to_owned(), module_component(decoder, value));
            }),
            _ => return false,
        }
        true
    });
    components
}

fn rpm_component<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> RpmComponent {
    let mut component = RpmComponent::default();
    decoder.fields(node, RPM_COMPONENT, |decoder, key, value| {
        match key {
            "rationale" => component.rationale = decoder.string(value),
            "name" => component.name = decoder.string(value),
            "repository" => component.repository = decoder.string(value),
            "ref" => component.reference = decoder.string(value),
            "cache" => component.cache = decoder.string(value),
            "arches" => component.arches = decoder.set(value),
            "multilib" => component.multilib = decoder.set(value),
            "buildafter" => component.buildafter = decoder.set(value),
            "buildroot" => component.buildroot = decoder.boolean(value).unwrap_or_default(),
            "srpm-buildroot" => component.srpm_buildroot = decoder.boolean(value).unwrap_or_default(),
            "buildonly" => component.buildonly = decoder.boolean(value).unwrap_or_default(),
            "buildorder" => component.buildorder = decoder.build_order(value).unwrap_or_default(),
            _ => return false,
        }
        true
    });
    component
}

fn module_component<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> ModuleComponent {
    let mut component = ModuleComponent::default();
    decoder.fields(node, MODULE_COMPONENT, |decoder, key, value| {
        match key {
            "rationale" => component.rationale = decoder.string(value),
            "repository" => component.repository = decoder.string(value),
            "ref" => component.reference = decoder.string(value),
            "buildonly" => component.buildonly = decoder.boolean(value).unwrap_or_default(),
            "buildorder" => component.buildorder = decoder.build_order(value).unwrap_or_default(),
            _ => return false,
        }
        true
    });
    component
}

fn artifacts<'n>(decoder: &mut Decoder<'n>, node: Node<'n>, version: Version) -> Artifacts {
    let mut artifacts = Artifacts::default();
    let known: &[&str] = if version == Version::Stream1 { &["rpms"] } else { &["rpms", "rpm-map"] };
    decoder.fields(node, known, |decoder, key, value| {
        match key {
            "rpms" => artifacts.rpms = decoder.set(value),
            "rpm-map" if version != Version::Stream1 => decoder.entries(value, |decoder, _, digest, value| {
                let mut entries = BTreeMap::new();
                decoder.entries(value, |decoder, _, checksum, value| {
                    entries.insert(checksum.to_owned(), rpm_map_entry(decoder, value));
                });
                artifacts.rpm_map.insert(digest.to_owned(), entries);
            }),
            _ => return false,
        }
        true
    });
    artifacts
}

fn rpm_map_entry<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> RpmMapEntry {
    let mut entry = RpmMapEntry::default();
    let mut given = BTreeSet::new();
    decoder.fields(node, RPM_MAP_ENTRY, |decoder, key, value| {
        given.insert(key);
        match key {
            "name" => entry.name = decoder.string(value).unwrap_or_default(),
            "epoch" => entry.epoch = decoder.epoch(value).unwrap_or_default(),
            "version" => entry.version = decoder.string(value).unwrap_or_default(),
            "release" => entry.release = decoder.string(value).unwrap_or_default(),
            "arch" => entry.arch = decoder.string(value).unwrap_or_default(),
            "nevra" => entry.nevra = decoder.string(value).unwrap_or_default(),
            _ => return false,
        }
        true
    });
    for key in RPM_MAP_ENTRY.iter().filter(|key| !given.contains(*key)) {
        let message = format!("the entry has no {key}");
        decoder.problem_of(key, Rule::Required, node.position(), message, format!("add `{key}:`"));
    }
    entry
}

/// Tells whether a text has the form `name-epoch:version-release.arch`, as leniently as the reference does.
pub(super) fn is_nevra(text: &str) -> bool {
    let parts = || {
        let (rest, _arch) = text.rsplit_once('.')?;
        let (rest, _release) = rest.rsplit_once('-')?;
        let (rest, version) = rest.rsplit_once(':')?;
        let (_name, epoch) = rest.rsplit_once('-')?;
        (!version.contains('-') && digits(epoch).is_some()).then_some(())
    };
    parts().is_some()
}
