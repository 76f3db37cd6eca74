//! `ready`: released; nothing follows.

use super::draft::Draft;
use super::{Illegal, Step, done, late};
use crate::event::Fact;

pub(super) fn step(draft: Draft, fact: &Fact) -> Result<Step, Illegal> {
    match fact {
        Fact::MarkedReady { .. } => Step::ignore(late::REPEATED),
        other => done::over(draft, other),
    }
}
