//! What is promised to callers at the same time, in one process and in several.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

use std::collections::BTreeSet;

use rida_core::testing::sample::{Written, at, id, nsvc};
use rida_core::{Action, Fact, LeaseTimes, LookTimes, QueueFull, QueueRoom, Store, StoreErrorKind, WorkerId};
use rida_store::Database;
use support::Place;

mod support;

on_every_database! {
    of_two_changes_from_one_revision_one_wins,
    of_two_builds_of_one_nsvc_one_is_there,
    ids_are_never_given_twice,
    a_reader_of_the_log_misses_nothing_and_sees_nothing_appear_behind_it,
    a_build_is_read_whole_while_it_changes,
    an_instruction_is_leased_to_one_worker,
    a_due_build_is_looked_at_by_one,
    slots_are_granted_one_after_the_other,
    the_queue_is_never_fuller_than_it_may_be,
    a_reader_is_leased_to_one_of_many,
    any_number_of_processes_may_migrate_at_once,
}

/// Two sets of connections to one database, as two processes have.
async fn two(place: &Place) -> [Database; 2] {
    let mut config = place.config();
    // Who waits for the lock is not served in order; on a busy machine that takes a while.
    config.busy_timeout = std::time::Duration::from_secs(60);
    let databases = [Database::connect(&config).await.unwrap(), Database::connect(&config).await.unwrap()];
    databases[0].migrate().await.unwrap();
    databases
}

/// Runs a task for each number, taking turns with the databases, and returns what they made.
async fn at_once<T, R>(databases: &[Database], tasks: i64, task: impl Fn(Database, i64) -> R) -> Vec<T>
where
    T: Send + 'static,
    R: Future<Output = T> + Send + 'static,
{
    let turns = databases.iter().cycle().zip(0..tasks);
    let running: Vec<_> = turns.map(|(database, number)| tokio::spawn(task(database.clone(), number))).collect();
    let mut made = Vec::new();
    for task in running {
        made.push(task.await.unwrap());
    }
    made
}

async fn commit(database: &Database, written: &Written) -> u64 {
    database.commit(written.commit()).await.unwrap()
}

async fn of_two_changes_from_one_revision_one_wins(place: Place) {
    let databases = two(&place).await;
    let mut last = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    commit(&databases[0], &last).await;
    for _ in 0..20 {
        let base = last.clone();
        let results = at_once(&databases, 8, move |database, number| {
            let attempt = u32::try_from(number).unwrap();
            let next = base.then(Fact::TimePassed { because: None }, |build| build.components[0].attempt = attempt);
            async move {
                let result = database.commit(next.commit()).await.map_err(|error| error.kind().clone());
                result.map(|_| next)
            }
        })
        .await;
        let (won, lost): (Vec<_>, Vec<_>) = results.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        assert!(lost.iter().all(|result| matches!(result, Err(StoreErrorKind::Conflict))), "{lost:?}");
        last = won.into_iter().flatten().next().unwrap();
        assert_eq!(databases[0].load(id(1)).await.unwrap().as_ref(), Some(&last.after));
    }
    assert_eq!(databases[1].integrity_check().await.unwrap(), Vec::<String>::new());
}

async fn of_two_builds_of_one_nsvc_one_is_there(place: Place) {
    let databases = two(&place).await;
    let results = at_once(&databases, 12, async |database: Database, number| {
        let new = Written::new(id(number + 1), nsvc("foo:1:1:c0ffee"));
        let result = database.commit(new.commit()).await;
        result.map(|_| new.after.id).map_err(|error| error.kind().clone())
    })
    .await;
    let won: Vec<_> = results.iter().flatten().copied().collect();
    assert_eq!(won.len(), 1);
    for result in results {
        if let Err(kind) = result {
            assert_eq!(kind, StoreErrorKind::Exists { id: won[0], state: rida_core::BuildState::Init });
        }
    }
    assert_eq!(databases[1].integrity_check().await.unwrap(), Vec::<String>::new());
}

async fn ids_are_never_given_twice(place: Place) {
    let databases = two(&place).await;
    let given = at_once(&databases, 40, async |database: Database, _| database.reserve_id().await.unwrap()).await;
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 40);
}

async fn a_reader_of_the_log_misses_nothing_and_sees_nothing_appear_behind_it(place: Place) {
    const BUILDS: i64 = 8;
    const CHANGES: usize = 20;
    let databases = two(&place).await;
    let reader = databases[1].clone();
    let reading = tokio::spawn(async move {
        let mut seen = Vec::new();
        while seen.len() < usize::try_from(BUILDS).unwrap() * CHANGES {
            let after = seen.last().copied().unwrap_or(0);
            let lines = reader.log_after(after, 5).await.unwrap();
            seen.extend(lines.iter().map(|line| line.sequence));
            tokio::task::yield_now().await;
        }
        (seen, reader.log_after(0, 10_000).await.unwrap())
    });
    at_once(&databases, BUILDS, async |database: Database, number| {
        let mut last = Written::new(id(number + 1), nsvc(&format!("foo:1:{number}:c0ffee")));
        commit(&database, &last).await;
        for _ in 1..CHANGES {
            last = last.then(Fact::TimePassed { because: None }, |_| ());
            commit(&database, &last).await;
        }
    })
    .await;
    let (seen, all) = reading.await.unwrap();
    assert!(seen.is_sorted());
    assert_eq!(seen, all.iter().map(|line| line.sequence).collect::<Vec<_>>());
}

async fn a_build_is_read_whole_while_it_changes(place: Place) {
    let databases = two(&place).await;
    let first = Written::new(id(1), nsvc("foo:1:1:c0ffee"));
    commit(&databases[0], &first).await;
    let writer = databases[0].clone();
    let writing = tokio::spawn(async move {
        let mut last = first;
        for attempt in 2..150 {
            last = last.then(Fact::TimePassed { because: None }, |build| {
                build.components.iter_mut().for_each(|component| component.attempt = attempt);
            });
            commit(&writer, &last).await;
        }
    });
    let mut revisions = BTreeSet::new();
    while !writing.is_finished() {
        let build = databases[1].load(id(1)).await.unwrap().unwrap();
        let attempts: BTreeSet<u64> = build.components.iter().map(|component| component.attempt.into()).collect();
        assert_eq!(attempts, BTreeSet::from([build.revision]), "the components are those of the build's revision");
        revisions.insert(build.revision);
    }
    writing.await.unwrap();
    assert!(revisions.len() > 1, "the reads fell between the writes");
}

async fn an_instruction_is_leased_to_one_worker(place: Place) {
    const BUILDS: i64 = 30;
    let databases = two(&place).await;
    for number in 1..=BUILDS {
        let new = Written::new(id(number), nsvc(&format!("foo:1:{number}:c0ffee")));
        commit(&databases[0], &new.telling([Action::PrepareEnvironment, Action::WriteMetadata])).await;
    }
    let expected = usize::try_from(BUILDS).unwrap() * 3;
    for (now, until, tries) in [(at(10), at(100), 0), (at(100), at(200), 1)] {
        let taken = at_once(&databases, 6, move |database, number| async move {
            let worker = WorkerId(format!("worker {number}"));
            let mut mine = Vec::new();
            loop {
                let some = database.take_effects(&worker, LeaseTimes { now, until, latest: until }, 7).await.unwrap();
                if some.is_empty() {
                    break mine;
                }
                mine.extend(some);
            }
        })
        .await;
        let taken: Vec<_> = taken.into_iter().flatten().collect();
        assert!(taken.iter().all(|taken| taken.attempts == tries));
        assert_eq!(taken.len(), expected, "all, and none twice");
        assert_eq!(taken.iter().map(|taken| taken.effect.id).collect::<BTreeSet<_>>().len(), expected);
    }
}

async fn a_due_build_is_looked_at_by_one(place: Place) {
    let databases = two(&place).await;
    for number in 1..=40 {
        let new = Written::new(id(number), nsvc(&format!("foo:1:{number}:c0ffee")));
        commit(&databases[0], &new.looking_at(Some(at(number)))).await;
    }
    let times = LookTimes { now: at(50), building: at(100), others: at(100), latest: at(500) };
    let taken = at_once(&databases, 6, move |database: Database, _| async move {
        let mut mine = Vec::new();
        loop {
            let some = database.take_due_builds(times, 3).await.unwrap();
            if some.is_empty() {
                break mine;
            }
            mine.extend(some);
        }
    })
    .await;
    let taken: Vec<_> = taken.into_iter().flatten().collect();
    assert_eq!((taken.len(), taken.iter().collect::<BTreeSet<_>>().len()), (40, 40));
}

async fn slots_are_granted_one_after_the_other(place: Place) {
    let databases = two(&place).await;
    let results = at_once(&databases, 8, async |database: Database, number| {
        let new = Written::new(id(number + 1), nsvc(&format!("foo:1:{number}:c0ffee")));
        commit(&database, &new).await;
        let mut conflicts = 0;
        loop {
            let revision = database.queue().await.unwrap().revision;
            let granted = new.then(Fact::SlotGranted, |_| ()).by_queue(revision);
            match database.commit(granted.commit()).await {
                Ok(_) => break (revision, conflicts),
                Err(error) => assert_eq!(*error.kind(), StoreErrorKind::Conflict),
            }
            conflicts += 1;
        }
    })
    .await;
    let by: BTreeSet<u64> = results.iter().map(|(revision, _)| *revision).collect();
    assert_eq!(by.len(), 8, "each by a picture of its own");
}

async fn a_reader_is_leased_to_one_of_many(place: Place) {
    let databases = two(&place).await;
    let taken = at_once(&databases, 16, async |database: Database, number| {
        let worker = WorkerId(number.to_string());
        let times = LeaseTimes { now: at(0), until: at(10), latest: at(10) };
        let taken = database.take_reader("bus", &worker, times).await.unwrap();
        let moved = database.advance_reader("bus", &worker, 0, 1, &[]).await.unwrap();
        assert_eq!(taken.is_some(), moved, "who holds the lease moves the reader, and nobody else");
        moved
    })
    .await;
    assert_eq!(taken.into_iter().filter(|moved| *moved).count(), 1);
    assert_eq!(databases[0].reader("bus").await.unwrap().sequence, 1);
}

async fn any_number_of_processes_may_migrate_at_once(place: Place) {
    let places = (0..5).map(|_| match &place {
        Place::Sqlite(_) => Place::sqlite(),
        Place::Postgres(_) => Place::postgres(),
    });
    for place in places {
        let running: Vec<_> = (0..8)
            .map(|number| {
                let config = place.config();
                tokio::spawn(async move {
                    let database = Database::connect(&config).await.unwrap();
                    database.migrate().await.unwrap();
                    commit(&database, &Written::new(id(number + 1), nsvc(&format!("foo:1:{number}:c0ffee")))).await
                })
            })
            .collect();
        let mut sequences = BTreeSet::new();
        for task in running {
            sequences.insert(task.await.unwrap());
        }
        assert_eq!(sequences, (1..=8).collect());
    }
}

async fn the_queue_is_never_fuller_than_it_may_be(place: Place) {
    let databases = two(&place).await;
    let room = QueueRoom { in_all: 5, of_module: 9, of_owner: 9 };
    let outcomes = at_once(&databases, 12, move |database: Database, number| async move {
        let id = database.reserve_id().await.unwrap();
        let new = Written::new(id, nsvc(&format!("foo:1:{number}:c0ffee"))).needing(room);
        database.commit(new.commit()).await.map_err(|error| error.kind().clone())
    })
    .await;
    assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 5);
    let refused: Vec<_> = outcomes.into_iter().filter_map(Result::err).collect();
    assert_eq!(refused, vec![StoreErrorKind::QueueFull(QueueFull::InAll(5)); 7]);
}
