//! How RPM orders versions.

use std::cmp::Ordering;

/// Epoch, version and release; parts that a requirement leaves out are absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evr<'a> {
    epoch: Option<&'a str>,
    version: &'a str,
    release: Option<&'a str>,
}

impl<'a> Evr<'a> {
    /// Reads `[epoch:]version[-release]`.
    pub(crate) fn parse(text: &'a str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if !epoch.is_empty() && epoch.bytes().all(|b| b.is_ascii_digit()) => {
                (Some(epoch), rest)
            }
            _ => (None, text),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release)),
            None => (rest, None),
        };
        Self { epoch, version, release }
    }

    /// Orders two as RPM does when it compares a requirement with what is provided: an absent epoch is 0, and a
    /// release counts only when both have one.
    pub(crate) fn compare(self, other: Self) -> Ordering {
        let epochs = compare_versions(self.epoch.unwrap_or("0"), other.epoch.unwrap_or("0"));
        epochs.then_with(|| compare_versions(self.version, other.version)).then_with(|| {
            match (self.release, other.release) {
                (Some(one), Some(other)) => compare_versions(one, other),
                _ => Ordering::Equal,
            }
        })
    }
}

/// Orders two versions: numbers and words in turn; `~` sorts before everything, `^` after the end and before the rest.
pub(crate) fn compare_versions(one: &str, other: &str) -> Ordering {
    let (mut a, mut b) = (one.as_bytes(), other.as_bytes());
    loop {
        a = skip_separators(a);
        b = skip_separators(b);
        match (a.first(), b.first()) {
            (Some(b'~'), Some(b'~')) | (Some(b'^'), Some(b'^')) => {
                (a, b) = (tail(a), tail(b));
                continue;
            }
            (Some(b'~'), _) => return Ordering::Less,
            (_, Some(b'~')) => return Ordering::Greater,
            (Some(b'^'), None) => return Ordering::Greater,
            (None, Some(b'^')) => return Ordering::Less,
            (Some(b'^'), _) => return Ordering::Less,
            (_, Some(b'^')) => return Ordering::Greater,
            (None, None) => return Ordering::Equal,
            (Some(_), None) => return Ordering::Greater,
            (None, Some(_)) => return Ordering::Less,
            (Some(x), Some(y)) => match (x.is_ascii_digit(), y.is_ascii_digit()) {
                (true, false) => return Ordering::Greater,
                (false, true) => return Ordering::Less,
                (digits, _) => {
                    let (one, rest_of_one) = segment(a, digits);
                    let (other, rest_of_other) = segment(b, digits);
                    let order = if digits {
                        let (one, other) = (without_zeros(one), without_zeros(other));
                        one.len().cmp(&other.len()).then_with(|| one.cmp(other))
                    } else {
                        one.cmp(other)
                    };
                    if order.is_ne() {
                        return order;
                    }
                    (a, b) = (rest_of_one, rest_of_other);
                }
            },
        }
    }
}

fn tail(bytes: &[u8]) -> &[u8] {
    bytes.get(1..).unwrap_or_default()
}

fn skip_separators(bytes: &[u8]) -> &[u8] {
    let counts = |b: &u8| b.is_ascii_alphanumeric() || *b == b'~' || *b == b'^';
    let start = bytes.iter().position(counts).unwrap_or(bytes.len());
    bytes.get(start..).unwrap_or_default()
}

fn segment(bytes: &[u8], digits: bool) -> (&[u8], &[u8]) {
    let belongs = |b: &u8| if digits { b.is_ascii_digit() } else { b.is_ascii_alphabetic() };
    bytes.split_at(bytes.iter().position(|b| !belongs(b)).unwrap_or(bytes.len()))
}

fn without_zeros(digits: &[u8]) -> &[u8] {
    let start = digits.iter().position(|b| *b != b'0').unwrap_or(digits.len());
    digits.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests;
