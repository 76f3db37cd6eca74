//! Takes away in Koji what nobody needs any more, once in a while, whichever service of the database comes to it.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use rida_core::{Clock, LeaseTimes, Store, StoreError, WorkerId};
use rida_koji::{CleanUp, Cleaned, KojiBuildSystem};
use tokio::sync::watch;
use tokio::time::sleep;

use crate::reply::chain;
use crate::request_id;

/// The lease of who cleaned up last, which lasts until it is time again. It is beside those of the readers of the log, and
/// is none of them.
const TURN: &str = "koji clean-up";
/// How often it is looked whether it is time.
const LOOK_EVERY: Duration = Duration::from_secs(600);
/// How far apart clocks may be.
const SLACK: Duration = Duration::from_secs(60);

/// When what is taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CleanUpSettings {
    /// How often the service does it by itself; absent means never.
    pub every: Option<Duration>,
    /// How old it is then.
    pub ages: CleanUp,
}

/// Why nothing was taken away.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CleanUpError {
    #[error("the database cannot be asked")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Koji(#[from] rida_koji::CleanUpError),
}

/// Who cleans up.
pub(crate) struct Cleaner {
    pub(crate) builds: Arc<KojiBuildSystem>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ages: CleanUp,
    pub(crate) every: Duration,
}

impl Cleaner {
    /// Cleans up whenever it is time, until the shutdown begins.
    pub(crate) async fn run(self, mut stopping: watch::Receiver<bool>) {
        let (look_every, mut failing) = (LOOK_EVERY.min(self.every), false);
        loop {
            tokio::select! {
                done = self.turn() => {
                    match &done {
                        Ok(cleaned) => cleaned.iter().for_each(tell),
                        Err(error) => {
                            if let CleanUpError::Koji(error) = error {
                                tell_done(&error.cleaned);
                            }
                            // It is said once: what is away is waited for, and the rest is the operator's to mend.
                            if !failing {
                                let error = chain(error);
                                tracing::warn!(error = %error.escape_debug(), "Koji is cleaned up later");
                            }
                        }
                    }
                    failing = done.is_err();
                }
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
            tokio::select! {
                () = sleep(look_every) => {}
                _ = stopping.wait_for(|stopping| *stopping) => return,
            }
        }
    }

    /// Cleans up when it is time, and tells what was taken away; nothing when it is not time.
    pub(crate) async fn turn(&self) -> Result<Option<Cleaned>, CleanUpError> {
        let now = self.clock.now();
        // Another name with each turn: this process is as bound by its last one as others are.
        let me = WorkerId(format!("{}-{}", std::process::id(), request_id::next()));
        let until = now.plus(self.every);
        let times = LeaseTimes { now, until, latest: until.plus(SLACK) };
        if self.store.take_reader(TURN, &me, times).await?.is_none() {
            return Ok(None);
        }
        match self.builds.clean_up(now, &self.ages).await {
            Ok(cleaned) => Ok(Some(cleaned)),
            Err(error) => {
                // Whoever comes next tries it.
                self.store.release_reader(TURN, &me).await?;
                Err(error.into())
            }
        }
    }
}

fn tell(cleaned: &Cleaned) {
    tell_done(cleaned);
    for refusal in &cleaned.refused {
        tracing::warn!(error = %refusal.escape_debug(), "something stays in Koji that nobody needs");
    }
}

fn tell_done(cleaned: &Cleaned) {
    let Cleaned { targets, untagged, .. } = cleaned;
    for target in targets {
        tracing::info!(%target, "a target was deleted in Koji, whose module has ended");
    }
    for (module, packages) in untagged {
        tracing::info!(%module, packages, "packages of a module that ended long ago were untagged in Koji");
    }
}
