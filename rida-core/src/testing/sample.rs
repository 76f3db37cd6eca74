//! Plausible builds and changes, made by hand: what stores and other ports are tried with.

use std::sync::Arc;

use crate::announce::{Announcement, AnnouncementId, Change, ComponentDetails, ModuleDetails};
use crate::build::{BuildRequire, Failure, FailureKind, ModuleBuild, Phase, Submission, Transition};
use crate::component::{Built, ComponentBuild, ComponentKey, ComponentState, PinnedSource, TaskProgress};
use crate::effect::{Action, Effect};
use crate::event::{Event, Fact, SourceProblem};
use crate::id::{Arch, BuildId, ComponentName, EffectId, ModuleName, Nsvc, Owner, StreamName, TaskId};
use crate::plan::{ComponentSource, Plan, PlannedComponent, RebuildStrategy, Reuse, ReuseDecision, Taken, WaitsFor};
use crate::ports::{Commit, QueueRoom};
use crate::scm::{CommitHash, GitRef, Repository, ScmUrl};
use crate::timestamp::Timestamp;

const COMMIT: &str = "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15";

/// Returns the point in time so many seconds after the one at which the samples begin.
pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_seconds(1_800_000_000 + seconds)
}

/// Returns a build id.
///
/// # Panics
/// When the number is not positive.
pub fn id(number: i64) -> BuildId {
    BuildId::new(number).expect("build ids are positive")
}

/// Returns an NSVC.
///
/// # Panics
/// When the text is not `name:stream:version:context`.
pub fn nsvc(text: &str) -> Nsvc {
    text.parse().expect("a sample is written with a good NSVC")
}

/// Returns the name of a component.
///
/// # Panics
/// When the text is not one.
pub fn component(name: &str) -> ComponentName {
    ComponentName::new(name).expect("a sample is written with a good component name")
}

/// Returns a user.
///
/// # Panics
/// When the text is not a user's name.
pub fn owner(name: &str) -> Owner {
    Owner::new(name).expect("a sample is written with a good user name")
}

/// Returns a plan of the macros, a batch of two components, and a batch of one.
pub fn plan() -> Plan {
    let planned = |name: &str, batch: u32, waits_for: WaitsFor| PlannedComponent {
        name: component(name),
        source: (batch > 1).then(|| ComponentSource {
            repository: repository(name),
            reference: GitRef::new("stream-1.0").expect("a plain branch is a good ref"),
            cache: Some("https://src.example.org/lookaside".into()),
        }),
        batch,
        waits_for,
        buildonly: name == "bar",
        arches: if name == "baz" { Arch::new("x86_64").into_iter().collect() } else { Vec::new() },
        package: None,
    };
    Plan::from_components(vec![
        planned("module-build-macros", 1, WaitsFor::Batches),
        planned("bar", 2, WaitsFor::Batches),
        planned("foo", 2, WaitsFor::Components(vec![0])),
        planned("baz", 3, WaitsFor::Batches),
    ])
}

/// Returns what was submitted for a module, at the time at which the samples begin.
pub fn submission(nsvc: Nsvc) -> Submission {
    let url = format!("https://src.example.org/modules/{}.git?#{COMMIT}", nsvc.name);
    Submission {
        scm_url: Some(ScmUrl::parse(&url).expect("the sample's URL is good")),
        owner: owner("packager"),
        modulemd: format!(
            "document: modulemd\nversion: 2\ndata:\n  name: {}\n  summary: 'É, “ü” and \\\n'\n",
            nsvc.name
        )
        .into(),
        plan: plan(),
        build_requires: vec![BuildRequire {
            build: None,
            name: ModuleName::new("platform").expect("a good name"),
            stream: StreamName::new("el8").expect("a good stream"),
        }],
        by_default: std::collections::BTreeSet::new(),
        scratch: false,
        side_tag: None,
        siblings: Vec::new(),
        rebuild_strategy: RebuildStrategy::All,
        reuse_from: None,
        at: at(0),
        nsvc,
    }
}

/// Returns where the sources of a component are, resolved.
pub fn source(name: &str) -> PinnedSource {
    PinnedSource { repository: repository(name), commit: CommitHash::new(COMMIT).expect("a good hash") }
}

/// Returns the repository of a component.
pub fn repository(name: &str) -> Repository {
    Repository::parse(&format!("https://src.example.org/rpms/{name}.git")).expect("the sample's repository is good")
}

/// Returns the result of a component's build by a task.
pub fn built(name: &str, task: i64) -> Built {
    let nvr = format!("{name}-1.0-1.module+el8+1+c0ffee00").parse().expect("the sample's NVR is good");
    Built { task: TaskId(task), nvr: Arc::new(nvr) }
}

/// Returns a decision that takes the first two components of [`plan`] over from a build, and builds the third.
pub fn reuse(donor: BuildId) -> ReuseDecision {
    let taken = |name: &str, task| (component(name), Reuse::Taken(Taken { build: donor, built: built(name, task) }));
    let rebuilt = Reuse::Rebuilt(format!("its commit was {COMMIT} in build {donor}").into());
    ReuseDecision { donor, components: vec![taken("bar", 91), taken("foo", 92), (component("baz"), rebuilt)] }
}

/// A change of a build with all that is committed with it.
#[derive(Clone, Debug)]
pub struct Written {
    /// The build that the change is made from.
    pub before: Option<ModuleBuild>,
    /// The build afterwards.
    pub after: ModuleBuild,
    /// The fact.
    pub event: Event,
    /// New instructions.
    pub effects: Vec<Effect>,
    /// What the world is told.
    pub announcements: Vec<Announcement>,
    /// The instruction that is answered.
    pub answers: Option<EffectId>,
    /// When to look again.
    pub look_at: Option<Timestamp>,
    /// The revision of the queue.
    pub queue_revision: Option<u64>,
    /// The room that the queue must have.
    pub room: Option<QueueRoom>,
}

impl Written {
    /// Returns the creation of a build in `init`, with the instruction to check its sources.
    pub fn new(id: BuildId, nsvc: Nsvc) -> Self {
        Self::of_submission(id, submission(nsvc))
    }

    /// Returns the creation of a build of a submission.
    pub fn of_submission(id: BuildId, submission: Submission) -> Self {
        let start = submission.at;
        let components = submission.plan.iter().map(|_| ComponentBuild::waiting(1));
        let build = ModuleBuild {
            id,
            revision: 1,
            dist_tag: crate::macros::dist_tag("module+", "el8", id, &submission.nsvc).expect("a good dist tag"),
            phase: Phase::Init,
            phase_since: start,
            components: components.collect(),
            effects_issued: 0,
            run_started: 0,
            repository_generation: 0,
            history: Vec::new(),
            modified_at: start,
            submission: Arc::new(submission),
        };
        let event = Event { at: start, fact: Fact::Submitted };
        let mut new = Self {
            before: None,
            after: build,
            event,
            effects: Vec::new(),
            announcements: Vec::new(),
            answers: None,
            look_at: Some(start),
            queue_revision: None,
            room: None,
        };
        new.enter(Phase::Init, None);
        new.telling([Action::CheckSources])
    }

    /// Returns the next change: a fact a second later, with what it changes.
    #[must_use]
    pub fn then(&self, fact: Fact, change: impl FnOnce(&mut ModuleBuild)) -> Self {
        let at = self.after.modified_at.plus(std::time::Duration::from_secs(1));
        let mut after = self.after.clone();
        after.revision += 1;
        after.modified_at = at;
        change(&mut after);
        Self {
            before: Some(self.after.clone()),
            after,
            event: Event { at, fact },
            effects: Vec::new(),
            announcements: Vec::new(),
            answers: None,
            look_at: self.look_at,
            queue_revision: None,
            room: None,
        }
    }

    /// Returns the next change, which enters a phase.
    #[must_use]
    pub fn entering(&self, fact: Fact, phase: Phase, reason: Option<&str>) -> Self {
        let mut next = self.then(fact, |_| ());
        next.enter(phase, reason);
        next
    }

    /// Adds instructions.
    #[must_use]
    pub fn telling(mut self, actions: impl IntoIterator<Item = Action>) -> Self {
        for action in actions {
            self.after.effects_issued += 1;
            let id = EffectId { build: self.after.id, number: self.after.effects_issued };
            self.effects.push(Effect { id, action });
        }
        self
    }

    /// Makes the change the answer to an instruction of the build.
    #[must_use]
    pub fn answering(mut self, number: u32) -> Self {
        self.answers = Some(EffectId { build: self.after.id, number });
        self
    }

    /// Sets when to look at the build again.
    #[must_use]
    pub fn looking_at(mut self, look_at: Option<Timestamp>) -> Self {
        self.look_at = look_at;
        self
    }

    /// Makes the change one that was decided by a picture of the queue.
    #[must_use]
    pub fn by_queue(mut self, revision: u64) -> Self {
        self.queue_revision = Some(revision);
        self
    }

    /// Makes the change one that enters the queue.
    #[must_use]
    pub fn needing(mut self, room: QueueRoom) -> Self {
        self.room = Some(room);
        self
    }

    /// Returns the change as a store takes it.
    pub fn commit(&self) -> Commit<'_> {
        Commit {
            before: self.before.as_ref(),
            after: &self.after,
            event: &self.event,
            effects: &self.effects,
            announcements: &self.announcements,
            answers: self.answers,
            look_at: self.look_at,
            queue_revision: self.queue_revision,
            room: self.room,
        }
    }

    fn enter(&mut self, phase: Phase, reason: Option<&str>) {
        let at = self.event.at;
        let from = self.before.as_ref().map(ModuleBuild::state);
        self.after.phase = phase;
        self.after.phase_since = at;
        let to = self.after.state();
        if from == Some(to) {
            return;
        }
        let reason: Option<Arc<str>> = reason.map(Arc::from);
        self.after.history.push(Transition { state: to, at, reason: reason.clone() });
        let details = Some(Arc::new(ModuleDetails::of(&self.after)));
        self.announce(Change::Module { from, to, reason, details });
    }

    fn announce(&mut self, change: Change) {
        let submission = &self.after.submission;
        let index = u32::try_from(self.announcements.len()).expect("a change has few announcements");
        self.announcements.push(Announcement {
            id: AnnouncementId { build: self.after.id, revision: self.after.revision, index },
            at: self.event.at,
            nsvc: submission.nsvc.clone(),
            owner: submission.owner.clone(),
            scm_url: submission.scm_url.clone(),
            change,
        });
    }

    /// Returns the next change: a component enters a state.
    #[must_use]
    fn component_enters(&self, name: &str, fact: Fact, state: ComponentState) -> Self {
        let (planned, index) = (component(name), self.after.plan().index_of(&component(name)));
        let place = index.and_then(|index| self.after.plan().get(index)).map(|planned| planned.batch);
        let mut next = self.then(fact, |build| {
            let index = index.expect("the sample's plan has the component");
            if let Some(component) = build.components.get_mut(index) {
                component.state = state.clone();
            }
        });
        next.announce(Change::Component {
            component: planned,
            state: state.name().into(),
            task: state.task(),
            nvr: state.built().map(|built| built.nvr.clone()),
            reason: state.reason().map(Arc::from),
            details: index.zip(place).map(|(index, batch)| ComponentDetails {
                index: u32::try_from(index).expect("a plan is short"),
                batch,
            }),
        });
        next
    }
}

/// Returns a life from the submission to `ready`, through every phase and what components go through on the way.
pub fn life_to_ready(id: BuildId, nsvc: Nsvc) -> Vec<Written> {
    let mut life = life_to_preparing(id, nsvc);
    let names = ["module-build-macros", "bar", "foo", "baz"];
    push(&mut life, |last| {
        let keys = names.map(|name| ComponentKey { build: id, component: component(name), attempt: 1 });
        let fact = Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() };
        let building = Phase::Building { regenerating: None };
        let next = last.entering(fact, building, None).answering(2);
        next.telling(keys.map(|key| Action::BuildComponent { key })).looking_at(Some(at(1000)))
    });
    for (name, task) in names.into_iter().zip(100..) {
        let attempt = 1;
        let built = built(name, task);
        let task = TaskId(task);
        let progress = TaskProgress::Free;
        let started = Fact::ComponentStarted { component: component(name), attempt, task };
        push(&mut life, |last| last.component_enters(name, started, ComponentState::Building { task, progress }));
        let progress = TaskProgress::Open;
        let opened = Fact::TaskProgressed { component: component(name), attempt, task, progress };
        push(&mut life, |last| last.component_enters(name, opened, ComponentState::Building { task, progress }));
        let ended = Fact::ComponentBuilt { component: component(name), attempt, task, nvr: built.nvr.clone() };
        push(&mut life, |last| last.component_enters(name, ended, ComponentState::Built(built.clone())));
        let tagged = Fact::ComponentsTagged { components: vec![(component(name), attempt)] };
        push(&mut life, |last| last.component_enters(name, tagged, ComponentState::Tagged(built.clone())));
        push(&mut life, |last| {
            let generation = last.after.repository_generation + 1;
            let mut next =
                last.then(Fact::TimePassed { because: None }, |build| build.repository_generation = generation);
            next.after.phase =
                Phase::Building { regenerating: next.after.plan().index_of(&component(name)).map(|i| vec![i]) };
            next.telling([Action::RegenerateRepository { generation }])
        });
        push(&mut life, |last| {
            let fact = Fact::RepositoryRegenerated { generation: last.after.repository_generation };
            let mut next = last.component_enters(name, fact, ComponentState::Available(built));
            next.after.phase = Phase::Building { regenerating: None };
            next
        });
    }
    push(&mut life, |last| {
        let next = last.entering(Fact::TimePassed { because: None }, Phase::Finishing, None);
        next.telling([Action::WriteMetadata])
    });
    push(&mut life, |last| {
        let written = last.after.effects_issued;
        last.entering(Fact::MetadataWritten, Phase::Done, None).answering(written).looking_at(None)
    });
    push(&mut life, |last| last.entering(Fact::MarkedReady { by: owner("release-team") }, Phase::Ready, None));
    life
}

/// Returns a life that fails in `build`, is submitted again, and is cancelled.
pub fn life_to_failed(id: BuildId, nsvc: Nsvc) -> Vec<Written> {
    let mut life = life_to_preparing(id, nsvc);
    let reason = "the build of bar failed: “%check” ended with 1\nsee build.log; it's the \"last\" line; \u{1f4a5} \0";
    let (task, attempt) = (Some(TaskId(101)), 1);
    push(&mut life, |last| {
        last.entering(
            Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() },
            Phase::Building { regenerating: None },
            None,
        )
        .answering(2)
    });
    push(&mut life, |last| {
        let fact = Fact::ComponentFailed { component: component("bar"), attempt, task, reason: reason.into() };
        last.component_enters("bar", fact, ComponentState::Failed { task, reason: reason.into() })
    });
    push(&mut life, |last| {
        last.component_enters(
            "foo",
            Fact::TimePassed { because: None },
            ComponentState::Canceled { task: Some(TaskId(102)) },
        )
    });
    push(&mut life, |last| {
        last.component_enters("baz", Fact::TimePassed { because: None }, ComponentState::Canceled { task: None })
    });
    push(&mut life, |last| {
        let from = last.after.state();
        let failure = Failure { kind: FailureKind::Components, from, problems: Vec::new() };
        let next = last
            .entering(
                Fact::TimePassed { because: Some("the hub is offline".into()) },
                Phase::Failed(failure),
                Some(reason),
            )
            .looking_at(None);
        let key = ComponentKey { build: id, component: component("foo"), attempt };
        next.telling([Action::CancelTask { key, task: Some(TaskId(102)) }, Action::AbandonEnvironment])
    });
    push(&mut life, |last| {
        let mut next = last.entering(Fact::Resubmitted { by: owner("packager"), submission: None }, Phase::Wait, None);
        next.after.run_started = next.after.effects_issued;
        for component in &mut next.after.components {
            component.attempt += 1;
            component.state = ComponentState::Waiting;
        }
        next.looking_at(Some(at(2000)))
    });
    push(&mut life, |last| last.component_enters("bar", Fact::TimePassed { because: None }, ComponentState::Submitted));
    push(&mut life, |last| {
        let problem = SourceProblem { component: component("foo"), message: "foo.spec is missing".to_owned() };
        let from = last.after.state();
        let failure = Failure { kind: FailureKind::Canceled, from, problems: vec![problem] };
        let fact = Fact::Canceled { by: owner("Jörg; DROP TABLE module_builds; --") };
        last.entering(fact, Phase::Failed(failure), Some("canceled by Jörg")).looking_at(None)
    });
    life
}

fn life_to_preparing(id: BuildId, nsvc: Nsvc) -> Vec<Written> {
    let mut life = vec![Written::new(id, nsvc)];
    push(&mut life, |last| {
        let names = ["bar", "foo", "baz"];
        let fact = Fact::SourcesChecked { sources: names.map(|name| (component(name), source(name))).into() };
        let mut next = last.entering(fact, Phase::Wait, None).answering(1);
        for (planned, built) in last.after.plan().iter().zip(&mut next.after.components) {
            built.source = planned.source.is_some().then(|| Arc::new(source(planned.name.as_str())));
        }
        next
    });
    push(&mut life, |last| {
        let next = last.entering(Fact::SlotGranted, Phase::Preparing, None);
        next.telling([Action::PrepareEnvironment]).looking_at(Some(at(60)))
    });
    life
}

fn push(life: &mut Vec<Written>, next: impl FnOnce(&Written) -> Written) {
    if let Some(last) = life.last() {
        life.push(next(last));
    }
}
