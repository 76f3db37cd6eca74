//! Putting what was built into the module's tags.

use std::collections::BTreeSet;

use rida_core::{ComponentKey, ComponentName, ModuleBuild, PortError};
use tokio::time::sleep;

use super::{KojiBuildSystem, document, environment, running, unreadable};
use crate::config::Tagging;
use crate::error::KojiErrorKind;
use crate::map::{Names, port_error, refused};
use crate::wire::{Build, Tag};
use crate::xmlrpc::{Answer, Call, Fault, Value};

/// How often it is looked whether builders have tagged what they were asked to.
const LOOKS: u32 = 10;

/// Something that is to be so when packages are tagged.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// A package of the build tag's list that is blocked, so that nothing is inherited, is blocked no more.
    Unblocked(String),
    /// The macros are in a group of the build tag: in every build root of what is made of it from now on.
    Grouped(&'static str),
    /// A build is in a tag.
    Tagged(String, String),
}

impl Step {
    fn call(&self, names: &Names, tagging: Tagging) -> Call {
        let build_tag = names.build_tag.as_str();
        match self {
            Self::Unblocked(package) => Call::new("packageListUnblock", [build_tag, package].map(Value::from)),
            Self::Grouped(group) => {
                let macros = ComponentName::macros();
                Call::new("groupPackageListAdd", [build_tag, group, macros.as_str()].map(Value::from))
            }
            Self::Tagged(tag, nvr) => {
                let method = match tagging {
                    Tagging::Direct => "tagBuildBypass",
                    Tagging::Task => "tagBuild",
                };
                Call::new(method, [tag.as_str(), nvr].map(Value::from))
            }
        }
    }

    /// Says what could not be done.
    fn refused(&self, fault: Fault) -> PortError {
        match self {
            Self::Unblocked(package) => refused(&format!("the package {package} cannot be unblocked"), fault),
            Self::Grouped(group) => refused(&format!("the macros cannot be put into the group {group}"), fault),
            Self::Tagged(..) => refused("a package cannot be tagged", fault),
        }
    }
}

impl KojiBuildSystem {
    pub(super) async fn tag_components(&self, build: &ModuleBuild, keys: &[ComponentKey]) -> Result<(), PortError> {
        let names = self.names(build);
        let blocked = environment::blocked(&document(build)?);
        let mut steps = Vec::new();
        for key in keys {
            let component = build.component(&key.component).filter(|(_, component)| component.attempt == key.attempt);
            let built = component.and_then(|(_, component)| component.state.built());
            let not_built = || PortError::permanent(format!("{} was not built", key.component));
            let nvr = built.ok_or_else(not_built)?.nvr.to_string();
            if blocked.contains(key.component.as_str()) {
                steps.push(Step::Unblocked(key.component.to_string()));
            }
            if key.component == ComponentName::macros() {
                // Before the repository that has it.
                steps.extend([environment::BUILD, environment::SRPM_BUILD].map(Step::Grouped));
            } else {
                steps.push(Step::Tagged(names.tag.clone(), nvr.clone()));
            }
            steps.push(Step::Tagged(names.build_tag.clone(), nvr));
        }
        let missing = match self.config.tagging {
            Tagging::Direct => steps,
            // Asked first: a task for what is tagged already would fail.
            Tagging::Task => self.missing_steps(&names, &steps).await?,
        };
        if missing.is_empty() {
            return Ok(());
        }
        let asked = match self.config.tagging {
            Tagging::Direct => Vec::new(),
            Tagging::Task => self.being_tagged(&names, &missing).await?,
        };
        let asking: Vec<&Step> = missing.iter().filter(|step| !asked.contains(step)).collect();
        let calls: Vec<Call> = asking.iter().map(|step| step.call(&names, self.config.tagging)).collect();
        let written = if calls.is_empty() { Ok(Vec::new()) } else { self.client.write_many(&calls).await };
        let answers = match written {
            Ok(answers) => Some(answers),
            // What was refused of it is not known.
            Err(error) if error.kind() == KojiErrorKind::Committed => None,
            Err(error) => return Err(port_error(error)),
        };
        let is_told = answers.is_some();
        let answers = asking.into_iter().zip(answers.into_iter().flatten());
        let mut refusals: Vec<(&Step, Fault)> =
            answers.filter_map(|(step, answer)| Some((step, answer.err()?))).collect();
        if is_told && refusals.is_empty() && self.config.tagging == Tagging::Direct {
            return Ok(());
        }
        // What was so before is refused; so that is looked at.
        for _ in 0..LOOKS {
            let missing = self.missing_steps(&names, &missing).await?;
            if missing.is_empty() {
                return Ok(());
            }
            refusals.retain(|(step, _)| missing.contains(step));
            if !refusals.is_empty() {
                break;
            }
            sleep(self.config.tagging_pause).await;
        }
        match refusals.into_iter().next() {
            Some((step, fault)) => Err(step.refused(fault)),
            None => Err(PortError::pending("Koji is still tagging packages of the module", self.config.tagging_pause)),
        }
    }

    /// Returns what builders have been asked to tag and have not done yet: who asks again would get another task.
    async fn being_tagged(&self, names: &Names, wanted: &[Step]) -> Result<Vec<Step>, PortError> {
        let wanted: Vec<(&str, &str)> = wanted
            .iter()
            .filter_map(|step| match step {
                Step::Tagged(tag, nvr) => Some((tag.as_str(), nvr.as_str())),
                Step::Unblocked(_) | Step::Grouped(_) => None,
            })
            .collect();
        let mut calls = vec![running::ask("tagBuild", None)];
        calls.extend([&names.tag, &names.build_tag].map(|tag| Call::new("getTag", [Value::from(tag.as_str())])));
        calls.extend(wanted.iter().map(|(_, nvr)| Call::new("getBuild", [Value::from(*nvr)])));
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let mut next =
            || answers.next().unwrap_or(Ok(Value::Nil)).map_err(|fault| refused("Koji cannot be asked", fault));
        // Tasks name both by their numbers.
        let tasks: BTreeSet<(i64, i64)> = running::tasks(next()?)?.iter().filter_map(running::tagging).collect();
        let mut tags = Vec::new();
        for name in [&names.tag, &names.build_tag] {
            tags.extend(Tag::from_value(next()?).map_err(unreadable)?.map(|tag| (name.as_str(), tag.id)));
        }
        let mut asked = Vec::new();
        for (tag, nvr) in wanted {
            let Some(build) = Some(next()?).filter(|build| !build.is_nil()) else { continue };
            let build = Build::from_value(build).map_err(unreadable)?.id;
            let of_tag = tags.iter().find(|(name, _)| *name == tag).map(|(_, id)| *id);
            if of_tag.is_some_and(|tag| tasks.contains(&(tag, build))) {
                asked.push(Step::Tagged(tag.to_owned(), nvr.to_owned()));
            }
        }
        Ok(asked)
    }

    /// Returns what of it is not so.
    async fn missing_steps(&self, names: &Names, wanted: &[Step]) -> Result<Vec<Step>, PortError> {
        let of = |method: &str, tag: &str| Call::new(method, [Value::from(tag)]);
        let mut calls = vec![
            of("listTagged", &names.tag).with("inherit", false),
            of("listTagged", &names.build_tag).with("inherit", false),
        ];
        let has_macros = wanted.iter().any(|step| matches!(step, Step::Grouped(_)));
        calls.extend(has_macros.then(|| of("getTagGroups", &names.build_tag)));
        let is_blocking = wanted.iter().any(|step| matches!(step, Step::Unblocked(_)));
        calls.extend(is_blocking.then(|| Call::new("listPackages", []).with("tagID", names.build_tag.as_str())));
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        let mut tagged = BTreeSet::new();
        for tag in [&names.tag, &names.build_tag] {
            let builds = next().map_err(|fault| refused("a tag cannot be looked up", fault))?;
            for build in builds.array("listTagged").map_err(unreadable)? {
                tagged.insert((tag.as_str(), Build::from_value(build).map_err(unreadable)?.nvr));
            }
        }
        let groups = environment::groups(next_if(has_macros, &mut next), has_macros)?;
        let packages = environment::packages(next_if(is_blocking, &mut next), is_blocking)?;
        let macros = ComponentName::macros();
        let is_so = |step: &&Step| match step {
            Step::Unblocked(package) => packages.get(package) != Some(&true),
            Step::Grouped(group) => groups.get(*group).is_some_and(|packages| packages.contains(macros.as_str())),
            Step::Tagged(tag, nvr) => tagged.contains(&(tag.as_str(), nvr.clone())),
        };
        Ok(wanted.iter().filter(|step| !is_so(step)).cloned().collect())
    }
}

/// Returns the next answer when it was asked for.
fn next_if(is_asked: bool, next: impl FnOnce() -> Answer) -> Answer {
    if is_asked { next() } else { Ok(Value::Nil) }
}
