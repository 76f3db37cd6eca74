//! What lists and look-ups tell of builds, and their filters and orders.

use crate::build::ModuleBuild;
use crate::id::ComponentId;
use crate::ports::{BuildFilter, BuildSummary, ComponentFilter, ComponentSummary, OrderKey, QueuedBuild};
use crate::timestamp::Timestamp;

pub(super) fn summary(build: &ModuleBuild) -> BuildSummary {
    BuildSummary {
        id: build.id,
        state: build.state(),
        nsvc: build.nsvc().clone(),
        owner: build.submission.owner.clone(),
        scm_url: build.submission.scm_url.as_ref().map(ToString::to_string),
        reason: build.reason().map(str::to_owned),
        scratch: build.is_scratch(),
        submitted_at: build.submission.at,
        modified_at: build.modified_at,
        completed_at: build.completed_at(),
    }
}

pub(super) fn queued(build: &ModuleBuild) -> QueuedBuild {
    QueuedBuild {
        id: build.id,
        name: build.nsvc().name.clone(),
        owner: build.submission.owner.clone(),
        since: build.since(),
        batches: build.plan().iter().map(|component| component.batch).max().unwrap_or(0),
    }
}

pub(super) fn matches(filter: &BuildFilter, build: &BuildSummary) -> bool {
    // Without a rest pattern, so that a new part of the filter cannot be forgotten here.
    let BuildFilter {
        states,
        name,
        stream,
        version,
        context,
        owner,
        scratch,
        submitted_after,
        submitted_before,
        modified_after,
        modified_before,
        completed_after,
        completed_before,
    } = filter;
    let same = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
    let within = |after: &Option<Timestamp>, before: &Option<Timestamp>, at: Option<Timestamp>| {
        after.is_none_or(|after| at.is_some_and(|at| at >= after))
            && before.is_none_or(|before| at.is_some_and(|at| at <= before))
    };
    (states.is_empty() || states.contains(&build.state))
        && same(name, build.nsvc.name.as_str())
        && same(stream, build.nsvc.stream.as_str())
        && version.is_none_or(|version| version == build.nsvc.version)
        && same(context, build.nsvc.context.as_str())
        && same(owner, build.owner.as_str())
        && scratch.is_none_or(|scratch| scratch == build.scratch)
        && within(submitted_after, submitted_before, Some(build.submitted_at))
        && within(modified_after, modified_before, Some(build.modified_at))
        && within(completed_after, completed_before, build.completed_at)
}

/// Returns those components of a build that match, in the plan's order.
pub(super) fn components(filter: &ComponentFilter, build: &ModuleBuild) -> impl Iterator<Item = ComponentSummary> {
    let ComponentFilter { build: of, name, states, task, nvr, batch, commit } = filter;
    let same = |wanted: &Option<String>, text: Option<&str>| wanted.is_none() || wanted.as_deref() == text;
    let matches = move |index: u32| {
        let at = usize::try_from(index).ok()?;
        let (planned, component) = (build.plan().get(at)?, build.components.get(at)?);
        let (state, source) = (&component.state, component.source.as_ref());
        let built = state.built().map(|built| built.nvr.to_string());
        let fits = of.is_none_or(|of| of == build.id)
            && same(name, Some(planned.name.as_str()))
            && states.as_ref().is_none_or(|states| states.contains(&state.name()))
            && task.is_none_or(|task| state.task() == Some(task))
            && same(nvr, built.as_deref())
            && batch.is_none_or(|batch| batch == planned.batch)
            && same(commit, source.map(|source| source.commit.as_str()));
        fits.then(|| ComponentSummary {
            id: ComponentId { build: build.id, index },
            name: planned.name.clone(),
            batch: planned.batch,
            state: state.name(),
            task: state.task(),
            nvr: state.built().map(|built| (*built.nvr).clone()),
            reason: component.reason().map(str::to_owned),
        })
    };
    let count = u32::try_from(build.components.len()).unwrap_or(u32::MAX);
    (0..count).filter_map(matches).collect::<Vec<_>>().into_iter()
}

/// Sorts builds that are in the order of their ids.
pub(super) fn sort(builds: &mut [BuildSummary], order: OrderKey) {
    match order {
        OrderKey::Id => {}
        OrderKey::Name => builds.sort_by(|a, b| a.nsvc.name.cmp(&b.nsvc.name)),
        OrderKey::Stream => builds.sort_by(|a, b| a.nsvc.stream.cmp(&b.nsvc.stream)),
        OrderKey::Version => builds.sort_by_key(|build| build.nsvc.version),
        OrderKey::Context => builds.sort_by(|a, b| a.nsvc.context.cmp(&b.nsvc.context)),
        OrderKey::State => builds.sort_by_key(|build| build.state.code()),
        OrderKey::Owner => builds.sort_by(|a, b| a.owner.cmp(&b.owner)),
        OrderKey::Submitted => builds.sort_by_key(|build| build.submitted_at),
        OrderKey::Modified => builds.sort_by_key(|build| build.modified_at),
        OrderKey::Completed => builds.sort_by_key(|build| build.completed_at),
    }
}
