//! The six states of a module build, with the codes that the outside world knows.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The state of a module build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BuildState {
    /// Submitted; what it names is being checked.
    Init,
    /// Checked; waiting for a slot.
    Wait,
    /// Being built.
    Build,
    /// Everything is built and the module's metadata is written.
    Done,
    /// Ended without a module; the reason is recorded.
    Failed,
    /// Done and released for use.
    Ready,
}

/// Every [`BuildState`] in the order of its code.
pub const BUILD_STATES: BuildStates = BuildStates([
    BuildState::Init,
    BuildState::Wait,
    BuildState::Build,
    BuildState::Done,
    BuildState::Failed,
    BuildState::Ready,
]);

/// The list of states: iterable in code order, printable, looked up by name or code.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct BuildStates([BuildState; 6]);

/// No state has this name or code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no build state {0:?}; the states are {BUILD_STATES}")]
pub struct UnknownState(String);

impl BuildState {
    /// Returns the name that the API and the bus use, such as `init`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Wait => "wait",
            Self::Build => "build",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Ready => "ready",
        }
    }

    /// Returns the code that rows and peers use.
    pub const fn code(self) -> u8 {
        match self {
            Self::Init => 0,
            Self::Wait => 1,
            Self::Build => 2,
            Self::Done => 3,
            Self::Failed => 4,
            Self::Ready => 5,
        }
    }

    /// Returns the states that may follow this one.
    pub const fn successors(self) -> &'static [BuildState] {
        match self {
            Self::Init => &[Self::Wait, Self::Failed],
            Self::Wait => &[Self::Build, Self::Failed],
            Self::Build => &[Self::Done, Self::Failed],
            Self::Done => &[Self::Ready],
            Self::Failed => &[Self::Init, Self::Wait],
            Self::Ready => &[],
        }
    }

    /// Tells whether a build may go from this state to `next`.
    pub fn may_become(self, next: BuildState) -> bool {
        self.successors().contains(&next)
    }

    /// Tells whether the orchestrator has work left to do for a build in this state.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Init | Self::Wait | Self::Build)
    }
}

impl fmt::Display for BuildState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for BuildState {
    type Err = UnknownState;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        BUILD_STATES.by_name(name).ok_or_else(|| UnknownState(name.chars().take(40).collect()))
    }
}

impl TryFrom<i64> for BuildState {
    type Error = UnknownState;

    fn try_from(code: i64) -> Result<Self, Self::Error> {
        BUILD_STATES.by_code(code).ok_or_else(|| UnknownState(code.to_string()))
    }
}

impl BuildStates {
    /// Iterates over the states in code order.
    pub fn iter(&self) -> std::slice::Iter<'_, BuildState> {
        self.0.iter()
    }

    /// Looks a state up by its exact name.
    pub fn by_name(&self, name: &str) -> Option<BuildState> {
        self.iter().copied().find(|state| state.name() == name)
    }

    /// Looks a state up by its code.
    pub fn by_code(&self, code: i64) -> Option<BuildState> {
        self.iter().copied().find(|state| i64::from(state.code()) == code)
    }

    /// Returns how many states there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Tells whether the list is empty, which it never is.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IntoIterator for BuildStates {
    type Item = BuildState;
    type IntoIter = std::array::IntoIter<BuildState, 6>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a BuildStates {
    type Item = &'a BuildState;
    type IntoIter = std::slice::Iter<'a, BuildState>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl std::ops::Index<&str> for BuildStates {
    type Output = BuildState;

    /// # Panics
    /// When no state has that name; [`BuildStates::by_name`] does not panic.
    fn index(&self, name: &str) -> &BuildState {
        match self.iter().find(|state| state.name() == name) {
            Some(state) => state,
            None => panic!("there is no build state {name:?}"),
        }
    }
}

impl fmt::Display for BuildStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, state) in self.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{state} {}", state.code())?;
        }
        Ok(())
    }
}

impl fmt::Debug for BuildStates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|state| (state.name(), state.code()))).finish()
    }
}

#[cfg(test)]
mod tests;
