#![no_main]

#[path = "../targets/bus_envelope.rs"]
mod target;

libfuzzer_sys::fuzz_target!(|data: &[u8]| target::run(data));
