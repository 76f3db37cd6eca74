//! Several processes on one PostgreSQL and one build system: they share the work, and any of them can die.
//!
//! `RIDA_SEVERAL_SEED` chooses what is killed when (printed by each run), `RIDA_SEVERAL_MODULES` how many modules are
//! submitted (100), `RIDA_SEVERAL_SECONDS` for how long processes and the database are killed at most (40).

#![expect(clippy::unwrap_used, reason = "in the helpers of tests, too, it is an assertion")]

mod chaos;
mod check;
mod client;
mod farm;
mod modules;
mod told;

use std::time::{Duration, SystemTime};

use chaos::Settings;

#[test]
fn whatever_dies_every_build_ends_once_and_is_told_in_order() {
    let number = |name: &str, default: u64| match std::env::var(name) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is not a number")),
        Err(_) => default,
    };
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = number("RIDA_SEVERAL_SEED", now.as_secs());
    println!("RIDA_SEVERAL_SEED={seed}");
    chaos::run(&Settings {
        seed,
        modules: number("RIDA_SEVERAL_MODULES", 100),
        chaos: Duration::from_secs(number("RIDA_SEVERAL_SECONDS", 40)),
    });
}
