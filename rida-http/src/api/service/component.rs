//! Components.

use rida_core::{ComponentBuild, ComponentState, ComponentSummary};
use serde::Serialize;

use crate::dialect::{Dialect, ServiceVersion};
use crate::reply::ApiError;

/// Koji's states of builds, of which a component has one once it was started.
const KOJI_STATES: [(&str, &str); 5] =
    [("0", "BUILDING"), ("1", "COMPLETE"), ("2", "DELETED"), ("3", "FAILED"), ("4", "CANCELED")];

/// A component in what is shown of its build.
#[derive(Debug, Serialize)]
pub(super) struct Task {
    nvr: Option<String>,
    state: Option<u8>,
    state_reason: Option<String>,
    task_id: Option<i64>,
}

/// A component by itself.
#[derive(Debug, Serialize)]
pub(crate) struct Component {
    format: &'static str,
    id: i64,
    module_build: rida_core::BuildId,
    nvr: Option<String>,
    package: String,
    state: Option<u8>,
    state_name: Option<&'static str>,
    state_reason: Option<String>,
    task_id: Option<i64>,
    #[serde(flatten)]
    more: Option<More>,
}

/// What is added when everything is asked for.
#[derive(Debug, Serialize)]
struct More {
    batch: u32,
    state_trace: Vec<Traced>,
    state_url: String,
}

/// The component entered a state.
#[derive(Debug, Serialize)]
pub(crate) struct Traced {
    pub(super) reason: Option<String>,
    pub(super) state: Option<u8>,
    pub(super) state_name: Option<&'static str>,
    pub(super) time: String,
}

impl From<&ComponentBuild> for Task {
    fn from(component: &ComponentBuild) -> Self {
        let state = &component.state;
        Self {
            nvr: state.built().map(|built| built.nvr.to_string()),
            state: ComponentState::koji_state(state.name()).map(|(code, _)| code),
            state_reason: component.reason().map(str::to_owned),
            task_id: state.task().map(|task| task.0),
        }
    }
}

impl From<ComponentSummary> for Component {
    fn from(component: ComponentSummary) -> Self {
        let (state, state_name) = ComponentState::koji_state(component.state).unzip();
        Self {
            format: "rpms",
            id: component.id.get(),
            module_build: component.id.build,
            nvr: component.nvr.map(|nvr| nvr.to_string()),
            package: component.name.to_string(),
            state,
            state_name,
            state_reason: component.reason,
            task_id: component.task.map(|task| task.0),
            more: None,
        }
    }
}

impl Component {
    /// Shows everything that is known of a component.
    pub(crate) fn verbose(component: ComponentSummary, trace: Vec<Traced>, version: ServiceVersion) -> Self {
        let state_url = format!("{}/component-builds/{}", Dialect::Service(version).prefix(), component.id.get());
        let more = More { batch: component.batch, state_trace: trace, state_url };
        Self { more: Some(more), ..component.into() }
    }
}

/// Reads a state of Koji by code or name, and returns the names of the states that are told so.
pub(crate) fn states_of(text: &str) -> Result<impl Iterator<Item = &'static str> + use<>, ApiError> {
    let known = KOJI_STATES.iter().find(|(code, name)| *code == text || name.eq_ignore_ascii_case(text));
    let Some((_, name)) = known else {
        let names = KOJI_STATES.map(|(_, name)| name).join(", ");
        let shown = crate::api::shown(text);
        return Err(ApiError::bad_request(format!("there is no state {shown}; states of components are {names}")));
    };
    let told_so = |state: &&'static str| ComponentState::koji_state(state).is_some_and(|(_, told)| told == *name);
    Ok(ComponentState::NAMES.into_iter().filter(move |state| told_so(state)))
}
