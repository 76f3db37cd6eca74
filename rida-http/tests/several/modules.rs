//! What is built.

use rida_core::Timestamp;
use rida_core::testing::MemoryScm;

/// How many modules there are of each name, in streams of their own.
const STREAMS: u64 = 4;

/// How many builds may run at once: in all, of one module, of one user.
pub(crate) const LIMITS: (usize, usize, usize) = (12, 3, 5);

/// Where modulemd documents are said to be.
pub(crate) const PLACE: &str = "https://src.example.org/modules";

/// A component whose builds fail.
pub(crate) const BAD: &str = "bad";

/// The name of a module.
pub(crate) fn name(number: u64) -> String {
    format!("module{}", number / STREAMS)
}

/// The address of a module, with which it is submitted.
pub(crate) fn address(number: u64) -> String {
    format!("{PLACE}/{}.git?#stream{}", name(number), number % STREAMS)
}

/// Who submits a module.
pub(crate) fn owner(number: u64) -> String {
    format!("packager{}", number % 5)
}

/// Tells whether one of its components fails.
pub(crate) fn fails(number: u64) -> bool {
    number % 10 == 7
}

/// How many components it has, the macros included.
pub(crate) fn components(number: u64) -> usize {
    usize::try_from(3 + number % 3).unwrap()
}

fn modulemd(number: u64) -> String {
    let mut text = format!(
        "document: modulemd\nversion: 2\ndata:\n  name: {}\n  stream: stream{}\n  summary: A module\n  \
         description: A module.\n  license: {{module: [MIT]}}\n  components:\n    rpms:\n",
        name(number),
        number % STREAMS
    );
    for index in 1..components(number) {
        let bad = fails(number) && index == 2;
        let component = if bad { BAD.to_owned() } else { format!("component{index}") };
        text.push_str(&format!(
            "      {component}: {{rationale: It is needed., ref: main, buildorder: {}}}\n",
            index / 2
        ));
    }
    text
}

/// All modules.
pub(crate) fn scm(count: u64) -> MemoryScm {
    let scm = MemoryScm::default();
    for number in 0..count {
        let at = Timestamp::from_seconds(1_800_000_000 + i64::try_from(number).unwrap());
        scm.put_modulemd(&address(number).parse().unwrap(), &modulemd(number), at);
    }
    scm
}
