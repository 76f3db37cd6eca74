//! Which components are taken over from an earlier build of the module, and why the others are built.
//!
//! A pure function of the two builds. A component can be taken over when its commit and its architectures are the same.
//! With [`ChangedAndAfter`](RebuildStrategy::ChangedAndAfter) it must also have been built as it would be built now:
//! with the same macros, at the same place in the order, and after the same components, each of which is taken over
//! itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{PlannedComponent, RebuildStrategy, WaitsFor};
use crate::build::ModuleBuild;
use crate::component::{Built, ComponentBuild, ComponentState};
use crate::id::{BuildId, ComponentName};
use crate::modulemd;

/// What was decided of a component.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    /// What an earlier build made is taken over.
    Taken(Taken),
    /// It is built, for this reason.
    Rebuilt(Arc<str>),
}

/// What is taken over, and from where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// The earlier build.
    pub build: BuildId,
    /// What it has of the component, whoever built it.
    pub built: Built,
}

/// What was decided of all components of a build that waited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReuseDecision {
    /// The earlier build.
    pub donor: BuildId,
    /// Each component, in the plan's order; the generated one is not among them.
    pub components: Vec<(ComponentName, Reuse)>,
}

impl ReuseDecision {
    /// Decides what of a build is taken over from `donor`, a finished build of the same module stream against the same
    /// streams. `is_there` tells whether what the donor has of a component can still be taken.
    ///
    /// Only components that wait are decided; those that an earlier run took over or built stay as they are.
    pub fn new(build: &ModuleBuild, donor: &ModuleBuild, is_there: impl Fn(&ComponentName) -> bool) -> Self {
        let comparison = Comparison::of(build, donor);
        let mut order = Order::of(build, donor);
        let mut components = Vec::new();
        for (index, (planned, component)) in build.components().enumerate() {
            if planned.is_generated() {
                continue;
            }
            let taken = if component.state == ComponentState::Waiting {
                let verdict = comparison.judge(planned, component, &order).and_then(|taken| {
                    if is_there(&planned.name) {
                        Ok(taken)
                    } else {
                        Err(format!("build {} does not have its packages any more", donor.id))
                    }
                });
                let is_taken = verdict.is_ok();
                let reuse = verdict.map_or_else(|why| Reuse::Rebuilt(why.into()), Reuse::Taken);
                components.push((planned.name.clone(), reuse));
                is_taken
            } else {
                component.taken().is_some()
            };
            order.note(index, planned, taken);
        }
        Self { donor: donor.id, components }
    }

    /// Records the decision in components that wait, and returns the indices of those that nothing needs any more: the
    /// macros, when nothing else is built.
    ///
    /// # Errors
    /// When it decides of a component that does not wait, which is returned. Then the build is not to be used.
    pub fn apply(&self, build: &mut ModuleBuild) -> Result<Vec<usize>, ComponentName> {
        let mut decided: BTreeMap<&ComponentName, &Reuse> =
            self.components.iter().map(|(name, reuse)| (name, reuse)).collect();
        for (planned, component) in build.submission.plan.iter().zip(&mut build.components) {
            if component.state == ComponentState::Waiting
                && let Some(reuse) = decided.remove(&planned.name)
            {
                component.reuse = Some(Arc::new(reuse.clone()));
            }
        }
        if let Some(name) = decided.into_keys().next() {
            return Err(name.clone());
        }
        let is_spared = |component: &ComponentBuild| component.taken().is_some() || component.state.built().is_some();
        if build.components().any(|(planned, component)| !planned.is_generated() && !is_spared(component)) {
            return Ok(Vec::new());
        }
        let unneeded = build
            .components()
            .enumerate()
            .filter(|(_, (planned, component))| planned.is_generated() && component.state == ComponentState::Waiting);
        Ok(unneeded.map(|(index, _)| index).collect())
    }

    /// Iterates over the components that are taken over.
    pub fn taken(&self) -> impl Iterator<Item = (&ComponentName, &Taken)> {
        self.components.iter().filter_map(|(name, reuse)| match reuse {
            Reuse::Taken(taken) => Some((name, taken)),
            Reuse::Rebuilt(_) => None,
        })
    }
}

/// The two builds, and what of them does not depend on the component.
struct Comparison<'a> {
    strategy: RebuildStrategy,
    donor: &'a ModuleBuild,
    theirs: BTreeMap<&'a ComponentName, (&'a PlannedComponent, &'a ComponentBuild)>,
    /// Why nothing at all is taken over.
    nothing: Option<String>,
}

impl<'a> Comparison<'a> {
    fn of(build: &ModuleBuild, donor: &'a ModuleBuild) -> Self {
        let strategy = build.submission.rebuild_strategy;
        let theirs = donor.components().map(|(planned, component)| (&planned.name, (planned, component))).collect();
        Self { strategy, donor, theirs, nothing: nothing(strategy, build, donor) }
    }

    /// Says what is taken over, or why nothing is.
    fn judge(
        &self,
        planned: &PlannedComponent,
        component: &ComponentBuild,
        order: &Order<'_>,
    ) -> Result<Taken, String> {
        let donor = self.donor.id;
        if let Some(why) = &self.nothing {
            return Err(why.clone());
        }
        let Some((their_plan, theirs)) = self.theirs.get(&planned.name) else {
            return Err(format!("build {donor} does not have it"));
        };
        if planned.package.is_some() {
            return Err("its source package came with the request".to_owned());
        }
        let (Some(ours), Some(source)) = (&component.source, &theirs.source) else {
            return Err("its sources are not a commit".to_owned());
        };
        if ours.commit != source.commit {
            return Err(format!("its commit was {} in build {donor}", source.commit));
        }
        let distinct = |planned: &PlannedComponent| planned.arches.iter().cloned().collect::<BTreeSet<_>>();
        if distinct(planned) != distinct(their_plan) {
            return Err(format!("its architectures were others in build {donor}"));
        }
        if self.strategy == RebuildStrategy::ChangedAndAfter {
            order.check(planned, their_plan, donor)?;
        }
        let built = theirs.state.built().ok_or_else(|| format!("build {donor} did not build it"))?;
        Ok(Taken { build: donor, built: built.clone() })
    }
}

/// Says why nothing of a build is taken over, whatever the component.
fn nothing(strategy: RebuildStrategy, build: &ModuleBuild, donor: &ModuleBuild) -> Option<String> {
    if strategy == RebuildStrategy::All {
        return Some("everything is built".to_owned());
    }
    let options = |build: &ModuleBuild| {
        let document = modulemd::read(build.submission.modulemd.as_bytes()).and_then(|document| document.to_source());
        document.ok().map(|stream| stream.buildopts.unwrap_or_default())
    };
    let (Some(ours), Some(theirs)) = (options(build), options(donor)) else {
        return Some("the options of the two modules cannot be compared".to_owned());
    };
    if ours.arches != theirs.arches {
        return Some(format!("the module's architectures were others in build {}", donor.id));
    }
    // A text without macros is as good as none.
    let macros = |options: &modulemd::BuildOpts| options.rpms.macros.clone().unwrap_or_default().trim_end().to_owned();
    if strategy == RebuildStrategy::ChangedAndAfter && macros(&ours) != macros(&theirs) {
        return Some(format!("the module's macros were others in build {}", donor.id));
    }
    None
}

/// What comes before a component, in both builds, as far as the plan was gone through.
///
/// With batches that is everything in lower ones. With `buildafter` it is what a component names: what is before those
/// was compared when they were.
struct Order<'a> {
    ours: &'a ModuleBuild,
    donor: &'a ModuleBuild,
    /// By our index, whether the component is taken over; components without sources are taken for it.
    taken: Vec<bool>,
    /// The first component that is built, with its batch.
    first_built: Option<(u32, &'a ComponentName)>,
    /// The component of the lowest batch that the donor has and we do not have in that batch.
    first_gone: Option<(u32, &'a ComponentName)>,
}

impl<'a> Order<'a> {
    fn of(ours: &'a ModuleBuild, donor: &'a ModuleBuild) -> Self {
        let batches: BTreeMap<&ComponentName, u32> =
            ours.plan().iter().map(|planned| (&planned.name, planned.batch)).collect();
        // In the plan's order, in which the batches are ascending.
        let first_gone = donor.plan().iter().find(|planned| batches.get(&planned.name) != Some(&planned.batch));
        let first_gone = first_gone.map(|planned| (planned.batch, &planned.name));
        Self { ours, donor, taken: vec![true; ours.components.len()], first_built: None, first_gone }
    }

    fn note(&mut self, index: usize, planned: &PlannedComponent, taken: bool) {
        if let Some(place) = self.taken.get_mut(index) {
            *place = taken;
        }
        if !taken && self.first_built.is_none() {
            self.first_built =
                self.ours.plan().get(index).filter(|own| own.name == planned.name).map(|own| (own.batch, &own.name));
        }
    }

    fn check(&self, planned: &PlannedComponent, theirs: &PlannedComponent, donor: BuildId) -> Result<(), String> {
        match (&planned.waits_for, &theirs.waits_for) {
            (WaitsFor::Batches, WaitsFor::Batches) => {
                if planned.batch != theirs.batch {
                    return Err(format!("it was in batch {} in build {donor}", theirs.batch));
                }
                let before = |place: &&(u32, &ComponentName)| place.0 < planned.batch;
                if let Some((_, name)) = self.first_built.as_ref().filter(before) {
                    return Err(format!("{name} comes before it, and is built"));
                }
                match self.first_gone.as_ref().filter(before) {
                    Some((_, name)) => Err(format!("{name} came before it in build {donor}")),
                    None => Ok(()),
                }
            }
            (WaitsFor::Components(ours), WaitsFor::Components(their)) => {
                if let Some(built) = ours.iter().find(|index| self.taken.get(**index) != Some(&true)) {
                    let name = self.ours.plan().get(*built).map_or("something", |planned| planned.name.as_str());
                    return Err(format!("{name} comes before it, and is built"));
                }
                let names = |build: &'a ModuleBuild, indices: &[usize]| -> BTreeSet<&'a ComponentName> {
                    indices.iter().filter_map(|index| build.plan().get(*index)).map(|planned| &planned.name).collect()
                };
                if names(self.ours, ours) == names(self.donor, their) {
                    Ok(())
                } else {
                    Err(format!("it was built after other components in build {donor}"))
                }
            }
            (WaitsFor::Batches, WaitsFor::Components(_)) | (WaitsFor::Components(_), WaitsFor::Batches) => {
                Err(format!("build {donor} was ordered in another way"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
