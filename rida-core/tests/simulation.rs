//! Thousands of histories from seeds: what must hold in all of them, and what breaks without each protection.

use rida_core::testing::simulation::{Counts, Outcome, Protection, Wildness, run, shrink};

/// How many histories the ordinary test run plays.
const SEEDS: u64 = 2000;

/// Plays the histories of many seeds. `RIDA_SEEDS=<count>` plays more, from `RIDA_FIRST_SEED` on; `RIDA_SEED=<seed>`
/// replays one with its trace, in the world of `RIDA_WILD` when that is set.
#[test]
fn every_history_keeps_the_promises() {
    if let Some(seed) = number("RIDA_SEED") {
        let wildness =
            std::env::var("RIDA_WILD").map_or_else(|_| wildness(seed), |text| text.parse().expect("a world"));
        let outcome = run(seed, wildness);
        println!("{}", outcome.trace.join("\n"));
        assert_eq!(outcome.violations, Vec::<String>::new(), "seed {seed} in {wildness}");
        return;
    }
    let (first, seeds) = (number("RIDA_FIRST_SEED").unwrap_or(0), number("RIDA_SEEDS").unwrap_or(SEEDS));
    let threads = std::thread::available_parallelism().map_or(1, |count| u64::try_from(count.get()).unwrap_or(1));
    let play = |offset: u64| {
        let mut counts = Counts::default();
        for seed in (first + offset..first + seeds).step_by(usize::try_from(threads).unwrap_or(1)) {
            counts += must_hold(seed, wildness(seed)).counts;
        }
        counts
    };
    let counts = std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|offset| scope.spawn(move || play(offset))).collect();
        let mut counts = Counts::default();
        for player in players {
            counts += player.join().expect("the histories of this thread are good");
        }
        counts
    });
    println!("{seeds} histories: {counts:?}");
    // A world in which nothing happens shows nothing.
    let Counts { crashes, overtaken, jumps, outages, messages, refused, changes, taken, together, tried, lines } =
        counts;
    for (what, count) in [
        ("crashes", crashes),
        ("leases that ended before their holder did", overtaken),
        ("clocks that were set", jumps),
        ("outages", outages),
        ("messages", messages),
        ("refused submissions", refused),
        ("changes by people", changes),
        ("components that were taken over", taken),
        ("builds that were submitted together", together),
        ("builds that were only tried", tried),
        ("lines of the log", lines / 10),
    ] {
        assert!(count > seeds / 4, "only {count} {what} in {seeds} histories");
    }
}

#[test]
fn a_seed_replays_the_same_history() {
    for seed in [1, 7, 42] {
        let (first, second) = (run(seed, wildness(seed)), run(seed, wildness(seed)));
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.builds, second.builds);
        let printed: Wildness = wildness(seed).to_string().parse().expect("what is printed can be read");
        assert_eq!(printed, wildness(seed));
    }
}

#[test]
fn different_seeds_make_different_histories() {
    assert_ne!(run(1, wildness(1)).trace, run(2, wildness(1)).trace);
}

/// Leaves out each protection in turn, in a world that is as wild as it takes, and finds what breaks. The same world
/// with it breaks nothing.
#[test]
fn each_protection_is_needed() {
    const MOST: u64 = 400;
    let mut needless = Vec::new();
    for protection in Protection::ALL {
        let with = needing(protection);
        let without = Wildness { without: Some(protection), ..with };
        let broken = (0..MOST).find_map(|seed| {
            must_hold(seed, with);
            run(seed, without).violations.first().map(|violation| (seed, violation.clone()))
        });
        match broken {
            Some((seed, violation)) => {
                let violation: String = violation.chars().take(140).collect();
                println!("{protection:?}: seed {seed}: {violation}");
            }
            None => needless.push(protection),
        }
    }
    assert_eq!(needless, [], "nothing breaks without these");
}

#[test]
fn a_broken_history_is_shrunk() {
    let without = Wildness { without: Some(Protection::LookBeforeActing), ..Wildness::default() };
    let seed = (0..50).find(|seed| !run(*seed, without).violations.is_empty()).expect("one breaks");
    let smaller = shrink(seed, without);
    assert!(!run(seed, smaller).violations.is_empty());
    assert!(smaller.steps < without.steps && smaller.modules < without.modules, "{smaller}");
    // Whatever is left of it is needed: with less of any one thing the history breaks nothing.
    let text = smaller.to_string();
    for part in text.split(' ') {
        let (name, value) = part.split_once('=').expect("a setting");
        // What is left out is a name.
        let Ok(value) = value.parse::<u64>() else { continue };
        let least = u64::from(matches!(name, "drivers" | "modules" | "steps"));
        for less in [least, value.saturating_sub(1).max(least)].into_iter().filter(|less| *less < value) {
            let world: Wildness = text.replace(part, &format!("{name}={less}")).parse().expect("a world");
            assert_eq!(run(seed, world).violations, Vec::<String>::new(), "{text} has too much of {name}");
        }
    }
}

/// Plays a history in which everything must hold; when something does not, tells how to see it again, as short as it
/// can be made.
fn must_hold(seed: u64, wildness: Wildness) -> Outcome {
    let outcome = run(seed, wildness);
    if !outcome.violations.is_empty() {
        let small = shrink(seed, wildness);
        let violations = run(seed, small).violations.join("\n");
        panic!(
            "seed {seed} breaks a promise:\n{}\nreplay it with RIDA_SEED={seed} RIDA_WILD=\"{wildness}\"\n\
             the smallest world in which that seed breaks one: RIDA_SEED={seed} RIDA_WILD=\"{small}\"\n{violations}",
            outcome.violations.join("\n")
        );
    }
    outcome
}

/// Varies how wild the world is with the seed: in some everything happens, in some nothing, in some one thing.
fn wildness(seed: u64) -> Wildness {
    let wild = Wildness::default();
    let quiet = Wildness::QUIET;
    match seed % 10 {
        0 => quiet,
        1 => Wildness { crashes: 20, ..quiet },
        2 => Wildness { faults: 15, crashes: 15, people: 10, ..quiet },
        3 => Wildness { jumps: 30, skew: 10, ..quiet },
        4 => Wildness { stalls: 20, crashes: 5, people: 10, ..quiet },
        5 => Wildness { drivers: 1, ..wild },
        6 => Wildness { modules: 8, drivers: 2, ..wild },
        _ => wild,
    }
}

/// A world in which a protection matters.
fn needing(protection: Protection) -> Wildness {
    let quiet = Wildness::QUIET;
    match protection {
        Protection::InstructionsWithTheChange
        | Protection::AnnouncementsWithTheChange
        | Protection::AcknowledgingLast
        | Protection::MovingOnLast
        | Protection::LookBeforeActing => Wildness { crashes: 20, ..quiet },
        Protection::OptimisticRevision | Protection::QueueRevision | Protection::Lease | Protection::Looks => quiet,
        Protection::TogetherOrNotAtAll => Wildness { crashes: 20, together: 50, ..quiet },
        Protection::RoomInTheCommit => Wildness { people: 30, ..quiet },
        Protection::LatestTimes => Wildness { jumps: 30, steps: 1000, ..quiet },
        Protection::Deadlines => Wildness { bad: 20, ..quiet },
        Protection::Patience => Wildness { drivers: 1, modules: 12, ..quiet },
        _ => Wildness::default(),
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}
