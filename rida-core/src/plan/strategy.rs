//! How much of a module is built again when only some of it changed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How much of a module is built again when only some of it changed, named as the Module Build Service does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RebuildStrategy {
    /// All of it. So were modules built before there was a choice.
    #[default]
    All,
    /// What changed, and all that is built after it.
    ChangedAndAfter,
    /// What changed.
    OnlyChanged,
}

/// No strategy has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no rebuild strategy {0:?}; they are all, changed-and-after and only-changed")]
pub struct UnknownStrategy(String);

impl RebuildStrategy {
    /// Every strategy, by name.
    pub const ALL: [Self; 3] = [Self::All, Self::ChangedAndAfter, Self::OnlyChanged];

    /// Returns the name, such as `changed-and-after`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::All => "all",
            Self::ChangedAndAfter => "changed-and-after",
            Self::OnlyChanged => "only-changed",
        }
    }

    /// Returns the strategies by which an earlier build must have been built to be taken over from. What was built with
    /// `only-changed` may have been built against something else than what is beside it now.
    pub const fn donors(self) -> &'static [Self] {
        match self {
            Self::All => &[],
            Self::ChangedAndAfter => &[Self::All, Self::ChangedAndAfter],
            Self::OnlyChanged => &Self::ALL,
        }
    }
}

impl fmt::Display for RebuildStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for RebuildStrategy {
    type Err = UnknownStrategy;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let named = Self::ALL.into_iter().find(|strategy| strategy.name() == name);
        named.ok_or_else(|| UnknownStrategy(name.chars().take(40).collect()))
    }
}
