//! The free-form part of a document.

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
    Map(XmdMap),
}

/// A mapping of `xmd`, in the order of its keys.
///
/// Documents of repositories have thousands of mappings with one or two keys, which a tree would make ten times as large.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct XmdMap(Vec<(String, Xmd)>);

impl XmdMap {
    /// Returns the value of a key.
    pub fn get(&self, key: &str) -> Option<&Xmd> {
        self.0.get(self.find(key).ok()?).map(|(_, value)| value)
    }

    /// Sets the value of a key, and returns the one before.
    pub fn insert(&mut self, key: String, value: Xmd) -> Option<Xmd> {
        match self.find(&key) {
            Ok(index) => self.0.get_mut(index).map(|(_, old)| std::mem::replace(old, value)),
            Err(index) => {
                self.0.insert(index, (key, value));
                None
            }
        }
    }

    /// Takes a key out, and returns its value.
    pub fn remove(&mut self, key: &str) -> Option<Xmd> {
        self.find(key).ok().map(|index| self.0.remove(index).1)
    }

    /// Iterates over the entries in the order of the keys.
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Xmd)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Iterates over the values in the order of the keys.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Xmd> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Tells whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(key))
    }
}

impl FromIterator<(String, Xmd)> for XmdMap {
    /// Of several values of a key, the last holds.
    fn from_iter<I: IntoIterator<Item = (String, Xmd)>>(entries: I) -> Self {
        let mut entries: Vec<_> = entries.into_iter().collect();
        // The last of equal keys comes first, and stays.
        entries.reverse();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        entries.dedup_by(|(one, _), (other, _)| one == other);
        entries.shrink_to_fit();
        Self(entries)
    }
}

impl Default for Xmd {
    fn default() -> Self {
        Self::Map(XmdMap::default())
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
                let mut entries = Vec::new();
                decoder.entries(node, |decoder, _, name, value| {
                    entries.push((name.to_owned(), Self::read(decoder, value)));
                });
                Self::Map(entries.into_iter().collect())
            }
            Kind::Scalar(_) | Kind::Refused => Self::text(decoder.text(node).unwrap_or_default()),
        }
    }
}
