//! The fields of a submission that choose streams of other modules.

use std::collections::{BTreeMap, BTreeSet};

use rida_core::{ModuleName, StreamChoices, StreamName};
use serde_json::Value;

use super::object::{Object, kind, shown};
use crate::reply::ApiError;

/// The fields, in the order in which they are read.
pub(super) const FIELDS: [&str; 3] = ["buildrequire_overrides", "require_overrides", "default_streams"];

/// Takes the fields: two of modules with lists of streams, one of modules with a stream.
pub(super) fn take(body: &mut Object) -> Result<StreamChoices, ApiError> {
    const LISTS: &str = r#"{"platform": ["el8"]}"#;
    let [buildrequires, requires, preferred] = FIELDS;
    Ok(StreamChoices {
        buildrequires: modules(body, buildrequires, LISTS, list)?,
        requires: modules(body, requires, LISTS, list)?,
        preferred: modules(body, preferred, r#"{"platform": "el8"}"#, one)?,
    })
}

fn modules<T>(
    body: &mut Object,
    field: &'static str,
    example: &str,
    read: fn(&Value) -> Result<T, String>,
) -> Result<BTreeMap<ModuleName, T>, ApiError> {
    let bad = |what: String| ApiError::bad_request(format!("{field:?} {what}; send an object such as {example}"));
    let modules = match body.take(field) {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(modules)) => modules,
        Some(other) => return Err(bad(format!("is {}", kind(&other)))),
    };
    let one = |(name, value): (String, Value)| {
        let module = ModuleName::new(&name).map_err(|error| bad(format!("names no module: {error}")))?;
        let value = read(&value).map_err(|what| bad(format!("has for {} {what}", shown(&name))))?;
        Ok((module, value))
    };
    modules.into_iter().map(one).collect()
}

/// Reads streams as a modulemd lists them: some of them may be excluded with `-`, and none stands for any.
fn list(value: &Value) -> Result<BTreeSet<String>, String> {
    let Value::Array(items) = value else { return Err(kind(value).to_owned()) };
    let item = |item: &Value| {
        let Value::String(text) = item else { return Err(format!("{} in its list", kind(item))) };
        let stream = text.strip_prefix('-').unwrap_or(text);
        StreamName::new(stream).map(|_| text.clone()).map_err(|error| error.to_string())
    };
    items.iter().map(item).collect()
}

fn one(value: &Value) -> Result<StreamName, String> {
    let Value::String(text) = value else { return Err(kind(value).to_owned()) };
    StreamName::new(text).map_err(|error| error.to_string())
}
