//! Who tells the world.

use async_trait::async_trait;

use crate::announce::Announcement;
use crate::error::PortError;

/// Tells the world.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Publishes an announcement, and tells what is known of it afterwards. May be called again with the same one,
    /// which then has the same id, time and body. Answers within seconds: who waits longer for the other side says
    /// [`Unavailable`](crate::PortErrorKind::Unavailable), and is called again.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when this announcement cannot be published until somebody mends
    /// the reason; it is parked then.
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError>;
}

/// What is known of an announcement that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Receipt {
    /// The other side has it, on its disk where it has one, and said so.
    Confirmed,
    /// It was handed over to something that cannot confirm; who listens has most likely got it.
    HandedOver,
}
