//! What the log says of the worker's work.

use rida_core::{BuildId, Looked, Performed, Published};

use crate::reply::chain;

/// Tells what became of an instruction, within the span that names it.
pub(super) fn performed(performed: &Performed) {
    match performed {
        Performed::Done => tracing::debug!("an instruction was performed"),
        Performed::Obsolete => tracing::debug!("an instruction is not needed any more"),
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

/// Tells what a look at a build brought.
pub(super) fn looked(id: BuildId, looked: &Looked) {
    for reason in &looked.impossible {
        let reason = reason.escape_debug();
        tracing::error!(build.id = id.get(), %reason, "the build system told what cannot be");
    }
    if let Some(error) = &looked.error {
        let error = chain(error);
        tracing::warn!(build.id = id.get(), error = %error.escape_debug(), "the build system cannot be asked");
    }
}

/// Remembers whether the publisher is away, so that only changes are told.
#[derive(Debug)]
pub(super) struct Publishing {
    reader: &'static str,
    away: bool,
}

impl Publishing {
    pub(super) const fn new(reader: &'static str) -> Self {
        Self { reader, away: false }
    }

    pub(super) fn saw(&mut self, published: &Published) {
        let reader = self.reader;
        for (id, error) in &published.refused {
            let error = chain(error);
            tracing::error!(reader, announcement.id = %id, error = %error.escape_debug(), "an announcement cannot be published and is parked");
        }
        match (&published.stopped, self.away) {
            (Some(error), false) => {
                let error = chain(error);
                tracing::error!(reader, error = %error.escape_debug(), "announcements wait: they cannot be published");
            }
            (None, true) => tracing::info!(reader, "announcements are published again"),
            (Some(_), true) | (None, false) => {}
        }
        self.away = published.stopped.is_some();
    }
}
