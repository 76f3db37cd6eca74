//! Builds: short, as usual, and with everything.

use std::collections::{BTreeMap, BTreeSet};

use rida_core::modulemd::{self, ModuleStream, Xmd};
use rida_core::{
    BuildId, BuildRequire, BuildSummary, ComponentId, ModuleBuild, ModuleDetails, Nsvc, Timestamp, complete_modulemd,
    context,
};
use serde::Serialize;

use super::component::Task;
use crate::api::Parameters;
use crate::dialect::{Dialect, ServiceVersion};
use crate::reply::ApiError;

/// What stands for the context of a base module, which has none.
const BASE_CONTEXT: &str = "00000000";
/// What stands for the commit of a base module, which has none.
const BASE_REF: &str = "virtual";

/// How much of a build is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// What it is called, and its state.
    Short,
    /// What the service shows unasked.
    Usual,
    /// Everything.
    Verbose,
}

/// The builds that others are built against, as far as they are known.
#[derive(Debug, Default)]
pub(crate) struct Requires(BTreeMap<BuildId, ModuleBuild>);

/// A build as it is shown.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Shown {
    Short(Short),
    Usual(Box<Usual>),
    Verbose(Box<Verbose>),
    /// A build that was recorded, and could not be read again at this moment.
    Recorded {
        id: BuildId,
    },
}

#[derive(Debug, Serialize)]
pub(crate) struct Short {
    context: String,
    id: BuildId,
    name: String,
    scratch: bool,
    state: u8,
    state_name: &'static str,
    stream: String,
    version: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Usual {
    #[serde(flatten)]
    short: Short,
    batch: u32,
    buildrequires: BTreeMap<String, Required>,
    component_builds: Vec<i64>,
    koji_tag: String,
    new_repo_task_id: Option<i64>,
    owner: String,
    rebuild_strategy: &'static str,
    scmurl: Option<String>,
    siblings: Vec<BuildId>,
    srpms: Vec<String>,
    state_reason: Option<String>,
    tasks: Tasks,
    time_completed: Option<String>,
    time_modified: String,
    time_submitted: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct Verbose {
    #[serde(flatten)]
    usual: Usual,
    arches: Vec<String>,
    base_module_buildrequires: Vec<BaseModule>,
    build_context: String,
    build_context_no_bms: String,
    modulemd: String,
    reused_module_id: Option<BuildId>,
    runtime_context: String,
    state_trace: Vec<Entered>,
    state_url: String,
    stream_version: Option<f64>,
    virtual_streams: Vec<String>,
}

/// A module that a build is built against.
#[derive(Debug, Serialize)]
struct Required {
    context: Option<String>,
    filtered_rpms: Vec<String>,
    koji_tag: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
    stream: String,
    version: Option<String>,
}

/// A base module that a build is built against.
#[derive(Debug, Serialize)]
struct BaseModule {
    context: &'static str,
    id: Option<BuildId>,
    name: String,
    state: u8,
    state_name: &'static str,
    stream: String,
    stream_version: Option<f64>,
    version: Option<String>,
}

/// The components: nothing while there is none to tell of.
#[derive(Debug, Default, Serialize)]
struct Tasks {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    rpms: BTreeMap<String, Task>,
}

/// The build entered a state.
#[derive(Debug, Serialize)]
struct Entered {
    reason: Option<String>,
    state: u8,
    state_name: &'static str,
    time: String,
}

impl View {
    /// Reads `verbose` and `short`, of which the first wins.
    pub(crate) fn read(parameters: &Parameters) -> Result<Self, ApiError> {
        let (verbose, short) = (parameters.flag("verbose")?, parameters.flag("short")?);
        Ok(match (verbose, short) {
            (true, _) => Self::Verbose,
            (false, true) => Self::Short,
            (false, false) => Self::Usual,
        })
    }
}

impl Requires {
    /// Returns what has to be loaded to tell of what builds are built against.
    pub(crate) fn of<'a>(builds: impl IntoIterator<Item = &'a ModuleBuild>) -> Vec<BuildId> {
        let requires = builds.into_iter().flat_map(|build| &build.submission.build_requires);
        requires.filter_map(|require| require.build).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Knows the builds that were loaded.
    pub(crate) fn new(builds: Vec<ModuleBuild>) -> Self {
        Self(builds.into_iter().map(|build| (build.id, build)).collect())
    }

    fn tell(&self, require: &BuildRequire) -> Required {
        let stream = require.stream.to_string();
        let (filtered_rpms, koji_tag) = (Vec::new(), None);
        match require.build {
            None => Required {
                context: Some(BASE_CONTEXT.to_owned()),
                filtered_rpms,
                koji_tag,
                reference: Some(BASE_REF.to_owned()),
                stream,
                version: None,
            },
            Some(id) => {
                let known = self.0.get(&id);
                Required {
                    context: known.map(|build| build.nsvc().context.to_string()),
                    filtered_rpms,
                    koji_tag: known.map(|build| build.tag().to_string()),
                    reference: known
                        .and_then(|build| build.submission.scm_url.as_ref())
                        .map(|url| url.revision().to_string()),
                    stream,
                    version: known.map(|build| build.nsvc().version.to_string()),
                }
            }
        }
    }
}

impl Short {
    fn new(id: BuildId, nsvc: &Nsvc, state: rida_core::BuildState, scratch: bool) -> Self {
        Self {
            context: nsvc.context.to_string(),
            id,
            name: nsvc.name.to_string(),
            scratch,
            state: state.code(),
            state_name: state.name(),
            stream: nsvc.stream.to_string(),
            version: nsvc.version.to_string(),
        }
    }
}

impl From<&BuildSummary> for Shown {
    fn from(build: &BuildSummary) -> Self {
        Self::Short(Short::new(build.id, &build.nsvc, build.state, build.scratch))
    }
}

impl Shown {
    /// Shows a build to who asked for it by a version of the interface.
    pub(crate) fn new(build: &ModuleBuild, view: View, requires: &Requires, version: ServiceVersion) -> Self {
        match view {
            View::Short => Self::Short(short(build)),
            View::Usual => Self::Usual(Box::new(usual(build, requires))),
            View::Verbose => Self::Verbose(Box::new(verbose(build, requires, version))),
        }
    }
}

fn short(build: &ModuleBuild) -> Short {
    Short::new(build.id, build.nsvc(), build.state(), build.is_scratch())
}

fn usual(build: &ModuleBuild, requires: &Requires) -> Usual {
    let submission = &build.submission;
    // While its sources are checked nobody knows its components there.
    let told = build.state() != rida_core::BuildState::Init;
    let tasks = build.components().filter(|_| told).map(|it| (it.0.name.to_string(), Task::from(it.1)));
    let count = u32::try_from(build.components.len()).unwrap_or(u32::MAX);
    Usual {
        short: short(build),
        batch: ModuleDetails::of(build).batch,
        buildrequires: submission.build_requires.iter().map(|it| (it.name.to_string(), requires.tell(it))).collect(),
        component_builds: (0..count).map(|index| ComponentId { build: build.id, index }.get()).collect(),
        koji_tag: build.tag().to_string(),
        new_repo_task_id: None,
        owner: submission.owner.to_string(),
        rebuild_strategy: submission.rebuild_strategy.name(),
        scmurl: submission.scm_url.as_ref().map(ToString::to_string),
        siblings: submission.siblings.clone(),
        srpms: submission.plan.iter().filter_map(|it| it.package.as_ref()).map(ToString::to_string).collect(),
        state_reason: build.reason().map(str::to_owned),
        tasks: Tasks { rpms: tasks.collect() },
        time_completed: build.completed_at().as_ref().map(Timestamp::to_string),
        time_modified: build.modified_at.to_string(),
        time_submitted: submission.at.to_string(),
    }
}

fn verbose(build: &ModuleBuild, requires: &Requires, version: ServiceVersion) -> Verbose {
    let submission = &build.submission;
    let source = modulemd::read(submission.modulemd.as_bytes()).and_then(|document| document.to_source()).ok();
    let runtime = source.as_ref().map(runtime_context).unwrap_or_default();
    let others = submission.build_requires.iter().filter(|require| require.build.is_some());
    let others = others.map(|require| (require.name.to_string(), require.stream.to_string())).collect();
    let base = submission.build_requires.iter().filter(|require| require.build.is_none());
    Verbose {
        usual: usual(build, requires),
        arches: Vec::new(),
        base_module_buildrequires: base.map(BaseModule::from).collect(),
        build_context: submission.build_context(),
        build_context_no_bms: context::build_context(&others),
        modulemd: source.map_or_else(|| submission.modulemd.to_string(), |source| complete(source, build, requires)),
        reused_module_id: build.donor(),
        runtime_context: runtime,
        state_trace: build.history.iter().map(Entered::from).collect(),
        state_url: format!("{}/module-builds/{}", Dialect::Service(version).prefix(), build.id),
        stream_version: None,
        virtual_streams: Vec::new(),
    }
}

fn runtime_context(source: &ModuleStream) -> String {
    let mut requires: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, streams) in source.dependencies.iter().flat_map(|block| &block.requires) {
        requires.entry(name.clone()).or_default().extend(streams.iter().cloned());
    }
    context::runtime_context(&requires)
}

/// Writes the document with what the build decided, and with what resolvers look for in `xmd.mbs`.
fn complete(mut source: ModuleStream, build: &ModuleBuild, requires: &Requires) -> String {
    complete_modulemd(&mut source, build);
    let (submission, text) = (&build.submission, |text: String| Xmd::text(text));
    let map =
        |entries: Vec<(&str, Xmd)>| Xmd::Map(entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect());
    let required = submission.build_requires.iter().map(|require| {
        let told = requires.tell(require);
        let optional = [
            ("context", told.context),
            ("koji_tag", told.koji_tag),
            ("ref", told.reference),
            ("version", told.version),
        ];
        let mut entries = vec![("stream", text(told.stream))];
        entries.extend(optional.into_iter().filter_map(|(key, value)| Some((key, text(value?)))));
        (require.name.to_string(), map(entries))
    });
    let mut mbs = vec![
        ("buildrequires", Xmd::Map(required.collect())),
        ("koji_tag", text(build.tag().to_string())),
        ("mse", Xmd::Bool(true)),
    ];
    if let Some(url) = &submission.scm_url {
        mbs.push(("commit", text(url.revision().to_string())));
        mbs.push(("scmurl", text(url.to_string())));
    }
    let mbs = map(mbs);
    match &mut source.xmd {
        Xmd::Map(entries) => drop(entries.insert("mbs".to_owned(), mbs)),
        other => *other = map(vec![("mbs", mbs)]),
    }
    source.to_yaml()
}

impl From<&BuildRequire> for BaseModule {
    fn from(require: &BuildRequire) -> Self {
        let ready = rida_core::BuildState::Ready;
        Self {
            context: BASE_CONTEXT,
            id: None,
            name: require.name.to_string(),
            state: ready.code(),
            state_name: ready.name(),
            stream: require.stream.to_string(),
            stream_version: stream_version(require.stream.as_str()),
            version: None,
        }
    }
}

impl From<&rida_core::Transition> for Entered {
    fn from(transition: &rida_core::Transition) -> Self {
        Self {
            reason: transition.reason.as_deref().map(str::to_owned),
            state: transition.state.code(),
            state_name: transition.state.name(),
            time: transition.at.to_string(),
        }
    }
}

/// Returns the number that the service orders the streams of base modules by: each section of the first run of digits
/// and dots with two places, filled up to three sections, such as 270000 for `f27` and 80100 for `el8.1.0`.
fn stream_version(stream: &str) -> Option<f64> {
    let start = stream.find(|c: char| c.is_ascii_digit())?;
    let run: String = stream.chars().skip(start).take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    let sections = run.split('.').filter(|section| !section.is_empty());
    let digits = sections.map(|section| format!("{section:0>2}")).collect::<String>();
    format!("{digits:0<6}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_have_the_numbers_of_the_service() {
        let known = [
            ("f27", Some(270_000.0)),
            ("f27.02.30", Some(270_230.0)),
            ("el8", Some(80_000.0)),
            ("el8.1.0", Some(80_100.0)),
            ("rhel-8.0.1-beta", Some(80_001.0)),
            ("rawhide", None),
        ];
        for (stream, number) in known {
            assert_eq!(stream_version(stream), number, "{stream}");
        }
    }
}
