//! The documents of a repository that says which modules a distribution has by default.

use std::fs;
use std::io;

use rida_core::scm::Repository;
use rida_core::{DefaultModules, DefaultsFile, FetchedDefaults, PortError};

use super::cache::Entry;
use super::command::local;
use super::tree::{Kind, Tree};
use super::{Inner, failure, fetch};
use crate::process::ProcessError;

/// How many documents such a repository may have.
const MOST_FILES: usize = 1_000;
/// How many bytes they may have together.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// The folder whose documents go before the others.
const OVERRIDES: &str = "overrides/";

pub(super) async fn read(inner: &Inner, place: &DefaultModules) -> Result<FetchedDefaults, PortError> {
    let repository = &place.repository;
    // The administrator named it.
    if !inner.config.defaults.contains(repository) {
        inner.permit(&inner.config.allow, repository)?;
    }
    let _slot = inner.slots.modulemd.take(Some(repository)).await?;
    let (commit, entry) = fetch::revision(inner, repository, &place.reference).await?;
    let tree = Tree::read(inner, repository, &entry).await?;
    let (mut paths, mut ids) = (Vec::new(), String::new());
    for (path, file) in tree.iter() {
        let Some(path) = std::str::from_utf8(path).ok().filter(|path| is_document(path)) else { continue };
        match file.kind {
            Kind::Regular | Kind::Executable => {}
            Kind::Symlink | Kind::Submodule => {
                return Err(PortError::permanent(format!(
                    "{path} in {repository} is no plain file; links and submodules are not followed"
                )));
            }
        }
        if paths.len() == MOST_FILES {
            return Err(PortError::permanent(format!("{repository} has more than {MOST_FILES} documents of defaults")));
        }
        ids.push_str(file.id.as_str());
        ids.push('\n');
        paths.push(path.to_owned());
    }
    let contents = blobs(inner, repository, &entry, &ids).await?;
    let (mut rest, most) = (contents.as_slice(), inner.config.file_bytes);
    let mut files = Vec::new();
    for path in paths {
        let small = next(&mut rest).filter(|bytes| u64::try_from(bytes.len()).is_ok_and(|size| size <= most));
        let bytes = small.ok_or_else(|| {
            PortError::permanent(format!(
                "{path} in {repository} has more than the {} KiB that are allowed",
                most / 1024
            ))
        })?;
        files.push(DefaultsFile { overrides: path.starts_with(OVERRIDES), path, bytes: bytes.to_vec() });
    }
    Ok(FetchedDefaults { commit, files })
}

/// Tells whether a path is that of a document: a file of YAML in the folder itself or in that of overrides.
fn is_document(path: &str) -> bool {
    let name = path.strip_prefix(OVERRIDES).unwrap_or(path);
    name.ends_with(".yaml") && !name.contains('/')
}

/// Reads the blobs of some ids, one a line, as `git cat-file --batch` writes them.
async fn blobs(inner: &Inner, repository: &Repository, entry: &Entry, ids: &str) -> Result<Vec<u8>, PortError> {
    let unwritable =
        |error: io::Error| PortError::unavailable("the server cannot write down what it asks git for").because(error);
    let scratch = inner.cache.begin()?;
    let wanted = scratch.path().join("wanted");
    fs::write(&wanted, ids).map_err(unwritable)?;
    let output = local(&inner.config, &entry.git_dir)
        .output_limit(MOST_BYTES)
        .args(&["cat-file", "--batch"])
        .stdin(fs::File::open(&wanted).map_err(unwritable)?)
        .run()
        .await;
    match output {
        Ok(output) => Ok(output.stdout),
        Err(ProcessError::TooMuchOutput { .. }) => Err(PortError::permanent(format!(
            "the documents of defaults in {repository} have more than {} MiB",
            MOST_BYTES / (1024 * 1024)
        ))),
        Err(error) => Err(failure::explain(error, repository, &inner.config)),
    }
}

/// Takes the next blob: a line with hash, kind and size, the bytes, and a line end. Absent when git did not have it, since
/// the server left it out for its size.
fn next<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let header = std::str::from_utf8(rest.get(..end)?).ok()?;
    let mut words = header.split(' ').skip(1);
    let size = match (words.next(), words.next().and_then(|size| size.parse::<usize>().ok())) {
        (Some("blob"), Some(size)) => size,
        _ => return None,
    };
    let (bytes, after) = rest.get(end + 1..)?.split_at_checked(size)?;
    *rest = after.strip_prefix(b"\n")?;
    Some(bytes)
}
