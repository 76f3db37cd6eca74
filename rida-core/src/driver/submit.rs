//! Accepts submissions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{Driver, Parts, room};
use crate::build::{ModuleBuild, Submission};
use crate::context;
use crate::deadline::look_at;
use crate::error::PortError;
use crate::event::{Event, Fact};
use crate::expand;
use crate::given::{GivenModulemd, Overrides, SourcePackage};
use crate::id::{BuildId, ModuleName, Nsvc, Owner, StreamName, TagName};
use crate::intake::{self, Found, Origin, Taken};
use crate::plan::RebuildStrategy;
use crate::policy::{Policy, RebuildPolicy};
use crate::ports::{BuildFilter, Commit, ListQuery, QueueFull, StoreError, StoreErrorKind};
use crate::scm::{ScmUrl, ScmUrlError};
use crate::state::BuildState;
use crate::step::{Step, step, submit};

/// How often somebody else may be faster.
const TRIES: usize = 64;
/// How many scratch builds of one version of a module are looked through for the last one.
const SCRATCH_BUILDS: u64 = 10_000;

/// What somebody asks to be built.
#[derive(Clone, Debug)]
pub struct Request {
    /// The URL of the modulemd, as [`ScmUrl`](crate::scm::ScmUrl) reads it; not looked at when the request brings one.
    pub scm_url: String,
    /// The modulemd, when it does not come from git.
    pub modulemd: Option<GivenModulemd>,
    /// What is said otherwise than by the modulemd.
    pub overrides: Overrides,
    /// Source packages for components, which are in the build system.
    pub packages: Vec<SourcePackage>,
    /// The branch, which names the stream when the modulemd does not.
    pub branch: Option<String>,
    /// Who asks.
    pub owner: Owner,
    /// The module is only tried.
    pub scratch: bool,
    /// The name of the [`RebuildStrategy`] to build by; absent for the service's own.
    pub rebuild_strategy: Option<String>,
    /// The build to take components over from, by its number or as `name:stream:version:context`; absent for the last
    /// one that fits.
    pub reuse_from: Option<String>,
    /// The side tag of the distribution to build against.
    pub side_tag: Option<TagName>,
    /// Which streams of other modules are taken in place of those that the modulemd names.
    pub streams: StreamChoices,
}

/// Which streams of other modules a submission takes in place of those that the modulemd names.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct StreamChoices {
    /// In place of those that its build requirements list, written as these are.
    pub buildrequires: BTreeMap<ModuleName, BTreeSet<String>>,
    /// In place of those that it lists for run time.
    pub requires: BTreeMap<ModuleName, BTreeSet<String>>,
    /// Where the modulemd leaves a choice of streams to build against.
    pub preferred: BTreeMap<ModuleName, StreamName>,
}

impl Request {
    /// Asks for an ordinary build, as the service does them by default.
    pub fn new(scm_url: impl Into<String>, owner: Owner) -> Self {
        Self {
            scm_url: scm_url.into(),
            modulemd: None,
            overrides: Overrides::default(),
            packages: Vec::new(),
            branch: None,
            owner,
            scratch: false,
            rebuild_strategy: None,
            reuse_from: None,
            side_tag: None,
            streams: StreamChoices::default(),
        }
    }
}

/// A submission was not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The URL is not one of a modulemd in git.
    #[error("the scmurl is not valid: {0}")]
    BadUrl(#[from] ScmUrlError),
    /// The URL is not in a place that may be read.
    #[error("the scmurl {0} is not in an allowed place; ask the operator to add its repository to the allow-list")]
    NotAllowed(String),
    /// Modules are not tried here.
    #[error(
        "scratch builds are not enabled here; ask the operator to set builds.allow_scratch, or leave `scratch` out"
    )]
    NoScratch,
    /// The modulemd is taken from git only.
    #[error(
        "a modulemd in the request is taken for scratch builds only; put it into git, or ask the operator to set \
         builds.allow_modulemd"
    )]
    NoModulemd,
    /// Source packages are not taken, for this or everything.
    #[error("{0}")]
    NoPackages(&'static str),
    /// Components cannot be taken over from the build that is named.
    #[error("{0}")]
    Donor(String),
    /// The rebuild strategy is none, or none that may be asked for.
    #[error("{0}")]
    Strategy(String),
    /// Streams are asked for in place of others that the modulemd does not have.
    #[error("{0}")]
    Streams(String),
    /// It cannot be read which modules the distribution has by default.
    #[error(
        "the default modules of {of} cannot be read: {error}; the operator names their repository in builds.default_modules"
    )]
    DefaultModules {
        /// The base module's stream.
        of: String,
        /// Why.
        error: PortError,
    },
    /// The modulemd cannot be read from git.
    #[error("the modulemd cannot be retrieved: {0}")]
    Unretrievable(PortError),
    /// The modulemd is not valid, or names what cannot be built. All of the problems, as text lines.
    #[error("the modulemd is not valid: {}", .0.join("; "))]
    Invalid(Vec<String>),
    /// The NSVC was built, or is being built.
    #[error(
        "the module {nsvc} exists already as build {id}, in the state {state}; only a failed build can be submitted again"
    )]
    Exists {
        /// The module.
        nsvc: Nsvc,
        /// Its build.
        id: BuildId,
        /// The build's state.
        state: BuildState,
    },
    /// Too many builds wait.
    #[error("{full}; submit again in {} seconds or later", .retry_after.as_secs())]
    QueueFull {
        /// Of what.
        full: QueueFull,
        /// When it may be worth trying again. It differs from submission to submission, so that those that are refused
        /// together do not come back together.
        retry_after: Duration,
    },
    /// Git cannot be asked now.
    #[error("the modulemd cannot be retrieved now: {0}")]
    ScmUnavailable(PortError),
    /// The store cannot answer.
    #[error("the build cannot be recorded")]
    Store(#[from] StoreError),
}

impl Driver {
    /// Accepts a submission as by [`submit_all`](Self::submit_all), and returns the first of its builds.
    ///
    /// # Errors
    /// When it is not accepted; then nothing was recorded.
    pub async fn submit(&self, request: Request) -> Result<BuildId, SubmitError> {
        let url = request.scm_url.clone();
        let ids = self.submit_all(request).await?;
        ids.first().copied().ok_or_else(|| SubmitError::Invalid(vec![format!("{url} makes no build")]))
    }

    /// Accepts a submission: reads and validates the modulemd, and records in `init` a build for each combination of
    /// streams that it can be built against, all or nothing. A failed build of the same NSVC is taken up again; one that
    /// has not failed is left as it is, as long as any other is recorded.
    ///
    /// # Errors
    /// When it is not accepted; then nothing was recorded.
    pub async fn submit_all(&self, request: Request) -> Result<Vec<BuildId>, SubmitError> {
        let Parts { scm, clock, allow, policy, .. } = &self.parts;
        if request.scratch && !policy.allow_scratch {
            return Err(SubmitError::NoScratch);
        }
        if !request.packages.is_empty() {
            may_bring_packages(&request, policy)?;
        }
        let url = match &request.modulemd {
            Some(_) if request.scratch || policy.allow_modulemd => None,
            Some(_) => return Err(SubmitError::NoModulemd),
            None => {
                let url = ScmUrl::parse(&request.scm_url)?;
                if !allow.permits(url.repository()) {
                    return Err(SubmitError::NotAllowed(url.to_string()));
                }
                Some(url)
            }
        };
        let asked = self.asked_strategy(&request)?;
        let rebuild_strategy = asked.unwrap_or(policy.rebuild.strategy);
        let reuse_from = self.asked_donor(&request, rebuild_strategy).await?;
        if request.side_tag.is_some() && !policy.allow_side_tags {
            let problem =
                "side_tag: there are no side tags here; leave it out, or ask the operator to set koji.side_tags";
            return Err(SubmitError::Invalid(vec![problem.to_owned()]));
        }
        self.check_queue(&request).await?;
        let Request { modulemd, overrides, packages, branch, owner, scratch, side_tag, streams, .. } = request;
        let mut found = match (&url, modulemd) {
            (Some(url), _) => {
                let fetched = scm.fetch_modulemd(url).await.map_err(|error| match error.is_retryable() {
                    true => SubmitError::ScmUnavailable(error),
                    false => SubmitError::Unretrievable(error),
                })?;
                Found::fetched(fetched, url)
            }
            (None, given) => Found::given(given.unwrap_or_default(), clock.now()),
        };
        found.branch = branch;
        let mut taken = intake::take(&found, &overrides, &packages, allow, policy).map_err(SubmitError::Invalid)?;
        let preferred = choose_streams(&mut taken, &streams, policy)?;
        let origin = Origin { owner, scratch, rebuild_strategy, at: clock.now() };
        let mut submissions: Vec<Submission> = Vec::new();
        for resolved in self.expand(&taken, &preferred).await? {
            let mut submission = taken.submission(&resolved.combination, resolved.requires, &found, &origin, policy);
            submission.by_default = resolved.defaults.iter().map(|require| require.name.clone()).collect();
            submission.build_requires.extend(resolved.defaults);
            submission.build_requires.sort_by(|one, other| one.name.cmp(&other.name));
            submission.reuse_from = reuse_from;
            submission.side_tag.clone_from(&side_tag);
            // Blocks of dependencies may overlap.
            if submissions.iter().any(|other| other.nsvc == submission.nsvc) {
                continue;
            }
            if let Some(asked) = asked.filter(|_| !submission.scratch) {
                self.check_strategy(&submission.nsvc, asked).await?;
            }
            submissions.push(submission);
        }
        self.record_all(submissions).await
    }

    /// Returns the strategy that is asked for, if it may be.
    fn asked_strategy(&self, request: &Request) -> Result<Option<RebuildStrategy>, SubmitError> {
        let RebuildPolicy { strategy, choices } = &self.parts.policy.rebuild;
        let Some(asked) = &request.rebuild_strategy else { return Ok(None) };
        if choices.is_empty() {
            return Err(SubmitError::Strategy(format!(
                "the rebuild strategy cannot be chosen here: it is {strategy} for every module; take it out of the request"
            )));
        }
        let strategy: Option<RebuildStrategy> = asked.parse().ok().filter(|strategy| choices.contains(strategy));
        strategy.map(Some).ok_or_else(|| {
            let (asked, choices) = (asked.chars().take(40).collect::<String>(), choices.iter().map(|c| c.name()));
            let choices = choices.collect::<Vec<_>>().join(", ");
            SubmitError::Strategy(format!("the rebuild strategy {asked:?} is not allowed; choose one of: {choices}"))
        })
    }

    /// Returns the build that components are to be taken over from, if one is named: a ready one.
    async fn asked_donor(&self, request: &Request, strategy: RebuildStrategy) -> Result<Option<BuildId>, SubmitError> {
        let Some(asked) = &request.reuse_from else { return Ok(None) };
        let shown: String = asked.chars().take(100).collect();
        let refuse = |why: &str| SubmitError::Donor(format!("components cannot be taken over from {shown:?}: {why}"));
        if strategy == RebuildStrategy::All {
            return Err(refuse("with the rebuild strategy all everything is built"));
        }
        let store = &self.parts.store;
        let found = match (asked.parse::<BuildId>(), asked.parse::<Nsvc>()) {
            (Ok(id), _) => store.load(id).await?.map(|build| (build.id, build.state())),
            (Err(_), Ok(nsvc)) => store.find(&nsvc).await?.map(|build| (build.id, build.state)),
            (Err(_), Err(_)) => {
                return Err(refuse("it is neither the number of a build nor name:stream:version:context"));
            }
        };
        match found {
            None => Err(refuse("there is no such build")),
            Some((id, BuildState::Ready)) => Ok(Some(id)),
            Some((_, state)) => Err(refuse(&format!("it is {state}, and only what is ready gives"))),
        }
    }

    /// Refuses another strategy for a build that is taken up again: some of it may be built by the one before.
    async fn check_strategy(&self, nsvc: &Nsvc, asked: RebuildStrategy) -> Result<(), SubmitError> {
        let Some(existing) = self.parts.store.find(nsvc).await? else { return Ok(()) };
        let Some(build) = self.parts.store.load(existing.id).await? else { return Ok(()) };
        let before = build.submission.rebuild_strategy;
        if build.state() == BuildState::Failed && before != asked {
            return Err(SubmitError::Strategy(format!(
                "build {} of {nsvc} was submitted with the rebuild strategy {before}, which cannot be changed when it is \
                 submitted again; ask for that one, or for none",
                build.id
            )));
        }
        Ok(())
    }

    /// Refuses a submission while too many builds wait, before anything is read for it. What decides is the commit,
    /// which sees those that are submitted at the same time.
    async fn check_queue(&self, request: &Request) -> Result<(), SubmitError> {
        let waiting = BuildFilter { states: vec![BuildState::Init, BuildState::Wait], ..BuildFilter::default() };
        let waiting = usize::try_from(self.parts.store.count(&waiting).await?).unwrap_or(usize::MAX);
        if waiting >= self.parts.policy.limits.queue {
            return Err(refused(QueueFull::InAll(waiting), &request.scm_url));
        }
        Ok(())
    }

    /// Records what was submitted as a new build, or takes the failed build of the same NSVC up again. A scratch build
    /// is always a new one: its context gets a number.
    ///
    /// # Errors
    /// When there is such a build that has not failed, or the store cannot answer.
    pub async fn record(&self, submission: Submission) -> Result<BuildId, SubmitError> {
        let nsvc = submission.nsvc.to_string();
        let ids = self.record_all(vec![submission]).await?;
        ids.first().copied().ok_or_else(|| SubmitError::Invalid(vec![format!("{nsvc} makes no build")]))
    }

    /// Records what was submitted together, each as by [`record`](Self::record), all or nothing, and returns the builds
    /// in the same order. Those that exist and have not failed are left as they are, as long as any other is recorded.
    ///
    /// # Errors
    /// When all exist and have not failed, or the store cannot answer. Then nothing was recorded.
    pub async fn record_all(&self, submissions: Vec<Submission>) -> Result<Vec<BuildId>, SubmitError> {
        let mut tries = 0;
        loop {
            match self.try_to_record(&submissions).await {
                // Somebody else was faster. What there is now is another picture.
                Err(SubmitError::Store(error))
                    if tries < TRIES
                        && matches!(error.kind(), StoreErrorKind::Conflict | StoreErrorKind::Exists { .. }) =>
                {
                    tries += 1;
                }
                other => return other,
            }
        }
    }

    async fn try_to_record(&self, submissions: &[Submission]) -> Result<Vec<BuildId>, SubmitError> {
        let Parts { store, clock, policy, .. } = &self.parts;
        let (mut places, mut existing) = (Vec::new(), None);
        for submission in submissions {
            let place = self.place(submission).await?;
            if let Place::Taken(id, state) = place {
                existing.get_or_insert_with(|| (submission.nsvc.clone(), id, state));
            }
            places.push(place);
        }
        let ids: Vec<BuildId> = places.iter().map(Place::id).collect();
        if let Some((nsvc, id, state)) = existing
            && places.iter().all(|place| matches!(place, Place::Taken(..)))
        {
            return Err(SubmitError::Exists { nsvc, id, state });
        }
        let mut changes = Vec::new();
        for (place, submission) in places.into_iter().zip(submissions) {
            let id = place.id();
            let siblings = ids.iter().copied().filter(|other| *other != id).collect();
            let mut submission = Submission { siblings, ..submission.clone() };
            changes.push(match place {
                Place::Taken(..) => continue,
                Place::New(_, nsvc) => {
                    submission.nsvc = nsvc;
                    let event = Event { at: submission.at, fact: Fact::Submitted };
                    let advance = submit(id, submission, policy)
                        .map_err(|error| SubmitError::Invalid(vec![error.to_string()]))?;
                    (None, event, advance)
                }
                Place::Failed(build) => {
                    let by = submission.owner.clone();
                    let submission = build.may_be_submitted_anew().then(|| submission.into());
                    let event = Event { at: clock.now(), fact: Fact::Resubmitted { by, submission } };
                    match step(&build, &event, policy) {
                        Ok(Step::Advance(advance)) => (Some(build), event, *advance),
                        Ok(Step::Ignore(_)) => continue,
                        Err(illegal) => return Err(SubmitError::Invalid(vec![illegal.to_string()])),
                    }
                }
            });
        }
        let commits: Vec<Commit<'_>> = changes
            .iter()
            .map(|(before, event, advance)| Commit {
                before: before.as_deref(),
                after: &advance.build,
                event,
                effects: &advance.effects,
                announcements: &advance.announcements,
                answers: None,
                look_at: look_at(&advance.build, policy, event.at),
                queue_revision: None,
                room: Some(room(policy)),
            })
            .collect();
        let written = match commits.as_slice() {
            [one] => store.commit(*one).await.map(drop),
            several => store.commit_all(several).await,
        };
        let what = submissions.first().map(|submission| submission.nsvc.to_string()).unwrap_or_default();
        match written {
            Ok(()) => Ok(ids),
            Err(error) => match error.kind() {
                StoreErrorKind::QueueFull(full) => Err(refused(full.clone(), &what)),
                _ => Err(error.into()),
            },
        }
    }

    /// Finds out where a submission is recorded.
    async fn place(&self, submission: &Submission) -> Result<Place, SubmitError> {
        let store = &self.parts.store;
        if submission.scratch {
            let nsvc = self.next_scratch(&submission.nsvc).await?;
            return Ok(Place::New(store.reserve_id().await?, nsvc));
        }
        let Some(existing) = store.find(&submission.nsvc).await? else {
            return Ok(Place::New(store.reserve_id().await?, submission.nsvc.clone()));
        };
        if existing.state == BuildState::Failed
            && let Some(build) = store.load(existing.id).await?
            && build.state() == BuildState::Failed
        {
            return Ok(Place::Failed(Box::new(build)));
        }
        Ok(Place::Taken(existing.id, existing.state))
    }

    /// Returns the name of the next scratch build of a module.
    async fn next_scratch(&self, nsvc: &Nsvc) -> Result<Nsvc, SubmitError> {
        let filter = BuildFilter {
            name: Some(nsvc.name.to_string()),
            stream: Some(nsvc.stream.to_string()),
            version: Some(nsvc.version),
            scratch: Some(true),
            ..BuildFilter::default()
        };
        let query = ListQuery { filter, descending: true, limit: SCRATCH_BUILDS, ..ListQuery::default() };
        let known = self.parts.store.list(&query).await?;
        let numbers = known.iter().filter_map(|build| context::scratch_number(&nsvc.context, &build.nsvc.context));
        let number = numbers.max().unwrap_or(0).saturating_add(1);
        let full = || SubmitError::Invalid(vec![format!("{nsvc} was tried too often; commit something new")]);
        let context = context::scratch_context(&nsvc.context, number).ok_or_else(full)?;
        Ok(Nsvc { context, ..nsvc.clone() })
    }
}

/// Puts the streams into a modulemd that it is built with: those that the request asks for, and of base modules those
/// virtual stream means. Returns those that are preferred where there is a choice.
fn choose_streams(
    taken: &mut Taken,
    choices: &StreamChoices,
    policy: &Policy,
) -> Result<BTreeMap<ModuleName, StreamName>, SubmitError> {
    let (mut built, mut run): (Vec<_>, Vec<_>) = (Vec::new(), Vec::new());
    let mut problems = Vec::new();
    for stream in &mut taken.streams {
        built.push(expand::put_streams(stream, |block| &mut block.buildrequires, &choices.buildrequires));
        run.push(expand::put_streams(stream, |block| &mut block.requires, &choices.requires));
        problems.extend(expand::put_base_streams(stream, &policy.base_modules, &policy.base_streams).err());
    }
    for (field, kind, missing) in
        [("buildrequire_overrides", "buildrequires", built), ("require_overrides", "requires", run)]
    {
        // What any of its contexts has is not missing.
        let nowhere = missing.into_iter().reduce(|some, other| some.intersection(&other).cloned().collect());
        let nowhere: Vec<String> = nowhere.unwrap_or_default().iter().map(ToString::to_string).collect();
        if !nowhere.is_empty() {
            return Err(SubmitError::Streams(format!(
                "{field} names modules that the modulemd does not have in its {kind}: {}; take them out",
                nowhere.join(", ")
            )));
        }
    }
    let problems: Vec<String> = problems.into_iter().flatten().map(|problem| taken.located(problem)).collect();
    if !problems.is_empty() {
        return Err(SubmitError::Invalid(intake::distinct(problems)));
    }
    let mut preferred = choices.preferred.clone();
    for (module, stream) in &mut preferred {
        if !policy.base_modules.contains(module) || policy.base_streams.of(module).next().is_none() {
            continue;
        }
        let Some(named) = policy.base_streams.named(module, stream.as_str()) else {
            let problem = format!("default_streams names {module}:{stream}, which is not known here");
            let hint = policy.base_streams.told(module);
            return Err(SubmitError::Streams(format!("{problem}; {hint}")));
        };
        *stream = named.clone();
    }
    Ok(preferred)
}

/// Where a submission is recorded.
enum Place {
    /// As a new build of this name.
    New(BuildId, Nsvc),
    /// As another run of a build that failed.
    Failed(Box<ModuleBuild>),
    /// Nowhere: there is such a build, and it has not failed.
    Taken(BuildId, BuildState),
}

impl Place {
    fn id(&self) -> BuildId {
        match self {
            Self::New(id, _) | Self::Taken(id, _) => *id,
            Self::Failed(build) => build.id,
        }
    }
}

/// Refuses source packages where they are not taken.
fn may_bring_packages(request: &Request, policy: &Policy) -> Result<(), SubmitError> {
    if !request.scratch {
        return Err(SubmitError::NoPackages("srpms are taken for scratch builds only; leave them out"));
    }
    if !policy.allow_packages {
        let why = "srpms cannot be taken here: modules are built on this machine, to which nobody can send them; name \
                   a repository and a ref for the component in the modulemd";
        return Err(SubmitError::NoPackages(why));
    }
    Ok(())
}

/// Refuses for want of room.
fn refused(full: QueueFull, what: &str) -> SubmitError {
    let spread = what.bytes().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 31;
    SubmitError::QueueFull { full, retry_after: Duration::from_secs(30 + spread) }
}
