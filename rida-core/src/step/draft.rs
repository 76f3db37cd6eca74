//! A build being changed: the one place that numbers instructions, keeps the history and announces.

use std::sync::Arc;

use super::{Advance, Illegal, Step, late};
use crate::announce::{Announcement, AnnouncementId, Change, ComponentDetails, ModuleDetails};
use crate::build::{Failure, FailureKind, ModuleBuild, Phase, Submission, Transition};
use crate::component::{ComponentBuild, ComponentState};
use crate::deadline;
use crate::effect::{Action, Effect};
use crate::event::SourceProblem;
use crate::id::{BuildId, DistTag, EffectId};
use crate::policy::Policy;
use crate::state::BuildState;
use crate::timestamp::Timestamp;

pub(super) struct Draft {
    pub(super) build: ModuleBuild,
    /// The build's time, which never runs backwards.
    at: Timestamp,
    /// What the clock showed, which limits of time are measured by.
    pub(super) learnt: Timestamp,
    effects: Vec<Effect>,
    announcements: Vec<Announcement>,
}

impl Draft {
    /// Starts from nothing: a build in `init`.
    pub(super) fn submitted(id: BuildId, submission: Submission, dist_tag: DistTag) -> Self {
        let waiting = ComponentBuild::waiting(1);
        let at = submission.at;
        let build = ModuleBuild {
            id,
            revision: 1,
            dist_tag,
            phase: Phase::Init,
            phase_since: at,
            components: vec![waiting; submission.plan.len()],
            effects_issued: 0,
            run_started: 0,
            repository_generation: 0,
            history: vec![Transition { state: BuildState::Init, at, reason: None }],
            modified_at: at,
            submission: Arc::new(submission),
        };
        let mut draft = Self { build, at, learnt: at, effects: Vec::new(), announcements: Vec::new() };
        draft.announce_state(None, None);
        draft
    }

    /// Starts from a build. Its time never runs backwards, whatever the clocks of the world do.
    pub(super) fn of(build: &ModuleBuild, learnt: Timestamp) -> Self {
        let at = learnt.max(build.modified_at);
        let mut build = build.clone();
        build.revision += 1;
        build.modified_at = at;
        Self { build, at, learnt, effects: Vec::new(), announcements: Vec::new() }
    }

    /// Takes another submission of the same module in the place of the one before, and tells whether it differs. Who
    /// submitted the module first stays its owner, and chose how much is rebuilt.
    pub(super) fn submit_anew(&mut self, submission: &Submission, policy: &Policy) -> Result<bool, Illegal> {
        let before = &self.build.submission;
        if submission.nsvc != before.nsvc {
            return Err(Illegal(format!("{} cannot be submitted as {}", before.nsvc, submission.nsvc)));
        }
        let (owner, rebuild_strategy) = (before.owner.clone(), before.rebuild_strategy);
        let submission = Submission { owner, rebuild_strategy, at: before.at, ..submission.clone() };
        if submission == **before {
            return Ok(false);
        }
        self.build.dist_tag =
            super::dist_tag(self.build.id, &submission, policy).map_err(|error| Illegal(error.to_string()))?;
        // As if each had been tried as often as any before, though none ever was.
        let attempt = self.build.components.iter().map(|component| component.attempt).max().unwrap_or(1);
        self.build.components = vec![ComponentBuild::waiting(attempt); submission.plan.len()];
        self.build.submission = Arc::new(submission);
        Ok(true)
    }

    /// Enters a phase. A change of state goes into the history and is announced.
    pub(super) fn enter(&mut self, phase: Phase, reason: Option<Arc<str>>) {
        let (from, to) = (self.build.state(), phase.state());
        self.build.phase = phase;
        self.build.phase_since = self.learnt;
        if from != to {
            debug_assert!(from.may_become(to), "{from} to {to} is no edge");
            self.build.history.push(Transition { state: to, at: self.at, reason: reason.clone() });
            self.announce_state(Some(from), reason);
        }
    }

    /// Says something of the state that the build is in, where everybody finds it who asks.
    pub(super) fn remark(&mut self, remark: String) {
        if let Some(transition) = self.build.history.last_mut() {
            transition.reason = Some(remark.into());
        }
    }

    /// Decides what it means that time passed: the end of the phase when its limit has, in these words, with why the last
    /// try failed. When the clock was set back, the time that the phase may take is counted anew from now.
    pub(super) fn time_passed(mut self, policy: &Policy, what: &str, because: Option<&str>) -> Result<Step, Illegal> {
        if deadline::is_ahead(&self.build, self.learnt) {
            self.build.phase_since = self.learnt;
        } else if deadline::has_passed(&self.build, policy, self.learnt) {
            let reason = because.map_or_else(|| what.to_owned(), |because| format!("{what}; at last: {because}"));
            self.fail(FailureKind::Deadline, reason, Vec::new());
        } else {
            return Step::ignore(late::NOT_YET);
        }
        Step::advance(self)
    }

    /// Ends the build without a module: what runs is cancelled, what its environment was asked for is given up, what waits
    /// will not start, what was built stays.
    pub(super) fn fail(&mut self, kind: FailureKind, reason: impl Into<Arc<str>>, problems: Vec<SourceProblem>) {
        for index in 0..self.build.components.len() {
            let Some(component) = self.build.components.get(index) else { continue };
            let task = component.state.task();
            match component.state {
                ComponentState::Waiting => self.set(index, ComponentState::Canceled { task: None }),
                ComponentState::Submitted | ComponentState::Building { .. } => {
                    self.set(index, ComponentState::Canceled { task });
                    if let Some(key) = self.build.key(index) {
                        self.issue(Action::CancelTask { key, task });
                    }
                }
                ComponentState::Built(_)
                | ComponentState::Tagged(_)
                | ComponentState::Available(_)
                | ComponentState::Failed { .. }
                | ComponentState::Canceled { .. }
                | ComponentState::Unneeded => {}
            }
        }
        let from = self.build.state();
        if from == BuildState::Build {
            self.issue(Action::AbandonEnvironment);
        }
        self.enter(Phase::Failed(Failure { kind, from, problems }), Some(reason.into()));
    }

    /// Changes the state of the component at `index`. A change that the world can see is announced.
    pub(super) fn set(&mut self, index: usize, state: ComponentState) {
        let Some(component) = self.build.components.get_mut(index) else { return };
        let visible = component.state.name() != state.name() || component.state.task() != state.task();
        component.state = state;
        if visible && let Some(planned) = self.build.submission.plan.get(index) {
            let (state, reason) = (&component.state, component.reason());
            let index = u32::try_from(index).unwrap_or(u32::MAX);
            let change = Change::Component {
                component: planned.name.clone(),
                state: state.name().into(),
                task: state.task(),
                nvr: state.built().map(|built| built.nvr.clone()),
                reason: reason.map(Into::into),
                details: Some(ComponentDetails { index, batch: planned.batch }),
            };
            self.announce(change);
        }
    }

    /// Asks for something.
    pub(super) fn issue(&mut self, action: Action) {
        self.build.effects_issued += 1;
        let id = EffectId { build: self.build.id, number: self.build.effects_issued };
        self.effects.push(Effect { id, action });
    }

    pub(super) fn finish(self) -> Advance {
        Advance { build: self.build, effects: self.effects, announcements: self.announcements }
    }

    fn announce_state(&mut self, from: Option<BuildState>, reason: Option<Arc<str>>) {
        let details = Some(Arc::new(ModuleDetails::of(&self.build)));
        self.announce(Change::Module { from, to: self.build.state(), reason, details });
    }

    fn announce(&mut self, change: Change) {
        let index = u32::try_from(self.announcements.len()).unwrap_or(u32::MAX);
        let submission = &self.build.submission;
        self.announcements.push(Announcement {
            id: AnnouncementId { build: self.build.id, revision: self.build.revision, index },
            at: self.at,
            nsvc: submission.nsvc.clone(),
            owner: submission.owner.clone(),
            scm_url: submission.scm_url.clone(),
            change,
        });
    }
}
