//! A publisher that keeps what it is told.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::announce::Announcement;
use crate::error::PortError;
use crate::ports::{Publisher, Receipt};

/// A publisher that keeps what it is told. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct MemoryPublisher(Arc<Mutex<Vec<Announcement>>>);

impl MemoryPublisher {
    /// Returns everything that was published, repeats included.
    pub fn published(&self) -> Vec<Announcement> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Publisher for MemoryPublisher {
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(announcement.clone());
        Ok(Receipt::Confirmed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::publisher_contract;
    use crate::testing::simulation::block_on;

    #[test]
    fn it_keeps_every_promise_of_a_publisher() {
        let publisher = MemoryPublisher::default();
        let published = || publisher.published().iter().map(|announcement| announcement.id.to_string()).collect();
        block_on(publisher_contract::run_all(&publisher, published));
    }
}
