//! Values with units: times and sizes.

use std::fmt;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};

/// A time such as `"90s"`, `"15m"`, `"2h"` or `"7d"`; a bare number is in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span(pub(super) Duration);

/// A number of bytes such as `"64KiB"` or `"1MiB"`; a bare number is in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size(pub(super) usize);

const SPANS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
const SIZES: [(&str, u64); 4] = [("B", 1), ("KiB", 1024), ("MiB", 1024 * 1024), ("GiB", 1024 * 1024 * 1024)];

/// Reads a number with one of the units.
fn amount(text: &str, units: &[(&str, u64)], bare: u64) -> Option<u64> {
    let digits = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number: u64 = text.strip_suffix(digits)?.parse().ok()?;
    let unit = digits.trim();
    let factor = if unit.is_empty() { bare } else { units.iter().find(|(name, _)| *name == unit)?.1 };
    number.checked_mul(factor)
}

/// Writes an amount with the largest unit that divides it.
fn written(amount: u64, units: &[(&str, u64)]) -> String {
    let fits = |(_, factor): &&(&str, u64)| amount.is_multiple_of(*factor) && amount > 0;
    let (unit, factor) = units.iter().rev().find(fits).copied().unwrap_or(("", 1));
    format!("{}{unit}", amount / factor)
}

struct Unit<T> {
    expected: &'static str,
    read: fn(&str) -> Option<T>,
}

impl<T> Visitor<'_> for Unit<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.read)(text).ok_or_else(|| E::custom(format_args!("{text:?} is not {}", self.expected)))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| amount(text, &SPANS, 1000).map(|millis| Self(Duration::from_millis(millis)));
        deserializer.deserialize_any(Unit { expected: "a time such as \"90s\", \"15m\", \"2h\" or \"7d\"", read })
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = |text: &str| amount(text, &SIZES, 1).and_then(|bytes| usize::try_from(bytes).ok()).map(Self);
        deserializer.deserialize_any(Unit { expected: "a number of bytes such as \"64KiB\" or \"1MiB\"", read })
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        serializer.serialize_str(&written(millis, &SPANS))
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written(u64::try_from(self.0).unwrap_or(u64::MAX), &SIZES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_and_written() {
        for (text, millis) in [("90s", 90_000), ("90", 90_000), ("250ms", 250), ("2 h", 7_200_000), ("7d", 604_800_000)]
        {
            assert_eq!(amount(text, &SPANS, 1000), Some(millis), "{text}");
        }
        for text in ["", "s", "-1s", "1.5h", "1w", "99999999999999999999", "18446744073709551615d", "é"] {
            assert_eq!(amount(text, &SPANS, 1000), None, "{text}");
        }
        assert_eq!(written(90_000, &SPANS), "90s");
        assert_eq!(written(3_600_000, &SPANS), "1h");
        assert_eq!(written(0, &SPANS), "0");
        assert_eq!(written(65_536, &SIZES), "64KiB");
    }
}
