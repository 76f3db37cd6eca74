//! What is known of a repository that is waited for: what was asked for, how often, and what the last look told.

use std::sync::Arc;
use std::time::Duration;

use rida_core::{PortError, PortErrorKind};

use crate::build_system::unreadable;
use crate::wire::Task;
use crate::xmlrpc::{Answer, Call, Value};

/// How often what is known of a repository gets old before one that failed again and again is asked for again: twice as
/// often each time, up to this power of two.
const MOST_PATIENT: u32 = 7;

/// A repository that is waited for.
#[derive(Clone, Debug)]
pub(in crate::build_system) struct Awaited {
    /// Which one of the module it is.
    pub(super) of: Of,
    /// What was asked for; absent when that is not known.
    pub(super) asked: Option<Asked>,
    /// Since when it is waited for.
    pub(super) since: Duration,
    /// How often it was asked for.
    times: u32,
    /// What became of the one that was asked for before this one, should that be worth telling.
    failed: Option<Arc<str>>,
    /// When it was last asked for.
    asked_at: Duration,
    /// When the hub was last asked about it; absent when that does not count any more.
    pub(in crate::build_system) at: Option<Duration>,
    /// Why it is not there, as the last look had it; told again until the next one.
    told: Option<(PortErrorKind, Arc<str>)>,
}

/// Which repository of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    /// The one that the first package is built with, with the number of the run that prepares for it.
    First(u32),
    /// The one that was asked for with this number.
    Generation(u32),
}

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::build_system) enum Asked {
    /// A place in the queue.
    Request(i64),
    /// A task of an older hub.
    Task(i64),
}

impl Awaited {
    /// Notes that a repository was asked for, after what is known of it from before.
    pub(super) fn again(before: Option<&Self>, of: Of, asked: Option<Asked>, now: Duration) -> Self {
        let before = before.filter(|before| before.of == of);
        let (since, times) = before.map_or((now, 0), |before| (before.since, before.times));
        let failed = before.and_then(|before| before.words().map(Arc::from).or_else(|| before.failed.clone()));
        let at = asked.map(|_| now);
        Self { of, asked, since, times: times.saturating_add(1), failed, asked_at: now, at, told: None }
    }

    /// Notes that the hub is asked about it now, and what was told before that does not count any more.
    pub(super) fn look(&mut self, now: Duration) {
        self.at = Some(now);
        self.told = None;
    }

    /// Notes why it is not there.
    pub(super) fn tell(&mut self, error: &PortError) {
        self.told = Some((error.kind(), Arc::from(error.message())));
    }

    /// Returns what the last look told, if it was less than `fresh` ago.
    pub(super) fn told(&self, now: Duration, fresh: Duration) -> Option<Result<(), PortError>> {
        self.at.filter(|at| now.saturating_sub(*at) < fresh)?;
        let told = self.told.as_ref();
        Some(told.map_or(Ok(()), |(kind, text)| Err(PortError::new(*kind, text.to_string()))))
    }

    /// Tells whether it is time to ask for it again, after it failed: the first time at once; one that can never be made
    /// is not asked for all the time.
    pub(super) fn is_due(&self, now: Duration, freshness: Duration) -> bool {
        let pause = match self.times {
            0 | 1 => Duration::ZERO,
            more => freshness.saturating_mul(1 << more.min(MOST_PATIENT)),
        };
        now.saturating_sub(self.asked_at) >= pause
    }

    /// Says, while it is being made, what became of the one before.
    pub(super) fn before(&self) -> Option<String> {
        self.failed.as_ref().map(ToString::to_string)
    }

    /// Says what became of it, once it failed more often than by chance.
    pub(super) fn words(&self) -> Option<String> {
        let made = match self.asked? {
            Asked::Task(task) => format!("Koji's task {task}, which made the module's repository,"),
            Asked::Request(request) => format!("what Koji's request {request} for the module's repository led to"),
        };
        let times = self.times;
        (times > 1).then(|| format!("{made} failed or came too early, and so {times} times; it is asked for again"))
    }
}

impl Asked {
    /// Asks what became of it.
    pub(super) fn question(self) -> Call {
        match self {
            Self::Request(id) => Call::new("repo.checkRequest", [Value::Int(id)]),
            Self::Task(id) => Call::new("getTaskInfo", [Value::Int(id)]),
        }
    }

    /// Tells by the answer whether it is still being made.
    pub(super) fn is_under_way(self, answer: Option<Answer>) -> Result<bool, PortError> {
        let Some(Ok(answer)) = answer.filter(|answer| answer.as_ref().is_ok_and(|answer| !answer.is_nil())) else {
            return Ok(false);
        };
        match self {
            Self::Request(_) => {
                let request = answer.fields("repo.checkRequest").map_err(unreadable)?.take("request");
                request.fields("request").and_then(|mut request| request.flag("active")).map_err(unreadable)
            }
            Self::Task(_) => Ok(Task::from_value(answer).map_err(unreadable)?.state.is_active()),
        }
    }
}
