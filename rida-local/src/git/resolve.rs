//! From a ref to a commit.

use rida_core::PortError;
use rida_core::scm::{CommitHash, GitRef, Repository};

use super::command::{Remote, local};
use super::{Inner, failure, fetch};
use crate::process::{ProcessError, Terminator};

/// The shortest beginning of a hash that is looked up.
const SHORTEST_HASH: usize = 7;

/// Returns the commit that a ref of a repository stands for now.
pub(super) async fn commit(inner: &Inner, remote: &Remote<'_>, revision: &GitRef) -> Result<CommitHash, PortError> {
    if let Some(commit) = revision.commit() {
        return Ok(commit);
    }
    let repository = remote.repository;
    let listed = list(inner, remote, revision).await?;
    match listed.as_slice() {
        [] if could_be_short_hash(revision) => short_hash(inner, remote, revision).await,
        [] => Err(unknown(repository, revision)),
        [commit] => Ok(commit.clone()),
        _ => Err(PortError::permanent(format!(
            "{repository} has both a branch and a tag called {revision}; \
             write refs/heads/{revision} or refs/tags/{revision}, or the commit"
        ))),
    }
}

/// Says that a ref is not there.
pub(super) fn unknown(repository: &Repository, revision: &GitRef) -> PortError {
    PortError::permanent(format!(
        "{repository} has no commit, branch or tag {revision}; check the ref, and that it was pushed"
    ))
}

/// Asks the server for the branches and tags of that name, and returns the different commits that they stand for.
async fn list(inner: &Inner, remote: &Remote<'_>, revision: &GitRef) -> Result<Vec<CommitHash>, PortError> {
    let names = [
        revision.as_str().starts_with("refs/").then(|| revision.to_string()),
        (revision.as_str() == "HEAD").then(|| revision.to_string()),
        Some(format!("refs/heads/{revision}")),
        Some(format!("refs/tags/{revision}")),
    ];
    let names: Vec<String> = names.into_iter().flatten().collect();
    let peeled = names.iter().map(|name| format!("{name}^{{}}"));
    let patterns: Vec<String> = names.iter().cloned().chain(peeled).collect();

    let output = remote
        .git(inner.config.answer_within)
        .args(&["ls-remote", "--quiet"])
        .operands(
            Terminator::DoubleDash,
            std::iter::once(remote.repository.as_str()).chain(patterns.iter().map(String::as_str)),
        )
        .run()
        .await
        .map_err(|error| match error {
            ProcessError::TooMuchOutput { .. } => {
                let text = format!("{} has more refs of that name than are allowed", remote.repository);
                PortError::permanent(text).because(error)
            }
            error => failure::explain(error, remote.repository, &inner.config),
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let found = |name: &str| {
        // A pattern matches the end of a name too, so that others come along.
        let line = text.lines().filter_map(|line| line.split_once('\t')).find(|(_, listed)| *listed == name);
        line.and_then(|(hash, _)| CommitHash::new(hash).ok())
    };
    // An annotated tag is an object of its own; behind `^{}` is the commit that it is for.
    let mut commits: Vec<_> =
        names.iter().filter_map(|name| found(&format!("{name}^{{}}")).or_else(|| found(name))).collect();
    commits.sort();
    commits.dedup();
    Ok(commits)
}

fn could_be_short_hash(revision: &GitRef) -> bool {
    let text = revision.as_str();
    (SHORTEST_HASH..40).contains(&text.len()) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

/// Looks a shortened hash up among all commits of the repository: no server knows the beginnings of hashes.
async fn short_hash(inner: &Inner, remote: &Remote<'_>, revision: &GitRef) -> Result<CommitHash, PortError> {
    let repository = remote.repository;
    let folder = fetch::history(inner, remote, fetch::History::CommitsOnly).await?;
    let output = local(&inner.config, folder.path())
        .args(&["rev-parse", "--quiet", "--verify"])
        .operands(Terminator::EndOfOptions, [format!("{revision}^{{commit}}")])
        .run()
        .await;
    match output {
        Ok(output) => {
            let hash = String::from_utf8_lossy(&output.stdout);
            CommitHash::new(hash.trim()).map_err(|_| unknown(repository, revision))
        }
        Err(error @ ProcessError::Failed { .. }) if error.stderr().contains("ambiguous") => Err(PortError::permanent(
            format!("{repository} has several commits that start with {revision}; write more of the hash"),
        )),
        Err(ProcessError::Failed { .. }) => Err(unknown(repository, revision)),
        Err(error) => Err(failure::explain(error, repository, &inner.config)),
    }
}
