//! A publisher that writes to the log what it passes on.

use std::sync::Arc;

use async_trait::async_trait;
use rida_core::{Announcement, Change, PortError, Publisher, Receipt};

use crate::metrics::{Metrics, Outcome};

/// Writes each announcement to the log once another publisher has taken it, and counts what became of it.
pub(crate) struct Logged {
    publisher: Arc<dyn Publisher>,
    metrics: Metrics,
}

impl Logged {
    pub(crate) fn new(publisher: Arc<dyn Publisher>, metrics: Metrics) -> Self {
        Self { publisher, metrics }
    }
}

#[async_trait]
impl Publisher for Logged {
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        let published = self.publisher.publish(announcement).await;
        self.metrics.announcement(match &published {
            Ok(_) => Outcome::Published,
            Err(error) if error.is_retryable() => Outcome::Failed,
            Err(_) => Outcome::Refused,
        });
        let receipt = published?;
        let (id, nsvc) = (announcement.id.build.get(), &announcement.nsvc);
        match &announcement.change {
            Change::Module { to, reason, .. } => {
                let why = reason.as_ref().map(|reason| format!(": {}", reason.escape_debug())).unwrap_or_default();
                tracing::info!(build.id = id, state = %to, "module {nsvc} is in {to}{why}");
            }
            Change::Component { component, state, task, reason, .. } => {
                let why = reason.as_ref().map(|reason| format!(": {}", reason.escape_debug())).unwrap_or_default();
                let task = task.map(|task| task.0);
                tracing::info!(
                    build.id = id,
                    component.name = %component,
                    %state,
                    task,
                    "component {component} of build {id} is {state}{why}"
                );
            }
        }
        Ok(receipt)
    }
}
