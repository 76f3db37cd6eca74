//! From the bytes of a modulemd to what is recorded as submitted: names, version, context, plan.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base_streams;
use crate::build::{BuildRequire, Submission};
use crate::context;
use crate::expand::{self, Combination};
use crate::given::{GivenModulemd, Overrides, SourcePackage};
use crate::id::{Arch, ComponentName, Context, ModuleName, Nsvc, Owner, StreamName};
use crate::modulemd::{self, Content, Document, ModuleStream, Options, Problem, Rule, Rules};
use crate::plan::{ComponentSource, Plan, RebuildStrategy, WantedComponent};
use crate::policy::Policy;
use crate::ports::FetchedModulemd;
use crate::scm::{AllowList, GitRef, Repository, ScmUrl};
use crate::timestamp::Timestamp;

/// Who submits what, and how it is built.
pub(crate) struct Origin {
    pub(crate) owner: Owner,
    pub(crate) scratch: bool,
    pub(crate) rebuild_strategy: RebuildStrategy,
    pub(crate) at: Timestamp,
}

/// A modulemd as it came: from git, or with a request.
pub(crate) struct Found {
    bytes: Vec<u8>,
    /// Where it is in git.
    url: Option<ScmUrl>,
    /// What the module is called there; for one of a request, what the request calls it.
    name: Option<String>,
    /// When it was committed, or came.
    at: Timestamp,
    /// The branch, which names the stream when the modulemd does not.
    pub(crate) branch: Option<String>,
}

impl Found {
    /// Makes it of what git had.
    pub(crate) fn fetched(fetched: FetchedModulemd, url: &ScmUrl) -> Self {
        let file = url.path().rsplit('/').next().unwrap_or_default();
        let stem = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file);
        let name = Some(stem.to_owned());
        let FetchedModulemd { bytes, commit, committed_at: at } = fetched;
        Self { bytes, url: Some(url.pinned(commit)), name, at, branch: None }
    }

    /// Makes it of what a request brought.
    pub(crate) fn given(given: GivenModulemd, at: Timestamp) -> Self {
        let GivenModulemd { text, name } = given;
        Self { bytes: text.into_bytes(), url: None, name, at, branch: None }
    }
}

/// A modulemd that was taken in: good, and not yet resolved.
pub(crate) struct Taken {
    /// What it is built as: one stream, or one for each context that it names.
    pub(crate) streams: Vec<ModuleStream>,
    document: Document,
    text: Arc<str>,
    name: ModuleName,
    stream: StreamName,
    plan: Plan,
}

/// Takes a modulemd in.
///
/// # Errors
/// All that is wrong with it, one line each.
pub(crate) fn take(
    found: &Found,
    overrides: &Overrides,
    packages: &[SourcePackage],
    allow: &AllowList,
    policy: &Policy,
) -> Result<Taken, Vec<String>> {
    // YAML allows other encodings, which not everything that a modulemd passes on its way does.
    let text = std::str::from_utf8(&found.bytes)
        .map_err(|_| vec!["the modulemd is not written in UTF-8; convert it".to_owned()])?;
    let judged = modulemd::judge(text.as_bytes(), &Options::default(), &rules(policy));
    let mut problems = judged.problems.map(|problems| problems.lines()).unwrap_or_default();
    let Some(document) = judged.document else { return Err(problems) };
    let mut streams = match sources(&document, policy.builds_per_submission) {
        Ok(streams) => streams,
        Err(wrong) => {
            problems.extend(wrong);
            return Err(distinct(problems));
        }
    };
    problems.extend(overrides.apply(&mut streams).err());
    // What differs between them is the dependencies, and the options that packages are built with.
    let Some(source) = streams.first() else { return Err(distinct(problems)) };
    let name = module_name(source, found);
    // Who says the stream knows that it is not the branch's.
    let branch = found.branch.as_deref().filter(|_| overrides.stream.is_none());
    let stream = stream_name(source, branch);
    let plan = plan(source, stream.as_ref().ok(), allow, policy);
    let plan = plan.and_then(|plan| plan.with_packages(packages).map_err(unplanned));
    match (name, stream, plan) {
        (Ok(name), Ok(stream), Ok(plan)) if problems.is_empty() => {
            Ok(Taken { text: text.into(), streams, document, name, stream, plan })
        }
        (name, stream, plan) => {
            problems.extend(name.err().into_iter().chain(stream.err()));
            problems.extend(plan.err().into_iter().flatten());
            Err(distinct(problems))
        }
    }
}

/// Returns the streams that a document is built as.
fn sources(document: &Document, most: usize) -> Result<Vec<ModuleStream>, Vec<String>> {
    match document.content() {
        // Before each is a whole document of its own.
        Content::Packager(packager) if packager.configurations.len() > most => {
            Err(vec![document.located(expand::too_many(packager.configurations.len(), most)).to_string()])
        }
        Content::Packager(packager) => {
            let streams = packager.to_streams().map_err(|problems| {
                problems.into_iter().map(|problem| document.located(problem).to_string()).collect::<Vec<_>>()
            })?;
            Ok(streams.into_iter().map(|stream| ModuleStream { static_context: true, ..stream }).collect())
        }
        _ => {
            let source = document.to_source().map_err(|problems| problems.lines())?;
            let named = expand::named_contexts(&source, most);
            let named = named
                .map_err(|found| found.into_iter().map(|one| document.located(one).to_string()).collect::<Vec<_>>())?;
            Ok(named.unwrap_or_else(|| vec![source]))
        }
    }
}

impl Taken {
    /// Returns a problem as a line with its place in the document.
    pub(crate) fn located(&self, problem: Problem) -> String {
        self.document.located(problem).to_string()
    }

    /// Makes what is submitted of a combination of streams and the builds of these.
    pub(crate) fn submission(
        &self,
        combination: &Combination,
        build_requires: Vec<BuildRequire>,
        found: &Found,
        origin: &Origin,
        policy: &Policy,
    ) -> Submission {
        let source = &combination.stream;
        let fixed = source.context.as_deref().filter(|_| source.static_context);
        let context = fixed.and_then(|fixed| Context::new(fixed).ok()).unwrap_or_else(|| {
            let together = build_requires.iter().map(|it| (it.name.to_string(), it.stream.to_string())).collect();
            let requires = source.dependencies.first().map(|block| block.requires.clone()).unwrap_or_default();
            context::context(&context::build_context(&together), &context::runtime_context(&requires))
        });
        // The document as it was written, where it is the one of this build; else the one that was made of it.
        let as_written = self.document.to_source().is_ok_and(|whole| whole == *source);
        let modulemd = if as_written { Arc::clone(&self.text) } else { source.to_yaml().into() };
        Submission {
            nsvc: Nsvc {
                name: self.name.clone(),
                stream: self.stream.clone(),
                version: version(source, found.at, policy),
                context,
            },
            scm_url: found.url.clone(),
            owner: origin.owner.clone(),
            modulemd,
            plan: self.plan.clone(),
            build_requires,
            by_default: BTreeSet::new(),
            scratch: origin.scratch,
            side_tag: None,
            siblings: Vec::new(),
            rebuild_strategy: origin.rebuild_strategy,
            reuse_from: None,
            at: origin.at,
        }
    }
}

fn rules(policy: &Policy) -> Rules {
    let mut rules = Rules::default();
    rules.base_modules.clone_from(&policy.base_modules);
    if !policy.sources.allow_repository {
        rules = rules.with(Rule::CustomRepository);
    }
    if !policy.sources.allow_cache {
        rules = rules.with(Rule::CustomCache);
    }
    rules
}

fn module_name(stream: &ModuleStream, found: &Found) -> Result<ModuleName, String> {
    let name = match (stream.name.as_deref(), found.name.as_deref(), &found.url) {
        (Some(given), Some(stem), Some(url)) if given != stem && given != url.repository().name() => {
            return Err(format!(
                "name: the modulemd says {given:?}, its file {stem:?}; take the name out, or make it the file's"
            ));
        }
        // What a request calls it is the name of a file on somebody's machine, which says less than the document.
        (Some(given), _, _) | (None, Some(given), _) => given,
        (None, None, _) => {
            return Err("name: neither the modulemd nor the request names the module; add `name` to the modulemd's \
                        data, or `module_name` to the request"
                .to_owned());
        }
    };
    ModuleName::new(name).map_err(|error| format!("name: {error}"))
}

/// Tells which source packages are of no component.
fn unplanned(packages: Vec<SourcePackage>) -> Vec<String> {
    let tell = |package: SourcePackage| {
        format!("srpms: {package} is of no component of the module, or of one that has another; leave it out")
    };
    packages.into_iter().map(tell).collect()
}

fn stream_name(stream: &ModuleStream, branch: Option<&str>) -> Result<StreamName, String> {
    // As packagers know it: branches may have dashes where streams have underscores.
    let of_branch = branch.map(|branch| branch.replace('-', "_"));
    let name = match (stream.stream.as_deref(), of_branch) {
        (Some(given), Some(branch)) if given != branch && Some(given) != branch_text(stream, &branch) => {
            return Err(format!(
                "stream: the modulemd says {given:?}, the branch {branch:?}; take the stream out, or make it the branch's"
            ));
        }
        (Some(given), _) => given.to_owned(),
        (None, Some(branch)) => branch,
        (None, None) => {
            return Err(
                "stream: neither the modulemd nor the request names one; add `stream` to the modulemd's data, \
                        or `branch` to the request"
                    .to_owned(),
            );
        }
    };
    StreamName::new(&name).map_err(|error| format!("stream: {error}"))
}

/// Returns the stream when it is the branch but for dashes.
fn branch_text<'a>(stream: &'a ModuleStream, branch: &str) -> Option<&'a str> {
    stream.stream.as_deref().filter(|given| given.replace('-', "_") == branch)
}

/// Makes the version: the commit's time, behind the number of the platform's stream, as the Module Build Service does.
fn version(stream: &ModuleStream, committed_at: Timestamp, policy: &Policy) -> u64 {
    let plain = committed_at.compact();
    let requires = stream.dependencies.iter().flat_map(|block| &block.buildrequires);
    let platform = requires
        .filter(|(module, _)| policy.base_modules.iter().any(|base| base.as_str() == module.as_str()))
        .find_map(|(_, streams)| base_streams::version_prefix(streams.first()?));
    let prefixed = platform.and_then(|platform| format!("{platform}{plain}").parse().ok());
    prefixed.or_else(|| plain.parse().ok()).unwrap_or_default()
}

fn plan(
    document: &ModuleStream,
    stream: Option<&StreamName>,
    allow: &AllowList,
    policy: &Policy,
) -> Result<Plan, Vec<String>> {
    let rpms = &document.components.rpms;
    let real_name = |key: &String| rpms.get(key).and_then(|rpm| rpm.name.as_deref()).unwrap_or(key.as_str()).to_owned();
    let (mut wanted, mut problems) = (Vec::new(), Vec::new());
    for (key, rpm) in rpms {
        let told = |error: &dyn std::fmt::Display| format!("components.rpms.{key}: {error}");
        let Ok(name) = ComponentName::new(&real_name(key)).map_err(|error| problems.push(told(&error))) else {
            continue;
        };
        let source = match source(&name, rpm, stream, allow, policy) {
            Ok(source) => source,
            Err(error) => {
                problems.push(told(&error));
                continue;
            }
        };
        wanted.push(WantedComponent {
            name,
            source,
            buildorder: i64::from(rpm.buildorder),
            buildafter: rpm.buildafter.iter().filter_map(|key| ComponentName::new(&real_name(key)).ok()).collect(),
            buildonly: rpm.buildonly,
            arches: rpm.arches.iter().filter_map(|arch| Arch::new(arch).ok()).collect(),
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Plan::new(wanted).map_err(|found| found.iter().map(|problem| format!("components.rpms: {problem}")).collect())
}

fn source(
    name: &ComponentName,
    rpm: &modulemd::RpmComponent,
    stream: Option<&StreamName>,
    allow: &AllowList,
    policy: &Policy,
) -> Result<ComponentSource, String> {
    let sources = &policy.sources;
    let repository = match (&rpm.repository, &sources.repository) {
        (Some(given), _) => {
            let repository = Repository::parse(given).map_err(|error| error.to_string())?;
            let default = sources.repository.as_ref().and_then(|default| default.join(name.as_str()).ok());
            if !allow.permits(&repository) && default.as_ref() != Some(&repository) {
                return Err(format!(
                    "the repository {repository} is not in an allowed place; ask the operator to add it to the allow-list"
                ));
            }
            repository
        }
        (None, Some(default)) => default.join(name.as_str()).map_err(|error| error.to_string())?,
        (None, None) => {
            return Err("it has no repository, and this service has no default; add `repository`".to_owned());
        }
    };
    let branch = rpm.reference.as_deref().or(sources.branch.as_deref()).or(stream.map(StreamName::as_str));
    // Without a stream nothing comes of the plan; that the stream is missing is told elsewhere.
    let reference = GitRef::new(branch.unwrap_or("HEAD")).map_err(|error| error.to_string())?;
    let cache = rpm.cache.as_deref().map(Arc::from).or_else(|| sources.cache.clone());
    Ok(ComponentSource { repository, reference, cache })
}

/// Leaves out lines that say the same.
pub(crate) fn distinct(lines: Vec<String>) -> Vec<String> {
    let mut seen: BTreeMap<String, ()> = BTreeMap::new();
    lines.into_iter().filter(|line| seen.insert(line.clone(), ()).is_none()).collect()
}

#[cfg(test)]
mod tests;
