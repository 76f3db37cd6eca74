//! What the log says of the worker's work.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use rida_core::{BuildId, Looked, Performed, PortError, PortErrorKind, Published};

use crate::reply::chain;

/// Tells what became of an instruction, within the span that names it.
pub(super) fn performed(performed: &Performed) {
    match performed {
        Performed::Done => tracing::debug!("an instruction was performed"),
        Performed::Obsolete => tracing::debug!("an instruction is not needed any more"),
        Performed::Retry { error, after } if error.kind() == PortErrorKind::Pending => {
            let (error, wait_s) = (error.message(), after.as_secs_f32());
            tracing::debug!(%error, wait_s, "an instruction goes on later");
        }
        Performed::Retry { error, after } => {
            let (error, wait_s) = (chain(error), after.as_secs_f32());
            tracing::warn!(error = %error.escape_debug(), wait_s, "an instruction failed and is tried again");
        }
        Performed::Failed { error } => {
            let error = chain(error);
            tracing::warn!(error = %error.escape_debug(), "an instruction failed for good");
        }
        Performed::Impossible { reason } => {
            tracing::error!(reason = %reason.escape_debug(), "an instruction was answered with what cannot be");
        }
    }
}

/// How many builds are remembered that the build system could not be asked about.
const REMEMBERED: usize = 10_000;

/// Remembers what the build system could not be asked about, and why, so that only changes are told: an outage is one
/// line, however many builds are looked at however often.
#[derive(Debug, Default)]
pub(crate) struct Looking(Mutex<BTreeMap<String, BTreeSet<BuildId>>>);

impl Looking {
    /// Tells what a look at a build brought.
    pub(crate) fn saw(&self, id: BuildId, looked: &Looked) {
        for reason in &looked.impossible {
            let reason = reason.escape_debug();
            tracing::error!(build.id = id.get(), %reason, "the build system told what cannot be");
        }
        let why = looked.error.as_ref().map(|error| error.message().to_owned());
        let Changes { is_over, is_new } = self.note(id, why);
        if let Some(why) = is_over {
            tracing::info!(error = %why.escape_debug(), "the build system can be asked again");
        }
        if let Some(error) = looked.error.as_ref().filter(|_| is_new) {
            let error = chain(error);
            tracing::warn!(build.id = id.get(), error = %error.escape_debug(), "the build system cannot be asked");
        }
    }

    fn note(&self, id: BuildId, why: Option<String>) -> Changes {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut changes = Changes::default();
        let before = known.iter().find(|(_, ids)| ids.contains(&id)).map(|(why, _)| why.clone());
        if let Some(before) = before.filter(|before| Some(before) != why.as_ref())
            && let Some(ids) = known.get_mut(&before)
        {
            ids.remove(&id);
            // One that could be asked about shows that it is over for all.
            if ids.is_empty() || why.is_none() {
                known.remove(&before);
                changes.is_over = why.is_none().then_some(before);
            }
        }
        if let Some(why) = why {
            if known.values().map(BTreeSet::len).sum::<usize>() >= REMEMBERED {
                known.clear();
            }
            let ids = known.entry(why).or_default();
            changes.is_new = ids.is_empty();
            ids.insert(id);
        }
        changes
    }
}

/// What is to be told.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    /// This is over.
    is_over: Option<String>,
    /// Nobody was told of it yet.
    is_new: bool,
}

/// Remembers why the publisher is away, so that only changes are told.
#[derive(Debug)]
pub(super) struct Publishing {
    reader: &'static str,
    away: Option<String>,
}

impl Publishing {
    pub(super) const fn new(reader: &'static str) -> Self {
        Self { reader, away: None }
    }

    pub(super) fn saw(&mut self, published: &Published) {
        let reader = self.reader;
        for (id, error) in &published.refused {
            let error = chain(error);
            tracing::error!(reader, announcement.id = %id, error = %error.escape_debug(), "an announcement cannot be published and is parked");
        }
        let Changes { is_over, is_new } = self.note(published.stopped.as_ref().map(PortError::in_full));
        if let Some(error) = self.away.as_ref().filter(|_| is_new) {
            tracing::error!(reader, error = %error.escape_debug(), "announcements wait: they cannot be published");
        }
        if is_over.is_some() {
            tracing::info!(reader, "announcements are published again");
        }
    }

    /// A broker that was away may refuse the login when it is back: that is news.
    fn note(&mut self, why: Option<String>) -> Changes {
        let before = std::mem::replace(&mut self.away, why);
        let is_new = self.away.is_some() && self.away != before;
        Changes { is_over: before.filter(|_| self.away.is_none()), is_new }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_is_told_once_and_so_is_its_end() {
        let looking = Looking::default();
        let id = |number| BuildId::new(number).unwrap();
        let away = || Some("Koji is offline".to_owned());
        let told = |is_over: Option<&str>, is_new| Changes { is_over: is_over.map(str::to_owned), is_new };
        assert_eq!(looking.note(id(1), None), told(None, false));
        assert_eq!(looking.note(id(1), away()), told(None, true));
        for number in 1..100 {
            assert_eq!(looking.note(id(number), away()), told(None, false), "{number}");
        }
        // Something else that is wrong with one of them is news.
        assert_eq!(looking.note(id(7), Some("its tag is gone".to_owned())), told(None, true));
        assert_eq!(looking.note(id(3), None), told(Some("Koji is offline"), false));
        assert_eq!(looking.note(id(4), None), told(None, false), "that was told");
        assert_eq!(looking.note(id(7), Some("its tag is gone".to_owned())), told(None, false));
        assert_eq!(looking.note(id(5), away()), told(None, true), "it is away again");
    }

    #[test]
    fn another_reason_why_a_bus_is_away_is_told_once_and_so_is_its_end() {
        let mut publishing = Publishing::new("amqp");
        let mut told = |why: Option<&str>| {
            let Changes { is_over, is_new } = publishing.note(why.map(str::to_owned));
            (is_new, is_over.is_some())
        };
        assert_eq!(told(None), (false, false));
        let away = Some("the broker is away: connection refused");
        let refused = Some("the broker is away: ACCESS_REFUSED");
        assert_eq!(
            [told(away), told(away), told(refused), told(refused)],
            [(true, false), (false, false), (true, false), (false, false)]
        );
        assert_eq!([told(None), told(None), told(refused)], [(false, true), (false, false), (true, false)]);
    }
}
