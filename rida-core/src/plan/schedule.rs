//! What to do next with the components of a build: a pure function of their states.

use super::WaitsFor;
use crate::build::{ModuleBuild, Phase};
use crate::component::ComponentState;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Next {
    /// The components to start now, by index.
    pub(crate) start: Vec<usize>,
    /// The components to take over from an earlier build now, by index.
    pub(crate) take: Vec<usize>,
    /// Ask for a repository, which will have these components.
    pub(crate) regenerate: Option<Vec<usize>>,
    /// Whether the components are done.
    pub(crate) outcome: Outcome,
}

/// Whether the components are done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Something runs, or will be started.
    Continues,
    /// All are built and tagged.
    Built,
    /// These failed, and nothing runs any more.
    Failed(Vec<usize>),
}

/// How near a component is to being built against.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Unbuilt,
    Tagged,
    Available,
}

/// Decides what to do next. At most `at_once` components are with the build system at any time.
///
/// Once a component has failed, no later batch starts, but those that run end, and those of its batch and of earlier
/// ones are still built: a packager wants to know all that fails.
pub(crate) fn next(build: &ModuleBuild, at_once: usize) -> Next {
    let stages: Vec<Stage> = build.components.iter().map(|component| stage(&component.state)).collect();
    let batch_of = |index: usize| build.plan().get(index).map_or(0, |planned| planned.batch);
    let states = || build.components.iter().map(|component| &component.state).enumerate();

    let failed: Vec<usize> =
        states().filter(|(_, state)| matches!(state, ComponentState::Failed { .. })).map(|(index, _)| index).collect();
    let last_batch = failed.iter().map(|index| batch_of(*index)).min().unwrap_or(u32::MAX);
    // The lowest batch that has a component in less than this stage; everything up to it may start.
    let first_below = |wanted: Stage| {
        let below = stages.iter().position(|stage| *stage < wanted);
        below.map_or(u32::MAX, batch_of)
    };
    let (open_batch, tagged_batch) = (first_below(Stage::Available), first_below(Stage::Tagged));
    let all_reach = |index: usize, wanted: Stage, batch: u32| match build.plan().get(index).map(|p| &p.waits_for) {
        None => false,
        Some(WaitsFor::Batches) => batch_of(index) <= batch,
        Some(WaitsFor::Components(needed)) => {
            needed.iter().all(|needed| stages.get(*needed).is_some_and(|stage| *stage >= wanted))
        }
    };

    let running = states()
        .filter(|(_, state)| matches!(state, ComponentState::Submitted | ComponentState::Building { .. }))
        .count();
    let waiting = || states().filter(|(_, state)| **state == ComponentState::Waiting).map(|(index, _)| index);
    let is_taken = |index: usize| build.components.get(index).is_some_and(|component| component.taken().is_some());
    let allowed = || waiting().filter(|index| batch_of(*index) <= last_batch && !is_taken(*index));
    let take: Vec<usize> = takeable(build).into_iter().filter(|index| batch_of(*index) <= last_batch).collect();
    let startable: Vec<usize> = allowed().filter(|index| all_reach(*index, Stage::Available, open_batch)).collect();

    let regenerating = matches!(build.phase, Phase::Building { regenerating: Some(_) });
    let unblocks = || {
        allowed().any(|index| {
            !all_reach(index, Stage::Available, open_batch) && all_reach(index, Stage::Tagged, tagged_batch)
        })
    };
    let regenerate = (!regenerating && unblocks()).then(|| {
        let tagged = stages.iter().enumerate().filter(|(_, stage)| **stage == Stage::Tagged);
        tagged.map(|(index, _)| index).collect()
    });

    let untagged = states().any(|(_, state)| matches!(state, ComponentState::Built(_)));
    let busy = running > 0 || untagged || !take.is_empty() || !startable.is_empty() || regenerate.is_some();
    let outcome = if busy || (regenerating && allowed().next().is_some()) {
        Outcome::Continues
    } else if !failed.is_empty() {
        Outcome::Failed(failed)
    } else if waiting().next().is_none() {
        Outcome::Built
    } else {
        // A plan that waits for itself; none can be made, and the deadline would end it.
        Outcome::Continues
    };
    let room = at_once.max(1).saturating_sub(running);
    Next { start: startable.into_iter().take(room).collect(), take, regenerate, outcome }
}

/// Returns the components that can be taken over from an earlier build now.
///
/// What is taken over enters the repository when it would have been built, so that no component is built against
/// something that comes later: not before all that it waits for is tagged, and, in batches, not while others of its
/// batch have yet to start. A run of components that are taken over goes at once.
fn takeable(build: &ModuleBuild) -> Vec<usize> {
    let components = || build.components().enumerate();
    let mut settled: Vec<bool> = Vec::with_capacity(build.components.len());
    let mut take = Vec::new();
    // In the plan's order, in which the batches are ascending.
    let mut unsettled_batch = u32::MAX;
    let to_start = components()
        .filter(|(_, (_, component))| component.state == ComponentState::Waiting && component.taken().is_none());
    let to_start: std::collections::BTreeSet<u32> = to_start.map(|(_, (planned, _))| planned.batch).collect();
    for (index, (planned, component)) in components() {
        let taken = component.taken().is_some();
        let is_settled = match &component.state {
            ComponentState::Waiting if taken => {
                let can_be = match &planned.waits_for {
                    WaitsFor::Batches => unsettled_batch >= planned.batch && !to_start.contains(&planned.batch),
                    WaitsFor::Components(needed) => needed.iter().all(|needed| settled.get(*needed) == Some(&true)),
                };
                if can_be {
                    take.push(index);
                }
                can_be
            }
            ComponentState::Built(_) => taken,
            state => stage(state) >= Stage::Tagged,
        };
        if !is_settled {
            unsettled_batch = unsettled_batch.min(planned.batch);
        }
        settled.push(is_settled);
    }
    take
}

fn stage(state: &ComponentState) -> Stage {
    match state {
        ComponentState::Available(_) | ComponentState::Unneeded => Stage::Available,
        ComponentState::Tagged(_) => Stage::Tagged,
        ComponentState::Waiting
        | ComponentState::Submitted
        | ComponentState::Building { .. }
        | ComponentState::Built(_)
        | ComponentState::Failed { .. }
        | ComponentState::Canceled { .. } => Stage::Unbuilt,
    }
}
