//! Decides what a build takes over from an earlier one.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::Driver;
use crate::build::ModuleBuild;
use crate::component::ComponentState;
use crate::error::PortError;
use crate::id::{BuildId, ComponentName};
use crate::plan::{RebuildStrategy, ReuseDecision};
use crate::ports::{DonorQuery, StoreError, StoreErrorKind};

/// Returns a build as it will be if the donor has all that is wanted of it, for who prepares its environment: what is
/// all taken over needs less.
pub(super) fn likely<'a>(build: &'a ModuleBuild, donor: Option<&ModuleBuild>) -> Cow<'a, ModuleBuild> {
    let Some(donor) = donor else { return Cow::Borrowed(build) };
    let mut likely = build.clone();
    match ReuseDecision::new(build, donor, |_| true).apply(&mut likely) {
        Ok(unneeded) => {
            for index in unneeded {
                if let Some(component) = likely.components.get_mut(index) {
                    component.state = ComponentState::Unneeded;
                }
            }
            Cow::Owned(likely)
        }
        Err(_) => Cow::Borrowed(build),
    }
}

impl Driver {
    /// Decides what a build takes over from a donor; nothing when there is none.
    ///
    /// The answer becomes a part of the fact that the environment is prepared, so that the log tells it: neither a
    /// later donor nor a later version of the rules changes what was decided.
    pub(super) async fn decide_reuse(
        &self,
        build: &ModuleBuild,
        donor: Option<ModuleBuild>,
    ) -> Result<Option<ReuseDecision>, PortError> {
        let Some(donor) = donor else { return Ok(None) };
        let wanted = ReuseDecision::new(build, &donor, |_| true);
        let wanted: Vec<ComponentName> = wanted.taken().map(|(name, _)| name.clone()).collect();
        let there = match wanted.as_slice() {
            [] => Vec::new(),
            wanted => self.parts.build_system.reusable(&donor, wanted).await?,
        };
        let there: BTreeSet<ComponentName> = there.into_iter().collect();
        Ok(Some(ReuseDecision::new(build, &donor, |name| there.contains(name))))
    }

    /// Returns the build to take components from: the one that an earlier run took from, else the last that fits. What
    /// one build takes over was built together.
    pub(super) async fn donor(&self, build: &ModuleBuild) -> Result<Option<ModuleBuild>, PortError> {
        if build.submission.rebuild_strategy == RebuildStrategy::All || build.plan().is_empty() {
            return Ok(None);
        }
        let id = match build.donor() {
            Some(before) => Some(before),
            None => self.find_donor(build).await?,
        };
        let Some(id) = id.filter(|id| *id != build.id) else { return Ok(None) };
        match self.parts.store.load(id).await {
            Ok(donor) => Ok(donor),
            // One that cannot be read is none: everything is built.
            Err(error) if *error.kind() == StoreErrorKind::Corrupt => Ok(None),
            Err(error) => Err(unavailable(error)),
        }
    }

    async fn find_donor(&self, build: &ModuleBuild) -> Result<Option<BuildId>, PortError> {
        let submission = &build.submission;
        let wanted = DonorQuery {
            name: submission.nsvc.name.clone(),
            stream: submission.nsvc.stream.clone(),
            build_context: submission.build_context(),
            strategies: submission.rebuild_strategy.donors().to_vec(),
        };
        self.parts.store.donor(&wanted).await.map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> PortError {
    PortError::unavailable("the earlier builds of the module cannot be looked up").because(error)
}
