//! The list of places that may be read.

use super::Repository;

/// The list of places that may be read: each entry allows the repositories at and below it.
///
/// Scheme, host, port and whole path segments are compared, never the text.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct AllowList(Vec<Repository>);

impl AllowList {
    /// Makes a list of its entries. An empty list allows nothing.
    pub fn new(entries: impl IntoIterator<Item = Repository>) -> Self {
        Self(entries.into_iter().collect())
    }

    /// Iterates over the entries.
    pub fn iter(&self) -> std::slice::Iter<'_, Repository> {
        self.0.iter()
    }

    /// Tells whether a repository may be read.
    pub fn permits(&self, repository: &Repository) -> bool {
        self.iter().any(|entry| {
            entry.scheme() == repository.scheme()
                && entry.host() == repository.host()
                && entry.port() == repository.port()
                && repository.segments().starts_with(entry.segments())
        })
    }
}
