//! From what a modulemd says of order to batches: `buildorder` numbers, or a graph of `buildafter`.

use std::collections::BTreeMap;

use super::{ComponentSource, Plan, PlannedComponent, WaitsFor};
use crate::id::{Arch, ComponentName};

/// The batch of `module-build-macros`.
const MACROS_BATCH: u32 = 1;

/// A component as a modulemd asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedComponent {
    /// The name.
    pub name: ComponentName,
    /// Where the sources are.
    pub source: ComponentSource,
    /// Its place: components with a lower number are built before.
    pub buildorder: i64,
    /// The components that are built before it; excludes a `buildorder` anywhere in the module.
    pub buildafter: Vec<ComponentName>,
    /// Its packages are left out of the module.
    pub buildonly: bool,
    /// The architectures that it is built for; empty means all.
    pub arches: Vec<Arch>,
}

/// No order can be made of what a modulemd says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlanProblem {
    /// Two components have one name.
    #[error("{0} is named twice; name each component once")]
    Duplicate(ComponentName),
    /// A component has the name of the one that every module gets.
    #[error("{0} is made for every module; choose another name")]
    Reserved(ComponentName),
    /// A component waits for one that is not there.
    #[error("{component} is to be built after {after}, which is not a component of this module")]
    Unknown {
        /// The component.
        component: ComponentName,
        /// What it waits for.
        after: ComponentName,
    },
    /// Components wait for each other.
    #[error("{} wait for each other in a circle; take one buildafter out", .0.iter().map(|n| n.as_str()).collect::<Vec<_>>().join(" → "))]
    Cycle(Vec<ComponentName>),
    /// The module uses both ways to say an order.
    #[error("{ordered} has a buildorder and {after} a buildafter; a module may use only one of the two")]
    BothOrders {
        /// A component with a `buildorder`.
        ordered: ComponentName,
        /// A component with a `buildafter`.
        after: ComponentName,
    },
}

impl Plan {
    /// Plans components: `module-build-macros` first, then by batch and name. Nothing to build makes an empty plan.
    ///
    /// # Errors
    /// All the reasons for which no order can be made.
    pub fn new(mut wanted: Vec<WantedComponent>) -> Result<Self, Vec<PlanProblem>> {
        wanted.sort_by(|a, b| a.name.cmp(&b.name));
        let mut problems = check_names(&wanted);
        let ordered = wanted.iter().find(|component| component.buildorder != 0);
        let after = wanted.iter().find(|component| !component.buildafter.is_empty());
        if let (Some(ordered), Some(after)) = (ordered, after) {
            problems.push(PlanProblem::BothOrders { ordered: ordered.name.clone(), after: after.name.clone() });
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        let batches = if after.is_some() { batches_by_after(&wanted)? } else { batches_by_order(&wanted) };
        let mut planned: Vec<(u32, WantedComponent)> = batches.into_iter().zip(wanted).collect();
        planned.sort_by_key(|(batch, _)| *batch);
        Ok(Self { components: assemble(planned) })
    }
}

fn check_names(sorted: &[WantedComponent]) -> Vec<PlanProblem> {
    let mut problems = Vec::new();
    for (component, next) in sorted.iter().zip(sorted.iter().skip(1)) {
        if component.name == next.name {
            problems.push(PlanProblem::Duplicate(component.name.clone()));
        }
    }
    for component in sorted {
        if component.name == ComponentName::macros() {
            problems.push(PlanProblem::Reserved(component.name.clone()));
        }
        for after in &component.buildafter {
            if sorted.binary_search_by(|other| other.name.cmp(after)).is_err() {
                problems.push(PlanProblem::Unknown { component: component.name.clone(), after: after.clone() });
            }
        }
    }
    problems
}

/// Numbers each distinct `buildorder`, from the batch after the macros' on.
fn batches_by_order(wanted: &[WantedComponent]) -> Vec<u32> {
    let mut orders: Vec<i64> = wanted.iter().map(|component| component.buildorder).collect();
    orders.sort_unstable();
    orders.dedup();
    let batch = |order: i64| orders.partition_point(|other| *other < order);
    wanted.iter().map(|c| MACROS_BATCH.saturating_add(1).saturating_add(batch_number(batch(c.buildorder)))).collect()
}

/// Finds for each component the longest chain of components before it (Kahn's algorithm).
fn batches_by_after(wanted: &[WantedComponent]) -> Result<Vec<u32>, Vec<PlanProblem>> {
    let index: BTreeMap<&ComponentName, usize> = wanted.iter().enumerate().map(|(i, c)| (&c.name, i)).collect();
    let mut missing: Vec<usize> = Vec::with_capacity(wanted.len());
    let mut dependents: Vec<Vec<usize>> = vec![Vec::new(); wanted.len()];
    for (this, component) in wanted.iter().enumerate() {
        let mut before: Vec<usize> = component.buildafter.iter().filter_map(|name| index.get(name).copied()).collect();
        before.sort_unstable();
        before.dedup();
        missing.push(before.len());
        for other in before {
            if let Some(list) = dependents.get_mut(other) {
                list.push(this);
            }
        }
    }
    let mut batches = vec![MACROS_BATCH + 1; wanted.len()];
    let mut ready: Vec<usize> = (0..wanted.len()).filter(|this| missing.get(*this) == Some(&0)).collect();
    let mut done = 0;
    while let Some(this) = ready.pop() {
        done += 1;
        let next_batch = batches.get(this).map_or(0, |batch| batch.saturating_add(1));
        for &dependent in dependents.get(this).into_iter().flatten() {
            if let (Some(batch), Some(count)) = (batches.get_mut(dependent), missing.get_mut(dependent)) {
                *batch = (*batch).max(next_batch);
                *count -= 1;
                if *count == 0 {
                    ready.push(dependent);
                }
            }
        }
    }
    if done == wanted.len() { Ok(batches) } else { Err(vec![PlanProblem::Cycle(find_cycle(wanted, &index, &missing))]) }
}

/// Walks backwards from a component that was never ready until one is met again: that is a circle.
fn find_cycle(
    wanted: &[WantedComponent],
    index: &BTreeMap<&ComponentName, usize>,
    missing: &[usize],
) -> Vec<ComponentName> {
    let stuck = |this: &usize| missing.get(*this).is_some_and(|count| *count > 0);
    let mut path: Vec<usize> = Vec::new();
    let mut current = (0..wanted.len()).find(stuck);
    while let Some(this) = current {
        if let Some(start) = path.iter().position(|seen| *seen == this) {
            let circle = path.iter().skip(start).chain([&this]);
            return circle.filter_map(|i| wanted.get(*i)).map(|component| component.name.clone()).collect();
        }
        path.push(this);
        let before = wanted.get(this).into_iter().flat_map(|component| &component.buildafter);
        current = before.filter_map(|name| index.get(name).copied()).find(stuck);
    }
    Vec::new()
}

/// Puts the macros first and turns names into indices.
fn assemble(planned: Vec<(u32, WantedComponent)>) -> Vec<PlannedComponent> {
    if planned.is_empty() {
        return Vec::new();
    }
    let by_after = planned.iter().any(|(_, component)| !component.buildafter.is_empty());
    let index: BTreeMap<ComponentName, usize> =
        planned.iter().enumerate().map(|(i, (_, component))| (component.name.clone(), i + 1)).collect();
    let macros = PlannedComponent {
        name: ComponentName::macros(),
        source: None,
        batch: MACROS_BATCH,
        waits_for: WaitsFor::Batches,
        buildonly: false,
        arches: Vec::new(),
        package: None,
    };
    let rest = planned.into_iter().map(|(batch, component)| {
        let waits_for = if by_after {
            let mut before: Vec<usize> = vec![0];
            before.extend(component.buildafter.iter().filter_map(|name| index.get(name).copied()));
            before.sort_unstable();
            before.dedup();
            WaitsFor::Components(before)
        } else {
            WaitsFor::Batches
        };
        let WantedComponent { name, source, buildonly, arches, .. } = component;
        PlannedComponent { name, source: Some(source), batch, waits_for, buildonly, arches, package: None }
    });
    std::iter::once(macros).chain(rest).collect()
}

fn batch_number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
