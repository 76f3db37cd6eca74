//! How often a transaction is tried again, and when.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::Duration;

use crate::error::Fate;

/// How often a transaction that others were in the way of is tried again.
const TRIES: u32 = 8;
/// The longest pause after the first failure; it doubles with each further one.
const FIRST_PAUSE: Duration = Duration::from_millis(8);

/// What is left of the patience of one caller.
pub(super) struct Patience {
    /// How often the connection may be lost: each of the pool may have been broken by one restart of the server, and one
    /// more is a new one.
    losses_left: u32,
    tries_left: u32,
    pauses: u32,
}

impl Patience {
    pub(super) fn new(connections: u32) -> Self {
        Self { losses_left: connections.saturating_add(1), tries_left: TRIES, pauses: 0 }
    }

    /// Tells whether to try again after such an end.
    pub(super) fn allows(&mut self, fate: Fate) -> bool {
        let left = match fate {
            Fate::RolledBack | Fate::Outdated => &mut self.tries_left,
            Fate::Lost => &mut self.losses_left,
            Fate::Silent | Fate::Ended => return false,
        };
        match left.checked_sub(1) {
            Some(fewer) => {
                *left = fewer;
                true
            }
            None => false,
        }
    }

    /// Waits a little, for a time that differs between those who were in each other's way.
    pub(super) async fn pause(&mut self) {
        let longest = FIRST_PAUSE.saturating_mul(1 << self.pauses.min(6));
        self.pauses = self.pauses.saturating_add(1);
        // Each of these has keys of its own.
        let random = RandomState::new().hash_one(self.pauses) % 1000;
        let share = u32::try_from(random).unwrap_or(0);
        tokio::time::sleep(longest.saturating_mul(share) / 1000).await;
    }
}
