//! Decides what a build takes over from an earlier one.

use std::collections::BTreeSet;

use super::Driver;
use crate::base_streams::Compatibility;
use crate::build::ModuleBuild;
use crate::component::{ComponentBuild, ComponentState};
use crate::error::PortError;
use crate::id::{BuildId, ComponentName};
use crate::plan::{RebuildStrategy, ReuseDecision};
use crate::ports::{DonorQuery, StoreError, StoreErrorKind};

impl Driver {
    /// Prepares the environment of a build, and decides what it takes over from an earlier one; nothing when there is
    /// none.
    ///
    /// The answer becomes a part of the fact that the environment is prepared, so that the log tells it: neither a
    /// later donor nor a later version of the rules changes what was decided.
    pub(super) async fn prepare(&self, build: &ModuleBuild) -> Result<Option<ReuseDecision>, PortError> {
        let system = &self.parts.build_system;
        let Some(donor) = self.donor(build).await? else {
            system.prepare(build).await?;
            return Ok(None);
        };
        // An environment in which nothing is built needs less. Only then what is there is asked for before: who prepares
        // may be called many times.
        let wanted = ReuseDecision::new(build, &donor, |_| true);
        if decided(build, &wanted).components.iter().all(is_spared) {
            let decision = self.decide(build, &donor, &wanted).await?;
            system.prepare(&decided(build, &decision)).await?;
            return Ok(Some(decision));
        }
        system.prepare(&decided(build, &wanted)).await?;
        Ok(Some(self.decide(build, &donor, &wanted).await?))
    }

    /// Decides what is taken over of what is wanted, by what of it is still there.
    async fn decide(
        &self,
        build: &ModuleBuild,
        donor: &ModuleBuild,
        wanted: &ReuseDecision,
    ) -> Result<ReuseDecision, PortError> {
        let wanted: Vec<ComponentName> = wanted.taken().map(|(name, _)| name.clone()).collect();
        let there = match wanted.as_slice() {
            [] => Vec::new(),
            wanted => self.parts.build_system.reusable(donor, wanted).await?,
        };
        let there: BTreeSet<ComponentName> = there.into_iter().collect();
        Ok(ReuseDecision::new(build, donor, |name| there.contains(name)))
    }

    /// Returns the build to take components from: the one that an earlier run took from, else the one that was named,
    /// else the last that fits. What one build takes over was built together.
    async fn donor(&self, build: &ModuleBuild) -> Result<Option<ModuleBuild>, PortError> {
        if build.submission.rebuild_strategy == RebuildStrategy::All || build.plan().is_empty() {
            return Ok(None);
        }
        let id = match build.donor().or(build.submission.reuse_from) {
            Some(named) => Some(named),
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
        let (submission, policy) = (&build.submission, &self.parts.policy);
        // A build for an older minor stream of the platform has what this one would build, as long as nothing changed.
        let base = submission.build_requires.iter().find(|require| policy.base_modules.contains(&require.name));
        let build_contexts = match base {
            Some(base) if policy.base_streams.compatibility == Compatibility::Older => {
                let compatible = policy.base_streams.compatible(&base.name, &base.stream);
                compatible.iter().map(|stream| submission.build_context_on(Some((&base.name, stream)))).collect()
            }
            _ => vec![submission.build_context()],
        };
        let wanted = DonorQuery {
            name: submission.nsvc.name.clone(),
            stream: submission.nsvc.stream.clone(),
            build_contexts,
            strategies: submission.rebuild_strategy.donors().to_vec(),
        };
        self.parts.store.donor(&wanted).await.map_err(unavailable)
    }
}

/// Returns a build as a decision makes it.
fn decided(build: &ModuleBuild, decision: &ReuseDecision) -> ModuleBuild {
    let mut after = build.clone();
    // Only what waits was decided.
    for index in decision.apply(&mut after).unwrap_or_default() {
        if let Some(component) = after.components.get_mut(index) {
            component.state = ComponentState::Unneeded;
        }
    }
    after
}

/// Tells whether nobody builds a component in this run.
fn is_spared(component: &ComponentBuild) -> bool {
    component.taken().is_some() || component.state.built().is_some() || component.state == ComponentState::Unneeded
}

fn unavailable(error: StoreError) -> PortError {
    PortError::unavailable("the earlier builds of the module cannot be looked up").because(error)
}
