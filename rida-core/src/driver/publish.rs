//! Tells the world what the log says, in order, at least once.
//!
//! Each publisher is a reader of the log with a cursor of its own, so that one that is away delays no other. A lease
//! keeps several processes from reading for one reader beside each other; what is published beside each other all the
//! same, because a lease ended while a call was under way, has the same ids.
//!
//! What can never be published as it is gets parked, and everything after it of the same build behind it: other builds
//! go on, and no build's announcements are told out of order. Somebody mends the reason, and has them tried again.

use std::collections::BTreeSet;
use std::time::Duration;

use super::Driver;
use crate::announce::{Announcement, AnnouncementId};
use crate::error::PortError;
use crate::id::BuildId;
use crate::ports::{LogLine, Publisher, Receipt, StoreError};
use crate::reader::{Parked, ParkedFilter, ReaderState};
use crate::timestamp::Timestamp;

/// The name of the cursor of the driver's own publisher.
pub const PUBLISHER: &str = "publisher";

/// What became of announcements.
#[derive(Debug, Default)]
#[must_use]
pub struct Published {
    /// How many lines of the log were read.
    pub lines: usize,
    /// How many announcements were handed over.
    pub announcements: usize,
    /// How many of those were confirmed by the other side.
    pub confirmed: usize,
    /// Announcements that cannot be published until somebody mends the reason, each with it; they are parked.
    pub refused: Vec<(AnnouncementId, PortError)>,
    /// How many were parked behind an earlier one of their build.
    pub behind: usize,
    /// More parked announcements are to be tried again than were tried; the log is read behind them.
    pub retries_left: bool,
    /// Why the publisher stopped; the rest is published when it is called again.
    pub stopped: Option<PortError>,
    /// Another process publishes, or took the reader over, or somebody moved it back.
    pub elsewhere: bool,
    /// How far the reader has come.
    pub sequence: u64,
    /// When the oldest announcement that is known to wait was made.
    pub waiting_since: Option<Timestamp>,
}

impl Driver {
    /// Publishes announcements with the driver's own publisher; see [`Self::publish_with`].
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn publish(&self, limit: usize) -> Result<Published, StoreError> {
        self.publish_with(PUBLISHER, &*self.parts.publisher, limit).await
    }

    /// Publishes announcements that this reader has not published yet, in order, from at most `limit` lines of the log;
    /// before them the parked ones that somebody wants to be tried again.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn publish_with(
        &self,
        reader: &str,
        publisher: &dyn Publisher,
        limit: usize,
    ) -> Result<Published, StoreError> {
        let store = &self.parts.store;
        let seen = store.reader(reader).await?;
        let mut published = Published { sequence: seen.sequence, ..Published::default() };
        if seen.is_held_by_another(&self.worker, self.lease_times()) {
            published.elsewhere = true;
            return Ok(published);
        }
        // Who only looks leaves the writers alone.
        let mut lines = store.log_after(seen.sequence, limit).await?;
        if lines.is_empty() && seen.retrying == 0 {
            return Ok(published);
        }
        let Some((state, until)) = self.lease_reader(reader).await? else {
            published.elsewhere = true;
            return Ok(published);
        };
        if state.sequence != seen.sequence {
            lines = store.log_after(state.sequence, limit).await?;
        }
        let mut round =
            Round { driver: self, reader, publisher, until, any_parked: state.parked > 0, behind: [].into() };
        if state.retrying > 0 {
            round.retry(limit, &mut published).await?;
        }
        // What follows of a build whose turn is yet to come would only be parked behind it.
        if published.stopped.is_none() && !published.elsewhere && !published.retries_left {
            round.read(state, &lines, &mut published).await?;
        }
        if published.stopped.is_some() {
            // Another process may reach what this one cannot.
            store.release_reader(reader, &self.worker).await?;
        }
        let unread = lines.iter().find(|line| line.sequence > published.sequence && !line.announcements.is_empty());
        published.waiting_since = unread.map(|line| line.event.at);
        Ok(published)
    }

    /// Returns when the oldest change happened that the driver's own publisher has not published yet.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn unpublished_since(&self) -> Result<Option<Timestamp>, StoreError> {
        let store = &self.parts.store;
        let next = store.log_after(store.reader(PUBLISHER).await?.sequence, 1).await?;
        Ok(next.first().map(|line| line.event.at))
    }

    /// Makes a reader that was never there begin behind what is in the log already: nobody is told years later what
    /// happened before anybody listened. One that was there goes on where it was.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn begin_reader(&self, reader: &str) -> Result<(), StoreError> {
        let store = &self.parts.store;
        if store.reader(reader).await?.known {
            return Ok(());
        }
        // What is written between the two is told.
        let end = store.log_end().await?;
        store.start_reader(reader, end).await
    }

    /// Gives a reader up, so that another process need not wait for the end of the lease.
    ///
    /// # Errors
    /// When the store cannot answer. The lease ends by itself then.
    pub async fn release_reader(&self, reader: &str) -> Result<(), StoreError> {
        self.parts.store.release_reader(reader, &self.worker).await
    }

    async fn lease_reader(&self, reader: &str) -> Result<Option<(ReaderState, Timestamp)>, StoreError> {
        let times = self.lease_times();
        let taken = self.parts.store.take_reader(reader, &self.worker, times).await?;
        Ok(taken.map(|state| (state, times.until)))
    }
}

/// One call of [`Driver::publish_with`], with the lease in hand.
struct Round<'a> {
    driver: &'a Driver,
    reader: &'a str,
    publisher: &'a dyn Publisher,
    until: Timestamp,
    any_parked: bool,
    /// Builds of which something is parked, as far as is known.
    behind: BTreeSet<BuildId>,
}

/// What became of one announcement.
enum Told {
    Published(Receipt),
    Refused(PortError),
    Stopped(PortError),
    /// The lease is lost.
    Elsewhere,
}

impl Round<'_> {
    /// Publishes parked announcements that are to be tried again.
    async fn retry(&mut self, limit: usize, published: &mut Published) -> Result<(), StoreError> {
        let store = &self.driver.parts.store;
        let filter = ParkedFilter { retrying: true, build: None };
        let (mut refused, mut freed) = (BTreeSet::new(), BTreeSet::new());
        for parked in store.parked(self.reader, filter, limit).await? {
            let id = parked.announcement;
            if refused.contains(&id.build) {
                continue;
            }
            let line = store.log_after(parked.sequence.saturating_sub(1), 1).await?;
            let announcement =
                line.iter().flat_map(|line| &line.announcements).find(|announcement| announcement.id == id);
            let Some(announcement) = announcement else {
                store.unpark(self.reader, id).await?;
                continue;
            };
            match self.tell(announcement).await? {
                Told::Published(receipt) => {
                    published.count(receipt);
                    if freed.insert(id.build) {
                        // Also what was parked behind it after somebody wanted it to be tried again: nothing would ever
                        // make that be. Before this one is gone, since a crash between would leave the rest for good.
                        store.retry_parked(self.reader, Some(id.build)).await?;
                    }
                    store.unpark(self.reader, id).await?;
                }
                Told::Refused(error) => {
                    store.keep_parked(self.reader, id, &error.in_full()).await?;
                    refused.insert(id.build);
                    published.refused.push((id, error));
                }
                Told::Stopped(error) => {
                    published.stopped = Some(error);
                    return Ok(());
                }
                Told::Elsewhere => {
                    published.elsewhere = true;
                    return Ok(());
                }
            }
        }
        // More than a round has, or what was parked behind these meanwhile.
        published.retries_left = !store.parked(self.reader, filter, 1).await?.is_empty();
        Ok(())
    }

    /// Publishes lines, and moves the reader behind those that are done.
    async fn read(
        &mut self,
        state: ReaderState,
        lines: &[LogLine],
        published: &mut Published,
    ) -> Result<(), StoreError> {
        let mut end = state.sequence;
        let mut parked = Vec::new();
        'lines: for line in lines {
            let mut of_line = Vec::new();
            for announcement in &line.announcements {
                if self.is_behind(announcement.id.build).await? {
                    published.behind += 1;
                    of_line.push(self.park(line, announcement.id, "an earlier announcement of this build is parked"));
                    continue;
                }
                match self.tell(announcement).await? {
                    Told::Published(receipt) => published.count(receipt),
                    Told::Refused(error) => {
                        of_line.push(self.park(line, announcement.id, &error.in_full()));
                        self.behind.insert(announcement.id.build);
                        published.refused.push((announcement.id, error));
                    }
                    Told::Stopped(error) => {
                        published.stopped = Some(error);
                        break 'lines;
                    }
                    Told::Elsewhere => {
                        published.elsewhere = true;
                        break 'lines;
                    }
                }
            }
            // A line that is not done is read again, with what was refused of it.
            parked.append(&mut of_line);
            published.lines += 1;
            end = line.sequence;
        }
        if end > state.sequence {
            let (store, worker) = (&self.driver.parts.store, &self.driver.worker);
            if store.advance_reader(self.reader, worker, state.sequence, end, &parked).await? {
                published.sequence = end;
            } else {
                published.elsewhere = true;
            }
        }
        Ok(())
    }

    /// Publishes an announcement, while the lease is fresh.
    async fn tell(&mut self, announcement: &Announcement) -> Result<Told, StoreError> {
        let left = self.until.since(self.driver.parts.clock.now());
        if left < self.driver.lease / 2 || left > self.driver.lease.saturating_add(Duration::from_secs(1)) {
            match self.driver.lease_reader(self.reader).await? {
                Some((_, until)) => self.until = until,
                None => return Ok(Told::Elsewhere),
            }
        }
        Ok(match self.publisher.publish(announcement).await {
            Ok(receipt) => Told::Published(receipt),
            Err(error) if error.is_retryable() => Told::Stopped(error),
            Err(error) => Told::Refused(error),
        })
    }

    /// Tells whether something of a build is parked, so that what comes after it waits behind it.
    async fn is_behind(&mut self, build: BuildId) -> Result<bool, StoreError> {
        if self.behind.contains(&build) {
            return Ok(true);
        }
        if !self.any_parked {
            return Ok(false);
        }
        let filter = ParkedFilter { build: Some(build), retrying: false };
        let is_behind = !self.driver.parts.store.parked(self.reader, filter, 1).await?.is_empty();
        if is_behind {
            self.behind.insert(build);
        }
        Ok(is_behind)
    }

    fn park(&self, line: &LogLine, announcement: AnnouncementId, reason: &str) -> Parked {
        let at = self.driver.parts.clock.now();
        Parked { sequence: line.sequence, announcement, reason: reason.to_owned(), at, retrying: false }
    }
}

impl Published {
    fn count(&mut self, receipt: Receipt) {
        self.announcements += 1;
        if receipt == Receipt::Confirmed {
            self.confirmed += 1;
        }
    }

    /// Tells whether more may wait than was read.
    pub fn is_more(&self, limit: usize) -> bool {
        self.stopped.is_none() && !self.elsewhere && (self.lines >= limit || self.retries_left)
    }
}
