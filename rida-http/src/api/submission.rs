//! The bodies of requests that change something.

use rida_core::{
    BUILD_STATES, BuildState, GivenModulemd, Overrides, Owner, Request, SourcePackage, StreamChoices, TagName,
};
use serde_json::Value;

use super::object::{Object, kind, shown};
use super::stream_choices;
use crate::reply::ApiError;

mod given;

const SUBMIT_EXAMPLE: &str = r#"{"scmurl": "https://git.example.org/modules/foo.git?#<commit or branch>"}"#;
const CHANGE_EXAMPLE: &str = r#"{"state": "failed"} to cancel, or {"state": "ready"}"#;

/// The longest text that a field may hold; longer ones are no URL, branch or name.
const LONGEST_TEXT: usize = 4096;

/// The body of a submission: `{"scmurl": …}` or `{"modulemd": …}`, with `module_name`, `module_stream`, `branch`, `owner`,
/// `scratch`, `rebuild_strategy`, `reuse_components_from`, `side_tag`, `srpms`,
/// `rpm_component_ref_overrides` and the fields of [`stream_choices`] as wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SubmitBody {
    scm_url: String,
    modulemd: Option<GivenModulemd>,
    overrides: Overrides,
    packages: Vec<SourcePackage>,
    branch: Option<String>,
    owner: Option<Owner>,
    scratch: bool,
    rebuild_strategy: Option<String>,
    reuse_from: Option<String>,
    side_tag: Option<TagName>,
    streams: StreamChoices,
}

/// The body of a change: `{"state": …, "owner"?: …}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChangeBody {
    pub(crate) change: StateChange,
    pub(crate) owner: Option<Owner>,
}

/// The states that somebody may ask a build to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StateChange {
    /// `failed`
    Cancel,
    /// `ready`
    MarkReady,
}

impl SubmitBody {
    /// Reads the body of a submission.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ApiError> {
        const KNOWN: [&str; 15] = [
            "scmurl",
            "branch",
            "owner",
            "scratch",
            "rebuild_strategy",
            "reuse_components_from",
            "side_tag",
            stream_choices::FIELDS[0],
            stream_choices::FIELDS[1],
            stream_choices::FIELDS[2],
            "modulemd",
            "module_name",
            "module_stream",
            "srpms",
            "rpm_component_ref_overrides",
        ];
        let mut body = Object::read(bytes, &KNOWN, SUBMIT_EXAMPLE)?;
        let scm_url = bounded("scmurl", body.take_text("scmurl")?)?;
        let branch = bounded("branch", body.take_text("branch")?)?;
        let (owner, scratch) = (owner(&mut body)?, body.take_flag("scratch")?);
        let reuse_from = bounded("reuse_components_from", named_build(&mut body)?)?;
        let rebuild_strategy = bounded("rebuild_strategy", body.take_text("rebuild_strategy")?)?;
        let side_tag = bounded("side_tag", body.take_text("side_tag")?)?.map(|tag| TagName::new(&tag)).transpose();
        let side_tag =
            side_tag.map_err(|error| ApiError::bad_request(format!("\"side_tag\" is no name of a tag: {error}")))?;
        let streams = stream_choices::take(&mut body)?;
        let modulemd = given::modulemd(&mut body)?;
        let overrides = given::overrides(&mut body, modulemd.is_some())?;
        let packages = given::packages(&mut body)?;
        let missing = || ApiError::bad_request(format!("\"scmurl\" is missing; send a body such as {SUBMIT_EXAMPLE}"));
        // Clients that bring the document along may say where they have it from.
        let scm_url = match (scm_url, &modulemd) {
            (Some(scm_url), _) => scm_url,
            (None, Some(_)) => String::new(),
            (None, None) => return Err(missing()),
        };
        Ok(Self {
            scm_url,
            modulemd,
            overrides,
            packages,
            branch,
            owner,
            scratch,
            rebuild_strategy,
            reuse_from,
            side_tag,
            streams,
        })
    }

    /// Makes the request that the core takes; `nobody` is who submits what names no owner.
    pub(crate) fn into_request(self, nobody: &Owner) -> Request {
        let owner = self.owner.unwrap_or_else(|| nobody.clone());
        let Self { scm_url, modulemd, overrides, packages, branch, scratch, .. } = self;
        let Self { rebuild_strategy, reuse_from, side_tag, streams, .. } = self;
        Request {
            scm_url,
            modulemd,
            overrides,
            packages,
            branch,
            owner,
            scratch,
            rebuild_strategy,
            reuse_from,
            side_tag,
            streams,
        }
    }
}

impl ChangeBody {
    /// Reads the body of a change.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, ApiError> {
        let mut body = Object::read(bytes, &["state", "owner"], CHANGE_EXAMPLE)?;
        let missing = || ApiError::bad_request(format!("\"state\" is missing; send {CHANGE_EXAMPLE}"));
        let state = match body.take("state").ok_or_else(missing)? {
            Value::String(text) => state_of(&text),
            Value::Number(number) => state_of(&number.to_string()),
            other => {
                let kind = kind(&other);
                return Err(ApiError::bad_request(format!("\"state\" is {kind}; send {CHANGE_EXAMPLE}")));
            }
        };
        let change = match state? {
            BuildState::Failed => StateChange::Cancel,
            BuildState::Ready => StateChange::MarkReady,
            state @ (BuildState::Init | BuildState::Wait | BuildState::Build | BuildState::Done) => {
                let message = format!("a build cannot be put into {state}; send {CHANGE_EXAMPLE}");
                return Err(ApiError::bad_request(message));
            }
        };
        Ok(Self { change, owner: owner(&mut body)? })
    }
}

/// Reads a state's name or code.
pub(super) fn state_of(text: &str) -> Result<BuildState, ApiError> {
    let by_code = || text.parse().ok().and_then(|code: i64| BuildState::try_from(code).ok());
    let unknown = || ApiError::bad_request(format!("there is no state {}; states are {BUILD_STATES}", shown(text)));
    BUILD_STATES.by_name(text).or_else(by_code).ok_or_else(unknown)
}

/// Reads how a build is named: a number, or a text.
fn named_build(body: &mut Object) -> Result<Option<String>, ApiError> {
    match body.take("reuse_components_from") {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) => Ok(Some(number.to_string())),
        Some(other) => Err(ApiError::bad_request(format!(
            "\"reuse_components_from\" is {}; send the number of a build or its name:stream:version:context",
            kind(&other)
        ))),
    }
}

fn owner(body: &mut Object) -> Result<Option<Owner>, ApiError> {
    let bad = |error: rida_core::GrammarError| ApiError::bad_request(format!("\"owner\" is not valid: {error}"));
    body.take_text("owner")?.map(|text| Owner::new(&text).map_err(bad)).transpose()
}

fn bounded(name: &str, text: Option<String>) -> Result<Option<String>, ApiError> {
    match text {
        Some(text) if text.len() > LONGEST_TEXT => {
            Err(ApiError::bad_request(format!("{name:?} is longer than {LONGEST_TEXT} bytes")))
        }
        other => Ok(other),
    }
}

#[cfg(test)]
mod tests;
