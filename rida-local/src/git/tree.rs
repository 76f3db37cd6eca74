//! The files of a commit, listed and read without checking them out.

use std::collections::BTreeMap;

use rida_core::scm::{CommitHash, Repository};
use rida_core::{PortError, Timestamp};

use super::cache::Entry;
use super::command::local;
use super::{Inner, failure};
use crate::process::{ProcessError, Terminator};

/// More than a list of the allowed number of files can take.
const BYTES_PER_FILE: u64 = 512;

/// What a path of a commit is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Regular,
    Executable,
    Symlink,
    Submodule,
}

/// A path of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct File {
    pub(super) kind: Kind,
    pub(super) id: CommitHash,
}

/// All paths of a commit that are not folders.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Tree(BTreeMap<Vec<u8>, File>);

/// A path is not a regular file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NoFile {
    Missing { path: String },
    Folder { path: String },
    Symlink { path: String },
    Submodule { path: String },
}

impl NoFile {
    pub(super) fn text(&self, repository: &Repository, commit: &CommitHash) -> String {
        match self {
            Self::Missing { path } => {
                format!("there is no file {path} in {repository} at {commit}; add it, or check the ref")
            }
            Self::Folder { path } => format!("{path} is a folder in {repository} at {commit}; a file is expected"),
            Self::Symlink { path } => format!(
                "{path} is a symbolic link in {repository} at {commit}; links are not followed, commit the file itself"
            ),
            Self::Submodule { path } => format!(
                "{path} is a submodule in {repository} at {commit}; submodules are not read, commit the file itself"
            ),
        }
    }
}

impl Tree {
    /// Lists a commit.
    pub(super) async fn read(inner: &Inner, repository: &Repository, entry: &Entry) -> Result<Self, PortError> {
        let too_many = || {
            let most = inner.config.tree_files;
            PortError::permanent(format!("{repository} has more than the {most} files that are allowed"))
        };
        let files = u64::try_from(inner.config.tree_files).unwrap_or(u64::MAX);
        let output = local(&inner.config, &entry.git_dir)
            .output_limit(files.saturating_mul(BYTES_PER_FILE))
            .args(&["ls-tree", "-r", "-z", "--full-tree"])
            .operands(Terminator::EndOfOptions, [entry.commit.as_str()])
            .run()
            .await
            .map_err(|error| match error {
                ProcessError::TooMuchOutput { .. } => too_many().because(error),
                error => failure::explain(error, repository, &inner.config),
            })?;
        let tree = Self::parse(&output.stdout)
            .ok_or_else(|| PortError::permanent(format!("the list of the files of {repository} is broken")))?;
        if tree.0.len() > inner.config.tree_files {
            return Err(too_many());
        }
        Ok(tree)
    }

    /// Reads lines of mode, kind, hash and path.
    fn parse(bytes: &[u8]) -> Option<Self> {
        let lines = bytes.split(|b| *b == 0).filter(|line| !line.is_empty());
        let file = |line: &[u8]| {
            let tab = line.iter().position(|b| *b == b'\t')?;
            let (head, path) = line.split_at_checked(tab)?;
            let mut words = std::str::from_utf8(head).ok()?.split(' ');
            let kind = match (words.next()?, words.next()?) {
                ("100755", "blob") => Kind::Executable,
                ("120000", "blob") => Kind::Symlink,
                ("160000", "commit") => Kind::Submodule,
                // Old histories have regular files of other modes, such as 100664.
                (mode, "blob") if mode.starts_with("100") => Kind::Regular,
                _ => return None,
            };
            let id = CommitHash::new(words.next()?).ok()?;
            Some((path.get(1..)?.to_vec(), File { kind, id }))
        };
        lines.map(file).collect::<Option<_>>().map(Self)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &File)> {
        self.0.iter().map(|(path, file)| (path.as_slice(), file))
    }

    pub(super) fn get(&self, path: &[u8]) -> Option<&File> {
        self.0.get(path)
    }

    /// Tells whether something is in a folder of that path.
    pub(super) fn has_within(&self, path: &[u8]) -> bool {
        let inside = [path, b"/"].concat();
        self.0.range(inside.clone()..).next().is_some_and(|(below, _)| below.starts_with(&inside))
    }

    /// Finds a regular file, or says what is there instead, at the path or above it.
    pub(super) fn regular(&self, path: &str) -> Result<&File, NoFile> {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        for part in ends.filter_map(|end| path.get(..end)) {
            let Some(file) = self.get(part.as_bytes()) else { continue };
            match file.kind {
                Kind::Symlink => return Err(NoFile::Symlink { path: part.to_owned() }),
                Kind::Submodule => return Err(NoFile::Submodule { path: part.to_owned() }),
                Kind::Regular | Kind::Executable if part == path => return Ok(file),
                Kind::Regular | Kind::Executable => {}
            }
        }
        let (inside, path) = (self.has_within(path.as_bytes()), path.to_owned());
        if inside {
            return Err(NoFile::Folder { path });
        }
        Err(NoFile::Missing { path })
    }
}

/// Reads a file of a commit.
pub(super) async fn blob(
    inner: &Inner,
    repository: &Repository,
    entry: &Entry,
    file: &File,
    path: &str,
) -> Result<Vec<u8>, PortError> {
    let limit = inner.config.file_bytes;
    let too_large = || {
        PortError::permanent(format!("{path} in {repository} has more than the {} KiB that are allowed", limit / 1024))
    };
    let size = local(&inner.config, &entry.git_dir)
        .args(&["cat-file", "-s"])
        .operands(Terminator::EndOfOptions, [file.id.as_str()])
        .run()
        .await;
    let size = match size {
        Ok(output) => String::from_utf8_lossy(&output.stdout).trim().parse().unwrap_or(u64::MAX),
        // The server left it out, because it is larger than what was asked for.
        Err(ProcessError::Failed { .. }) => u64::MAX,
        Err(error) => return Err(failure::explain(error, repository, &inner.config)),
    };
    if size > limit {
        return Err(too_large());
    }
    let output = local(&inner.config, &entry.git_dir)
        .args(&["cat-file", "blob"])
        .operands(Terminator::EndOfOptions, [file.id.as_str()])
        .run()
        .await;
    match output {
        Ok(output) => Ok(output.stdout),
        Err(ProcessError::TooMuchOutput { .. }) => Err(too_large()),
        Err(error) => Err(failure::explain(error, repository, &inner.config)),
    }
}

/// Reads when a commit was made.
pub(super) async fn commit_time(inner: &Inner, repository: &Repository, entry: &Entry) -> Result<Timestamp, PortError> {
    let output = local(&inner.config, &entry.git_dir)
        .args(&["cat-file", "commit"])
        .operands(Terminator::EndOfOptions, [entry.commit.as_str()])
        .run()
        .await
        .map_err(|error| failure::explain(error, repository, &inner.config))?;
    committer_time(&output.stdout)
        .ok_or_else(|| PortError::permanent(format!("the commit {} of {repository} has no time", entry.commit)))
}

/// Reads the seconds from the header `committer Name <address> 1518184351 +0100`.
fn committer_time(commit: &[u8]) -> Option<Timestamp> {
    let headers = commit.split(|b| *b == b'\n').take_while(|line| !line.is_empty());
    let line = headers.into_iter().find_map(|line| line.strip_prefix(b"committer "))?;
    let text = String::from_utf8_lossy(line);
    let (_, time) = text.rsplit_once("> ")?;
    let seconds: i64 = time.split(' ').next()?.parse().ok()?;
    Some(Timestamp::from_seconds(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15";

    fn tree() -> Tree {
        let lines = ["100644 blob", "100755 blob", "120000 blob", "160000 commit", "100644 blob", "120000 blob"];
        let paths = ["a.spec", "run", "link", "module", "folder/file", "linked"];
        let text: String = lines.iter().zip(paths).map(|(line, path)| format!("{line} {ID}\t{path}\0")).collect();
        Tree::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn only_regular_files_are_files() {
        let tree = tree();
        assert_eq!(tree.regular("a.spec").unwrap().kind, Kind::Regular);
        assert_eq!(tree.regular("run").unwrap().kind, Kind::Executable);
        assert_eq!(tree.regular("folder/file").unwrap().kind, Kind::Regular);
        assert_eq!(tree.regular("link"), Err(NoFile::Symlink { path: "link".into() }));
        assert_eq!(tree.regular("linked/a.yaml"), Err(NoFile::Symlink { path: "linked".into() }));
        assert_eq!(tree.regular("module/a.yaml"), Err(NoFile::Submodule { path: "module".into() }));
        assert_eq!(tree.regular("folder"), Err(NoFile::Folder { path: "folder".into() }));
        assert_eq!(tree.regular("fold"), Err(NoFile::Missing { path: "fold".into() }));
        assert_eq!(tree.regular("a.spec/x"), Err(NoFile::Missing { path: "a.spec/x".into() }));
    }

    #[test]
    fn a_broken_list_is_refused() {
        assert_eq!(Tree::parse(b""), Some(Tree::default()));
        for broken in ["100644 blob", "100644 blob x\ta", "040000 tree f1d2\ta", "\ta"] {
            assert_eq!(Tree::parse(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn the_committers_time_counts() {
        let commit =
            b"tree x\nauthor A <a@b> 1 +0000\ncommitter > 5 <x> <c@d> 1518184351 +0100\n\ncommitter x <y> 7 +0000\n";
        assert_eq!(committer_time(commit), Some(Timestamp::from_seconds(1_518_184_351)));
        assert_eq!(committer_time(b"tree x\n\ncommitter a <b> 7 +0000\n"), None);
    }
}
