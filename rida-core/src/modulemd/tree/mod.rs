//! The document as written: a tree of raw texts with their places.
//!
//! Scalars keep the text that is in the document: nothing decides that `5.30` is a number or `no` a boolean. A reader
//! for the plain part of YAML comes first; what it does not know is read by the complete parser, event by event, so that
//! a hostile text is refused as soon as it breaks a limit.

#[cfg(any(test, feature = "testing"))]
pub(crate) mod agree;
mod complete;
mod fast;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use super::options::Limits;
use super::problem::{Collector, Position, Problem};
use super::source;

/// A document, its nodes one after the other, each before what is in it.
#[derive(Debug)]
pub(crate) struct Tree<'t> {
    nodes: Vec<Flat<'t>>,
    places: Places<'t>,
}

/// A node as it is stored.
#[derive(Debug, PartialEq, Eq)]
struct Flat<'t> {
    /// Where it is, in the terms of [`Places`].
    at: u32,
    /// The index behind the node and all that is in it.
    end: u32,
    kind: FlatKind<'t>,
}

#[derive(Debug, PartialEq, Eq)]
enum FlatKind<'t> {
    Scalar(Cow<'t, str>),
    List,
    Map,
    /// An alias, which has been reported already.
    Refused,
}

/// How to tell the place of a node: by a byte of the text, or by an entry of a list.
#[derive(Debug)]
enum Places<'t> {
    Bytes {
        text: &'t str,
        start: Position,
        /// A byte whose place is known, with that place: places are mostly asked for in order.
        known: Cell<(usize, Position)>,
        /// The places of every [`APART`]th byte, once one was asked for that is not near the known one.
        marks: OnceCell<Vec<Position>>,
    },
    Marks(Vec<Position>),
}

/// How many bytes are between two marks, and so how many are looked at to tell a place. A text that is one long line, or
/// that breaks rules in a wild order, would else be read from its start for each problem.
const APART: usize = 128;

impl<'t> Places<'t> {
    fn bytes(text: &'t str, start: Position) -> Self {
        Self::Bytes { text, start, known: Cell::new((0, start)), marks: OnceCell::new() }
    }

    fn position(&self, at: u32) -> Position {
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        match self {
            Self::Marks(marks) => marks.get(at).copied().unwrap_or(START),
            Self::Bytes { text, start, known, marks } => {
                let near = Some(known.get()).filter(|(byte, _)| *byte <= at && at - *byte <= APART);
                let (from, position) = near.unwrap_or_else(|| {
                    let marks = marks.get_or_init(|| marked(text, *start));
                    let mark = at / APART;
                    marks.get(mark).map_or((0, *start), |place| (text.floor_char_boundary(mark * APART), *place))
                });
                let position = source::position_after(text.get(from..at).unwrap_or_default(), position);
                known.set((at, position));
                position
            }
        }
    }
}

fn marked(text: &str, start: Position) -> Vec<Position> {
    let (mut marks, mut from, mut place) = (vec![start], 0, start);
    for byte in (APART..=text.len()).step_by(APART) {
        let to = text.floor_char_boundary(byte);
        place = source::position_after(text.get(from..to).unwrap_or_default(), place);
        from = to;
        marks.push(place);
    }
    marks
}

/// Where a text starts.
pub(crate) const START: Position = Position { line: 1, column: 1 };

/// A node of a document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Node<'n> {
    tree: &'n Tree<'n>,
    index: usize,
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'n> {
    Scalar(&'n str),
    List,
    Map,
    /// An alias, which has been reported already.
    Refused,
}

impl<'t> Tree<'t> {
    /// Reads the text of one document, which starts at a place of a longer one. What is wrong goes to `problems`; without
    /// a tree, nothing more can be said.
    pub(crate) fn read(text: &'t str, start: Position, limits: &Limits, problems: &mut Collector) -> Option<Self> {
        match Self::try_read(text, start, limits, problems) {
            Ok(tree) => Some(tree),
            Err(problem) => {
                problems.push(problem);
                None
            }
        }
    }

    fn try_read(text: &'t str, start: Position, limits: &Limits, problems: &mut Collector) -> Result<Self, Problem> {
        source::within(text.len(), limits).map_err(|problem| problem.at(start))?;
        if let Some(nodes) = fast::read(text, limits) {
            return Ok(Self { nodes, places: Places::bytes(text, start) });
        }
        complete::read(text, start, limits, problems)
    }

    /// Returns the document itself.
    pub(crate) fn root(&'t self) -> Node<'t> {
        Node { tree: self, index: 0 }
    }
}

impl<'n> Node<'n> {
    /// Returns what the node is.
    pub(crate) fn kind(self) -> Kind<'n> {
        match self.tree.nodes.get(self.index).map(|flat| &flat.kind) {
            Some(FlatKind::Scalar(text)) => Kind::Scalar(text),
            Some(FlatKind::List) => Kind::List,
            Some(FlatKind::Map) => Kind::Map,
            Some(FlatKind::Refused) | None => Kind::Refused,
        }
    }

    /// Returns the text of a scalar.
    pub(crate) fn as_text(self) -> Option<&'n str> {
        match self.kind() {
            Kind::Scalar(text) => Some(text),
            Kind::List | Kind::Map | Kind::Refused => None,
        }
    }

    /// Returns the place of the node.
    pub(crate) fn position(self) -> Position {
        self.tree.nodes.get(self.index).map_or(START, |flat| self.tree.places.position(flat.at))
    }

    fn end(self) -> usize {
        let end = self.tree.nodes.get(self.index).and_then(|flat| usize::try_from(flat.end).ok());
        end.unwrap_or(self.index + 1)
    }

    /// Iterates over what is in a list, or over the keys and values of a mapping in turn.
    pub(crate) fn children(self) -> impl Iterator<Item = Self> {
        let end = self.end();
        let first = Self { index: self.index + 1, ..self };
        let within = move |node: &Self| node.index < end;
        std::iter::successors(Some(first).filter(within), move |node| {
            Some(Self { index: node.end(), ..*node }).filter(within)
        })
    }

    /// Iterates over the entries of a mapping.
    pub(crate) fn entries(self) -> impl Iterator<Item = (Self, Self)> {
        let mut children = self.children();
        std::iter::from_fn(move || Some((children.next()?, children.next()?)))
    }

    /// Returns how many nodes there are in the node, which is at least as many as it has children.
    pub(crate) fn size(self) -> usize {
        self.end() - self.index - 1
    }

    /// Returns the value of that key: of several, the last, which is the one that holds.
    pub(crate) fn get(self, key: &str) -> Option<Self> {
        self.entry(key).map(|(_, value)| value)
    }

    /// Returns the first value of that key.
    pub(crate) fn first(self, key: &str) -> Option<Self> {
        let is_map = self.kind() == Kind::Map;
        self.entries().find(|(name, _)| is_map && name.as_text() == Some(key)).map(|(_, value)| value)
    }

    fn entry(self, key: &str) -> Option<(Self, Self)> {
        let is_map = self.kind() == Kind::Map;
        self.entries().filter(|(name, _)| is_map && name.as_text() == Some(key)).last()
    }

    /// Returns the place of the field that a path leads to, or of the nearest field before it.
    pub(crate) fn locate(self, path: &[String]) -> Position {
        let mut position = self.position();
        let mut node = self;
        for segment in path {
            let next = match node.kind() {
                Kind::Map => node.entry(segment).map(|(key, value)| {
                    let at = if matches!(value.kind(), Kind::Scalar(_)) { value } else { key };
                    (at.position(), value)
                }),
                Kind::List => {
                    let by_text = node.children().find(|item| item.as_text() == Some(segment));
                    let item = by_text.or_else(|| node.children().nth(segment.parse().ok()?));
                    item.map(|item| (item.position(), item))
                }
                Kind::Scalar(_) | Kind::Refused => None,
            };
            // A v1 document has no list of dependencies; the path of its v2 form names an item of one.
            if let Some((at, next)) = next {
                position = at;
                node = next;
            }
        }
        position
    }
}
