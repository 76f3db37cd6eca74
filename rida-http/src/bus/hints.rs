//! What follows from a message of the build system: the build system is asked, about the builds that may be meant.

use std::sync::Arc;

use async_trait::async_trait;
use rida_core::{BuildId, Driver, Parts, PortError, StoreError};
use rida_fedmsg::{Incoming, Receiver};

use crate::worker::{Looking, look};

/// Has builds looked at that messages of the build system may be about, for those who embed the service and listen
/// themselves.
pub struct Hints {
    driver: Arc<Driver>,
    looking: Looking,
}

impl Hints {
    /// Makes the way from messages to a driver.
    pub fn new(driver: Arc<Driver>) -> Self {
        Self { driver, looking: Looking::default() }
    }

    /// Returns the builds that may be meant.
    async fn meant(&self, incoming: &Incoming) -> Result<Vec<BuildId>, StoreError> {
        match incoming {
            Incoming::Hint { topic, hint } => {
                let meant = self.driver.builds_of(hint).await?;
                for id in &meant {
                    tracing::debug!(build.id = id.get(), topic, "the build system has news");
                }
                Ok(meant)
            }
            // Whatever was said meanwhile is in the build system. Of the queue only those that hold a slot.
            Incoming::Gap => {
                let Parts { store, clock, policy, .. } = self.driver.parts();
                let running = store.queue_head(&policy.limits, clock.now(), 0).await?.running;
                Ok(running.into_iter().map(|queued| queued.id).collect())
            }
        }
    }
}

#[async_trait]
impl Receiver for Hints {
    /// Returns once the look at each build that may be meant is committed. One that cannot be looked at delays no other;
    /// the message comes again for it.
    async fn receive(&self, incoming: Incoming) -> Result<(), PortError> {
        let unread = |error: StoreError| PortError::unavailable("the builds cannot be read now").because(error);
        let mut outcome = Ok(());
        for id in self.meant(&incoming).await.map_err(unread)? {
            let looked = look(&self.driver, &self.looking, id).await;
            outcome = outcome.and(looked);
        }
        outcome
    }
}
