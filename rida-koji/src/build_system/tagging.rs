//! Putting what was built into the module's tags.

use rida_core::{ComponentKey, ComponentName, ModuleBuild, PortError};
use tokio::time::sleep;

use super::{KojiBuildSystem, unreadable};
use crate::config::Tagging;
use crate::error::KojiErrorKind;
use crate::map::{Names, port_error, refused};
use crate::wire::{Build, Tag, Task};
use crate::xmlrpc::{Call, Fault, Value};

/// How often it is looked whether builders have tagged what they were asked to.
const LOOKS: u32 = 10;

impl KojiBuildSystem {
    pub(super) async fn tag_components(&self, build: &ModuleBuild, keys: &[ComponentKey]) -> Result<(), PortError> {
        let names = self.names(build);
        let mut packages = Vec::new();
        for key in keys {
            let component = build.component(&key.component).filter(|(_, component)| component.attempt == key.attempt);
            let built = component.and_then(|(_, component)| component.state.built());
            let not_built = || PortError::permanent(format!("{} was not built", key.component));
            packages.push((&key.component, built.ok_or_else(not_built)?.nvr.to_string()));
        }
        let method = match self.config.tagging {
            Tagging::Direct => "tagBuildBypass",
            Tagging::Task => "tagBuild",
        };
        let tag = |tag: &str, nvr: &str| Call::new(method, [tag, nvr].map(Value::from));
        let mut calls = Vec::new();
        let mut wanted = Vec::new();
        for (component, nvr) in &packages {
            if **component == ComponentName::macros() {
                // In every build root from now on, before the repository that has it.
                let add = |group: &str| {
                    let name = component.as_str();
                    Call::new("groupPackageListAdd", [names.build_tag.as_str(), group, name].map(Value::from))
                };
                calls.extend(["build", "srpm-build"].map(add));
            } else {
                calls.push(tag(&names.tag, nvr));
                wanted.push((names.tag.as_str(), nvr.as_str()));
            }
            calls.push(tag(&names.build_tag, nvr));
            wanted.push((names.build_tag.as_str(), nvr.as_str()));
        }
        let missing = match self.config.tagging {
            Tagging::Direct => wanted,
            // Asked first: a task for what is tagged already would fail.
            Tagging::Task => self.untagged(&names, &wanted).await?,
        };
        if missing.is_empty() {
            return Ok(());
        }
        let asked = match self.config.tagging {
            Tagging::Direct => Vec::new(),
            Tagging::Task => self.being_tagged(&names, &missing).await?,
        };
        calls.retain(|call| match call.arguments.as_slice() {
            [Value::Text(tag), Value::Text(nvr)] => {
                let pair = (tag.as_str(), nvr.as_str());
                missing.contains(&pair) && !asked.contains(&pair)
            }
            _ => true,
        });
        let written = if calls.is_empty() { Ok(Vec::new()) } else { self.client.write_many(&calls).await };
        let answers = match written {
            Ok(answers) => Some(answers),
            // What was refused of it is not known.
            Err(error) if error.kind() == KojiErrorKind::Committed => None,
            Err(error) => return Err(port_error(error)),
        };
        let is_told = answers.is_some();
        let refusals: Vec<Fault> = answers.into_iter().flatten().filter_map(Result::err).collect();
        if is_told && refusals.is_empty() && self.config.tagging == Tagging::Direct {
            return Ok(());
        }
        // What was tagged before is refused; so that is looked at.
        for _ in 0..LOOKS {
            if self.untagged(&names, &missing).await?.is_empty() {
                return Ok(());
            }
            if !refusals.is_empty() {
                break;
            }
            sleep(self.config.tagging_pause).await;
        }
        match refusals.into_iter().next() {
            Some(fault) => Err(refused("a package cannot be tagged", fault)),
            None => Err(PortError::pending("Koji is still tagging packages of the module", self.config.tagging_pause)),
        }
    }

    /// Returns what builders have been asked to tag and have not done yet: who asks again would get another task.
    async fn being_tagged<'a>(
        &self,
        names: &Names,
        wanted: &[(&'a str, &'a str)],
    ) -> Result<Vec<(&'a str, &'a str)>, PortError> {
        // Tasks name both by their numbers.
        let options = [
            ("method", Value::from("tagBuild")),
            ("state", Value::Array([0, 1, 4].map(Value::Int).to_vec())),
            ("decode", Value::Bool(true)),
        ];
        let mut calls = vec![Call::new("listTasks", [Value::from(options)])];
        calls.extend([&names.tag, &names.build_tag].map(|tag| Call::new("getTag", [Value::from(tag.as_str())])));
        calls.extend(wanted.iter().map(|(_, nvr)| Call::new("getBuild", [Value::from(*nvr)])));
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let mut next =
            || answers.next().unwrap_or(Ok(Value::Nil)).map_err(|fault| refused("Koji cannot be asked", fault));
        let mut tasks = Vec::new();
        for task in next()?.array("listTasks").map_err(unreadable)? {
            let request = Task::from_value(task).map_err(unreadable)?.request;
            if let Value::Array(request) = request
                && let [Value::Int(tag), Value::Int(build), ..] = request.as_slice()
            {
                tasks.push((*tag, *build));
            }
        }
        let mut tags = Vec::new();
        for name in [&names.tag, &names.build_tag] {
            tags.extend(Tag::from_value(next()?).map_err(unreadable)?.map(|tag| (name.as_str(), tag.id)));
        }
        let mut asked = Vec::new();
        for (tag, nvr) in wanted {
            let Some(build) = Some(next()?).filter(|build| !build.is_nil()) else { continue };
            let build = Build::from_value(build).map_err(unreadable)?.id;
            let of_tag = tags.iter().find(|(name, _)| name == tag).map(|(_, id)| *id);
            if of_tag.is_some_and(|tag| tasks.contains(&(tag, build))) {
                asked.push((*tag, *nvr));
            }
        }
        Ok(asked)
    }

    /// Returns which packages are not in which tags.
    async fn untagged<'a>(
        &self,
        names: &Names,
        wanted: &[(&'a str, &'a str)],
    ) -> Result<Vec<(&'a str, &'a str)>, PortError> {
        let list = |tag: &str| Call::new("listTagged", [Value::from(tag)]).with("inherit", false);
        let answers = self.client.read_many(&[list(&names.tag), list(&names.build_tag)]).await.map_err(port_error)?;
        let mut tagged = Vec::new();
        for (answer, tag) in answers.into_iter().zip([&names.tag, &names.build_tag]) {
            let builds = answer.map_err(|fault| refused("a tag cannot be looked up", fault))?;
            for build in builds.array("listTagged").map_err(unreadable)? {
                let build = Build::from_value(build).map_err(unreadable)?;
                tagged.push((tag.as_str(), build.nvr));
            }
        }
        let is_tagged = |(tag, nvr): &&(&str, &str)| tagged.iter().any(|(known, name)| known == tag && name == nvr);
        Ok(wanted.iter().filter(|pair| !is_tagged(pair)).copied().collect())
    }
}
