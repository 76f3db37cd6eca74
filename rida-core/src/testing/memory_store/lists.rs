//! What lists and look-ups tell of builds, and their filters and orders.

use std::cmp::Ordering;

use crate::build::ModuleBuild;
use crate::id::ComponentId;
use crate::ports::{
    BaseModuleFilter, BuildFilter, BuildSummary, ComponentFilter, ComponentSummary, OrderKey, QueuedBuild,
};
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

pub(super) fn matches(filter: &BuildFilter, build: &ModuleBuild) -> bool {
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
        tag,
        scm_url,
        rebuild_strategy,
        reused,
        build_context,
        reason,
        base_module,
    } = filter;
    let (nsvc, submission) = (build.nsvc(), &build.submission);
    let same = |wanted: &Option<String>, text: &str| wanted.as_ref().is_none_or(|wanted| wanted == text);
    let is = |wanted: &Option<String>, text: &dyn Fn() -> Option<String>| wanted.is_none() || *wanted == text();
    let against = |base: &BaseModuleFilter| {
        let mut bases = submission.build_requires.iter().filter(|require| require.build.is_none());
        bases.any(|require| base.matches(&require.name, &require.stream))
    };
    let within = |after: &Option<Timestamp>, before: &Option<Timestamp>, at: Option<Timestamp>| {
        after.is_none_or(|after| at.is_some_and(|at| at >= after))
            && before.is_none_or(|before| at.is_some_and(|at| at <= before))
    };
    (states.is_empty() || states.contains(&build.state()))
        && same(name, nsvc.name.as_str())
        && same(stream, nsvc.stream.as_str())
        && version.is_none_or(|version| version == nsvc.version)
        && same(context, nsvc.context.as_str())
        && same(owner, submission.owner.as_str())
        && scratch.is_none_or(|scratch| scratch == build.is_scratch())
        && within(submitted_after, submitted_before, Some(submission.at))
        && within(modified_after, modified_before, Some(build.modified_at))
        && within(completed_after, completed_before, build.completed_at())
        && is(tag, &|| Some(build.tag().to_string()))
        && is(scm_url, &|| submission.scm_url.as_ref().map(ToString::to_string))
        && rebuild_strategy.is_none_or(|strategy| strategy == submission.rebuild_strategy)
        && reused.is_none_or(|reused| build.donor() == Some(reused))
        && is(build_context, &|| Some(submission.build_context()))
        && is(reason, &|| build.reason().map(str::to_owned))
        && base_module.as_ref().is_none_or(against)
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
pub(super) fn sort(builds: &mut [BuildSummary], order: &[OrderKey]) {
    let compare = |a: &BuildSummary, b: &BuildSummary, key: &OrderKey| match key {
        OrderKey::Id => a.id.cmp(&b.id),
        OrderKey::Name => a.nsvc.name.cmp(&b.nsvc.name),
        OrderKey::Stream => a.nsvc.stream.cmp(&b.nsvc.stream),
        OrderKey::Version => a.nsvc.version.cmp(&b.nsvc.version),
        OrderKey::Context => a.nsvc.context.cmp(&b.nsvc.context),
        OrderKey::State => a.state.code().cmp(&b.state.code()),
        OrderKey::Owner => a.owner.cmp(&b.owner),
        OrderKey::Submitted => a.submitted_at.cmp(&b.submitted_at),
        OrderKey::Modified => a.modified_at.cmp(&b.modified_at),
        OrderKey::Completed => a.completed_at.cmp(&b.completed_at),
    };
    builds.sort_by(|a, b| order.iter().map(|key| compare(a, b, key)).fold(Ordering::Equal, Ordering::then));
}
