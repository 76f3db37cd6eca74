use std::time::Duration;

use proptest::prelude::*;

use super::*;

/// A time since which more than anybody's patience has passed.
const START: i64 = 1_000_000;

fn queued(id: i64, name: &str, owner: &str, since: i64, batches: u32) -> QueuedBuild {
    QueuedBuild {
        id: BuildId::new(id).unwrap(),
        name: name.parse().unwrap(),
        owner: owner.parse().unwrap(),
        since: Timestamp::from_seconds(START + since),
        batches,
    }
}

const LIMITS: Limits = Limits {
    builds: 3,
    builds_per_module: 2,
    builds_per_owner: 2,
    queue: 10,
    queue_per_module: 10,
    queue_per_owner: 10,
    patience: Duration::from_secs(1000),
};

fn granted(queue: &Queue, now: i64) -> Vec<i64> {
    let verdicts = verdicts(queue, &LIMITS, Timestamp::from_seconds(START + now));
    verdicts.into_iter().filter(|(_, verdict)| *verdict == Verdict::Granted).map(|(id, _)| id.get()).collect()
}

#[test]
fn the_longest_path_is_first_until_somebody_has_waited_too_long() {
    let waiting = vec![
        queued(1, "a", "x", 0, 2),
        queued(2, "b", "y", 10, 5),
        queued(3, "c", "z", 5, 5),
        queued(4, "d", "w", 0, 9),
    ];
    let queue = Queue { revision: 0, waiting, running: vec![] };
    assert_eq!(granted(&queue, 20), [4, 3, 2]);
    assert_eq!(granted(&queue, 1000), [1, 4, 3]);
}

#[test]
fn who_waits_since_a_time_to_come_is_served_by_age() {
    // The clock was set back by an hour; nobody knows how long the first has waited.
    let waiting = vec![queued(1, "a", "x", 3600, 2), queued(2, "b", "y", 10, 5), queued(3, "c", "z", 5, 5)];
    assert_eq!(granted(&Queue { revision: 0, waiting, running: vec![] }, 20), [1, 3, 2]);
}

#[test]
fn one_module_or_owner_does_not_hold_back_others() {
    let running = vec![queued(1, "a", "x", 0, 2), queued(2, "a", "y", 0, 2)];
    let waiting = vec![queued(3, "a", "z", 1, 9), queued(4, "b", "z", 2, 1)];
    let queue = Queue { revision: 0, waiting, running };
    let verdicts = verdicts(&queue, &LIMITS, Timestamp::from_seconds(3));
    let told: Vec<_> = verdicts.iter().map(|(id, verdict)| format!("{id}: {verdict}")).collect();
    assert_eq!(told, ["3: at most 2 of a at once may be built, and as many are", "4: it starts next"]);
}

proptest! {
    #[test]
    fn no_limit_is_ever_exceeded_and_no_slot_is_left_without_reason(
        builds in prop::collection::vec((0..4_u8, 0..4_u8, 0..50_i64, 1..9_u32, any::<bool>()), 0..30),
    ) {
        let mut queue = Queue::default();
        for (n, (name, owner, since, batches, running)) in (1..).zip(builds) {
            let build = queued(n, &format!("m{name}"), &format!("o{owner}"), since, batches);
            let within = Usage { builds: queue.running.len(), ..usage(&queue.running) };
            if running && within.judge(&build, &LIMITS) == Verdict::Granted {
                queue.running.push(build);
            } else {
                queue.waiting.push(build);
            }
        }
        let verdicts = verdicts(&queue, &LIMITS, Timestamp::from_seconds(60));
        prop_assert_eq!(verdicts.len(), queue.waiting.len());
        let mut after = queue.running.clone();
        let find = |id: BuildId| queue.waiting.iter().find(|build| build.id == id).unwrap().clone();
        after.extend(verdicts.iter().filter(|(_, v)| *v == Verdict::Granted).map(|(id, _)| find(*id)));
        let usage = usage(&after);
        prop_assert!(usage.builds <= LIMITS.builds);
        prop_assert!(usage.by_module.values().all(|count| *count <= LIMITS.builds_per_module));
        prop_assert!(usage.by_owner.values().all(|count| *count <= LIMITS.builds_per_owner));
        for (id, verdict) in verdicts {
            if verdict != Verdict::Granted {
                prop_assert_ne!(usage.judge(&find(id), &LIMITS), Verdict::Granted);
            }
        }
    }
}

fn usage(builds: &[QueuedBuild]) -> Usage {
    let mut usage = Usage::default();
    for build in builds {
        usage.add(build);
    }
    usage
}
