//! What git's failures mean, in words for a packager.

use rida_core::PortError;
use rida_core::scm::Repository;

use super::GitConfig;
use crate::process::ProcessError;

/// With less free disk than this, a failure that git does not explain is taken for one of the disk.
const LITTLE_DISK: u64 = 16 * 1024 * 1024;

/// How git ends on folders within folders, in the releases that do not count them.
const SEGMENTATION_FAULT: i32 = 11;

/// Says what a failed call of git means for who wants to read a repository.
pub(super) fn explain(error: ProcessError, repository: &Repository, config: &GitConfig) -> PortError {
    tracing::info!(%repository, %error, stderr = ?error.stderr(), "git failed");
    let has_little_disk = || {
        let disk = rustix::fs::statvfs(&config.folder);
        disk.is_ok_and(|disk| disk.f_bavail.saturating_mul(disk.f_frsize) < LITTLE_DISK || is_out_of_files(&disk))
    };
    explain_on(error, repository, config, has_little_disk)
}

/// Tells whether a disk can have no more files; some that have no such limit say that they have none at all.
fn is_out_of_files(disk: &rustix::fs::StatVfs) -> bool {
    disk.f_files > 0 && disk.f_favail == 0
}

fn explain_on(
    error: ProcessError,
    repository: &Repository,
    config: &GitConfig,
    has_little_disk: impl Fn() -> bool,
) -> PortError {
    const MIB: u64 = 1024 * 1024;
    let mib = config.fetch_bytes / MIB;
    let too_much_work = |verb: &str| {
        let seconds = config.processor_time.as_secs();
        PortError::permanent(format!(
            "unpacking {repository} {verb} more than the {seconds} s of processor time that are allowed; \
             put large files into the lookaside cache instead of git"
        ))
    };
    match &error {
        ProcessError::TimedOut { after, .. } => {
            let text =
                format!("{repository} did not answer completely within {} s; try again later", after.as_secs_f32());
            return PortError::temporary(text).because(error);
        }
        ProcessError::TooMuchDisk { .. } => {
            let text = format!(
                "{repository} has more than the {mib} MiB that are allowed; \
                 put large files into the lookaside cache instead of git"
            );
            return PortError::permanent(text).because(error);
        }
        ProcessError::TooMuchWork { .. } => return too_much_work("takes").because(error),
        ProcessError::TooMuchOutput { limit, .. } => {
            let text = format!("{repository} said more than the {} MiB that are allowed", limit / MIB);
            return PortError::permanent(text).because(error);
        }
        ProcessError::Failed { signal: Some(SEGMENTATION_FAULT), .. } => return too_deep(repository).because(error),
        ProcessError::Failed { .. } => {}
        _ => {
            let text = error.to_string();
            return error.into_port(text);
        }
    }
    let stderr = error.stderr().to_lowercase();
    let says = |phrases: &[&str]| phrases.iter().any(|phrase| stderr.contains(phrase));
    // What the other side says of its disk is not about this one.
    let here = |line: &&str| !line.starts_with("remote:") && !line.contains("remote error:");
    let says_here =
        |phrases: &[&str]| stderr.lines().filter(here).any(|line| phrases.iter().any(|phrase| line.contains(phrase)));
    let disk_is_full = || PortError::unavailable("the disk of the server is full; its administrator can make room");
    // What git's own parts died of comes first: the rest of the text then blames the connection.
    let answer = if says(&["died of signal 25", "file too large"]) {
        PortError::permanent(format!(
            "{repository} has more than the {mib} MiB that are allowed; \
             put large files into the lookaside cache instead of git"
        ))
    } else if says(&["died of signal 24", "died of signal 9"]) {
        too_much_work("takes")
    } else if says_here(&["out of memory", "cannot allocate memory"]) {
        PortError::permanent(format!(
            "reading {repository} takes more than the {} MiB of memory that are allowed; \
             it has too many refs or files, or too large ones",
            config.memory / MIB
        ))
    } else if says(&["died of signal 11", "exceeded maximum allowed tree depth"]) {
        too_deep(repository)
    } else if says_here(&["no space left", "disk quota exceeded"]) {
        disk_is_full()
    } else if says_here(&["failed to write", "could not write", "unable to write", "cannot write"]) {
        // Git often keeps to itself why.
        if has_little_disk() {
            disk_is_full()
        } else {
            PortError::unavailable(
                "the server cannot write to its folder for git; its administrator can look whether the disk is full, \
                 or the folder belongs to somebody else",
            )
        }
    } else if says(&["dubious ownership"]) {
        PortError::permanent(format!(
            "{repository} belongs to another user of the server, and git does not read it then"
        ))
    } else if says(&["redirect", "error: 301", "error: 302", "error: 303", "error: 307", "error: 308"]) {
        PortError::permanent(format!("{repository} redirects to another address; use that address"))
    } else if says(&[
        "authentication failed",
        "could not read username",
        "terminal prompts disabled",
        "error: 401",
        "error: 403",
        "permission denied",
    ]) {
        PortError::permanent(format!(
            "{repository} cannot be read without logging in; use a repository that everybody may read"
        ))
    } else if says(&[
        "not found",
        "does not appear to be a git repository",
        "access denied or repository not exported",
        "no such file or directory",
        "error: 404",
        "error: 410",
    ]) && !says(&["could not resolve", "couldn't find remote ref"])
    {
        PortError::permanent(format!("there is no git repository at {repository}; check its address"))
    } else if says(&["host key verification failed"]) {
        PortError::permanent(format!(
            "the server does not know the ssh key of {repository}'s host; its administrator can add it"
        ))
    } else if says(&["fsck", "bad object", "invalid index-pack"]) && has_little_disk() {
        disk_is_full()
    } else if stderr.trim() == "fatal: fetch-pack: invalid index-pack output" {
        // What finds an object broken says so; this one was ended before it could say anything.
        too_much_work("was ended; most likely it takes")
    } else if says(&["fsck", "bad object", "invalid index-pack"]) {
        PortError::permanent(format!("{repository} holds objects that git finds broken; `git fsck` says which"))
    } else if says(&["could not resolve host", "unable to look up", "name or service not known"]) {
        PortError::temporary(format!("the host of {repository} was not found; check its name"))
    } else if has_little_disk() {
        disk_is_full()
    } else {
        PortError::temporary(format!("{repository} could not be read; try again later"))
    };
    answer.because(error)
}

fn too_deep(repository: &Repository) -> PortError {
    PortError::permanent(format!("{repository} has more folders within folders than git can read"))
}

/// Tells whether the server has no such commit.
pub(super) fn is_missing_commit(error: &ProcessError) -> bool {
    let stderr = error.stderr();
    ["not our ref", "couldn't find remote ref"].iter().any(|phrase| stderr.contains(phrase))
}

/// Tells whether the server gives only the tips of branches and tags, and whole histories.
pub(super) fn is_only_tips(error: &ProcessError) -> bool {
    let stderr = error.stderr();
    ["unadvertised object", "not valid", "does not support shallow"].iter().any(|phrase| stderr.contains(phrase))
}

#[cfg(test)]
mod tests;
