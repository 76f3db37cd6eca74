//! From the bytes of a modulemd to what is recorded as submitted: names, version, context, plan.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::build::{BuildRequire, Submission};
use crate::context::declared_context;
use crate::id::{Arch, ComponentName, ModuleName, Nsvc, Owner, StreamName};
use crate::macros;
use crate::modulemd::{self, ModuleStream, Options, Rule, Rules};
use crate::plan::{ComponentSource, Plan, RebuildStrategy, WantedComponent};
use crate::policy::Policy;
use crate::ports::FetchedModulemd;
use crate::scm::{AllowList, GitRef, Repository, ScmUrl};
use crate::timestamp::Timestamp;

/// Who submits what from where.
pub(crate) struct Origin<'a> {
    pub(crate) url: &'a ScmUrl,
    pub(crate) branch: Option<&'a str>,
    pub(crate) owner: Owner,
    pub(crate) scratch: bool,
    pub(crate) rebuild_strategy: RebuildStrategy,
    pub(crate) at: Timestamp,
}

/// Makes a submission of a modulemd. Its build requires are named, not looked up.
///
/// # Errors
/// All that is wrong with it, one line each.
pub(crate) fn submission(
    fetched: &FetchedModulemd,
    origin: Origin<'_>,
    allow: &AllowList,
    policy: &Policy,
) -> Result<Submission, Vec<String>> {
    // YAML allows other encodings, which not everything that a modulemd passes on its way does.
    let text = std::str::from_utf8(&fetched.bytes)
        .map_err(|_| vec!["the modulemd is not written in UTF-8; convert it".to_owned()])?;
    let judged = modulemd::judge(text.as_bytes(), &Options::default(), &rules(policy));
    let mut problems = judged.problems.map(|problems| problems.lines()).unwrap_or_default();
    let Some(document) = judged.document else { return Err(problems) };
    let source = match document.to_source() {
        Ok(source) => source,
        Err(found) => {
            problems.extend(found.lines());
            return Err(distinct(problems));
        }
    };
    let name = module_name(&source, origin.url);
    let stream = stream_name(&source, origin.branch);
    let context = declared_context(&source).map_err(|problem| vec![document.located(problem).to_string()]);
    let plan = plan(&source, stream.as_ref().ok(), allow, policy);
    let (name, stream, context, plan) = match (name, stream, context, plan) {
        (Ok(name), Ok(stream), Ok(context), Ok(plan)) if problems.is_empty() => (name, stream, context, plan),
        (name, stream, context, plan) => {
            problems.extend(name.err().into_iter().chain(stream.err()));
            problems.extend(context.err().into_iter().chain(plan.err()).flatten());
            return Err(distinct(problems));
        }
    };
    let version = version(&source, fetched.committed_at, policy);
    Ok(Submission {
        nsvc: Nsvc { name, stream, version, context },
        scm_url: origin.url.pinned(fetched.commit.clone()),
        owner: origin.owner,
        modulemd: text.into(),
        plan,
        build_requires: build_requires(&source),
        scratch: origin.scratch,
        siblings: Vec::new(),
        rebuild_strategy: origin.rebuild_strategy,
        reuse_from: None,
        at: origin.at,
    })
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

fn module_name(stream: &ModuleStream, url: &ScmUrl) -> Result<ModuleName, String> {
    let file = url.path().rsplit('/').next().unwrap_or_default();
    let stem = file.strip_suffix(".yaml").or_else(|| file.strip_suffix(".yml")).unwrap_or(file);
    match stream.name.as_deref() {
        Some(given) if given != stem && given != url.repository().name() => Err(format!(
            "name: the modulemd says {given:?}, its file {stem:?}; take the name out, or make it the file's"
        )),
        Some(given) => ModuleName::new(given).map_err(|error| format!("name: {error}")),
        None => ModuleName::new(stem).map_err(|error| format!("name: {error}")),
    }
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
        .find_map(|(_, streams)| macros::stream_version(streams.first()?));
    let prefixed = platform.and_then(|platform| format!("{platform}{plain}").parse().ok());
    prefixed.or_else(|| plain.parse().ok()).unwrap_or_default()
}

fn build_requires(source: &ModuleStream) -> Vec<BuildRequire> {
    let blocks = source.dependencies.iter();
    let named = blocks.flat_map(|block| &block.buildrequires).flat_map(|(module, streams)| {
        streams.iter().map(move |stream| (ModuleName::new(module), StreamName::new(stream)))
    });
    // The rules have checked the names.
    named
        .filter_map(|(name, stream)| Some(BuildRequire { build: None, name: name.ok()?, stream: stream.ok()? }))
        .collect()
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
fn distinct(lines: Vec<String>) -> Vec<String> {
    let mut seen: BTreeMap<String, ()> = BTreeMap::new();
    lines.into_iter().filter(|line| seen.insert(line.clone(), ()).is_none()).collect()
}

#[cfg(test)]
mod tests;
