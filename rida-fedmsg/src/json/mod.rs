//! JSON as fedmsg signs it: what Python's `json` reads and writes, to the byte.
//!
//! A signature covers the canonical text of an envelope, not the bytes on the wire: relays write it anew. So what is
//! verified is read and written here, with everything that Python keeps: integers of any size, lone surrogates, `NaN`.
//! The canonical text is that of `json.JSONEncoder(sort_keys=True, separators=(",", ":"))`: ASCII, keys by code point.

mod read;
mod write;

use std::collections::BTreeMap;

pub use self::read::JsonError;

/// A JSON value as Python has it.
#[derive(Clone, Debug, PartialEq)]
pub enum Json {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without fraction and exponent, as its digits; `-0` is `0`.
    Integer(Box<str>),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(Text),
    /// A list.
    List(Vec<Json>),
    /// An object; of equal keys the last counts.
    Object(BTreeMap<Text, Json>),
}

/// A text that may hold lone surrogates, in UTF-8 extended by them; its order is that of code points.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text(Vec<u8>);

/// Limits of what is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JsonLimits {
    /// How many bytes.
    pub bytes: usize,
    /// How deep lists and objects may be in each other.
    pub depth: usize,
    /// How many values.
    pub values: usize,
}

impl Default for JsonLimits {
    /// Far more than any message of a bus needs.
    fn default() -> Self {
        Self { bytes: 1024 * 1024, depth: 64, values: 100_000 }
    }
}

impl Json {
    /// Reads a value.
    ///
    /// # Errors
    /// When it is not what Python reads as JSON, or exceeds a limit.
    pub fn read(bytes: &[u8], limits: JsonLimits) -> Result<Self, JsonError> {
        read::read(bytes, limits)
    }

    /// Writes the canonical text.
    pub fn canonical(&self) -> String {
        write::canonical(self)
    }

    /// Makes an object of keys and values.
    pub fn object<const N: usize>(entries: [(&str, Json); N]) -> Self {
        Self::Object(entries.into_iter().map(|(key, value)| (Text::from(key), value)).collect())
    }

    /// Returns what an object has under a key.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Self::Object(entries) => entries.get(key.as_bytes()),
            _ => None,
        }
    }

    /// Returns the text, when it is one without lone surrogates.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => text.as_str(),
            _ => None,
        }
    }

    /// Returns the number, when it is an integer that fits.
    pub fn as_integer(&self) -> Option<i64> {
        match self {
            Self::Integer(digits) => digits.parse().ok(),
            _ => None,
        }
    }
}

impl Text {
    /// Returns the text, when it has no lone surrogates.
    pub fn as_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().to_vec())
    }
}

impl std::borrow::Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Self::Text(Text(text.into_bytes()))
    }
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Json {
    fn from(number: i64) -> Self {
        Self::Integer(number.to_string().into())
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Json>> FromIterator<T> for Json {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

#[cfg(test)]
mod tests;
