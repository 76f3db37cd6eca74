//! Holds the two readers against each other, for tests and fuzzing.

use super::{Flat, FlatKind, Node, Places, START, Tree, complete, fast};
use crate::modulemd::options::Limits;
use crate::modulemd::problem::Collector;
#[cfg(feature = "testing")]
use crate::modulemd::source;

/// Tells whether the fast reader answers; where it does, both readers see the same nodes at the same places.
///
/// # Panics
/// When they do not.
pub(crate) fn agree(text: &str) -> bool {
    let limits = Limits::default();
    let Some(nodes) = fast::read(text, &limits) else { return false };
    let fast = Tree { nodes, places: Places::bytes(text, START) };
    let mut problems = Collector::default();
    let complete = complete::read(text, START, &limits, &mut problems)
        .unwrap_or_else(|problem| panic!("only one accepts this: {problem}\n{text}"));
    assert!(problems.is_empty(), "{text}");
    if text.ends_with([' ', '\t']) && text.trim_end_matches([' ', '\t']).ends_with('\n') {
        // `unend` of the complete parser has the reason.
        return true;
    }
    assert_eq!(shown(&fast), shown(&complete), "{text}");
    true
}

/// Holds the readers against each other on the text of some bytes, if they are one.
///
/// # Panics
/// When the readers disagree.
#[cfg(feature = "testing")]
pub(crate) fn agree_on(bytes: &[u8]) {
    if let Ok(text) = source::decode(bytes) {
        agree(&text);
        for part in source::parts(&text) {
            agree(part.text);
        }
    }
}

fn shown<'t>(tree: &'t Tree<'t>) -> Vec<(u32, u32, u32, &'t FlatKind<'t>)> {
    let line = |(index, flat): (usize, &'t Flat<'t>)| {
        let at = Node { tree, index }.position();
        (at.line, at.column, flat.end, &flat.kind)
    };
    tree.nodes.iter().enumerate().map(line).collect()
}
