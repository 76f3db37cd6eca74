//! Who may build next: a pure function over the queue, so that its answer can be explained.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::deadline::SLACK;
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
    let impatient = Impatient::at(now, limits);
    waiting.sort_by_key(|build| {
        let batches = if impatient.includes(build.since) { u32::MAX } else { build.batches.min(u32::MAX - 1) };
        (Reverse(batches), build.since, build.id)
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

/// The builds whose age alone decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Impatient {
    /// Those that have waited since this time, or since before.
    pub since: Timestamp,
    /// Those that have waited since after this time: the clock was set back meanwhile, and nobody knows how long.
    pub ahead: Timestamp,
}

impl Impatient {
    /// Finds the limits of time.
    pub fn at(now: Timestamp, limits: &Limits) -> Self {
        let patience = i64::try_from(limits.patience.as_millis()).unwrap_or(i64::MAX);
        let since = Timestamp::from_millis(now.millis().saturating_sub(patience));
        Self { since, ahead: now.plus(SLACK) }
    }

    /// Tells whether a build that has waited since then is one.
    pub fn includes(&self, since: Timestamp) -> bool {
        since <= self.since || since > self.ahead
    }
}

/// The modules and owners that have all their slots.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Full {
    /// The modules.
    pub modules: BTreeSet<ModuleName>,
    /// The owners.
    pub owners: BTreeSet<Owner>,
}

impl Full {
    /// Finds them among the builds that hold a slot.
    pub fn of(running: &[QueuedBuild], limits: &Limits) -> Self {
        let mut usage = Usage::default();
        for build in running {
            usage.add(build);
        }
        let modules = usage.by_module.into_iter().filter(|(_, count)| *count >= limits.builds_per_module);
        let owners = usage.by_owner.into_iter().filter(|(_, count)| *count >= limits.builds_per_owner);
        Self { modules: modules.map(|(name, _)| name).collect(), owners: owners.map(|(owner, _)| owner).collect() }
    }

    /// Tells whether a build has to wait for one of its module or owner to end.
    pub fn holds_back(&self, build: &QueuedBuild) -> bool {
        self.modules.contains(&build.name) || self.owners.contains(&build.owner)
    }
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
