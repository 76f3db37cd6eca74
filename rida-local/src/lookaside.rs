//! The lookaside cache: large files that a package's `sources` file names by their checksum.

mod curl;
mod sources;

use std::fs::{File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rida_core::scm::{AllowList, Repository, Scheme};
use rida_core::{ComponentName, PortError};

pub(crate) use self::sources::{SourceFile, parse_sources};
use crate::git::GitConfig;
use crate::network;
use crate::process::{Limits, Program};

/// How many times the duration of a fetch all files of a component may take.
const DOWNLOADS: u32 = 20;

/// Reads lookaside caches: folders, or over HTTP.
#[derive(Clone, Debug)]
pub(crate) struct Lookaside {
    /// The places that the administrator chose.
    chosen: AllowList,
    answer_within: Duration,
    fetch_within: Duration,
    /// For all files of a component.
    all_within: Duration,
    source_bytes: u64,
    file_bytes: u64,
}

/// Where in a cache a file may be.
struct Candidate {
    folder: PathBuf,
    url: String,
}

impl Lookaside {
    pub(crate) fn new(config: &GitConfig) -> Result<Self, PortError> {
        let chosen = config.caches.iter().map(|text| parse_place(text)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            chosen: AllowList::new(chosen),
            answer_within: config.answer_within,
            fetch_within: config.fetch_within,
            all_within: config.fetch_within.saturating_mul(DOWNLOADS),
            source_bytes: config.source_bytes,
            file_bytes: config.file_bytes,
        })
    }

    /// Checks that a file is in a cache.
    pub(crate) async fn check(
        &self,
        package: &ComponentName,
        cache: Option<&str>,
        file: &SourceFile,
    ) -> Result<(), PortError> {
        let place = self.place(cache, file)?;
        if place.scheme() == Scheme::File {
            let found = candidates(&place, package, file).iter().any(|candidate| candidate.folder.is_file());
            return if found { Ok(()) } else { Err(missing(&place, file)) };
        }
        let server = self.server(&place).await?;
        for candidate in candidates(&place, package, file) {
            if server.has(&candidate.url).await? {
                return Ok(());
            }
        }
        Err(missing(&place, file))
    }

    /// Fetches everything that the file `sources` of a folder names and that is not there already.
    pub(crate) async fn download(
        &self,
        package: &ComponentName,
        cache: Option<&str>,
        into: &Path,
    ) -> Result<(), PortError> {
        let list = into.join("sources");
        let is_file = list.symlink_metadata().is_ok_and(|metadata| metadata.is_file());
        if !is_file {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let read = File::open(&list).and_then(|file| file.take(self.file_bytes).read_to_end(&mut bytes));
        read.map_err(unwritable)?;
        let (files, broken) = parse_sources(&bytes);
        if let Some(problem) = broken.first() {
            return Err(PortError::permanent(format!("sources of {package} {problem}")));
        }
        let all = async {
            let mut room = self.source_bytes;
            for file in files {
                if into.join(file.name()).symlink_metadata().is_err() {
                    room = room.saturating_sub(self.fetch(package, cache, &file, into, room).await?);
                }
            }
            Ok(())
        };
        let within = self.all_within;
        tokio::time::timeout(within, all).await.unwrap_or_else(|_| {
            Err(PortError::temporary(format!(
                "the lookaside cache did not give all files of {package} within {} s; try again later",
                within.as_secs_f32()
            )))
        })
    }

    /// Fetches a file of up to `room` bytes, and returns how many it has.
    async fn fetch(
        &self,
        package: &ComponentName,
        cache: Option<&str>,
        file: &SourceFile,
        into: &Path,
        room: u64,
    ) -> Result<u64, PortError> {
        let place = self.place(cache, file)?;
        // Whoever builds may be another user, as for the files from git.
        let readable = Permissions::from_mode(0o644);
        let part = tempfile::Builder::new().permissions(readable).tempfile_in(into).map_err(unwritable)?;
        let too_large = || {
            let mib = self.source_bytes / (1024 * 1024);
            PortError::permanent(format!(
                "the files of {package} in the lookaside cache have more than the {mib} MiB that are allowed together"
            ))
        };
        let mut found = None;
        for candidate in candidates(&place, package, file) {
            let out = part.reopen().map_err(unwritable)?;
            out.set_len(0).map_err(unwritable)?;
            found = match place.scheme() {
                Scheme::File => copy(candidate.folder, out, room, too_large).await?,
                _ => self.server(&place).await?.get(&candidate.url, out, room, self.fetch_within, too_large).await?,
            };
            if found.is_some() {
                break;
            }
        }
        let bytes = found.ok_or_else(|| missing(&place, file))?;
        if self.checksum(part.reopen().map_err(unwritable)?, file).await? != file.hash() {
            return Err(PortError::permanent(format!(
                "{} in the lookaside cache {place} is not the file that `sources` means: its checksum is another; \
                 upload the file again",
                file.name()
            )));
        }
        part.persist_noclobber(into.join(file.name())).map_err(|error| unwritable(error.error))?;
        Ok(bytes)
    }

    async fn checksum(&self, file: File, source: &SourceFile) -> Result<String, PortError> {
        let program = Program::new(source.hash_type().program(), "coreutils").stdin(file);
        let output = program.limits(Limits { time: self.fetch_within, ..Limits::default() }).run().await;
        let output = output.map_err(|error| {
            let text = error.to_string();
            error.into_port(text)
        })?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(text.split_whitespace().next().unwrap_or_default().to_owned())
    }

    /// Reads the address of a cache, and refuses one that nobody allowed.
    fn place(&self, cache: Option<&str>, file: &SourceFile) -> Result<Repository, PortError> {
        let Some(cache) = cache else {
            return Err(PortError::permanent(format!(
                "{} is named in `sources`, but it is not committed, and there is no lookaside cache to look in; \
                 commit it, or have the server's administrator set a cache",
                file.name()
            )));
        };
        let place = parse_place(cache)?;
        if self.chosen.permits(&place) || network::can_be_public(&place) {
            return Ok(place);
        }
        Err(PortError::permanent(format!(
            "the lookaside cache {place} is not one that this server may read; use one that is, \
             or ask its administrator to add it"
        )))
    }

    async fn server(&self, place: &Repository) -> Result<curl::Server, PortError> {
        let address = if self.chosen.permits(place) { None } else { Some(network::public_address(place).await?) };
        Ok(curl::Server::new(place, address, self.answer_within))
    }
}

fn parse_place(text: &str) -> Result<Repository, PortError> {
    let place = Repository::parse(text).ok();
    let good = place.filter(|place| matches!(place.scheme(), Scheme::Http | Scheme::Https | Scheme::File));
    good.ok_or_else(|| {
        let text: String = text.chars().take(120).collect();
        PortError::permanent(format!(
            "{text:?} is not the address of a lookaside cache; expected is something like https://host/path"
        ))
    })
}

/// Returns where a file may be: `<cache>/<package>/<file>/<hash type>/<hash>/<file>`, for old MD5 sums without the type.
fn candidates(place: &Repository, package: &ComponentName, file: &SourceFile) -> Vec<Candidate> {
    let has_package = place.segments().last().is_some_and(|last| **last == *package.as_str());
    let package = (!has_package).then(|| package.as_str());
    let hash_type = file.hash_type();
    let layouts = [Some(Some(hash_type.as_str())), hash_type.is_old().then_some(None)];
    let candidate = |hash_type: Option<&str>| {
        let parts = package.into_iter().chain([file.name()]).chain(hash_type).chain([file.hash(), file.name()]);
        let mut folder = PathBuf::from("/");
        folder.extend(place.segments().iter().map(|segment| &**segment));
        let mut url = place.as_str().trim_end_matches('/').to_owned();
        for part in parts {
            folder.push(part);
            url.push('/');
            url.push_str(&escape(part));
        }
        Candidate { folder, url }
    };
    layouts.into_iter().flatten().map(candidate).collect()
}

/// Writes what a path of a URL may not hold as `%` and digits.
fn escape(part: &str) -> String {
    let keep = |b: &u8| b.is_ascii_alphanumeric() || b"._~-".contains(b);
    let one = |b: u8| if keep(&b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    part.bytes().map(one).collect()
}

fn missing(place: &Repository, file: &SourceFile) -> PortError {
    PortError::permanent(format!(
        "{} with that checksum is not in the lookaside cache {place}; upload it, or correct `sources`",
        file.name()
    ))
}

fn unwritable(error: io::Error) -> PortError {
    PortError::unavailable("the server cannot keep the files of a component").because(error)
}

/// Copies a file of a cache that is a folder; returns how many bytes it has when it was there.
async fn copy(
    from: PathBuf,
    mut to: File,
    limit: u64,
    too_large: impl Fn() -> PortError,
) -> Result<Option<u64>, PortError> {
    let copied = tokio::task::spawn_blocking(move || {
        if !from.is_file() {
            return Ok(None);
        }
        io::copy(&mut File::open(from)?.take(limit.saturating_add(1)), &mut to).map(Some)
    });
    let copied = copied.await.map_err(|error| PortError::temporary("the copy was interrupted").because(error))?;
    match copied.map_err(unwritable)? {
        Some(bytes) if bytes > limit => Err(too_large()),
        found => Ok(found),
    }
}

#[cfg(test)]
mod tests;
