//! The functions that are fuzzed, each run over its committed seeds: a finding whose input was added to them stays
//! mended, and a target that no longer compiles is noticed here. `docs/fuzzing.md` says how to fuzz.

use std::path::Path;

#[path = "../fuzz/targets/modulemd.rs"]
mod modulemd;

#[path = "../fuzz/targets/modulemd_readers.rs"]
#[cfg(feature = "testing")]
mod modulemd_readers;

#[path = "../fuzz/targets/xmlrpc.rs"]
#[cfg(feature = "koji")]
mod xmlrpc;

#[test]
#[cfg(feature = "koji")]
fn xmlrpc_stands_its_seeds() {
    each_seed("xmlrpc", xmlrpc::run);
}

#[path = "../fuzz/targets/names.rs"]
mod names;

#[path = "../fuzz/targets/stored.rs"]
#[cfg(feature = "testing")]
mod stored;

#[path = "../fuzz/targets/requests.rs"]
#[cfg(all(feature = "fuzzing", feature = "http"))]
mod requests;

#[path = "../fuzz/targets/configuration.rs"]
#[cfg(all(feature = "fuzzing", feature = "http"))]
mod configuration;

#[path = "../fuzz/targets/local.rs"]
#[cfg(all(feature = "fuzzing", feature = "local"))]
mod local;

#[test]
fn names_and_addresses_stand_their_seeds() {
    each_seed("names", names::run);
}

#[test]
#[cfg(feature = "testing")]
fn what_is_stored_stands_its_seeds() {
    each_seed("stored", stored::run);
}

#[test]
#[cfg(all(feature = "fuzzing", feature = "http"))]
fn requests_stand_their_seeds() {
    each_seed("requests", requests::run);
}

#[test]
#[cfg(all(feature = "fuzzing", feature = "http"))]
fn the_configuration_stands_its_seeds() {
    each_seed("configuration", configuration::run);
}

#[test]
#[cfg(all(feature = "fuzzing", feature = "local"))]
fn what_programs_say_stands_its_seeds() {
    each_seed("local", local::run);
}

#[test]
#[cfg(feature = "testing")]
fn both_readers_of_modulemd_agree_on_their_seeds() {
    each_seed("modulemd-readers", modulemd_readers::run);
}

#[test]
fn modulemd_stands_its_seeds() {
    each_seed("modulemd", modulemd::run);
}

#[path = "../fuzz/targets/bus_body.rs"]
#[cfg(feature = "fedmsg")]
mod bus_body;

#[path = "../fuzz/targets/bus_envelope.rs"]
#[cfg(feature = "fedmsg")]
mod bus_envelope;

#[test]
#[cfg(feature = "fedmsg")]
fn messages_of_both_buses_stand_their_seeds() {
    each_seed("bus-body", bus_body::run);
    each_seed("bus-envelope", bus_envelope::run);
}

#[test]
fn every_target_has_a_test_here() {
    let here = include_str!("fuzz_seeds.rs");
    let manifest = include_str!("../fuzz/Cargo.toml");
    let mut targets = 0;
    for entry in std::fs::read_dir(fuzz().join("fuzz_targets")).expect("the targets are there") {
        let path = entry.expect("the targets are listed").path();
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a target has a plain name");
        assert!(here.contains(&format!("each_seed(\"{name}\"")), "{name} is not run here");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name} has no [[bin]] in fuzz/Cargo.toml");
        targets += 1;
    }
    assert!(targets > 0, "there are targets");
}

fn each_seed(target: &str, run: fn(&[u8])) {
    let mut seeds = 0;
    for entry in std::fs::read_dir(fuzz().join("seeds").join(target)).expect("the target has seeds") {
        let path = entry.expect("the seeds are listed").path();
        let seed = std::fs::read(&path).expect("a seed can be read");
        // A panic in the target names the seed.
        let shown = path.clone();
        std::panic::catch_unwind(move || run(&seed)).unwrap_or_else(|_| panic!("{} breaks it", shown.display()));
        seeds += 1;
    }
    assert!(seeds > 0, "{target} has no seeds");
}

fn fuzz() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz")
}
