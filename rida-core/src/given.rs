//! What a request may bring along, or say otherwise than its modulemd.

use std::collections::{BTreeMap, BTreeSet};

use crate::id::{ComponentName, StreamName};
use crate::modulemd::ModuleStream;
use crate::scm::GitRef;

crate::id::text_newtype!(
    /// The place of a source package that somebody sent to the build system, such as
    /// `cli-build/1790.abc/foo.src.rpm`: the package of the component that its file is named after.
    SourcePackage,
    "source package",
    "a path of letters, digits and . _ + ~ ^ - below cli-build/ to a file that ends in .src.rpm, at most 512 bytes",
    is_source_package
);

fn is_source_package(text: &str) -> bool {
    let Some((folders, file)) = text.strip_prefix("cli-build/").and_then(|rest| rest.rsplit_once('/')) else {
        return false;
    };
    let good = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+~^-".contains(&b))
    };
    let component = file.strip_suffix(".src.rpm").is_some_and(|name| ComponentName::new(name).is_ok());
    text.len() <= 512 && component && good(file) && folders.split('/').all(good)
}

impl SourcePackage {
    /// Returns the component that the package is of.
    pub fn component(&self) -> Option<ComponentName> {
        let (_, file) = self.as_str().rsplit_once('/')?;
        ComponentName::new(file.strip_suffix(".src.rpm")?).ok()
    }
}

/// A modulemd that comes with the request instead of from git.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct GivenModulemd {
    /// The document.
    pub text: String,
    /// The module's name, when the document does not say it.
    pub name: Option<String>,
}

/// What a request says otherwise than the modulemd of itself; see [`StreamChoices`](crate::StreamChoices) for what it is
/// built against.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Overrides {
    /// The stream.
    pub stream: Option<StreamName>,
    /// What is built of components.
    pub references: BTreeMap<ComponentName, GitRef>,
}

impl Overrides {
    /// Says it in the streams of a document.
    ///
    /// # Errors
    /// When the document has not all of the components, in words.
    pub(crate) fn apply(&self, streams: &mut [ModuleStream]) -> Result<(), String> {
        let mut found = BTreeSet::new();
        for stream in streams {
            if let Some(name) = &self.stream {
                stream.stream = Some(name.to_string());
            }
            for (key, rpm) in &mut stream.components.rpms {
                let name = rpm.name.as_deref().unwrap_or(key);
                if let Some((name, reference)) = self.references.get_key_value(name) {
                    rpm.reference = Some(reference.to_string());
                    found.insert(name.clone());
                }
            }
        }
        let missing = self.references.keys().filter(|name| !found.contains(*name));
        let missing: Vec<&str> = missing.map(ComponentName::as_str).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(format!("rpm_component_ref_overrides: the module has no component {}; take it out", missing.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_package_is_where_clients_of_koji_send_it() {
        let good =
            [("cli-build/1790.1234.abCDefgh/foo.src.rpm", "foo"), ("cli-build/a/b/foo-bar+1.src.rpm", "foo-bar+1")];
        for (text, component) in good {
            let component = ComponentName::new(component).unwrap();
            assert_eq!(SourcePackage::new(text).unwrap().component(), Some(component), "{text}");
        }
        let long = format!("cli-build/a/{}.src.rpm", "f".repeat(600));
        let bad = [
            "",
            "foo.src.rpm",
            "cli-build/foo.src.rpm",
            "cli-build//foo.src.rpm",
            "/cli-build/a/foo.src.rpm",
            "cli-build/../foo.src.rpm",
            "cli-build/a/../foo.src.rpm",
            "cli-build/a/.src.rpm",
            "cli-build/a/foo.rpm",
            "cli-build/a/-foo.src.rpm",
            "cli-build/-a/foo.src.rpm",
            "cli-build/a/foo bar.src.rpm",
            "cli-build/a/foo.src.rpm\n",
            "cli-build/a\0/foo.src.rpm",
            "cli-build/ä/foo.src.rpm",
            "mbs/a/foo.src.rpm",
            "git://host/foo?#cli-build/a/foo.src.rpm",
            "https://host/cli-build/a/foo.src.rpm",
            &long,
        ];
        for text in bad {
            assert!(SourcePackage::new(text).is_err(), "{text}");
        }
    }
}
