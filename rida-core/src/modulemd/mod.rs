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
//! let stream = document.into_stream();
//! assert_eq!(stream.components.rpms["lua"].reference.as_deref(), Some("5.30"));
//! assert_eq!(rida_core::context::declared_context(&stream).unwrap().as_str().len(), 8);
//!
//! let written = stream.to_yaml();
//! assert_eq!(modulemd::read(written.as_bytes()).unwrap().into_stream(), stream);
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

mod decode;
mod document;
mod options;
mod problem;
mod rule;
mod service;
mod stream;
mod tree;
mod xmd;
mod yaml;

pub use self::document::Document;
pub use self::options::{Limits, Options};
pub use self::problem::{FieldPath, Position, Problem, Problems};
pub use self::rule::Rule;
pub use self::service::Rules;
pub use self::stream::{
    Artifacts, BuildOpts, Components, Date, Dependencies, License, ModuleComponent, ModuleStream, Profile, References,
    RpmBuildOpts, RpmComponent, RpmMapEntry, RpmSet, ServiceLevel,
};
pub use self::xmd::Xmd;

/// Reads a document, within the default limits; keys that the format does not define are warnings.
///
/// # Errors
/// All that is wrong with it.
pub fn read(bytes: &[u8]) -> Result<Document, Problems> {
    read_with(bytes, &Options::default())
}

/// Reads a document.
///
/// # Errors
/// All that is wrong with it.
pub fn read_with(bytes: &[u8], options: &Options) -> Result<Document, Problems> {
    document::read(bytes, options)
}
