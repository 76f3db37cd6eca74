//! Who may build next: a pure function over the queue, so that its answer can be explained.

use std::collections::BTreeMap;
use std::fmt;

use crate::id::{BuildId, ModuleName, Owner};
use crate::policy::Limits;
use crate::ports::{Queue, QueuedBuild};
use crate::timestamp::Timestamp;

/// What the throttle says of a waiting build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It may start.
    Granted,
    /// As many builds run as may run in all.
    AllSlotsTaken {
        /// How many may run.
        limit: usize,
    },
    /// As many builds of this module run as may.
    ModuleLimit {
        /// The module.
        name: ModuleName,
        /// How many may run.
        limit: usize,
    },
    /// As many builds of this user run as may.
    OwnerLimit {
        /// The user.
        owner: Owner,
        /// How many may run.
        limit: usize,
    },
}

/// Decides for each waiting build, in the order in which they are served.
///
/// A build that has waited longer than [`Limits::patience`] is served before all that have not, the oldest first; among
/// the others the one with the most batches is first, since it takes longest, then the oldest. A build that its module's
/// or its owner's limit holds back does not hold back others.
pub fn verdicts(queue: &Queue, limits: &Limits, now: Timestamp) -> Vec<(BuildId, Verdict)> {
    let mut usage = Usage::default();
    for build in &queue.running {
        usage.add(build);
    }
    let mut waiting: Vec<&QueuedBuild> = queue.waiting.iter().collect();
    waiting.sort_by_key(|build| {
        let impatient = now.since(build.since) >= limits.patience;
        let batches = if impatient { u32::MAX } else { build.batches.min(u32::MAX - 1) };
        (std::cmp::Reverse(batches), build.since, build.id)
    });
    let decide = |build: &QueuedBuild| {
        let verdict = usage.judge(build, limits);
        if verdict == Verdict::Granted {
            usage.add(build);
        }
        (build.id, verdict)
    };
    waiting.into_iter().map(decide).collect::<Vec<_>>()
}

#[derive(Default)]
struct Usage {
    builds: usize,
    by_module: BTreeMap<ModuleName, usize>,
    by_owner: BTreeMap<Owner, usize>,
}

impl Usage {
    fn add(&mut self, build: &QueuedBuild) {
        self.builds += 1;
        *self.by_module.entry(build.name.clone()).or_default() += 1;
        *self.by_owner.entry(build.owner.clone()).or_default() += 1;
    }

    fn judge(&self, build: &QueuedBuild, limits: &Limits) -> Verdict {
        let of_module = self.by_module.get(&build.name).copied().unwrap_or_default();
        let of_owner = self.by_owner.get(&build.owner).copied().unwrap_or_default();
        if self.builds >= limits.builds {
            Verdict::AllSlotsTaken { limit: limits.builds }
        } else if of_module >= limits.builds_per_module {
            Verdict::ModuleLimit { name: build.name.clone(), limit: limits.builds_per_module }
        } else if of_owner >= limits.builds_per_owner {
            Verdict::OwnerLimit { owner: build.owner.clone(), limit: limits.builds_per_owner }
        } else {
            Verdict::Granted
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Granted => f.write_str("it starts next"),
            Self::AllSlotsTaken { limit } => write!(f, "at most {limit} at once may be built, and as many are"),
            Self::ModuleLimit { name, limit } => {
                write!(f, "at most {limit} of {name} at once may be built, and as many are")
            }
            Self::OwnerLimit { owner, limit } => {
                write!(f, "at most {limit} of {owner} at once may be built, and as many are")
            }
        }
    }
}

#[cfg(test)]
mod tests;
