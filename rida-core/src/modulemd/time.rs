//! Days and minutes, as documents write them.

use std::fmt;

/// A day of the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(time::Date);

impl Date {
    /// Reads `YYYY-MM-DD`; leading zeros may be left out.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
        let year = number(year).filter(|year| *year > 0 && parts.next().is_none())?;
        Self::new(year, number(month)?, number(day)?)
    }

    fn new(year: u16, month: u16, day: u16) -> Option<Self> {
        let month = time::Month::try_from(u8::try_from(month).ok()?).ok()?;
        time::Date::from_calendar_date(i32::from(year), month, u8::try_from(day).ok()?).ok().map(Self)
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.0.year(), u8::from(self.0.month()), self.0.day())
    }
}

/// A minute in UTC: when a document was modified, or when a stream ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Minute {
    day: Date,
    hour: u8,
    minute: u8,
}

impl Minute {
    /// Reads `YYYY-MM-DDThh:mmZ`; leading zeros may be left out.
    pub fn parse(text: &str) -> Option<Self> {
        let (day, clock) = text.split_once('T')?;
        let (hour, minute) = clock.strip_suffix('Z')?.split_once(':')?;
        let within = |text: &str, most: u8| u8::try_from(number(text)?).ok().filter(|number| *number < most);
        Some(Self { day: Date::parse(day)?, hour: within(hour, 24)?, minute: within(minute, 60)? })
    }

    /// Returns the number `YYYYMMDDhhmm`, which libmodulemd tells instead.
    pub fn compact(self) -> u64 {
        let day = self.day.0;
        let year = u64::from(day.year().unsigned_abs());
        let parts = [u8::from(day.month()), day.day(), self.hour, self.minute];
        parts.into_iter().fold(year, |number, part| number * 100 + u64::from(part))
    }
}

impl fmt::Display for Minute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}T{:02}:{:02}Z", self.day, self.hour, self.minute)
    }
}

/// Reads one to four digits.
fn number(text: &str) -> Option<u16> {
    let digits = (1..=4).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}
