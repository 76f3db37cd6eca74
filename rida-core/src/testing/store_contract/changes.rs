//! Builds and the changes of them.

use super::{commit, refuse};
use crate::build::{ModuleBuild, Phase, Submission};
use crate::effect::Action;
use crate::event::Fact;
use crate::id::BuildId;
use crate::plan::Plan;
use crate::plan::{Full, Verdict, verdicts};
use crate::policy::{Limits, Policy};
use crate::ports::{BuildFilter, LeaseTimes, LookTimes, Queue, QueueFull, QueueRoom, Store, StoreErrorKind, WorkerId};
use crate::state::BuildState;
use crate::testing::sample::{self, Written, at, id, nsvc};
use crate::timestamp::Timestamp;

async fn load(store: &dyn Store, id: BuildId) -> ModuleBuild {
    store.load(id).await.expect("a stored build can be read").expect("a committed build is there")
}

/// Returns the times of leases of a hundred seconds.
fn leases(now: i64) -> LeaseTimes {
    LeaseTimes { now: at(now), until: at(now + 100), latest: at(now + 1000) }
}

/// Returns the times of looks every hundred seconds.
fn looks(now: i64) -> LookTimes {
    LookTimes { now: at(now), building: at(now + 100), others: at(now + 100), latest: at(now + 1000) }
}

/// Returns everything of the store that a refused change could have touched.
async fn picture(store: &dyn Store, ids: &[BuildId]) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut builds = Vec::new();
    for id in ids {
        builds.push(store.load(*id).await.expect("a stored build can be read"));
    }
    let log = store.log_after(0, 1000).await.expect("the log can be read");
    let queue = store.queue().await.expect("the queue can be read");
    let count = store.count(&BuildFilter::default()).await.expect("the builds can be counted");
    (builds, log, queue, count)
}

pub(super) async fn an_empty_store_knows_nothing(store: &dyn Store) {
    assert_eq!(store.load(id(1)).await.unwrap_or(None), None);
    assert_eq!(store.find(&nsvc("foo:1:1:c0ffee")).await.expect("it can be asked"), None);
    assert_eq!(store.count(&BuildFilter::default()).await.expect("it can be asked"), 0);
    assert_eq!(store.log_after(0, 10).await.expect("it can be asked"), []);
    assert_eq!(store.log_of(id(1)).await.expect("it can be asked"), []);
    let queue = store.queue().await.expect("it can be asked");
    assert_eq!((queue.waiting.len(), queue.running.len()), (0, 0));
    let worker = WorkerId("a".to_owned());
    assert_eq!(store.take_effects(&worker, leases(9), 10).await.expect("it can be asked"), []);
    assert_eq!(store.take_due_builds(looks(9), 10).await.expect("it can be asked"), []);
}

pub(super) async fn ids_are_never_given_twice(store: &dyn Store) {
    let mut given = std::collections::BTreeSet::new();
    for _ in 0..20 {
        assert!(given.insert(store.reserve_id().await.expect("there is an id")), "an id was given twice");
    }
}

pub(super) async fn a_life_loads_as_committed(store: &dyn Store) {
    let mut last = 0;
    let ready = sample::life_to_ready(id(1), nsvc("foo:1:18446744073709551615:c0ffee"));
    let failed = sample::life_to_failed(id(9_223_372_036_854_775_807), nsvc("foo:1:0:c0ffee"));
    for written in ready.iter().chain(&failed) {
        let sequence = commit(store, written).await;
        assert!(sequence > last, "sequence numbers grow");
        last = sequence;
        assert_eq!(load(store, written.after.id).await, written.after, "after {:?}", written.event);
    }
    for life in [&ready, &failed] {
        let end = life.last().map(|written| &written.after).expect("a life has an end");
        assert_eq!(load(store, end.id).await, *end, "another build's changes are none of this one's");
    }
}

pub(super) async fn a_build_without_components_loads_as_committed(store: &dyn Store) {
    let mut submission = sample::submission(nsvc("empty:1:1:c0ffee"));
    submission.plan = Plan::default();
    submission.build_requires = Vec::new();
    submission.modulemd = "".into();
    let written = Written::of_submission(id(1), submission);
    commit(store, &written).await;
    assert_eq!(load(store, id(1)).await, written.after);
    let next = written.entering(Fact::SlotGranted, Phase::Preparing, Some(""));
    commit(store, &next).await;
    assert_eq!(load(store, id(1)).await, next.after);
}

pub(super) async fn a_stale_change_leaves_nothing_behind(store: &dyn Store) {
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    let second = first.entering(Fact::SlotGranted, Phase::Wait, None).telling([Action::PrepareEnvironment]);
    // Everything that a change brings, and the right revision of the queue.
    let revision = store.queue().await.expect("the queue can be read").revision;
    let late = first
        .entering(Fact::TimePassed { because: None }, Phase::Preparing, Some("too late"))
        .telling([Action::WriteMetadata]);
    let mut late = late.answering(1).by_queue(revision).looking_at(Some(at(-100)));
    for component in &mut late.after.components {
        component.attempt = 7;
    }
    commit(store, &first).await;
    commit(store, &second).await;
    let before = picture(store, &[id(1)]).await;
    assert_eq!(refuse(store, &late).await, StoreErrorKind::Conflict);
    assert_eq!(refuse(store, &second).await, StoreErrorKind::Conflict, "committed already");
    assert_eq!(picture(store, &[id(1)]).await, before);
    let taken = store.take_effects(&WorkerId("a".to_owned()), leases(100), 10).await.expect("it can be asked");
    let actions: Vec<_> = taken.into_iter().map(|taken| taken.effect.action).collect();
    assert_eq!(actions, [Action::CheckSources, Action::PrepareEnvironment]);
    assert_eq!(store.take_due_builds(looks(-50), 10).await.expect("it can be asked"), []);
}

pub(super) async fn a_change_of_an_unknown_build_conflicts(store: &dyn Store) {
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    let second = first.entering(Fact::SlotGranted, Phase::Wait, None);
    assert_eq!(refuse(store, &second).await, StoreErrorKind::Conflict);
    assert_eq!(store.load(id(1)).await.expect("it can be asked"), None);
}

pub(super) async fn a_taken_id_conflicts(store: &dyn Store) {
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    commit(store, &first).await;
    let before = picture(store, &[id(1)]).await;
    assert_eq!(refuse(store, &Written::new(id(1), nsvc("bar:1:1:c0ffee"))).await, StoreErrorKind::Conflict);
    assert_eq!(picture(store, &[id(1)]).await, before);
}

pub(super) async fn a_taken_nsvc_is_told_with_its_build(store: &dyn Store) {
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    let second = first.entering(Fact::SlotGranted, Phase::Wait, None);
    commit(store, &first).await;
    commit(store, &second).await;
    let before = picture(store, &[id(1), id(2)]).await;
    let again = Written::new(id(2), nsvc("foo:1:1:c0ffee"));
    let exists = StoreErrorKind::Exists { id: id(1), state: second.after.state() };
    assert_eq!(refuse(store, &again).await, exists);
    assert_eq!(picture(store, &[id(1), id(2)]).await, before);
    for other in ["goo:1:1:c0ffee", "foo:2:1:c0ffee", "foo:1:2:c0ffee", "foo:1:1:c0ffef"] {
        let id = store.reserve_id().await.expect("there is an id").get() + 2;
        commit(store, &Written::new(sample::id(id), nsvc(other))).await;
    }
}

pub(super) async fn the_queue_tells_who_waits_and_who_runs(store: &dyn Store) {
    let mut submission = sample::submission(nsvc("foo:1:1:c0ffee"));
    submission.owner = sample::owner("somebody else");
    let first = Written::of_submission(id(2), submission);
    let other = Written::new(id(1), nsvc("bar:1:1:c0ffee"));
    let waiting = first.entering(Fact::TimePassed { because: None }, Phase::Wait, None);
    let other_waiting = other.entering(Fact::TimePassed { because: None }, Phase::Wait, None);
    for written in [&first, &other, &waiting, &other_waiting] {
        commit(store, written).await;
    }
    let queue = store.queue().await.expect("the queue can be read");
    assert_eq!(queue.running, []);
    let ids: Vec<_> = queue.waiting.iter().map(|build| build.id).collect();
    assert_eq!(ids, [id(1), id(2)]);
    let build = queue.waiting.last().expect("two builds wait");
    assert_eq!((build.name.as_str(), build.owner.as_str()), ("foo", "somebody else"));
    assert_eq!((build.since, build.batches), (waiting.event.at, 3));

    let preparing = waiting.entering(Fact::SlotGranted, Phase::Preparing, None);
    let building = preparing.entering(
        Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() },
        Phase::Building { regenerating: None },
        None,
    );
    for written in [&preparing, &building] {
        commit(store, written).await;
        let queue = store.queue().await.expect("the queue can be read");
        let ids = |builds: &[crate::ports::QueuedBuild]| builds.iter().map(|build| build.id).collect::<Vec<_>>();
        assert_eq!((ids(&queue.waiting), ids(&queue.running)), (vec![id(1)], vec![id(2)]));
        assert_eq!(queue.running.first().map(|build| build.since), Some(preparing.event.at));
    }
    let failed = crate::build::Failure {
        kind: crate::build::FailureKind::Deadline,
        from: building.after.state(),
        problems: Vec::new(),
    };
    commit(store, &building.entering(Fact::TimePassed { because: None }, Phase::Failed(failed), None)).await;
    assert_eq!(store.queue().await.expect("the queue can be read").running, []);
}

pub(super) async fn a_slot_is_granted_by_the_newest_picture_only(store: &dyn Store) {
    let revision = store.queue().await.expect("the queue can be read").revision;
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    let other = Written::new(id(2), nsvc("bar:1:1:c0ffee"));
    commit(store, &first).await;
    commit(store, &other).await;
    assert_eq!(store.queue().await.expect("it can be read").revision, revision, "no slot was granted");
    let granted = first.entering(Fact::SlotGranted, Phase::Preparing, None).by_queue(revision);
    commit(store, &granted).await;
    let newer = store.queue().await.expect("it can be read").revision;
    assert!(newer > revision);

    let before = picture(store, &[id(1), id(2)]).await;
    let late = other.entering(Fact::SlotGranted, Phase::Preparing, None).telling([Action::PrepareEnvironment]);
    assert_eq!(refuse(store, &late.clone().by_queue(revision)).await, StoreErrorKind::Conflict);
    assert_eq!(refuse(store, &late.clone().by_queue(u64::MAX)).await, StoreErrorKind::Conflict);
    assert_eq!(picture(store, &[id(1), id(2)]).await, before);
    commit(store, &late.by_queue(newer)).await;
    assert_eq!(load(store, id(2)).await.phase_since, Timestamp::from_millis(at(1).millis()));
}

pub(super) async fn the_queue_takes_as_many_as_it_has_room_for(store: &dyn Store) {
    let room = |in_all, of_module, of_owner| QueueRoom { in_all, of_module, of_owner };
    let new = |number: i64, name: &str, owner: &str| {
        let submission = sample::submission(nsvc(&format!("{name}:1:{number}:c0ffee")));
        Written::of_submission(id(number), Submission { owner: sample::owner(owner), ..submission })
    };
    let first = new(1, "foo", "alice").needing(room(1, 1, 1));
    commit(store, &first).await;
    let full = |full| StoreErrorKind::QueueFull(full);
    let before = picture(store, &[id(1), id(2)]).await;
    let second = new(2, "foo", "alice");
    assert_eq!(refuse(store, &second.clone().needing(room(1, 9, 9))).await, full(QueueFull::InAll(1)));
    assert_eq!(refuse(store, &second.clone().needing(room(9, 1, 9))).await, full(QueueFull::OfModule(1)));
    assert_eq!(refuse(store, &second.clone().needing(room(9, 9, 1))).await, full(QueueFull::OfOwner(1)));
    assert_eq!(refuse(store, &new(2, "foo", "bob").needing(room(9, 1, 1))).await, full(QueueFull::OfModule(1)));
    assert_eq!(picture(store, &[id(1), id(2)]).await, before);
    let exists = StoreErrorKind::Exists { id: id(1), state: first.after.state() };
    assert_eq!(refuse(store, &new(1, "foo", "alice").needing(room(0, 0, 0))).await, exists, "which says more");
    // Whoever waits counts, and whoever has a slot or has ended does not.
    let waiting = first.entering(Fact::TimePassed { because: None }, Phase::Wait, None);
    commit(store, &waiting).await;
    assert_eq!(refuse(store, &second.clone().needing(room(1, 9, 9))).await, full(QueueFull::InAll(1)));
    commit(store, &new(3, "bar", "bob").needing(room(9, 1, 1))).await;
    assert_eq!(refuse(store, &second.clone().needing(room(2, 9, 9))).await, full(QueueFull::InAll(2)));
    commit(store, &waiting.entering(Fact::SlotGranted, Phase::Preparing, None)).await;
    commit(store, &second.needing(room(2, 1, 1))).await;
}

pub(super) async fn changes_of_several_builds_are_written_all_or_none(store: &dyn Store) {
    let room = QueueRoom { in_all: 3, of_module: 9, of_owner: 9 };
    let new = |number: i64, context: &str| Written::new(id(number), nsvc(&format!("foo:1:1:{context}")));
    let failed = crate::build::Failure {
        kind: crate::build::FailureKind::Deadline,
        from: BuildState::Init,
        problems: Vec::new(),
    };
    let ended = new(1, "a").entering(Fact::TimePassed { because: None }, Phase::Failed(failed), None);
    commit(store, &new(1, "a")).await;
    commit(store, &ended).await;
    commit(store, &new(2, "b")).await;
    let everything = [id(1), id(2), id(3), id(4), id(5)];
    let before = picture(store, &everything).await;
    let again = ended.entering(Fact::Submitted, Phase::Init, None).telling([Action::CheckSources]).needing(room);
    let all = |written: &[Written]| written.iter().map(|it| it.clone().needing(room)).collect::<Vec<_>>();
    let refused = async |written: Vec<Written>| {
        let commits: Vec<_> = written.iter().map(Written::commit).collect();
        store.commit_all(&commits).await.expect_err("one of them cannot be written").kind().clone()
    };
    // Whatever stands in the way of one, wherever it is: nothing of any is written.
    let exists = StoreErrorKind::Exists { id: id(2), state: BuildState::Init };
    assert_eq!(refused(all(&[new(3, "c"), new(4, "b"), again.clone()])).await, exists);
    let stale = new(2, "b").entering(Fact::TimePassed { because: None }, Phase::Wait, None);
    let stale = stale.then(Fact::TimePassed { because: None }, |_| ());
    assert_eq!(refused(all(&[again.clone(), new(3, "c"), stale])).await, StoreErrorKind::Conflict);
    let full = StoreErrorKind::QueueFull(QueueFull::InAll(3));
    assert_eq!(refused(all(&[again.clone(), new(3, "c"), new(4, "d")])).await, full, "each sees the others");
    assert_eq!(picture(store, &everything).await, before);
    let worker = WorkerId("a".to_owned());
    let taken = store.take_effects(&worker, leases(99), 10).await.expect("it can be asked");
    assert_eq!(taken.len(), 2, "the instructions of what was written alone");

    let written = all(&[again, new(3, "c")]);
    let commits: Vec<_> = written.iter().map(Written::commit).collect();
    store.commit_all(&commits).await.expect("there is room for both");
    for one in &written {
        assert_eq!(load(store, one.after.id).await, one.after);
        let log = store.log_of(one.after.id).await.expect("the log can be read");
        assert_eq!(log.last().map(|line| (line.revision, &line.event)), Some((one.after.revision, &one.event)));
    }
    let log = store.log_after(0, 100).await.expect("the log can be read");
    assert!(log.windows(2).all(|pair| matches!(pair, [a, b] if a.sequence < b.sequence)));
    assert_eq!(store.take_effects(&worker, leases(99), 10).await.expect("it can be asked").len(), 2);
    store.commit_all(&[]).await.expect("nothing is easily written");
}

pub(super) async fn the_head_of_the_queue_is_served_first(store: &dyn Store) {
    let mut random = crate::testing::Random::new(7);
    let (mut number, mut time) = (0, 0);
    for state in [BuildState::Build, BuildState::Wait, BuildState::Init, BuildState::Ready] {
        for _ in 0..12 {
            number += 1;
            time += 40;
            let name = format!("module{}", random.below(5));
            let batches = 1 + random.index(4);
            let submission = Submission {
                owner: sample::owner(&format!("owner{}", random.below(4))),
                plan: Plan::from_components(sample::plan().iter().take(batches).cloned().collect()),
                at: at(time),
                ..sample::submission(nsvc(&format!("{name}:1:{number}:c0ffee")))
            };
            let mut last = Written::of_submission(id(number), submission);
            commit(store, &last).await;
            let phases = match state {
                BuildState::Init => Vec::new(),
                BuildState::Wait => vec![Phase::Wait],
                BuildState::Build => vec![Phase::Wait, Phase::Preparing],
                _ => vec![Phase::Wait, Phase::Preparing, Phase::Done, Phase::Ready],
            };
            for phase in phases {
                last = last.entering(Fact::TimePassed { because: None }, phase, None);
                commit(store, &last).await;
            }
        }
    }
    let all = store.queue().await.expect("the queue can be read");
    assert_eq!((all.running.len(), all.waiting.len()), (12, 12));
    for (builds_per_module, builds_per_owner) in [(3, 4), (9, 9), (1, 1)] {
        // Some, all and none have waited too long; and in the last case by a clock that was set back since.
        for (now, patience) in [(960, 240), (960, 5000), (5000, 1), (700, 5000)] {
            let patience = std::time::Duration::from_secs(patience);
            let limits =
                Limits { builds: 99, builds_per_module, builds_per_owner, patience, ..Policy::default().limits };
            let full = Full::of(&all.running, &limits);
            let served = verdicts(&all, &limits, at(now)).into_iter().filter(|(id, verdict)| {
                let held_back = all.waiting.iter().any(|build| build.id == *id && full.holds_back(build));
                !held_back || *verdict == Verdict::Granted
            });
            let served: Vec<BuildId> = served.map(|(id, _)| id).collect();
            for limit in [0, 1, 5, 100] {
                let head = store.queue_head(&limits, at(now), limit).await.expect("its head can be read");
                let Queue { revision, waiting, running } = head;
                assert_eq!((revision, &running), (all.revision, &all.running));
                let waiting: Vec<BuildId> = waiting.iter().map(|build| build.id).collect();
                let expected: Vec<BuildId> = served.iter().take(limit).copied().collect();
                assert_eq!(waiting, expected, "at {now} with a patience of {patience:?}, {limit} of {full:?}");
            }
        }
    }
}

pub(super) async fn another_submission_takes_the_place_of_the_first(store: &dyn Store) {
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    let other = Written::new(id(2), nsvc("bar:1:1:c0ffee"));
    commit(store, &first).await;
    commit(store, &other).await;
    for components in [2, 4, 0] {
        let before = load(store, id(1)).await;
        let plan = Plan::from_components(sample::plan().iter().rev().take(components).cloned().collect());
        let mut again = Submission { plan, modulemd: "another".into(), ..(*before.submission).clone() };
        again.build_requires.truncate(components / 2);
        let fact = Fact::Resubmitted { by: sample::owner("alice"), submission: Some(again.clone().into()) };
        let mut next = first.then(fact, |_| ());
        next.after = ModuleBuild { revision: before.revision + 1, submission: again.into(), ..before.clone() };
        next.after.components = first.after.components.iter().take(components).cloned().collect();
        next.before = Some(before);
        commit(store, &next).await;
        assert_eq!(load(store, id(1)).await, next.after);
    }
    assert_eq!(load(store, id(2)).await, other.after);
}
