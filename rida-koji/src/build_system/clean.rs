//! Taking away what nobody needs any more: targets of modules that ended, and tags of packages of failed ones.

use std::time::Duration;

use rida_core::{
    BuildFilter, BuildId, BuildState, ListQuery, ModuleBuild, Nsvc, PortError, StoreError, StoreErrorKind, Timestamp,
};

use super::environment::MODULE;
use super::{KojiBuildSystem, unreadable};
use crate::error::{KojiErrorKind, fault};
use crate::map::{Names, port_error, refused};
use crate::wire::{Build, Tag, Target};
use crate::xmlrpc::{Call, Fault, Value};

/// How many modules are looked at together.
const PAGE: u64 = 50;
/// For how long after their time modules are still looked at.
const FAILED_WINDOW: Duration = Duration::from_secs(90 * 24 * 3600);

/// How old what is taken away is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanUp {
    /// How long after its module ended a target is deleted.
    pub targets_after: Duration,
    /// How long after it failed, or ended where it was only tried, a module's packages are untagged. When it is
    /// submitted again within a day, they are taken to be tagged still.
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
    /// What the hub refused, each with its reason. It is tried again the next time.
    pub refused: Vec<String>,
}

/// Cleaning up ended before its end: the hub or the store could not answer.
#[derive(Debug, thiserror::Error)]
#[error("Koji cannot be cleaned up to the end")]
pub struct CleanUpError {
    /// What was taken away until then.
    pub cleaned: Cleaned,
    /// Why it ended.
    pub source: PortError,
}

impl Cleaned {
    /// Notes a refusal, once for all that were refused alike.
    fn refuse(&mut self, doing: &str, fault: Fault) {
        let text = refused(doing, fault).message().to_owned();
        if !self.refused.contains(&text) {
            self.refused.push(text);
        }
    }
}

impl KojiBuildSystem {
    /// Takes away what is old enough: targets, and the packages of modules that failed or were only tried. A second call
    /// finds nothing. Only what this service made, and knows, is touched. What the hub refuses is told, and keeps nothing
    /// else from being taken away.
    ///
    /// # Errors
    /// When the hub or the store cannot answer; what was done until then stays done, and is in the error.
    pub async fn clean_up(&self, now: Timestamp, ages: &CleanUp) -> Result<Cleaned, CleanUpError> {
        let mut cleaned = Cleaned::default();
        match self.take_away(now, ages, &mut cleaned).await {
            Ok(()) => Ok(cleaned),
            Err(source) => Err(CleanUpError { cleaned, source }),
        }
    }

    async fn take_away(&self, now: Timestamp, ages: &CleanUp, cleaned: &mut Cleaned) -> Result<(), PortError> {
        self.delete_old_targets(before(now, ages.targets_after), cleaned).await?;
        // A module that was not only tried keeps its packages for who builds with it.
        for (state, scratch) in [(BuildState::Failed, None), (BuildState::Done, Some(true))] {
            let filter = BuildFilter {
                states: vec![state],
                scratch,
                completed_after: Some(before(now, ages.failed_after.saturating_add(FAILED_WINDOW))),
                completed_before: Some(before(now, ages.failed_after)),
                ..BuildFilter::default()
            };
            let mut query = ListQuery { filter, limit: PAGE, ..ListQuery::default() };
            loop {
                let page = self.builds.list(&query).await.map_err(unavailable)?;
                let mut modules = Vec::new();
                for summary in &page {
                    modules.extend(self.known(summary.id).await?.filter(|build| build.state() == state));
                }
                self.untag(&modules, cleaned).await?;
                match page.last() {
                    Some(last) => query.after = Some(last.id),
                    None => break,
                }
            }
        }
        Ok(())
    }

    /// Deletes the targets of this service's modules that ended before a time. Targets that something else made are left
    /// alone, and so are those of modules that are not known here.
    async fn delete_old_targets(&self, ended_before: Timestamp, cleaned: &mut Cleaned) -> Result<(), PortError> {
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
            let tag = match answer {
                Ok(tag) => Tag::from_value(tag).map_err(unreadable)?,
                Err(fault) => {
                    cleaned.refuse(&format!("the tag {} cannot be looked up", target.dest_tag), fault);
                    continue;
                }
            };
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
        let doing =
            |place: usize| format!("the target {} cannot be deleted", old.get(place).map_or("", String::as_str));
        let done = self.each_done(&calls, doing, cleaned).await?;
        cleaned.targets.extend(old.into_iter().zip(done).filter(|(_, done)| *done).map(|(name, _)| name));
        Ok(())
    }

    /// Takes the packages of modules out of the tags that were made for them, so that Koji may delete them.
    async fn untag(&self, modules: &[ModuleBuild], cleaned: &mut Cleaned) -> Result<(), PortError> {
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
        let (mut untag, mut from) = (Vec::new(), Vec::new());
        for (place, tag) in tags {
            let (known, listed) = (next(), next());
            let known = match known {
                Ok(known) => Tag::from_value(known).map_err(unreadable)?,
                Err(fault) => {
                    cleaned.refuse(&format!("the tag {tag} cannot be looked up"), fault);
                    continue;
                }
            };
            // It failed before it had one, or because somebody else has it.
            if !known.zip(modules.get(place)).is_some_and(|(known, build)| is_of(&known, build)) {
                continue;
            }
            let listed = match listed {
                Ok(listed) => listed,
                Err(fault) => {
                    cleaned.refuse(&format!("what is in the tag {tag} cannot be looked up"), fault);
                    continue;
                }
            };
            for tagged in listed.array("listTagged").map_err(unreadable)? {
                let nvr = Build::from_value(tagged).map_err(unreadable)?.nvr;
                untag.push(Call::new("untagBuild", [tag, &nvr].map(Value::from)).with("strict", false));
                from.push((place, tag));
            }
        }
        let doing =
            |call: usize| format!("packages cannot be untagged from {}", from.get(call).map_or("", |(_, tag)| tag));
        let done = self.each_done(&untag, doing, cleaned).await?;
        let done: Vec<usize> = from.iter().zip(done).filter(|(_, done)| *done).map(|((place, _), _)| *place).collect();
        for (place, module) in modules.iter().enumerate() {
            let count = done.iter().filter(|done| **done == place).count();
            if count > 0 {
                cleaned.untagged.push((module.nsvc().clone(), count));
            }
        }
        Ok(())
    }

    /// Returns a module build that is known here. One that cannot be read is nobody's to clean up after.
    async fn known(&self, id: BuildId) -> Result<Option<ModuleBuild>, PortError> {
        match self.builds.load(id).await {
            Err(error) if *error.kind() == StoreErrorKind::Corrupt => Ok(None),
            build => build.map_err(unavailable),
        }
    }

    /// Returns the module build that a tag was made for, when it is one of this service's.
    async fn made_for(&self, tag: &Tag) -> Result<Option<ModuleBuild>, PortError> {
        let text = tag.extra.get(MODULE).and_then(|value| value.text(MODULE).ok());
        let Some((nsvc, id)) = text.and_then(|text| text.split_once(" #")) else { return Ok(None) };
        let Some(id) = id.parse().ok().and_then(BuildId::new) else { return Ok(None) };
        let build = self.known(id).await?;
        Ok(build.filter(|build| build.nsvc().to_string() == nsvc))
    }

    /// Makes calls whose repetition is harmless, and tells of each whether it was done, as it is where nothing was left to
    /// do. They are made a request at a time: when its answer is lost, the others are still made.
    async fn each_done(
        &self,
        calls: &[Call],
        doing: impl Fn(usize) -> String,
        cleaned: &mut Cleaned,
    ) -> Result<Vec<bool>, PortError> {
        let mut done = Vec::with_capacity(calls.len());
        for chunk in calls.chunks(self.client.config().batch.max(1)) {
            let answers = match self.client.write_many(chunk).await {
                Ok(answers) => answers,
                Err(error) if error.kind() == KojiErrorKind::Committed => {
                    chunk.iter().map(|_| Ok(Value::Nil)).collect()
                }
                Err(error) => return Err(port_error(error)),
            };
            for answer in answers {
                let refusal = answer.err().filter(|fault| fault.code != fault::GENERIC);
                let is_done = refusal.is_none();
                if let Some(fault) = refusal {
                    cleaned.refuse(&doing(done.len()), fault);
                }
                done.push(is_done);
            }
        }
        Ok(done)
    }
}

fn unavailable(error: StoreError) -> PortError {
    PortError::unavailable("what is known of builds cannot be read").because(error)
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
