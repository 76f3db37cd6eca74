//! The store on a PostgreSQL that breaks off, goes away and comes back.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

use rida_core::{LeaseTimes, LookTimes, Timestamp};

mod access;
mod away;
mod black_hole;
mod cut;
mod held;
mod proxy;

/// Leases from a time on.
fn lease(now: Timestamp, until: Timestamp) -> LeaseTimes {
    LeaseTimes { now, until, latest: Timestamp::from_millis(i64::MAX) }
}

/// Looks at what is due by a time, and again at a later one.
fn look(now: Timestamp, next: Timestamp) -> LookTimes {
    LookTimes { now, building: next, others: next, latest: Timestamp::from_millis(i64::MAX) }
}
