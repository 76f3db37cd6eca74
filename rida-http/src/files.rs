//! How many files and connections the process may have open.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// What is open beside connections: the database, builds, logs that are read, the pipes of programs, and who listens to
/// announcements on fedmsg.
const BESIDE: u64 = 2048;

/// Lets the process open as many files as its connections and everything else may need, as far as it may decide that
/// itself. Many systems begin with 1,024, which as many idle clients would use up: then no build could open a file.
pub(crate) fn make_room(connections: usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(BESIDE);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|current| current >= wanted) {
        return;
    }
    let possible = maximum.map_or(wanted, |maximum| maximum.min(wanted));
    let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum });
    if raised.is_err() || possible < wanted {
        tracing::warn!(
            limit = possible,
            wanted,
            "the process may open too few files for server.max_connections; raise the limit (LimitNOFILE), or set fewer"
        );
    }
}
