//! Thousands of histories from seeds: what must hold in all of them.

use rida_core::testing::simulation::{Wildness, run};

/// Plays the histories of many seeds. `RIDA_SEEDS=<count>` plays more, `RIDA_SEED=<seed>` replays one with its trace.
#[test]
fn every_history_keeps_the_promises() {
    if let Some(seed) = number("RIDA_SEED") {
        let outcome = run(seed, wildness(seed));
        println!("{}", outcome.trace.join("\n"));
        assert_eq!(outcome.violations, Vec::<String>::new(), "seed {seed}");
        return;
    }
    let seeds = number("RIDA_SEEDS").unwrap_or(1000);
    let threads = std::thread::available_parallelism().map_or(1, |count| u64::try_from(count.get()).unwrap_or(1));
    let play = |first: u64| {
        let mut crashes = 0;
        for seed in (first..seeds).step_by(usize::try_from(threads).unwrap_or(1)) {
            let outcome = run(seed, wildness(seed));
            assert_eq!(outcome.violations, Vec::<String>::new(), "replay with RIDA_SEED={seed}");
            crashes += outcome.crashes;
        }
        crashes
    };
    let crashes: u64 = std::thread::scope(|scope| {
        let players: Vec<_> = (0..threads).map(|first| scope.spawn(move || play(first))).collect();
        players.into_iter().map(|player| player.join().expect("the histories of this thread are good")).sum()
    });
    assert!(crashes > seeds, "a world without crashes shows nothing");
}

#[test]
fn a_seed_replays_the_same_history() {
    for seed in [1, 7, 42] {
        let (first, second) = (run(seed, wildness(seed)), run(seed, wildness(seed)));
        assert_eq!(first.trace, second.trace);
        assert_eq!(first.builds, second.builds);
    }
}

#[test]
fn different_seeds_make_different_histories() {
    assert_ne!(run(1, wildness(1)).trace, run(2, wildness(2)).trace);
}

/// Varies how wild the world is with the seed.
fn wildness(seed: u64) -> Wildness {
    Wildness {
        drivers: if seed.is_multiple_of(3) { 1 } else { 3 },
        fault_percent: (seed % 3) * 5,
        crash_permille: if seed.is_multiple_of(5) { 0 } else { 15 },
        ..Wildness::default()
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().expect("a number"))
}
