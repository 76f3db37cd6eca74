//! What is promised of each route: who may call it, within which limits, and with what it answers.

use super::Endpoint;

/// What is promised of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct About {
    /// What a request does, in words.
    pub does: &'static str,
    /// Who may send it.
    pub caller: Caller,
    /// The limits that it has beside those of every request, with the settings that change them in backticks.
    pub limits: &'static str,
    /// Every status that it answers with.
    pub statuses: &'static [u16],
}

/// Who may send a request, once there are users to tell apart. Until then it is whoever reaches the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// Everybody.
    Anybody,
    /// Who may submit modules.
    Packager,
    /// Who submitted the build, or an administrator.
    OwnerOrAdministrator,
    /// Who watches the service.
    Operator,
}

impl Caller {
    /// Returns the name in words.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Anybody => "anybody",
            Self::Packager => "packagers",
            Self::OwnerOrAdministrator => "the build's owner, administrators",
            Self::Operator => "operators",
        }
    }
}

impl Endpoint {
    /// Returns what is promised of the route.
    pub const fn about(self) -> About {
        match self {
            Self::ListBuilds => About {
                does: "lists builds",
                caller: Caller::Anybody,
                limits: "`per_page` at most 1000, and 100 of whole builds with their documents; a whole list is sent in \
                         pieces of 500 builds, to a client that reads within `server.write_timeout`",
                statuses: &[200, 400, 500, 503],
            },
            Self::SubmitBuild => About {
                does: "submits a module",
                caller: Caller::Packager,
                limits: "`server.max_body`, `server.max_submission`, `server.body_timeout`, `limits.queue`; the answer waits for \
                         `server.submit_wait`, git has `git.answer_within` and `git.fetch_within`",
                statuses: &[201, 400, 403, 409, 422, 500, 503],
            },
            Self::ShowBuild => About {
                does: "shows a build",
                caller: Caller::Anybody,
                limits: "",
                statuses: &[200, 400, 404, 500, 503],
            },
            Self::ChangeBuild => About {
                does: "cancels a build or releases it",
                caller: Caller::OwnerOrAdministrator,
                limits: "`server.max_body`, `server.body_timeout`",
                statuses: &[200, 400, 403, 404, 500, 503],
            },
            Self::ReadLog => About {
                does: "reads or follows the log of a component",
                caller: Caller::Anybody,
                limits: "sent in pieces of 64 KiB, to a client that reads within `server.write_timeout`; at most \
                         `server.max_followers` at once are followed",
                statuses: &[200, 400, 404, 500, 503],
            },
            Self::ReadModulemd => About {
                does: "tells a finished module's document for each architecture",
                caller: Caller::Anybody,
                limits: "the build system is asked with each request",
                statuses: &[200, 400, 404, 500, 503],
            },
            Self::ListStrategies => About {
                does: "tells how much of a module may be built again",
                caller: Caller::Anybody,
                limits: "asks nobody else",
                statuses: &[200, 400, 500],
            },
            Self::ReadMessages => About {
                does: "tells what happened to a build or a component",
                caller: Caller::Anybody,
                limits: "`per_page` at most 1000",
                statuses: &[200, 400, 404, 500, 503],
            },
            Self::ListComponents => About {
                does: "lists components",
                caller: Caller::Anybody,
                limits: "`per_page` at most 1000",
                statuses: &[200, 400, 500, 503],
            },
            Self::ShowComponent => About {
                does: "shows a component",
                caller: Caller::Anybody,
                limits: "",
                statuses: &[200, 400, 404, 500, 503],
            },
            Self::Introduce => About {
                does: "tells the version of the interface",
                caller: Caller::Anybody,
                limits: "asks nobody else",
                statuses: &[200, 400, 500],
            },
            Self::Health => About {
                does: "tells that the process lives",
                caller: Caller::Anybody,
                limits: "asks nobody else",
                statuses: &[200, 400, 500],
            },
            Self::Readiness => About {
                does: "tells whether work is taken",
                caller: Caller::Anybody,
                limits: "the database has 2 s to answer",
                statuses: &[200, 400, 500, 503],
            },
            Self::Metrics => About {
                does: "tells what was counted",
                caller: Caller::Operator,
                limits: "the database is asked once a second at most, and has 2 s to answer",
                statuses: &[200, 400, 500],
            },
        }
    }
}
