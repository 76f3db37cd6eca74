//! When to look again: the limits of time of each phase.

use crate::build::{ModuleBuild, Phase};
use crate::policy::Policy;
use crate::timestamp::Timestamp;

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
        _ => Some(deadline),
    }
}

/// Tells whether the build's deadline has passed.
pub(crate) fn has_passed(build: &ModuleBuild, policy: &Policy, now: Timestamp) -> bool {
    deadline(build, policy).is_some_and(|deadline| deadline <= now)
}
