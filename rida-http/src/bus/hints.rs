//! What follows from a message of the build system: the build system is asked, about the builds that may be meant.

use std::sync::Arc;

use async_trait::async_trait;
use rida_core::{BuildId, Driver, PortError, StoreError};
use rida_fedmsg::{Incoming, Receiver};

/// Has builds looked at that messages of the build system may be about, for those who embed the service and listen
/// themselves.
pub struct Hints {
    driver: Arc<Driver>,
}

impl Hints {
    /// Makes the way from messages to a driver.
    pub const fn new(driver: Arc<Driver>) -> Self {
        Self { driver }
    }

    async fn follow(&self, incoming: &Incoming) -> Result<(), Failed> {
        match incoming {
            Incoming::Hint { topic, hint } => {
                for id in self.driver.builds_of(hint).await? {
                    tracing::debug!(build.id = id.get(), topic, "the build system has news");
                    self.look(id).await?;
                }
            }
            // Whatever was said meanwhile is in the build system.
            Incoming::Gap => {
                for queued in self.driver.parts().store.queue().await?.running {
                    self.look(queued.id).await?;
                }
            }
        }
        Ok(())
    }

    async fn look(&self, id: BuildId) -> Result<(), Failed> {
        let looked = self.driver.look(id).await?;
        match looked.error {
            Some(error) if error.is_retryable() => Err(Failed::BuildSystem(error)),
            // It answers, and not what was hoped for: coming again would not help.
            Some(_) | None => Ok(()),
        }
    }
}

enum Failed {
    Store(StoreError),
    BuildSystem(PortError),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

#[async_trait]
impl Receiver for Hints {
    /// Returns once the look at each build that may be meant is committed.
    async fn receive(&self, incoming: Incoming) -> Result<(), PortError> {
        self.follow(&incoming).await.map_err(|failed| match failed {
            Failed::Store(error) => PortError::unavailable("the builds cannot be read or changed now").because(error),
            Failed::BuildSystem(error) => error,
        })
    }
}
