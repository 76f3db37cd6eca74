//! Reading a JSON object of a request so that whatever is wrong with it can be said in full.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::reply::ApiError;

/// A JSON object whose fields are taken one by one.
#[derive(Debug)]
pub(super) struct Object {
    fields: Vec<(String, Value)>,
    known: &'static [&'static str],
}

/// The fields as they were sent, repeated ones included, which a map would hide.
struct Fields(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Collect;

        impl<'de> Visitor<'de> for Collect {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(Collect)
    }
}

impl Object {
    /// Reads an object that has none but the known fields, each once. `example` shows how it should have been.
    pub(super) fn read(bytes: &[u8], known: &'static [&'static str], example: &str) -> Result<Self, ApiError> {
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Err(ApiError::bad_request(format!("the body is empty; send JSON such as {example}")));
        }
        let Fields(fields) = serde_json::from_slice(bytes).map_err(|error| {
            ApiError::bad_request(format!("the body is not a JSON object: {error}; send one such as {example}"))
        })?;
        let mut unknown: Vec<String> = Vec::new();
        let mut seen: Vec<&str> = Vec::new();
        for (name, _) in &fields {
            if !known.contains(&name.as_str()) {
                unknown.push(shown(name));
            } else if seen.contains(&name.as_str()) {
                return Err(ApiError::bad_request(format!("the body has {name:?} more than once; send it once")));
            } else {
                seen.push(name);
            }
        }
        if !unknown.is_empty() {
            unknown.truncate(20);
            let (unknown, known) = (unknown.join(", "), known.join(", "));
            return Err(ApiError::bad_request(format!("the body has unknown fields: {unknown}; known are {known}")));
        }
        Ok(Self { fields, known })
    }

    /// Takes a field; one that is `null` counts as absent.
    pub(super) fn take(&mut self, name: &'static str) -> Option<Value> {
        debug_assert!(self.known.contains(&name), "{name} is not declared");
        let index = self.fields.iter().position(|(field, _)| field == name)?;
        Some(self.fields.swap_remove(index).1).filter(|value| !value.is_null())
    }

    /// Takes a field that is a text.
    pub(super) fn take_text(&mut self, name: &'static str) -> Result<Option<String>, ApiError> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) if text.is_empty() => {
                Err(ApiError::bad_request(format!("{name:?} is empty; give it a value or leave it out")))
            }
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(ApiError::bad_request(format!("{name:?} is {}; send a string", kind(&other)))),
        }
    }

    /// Takes a field that is yes or no. Old clients send it as a text.
    pub(super) fn take_flag(&mut self, name: &'static str) -> Result<bool, ApiError> {
        match self.take(name) {
            None | Some(Value::Bool(false)) => Ok(false),
            Some(Value::Bool(true)) => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") || text == "1" => Ok(true),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") || text == "0" => Ok(false),
            Some(other) => Err(ApiError::bad_request(format!("{name:?} is {}; send true or false", kind(&other)))),
        }
    }
}

/// Names what kind of value something is.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// Quotes and shortens what a user sent, for an error text.
pub(crate) fn shown(text: &str) -> String {
    let mut short: String = text.chars().take(60).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    format!("{short:?}")
}
