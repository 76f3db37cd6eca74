//! What is told of each call, for metrics.

use std::time::Duration;

use crate::error::KojiErrorKind;

/// How a call ended.
#[derive(Clone, Copy, Debug)]
pub struct CallReport<'a> {
    /// The method; `multiCall` for several in one, `upload` for a piece of a file, `login` or `sslLogin` for a login,
    /// which is told by itself and as a part of the call that needed it.
    pub method: &'a str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took, with all tries and pauses.
    pub took: Duration,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// With its result.
    Done,
    /// With an error.
    Failed(KojiErrorKind),
}

impl Outcome {
    /// Returns the word for it, as the label of a metric.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Failed(kind) => match kind {
                KojiErrorKind::Offline => "offline",
                KojiErrorKind::Unreachable => "unreachable",
                KojiErrorKind::Lost => "lost",
                KojiErrorKind::Committed => "committed",
                KojiErrorKind::Refused => "refused",
                KojiErrorKind::NotTheHub => "not_the_hub",
                KojiErrorKind::HubFailed => "hub_failed",
                KojiErrorKind::Login => "login",
                KojiErrorKind::Invalid => "invalid",
                KojiErrorKind::Settings => "settings",
            },
        }
    }
}
