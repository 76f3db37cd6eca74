//! What a module's packages are built with: the tag, the dist tag, and the `module-build-macros` package.

use sha1::{Digest, Sha1};

use crate::id::{BuildId, DistTag, Nsvc, TagName};

/// The longest tag name that is not hashed, with room for the suffix `-build` within 256 bytes.
const LONGEST_TAG: usize = 250;

/// Returns the name of a module's tag: `module-<name>-<stream>-<version>-<context>`, or `module-` and the first 16
/// digits of the SHA-1 of the four joined by dots when that is too long, as the Module Build Service does.
pub fn tag_name(nsvc: &Nsvc) -> TagName {
    let Nsvc { name, stream, version, context } = nsvc;
    let plain = format!("module-{name}-{stream}-{version}-{context}");
    let text = if plain.len() <= LONGEST_TAG { plain } else { format!("module-{}", nsvc_hash(nsvc, 16)) };
    TagName::new(&text).expect("parts of an NSVC hold only what a tag name may")
}

/// Returns a module's dist tag: `.<prefix><platform>+<index>+<hash>`, the hash being the first 8 digits of the SHA-1
/// of name, stream, version and context joined by dots, as the Module Build Service does.
///
/// # Errors
/// When prefix or platform hold something that a dist tag may not.
pub fn dist_tag(prefix: &str, platform: &str, index: BuildId, nsvc: &Nsvc) -> Result<DistTag, crate::id::GrammarError> {
    let marking = platform.replace('-', "_");
    let separator = if marking.is_empty() { "" } else { "+" };
    DistTag::new(&format!(".{prefix}{marking}{separator}{index}+{}", nsvc_hash(nsvc, 8)))
}

fn nsvc_hash(nsvc: &Nsvc, digits: usize) -> String {
    let Nsvc { name, stream, version, context } = nsvc;
    let digest = Sha1::digest(format!("{name}.{stream}.{version}.{context}"));
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>().chars().take(digits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nsvc(text: &str) -> Nsvc {
        text.parse().unwrap()
    }

    #[test]
    fn the_dist_tag_hashes_the_nsvc() {
        // The hash is one that another implementation of the same formula gives.
        let nodejs = nsvc("nodejs:18:8060020220523160029:fbe42456");
        let tag = dist_tag("module+", "el8.6.0", BuildId::new(42).unwrap(), &nodejs).unwrap();
        assert_eq!(tag.as_str(), ".module+el8.6.0+42+c1a029be");
        assert_eq!(dist_tag("module+", "", BuildId::new(2).unwrap(), &nodejs).unwrap().as_str(), ".module+2+c1a029be");
        assert!(dist_tag("a b", "el8", BuildId::new(2).unwrap(), &nodejs).is_err());
    }

    #[test]
    fn a_tag_that_is_too_long_is_hashed() {
        let short = nsvc("nodejs:18:1:c0ffee");
        assert_eq!(tag_name(&short).as_str(), "module-nodejs-18-1-c0ffee");
        let long = nsvc(&format!("{}:{}:1:c0ffee", "n".repeat(128), "s".repeat(128)));
        assert_eq!(tag_name(&long).as_str().len(), "module-".len() + 16);
    }
}
