//! What names a commit: a hash, or a branch or tag.

use crate::id::text_newtype;

text_newtype!(
    /// The full hash of a git commit.
    CommitHash,
    "commit",
    "40 or 64 hexadecimal digits in lower case",
    |text| matches!(text.len(), 40 | 64) && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
);

text_newtype!(
    /// A ref of a git repository: a commit's hash, whole or shortened, or the name of a branch or tag.
    GitRef,
    "git ref",
    "letters, digits and . _ + / -, as `git check-ref-format` allows, at most 256",
    is_git_ref
);

impl GitRef {
    /// Returns the commit when the ref is a full hash.
    pub fn commit(&self) -> Option<CommitHash> {
        CommitHash::new(self.as_str()).ok()
    }
}

impl From<CommitHash> for GitRef {
    fn from(commit: CommitHash) -> Self {
        // A hash is letters and digits, which every ref may hold.
        Self::new(commit.as_str()).expect("a commit hash is a good ref")
    }
}

/// Allows less than git: nothing that could be an option, a path out of the repository, or revision syntax.
fn is_git_ref(text: &str) -> bool {
    let good_part = |part: &str| {
        !part.is_empty() && !part.starts_with(['.', '-']) && !part.ends_with(".lock") && !part.ends_with('.')
    };
    text.len() <= 256
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+/-".contains(&b))
        && !text.contains("..")
        && text.split('/').all(good_part)
}
