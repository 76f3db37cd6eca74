//! Taking away what nobody needs any more: targets of modules that ended, and tags of packages of failed ones.

use std::time::Duration;

use rida_core::{BuildFilter, BuildId, BuildState, ListQuery, ModuleBuild, Nsvc, PortError, StoreErrorKind, Timestamp};

use super::environment::MODULE;
use super::{KojiBuildSystem, unreadable};
use crate::error::{KojiErrorKind, fault};
use crate::map::{Names, port_error, refused};
use crate::wire::{Build, Tag, Target};
use crate::xmlrpc::{Call, Value};

/// How many failed modules are looked at together.
const PAGE: u64 = 50;
/// For how long after their time failed modules are still looked at.
const FAILED_WINDOW: Duration = Duration::from_secs(90 * 24 * 3600);

/// How old what is taken away is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanUp {
    /// How long after its module ended a target is deleted.
    pub targets_after: Duration,
    /// How long after it failed a module's packages are untagged. When it is submitted again within a day, they are
    /// taken to be tagged still.
    pub failed_after: Duration,
}

impl Default for CleanUp {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { targets_after: DAY, failed_after: 180 * DAY }
    }
}

/// What was taken away.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cleaned {
    /// The targets that were deleted.
    pub targets: Vec<String>,
    /// The modules of which packages were untagged, with how many.
    pub untagged: Vec<(Nsvc, usize)>,
}

impl KojiBuildSystem {
    /// Takes away what is old enough: targets, and the packages of failed modules. A second call finds nothing. Only what
    /// this service made, and knows, is touched.
    ///
    /// # Errors
    /// When the hub or the store cannot answer, or does not allow it; what was done until then stays done.
    pub async fn clean_up(&self, now: Timestamp, ages: &CleanUp) -> Result<Cleaned, PortError> {
        let targets = self.delete_old_targets(before(now, ages.targets_after)).await?;
        let filter = BuildFilter {
            states: vec![BuildState::Failed],
            completed_after: Some(before(now, ages.failed_after.saturating_add(FAILED_WINDOW))),
            completed_before: Some(before(now, ages.failed_after)),
            ..BuildFilter::default()
        };
        let unavailable =
            |error| PortError::unavailable("what is known of failed builds cannot be read").because(error);
        let mut query = ListQuery { filter, limit: PAGE, ..ListQuery::default() };
        let mut cleaned = Cleaned { targets, untagged: Vec::new() };
        loop {
            let page = self.builds.list(&query).await.map_err(unavailable)?;
            let mut failed = Vec::new();
            for summary in &page {
                match self.builds.load(summary.id).await {
                    Ok(build) => failed.extend(build.filter(|build| build.state() == BuildState::Failed)),
                    Err(error) if *error.kind() == StoreErrorKind::Corrupt => {}
                    Err(error) => return Err(unavailable(error)),
                }
            }
            let counts = self.untag(&failed).await?;
            let untagged = failed.iter().zip(counts).filter(|(_, count)| *count > 0);
            cleaned.untagged.extend(untagged.map(|(build, count)| (build.nsvc().clone(), count)));
            match page.last() {
                Some(last) => query.after = Some(last.id),
                None => return Ok(cleaned),
            }
        }
    }

    /// Deletes the targets of this service's modules that ended before a time, and returns their names. Targets that
    /// something else made are left alone, and so are those of modules that are not known here.
    async fn delete_old_targets(&self, ended_before: Timestamp) -> Result<Vec<String>, PortError> {
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

    /// Takes the packages of modules out of the tags that were made for them, so that Koji may delete them, and returns
    /// how many there were of each.
    async fn untag(&self, modules: &[ModuleBuild]) -> Result<Vec<usize>, PortError> {
        let names: Vec<Names> = modules.iter().map(Names::of).collect();
        let tags: Vec<(usize, &str)> = (0..)
            .zip(&names)
            .flat_map(|(place, names)| [names.tag.as_str(), names.build_tag.as_str()].map(|tag| (place, tag)))
            .collect();
        let mut calls = Vec::new();
        for (_, tag) in &tags {
            calls.push(Call::new("getTag", [Value::from(*tag)]));
            calls.push(Call::new("listTagged", [Value::from(*tag)]).with("inherit", false));
        }
        let mut answers = self.client.read_many(&calls).await.map_err(port_error)?.into_iter();
        let mut next = || answers.next().unwrap_or(Ok(Value::Nil));
        let (mut counts, mut untag) = (vec![0; modules.len()], Vec::new());
        for (place, tag) in tags {
            let known = next().map_err(|fault| refused("a tag cannot be looked up", fault))?;
            let (known, listed) = (Tag::from_value(known).map_err(unreadable)?, next());
            let (Some(build), Some(count)) = (modules.get(place), counts.get_mut(place)) else { continue };
            // It failed before it had one, or because somebody else has it.
            if !known.is_some_and(|known| is_of(&known, build)) {
                continue;
            }
            let listed = listed.map_err(|fault| refused("what is in a tag cannot be looked up", fault))?;
            for tagged in listed.array("listTagged").map_err(unreadable)? {
                let nvr = Build::from_value(tagged).map_err(unreadable)?.nvr;
                untag.push(Call::new("untagBuild", [tag, &nvr].map(Value::from)).with("strict", false));
                *count += 1;
            }
        }
        self.all_done("a package cannot be untagged", &untag).await?;
        Ok(counts)
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

/// Tells whether a tag was made for a module build.
fn is_of(tag: &Tag, build: &ModuleBuild) -> bool {
    let made_for = tag.extra.get(MODULE).and_then(|value| value.text(MODULE).ok());
    made_for.is_some_and(|made_for| made_for == format!("{} #{}", build.nsvc(), build.id))
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(now.millis().saturating_sub(age))
}
