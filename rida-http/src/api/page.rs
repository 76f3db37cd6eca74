//! Pages of a list, when asked for, and the links between them.

use super::Parameters;
use crate::reply::ApiError;

/// How many builds a page has when only its number is given.
const DEFAULT_SIZE: u64 = 10;
/// How many builds a page has at most.
const LARGEST_SIZE: u64 = 1000;
/// How many whole builds, with their documents, a page has at most.
const LARGEST_WHOLE: u64 = 100;
/// Keeps every offset within what databases count.
const LAST_PAGE: u64 = 1_000_000_000_000;

/// A page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// Counts from 1.
    pub(crate) number: u64,
    /// How many builds it has.
    pub(crate) size: u64,
}

impl Page {
    /// Reads `page` and `per_page`; absent when neither is given.
    pub(super) fn read(parameters: &Parameters) -> Result<Option<Self>, ApiError> {
        let number = parameters.number("page", 1, LAST_PAGE)?;
        let size = parameters.number("per_page", 1, LARGEST_SIZE)?;
        let asked = number.is_some() || size.is_some();
        Ok(asked.then(|| Self { number: number.unwrap_or(1), size: size.unwrap_or(DEFAULT_SIZE) }))
    }

    /// Reads `page` and `per_page`, each of which has a default. Who asks for more than a page can have gets as much as
    /// it can.
    pub(crate) fn read_any(parameters: &Parameters) -> Result<Self, ApiError> {
        let number = parameters.number("page", 1, LAST_PAGE)?;
        let size = parameters.number("per_page", 1, u64::MAX)?;
        Ok(Self { number: number.unwrap_or(1), size: size.unwrap_or(DEFAULT_SIZE).min(LARGEST_SIZE) })
    }

    /// Makes it a page of whole builds, which are read into memory with their documents.
    pub(crate) fn of_whole_builds(self) -> Self {
        Self { size: self.size.min(LARGEST_WHOLE), ..self }
    }

    /// Returns how many builds come before it.
    pub(crate) fn offset(self) -> u64 {
        (self.number - 1) * self.size
    }
}

/// Writes the `Link` header of a page (RFC 8288): first, prev, next and last, as far as there are such.
pub(crate) fn links(path: &str, parameters: &Parameters, page: Page, total: u64) -> String {
    let last = total.div_ceil(page.size).max(1);
    let link =
        |number: u64, relation: &str| format!("<{path}?{}>; rel=\"{relation}\"", parameters.with("page", number));
    let mut links = vec![link(1, "first")];
    if page.number > 1 {
        links.push(link((page.number - 1).min(last), "prev"));
    }
    if page.number < last {
        links.push(link(page.number + 1, "next"));
    }
    links.push(link(last, "last"));
    links.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(query: &str, total: u64, expected: &str) {
        let parameters = Parameters::read(query, &["page", "per_page", "state", "name"]).unwrap();
        let page = Page::read(&parameters).unwrap().unwrap();
        assert_eq!(links("/x", &parameters, page, total).replace("rel=", ""), expected, "{query}");
    }

    #[test]
    fn links_keep_all_other_parameters() {
        check(
            "per_page=2",
            5,
            r#"</x?per_page=2&page=1>; "first", </x?per_page=2&page=2>; "next", </x?per_page=2&page=3>; "last""#,
        );
        check(
            "state=ready&page=2&state=5&per_page=10&name=a%3E%22%26b",
            20,
            "</x?state=ready&state=5&per_page=10&name=a%3E%22%26b&page=1>; \"first\", \
             </x?state=ready&state=5&per_page=10&name=a%3E%22%26b&page=1>; \"prev\", \
             </x?state=ready&state=5&per_page=10&name=a%3E%22%26b&page=2>; \"last\"",
        );
    }

    #[test]
    fn beyond_the_end_and_of_nothing() {
        check(
            "page=9&per_page=2",
            3,
            r#"</x?per_page=2&page=1>; "first", </x?per_page=2&page=2>; "prev", </x?per_page=2&page=2>; "last""#,
        );
        check("page=1", 0, r#"</x?page=1>; "first", </x?page=1>; "last""#);
    }

    #[test]
    fn pages_that_cannot_be_are_refused() {
        for query in [
            "page=0",
            "page=-1",
            "page=x",
            "per_page=0",
            "per_page=1001",
            "page=99999999999999999999",
            "page=+1",
            "page=",
            "page=1&page=2",
        ] {
            let parameters = Parameters::read(query, &["page", "per_page"]).unwrap();
            assert_eq!(Page::read(&parameters).unwrap_err().status().as_u16(), 400, "{query}");
        }
    }
}
