//! Tells the world what the log says, in order, at least once.

use super::Driver;
use crate::error::PortError;
use crate::ports::StoreError;
use crate::timestamp::Timestamp;

/// The name of the publisher's cursor.
const READER: &str = "publisher";

/// What became of announcements.
#[derive(Debug, Default)]
#[must_use]
pub struct Published {
    /// How many lines of the log were read.
    pub lines: usize,
    /// How many announcements were handed over.
    pub announcements: usize,
    /// Announcements that can never be published, each with the reason; they are passed over.
    pub refused: Vec<(String, PortError)>,
    /// Why the publisher stopped; the rest is published when it is called again.
    pub stopped: Option<PortError>,
}

impl Driver {
    /// Publishes announcements that were not published yet, in order, from at most `limit` lines of the log.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn publish(&self, limit: usize) -> Result<Published, StoreError> {
        let store = &self.parts.store;
        let mut published = Published::default();
        let start = store.cursor(READER).await?;
        let mut end = start;
        'lines: for line in store.log_after(start, limit).await? {
            for announcement in &line.announcements {
                match self.parts.publisher.publish(announcement).await {
                    Ok(()) => published.announcements += 1,
                    Err(error) if error.is_retryable() => {
                        published.stopped = Some(error);
                        break 'lines;
                    }
                    Err(error) => published.refused.push((announcement.id.to_string(), error)),
                }
            }
            published.lines += 1;
            end = line.sequence;
        }
        if end > start {
            store.advance_cursor(READER, end).await?;
        }
        Ok(published)
    }

    /// Returns when the oldest change happened that is not published yet.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn unpublished_since(&self) -> Result<Option<Timestamp>, StoreError> {
        let store = &self.parts.store;
        let next = store.log_after(store.cursor(READER).await?, 1).await?;
        Ok(next.first().map(|line| line.event.at))
    }
}
