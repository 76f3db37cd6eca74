//! Readers of the log: how far each has come, who reads for it, and what it had to leave behind.

use crate::announce::AnnouncementId;
use crate::id::BuildId;
use crate::ports::{LeaseTimes, WorkerId};
use crate::timestamp::Timestamp;

/// Where a reader of the log is.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ReaderState {
    /// Whether it was ever taken; one that was not has read nothing yet.
    pub known: bool,
    /// The last line that was read; 0 before the first.
    pub sequence: u64,
    /// The worker that reads, and until when nobody else does.
    pub lease: Option<(WorkerId, Timestamp)>,
    /// How many announcements are parked.
    pub parked: u64,
    /// How many of those are to be tried again.
    pub retrying: u64,
}

impl ReaderState {
    /// Tells whether another worker reads at that time.
    pub fn is_held_by_another(&self, worker: &WorkerId, LeaseTimes { now, latest, .. }: LeaseTimes) -> bool {
        self.lease.as_ref().is_some_and(|(holder, until)| holder != worker && *until > now && *until <= latest)
    }
}

/// An announcement that a reader could not pass on, and that waits for somebody to mend the reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The line of the log that it is in.
    pub sequence: u64,
    /// Which.
    pub announcement: AnnouncementId,
    /// Why: the other side's answer, or that an earlier announcement of the same build is parked.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
    /// Whether it is to be tried again.
    pub retrying: bool,
}

/// Which parked announcements to return. Absent parts match every one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct ParkedFilter {
    /// Of this build.
    pub build: Option<BuildId>,
    /// Only those that are to be tried again.
    pub retrying: bool,
}
