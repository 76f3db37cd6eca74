//! What must not get into a module's build root, though tags that it inherits from have it.
//!
//! That are packages which a required module filters out, those of another stream of a required module (a base module's tag
//! may have external repositories that are another tag of this hub, in which modules are), and those of the distribution
//! that a required module [has itself](super::overlap).

use std::collections::BTreeSet;

use rida_core::modulemd::ModuleStream;
use rida_core::{Conflict, ModuleBuild, Nvr, PortError};

use super::import::tagged_rpms;
use super::parents::Parent;
use super::{KojiBuildSystem, document, environment, unreadable};
use crate::error::fault;
use crate::map::{port_error, refused};
use crate::wire::{Rpm, Tag, TaggedRpms};
use crate::xmlrpc::{Answer, Call, Value};

/// What the names of modules' tags begin with.
const MODULE_TAG: &str = "module-";
/// How many tags are asked at most of which module they are.
const MOST_TAGS: usize = 500;

/// A module as its tag tells.
#[derive(Debug, PartialEq, Eq)]
struct Tagged {
    name: String,
    stream: String,
}

impl KojiBuildSystem {
    /// Returns the packages that a module's build root must not have.
    pub(super) async fn conflicts(&self, build: &ModuleBuild) -> Result<Vec<Conflict>, PortError> {
        let parents = self.parents(build).await?;
        let mut filtering = Vec::new();
        // What nothing was built of has nothing to keep out.
        for parent in parents.iter().filter(|parent| !parent.may_have_no_tag()) {
            if let Some(required) = &parent.build {
                let filter = Filter::of(required)?;
                filtering.extend((!filter.is_empty()).then_some((parent, filter)));
            }
        }
        let bases = || parents.iter().filter(|parent| parent.build.is_none() && self.config.external_repos.is_some());
        let mut calls: Vec<Call> = filtering.iter().map(|(parent, _)| tagged_rpms(&parent.tag)).collect();
        calls.extend(bases().map(|base| Call::new("getExternalRepoList", [Value::from(base.tag.as_str())])));
        let compares = self.compares_packages(build);
        if calls.is_empty() && !compares {
            return Ok(Vec::new());
        }
        let answers =
            if calls.is_empty() { Vec::new() } else { self.client.read_many(&calls).await.map_err(port_error)? };
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        let mut conflicts = BTreeSet::new();
        for (_, filter) in &filtering {
            conflicts.extend(packages(next(), |rpm, component| filter.has(rpm, component))?);
        }
        let mut external = BTreeSet::new();
        for _ in bases() {
            let repos = next().map_err(|fault| refused("external repositories cannot be looked up", fault))?;
            for repo in repos.array("getExternalRepoList").map_err(unreadable)? {
                let url = repo.fields("external repository").map_err(unreadable)?.text("url").map_err(unreadable)?;
                external.extend(self.tag_behind(&url));
            }
        }
        let colliding = self.colliding(&parents, &external).await?;
        let calls: Vec<Call> = colliding.iter().map(|tag| tagged_rpms(tag)).collect();
        if !calls.is_empty() {
            tracing::info!(
                build.id = build.id.get(),
                tags = %colliding.join(" "),
                "the build root conflicts with other streams of what the module requires"
            );
            for answer in self.client.read_many(&calls).await.map_err(port_error)? {
                conflicts.extend(packages(answer, |_, _| true)?);
            }
        }
        if compares {
            conflicts.extend(self.overlapping(build, &parents, &external).await?);
        }
        Ok(conflicts.into_iter().collect())
    }

    /// Returns the tag of this hub that an external repository is made of.
    fn tag_behind(&self, url: &str) -> Option<String> {
        let prefix = self.config.external_repos.as_deref()?.trim_end_matches('/');
        let rest = url.strip_prefix(prefix)?.strip_prefix("/repos/")?;
        let tag = rest.trim_end_matches('/').strip_suffix("/latest/$arch")?;
        (tag.ends_with("-build") && !tag.contains('/')).then(|| tag.to_owned())
    }

    /// Returns the tags, among those that these inherit from, of other streams of what is required.
    async fn colliding(&self, parents: &[Parent], external: &BTreeSet<String>) -> Result<Vec<String>, PortError> {
        let inheritance = |tag: &String| Call::new("getFullInheritance", [Value::from(tag.as_str())]);
        let calls: Vec<Call> = external.iter().map(inheritance).collect();
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let mut tags = BTreeSet::new();
        for answer in self.client.read_many(&calls).await.map_err(port_error)? {
            let links = match answer {
                Ok(links) => links,
                // The repository is of another hub that is reached by the same name.
                Err(fault) if fault.code == fault::GENERIC => continue,
                Err(fault) => return Err(refused("what a tag inherits from cannot be looked up", fault)),
            };
            for link in links.array("getFullInheritance").map_err(unreadable)? {
                let name = link.fields("link").map_err(unreadable)?.text("name").map_err(unreadable)?;
                if name.starts_with(MODULE_TAG) && parents.iter().all(|parent| parent.tag != name) {
                    tags.insert(name);
                }
            }
        }
        let required =
            || parents.iter().filter(|parent| parent.build.is_some()).map(|parent| parent.required.name.as_str());
        // What a name does not tell, the tag does.
        let mut modules: Vec<(String, Tagged)> = Vec::new();
        let mut hidden = Vec::new();
        for tag in tags {
            match read_name(&tag) {
                Some(_) if required().any(|name| may_be_of(&tag, name)) => hidden.push(tag),
                Some(module) => modules.push((tag, module)),
                None => hidden.push(tag),
            }
        }
        if hidden.len() > MOST_TAGS {
            let (tags, most) = (hidden.len(), MOST_TAGS);
            tracing::warn!(
                tags,
                most,
                "more tags than are looked into may be of other streams of what a module requires"
            );
            hidden.truncate(MOST_TAGS);
        }
        let calls: Vec<Call> = hidden.iter().map(|tag| Call::new("getTag", [Value::from(tag.as_str())])).collect();
        let answers =
            if calls.is_empty() { Vec::new() } else { self.client.read_many(&calls).await.map_err(port_error)? };
        for (tag, answer) in hidden.into_iter().zip(answers) {
            let found = answer.map_err(|fault| refused("a tag cannot be looked up", fault))?;
            let told = Tag::from_value(found).map_err(unreadable)?.as_ref().and_then(read_setting);
            modules.extend(told.or_else(|| read_name(&tag)).map(|module| (tag, module)));
        }
        let collides = |module: &Tagged| {
            parents.iter().filter(|parent| parent.build.is_some()).any(|parent| {
                parent.required.name.as_str() == module.name && parent.required.stream.as_str() != module.stream
            })
        };
        Ok(modules.into_iter().filter(|(_, module)| collides(module)).map(|(tag, _)| tag).collect())
    }
}

/// What a module leaves out of what it built.
struct Filter {
    rpms: BTreeSet<String>,
    /// The components that only build others.
    components: BTreeSet<String>,
}

impl Filter {
    fn of(build: &ModuleBuild) -> Result<Self, PortError> {
        let ModuleStream { filter, .. } = document(build)?;
        let buildonly = build.plan().iter().filter(|planned| planned.buildonly);
        Ok(Self { rpms: filter.rpms, components: buildonly.map(|planned| planned.name.to_string()).collect() })
    }

    fn is_empty(&self) -> bool {
        self.rpms.is_empty() && self.components.is_empty()
    }

    fn has(&self, rpm: &Rpm, component: Option<&str>) -> bool {
        self.rpms.contains(&rpm.name) || component.is_some_and(|component| self.components.contains(component))
    }
}

/// Reads a list of a tag's packages, and returns those that are wanted, each once, whatever the architectures. Sources
/// get into no build root.
pub(super) fn packages(
    answer: Answer,
    is_wanted: impl Fn(&Rpm, Option<&str>) -> bool,
) -> Result<Vec<Conflict>, PortError> {
    let answer = answer.map_err(|fault| refused("what is in a tag cannot be looked up", fault))?;
    let tagged = TaggedRpms::from_value(answer).map_err(unreadable)?;
    let mut found = BTreeSet::new();
    for rpm in &tagged.rpms {
        let is_source = matches!(rpm.arch.as_str(), "src" | "nosrc");
        if is_source || !is_wanted(rpm, tagged.build_of(rpm)) {
            continue;
        }
        let Rpm { name, version, release, epoch, .. } = rpm;
        // Nothing but names and versions may get into a spec.
        let Ok(nvr) = format!("{name}-{version}-{release}").parse::<Nvr>() else {
            tracing::warn!(rpm = %name.escape_debug(), "a package of Koji has a name that cannot be written into a spec");
            continue;
        };
        found.insert(Conflict { nvr, epoch: epoch.and_then(|epoch| u32::try_from(epoch).ok()).unwrap_or(0) });
    }
    Ok(found.into_iter().collect())
}

/// Reads off a tag's name which module it is of: `module-<name>-<stream>-<version>-<context>`. Only names have dashes;
/// of a hashed name, or a stream with dashes, the tag's settings tell.
fn read_name(tag: &str) -> Option<Tagged> {
    let mut parts = tag.strip_prefix(MODULE_TAG)?.rsplitn(4, '-');
    let (_context, version, stream, name) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_version = !version.is_empty() && version.bytes().all(|byte| byte.is_ascii_digit());
    is_version.then(|| Tagged { name: name.to_owned(), stream: stream.to_owned() })
}

/// Tells whether a tag may be of a module in a stream with dashes, and its name read as that of another module.
fn may_be_of(tag: &str, name: &str) -> bool {
    let rest = tag.strip_prefix(MODULE_TAG).and_then(|rest| rest.strip_prefix(name)?.strip_prefix('-'));
    rest.is_some_and(|rest| rest.matches('-').count() > 2)
}

/// Reads off a tag's settings which module it was made for.
fn read_setting(tag: &Tag) -> Option<Tagged> {
    let text = tag.extra.get(environment::MODULE)?.text(environment::MODULE).ok()?;
    let mut parts = text.split_once(' ').map_or(text, |(nsvc, _)| nsvc).split(':');
    Some(Tagged { name: parts.next()?.to_owned(), stream: parts.next()?.to_owned() })
}
