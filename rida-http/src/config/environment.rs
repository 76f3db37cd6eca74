//! Settings as texts, from environment variables and flags.

use serde::Deserialize;
use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{Deserializer, Error, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::raw::Raw;
use super::told::message;
use super::{ConfigError, Origin};

/// What the names of variables start with.
pub(super) const PREFIX: &str = "RIDA_";
/// What stands between section and key.
pub(super) const SEPARATOR: &str = "__";

/// Returns section and key of a variable; a section within another is named after a dot.
pub(super) fn setting(name: &str) -> (String, String) {
    let name = name.strip_prefix(PREFIX).unwrap_or(name).to_ascii_lowercase();
    let (section, key) = name.rsplit_once(SEPARATOR).unwrap_or((&name, ""));
    (section.replace(SEPARATOR, "."), key.to_owned())
}

/// Reads one setting.
pub(super) fn read(section: &str, key: &str, value: &str, origin: &Origin) -> Result<Raw, ConfigError> {
    let invalid = |text: String| ConfigError::Value { origin: origin.clone(), message: message(&text) };
    let (outer, inner) = section.split_once('.').unwrap_or((section, ""));
    let fields = Section { inner, key, value };
    let all = MapDeserializer::new(std::iter::once((outer, fields)));
    Raw::deserialize(all).map_err(|error: serde::de::value::Error| invalid(error.to_string()))
}

/// A section with one key, or with one section that has it.
#[derive(Clone, Copy)]
struct Section<'a> {
    /// The sections within this one, with dots between them.
    inner: &'a str,
    key: &'a str,
    value: &'a str,
}

/// A text that is read as whatever is expected: a number, yes or no, a list with commas, or itself.
#[derive(Clone, Copy)]
struct Text<'a>(&'a str);

type ValueError = serde::de::value::Error;

impl<'de> IntoDeserializer<'de> for Section<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Section<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        if self.inner.is_empty() {
            return visitor.visit_map(MapDeserializer::new(std::iter::once((self.key, Text(self.value)))));
        }
        let (next, inner) = self.inner.split_once('.').unwrap_or((self.inner, ""));
        visitor.visit_map(MapDeserializer::new(std::iter::once((next, Section { inner, ..self }))))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de> IntoDeserializer<'de> for Text<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Reads a number by the visitor's method for it.
macro_rules! numbers {
    ($($method:ident => $visit:ident: $type:ty,)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            let number = self.0.trim().parse::<$type>();
            visitor.$visit(number.map_err(|_| ValueError::custom(format_args!("{:?} is not a whole number", self.0)))?)
        })*
    };
}

impl<'de> Deserializer<'de> for Text<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_borrowed_str(self.0)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0.trim() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(ValueError::custom(format_args!("{other:?} is neither true nor false"))),
        }
    }

    numbers! {
        deserialize_i64 => visit_i64: i64,
        deserialize_u16 => visit_u16: u16,
        deserialize_u32 => visit_u32: u32,
        deserialize_u64 => visit_u64: u64,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        let parts = self.0.split(',').map(str::trim).filter(|part| !part.is_empty());
        visitor.visit_seq(SeqDeserializer::new(parts.map(Text)))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        StrDeserializer::new(self.0.trim()).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u128 f32 f64 char str string bytes byte_buf unit unit_struct tuple tuple_struct map struct
        identifier ignored_any
    }
}
