//! What comes from outside: submissions, people who change their mind, and messages of the build system.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::block_on;
use super::process::Work;
use super::world::World;
use crate::build::Submission;
use crate::driver::{Clock, Driver, Parts, SubmitError};
use crate::event::Fact;
use crate::id::{BuildId, ComponentName, Context, Nsvc};
use crate::plan::{ComponentSource, Plan, RebuildStrategy, WantedComponent};
use crate::ports::{BuildSystem, Store, WorkerId};
use crate::scm::{AllowList, GitRef};
use crate::state::BuildState;
use crate::testing::{Course, sample};
use crate::timestamp::Timestamp;

/// How many components there are in the world; modules share them.
const COMPONENTS: usize = 6;

/// What is on its way.
#[derive(Default)]
pub(super) struct Inbox {
    messages: BTreeMap<(Timestamp, u64), Message>,
    sent: u64,
    answers: Arc<Mutex<Vec<Answer>>>,
    /// What somebody submitted and has no answer to, or not the one that was hoped for. It is submitted again.
    unanswered: BTreeMap<Nsvc, Submission>,
    made: u64,
}

/// A message of the build system.
#[derive(Clone)]
enum Message {
    /// There is news of a build.
    Hint(BuildId),
    /// The news themselves, as they were when the message was sent.
    Facts(BuildId, Vec<Fact>),
}

/// The answer to a submission.
enum Answer {
    Accepted(Nsvc, BuildId),
    QueueFull,
    Failed,
}

impl World {
    /// Submits a module, or one that got no answer once more.
    pub(super) fn submit_next(&mut self) {
        let index = self.random.index(self.inbox.unanswered.len().saturating_add(1));
        let again = self.inbox.unanswered.values().nth(index).cloned();
        let submissions = match again {
            Some(submission) => vec![submission],
            None if self.inbox.made < self.wildness.modules => self.new_submissions(),
            None => return,
        };
        if let Some(driver) = self.any_driver() {
            self.submit(driver, submissions);
        }
    }

    fn submit(&mut self, driver: Arc<Driver>, submissions: Vec<Submission>) {
        let answers = Arc::clone(&self.inbox.answers);
        self.errands.push(Box::pin(async move {
            let names: Vec<Nsvc> = submissions.iter().map(|submission| submission.nsvc.clone()).collect();
            let found: Vec<Answer> = match driver.record_all(submissions).await {
                Ok(ids) => names.into_iter().zip(ids).map(|(nsvc, id)| Answer::Accepted(nsvc, id)).collect(),
                // All of them do; which the others are is told when each is submitted by itself.
                Err(SubmitError::Exists { nsvc, id, .. }) => vec![Answer::Accepted(nsvc, id)],
                Err(SubmitError::QueueFull { .. }) => vec![Answer::QueueFull],
                Err(_) => vec![Answer::Failed],
            };
            answers.lock().unwrap_or_else(PoisonError::into_inner).extend(found);
        }));
    }

    /// Makes a module, or the same for two streams; sometimes it is only tried.
    fn new_submissions(&mut self) -> Vec<Submission> {
        let first = self.new_submission();
        // Without a draw where there is none, so that a history of before stays as it was.
        let of_many = self.wildness.together;
        let draws = of_many > 0;
        let scratch = draws && self.tastes.below(100) < of_many;
        let both = draws && self.tastes.below(100) < of_many;
        let context = Context::new("beef").ok().filter(|_| both);
        let second = context.map(|context| {
            let nsvc = Nsvc { context, ..first.nsvc.clone() };
            Submission { nsvc, ..first.clone() }
        });
        let submissions = std::iter::once(first).chain(second);
        let submissions: Vec<Submission> = submissions.map(|it| Submission { scratch, ..it }).collect();
        for submission in &submissions {
            self.submitted.insert(submission.nsvc.clone(), submission.clone());
            self.inbox.unanswered.insert(submission.nsvc.clone(), submission.clone());
        }
        submissions
    }

    fn new_submission(&mut self) -> Submission {
        self.inbox.made += 1;
        let number = self.inbox.made;
        let nsvc = sample::nsvc(&format!("module{}:1:{number}:c0ffee", self.random.below(3)));
        let owner = sample::owner(["alice", "bob", "carol"][self.random.index(3)]);
        let at = self.any_driver().map_or(sample::at(0), |driver| driver.parts().clock.now());
        let rebuild_strategy = match self.tastes.chance(self.wildness.reuse) {
            true if self.tastes.chance(50) => RebuildStrategy::ChangedAndAfter,
            true => RebuildStrategy::OnlyChanged,
            false => RebuildStrategy::All,
        };
        let modulemd = modulemd(&nsvc, self.tastes.chance(10)).into();
        let plan = self.new_plan();
        let submission = Submission { plan, owner, at, rebuild_strategy, modulemd, ..sample::submission(nsvc.clone()) };
        self.trace.push(format!("{}: {nsvc} is submitted", self.truth.now()));
        submission
    }

    /// Makes a random plan: batches, or a graph.
    fn new_plan(&mut self) -> Plan {
        let count = 1 + self.random.index(COMPONENTS);
        let graph = self.random.chance(50);
        let (bad, reuse) = (self.wildness.bad, self.wildness.reuse);
        let wanted = (0..count).map(|number| {
            let course = match self.random.below(200) {
                point if point < bad => Course::Fails(Duration::from_secs(self.random.below(60))),
                point if point < bad * 2 => Course::Hangs,
                _ => Course::Succeeds(Duration::from_secs(self.random.below(120))),
            };
            self.system.set_course(&name(number), course);
            let broken = self.random.below(400) < bad;
            let problems = if broken { vec!["there is no such branch".to_owned()] } else { Vec::new() };
            self.scm.break_component(&name(number), problems);
            let before: Vec<ComponentName> =
                if graph { (0..number).filter(|_| self.random.chance(30)).map(name).collect() } else { Vec::new() };
            WantedComponent {
                name: name(number),
                source: ComponentSource {
                    repository: sample::repository(name(number).as_str()),
                    reference: GitRef::new(if reuse == 0 || self.tastes.chance(85) { "main" } else { "next" })
                        .expect("a branch"),
                    cache: None,
                },
                buildorder: if graph { 0 } else { i64::try_from(self.random.below(3)).unwrap_or(0) },
                buildafter: before,
                buildonly: false,
                arches: Vec::new(),
            }
        });
        Plan::new(wanted.collect()).expect("components wait only for earlier ones")
    }

    /// Cancels a build, submits one again, or releases one.
    pub(super) fn meddle(&mut self) {
        let ids = self.build_ids();
        let Some(id) = ids.get(self.random.index(ids.len())).copied() else { return };
        let Some(driver) = self.any_driver() else { return };
        self.counts.changes += 1;
        let by = sample::owner("dave");
        let now = self.truth.now();
        match self.random.below(5) {
            0 | 1 => {
                self.trace.push(format!("{now}: somebody cancels {id}"));
                self.errands.push(Box::pin(async move {
                    let _ = driver.cancel(id, by).await;
                }));
            }
            2 => self.errands.push(Box::pin(async move {
                let _ = driver.mark_ready(id, by).await;
            })),
            _ => {
                let Ok(Some(build)) = block_on(self.store.load(id)) else { return };
                if build.is_scratch() {
                    // It would be another build.
                    return;
                }
                // As the service reads it now: perhaps its configuration was changed.
                let plan = if self.random.chance(50) { self.new_plan() } else { build.plan().clone() };
                let again = Submission { plan, owner: by, ..(*build.submission).clone() };
                self.trace.push(format!("{now}: somebody submits {id} again"));
                self.errands.push(Box::pin(async move {
                    let _ = driver.record(again).await;
                }));
            }
        }
    }

    /// Sends a message of the build system, which may be lost, repeated and late.
    pub(super) fn send_message(&mut self) {
        let ids = self.build_ids();
        let Some(id) = ids.get(self.random.index(ids.len())).copied() else { return };
        let Ok(Some(build)) = block_on(self.store.load(id)) else { return };
        let message = match block_on(self.system.follow(&build)) {
            Ok(facts) if self.random.chance(50) => Message::Facts(id, facts),
            _ => Message::Hint(id),
        };
        if self.random.chance(30) {
            return;
        }
        for _ in 0..=self.random.below(2) {
            let late = match self.random.below(10) {
                0 => 7_200,
                1..=3 => 300,
                _ => 5,
            };
            let at = self.truth.now().plus(Duration::from_secs(self.random.below(late)));
            self.inbox.sent += 1;
            self.inbox.messages.insert((at, self.inbox.sent), message.clone());
        }
    }

    /// Delivers what has arrived, and takes notice of answers.
    pub(super) fn deliver(&mut self) {
        let now = self.truth.now();
        while let Some(message) = self.inbox.messages.first_entry().filter(|first| first.key().0 <= now) {
            let message = message.remove();
            self.counts.messages += 1;
            if let Some(driver) = self.any_driver() {
                self.errands.push(deliver(driver, message));
            }
        }
        let answers = std::mem::take(&mut *self.inbox.answers.lock().unwrap_or_else(PoisonError::into_inner));
        for answer in answers {
            match answer {
                Answer::Accepted(nsvc, id) => {
                    self.inbox.unanswered.remove(&nsvc);
                    self.accepted.insert(id);
                }
                Answer::QueueFull => self.counts.refused += 1,
                Answer::Failed => {}
            }
        }
    }

    /// Submits what got no answer until it has one.
    pub(super) fn submit_the_rest(&mut self) {
        for _ in 0..=self.wildness.modules {
            let rest: Vec<Submission> = self.inbox.unanswered.values().cloned().collect();
            if rest.is_empty() {
                return;
            }
            for submission in rest {
                if let Some(driver) = self.any_driver() {
                    self.submit(driver, vec![submission]);
                }
            }
            if !self.settle() {
                return;
            }
            self.deliver();
        }
        self.violations.push("what is submitted again and again is never accepted".to_owned());
    }

    /// Mends everything and submits every failed build again: now all must be built, and nothing of it twice.
    pub(super) fn submit_all_again(&mut self) {
        for number in 0..COMPONENTS {
            self.system.set_course(&name(number), Course::Succeeds(Duration::from_secs(10)));
            self.scm.break_component(&name(number), Vec::new());
        }
        let parts = Parts {
            store: Arc::new(self.store.clone()),
            build_system: Arc::new(self.system.clone()),
            publisher: Arc::new(self.publisher.clone()),
            scm: Arc::new(self.scm.clone()),
            clock: Arc::new(self.truth.clone()),
            allow: AllowList::default(),
            policy: self.promised.clone(),
        };
        let driver = Driver::new(parts, WorkerId("somebody".to_owned()));
        for id in self.build_ids() {
            let Ok(Some(build)) = block_on(self.store.load(id)) else { continue };
            if build.state() != BuildState::Failed || build.is_scratch() {
                continue;
            }
            // There is room: everything has ended.
            match block_on(driver.record((*build.submission).clone())) {
                Ok(_) => {}
                Err(SubmitError::QueueFull { .. }) if self.settle() => {
                    let _ = block_on(driver.record((*build.submission).clone()));
                }
                Err(error) => self.violations.push(format!("build {id} cannot be submitted again: {error}")),
            }
        }
        if !self.settle() {
            return;
        }
        for id in self.build_ids() {
            let Ok(Some(build)) = block_on(self.store.load(id)) else { continue };
            if !matches!(build.state(), BuildState::Done | BuildState::Ready) && !build.is_scratch() {
                let reason = build.reason().unwrap_or_default();
                self.violations.push(format!("build {id} cannot be built though all is well: {reason}"));
            }
        }
    }
}

fn deliver(driver: Arc<Driver>, message: Message) -> Work {
    Box::pin(async move {
        match message {
            Message::Hint(id) => {
                let _ = driver.look(id).await;
            }
            Message::Facts(id, facts) => {
                for fact in facts {
                    let _ = driver.apply(id, fact).await;
                }
            }
        }
    })
}

fn name(number: usize) -> ComponentName {
    sample::component(&format!("package{number}"))
}

/// Writes a modulemd as far as it decides what can be taken over.
fn modulemd(nsvc: &Nsvc, with_macros: bool) -> String {
    let options = if with_macros { "  buildopts:\n    rpms:\n      macros: '%simulated 1'\n" } else { "" };
    format!(
        "document: modulemd\nversion: 2\ndata:\n  name: {}\n  summary: s\n  description: d\n  license:\n    \
         module: [MIT]\n{options}",
        nsvc.name
    )
}
