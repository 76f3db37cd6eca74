//! The free-form part of a document.

use std::collections::BTreeMap;

use super::decode::Decoder;
use super::tree::{Kind, Node};

/// A value of `xmd`, the part of a document that is left to tools.
///
/// Numbers and nulls are texts, as they are to libmodulemd; only `TRUE` and `FALSE` are booleans, so a
/// [`Text`](Self::Text) of one of these two words reads back as a boolean. Make texts with [`Xmd::text`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Xmd {
    /// `TRUE` or `FALSE`.
    Bool(bool),
    /// Any other single value, as written.
    Text(String),
    /// A list.
    List(Vec<Xmd>),
    /// A mapping.
    Map(BTreeMap<String, Xmd>),
}

impl Default for Xmd {
    fn default() -> Self {
        Self::Map(BTreeMap::new())
    }
}

impl Xmd {
    /// Makes a value of a text as a document has it.
    pub fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        match text.as_str() {
            "TRUE" => Self::Bool(true),
            "FALSE" => Self::Bool(false),
            _ => Self::Text(text),
        }
    }

    /// Returns the value of that key, when this is a mapping that has it.
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.get(key),
            Self::Bool(_) | Self::Text(_) | Self::List(_) => None,
        }
    }

    /// Tells whether this is a mapping without entries, which is what a document without `xmd` has.
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Map(entries) if entries.is_empty())
    }

    pub(super) fn read<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> Self {
        match node.kind() {
            Kind::List => {
                let mut list = Vec::new();
                decoder.items(node, |decoder, item| list.push(Self::read(decoder, item)));
                Self::List(list)
            }
            Kind::Map => {
                let mut map = BTreeMap::new();
                decoder.entries(node, |decoder, _, name, value| {
                    map.insert(name.to_owned(), Self::read(decoder, value));
                });
                Self::Map(map)
            }
            Kind::Scalar(_) | Kind::Refused => Self::text(decoder.text(node).unwrap_or_default()),
        }
    }
}
