//! The list of intended differences: `DIFFERENCES.md`, whose list items name a document and how it is judged.

use std::collections::BTreeMap;
use std::path::Path;

/// Intended differences by document.
pub(crate) struct Differences(BTreeMap<String, String>);

impl Differences {
    /// Reads the items of the form ``- `good/name.yaml`: how``, each below a heading that gives the reason.
    pub(crate) fn read(path: &Path) -> Self {
        Self::marked("`: ", path)
    }

    /// Reads those of the form ``- `good/name.yaml`, strictly: how``.
    pub(crate) fn read_strict(path: &Path) -> Self {
        Self::marked("`, strictly: ", path)
    }

    fn marked(mark: &str, path: &Path) -> Self {
        let text = std::fs::read_to_string(path).unwrap();
        let mut list = BTreeMap::new();
        let mut reason = "";
        for line in text.lines() {
            if let Some(heading) = line.strip_prefix("## ") {
                reason = heading;
            }
            let Some((file, how)) = line.strip_prefix("- `").and_then(|item| item.split_once(mark)) else { continue };
            assert!(!reason.is_empty(), "{file} is listed without a reason");
            let before = list.insert(file.to_owned(), how.to_owned());
            assert_eq!(before, None, "{file} is listed twice");
        }
        Self(list)
    }

    /// Takes the difference that is listed for a document.
    pub(crate) fn take(&mut self, file: &str) -> Option<String> {
        self.0.remove(file)
    }
}
