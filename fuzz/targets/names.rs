//! Names and addresses: what is read prints as what reads back the same, and can be taken for nothing but a name.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use rida_core::scm::{CommitHash, GitRef, Repository, ScmUrl};
use rida_core::{Arch, BuildId, ComponentName, Context, DistTag, ModuleName, Nsvc, Nvr, Owner, StreamName, TagName};

pub(crate) fn run(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Some(url) = same_again::<ScmUrl>(text) {
        is_plain(url.as_str());
        is_relative(url.path());
        is_no_option(&url.revision().to_string());
        is_place(url.repository());
    }
    if let Some(repository) = same_again::<Repository>(text) {
        is_plain(repository.as_str());
        is_place(&repository);
    }
    if let Ok(reference) = GitRef::new(text) {
        is_no_option(&reference.to_string());
        is_plain(text);
    }
    if let Ok(commit) = CommitHash::new(text) {
        assert!(commit.to_string().bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    if let Ok(name) = ComponentName::new(text) {
        is_file_name(name.as_str());
    }
    if let Ok(name) = ModuleName::new(text) {
        is_file_name(name.as_str());
    }
    if let Ok(arch) = Arch::new(text) {
        is_file_name(arch.as_str());
    }
    if let Ok(stream) = StreamName::new(text) {
        is_plain(stream.as_str());
    }
    if let Ok(context) = Context::new(text) {
        is_plain(context.as_str());
    }
    if let Ok(tag) = TagName::new(text) {
        is_plain(tag.as_str());
    }
    if let Ok(tag) = DistTag::new(text) {
        is_plain(tag.as_str());
    }
    if let Ok(owner) = Owner::new(text) {
        assert!(!owner.as_str().chars().any(char::is_control), "{text:?}");
    }
    same_again::<Nsvc>(text);
    same_again::<Nvr>(text);
    same_again::<BuildId>(text);
}

/// Reads a text; what was read prints as what reads as the same.
fn same_again<T: FromStr<Err: Debug> + Display + Debug + PartialEq>(text: &str) -> Option<T> {
    let read = text.parse::<T>().ok()?;
    let printed = read.to_string();
    assert_eq!(printed.parse::<T>().unwrap_or_else(|error| panic!("{printed:?}: {error:?}")), read);
    Some(read)
}

fn is_plain(text: &str) {
    assert!(!text.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\'), "{text:?}");
}

fn is_no_option(text: &str) {
    assert!(!text.is_empty() && !text.starts_with('-'), "{text:?}");
}

fn is_file_name(text: &str) {
    is_plain(text);
    is_no_option(text);
    assert!(!text.contains('/') && text != "." && text != "..", "{text:?}");
}

fn is_relative(path: &str) {
    assert!(
        path.split('/').all(|segment| !matches!(segment, "" | "." | "..") && !segment.starts_with('-')),
        "{path:?}"
    );
}

fn is_place(repository: &Repository) {
    for segment in repository.segments() {
        is_file_name(segment);
    }
    if let Some(host) = repository.host() {
        is_file_name(host);
        assert!(!host.contains('@'), "{host:?}");
    }
}
