//! Builds: short, as usual, and with everything.

use std::collections::{BTreeMap, BTreeSet};

use rida_core::modulemd::{self, ModuleStream, Xmd};
use rida_core::plan::RebuildStrategy;
use rida_core::{
    BuildId, BuildRequire, BuildSummary, ComponentId, ModuleBuild, ModuleDetails, Nsvc, StreamVersion, Timestamp,
    complete_modulemd, context,
};
use serde::Serialize;

use super::base::{BASE_CONTEXT, BASE_OWNER, BASE_REF, BASE_VERSION, BaseModule, Distribution};
use super::component::Task;
use crate::api::Parameters;
use crate::dialect::{Dialect, ServiceVersion};
use crate::reply::ApiError;

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

/// What builds are built against: other builds, as far as they are known, and the distribution.
#[derive(Debug)]
pub(crate) struct Requires<'a> {
    builds: BTreeMap<BuildId, ModuleBuild>,
    distribution: Distribution<'a>,
}

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
    /// Absent of a base module, which is no build.
    id: Option<BuildId>,
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
    koji_tag: Option<String>,
    new_repo_task_id: Option<i64>,
    owner: String,
    rebuild_strategy: &'static str,
    scmurl: Option<String>,
    siblings: Vec<BuildId>,
    srpms: Vec<String>,
    state_reason: Option<String>,
    tasks: Tasks,
    time_completed: Option<String>,
    time_modified: Option<String>,
    time_submitted: Option<String>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Verbose {
    #[serde(flatten)]
    usual: Usual,
    arches: Vec<String>,
    base_module_buildrequires: Vec<RequiredBase>,
    build_context: String,
    build_context_no_bms: String,
    modulemd: String,
    reused_module_id: Option<BuildId>,
    runtime_context: String,
    state_trace: Vec<Entered>,
    state_url: Option<String>,
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
struct RequiredBase {
    context: &'static str,
    id: Option<BuildId>,
    name: String,
    state: u8,
    state_name: &'static str,
    stream: String,
    stream_version: Option<f64>,
    version: String,
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

impl<'a> Requires<'a> {
    /// Returns what has to be loaded to tell of what builds are built against.
    pub(crate) fn of<'b>(builds: impl IntoIterator<Item = &'b ModuleBuild>) -> Vec<BuildId> {
        let requires = builds.into_iter().flat_map(|build| &build.submission.build_requires);
        requires.filter_map(|require| require.build).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Knows the builds that were loaded, and the distribution.
    pub(crate) fn new(builds: Vec<ModuleBuild>, distribution: Distribution<'a>) -> Self {
        Self { builds: builds.into_iter().map(|build| (build.id, build)).collect(), distribution }
    }

    fn tell(&self, require: &BuildRequire) -> Required {
        let (stream, filtered_rpms) = (require.stream.to_string(), Vec::new());
        match require.build {
            None => Required {
                context: Some(BASE_CONTEXT.to_owned()),
                filtered_rpms,
                koji_tag: self.distribution.tag(&require.name, &require.stream).map(str::to_owned),
                reference: Some(BASE_REF.to_owned()),
                stream,
                version: Some(BASE_VERSION.to_string()),
            },
            Some(id) => {
                let known = self.builds.get(&id);
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

    fn tell_base(&self, require: &BuildRequire) -> RequiredBase {
        let ready = rida_core::BuildState::Ready;
        RequiredBase {
            context: BASE_CONTEXT,
            id: None,
            name: require.name.to_string(),
            state: ready.code(),
            state_name: ready.name(),
            stream: require.stream.to_string(),
            stream_version: self.distribution.streams.version(&require.name, &require.stream).map(number),
            version: BASE_VERSION.to_string(),
        }
    }
}

impl Short {
    fn new(id: BuildId, nsvc: &Nsvc, state: rida_core::BuildState, scratch: bool) -> Self {
        Self {
            context: nsvc.context.to_string(),
            id: Some(id),
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
    pub(crate) fn new(build: &ModuleBuild, view: View, requires: &Requires<'_>, version: ServiceVersion) -> Self {
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

fn usual(build: &ModuleBuild, requires: &Requires<'_>) -> Usual {
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
        koji_tag: Some(build.tag().to_string()),
        new_repo_task_id: None,
        owner: submission.owner.to_string(),
        rebuild_strategy: submission.rebuild_strategy.name(),
        scmurl: submission.scm_url.as_ref().map(ToString::to_string),
        siblings: submission.siblings.clone(),
        srpms: submission.plan.iter().filter_map(|it| it.package.as_ref()).map(ToString::to_string).collect(),
        state_reason: build.reason().map(str::to_owned),
        tasks: Tasks { rpms: tasks.collect() },
        time_completed: build.completed_at().as_ref().map(Timestamp::to_string),
        time_modified: Some(build.modified_at.to_string()),
        time_submitted: Some(submission.at.to_string()),
    }
}

fn verbose(build: &ModuleBuild, requires: &Requires<'_>, version: ServiceVersion) -> Verbose {
    let submission = &build.submission;
    let source = modulemd::read(submission.modulemd.as_bytes()).and_then(|document| document.to_source()).ok();
    let runtime = source.as_ref().map(runtime_context).unwrap_or_default();
    let others = submission.build_requires.iter().filter(|require| require.build.is_some());
    let others = others.map(|require| (require.name.to_string(), require.stream.to_string())).collect();
    let base = submission.build_requires.iter().filter(|require| require.build.is_none());
    Verbose {
        usual: usual(build, requires),
        arches: source.as_ref().map(|source| arches(source, requires.distribution)).unwrap_or_default(),
        base_module_buildrequires: base.map(|require| requires.tell_base(require)).collect(),
        build_context: submission.build_context(),
        build_context_no_bms: context::build_context(&others),
        modulemd: source.map_or_else(|| submission.modulemd.to_string(), |source| complete(source, build, requires)),
        reused_module_id: build.donor(),
        runtime_context: runtime,
        state_trace: build.history.iter().map(Entered::from).collect(),
        state_url: Some(format!("{}/module-builds/{}", Dialect::Service(version).prefix(), build.id)),
        // The service has these of base modules only.
        stream_version: None,
        virtual_streams: Vec::new(),
    }
}

/// Returns the architectures that a module is built for, as far as document and settings tell.
fn arches(source: &ModuleStream, distribution: Distribution<'_>) -> Vec<String> {
    let own = source.buildopts.as_ref().map(|options| &options.arches).filter(|arches| !arches.is_empty());
    own.map_or_else(|| distribution.arches.to_vec(), |own| own.iter().map(ToString::to_string).collect())
}

impl Shown {
    /// Shows a base module.
    pub(crate) fn base(base: &BaseModule<'_>, view: View) -> Self {
        let (state, state_name) = base.state();
        let short = Short {
            context: BASE_CONTEXT.to_owned(),
            id: None,
            name: base.name.to_string(),
            scratch: false,
            state,
            state_name,
            stream: base.stream.to_string(),
            version: BASE_VERSION.to_string(),
        };
        if view == View::Short {
            return Self::Short(short);
        }
        let usual = Usual {
            short,
            batch: 0,
            buildrequires: BTreeMap::new(),
            component_builds: Vec::new(),
            koji_tag: base.tag.map(str::to_owned),
            new_repo_task_id: None,
            owner: BASE_OWNER.to_owned(),
            rebuild_strategy: RebuildStrategy::All.name(),
            scmurl: None,
            siblings: Vec::new(),
            srpms: Vec::new(),
            state_reason: None,
            tasks: Tasks::default(),
            time_completed: None,
            time_modified: None,
            time_submitted: None,
        };
        if view == View::Usual {
            return Self::Usual(Box::new(usual));
        }
        let nothing = context::build_context(&BTreeMap::new());
        Self::Verbose(Box::new(Verbose {
            usual,
            arches: Vec::new(),
            base_module_buildrequires: Vec::new(),
            build_context: nothing.clone(),
            build_context_no_bms: nothing,
            modulemd: base.modulemd(),
            reused_module_id: None,
            runtime_context: context::runtime_context(&BTreeMap::new()),
            state_trace: Vec::new(),
            state_url: None,
            stream_version: base.number.map(number),
            virtual_streams: base.known.virtual_streams.iter().map(ToString::to_string).collect(),
        }))
    }
}

/// Returns the number of a stream as the service tells it.
fn number(number: StreamVersion) -> f64 {
    // What it prints is a decimal number.
    number.to_string().parse().unwrap_or_default()
}

fn runtime_context(source: &ModuleStream) -> String {
    let mut requires: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (name, streams) in source.dependencies.iter().flat_map(|block| &block.requires) {
        requires.entry(name.clone()).or_default().extend(streams.iter().cloned());
    }
    context::runtime_context(&requires)
}

/// Writes the document with what the build decided, and with what resolvers look for in `xmd.mbs`.
fn complete(mut source: ModuleStream, build: &ModuleBuild, requires: &Requires<'_>) -> String {
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
