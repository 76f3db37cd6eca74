//! What the hub has records of: tasks, builds, users, sessions, tags, targets and repositories.

use std::collections::{BTreeMap, BTreeSet};

use crate::wire::TaskState;
use crate::xmlrpc::{Answer, Struct, Value};

/// A task, as tests look at it.
#[derive(Clone, Debug)]
pub struct HubTask {
    /// The number.
    pub id: i64,
    /// What it does.
    pub method: String,
    /// How far it is.
    pub state: TaskState,
    /// What it was asked for.
    pub request: Vec<Value>,
    pub(super) owner: i64,
    pub(super) parent: Option<i64>,
    pub(super) label: Option<String>,
    pub(super) arch: String,
    pub(super) host: Option<i64>,
    pub(super) priority: i64,
    pub(super) created: f64,
    pub(super) started: Option<f64>,
    pub(super) ended: Option<f64>,
    /// When something happens to it next.
    pub(super) due: f64,
    /// The build, or repository, that it makes.
    pub(super) makes: Option<i64>,
    pub(super) result: Option<Answer>,
}

impl HubTask {
    /// Returns when it was asked for and when it ended, in seconds.
    pub fn during(&self) -> (f64, Option<f64>) {
        (self.created, self.ended)
    }
}

/// A build, as tests look at it.
#[derive(Clone, Debug)]
pub struct HubBuild {
    /// The number.
    pub id: i64,
    /// The package.
    pub name: String,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
    /// How far it is: 0 building, 1 complete, 2 deleted, 3 failed, 4 cancelled.
    pub state: i64,
    /// The task that made it.
    pub task: Option<i64>,
    /// What is known of it besides.
    pub extra: Struct,
    pub(super) owner: i64,
    pub(super) source: Option<String>,
    pub(super) created: f64,
    pub(super) ended: Option<f64>,
}

impl HubBuild {
    /// Returns name, version and release.
    pub fn nvr(&self) -> String {
        format!("{}-{}-{}", self.name, self.version, self.release)
    }

    /// Says that there is such a build already, with all that is known of it, as the hub does.
    pub(super) fn exists(&self, state: &str) -> String {
        let Self { id, name, version, release, owner, .. } = self;
        format!(
            "Build already exists (id={id}, state={state}): {{'name': '{name}', 'version': '{version}', 'release': \
             '{release}', 'epoch': None, 'owner': {owner}, 'extra': None}}"
        )
    }
}

pub(super) struct User {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) password: String,
    pub(super) permissions: BTreeSet<String>,
    pub(super) blocked: bool,
    pub(super) principals: BTreeSet<String>,
}

pub(super) struct Session {
    pub(super) key: String,
    pub(super) user: i64,
    pub(super) callnum: Option<i64>,
    pub(super) started: f64,
    pub(super) expired: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Tag {
    pub(super) id: i64,
    pub(super) name: String,
    pub(super) arches: String,
    pub(super) permission: Option<String>,
    pub(super) locked: bool,
    pub(super) extra: Struct,
    pub(super) parents: Vec<Struct>,
    /// The addresses of external repositories.
    pub(super) external: Vec<String>,
    pub(super) groups: BTreeMap<String, BTreeSet<String>>,
    /// Each package with its owner, and whether it is blocked.
    pub(super) packages: BTreeMap<String, (i64, bool)>,
    /// Builds with the event that each was tagged by, oldest first.
    pub(super) builds: Vec<(i64, i64)>,
    pub(super) changed: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) id: i64,
    pub(super) build_tag: i64,
    pub(super) dest_tag: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Rpm {
    pub(super) id: i64,
    pub(super) build: i64,
    pub(super) name: String,
    pub(super) arch: String,
}

#[derive(Clone, Debug)]
pub(super) struct Repo {
    pub(super) id: i64,
    pub(super) tag: i64,
    pub(super) event: i64,
    pub(super) state: i64,
    pub(super) task: Option<i64>,
    pub(super) created: f64,
    /// The builds that it has.
    pub(super) contents: Vec<i64>,
}

#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) id: i64,
    pub(super) tag: i64,
    pub(super) min_event: i64,
    pub(super) owner: i64,
    pub(super) active: bool,
    pub(super) tries: i64,
    pub(super) task: Option<i64>,
    pub(super) repo: Option<i64>,
}
