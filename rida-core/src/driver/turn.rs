//! Does once what a server does all the time, for those who need no more.

use super::Driver;
use crate::ports::StoreError;

/// What a turn did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Turn {
    /// How many instructions were performed or tried.
    pub effects: usize,
    /// How many builds got a slot.
    pub slots: usize,
    /// How many builds were looked at.
    pub looks: usize,
    /// How many announcements were handed over.
    pub announcements: usize,
}

impl Driver {
    /// Does everything that is due, once and in one place after the other: instructions, slots, looks at builds,
    /// announcements.
    ///
    /// A server runs these beside each other and reports what fails; here a failure is only tried again in a later turn.
    ///
    /// # Errors
    /// When the store cannot answer. Nothing is lost; call again.
    pub async fn turn(&self) -> Result<Turn, StoreError> {
        let mut turn = Turn::default();
        for taken in self.take_effects(8).await? {
            turn.effects += 1;
            // What became of it is in the store.
            let _ = self.perform(taken).await?;
        }
        turn.slots = self.grant_slots().await?;
        for id in self.take_due_builds(32).await? {
            turn.looks += 1;
            let _ = self.look(id).await?;
        }
        turn.announcements = self.publish(64).await?.announcements;
        Ok(turn)
    }
}

impl Turn {
    /// Tells whether nothing was due.
    pub fn is_idle(&self) -> bool {
        *self == Self::default()
    }
}
