//! How long to wait before what could not be followed is tried again: the build system or the store is away then, and
//! asking it each second helps nobody.

use std::time::Duration;

/// The first wait; it doubles with each further failure.
const FIRST: Duration = Duration::from_secs(1);
/// The longest one.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits that grow until something succeeds.
#[derive(Debug, Default)]
pub(crate) struct Again {
    failures: u32,
}

impl Again {
    /// Notes a failure, and returns how long to wait.
    pub(crate) fn failed(&mut self) -> Duration {
        let wait = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    pub(crate) fn succeeded(&mut self) {
        self.failures = 0;
    }
}
