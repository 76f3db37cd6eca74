//! Fetches commits into the cache.

use rida_core::PortError;
use rida_core::scm::{CommitHash, GitRef, Repository};
use tempfile::TempDir;

use super::cache::{Contents, Entry};
use super::command::{Remote, local};
use super::{Inner, failure, resolve};
use crate::process::{ProcessError, Program, Terminator};

/// What of a history is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum History {
    /// No files, where the server can leave them out.
    CommitsOnly,
    /// Everything.
    Whole,
}

/// Resolves a ref and returns its commit, with all small files.
pub(super) async fn revision(
    inner: &Inner,
    repository: &Repository,
    revision: &GitRef,
) -> Result<(CommitHash, Entry), PortError> {
    let known = revision.commit().and_then(|commit| inner.cache.find(repository, &commit, Contents::Small));
    if let Some(entry) = known {
        return Ok((entry.commit.clone(), entry));
    }
    let remote = Remote::check(inner, repository).await?;
    let commit = resolve::commit(inner, &remote, revision).await?;
    if let Some(entry) = inner.cache.find(repository, &commit, Contents::Small) {
        return Ok((commit, entry));
    }
    let entry = fetch(inner, &remote, &commit, Contents::Small).await?;
    Ok((commit, entry))
}

/// Returns a commit of which at least `contents` is there.
pub(super) async fn commit(
    inner: &Inner,
    repository: &Repository,
    commit: &CommitHash,
    contents: Contents,
) -> Result<Entry, PortError> {
    match inner.cache.find(repository, commit, contents) {
        Some(entry) => Ok(entry),
        None => fetch(inner, &Remote::check(inner, repository).await?, commit, contents).await,
    }
}

async fn fetch(
    inner: &Inner,
    remote: &Remote<'_>,
    commit: &CommitHash,
    contents: Contents,
) -> Result<Entry, PortError> {
    let repository = remote.repository;
    let explain = |error| failure::explain(error, repository, &inner.config);
    let folder = init(inner, remote, commit.as_str().len()).await?;
    let program = git_fetch(inner, remote, &folder).arg("--depth=1");
    let program = match contents {
        // Servers without filters send everything, which the limit of bytes holds for.
        Contents::Small => program.setting("--filter=blob:limit=", (inner.config.file_bytes + 1).to_string()),
        Contents::Whole => program,
    };
    let fetched = run(program, [format!("+{commit}:refs/rida/commit")]).await;
    let folder = match fetched {
        Ok(()) => folder,
        Err(error) if failure::is_only_tips(&error) => history(inner, remote, History::Whole).await?,
        Err(error) if failure::is_missing_commit(&error) => {
            return Err(resolve::unknown(repository, &commit.clone().into()));
        }
        Err(error) => return Err(explain(error)),
    };
    if kind_of(inner, &folder, commit).await.map_err(explain)?.as_deref() != Some("commit") {
        return Err(resolve::unknown(repository, &commit.clone().into()));
    }
    let (cache, repository, commit) = (inner.cache.clone(), repository.clone(), commit.clone());
    let added = tokio::task::spawn_blocking(move || cache.add(folder, &repository, &commit, contents)).await;
    added.map_err(|error| PortError::temporary("the fetch was interrupted").because(error))?
}

/// Fetches all branches and tags into a folder that is removed when it is dropped.
pub(super) async fn history(inner: &Inner, remote: &Remote<'_>, history: History) -> Result<TempDir, PortError> {
    const SHA1_DIGITS: usize = 40;
    let folder = init(inner, remote, SHA1_DIGITS).await?;
    let program = git_fetch(inner, remote, &folder);
    let program = match history {
        History::CommitsOnly => program.arg("--filter=tree:0"),
        History::Whole => program,
    };
    let everything = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"].map(String::from);
    run(program, everything).await.map_err(|error| failure::explain(error, remote.repository, &inner.config))?;
    Ok(folder)
}

/// Makes an empty bare repository, for hashes of that many digits.
async fn init(inner: &Inner, remote: &Remote<'_>, digits: usize) -> Result<TempDir, PortError> {
    let folder = inner.cache.begin()?;
    local(&inner.config, folder.path())
        .args(&["init", "--quiet", "--bare", "--template=", "--initial-branch=none"])
        .arg(if digits == 64 { "--object-format=sha256" } else { "--object-format=sha1" })
        .run()
        .await
        .map_err(|error| failure::explain(error, remote.repository, &inner.config))?;
    Ok(folder)
}

fn git_fetch(inner: &Inner, remote: &Remote<'_>, folder: &TempDir) -> Program {
    remote
        .git(inner.config.fetch_within)
        .env("GIT_DIR", folder.path())
        // The address is a setting of this call and not an operand, because filters need a remote with a name.
        .arg("-c")
        .setting("remote.origin.url=", remote.repository.as_str())
        .args(&[
            "fetch",
            "--quiet",
            "--no-tags",
            "--no-recurse-submodules",
            "--no-auto-maintenance",
            "--no-write-fetch-head",
        ])
        .watch(folder.path(), inner.config.fetch_bytes)
}

async fn run<const N: usize>(program: Program, refspecs: [String; N]) -> Result<(), ProcessError> {
    let operands = std::iter::once("origin").chain(refspecs.iter().map(String::as_str));
    program.operands(Terminator::EndOfOptions, operands).run().await.map(|_| ())
}

/// Returns what kind of object has this hash, if one has.
async fn kind_of(inner: &Inner, folder: &TempDir, commit: &CommitHash) -> Result<Option<String>, ProcessError> {
    let output = local(&inner.config, folder.path())
        .args(&["cat-file", "-t"])
        .operands(Terminator::EndOfOptions, [commit.as_str()])
        .run()
        .await;
    match output {
        Ok(output) => Ok(Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())),
        Err(ProcessError::Failed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
