//! Writes the tree of a commit as plain files.
//!
//! `git archive` and `git checkout` obey the attributes that the tree itself brings along (filters, substitutions, line
//! ends); here blobs are copied as they are.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, symlink};
use std::path::Path;

use rida_core::PortError;
use rida_core::scm::Repository;

use super::cache::Entry;
use super::command::local;
use super::tree::{Kind, Tree};
use super::{Inner, failure};
use crate::process::ProcessError;

/// The longest target of a symbolic link.
const LONGEST_TARGET: u64 = 4096;

/// The longest name of a file that disks take.
const LONGEST_NAME: usize = 255;

/// The longest path in a component: with that of the folder that it is written to it must stay below 4,096 bytes.
const LONGEST_PATH: usize = 2048;

/// A path to write.
struct Item {
    path: Vec<u8>,
    kind: Kind,
}

pub(super) async fn write(
    inner: &Inner,
    repository: &Repository,
    entry: &Entry,
    tree: &Tree,
    into: &Path,
) -> Result<(), PortError> {
    let mut ids = String::new();
    let mut items = Vec::new();
    for (path, file) in tree.iter().filter(|(_, file)| file.kind != Kind::Submodule) {
        // Git itself makes no tree in which a name is that of a file and of a folder.
        if !is_safe(path) || tree.has_within(path) {
            let path = String::from_utf8_lossy(path).escape_debug().to_string();
            return Err(PortError::permanent(format!(
                "{repository} has a file with the name {path}, which is not safe"
            )));
        }
        ids.push_str(file.id.as_str());
        ids.push('\n');
        items.push(Item { path: path.to_vec(), kind: file.kind });
    }
    let unwritable =
        |error: io::Error| PortError::unavailable("the server cannot write the files of a component").because(error);
    let scratch = inner.cache.begin()?;
    let (wanted, contents) = (scratch.path().join("wanted"), scratch.path().join("contents"));
    fs::write(&wanted, ids).map_err(unwritable)?;
    let program = local(&inner.config, &entry.git_dir)
        .time_limit(inner.config.fetch_within)
        .args(&["cat-file", "--batch"])
        .stdin(File::open(&wanted).map_err(unwritable)?);
    let written = program.run_to_file(File::create(&contents).map_err(unwritable)?, inner.config.tree_bytes).await;
    match written {
        Ok(_) => {}
        Err(ProcessError::TooMuchOutput { limit, .. }) => {
            return Err(PortError::permanent(format!(
                "the files of {repository} have more than the {} MiB that are allowed",
                limit / (1024 * 1024)
            )));
        }
        Err(error) => return Err(failure::explain(error, repository, &inner.config)),
    }
    let into = into.to_owned();
    let unpacked = tokio::task::spawn_blocking(move || unpack(&contents, &items, &into)).await;
    unpacked.map_err(|error| PortError::temporary("the export was interrupted").because(error))?.map_err(unwritable)
}

/// Tells whether a path stays below the folder that it is written to, and leaves what git keeps for itself alone.
fn is_safe(path: &[u8]) -> bool {
    let good = |part: &[u8]| {
        (1..=LONGEST_NAME).contains(&part.len()) && part != b"." && part != b".." && !part.eq_ignore_ascii_case(b".git")
    };
    path.len() <= LONGEST_PATH && path.split(|b| *b == b'/').all(good) && !path.iter().any(u8::is_ascii_control)
}

/// Takes the output of `git cat-file --batch` apart: a line with hash, kind and size, the bytes, and a line end.
fn unpack(contents: &Path, items: &[Item], into: &Path) -> io::Result<()> {
    let mut contents = BufReader::new(File::open(contents)?);
    let mut links = Vec::new();
    fs::create_dir_all(into)?;
    for item in items {
        let size = read_header(&mut contents)?;
        let place = into.join(OsStr::from_bytes(&item.path));
        match item.kind {
            Kind::Submodule => {}
            Kind::Symlink if size > LONGEST_TARGET => skip(&mut contents, size)?,
            Kind::Symlink => {
                let mut target = Vec::new();
                contents.by_ref().take(size).read_to_end(&mut target)?;
                links.push((place, item.path.as_slice(), target));
            }
            Kind::Regular => write_file(&mut contents, size, &place, 0o644)?,
            Kind::Executable => write_file(&mut contents, size, &place, 0o755)?,
        }
        skip(&mut contents, 1)?;
    }
    // Last, so that no file is written through one.
    for (place, path, target) in links {
        if points_inside(path, &target) {
            make_folder(&place)?;
            symlink(OsStr::from_bytes(&target), place)?;
        } else {
            let path = String::from_utf8_lossy(path);
            tracing::info!(?path, "a symbolic link that points out of its repository is left out");
        }
    }
    Ok(())
}

fn read_header(contents: &mut impl BufRead) -> io::Result<u64> {
    let mut line = String::new();
    contents.by_ref().take(256).read_line(&mut line)?;
    let mut words = line.trim_end().split(' ').skip(1);
    match (words.next(), words.next().and_then(|size| size.parse().ok())) {
        (Some("blob"), Some(size)) => Ok(size),
        _ => Err(io::Error::other("git did not have a blob that the tree names")),
    }
}

fn skip(contents: &mut impl Read, bytes: u64) -> io::Result<()> {
    let skipped = io::copy(&mut contents.take(bytes), &mut io::sink())?;
    if skipped == bytes { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn write_file(contents: &mut impl Read, size: u64, place: &Path, mode: u32) -> io::Result<()> {
    make_folder(place)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(place)?;
    let mut file = BufWriter::new(file);
    let copied = io::copy(&mut contents.take(size), &mut file)?;
    file.flush()?;
    if copied == size { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

fn make_folder(place: &Path) -> io::Result<()> {
    place.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Tells whether a symbolic link leads to something in its own tree.
///
/// `..` is good only at the start of the target, where it climbs real folders: behind a name it would climb from where
/// that name leads, when it is a link itself. Links on the way are no harm, since they were judged in the same way.
fn points_inside(path: &[u8], target: &[u8]) -> bool {
    if target.starts_with(b"/") || target.iter().any(u8::is_ascii_control) {
        return false;
    }
    let mut at: Vec<&[u8]> = path.split(|b| *b == b'/').collect();
    at.pop();
    let mut descends = false;
    for part in target.split(|b| *b == b'/') {
        match part {
            b"" | b"." => {}
            b".." if descends || at.pop().is_none() => return false,
            b".." => {}
            name => {
                descends = true;
                at.push(name);
            }
        }
    }
    !at.is_empty() && is_safe(&at.join(&b'/'))
}
