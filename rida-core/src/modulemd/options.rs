//! How much a document may hold, and how it is read.

/// What is read of a text before it is refused. All limits hold as the text is read, not after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the text.
    pub bytes: usize,
    /// How deep mappings and lists are nested.
    pub depth: usize,
    /// Keys, values and list items together.
    pub nodes: usize,
}

impl Default for Limits {
    /// 1 MiB, 64 levels, 100,000 nodes: ten times the largest documents that distributions publish.
    fn default() -> Self {
        Self { bytes: 1 << 20, depth: 64, nodes: 100_000 }
    }
}

/// How a document is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Options {
    /// What is read before the text is refused.
    pub limits: Limits,
    /// Unknown keys are problems instead of warnings.
    pub strict: bool,
    /// A build order of 2^64-1 is -1: some documents of RHEL 8 have it, and libmodulemd has the same option when it is
    /// compiled.
    pub overflowed_buildorder: bool,
}
