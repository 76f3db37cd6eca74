//! What a submission brings along, or says otherwise than its modulemd.

use std::collections::BTreeMap;
use std::str::FromStr;

use rida_core::scm::GitRef;
use rida_core::{ComponentName, GivenModulemd, GrammarError, Overrides, SourcePackage};
use serde_json::Value;

use super::bounded;
use crate::api::object::{Object, kind, shown};
use crate::reply::ApiError;

/// How many source packages a submission may name.
const MOST_PACKAGES: usize = 1000;

/// Reads a document, and what the module is called when the document does not say it.
pub(super) fn modulemd(body: &mut Object) -> Result<Option<GivenModulemd>, ApiError> {
    let (text, name) = (body.take_text("modulemd")?, bounded("module_name", body.take_text("module_name")?)?);
    match (text, name) {
        (Some(text), name) => Ok(Some(GivenModulemd { text, name })),
        (None, None) => Ok(None),
        (None, Some(_)) => Err(only_with_a_document("module_name")),
    }
}

/// Reads what is said otherwise than by the document.
pub(super) fn overrides(body: &mut Object, with_document: bool) -> Result<Overrides, ApiError> {
    let stream = bounded("module_stream", body.take_text("module_stream")?)?;
    if stream.is_some() && !with_document {
        return Err(only_with_a_document("module_stream"));
    }
    Ok(Overrides {
        stream: stream.map(|stream| parsed("module_stream", &stream)).transpose()?,
        references: references(body)?,
    })
}

/// Reads the places of source packages.
pub(super) fn packages(body: &mut Object) -> Result<Vec<SourcePackage>, ApiError> {
    let wrong =
        |what: String| ApiError::bad_request(format!("\"srpms\" {what}; send a list of uploaded source packages"));
    let given = match body.take("srpms") {
        None => return Ok(Vec::new()),
        Some(Value::Array(given)) => given,
        Some(other) => return Err(wrong(format!("is {}", kind(&other)))),
    };
    if given.len() > MOST_PACKAGES {
        return Err(wrong(format!("has more than {MOST_PACKAGES}")));
    }
    let mut packages: Vec<SourcePackage> = Vec::new();
    for package in &given {
        let Value::String(text) = package else { return Err(wrong(format!("has {} in it", kind(package)))) };
        let package: SourcePackage = parsed("srpms", text)?;
        if packages.iter().any(|other| other.component() == package.component()) {
            return Err(wrong(format!("has more than one of {}", shown(text))));
        }
        packages.push(package);
    }
    Ok(packages)
}

fn references(body: &mut Object) -> Result<BTreeMap<ComponentName, GitRef>, ApiError> {
    const FIELD: &str = "rpm_component_ref_overrides";
    let wrong = || {
        ApiError::bad_request(format!(
            "the {FIELD:?} parameter must be an object with the keys as component names and the values as strings of refs"
        ))
    };
    let fields = match body.take(FIELD) {
        None => return Ok(BTreeMap::new()),
        Some(Value::Object(fields)) => fields,
        Some(_) => return Err(wrong()),
    };
    let mut overrides = BTreeMap::new();
    for (name, reference) in fields {
        let reference = reference.as_str().ok_or_else(wrong)?;
        let reference = GitRef::new(reference)
            .map_err(|error| ApiError::bad_request(format!("{FIELD:?} is not valid: {error}")))?;
        overrides.insert(parsed(FIELD, &name)?, reference);
    }
    Ok(overrides)
}

fn parsed<T: FromStr<Err = GrammarError>>(field: &str, text: &str) -> Result<T, ApiError> {
    text.parse().map_err(|error| ApiError::bad_request(format!("{field:?} is not valid: {error}")))
}

fn only_with_a_document(field: &str) -> ApiError {
    ApiError::bad_request(format!("{field:?} is for a modulemd in the request; leave it out, or send \"modulemd\""))
}
