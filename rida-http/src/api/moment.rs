//! Points in time in requests.

use rida_core::Timestamp;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::object::shown;
use crate::reply::ApiError;

/// Which side of a moment is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    After,
    Before,
}

/// Reads an ISO 8601 time such as `2026-01-31T12:00:00Z`; without a zone it is UTC.
///
/// Answers show whole seconds, so that a time without a fraction means the whole second on the `Before` side: what is
/// shown with that time is within.
pub(super) fn moment(name: &str, text: &str, side: Side) -> Result<Timestamp, ApiError> {
    let date = OffsetDateTime::parse(&normal(text), &Rfc3339).map_err(|_| {
        let text = shown(text);
        ApiError::bad_request(format!("{name}={text} is not a time; write one such as 2026-01-31T12:00:00Z"))
    })?;
    let nanos = date.unix_timestamp_nanos();
    let millis = i64::try_from(nanos.div_euclid(1_000_000)).unwrap_or(i64::MAX);
    let rest_of_second = if side == Side::Before && !text.contains('.') { 999 } else { 0 };
    Ok(Timestamp::from_millis(millis.saturating_add(rest_of_second)))
}

/// Completes a zone that is missing or has hours only, and takes back the space that a `+` in a query becomes.
fn normal(text: &str) -> String {
    let text = text.replace(' ', "+");
    let Some((date, time)) = text.split_once(['T', 't']) else { return text };
    match time.find(['+', '-', 'Z', 'z']) {
        None => format!("{date}T{time}Z"),
        Some(at) if time.len() - at == 3 => format!("{date}T{time}:00"),
        Some(_) => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let cases = [
            ("2026-01-31T12:00:00Z", 1_769_860_800_000),
            ("2026-01-31T12:00:00", 1_769_860_800_000),
            ("2026-01-31T12:00:00.25", 1_769_860_800_250),
            ("2026-01-31T12:00:00+00", 1_769_860_800_000),
            ("2026-01-31T12:00:00 00:00", 1_769_860_800_000),
            ("2026-01-31T13:00:00+01:00", 1_769_860_800_000),
            ("2024-02-29T00:00:00Z", 1_709_164_800_000),
            ("1890-01-01T00:00:00Z", 0),
        ];
        for (text, millis) in cases {
            assert_eq!(moment("x", text, Side::After).unwrap().millis(), millis, "{text}");
        }
        let within = moment("x", "2026-01-31T12:00:00Z", Side::Before).unwrap();
        assert_eq!(within.millis(), 1_769_860_800_999);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        let bad =
            ["", "2016-99-99T00:00:00Z", "2025-02-29T00:00:00Z", "2026-01-31", "yesterday", "2026-01-31T25:00:00Z"];
        for text in bad.into_iter().chain(["2026-01-31T12:00:00Q", "1e400", "T", "2026-01-31T12:00:00+99:99", "é"]) {
            let error = moment("submitted_after", text, Side::After).unwrap_err();
            assert_eq!(error.status().as_u16(), 400, "{text}");
        }
    }
}
