//! modulemd documents: what a packager writes to describe a module, and what a repository says of a built one.
//!
//! [`read`] takes a text and gives a [`Document`], or everything that is wrong with the text at once, each
//! [`Problem`] with the rule, the place, what is wrong and what to write instead. Streams of version 1 and 2 and
//! packager documents of version 2 are read into one form, [`ModuleStream`], the one of version 2.
//!
//! ```
//! use rida_core::modulemd::{self, Rules};
//!
//! let text = b"
//! document: modulemd
//! version: 2
//! data:
//!   summary: An interpreter
//!   description: An interpreter and its libraries.
//!   license: {module: MIT}
//!   dependencies:
//!   - buildrequires: {platform: f42}
//!     requires: {platform: f42}
//!   components:
//!     rpms:
//!       lua: {rationale: The interpreter., ref: 5.30}
//! ";
//! let document = modulemd::read(text).unwrap();
//! document.check(&Rules::default()).unwrap();
//! let stream = document.into_stream().unwrap();
//! assert_eq!(stream.components.rpms["lua"].reference.as_deref(), Some("5.30"));
//! assert_eq!(rida_core::context::declared_context(&stream).unwrap().as_str().len(), 8);
//!
//! let written = stream.to_yaml();
//! assert_eq!(modulemd::read(written.as_bytes()).unwrap().into_stream(), Some(stream));
//!
//! let problems = modulemd::read(b"document: modulemd\nversion: 2\ndata: {summary: x, licence: MIT}").unwrap_err();
//! assert_eq!(
//!     problems.lines(),
//!     [
//!         "3:7: description: the module has no description; add `description:` to the keys of data",
//!         "3:7: license: the module has no license; add `license:` to the keys of data",
//!     ]
//! );
//! ```
//!
//! What libmodulemd accepts is accepted and what it refuses is refused, but for the differences that
//! `tests/fixtures/modulemd/DIFFERENCES.md` lists with their reasons. Texts are never resolved to numbers or booleans
//! on the way: a `context` of `4051e825` stays what it is.

#[cfg(feature = "compression")]
mod compression;
mod decode;
mod defaults;
mod document;
mod explain;
mod index;
mod obsoletes;
mod options;
mod packager;
mod problem;
mod report;
mod rule;
mod service;
mod source;
mod stream;
mod time;
mod translations;
mod tree;
mod xmd;
mod yaml;

#[cfg(feature = "compression")]
pub use self::compression::{DecompressError, decompress};
pub use self::defaults::{DefaultSet, Defaults};
pub use self::document::{Content, Document, Judged};
pub use self::index::{Failure, Index, IndexOptions, MergeConflict, Merger, Module, ReadIndex};
pub use self::obsoletes::{Obsoletes, Successor};
pub use self::options::{Limits, Options};
pub use self::packager::{Configuration, Packager};
pub use self::problem::{FieldPath, Position, Problem, Problems};
pub use self::report::Report;
pub use self::rule::Rule;
pub use self::service::Rules;
pub use self::stream::{
    Artifacts, BuildOpts, Components, Dependencies, License, ModuleComponent, ModuleStream, Profile, References,
    RpmBuildOpts, RpmComponent, RpmMapEntry, RpmSet, ServiceLevel,
};
pub use self::time::{Date, Minute};
pub use self::translations::{Translation, Translations};
pub use self::xmd::{Xmd, XmdMap};

/// Reads a document, within the default limits; keys that the format does not define are warnings.
///
/// # Errors
/// All that is wrong with it by the format.
pub fn read(bytes: &[u8]) -> Result<Document, Problems> {
    read_with(bytes, &Options::default())
}

/// Reads a document.
///
/// # Errors
/// All that is wrong with it by the format.
pub fn read_with(bytes: &[u8], options: &Options) -> Result<Document, Problems> {
    let judged = document::judge(bytes, options, &Rules::none());
    match (judged.document, judged.problems) {
        (_, Some(problems)) => Err(problems),
        (Some(document), None) => Ok(document),
        // There is a document when there is no problem.
        (None, None) => Err(source::problem(Rule::Envelope, "there is no document", "write one").into()),
    }
}

/// Judges a document by the format and by the rules of a service, all in one go.
pub fn judge(bytes: &[u8], options: &Options, rules: &Rules) -> Judged {
    document::judge(bytes, options, rules)
}

/// Tells whether a text holds several documents, and so is to be read as an [`Index`].
pub fn is_index(bytes: &[u8]) -> bool {
    source::decode(bytes).is_ok_and(|text| source::parts(&text).nth(1).is_some())
}

/// Holds the two readers of YAML against each other on a text, for fuzzing.
///
/// # Panics
/// When they disagree.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub fn readers_agree(bytes: &[u8]) {
    tree::agree::agree_on(bytes);
}
