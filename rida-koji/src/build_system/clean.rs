//! Taking away what nobody needs any more: targets of modules that ended, and tags of packages of failed ones.

use rida_core::{BuildId, ModuleBuild, PortError, Timestamp};

use super::environment::MODULE;
use super::{KojiBuildSystem, unreadable};
use crate::error::{KojiErrorKind, fault};
use crate::map::{Names, port_error, refused};
use crate::wire::{Build, Tag, Target};
use crate::xmlrpc::{Call, Value};

impl KojiBuildSystem {
    /// Deletes the targets of this service's modules that ended before a time, and returns their names. Targets that
    /// something else made are left alone, and so are those of modules that are not known here.
    ///
    /// # Errors
    /// When the hub or the store cannot answer, or does not allow it.
    pub async fn delete_old_targets(&self, ended_before: Timestamp) -> Result<Vec<String>, PortError> {
        let answer = self.client.read(&Call::new("getBuildTargets", [])).await.map_err(port_error)?;
        let mut candidates = Vec::new();
        for target in answer.array("getBuildTargets").map_err(unreadable)? {
            let target = Target::from_value(target).map_err(unreadable)?;
            candidates.extend(target.filter(|target| target.build_tag == format!("{}-build", target.dest_tag)));
        }
        let tags: Vec<Call> =
            candidates.iter().map(|target| Call::new("getTag", [Value::from(target.dest_tag.as_str())])).collect();
        let mut old = Vec::new();
        for (target, answer) in candidates.into_iter().zip(self.client.read_many(&tags).await.map_err(port_error)?) {
            let tag = answer.map_err(|fault| refused("a tag cannot be looked up", fault))?;
            let tag = Tag::from_value(tag).map_err(unreadable)?;
            if let Some(tag) = tag
                && let Some(build) = self.made_for(&tag).await?
                && Names::of(&build).target == target.name
                && build.completed_at().is_some_and(|ended| ended < ended_before)
            {
                old.push(target.name);
            }
        }
        let calls: Vec<Call> =
            old.iter().map(|name| Call::new("deleteBuildTarget", [Value::from(name.as_str())])).collect();
        self.all_done("a target cannot be deleted", &calls).await?;
        Ok(old)
    }

    /// Takes the packages of a failed module out of its tags, so that Koji may delete them, and returns how many there
    /// were.
    ///
    /// # Errors
    /// When the module has not failed, or the hub cannot answer or does not allow it.
    pub async fn untag_failed(&self, build: &ModuleBuild) -> Result<usize, PortError> {
        if build.state() != rida_core::BuildState::Failed {
            return Err(PortError::permanent(format!("the module build {} has not failed", build.id)));
        }
        let names = self.names(build);
        let tags = [names.tag.as_str(), names.build_tag.as_str()];
        let lists = tags.map(|tag| Call::new("listTagged", [Value::from(tag)]).with("inherit", false));
        let mut calls = Vec::new();
        for (tag, answer) in tags.into_iter().zip(self.client.read_many(&lists).await.map_err(port_error)?) {
            let builds = match answer {
                Ok(builds) => builds.array("listTagged").map_err(unreadable)?,
                // There is no such tag: it failed before it had one.
                Err(fault) if fault.code == fault::GENERIC => Vec::new(),
                Err(fault) => return Err(refused("a tag cannot be looked up", fault)),
            };
            for tagged in builds {
                let nvr = Build::from_value(tagged).map_err(unreadable)?.nvr;
                calls.push(Call::new("untagBuild", [tag, &nvr].map(Value::from)).with("strict", false));
            }
        }
        self.all_done("a package cannot be untagged", &calls).await?;
        Ok(calls.len())
    }

    /// Returns the module build that a tag was made for, when it is one of this service's.
    async fn made_for(&self, tag: &Tag) -> Result<Option<ModuleBuild>, PortError> {
        let text = tag.extra.get(MODULE).and_then(|value| value.text(MODULE).ok());
        let Some((nsvc, id)) = text.and_then(|text| text.split_once(" #")) else { return Ok(None) };
        let Some(id) = id.parse().ok().and_then(BuildId::new) else { return Ok(None) };
        let unavailable = |error| PortError::unavailable("what is known of a build cannot be read").because(error);
        let build = self.builds.load(id).await.map_err(unavailable)?;
        Ok(build.filter(|build| build.nsvc().to_string() == nsvc))
    }

    /// Makes calls whose repetition is harmless; what is gone already is as good as done.
    async fn all_done(&self, doing: &str, calls: &[Call]) -> Result<(), PortError> {
        if calls.is_empty() {
            return Ok(());
        }
        let answers = match self.client.write_many(calls).await {
            Ok(answers) => answers,
            Err(error) if error.kind() == KojiErrorKind::Committed => return Ok(()),
            Err(error) => return Err(port_error(error)),
        };
        let refusal = answers.into_iter().filter_map(Result::err).find(|fault| fault.code != fault::GENERIC);
        refusal.map_or(Ok(()), |fault| Err(refused(doing, fault)))
    }
}
