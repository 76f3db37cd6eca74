//! A modulemd, or an index, from anywhere: reading never panics, every problem has a place, and what is written of
//! what was read reads back equal.

use rida_core::modulemd::{self, Index, IndexOptions, Options, Rules};

pub(crate) fn run(data: &[u8]) {
    let judged = modulemd::judge(data, &Options::default(), &Rules::default());
    let problems = judged.problems.iter().flatten();
    for problem in problems.chain(&judged.warnings) {
        assert!(problem.position.is_some(), "{problem} has no place");
    }
    if let Some(document) = judged.document {
        let written = document.content().to_yaml();
        let again = modulemd::read(written.as_bytes()).unwrap_or_else(|problems| panic!("{written}\n{problems}"));
        assert_eq!(again.content(), document.content(), "{written}");
    }
    let read = Index::read(data, &IndexOptions::default());
    let written = read.index.to_yaml();
    let again = Index::read(written.as_bytes(), &IndexOptions::default());
    assert_eq!(again.failures, [], "{written}");
    assert_eq!(again.index, read.index, "{written}");
}
