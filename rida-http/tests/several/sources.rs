//! The modulemd documents, in memory.

use rida_core::Timestamp;
use rida_core::testing::MemoryScm;

use crate::modules::{AGAIN, BAD, address, components, fails, name, stream};

fn modulemd(number: u64) -> String {
    let mut text = format!(
        "document: modulemd\nversion: 2\ndata:\n  name: {}\n  stream: {}\n  summary: A module\n  \
         description: A module.\n  license: {{module: [MIT]}}\n  components:\n    rpms:\n",
        name(number),
        stream(number)
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
    for number in (0..count).flat_map(|number| [number, AGAIN + number]) {
        let at = Timestamp::from_seconds(1_800_000_000 + i64::try_from(number).unwrap());
        scm.put_modulemd(&address(number).parse().unwrap(), &modulemd(number), at);
    }
    scm
}
