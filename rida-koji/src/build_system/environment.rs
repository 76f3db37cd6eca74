//! The environment of a module: tags, packages, groups, inheritance, target.
//!
//! What is missing is found by one question and added by one call, in which everything is done in order. A second run
//! finds nothing missing. What somebody else changed is told and left as it is: see [`changed`](super::changed).

use std::collections::{BTreeMap, BTreeSet};

use rida_core::modulemd::{ModuleStream, Xmd};
use rida_core::{ComponentName, ComponentState, ModuleBuild, PortError};

use super::parents::Parent;
use super::{KojiBuildSystem, document, repository, unreadable};
use crate::error::{KojiErrorKind, fault};
use crate::map::{Names, port_error, refused};
use crate::wire::{Repository, Tag, Target};
use crate::xmlrpc::{Answer, Call, Struct, Value};

/// The setting of a tag that says which module it was made for.
pub(super) const MODULE: &str = "rida.module";
/// The group whose packages are in every build root.
pub(super) const BUILD: &str = "build";
/// The group whose packages source packages are made with.
pub(super) const SRPM_BUILD: &str = "srpm-build";
/// How often what is missing is looked for.
const ROUNDS: u32 = 3;
/// The step from one parent's priority to the next.
const PRIORITY_STEP: i64 = 10;

/// What a module's environment is to be.
pub(super) struct Wanted {
    pub(super) names: Names,
    module: String,
    /// It was there: packages of the module were built with it.
    was_complete: bool,
    /// Those that the module names itself; empty where it names none.
    arches: Vec<String>,
    pub(super) extra: Struct,
    pub(super) packages: BTreeSet<String>,
    pub(super) blocked: BTreeSet<String>,
    pub(super) groups: [(&'static str, BTreeSet<String>); 2],
    /// What it is built against, whose tags are inherited from.
    pub(super) parents: Vec<Parent>,
    owner: String,
    /// The tag that finished modules go to, and what they are called there.
    finished: Option<(String, Vec<String>)>,
}

/// What there is of it.
pub(super) struct Found {
    pub(super) tag: Option<Tag>,
    pub(super) build_tag: Option<Tag>,
    pub(super) packages: BTreeMap<String, bool>,
    pub(super) build_packages: BTreeMap<String, bool>,
    pub(super) groups: BTreeMap<String, BTreeSet<String>>,
    target: Option<Target>,
    pub(super) inherited: Vec<Struct>,
    pub(super) parents: Vec<Option<Tag>>,
    /// What the list of the tag that finished modules go to says of each name: whether it is blocked.
    finished: Vec<Option<bool>>,
    /// What is to be blocked, was, and is inherited now.
    pub(super) unblocked: BTreeSet<String>,
    /// The repository, if it has all that the build tag says now.
    repository: Option<Repository>,
}

impl KojiBuildSystem {
    pub(super) async fn prepare_environment(&self, build: &ModuleBuild) -> Result<(), PortError> {
        if let Some(first) = self.first_repository(build).await {
            return first;
        }
        let wanted = self.wanted(build).await?;
        // What is all built already, or taken over, needs no builder.
        let needs_builder = build.components.iter().any(|component| {
            let is_spared = component.taken().is_some() || component.state == ComponentState::Unneeded;
            !is_spared && component.state.built().is_none()
        });
        for round in 1..=ROUNDS {
            let found = self.found(&wanted).await?;
            let mut calls = self.missing(&wanted, &found)?;
            self.note_changes(build, &wanted, &found)?;
            let is_missing = needs_builder && found.repository.is_none();
            // Last, so that the repository has all that went before.
            let by_queue = is_missing && self.has_queue().await?;
            calls.extend(by_queue.then(|| repository::request(&wanted.names)));
            if calls.is_empty() && !is_missing {
                return Ok(());
            }
            tracing::debug!(
                build.id = build.id.get(),
                changes = calls.len(),
                "the module's environment is made in Koji"
            );
            let written = if calls.is_empty() { Ok(Vec::new()) } else { self.client.write_many(&calls).await };
            let mut answers = match written {
                Ok(answers) => answers,
                // It was done, and what it came to is seen in the next look.
                Err(error) if error.kind() == KojiErrorKind::Committed => continue,
                Err(error) => return Err(port_error(error)),
            };
            let place = if by_queue { answers.last().cloned() } else { None };
            let is_changed = answers.iter().any(Result::is_ok);
            let refusals = calls.iter().zip(answers.drain(..)).filter_map(|(call, answer)| Some((call, answer.err()?)));
            // What is in no list cannot be blocked, and need not be: it is not inherited.
            let mut refusals =
                refusals.filter(|(call, fault)| call.method != "packageListBlock" || fault.code != fault::GENERIC);
            match refusals.next() {
                // The repository that there is lacks what was changed just now; the next round asks for another.
                None if !is_missing && needs_builder && is_changed && round < ROUNDS => {}
                None if !is_missing => return Ok(()),
                None => {
                    return Err(match place {
                        Some(answer) => self.first_is_pending(build, repository::place(answer.unwrap_or(Value::Nil))?),
                        None => self.ask_for_first(build).await?,
                    });
                }
                // Somebody else may have been faster.
                Some((_, fault)) if fault.code == fault::GENERIC && round < ROUNDS => {}
                Some((call, fault)) => {
                    return Err(refused(&format!("the environment cannot be made ({})", call.method), fault));
                }
            }
        }
        Err(PortError::temporary("Koji has not answered what became of the module's environment"))
    }

    async fn wanted(&self, build: &ModuleBuild) -> Result<Wanted, PortError> {
        let stream = document(build)?;
        let macros = ComponentName::macros();
        let words = |words: &[String]| words.iter().cloned().collect::<BTreeSet<_>>();
        let (mut build_group, mut srpm_group) = (words(&self.config.build_group), words(&self.config.srpm_group));
        for (key, component) in &stream.components.rpms {
            let name = component.name.as_ref().unwrap_or(key);
            if component.buildroot {
                build_group.insert(name.clone());
            }
            if component.srpm_buildroot {
                srpm_group.insert(name.clone());
            }
        }
        // What the module has built is its own, and was unblocked when it was tagged.
        let is_built = |name: &String| {
            let mut built = build.components().filter(|(_, component)| component.state.built().is_some());
            built.any(|(planned, _)| planned.name.as_str() == name)
        };
        let mut blocked = blocked(&stream);
        blocked.retain(|name| !is_built(name));
        let mut packages: BTreeSet<String> = build.plan().iter().map(|component| component.name.to_string()).collect();
        packages.insert(macros.to_string());
        let mut extra = self.config.tag_extra.clone();
        let module = format!("{} #{}", build.nsvc(), build.id);
        extra.insert(MODULE.to_owned(), Value::from(module.as_str()));
        let owner = match &self.config.package_owner {
            Some(owner) => owner.clone(),
            None => self.client.user().await.map_err(port_error)?.name.clone(),
        };
        Ok(Wanted {
            names: self.names(build),
            module,
            was_complete: was_complete(build),
            arches: stream.buildopts.map(|options| options.arches.into_iter().collect()).unwrap_or_default(),
            extra,
            packages,
            blocked,
            groups: [(BUILD, build_group), (SRPM_BUILD, srpm_group)],
            parents: self.parents(build).await?,
            owner,
            finished: self.finished(build),
        })
    }

    /// Returns the tag that a finished module goes to, and what it is called there.
    fn finished(&self, build: &ModuleBuild) -> Option<(String, Vec<String>)> {
        let import = self.config.import.as_ref().filter(|_| !build.is_scratch())?;
        let name = build.nsvc().name.to_string();
        let devel = import.devel.then(|| format!("{name}-devel"));
        Some((import.tag.clone()?, std::iter::once(name).chain(devel).collect()))
    }

    /// Asks for all that there is, in one question.
    async fn found(&self, wanted: &Wanted) -> Result<Found, PortError> {
        let Names { tag, build_tag, target, mark: _ } = &wanted.names;
        let by_name = |method: &str, name: &str| Call::new(method, [Value::from(name)]);
        let mut calls = vec![
            by_name("getTag", tag),
            by_name("getTag", build_tag),
            Call::new("listPackages", []).with("tagID", tag.as_str()),
            Call::new("listPackages", []).with("tagID", build_tag.as_str()),
            by_name("getTagGroups", build_tag).with("inherit", false),
            by_name("getBuildTarget", target),
            by_name("getInheritanceData", build_tag),
            by_name("getRepo", build_tag),
        ];
        calls.extend(wanted.parents.iter().map(|parent| by_name("getTag", &parent.tag)));
        // A tag that takes no such module would refuse it when all is built; so that is asked now.
        calls.extend(wanted.finished.iter().flat_map(|(tag, names)| names.iter().map(move |name| (tag, name))).map(
            |(tag, name)| {
                let list = Call::new("listPackages", []).with("tagID", tag.as_str());
                list.with("pkgID", name.as_str()).with("inherited", true)
            },
        ));
        // Of what is in no list of the tag alone, this tells what was never there to be blocked.
        let were_blocked = wanted.blocked.iter().filter(|_| wanted.was_complete);
        calls.extend(were_blocked.clone().map(|name| {
            let list = Call::new("listPackages", []).with("tagID", build_tag.as_str());
            list.with("pkgID", name.as_str()).with("inherited", true)
        }));
        let answers = self.client.read_many(&calls).await.map_err(port_error)?;
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        let found_tag = |answer: Answer| {
            let value = answer.map_err(|fault| refused("a tag cannot be looked up", fault))?;
            Tag::from_value(value).map_err(unreadable)
        };
        let (tag, build_tag) = (found_tag(next())?, found_tag(next())?);
        let mut found = Found {
            packages: packages(next(), tag.is_some())?,
            build_packages: packages(next(), build_tag.is_some())?,
            groups: groups(next(), build_tag.is_some())?,
            target: Target::from_value(next().map_err(|fault| refused("a target cannot be looked up", fault))?)
                .map_err(unreadable)?,
            inherited: structs(next(), build_tag.is_some())?,
            // A tag that is not there is refused, and has none.
            repository: Repository::from_value(next().unwrap_or(Value::Nil)).map_err(unreadable)?,
            parents: std::iter::repeat_with(|| found_tag(next()))
                .take(wanted.parents.len())
                .collect::<Result<_, _>>()?,
            finished: wanted
                .finished
                .iter()
                .flat_map(|(_, names)| names)
                // A package that nobody ever built is refused, and so is in no list.
                .map(|name| Ok(packages(next().or(Ok(Value::Array(Vec::new()))), true)?.get(name).copied()))
                .collect::<Result<_, PortError>>()?,
            unblocked: were_blocked
                .map(|name| {
                    Ok((name, packages(next().or(Ok(Value::Array(Vec::new()))), true)?.get(name) == Some(&false)))
                })
                .filter_map(|of| of.map(|(name, is_there)| is_there.then(|| name.clone())).transpose())
                .collect::<Result<_, PortError>>()?,
            tag,
            build_tag,
        };
        if let (Some(tag), Some(repository)) = (&found.build_tag, &found.repository)
            && !self.is_current(tag.id, repository).await?
        {
            found.repository = None;
        }
        Ok(found)
    }

    /// Tells whether a repository is of what its tag says now, or what was changed since is not in it: somebody, or an
    /// earlier preparation with other settings, changed groups or the inheritance.
    pub(super) async fn is_current(&self, tag: i64, repository: &Repository) -> Result<bool, PortError> {
        let call = Call::new("tagChangedSinceEvent", [Value::Int(repository.event), Value::Array(vec![tag.into()])]);
        Ok(self.client.read(&call).await.map_err(port_error)? == Value::Bool(false))
    }

    /// Returns the architectures of a module: its own, or those that the service is set to, or those of the base module.
    pub(super) fn arches(&self, wanted: &Wanted, found: &Found) -> Result<Vec<String>, PortError> {
        if !wanted.arches.is_empty() {
            return Ok(wanted.arches.clone());
        }
        if !self.config.arches.is_empty() {
            return Ok(self.config.arches.iter().map(ToString::to_string).collect());
        }
        let mut bases = wanted.parents.iter().zip(&found.parents).filter(|(parent, _)| parent.build.is_none());
        let of_base =
            bases.find_map(|(_, tag)| tag.as_ref().map(|tag| &tag.arches).filter(|arches| !arches.is_empty()));
        of_base.cloned().ok_or_else(|| {
            let text = "no architectures are known: the modulemd names none in buildopts.arches, nor do Koji's tags of its \
                        base modules; the service's operator can set koji.arches";
            PortError::permanent(text)
        })
    }

    /// Returns the calls that make what is missing, in the order that they depend on each other.
    fn missing(&self, wanted: &Wanted, found: &Found) -> Result<Vec<Call>, PortError> {
        let Names { tag, build_tag, target, mark: _ } = &wanted.names;
        // What nothing was built of is left out, which the build's log tells.
        let mut parents = wanted.parents.iter().zip(&found.parents);
        if let Some((parent, _)) = parents.find(|(parent, tag)| tag.is_none() && !parent.may_have_no_tag()) {
            let Parent { tag, name, .. } = parent;
            return Err(PortError::permanent(format!("Koji has no tag {tag}, which {name} is in")));
        }
        let arches = self.arches(wanted, found)?;
        let mut calls = Vec::new();
        for (name, known) in [(tag, &found.tag), (build_tag, &found.build_tag)] {
            match known {
                None => calls.push(
                    Call::new("createTag", [Value::from(name.as_str())])
                        .with("arches", arches.join(" "))
                        .with("extra", wanted.extra.clone()),
                ),
                Some(known) => check_tag(known, wanted)?,
            }
            let permission = known.as_ref().and_then(|known| known.permission.as_ref());
            if let (Some(permission), None, false) = (&self.config.permission, permission, found.is_complete(wanted)) {
                let call = Call::new("editTag2", [Value::from(name.as_str())]);
                calls.push(call.with("perm", permission.as_str()));
            }
        }
        for (name, known) in [(tag, &found.packages), (build_tag, &found.build_packages)] {
            for package in &wanted.packages {
                match known.get(package) {
                    None if found.is_complete(wanted) => {}
                    None => calls
                        .push(Call::new("packageListAdd", [name.as_str(), package, &wanted.owner].map(Value::from))),
                    Some(false) => {}
                    // Until it is built here.
                    Some(true) if name == build_tag && wanted.blocked.contains(package) => {}
                    Some(true) => {
                        return Err(PortError::permanent(format!(
                            "somebody blocked the package {package} in Koji's tag {name}; unblock it there"
                        )));
                    }
                }
            }
        }
        // Before the inheritance: what is inherited already would not be added.
        for (group, packages) in wanted.groups.iter().filter(|_| !found.is_complete(wanted)) {
            let known = found.groups.get(*group);
            if known.is_none() {
                calls.push(Call::new("groupListAdd", [build_tag.as_str(), group].map(Value::from)));
            }
            let missing = packages.iter().filter(|package| known.is_none_or(|known| !known.contains(*package)));
            calls.extend(missing.map(|package| {
                Call::new("groupPackageListAdd", [build_tag.as_str(), group, package].map(Value::from))
            }));
        }
        if !found.is_complete(wanted) {
            calls.extend(inheritance(wanted, found));
        }
        // After it: what is in no list of what is inherited cannot be blocked.
        let blocked = wanted.blocked.iter().filter(|package| found.build_packages.get(*package) != Some(&true));
        let blocked = blocked.filter(|_| !found.is_complete(wanted));
        calls.extend(
            blocked.map(|package| Call::new("packageListBlock", [build_tag.as_str(), package].map(Value::from))),
        );
        if let Some((tag, names)) = &wanted.finished {
            if let Some((name, _)) = names.iter().zip(&found.finished).find(|(_, blocked)| **blocked == Some(true)) {
                return Err(PortError::permanent(format!(
                    "somebody blocked the package {name} in Koji's tag {tag}, which finished modules go to; unblock it there"
                )));
            }
            let missing = names.iter().zip(&found.finished).filter(|(_, listed)| listed.is_none());
            calls
                .extend(missing.map(|(name, _)| {
                    Call::new("packageListAdd", [tag.as_str(), name, &wanted.owner].map(Value::from))
                }));
        }
        match &found.target {
            None => {
                calls.push(Call::new(
                    "createBuildTarget",
                    [target, build_tag, tag].map(|name| Value::from(name.as_str())),
                ));
            }
            Some(known) if known.build_tag == *build_tag && known.dest_tag == *tag => {}
            Some(known) => {
                return Err(PortError::permanent(format!(
                    "Koji's target {target} builds with {} for {}; somebody changed it, or made it for something else",
                    known.build_tag, known.dest_tag
                )));
            }
        }
        Ok(calls)
    }
}

/// Returns the packages that a module wants none of that is inherited.
pub(super) fn blocked(stream: &ModuleStream) -> BTreeSet<String> {
    let options = stream.xmd.get("mbs_options");
    match options.and_then(|options| options.get("blocked_packages")) {
        Some(Xmd::List(packages)) => packages
            .iter()
            .filter_map(|package| match package {
                Xmd::Text(name) => Some(name.clone()),
                _ => None,
            })
            .collect(),
        _ => BTreeSet::new(),
    }
}

impl Found {
    /// Tells whether all was made: what is not there was taken away since.
    pub(super) fn is_complete(&self, wanted: &Wanted) -> bool {
        wanted.was_complete && self.tag.is_some() && self.build_tag.is_some()
    }
}

/// Tells whether all of a build's environment was made: the macros were tagged, for which the groups have to be there, or
/// something was built with them, or taken over.
fn was_complete(build: &ModuleBuild) -> bool {
    let macros = ComponentName::macros();
    build.components().any(|(planned, component)| match &component.state {
        ComponentState::Tagged(_) | ComponentState::Available(_) => true,
        state => planned.name != macros && state.built().is_some(),
    })
}

/// Refuses a tag that is not this module's, or that nobody can change.
fn check_tag(tag: &Tag, wanted: &Wanted) -> Result<(), PortError> {
    let name = &tag.name;
    match tag.extra.get(MODULE) {
        Some(Value::Text(module)) if *module == wanted.module => {}
        Some(other) => {
            let other = other.text("tag").unwrap_or("something else");
            return Err(PortError::permanent(format!("Koji's tag {name} was made for {other}, by another service")));
        }
        None => {
            return Err(PortError::permanent(format!(
                "Koji has a tag {name} that this service did not make; remove it, or build from a new commit"
            )));
        }
    }
    if tag.locked {
        return Err(PortError::permanent(format!("somebody locked Koji's tag {name}; unlock it there")));
    }
    Ok(())
}

fn inheritance(wanted: &Wanted, found: &Found) -> Option<Call> {
    let number = |link: &Struct, name: &str| match link.get(name) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    };
    let known: BTreeSet<i64> = found.inherited.iter().filter_map(|link| number(link, "parent_id")).collect();
    let highest = found.inherited.iter().filter_map(|link| number(link, "priority")).max();
    let mut priority = highest.map_or(0, |highest| highest + PRIORITY_STEP);
    let mut links = Vec::new();
    for parent in found.parents.iter().flatten() {
        if known.contains(&parent.id) {
            continue;
        }
        links.push(Value::from([
            ("parent_id", Value::Int(parent.id)),
            ("priority", Value::Int(priority)),
            ("maxdepth", Value::Nil),
            ("intransitive", Value::Bool(false)),
            ("noconfig", Value::Bool(false)),
            ("pkg_filter", Value::from("")),
        ]));
        priority += PRIORITY_STEP;
    }
    let tag = Value::from(wanted.names.build_tag.as_str());
    (!links.is_empty()).then(|| Call::new("setInheritanceData", [tag, Value::Array(links)]))
}

/// Reads a list of structs; a tag that is not there has none.
fn structs(answer: Answer, is_there: bool) -> Result<Vec<Struct>, PortError> {
    if !is_there {
        return Ok(Vec::new());
    }
    let value = answer.map_err(|fault| refused("a tag cannot be looked up", fault))?;
    let each = value.array("list").map_err(unreadable)?.into_iter().map(|item| match item {
        Value::Struct(members) => Ok(members),
        other => Err(unreadable(other.shape("item", "a struct"))),
    });
    each.collect()
}

/// Reads a tag's list of packages, each with whether it is blocked.
pub(super) fn packages(answer: Answer, is_there: bool) -> Result<BTreeMap<String, bool>, PortError> {
    let each = structs(answer, is_there)?.into_iter().map(|item| {
        let mut fields = Value::Struct(item).fields("package")?;
        Ok((fields.text("package_name")?, fields.flag("blocked")?))
    });
    each.collect::<Result<_, _>>().map_err(unreadable)
}

pub(super) fn groups(answer: Answer, is_there: bool) -> Result<BTreeMap<String, BTreeSet<String>>, PortError> {
    let each = structs(answer, is_there)?.into_iter().map(|item| {
        let mut fields = Value::Struct(item).fields("group")?;
        let name = fields.text("name")?;
        let packages = fields.take("packagelist").array("packagelist")?.into_iter();
        let packages = packages.map(|package| package.fields("package")?.text("package"));
        Ok((name, packages.collect::<Result<_, _>>()?))
    });
    each.collect::<Result<_, _>>().map_err(unreadable)
}
