//! Instructions and their leases, and when builds are looked at.

use super::commit;
use crate::build::Phase;
use crate::effect::{Action, Effect};
use crate::event::Fact;
use crate::id::EffectId;
use crate::ports::{LeaseTimes, LookTimes, PendingEffect, Store, TakenEffect, WorkerId};
use crate::testing::sample::{Written, at, id, nsvc};
use crate::timestamp::Timestamp;

fn worker(name: &str) -> WorkerId {
    WorkerId(name.to_owned())
}

async fn take(store: &dyn Store, worker: &WorkerId, now: Timestamp, until: Timestamp) -> Vec<TakenEffect> {
    take_some(store, worker, leasing(now, until), 100).await
}

async fn take_some(store: &dyn Store, worker: &WorkerId, times: LeaseTimes, limit: usize) -> Vec<TakenEffect> {
    store.take_effects(worker, times, limit).await.expect("instructions can be taken")
}

/// Returns the times of a lease by a clock that was never set back.
fn leasing(now: Timestamp, until: Timestamp) -> LeaseTimes {
    LeaseTimes { now, until, latest: at(1_000_000) }
}

fn taken(effect: &Effect, attempts: u32, failures: u32) -> TakenEffect {
    TakenEffect { effect: effect.clone(), attempts, failures }
}

fn numbers(taken: &[TakenEffect]) -> Vec<(i64, u32)> {
    taken.iter().map(|taken| (taken.effect.id.build.get(), taken.effect.id.number)).collect()
}

/// Writes two builds with three instructions and returns these, in the order in which they are due.
async fn write_three(store: &dyn Store) -> Vec<Effect> {
    let first = Written::new(id(2), nsvc("foo:1:1:c0ffee"));
    let mut later = crate::testing::sample::submission(nsvc("bar:1:1:c0ffee"));
    later.at = at(10);
    let second = Written::of_submission(id(1), later).telling([Action::PrepareEnvironment]);
    commit(store, &first).await;
    commit(store, &second).await;
    first.effects.into_iter().chain(second.effects).collect()
}

pub(super) async fn instructions_are_taken_when_due_oldest_first(store: &dyn Store) {
    let effects = write_three(store).await;
    let (a, b) = (worker("a"), worker("b"));
    assert_eq!(numbers(&take(store, &a, at(-1), at(100)).await), [], "nothing is due before its event");
    let first = take(store, &a, at(0), at(100)).await;
    assert_eq!(first, [taken(&effects[0], 0, 0)]);
    assert_eq!(take_some(store, &b, leasing(at(50), at(100)), 0).await, []);
    let second = take_some(store, &b, leasing(at(50), at(100)), 1).await;
    assert_eq!(second, [taken(&effects[1], 0, 0)]);
    let third = take_some(store, &b, leasing(at(50), at(100)), usize::MAX).await;
    assert_eq!(third, [taken(&effects[2], 0, 0)]);
}

pub(super) async fn a_leased_instruction_is_nobody_elses(store: &dyn Store) {
    write_three(store).await;
    let taken = take(store, &worker("a"), at(50), at(100)).await;
    assert_eq!(numbers(&taken), [(2, 1), (1, 1), (1, 2)]);
    for name in ["a", "b"] {
        assert_eq!(numbers(&take(store, &worker(name), at(99), at(200)).await), [], "the lease holds");
    }
}

pub(super) async fn a_lost_lease_is_given_again_and_counted(store: &dyn Store) {
    write_three(store).await;
    take(store, &worker("a"), at(50), at(100)).await;
    let again = take(store, &worker("b"), at(100), at(200)).await;
    assert_eq!(numbers(&again), [(2, 1), (1, 1), (1, 2)]);
    assert!(again.iter().all(|taken| taken.attempts == 1), "the first try is counted though nobody told of its end");
    let once_more = take(store, &worker("a"), at(200), at(300)).await;
    assert!(once_more.iter().all(|taken| taken.attempts == 2));
}

pub(super) async fn only_the_holder_gives_back(store: &dyn Store) {
    let effects = write_three(store).await;
    let (a, b, first) = (worker("a"), worker("b"), effects[0].id);
    let retry = async |worker: &WorkerId, due| {
        store
            .retry_effect(worker, first, due, 3, "it's \"away\"; \0 ü")
            .await
            .expect("an instruction can be given back");
    };
    retry(&a, at(0)).await;
    take(store, &a, at(50), at(100)).await;
    retry(&b, at(60)).await;
    assert_eq!(numbers(&take(store, &b, at(60), at(100)).await), [], "b did not hold it");
    retry(&a, at(60)).await;
    assert_eq!(numbers(&take(store, &b, at(59), at(100)).await), [], "not before its time");
    let again = take(store, &b, at(60), at(300)).await;
    assert_eq!(again, [taken(&effects[0], 1, 3)], "as often as the holder counted");
    retry(&a, at(70)).await;
    assert_eq!(numbers(&take(store, &a, at(99), at(400)).await), [], "a lost the lease to b");
    let missing = EffectId { build: id(77), number: 1 };
    store.retry_effect(&a, missing, at(0), 1, "gone").await.expect("giving back what is gone is harmless");
}

pub(super) async fn a_renewed_lease_lasts_longer(store: &dyn Store) {
    let effects = write_three(store).await;
    let (a, b) = (worker("a"), worker("b"));
    let first = take_some(store, &a, leasing(at(50), at(100)), 1).await;
    assert_eq!(first.len(), 1);
    take(store, &b, at(50), at(100)).await;
    let ids = effects.iter().map(|effect| effect.id).collect::<Vec<_>>();
    store.renew_leases(&a, &ids, at(150)).await.expect("its own leases can be renewed");
    let lost = take(store, &worker("c"), at(120), at(500)).await;
    assert_eq!(numbers(&lost), [(1, 1), (1, 2)], "the leases of b ended, that of a did not");
    let last = take(store, &worker("c"), at(150), at(500)).await;
    assert_eq!(last, [taken(&effects[0], 1, 0)]);
    store.renew_leases(&worker("c"), &ids[..1], at(900)).await.expect("one of its leases can be renewed");
    let ended = take(store, &worker("d"), at(500), at(600)).await;
    assert!(
        !ended.is_empty() && ended.iter().all(|taken| taken.effect.id != ids[0]),
        "only the named one lasts longer"
    );
    store.renew_leases(&worker("nobody"), &ids, at(900)).await.expect("renewing no lease is harmless");
}

pub(super) async fn an_answer_removes_its_instruction_only(store: &dyn Store) {
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee")).telling([Action::PrepareEnvironment]);
    let other = Written::new(id(2), nsvc("bar:1:1:c0ffee"));
    commit(store, &first).await;
    commit(store, &other).await;
    let a = worker("a");
    assert_eq!(take(store, &a, at(50), at(100)).await.len(), 3);
    let next = first
        .then(Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() }, |_| ())
        .telling([Action::WriteMetadata])
        .answering(1);
    commit(store, &next).await;
    // An answer twice, as after a crash between commit and acknowledgement, is harmless.
    commit(store, &next.then(Fact::TimePassed { because: None }, |_| ()).answering(1)).await;
    let left = take(store, &a, at(100), at(200)).await;
    assert_eq!(numbers(&left), [(1, 2), (2, 1), (1, 3)], "due at the time of their event");
}

pub(super) async fn a_dropped_instruction_is_gone(store: &dyn Store) {
    let effects = write_three(store).await;
    take(store, &worker("a"), at(50), at(100)).await;
    for _ in 0..2 {
        store.drop_effect(effects[1].id).await.expect("an instruction can be dropped, twice as well");
    }
    assert_eq!(numbers(&take(store, &worker("b"), at(100), at(200)).await), [(2, 1), (1, 2)]);
}

pub(super) async fn builds_are_looked_at_when_their_time_comes(store: &dyn Store) {
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee")).looking_at(Some(at(20)));
    let second = Written::new(id(2), nsvc("bar:1:1:c0ffee")).looking_at(Some(at(10)));
    let never = Written::new(id(3), nsvc("baz:1:1:c0ffee")).looking_at(None);
    for written in [&first, &second, &never] {
        commit(store, written).await;
    }
    let take = async |now, others, limit| {
        let times = LookTimes { now, building: at(900_000), others, latest: at(1_000_000) };
        store.take_due_builds(times, limit).await.expect("builds can be taken")
    };
    assert_eq!(take(at(9), at(30), 10).await, []);
    assert_eq!(take(at(10), at(30), 10).await, [id(2)]);
    assert_eq!(take(at(29), at(40), 10).await, [id(1)], "the other one was moved to 30");
    assert_eq!(take(at(40), at(50), 0).await, []);
    assert_eq!(take(at(40), at(50), 1).await, [id(2)], "the one that waits longest comes first");
    assert_eq!(take(at(40), at(50), usize::MAX).await, [id(1)]);
    commit(store, &first.then(Fact::TimePassed { because: None }, |_| ()).looking_at(Some(at(45)))).await;
    commit(store, &second.then(Fact::TimePassed { because: None }, |_| ()).looking_at(None)).await;
    assert_eq!(take(at(45), at(60), 10).await, [id(1)], "a change sets the time anew");
    assert_eq!(take(at(1000), at(2000), 10).await, [id(1)], "nobody waits for the others any more");
}

pub(super) async fn builds_with_a_slot_are_looked_at_sooner(store: &dyn Store) {
    let waiting = Written::new(id(1), nsvc("foo:1:1:c0ffee")).looking_at(Some(at(10)));
    let init = Written::new(id(2), nsvc("bar:1:1:c0ffee")).looking_at(Some(at(10)));
    let building = init.entering(Fact::SlotGranted, Phase::Preparing, None).looking_at(Some(at(10)));
    for written in [&waiting, &init, &building] {
        commit(store, written).await;
    }
    let take = async |now, building, others| {
        let times = LookTimes { now, building, others, latest: at(1000) };
        store.take_due_builds(times, 10).await.expect("builds can be taken")
    };
    assert_eq!(take(at(10), at(20), at(50)).await, [id(1), id(2)]);
    assert_eq!(take(at(49), at(60), at(90)).await, [id(2)]);
    assert_eq!(take(at(60), at(70), at(90)).await, [id(1), id(2)]);
}

pub(super) async fn times_of_a_clock_that_was_set_back_are_past(store: &dyn Store) {
    let effects = write_three(store).await;
    let (a, b) = (worker("a"), worker("b"));
    // Leased, and given back, by a clock that runs an hour ahead.
    assert_eq!(take_some(store, &a, leasing(at(3600), at(3630)), 100).await.len(), 3);
    store.retry_effect(&a, effects[0].id, at(3700), 0, "later").await.expect("it can be given back");
    let right = |now, latest| LeaseTimes { now: at(now), until: at(now + 30), latest: at(latest) };
    assert_eq!(numbers(&take_some(store, &b, right(100, 3700), 100).await), [], "such times are given");
    let lost = take_some(store, &b, right(100, 3650), 1).await;
    assert_eq!(numbers(&lost), [(2, 1)], "the lease ends as it may, the due time is too late");
    let lost = take_some(store, &b, right(100, 200), 100).await;
    assert_eq!(numbers(&lost), [(1, 1), (1, 2)], "the leases end later than any");
    assert_eq!(numbers(&take_some(store, &a, right(129, 200), 100).await), [], "and are given anew");

    commit(store, &Written::new(id(7), nsvc("baz:1:1:c0ffee")).looking_at(Some(at(5000)))).await;
    let look = async |now, latest| {
        let times = LookTimes { now: at(now), building: at(now + 10), others: at(now + 600), latest: at(latest) };
        store.take_due_builds(times, 10).await.expect("builds can be taken")
    };
    let _ = look(100, 6000).await;
    assert_eq!(look(100, 5000).await, []);
    assert_eq!(look(100, 4999).await, [id(7)]);
    assert_eq!(look(699, 2000).await, []);
}

pub(super) async fn it_tells_what_a_build_still_asks_for(store: &dyn Store) {
    let effects = write_three(store).await;
    let pending = async |number| store.pending(id(number)).await.expect("it can be asked");
    let as_asked = |effect: &Effect, due, attempts, error: Option<&str>| PendingEffect {
        effect: effect.clone(),
        due,
        attempts,
        error: error.map(str::to_owned),
    };
    assert_eq!(pending(2).await, [as_asked(&effects[0], at(0), 0, None)]);
    let a = worker("a");
    take(store, &a, at(50), at(100)).await;
    store.retry_effect(&a, effects[1].id, at(70), 1, "it is away").await.expect("it can be given back");
    let told = [as_asked(&effects[1], at(70), 1, Some("it is away")), as_asked(&effects[2], at(10), 1, None)];
    assert_eq!(pending(1).await, told);
    store.drop_effect(effects[1].id).await.expect("it can be dropped");
    assert_eq!(pending(1).await, told[1..]);
    assert_eq!(pending(99).await, []);
}
