//! Instructions and their leases, in the order in which they are due: taking a few of many costs no more than a few.

use std::collections::{BTreeMap, BTreeSet};

use crate::effect::Effect;
use crate::id::{BuildId, EffectId};
use crate::ports::{LeaseTimes, PendingEffect, TakenEffect, WorkerId};
use crate::timestamp::Timestamp;

#[derive(Clone, Debug, Default)]
pub(super) struct Instructions {
    all: BTreeMap<EffectId, Kept>,
    /// Those without a lease, by when they are due.
    free: BTreeSet<(Timestamp, EffectId)>,
    /// Those with one, by its end.
    leased: BTreeSet<(Timestamp, EffectId)>,
}

#[derive(Clone, Debug)]
struct Kept {
    effect: Effect,
    due: Timestamp,
    attempts: u32,
    failures: u32,
    lease: Option<(WorkerId, Timestamp)>,
    error: Option<String>,
}

impl Instructions {
    pub(super) fn all(&self) -> impl Iterator<Item = PendingEffect> {
        self.all.values().map(pending)
    }

    pub(super) fn of(&self, id: BuildId) -> impl Iterator<Item = PendingEffect> {
        let number = |number| EffectId { build: id, number };
        self.all.range(number(0)..=number(u32::MAX)).map(|(_, kept)| pending(kept))
    }

    pub(super) fn add(&mut self, effect: &Effect, due: Timestamp) {
        self.remove(effect.id);
        let kept = Kept { effect: effect.clone(), due, attempts: 0, failures: 0, lease: None, error: None };
        self.all.insert(effect.id, kept);
        self.free.insert((due, effect.id));
    }

    pub(super) fn remove(&mut self, id: EffectId) {
        if let Some(kept) = self.all.remove(&id) {
            self.free.remove(&(kept.due, id));
            if let Some((_, end)) = kept.lease {
                self.leased.remove(&(end, id));
            }
        }
    }

    pub(super) fn take(&mut self, worker: &WorkerId, times: LeaseTimes, limit: usize) -> Vec<TakenEffect> {
        let LeaseTimes { now, until, latest } = times;
        for id in past(&self.leased, now, latest, usize::MAX) {
            self.lease(id, None);
        }
        let mut taken: Vec<EffectId> = past(&self.free, now, latest, limit);
        taken.retain(|id| self.lease(*id, Some((worker.clone(), until))));
        let counted = |id: EffectId| {
            let kept = self.all.get_mut(&id)?;
            let taken = TakenEffect { effect: kept.effect.clone(), attempts: kept.attempts, failures: kept.failures };
            kept.attempts = kept.attempts.saturating_add(1);
            Some(taken)
        };
        taken.into_iter().filter_map(counted).collect()
    }

    pub(super) fn renew(&mut self, worker: &WorkerId, id: EffectId, until: Timestamp) {
        if self.is_held(worker, id) {
            self.lease(id, Some((worker.clone(), until)));
        }
    }

    pub(super) fn give_back(&mut self, worker: &WorkerId, id: EffectId, due: Timestamp, failures: u32, error: &str) {
        if self.is_held(worker, id)
            && let Some(kept) = self.all.get_mut(&id)
        {
            kept.due = due;
            kept.failures = failures;
            kept.error = Some(error.to_owned());
            self.lease(id, None);
        }
    }

    fn is_held(&self, worker: &WorkerId, id: EffectId) -> bool {
        self.all.get(&id).and_then(|kept| kept.lease.as_ref()).is_some_and(|(holder, _)| holder == worker)
    }

    /// Gives or ends a lease. Tells whether the instruction is there.
    fn lease(&mut self, id: EffectId, lease: Option<(WorkerId, Timestamp)>) -> bool {
        let Some(kept) = self.all.get_mut(&id) else { return false };
        match &lease {
            Some((_, end)) => {
                self.free.remove(&(kept.due, id));
                self.leased.insert((*end, id));
            }
            None => {
                self.free.insert((kept.due, id));
            }
        }
        let ended = std::mem::replace(&mut kept.lease, lease);
        if let Some((_, end)) = ended
            && kept.lease.as_ref().is_none_or(|(_, now)| *now != end)
        {
            self.leased.remove(&(end, id));
        }
        true
    }
}

fn pending(kept: &Kept) -> PendingEffect {
    PendingEffect { effect: kept.effect.clone(), due: kept.due, attempts: kept.attempts, error: kept.error.clone() }
}

/// Returns the first whose time has come, and then those whose time is later than any that is given.
pub(super) fn past<T: Copy + Ord>(
    times: &BTreeSet<(Timestamp, T)>,
    now: Timestamp,
    latest: Timestamp,
    limit: usize,
) -> Vec<T> {
    let due = times.iter().take_while(|(at, _)| *at <= now);
    let lost = times.iter().rev().take_while(|(at, _)| *at > latest && *at > now);
    due.chain(lost).take(limit).map(|(_, id)| *id).collect()
}
