//! A modulemd from anywhere: reading never panics, and what is written of what was read reads back equal.

use rida_core::modulemd::{self, Rules};

pub(crate) fn run(data: &[u8]) {
    let Ok(document) = modulemd::read(data) else { return };
    // What breaks a rule of a service may do so in any way, but without a panic.
    let _ = document.check(&Rules::default());
    let written = document.stream().to_yaml();
    let again = modulemd::read(written.as_bytes()).unwrap_or_else(|problems| panic!("{written}\n{problems}"));
    assert_eq!(again.stream(), document.stream(), "{written}");
}
