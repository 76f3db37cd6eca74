//! Bodies of messages: the keys that listeners of the Module Build Service read, of what an announcement tells.
//!
//! What Rida does not have gets the value that those listeners take for "nothing"; `docs/bus.md` has each key.

use rida_core::{
    Announcement, BuildId, BuildRequire, BuildState, Change, ComponentDetails, ComponentId, ComponentState,
    ModuleDetails,
};

use crate::json::{Json, Text};

/// What happened, as the end of the topic.
pub const MODULE_TOPIC: &str = "module.state.change";
/// The same for a component.
pub const COMPONENT_TOPIC: &str = "component.state.change";

/// A message but for how a bus wraps it.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// The end of the topic.
    pub topic: &'static str,
    /// The body: an object without a float in it, which some would write in another way.
    pub json: Json,
    /// The module that it is about.
    pub module: String,
    /// The source package that it is about.
    pub package: Option<String>,
    /// Who submitted the build.
    pub owner: String,
    /// Whether something failed.
    pub is_failure: bool,
}

impl Body {
    /// Makes the message of an announcement; the same for each repeat.
    pub fn of(announcement: &Announcement) -> Self {
        let (topic, json, package, is_failure) = match &announcement.change {
            Change::Module { to, reason, details, .. } => {
                let json = module(announcement, *to, reason.as_deref(), details.as_deref());
                (MODULE_TOPIC, json, None, *to == BuildState::Failed)
            }
            Change::Component { component, state, .. } => {
                let json = component_body(announcement);
                (COMPONENT_TOPIC, json, Some(component.to_string()), &**state == "failed")
            }
        };
        let (module, owner) = (announcement.nsvc.name.to_string(), announcement.owner.to_string());
        Self { topic, json, module, package, owner, is_failure }
    }
}

fn module(
    announcement: &Announcement,
    state: BuildState,
    reason: Option<&str>,
    details: Option<&ModuleDetails>,
) -> Json {
    let (build, nsvc) = (announcement.id.build, &announcement.nsvc);
    let time = |at: Option<rida_core::Timestamp>| Json::from(at.map(|at| at.to_string()));
    let components = details.map_or(0, |details| details.components);
    let requires = details.map_or(&[][..], |details| &details.build_requires);
    let siblings = details.map_or(&[][..], |details| &details.siblings);
    Json::object([
        ("announcement", announcement.id.to_string().into()),
        ("batch", i64::from(details.map_or(0, |details| details.batch)).into()),
        ("buildrequires", build_requires(requires)),
        ("component_builds", (0..components).map(|index| component_number(build, index)).collect()),
        ("context", nsvc.context.as_str().into()),
        ("id", build.get().into()),
        ("koji_tag", details.map(|details| details.tag.to_string()).into()),
        ("name", nsvc.name.as_str().into()),
        ("new_repo_task_id", Json::Null),
        ("owner", announcement.owner.as_str().into()),
        ("rebuild_strategy", details.map_or("all", |details| details.rebuild_strategy.name()).into()),
        ("scmurl", announcement.scm_url.as_ref().map(ToString::to_string).into()),
        ("scratch", details.is_some_and(|details| details.scratch).into()),
        ("siblings", siblings.iter().map(|id| id.get()).collect()),
        ("srpms", Json::List(Vec::new())),
        ("state", i64::from(state.code()).into()),
        ("state_name", state.name().into()),
        ("state_reason", reason.into()),
        ("stream", nsvc.stream.as_str().into()),
        ("time_completed", time(details.and_then(|details| details.completed_at))),
        ("time_modified", time(Some(announcement.at))),
        ("time_submitted", time(details.map(|details| details.submitted_at))),
        ("version", nsvc.version.to_string().into()),
    ])
}

fn build_requires(requires: &[BuildRequire]) -> Json {
    let entry = |require: &BuildRequire| {
        // A base module is the distribution itself, and told as the interface tells it; what else a build of this service
        // is, the log does not say.
        let of_base = |text: &str| if require.build.is_none() { text.into() } else { Json::Null };
        let value = Json::object([
            ("context", of_base("00000000")),
            ("filtered_rpms", Json::List(Vec::new())),
            ("koji_tag", Json::Null),
            ("ref", of_base("virtual")),
            ("stream", require.stream.as_str().into()),
            ("version", of_base("1")),
        ]);
        (Text::from(require.name.as_str()), value)
    };
    Json::Object(requires.iter().map(entry).collect())
}

fn component_body(announcement: &Announcement) -> Json {
    let Change::Component { component, state, task, nvr, reason, details } = &announcement.change else {
        return Json::Null;
    };
    let (build, nsvc) = (announcement.id.build, &announcement.nsvc);
    let number = |details: &ComponentDetails| component_number(build, details.index);
    let (code, name) = ComponentState::koji_state(state).map(|(code, name)| (i64::from(code), name)).unzip();
    Json::object([
        ("announcement", announcement.id.to_string().into()),
        ("batch", details.map(|details| i64::from(details.batch)).into()),
        ("context", nsvc.context.as_str().into()),
        ("format", "rpms".into()),
        ("id", details.as_ref().map(number).into()),
        ("module_build", build.get().into()),
        ("module_name", nsvc.name.as_str().into()),
        ("nvr", nvr.as_ref().map(ToString::to_string).into()),
        ("package", component.as_str().into()),
        ("progress", (&**state).into()),
        ("state", code.into()),
        ("state_name", name.into()),
        ("state_reason", reason.as_deref().into()),
        ("stream", nsvc.stream.as_str().into()),
        ("task_id", task.map(|task| task.0).into()),
        ("version", nsvc.version.to_string().into()),
    ])
}

/// Returns the number of the component at an index of a build.
fn component_number(build: BuildId, index: u32) -> i64 {
    ComponentId { build, index }.get()
}

#[cfg(test)]
mod tests;
