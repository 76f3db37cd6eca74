//! What lists and look-ups tell of builds, and their filters and orders.

use crate::build::ModuleBuild;
use crate::ports::{BuildFilter, BuildSummary, OrderKey, QueuedBuild};
use crate::timestamp::Timestamp;

pub(super) fn summary(build: &ModuleBuild) -> BuildSummary {
    BuildSummary {
        id: build.id,
        state: build.state(),
        nsvc: build.nsvc().clone(),
        owner: build.submission.owner.clone(),
        scm_url: build.submission.scm_url.as_str().to_owned(),
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
