//! Points in time. The core owns no clock: each one comes in with an event.

use std::fmt;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::macros::format_description;

/// A point in time, in milliseconds since the Unix epoch, UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest point in time that prints as a date: the Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// 9999-12-31T23:59:59.999Z, the last point in time that prints as a date.
    const LAST: i64 = 253_402_300_799_999;

    /// Makes a timestamp from milliseconds since the Unix epoch, held to the years 1970 to 9999.
    pub const fn from_millis(millis: i64) -> Self {
        if millis < 0 {
            Self(0)
        } else if millis > Self::LAST {
            Self(Self::LAST)
        } else {
            Self(millis)
        }
    }

    /// Makes a timestamp from seconds since the Unix epoch, held to the years 1970 to 9999.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self::from_millis(seconds.saturating_mul(1000))
    }

    /// Returns the milliseconds since the Unix epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Returns this point in time moved forward.
    pub fn plus(self, by: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns how long after `earlier` this is; zero when it is before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Prints as `YYYYMMDDHHMMSS`, the form of a module's version.
    pub fn compact(self) -> String {
        self.date().format(format_description!("[year][month][day][hour][minute][second]")).unwrap_or_default()
    }

    fn date(self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000).unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        Self::EPOCH.plus(since)
    }
}

impl fmt::Display for Timestamp {
    /// Prints as `YYYY-MM-DDTHH:MM:SSZ`, the form that the API uses.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.date().format(format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]Z"));
        f.pad(&text.map_err(|_| fmt::Error)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_prints_as_the_api_and_as_a_version() {
        let at = Timestamp::from_millis(1_518_184_351_999);
        assert_eq!(at.to_string(), "2018-02-09T13:52:31Z");
        assert_eq!(at.compact(), "20180209135231");
    }

    #[test]
    fn it_is_made_of_the_time_of_the_system() {
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1_518_184_351_999);
        assert_eq!(Timestamp::from(time).millis(), 1_518_184_351_999);
        assert_eq!(Timestamp::from(SystemTime::UNIX_EPOCH - Duration::from_secs(1)), Timestamp::EPOCH);
    }

    #[test]
    fn no_number_makes_it_panic() {
        for millis in [i64::MIN, -1, 0, i64::MAX] {
            let at = Timestamp::from_millis(millis);
            assert!(at.to_string().ends_with('Z'));
            assert_eq!(at.plus(Duration::MAX).to_string(), "9999-12-31T23:59:59Z");
            assert_eq!(Timestamp::EPOCH.since(at), Duration::ZERO);
        }
        assert_eq!(Timestamp::from_seconds(i64::MAX).compact(), "99991231235959");
    }
}
