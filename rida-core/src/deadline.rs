//! When to look again: the limits of time of each phase.

use std::time::Duration;

use crate::build::{ModuleBuild, Phase};
use crate::policy::Policy;
use crate::ports::LookTimes;
use crate::timestamp::Timestamp;

/// How often a build is looked at that waits for no task and no repository: only a clock that was set back makes this
/// look find anything.
const SELDOM: Duration = Duration::from_secs(600);

/// How far apart the clocks of two processes may be before it is taken for a clock that was set back.
pub(crate) const SLACK: Duration = Duration::from_secs(60);

/// Returns when the build will be ended unless its phase ends before; absent once it has ended.
pub fn deadline(build: &ModuleBuild, policy: &Policy) -> Option<Timestamp> {
    let limits = &policy.deadlines;
    let limit = match build.phase {
        Phase::Init => limits.init,
        Phase::Wait => limits.wait,
        Phase::Preparing => limits.prepare,
        Phase::Building { .. } => limits.build,
        Phase::Finishing => limits.finish,
        Phase::Done | Phase::Failed(_) | Phase::Ready => return None,
    };
    Some(build.phase_since.plus(limit))
}

/// Returns when somebody should look at the build next: at its deadline, or earlier where the build system has to be
/// asked because a message may be lost. Absent once it has ended.
pub fn look_at(build: &ModuleBuild, policy: &Policy, now: Timestamp) -> Option<Timestamp> {
    let deadline = deadline(build, policy)?;
    match build.phase {
        Phase::Building { .. } => Some(deadline.min(now.plus(policy.follow_every))),
        _ => Some(deadline.min(now.plus(SELDOM))),
    }
}

/// Returns the times to take builds by that are due for a look.
pub(crate) fn look_times(policy: &Policy, now: Timestamp) -> LookTimes {
    let (building, others) = (now.plus(policy.follow_every), now.plus(SELDOM));
    LookTimes { now, building, others, latest: building.max(others).plus(SLACK) }
}

/// Tells whether the build's deadline has passed.
pub(crate) fn has_passed(build: &ModuleBuild, policy: &Policy, now: Timestamp) -> bool {
    deadline(build, policy).is_some_and(|deadline| deadline <= now)
}

/// Tells whether the clock was set back since the build entered its phase: its deadline would come too late by as much.
pub(crate) fn is_ahead(build: &ModuleBuild, now: Timestamp) -> bool {
    build.phase_since > now.plus(SLACK)
}
