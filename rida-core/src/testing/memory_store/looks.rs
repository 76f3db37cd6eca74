//! When builds are looked at.

use std::collections::{BTreeMap, BTreeSet};

use super::instructions::past;
use crate::id::BuildId;
use crate::timestamp::Timestamp;

#[derive(Clone, Debug, Default)]
pub(super) struct Looks {
    at: BTreeMap<BuildId, Timestamp>,
    due: BTreeSet<(Timestamp, BuildId)>,
}

impl Looks {
    pub(super) fn set(&mut self, id: BuildId, at: Option<Timestamp>) {
        let before = match at {
            Some(at) => {
                self.due.insert((at, id));
                self.at.insert(id, at)
            }
            None => self.at.remove(&id),
        };
        if let Some(before) = before
            && Some(before) != at
        {
            self.due.remove(&(before, id));
        }
    }

    pub(super) fn due(&self, now: Timestamp, latest: Timestamp, limit: usize) -> Vec<BuildId> {
        past(&self.due, now, latest, limit)
    }
}
