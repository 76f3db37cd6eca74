//! The shapes of the hub's answers. What a shape does not name is kept beside it.

use std::collections::BTreeMap;

use crate::xmlrpc::{Shape, Struct, Value};

/// A user of the hub.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// The number.
    pub id: i64,
    /// The name.
    pub name: String,
    /// All else.
    pub rest: Struct,
}

/// A task.
#[derive(Clone, Debug, PartialEq)]
pub struct Task {
    /// The number.
    pub id: i64,
    /// What it does, such as `build`.
    pub method: String,
    /// How far it is.
    pub state: TaskState,
    /// The architecture that it runs for.
    pub arch: Option<String>,
    /// When it was made, in seconds.
    pub created: Option<f64>,
    /// The task that it is a part of.
    pub parent: Option<i64>,
    /// What it was asked for, when that was asked for.
    pub request: Value,
    /// All else.
    pub rest: Struct,
}

/// What is in a tag, in RPM's form.
#[derive(Clone, Debug, PartialEq)]
pub struct TaggedRpms {
    /// The packages.
    pub rpms: Vec<Rpm>,
    /// The name of each build that they belong to, by its number.
    pub builds: BTreeMap<i64, String>,
}

/// How far a task is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TaskState {
    /// Waits for a builder.
    Free,
    /// Runs.
    Open,
    /// Ended well.
    Closed,
    /// Was cancelled.
    Canceled,
    /// A builder has taken it, and has not begun.
    Assigned,
    /// Failed.
    Failed,
}

/// A tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// The number.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The architectures.
    pub arches: Vec<String>,
    /// The permission that is needed to change it.
    pub permission: Option<String>,
    /// Nobody may change it.
    pub locked: bool,
    /// Its settings.
    pub extra: Struct,
    /// All else.
    pub rest: Struct,
}

/// A target: what builds are made with, and where they go.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// The number.
    pub id: i64,
    /// The name.
    pub name: String,
    /// The tag that is built with.
    pub build_tag: String,
    /// The tag that builds go to.
    pub dest_tag: String,
    /// All else.
    pub rest: Struct,
}

/// A build.
#[derive(Clone, Debug, PartialEq)]
pub struct Build {
    /// The number.
    pub id: i64,
    /// Name, version and release.
    pub nvr: String,
    /// How far it is.
    pub state: BuildState,
    /// The task that made it; imported ones have none.
    pub task: Option<i64>,
    /// The event that it was tagged by, in lists of a tag.
    pub tagged_by: Option<i64>,
    /// All else.
    pub rest: Struct,
}

/// How far a build is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildState {
    /// It is being made.
    Building,
    /// It is there.
    Complete,
    /// It was there.
    Deleted,
    /// It could not be made.
    Failed,
    /// Somebody ended it.
    Canceled,
}

/// A repository of a tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Repository {
    /// The number.
    pub id: i64,
    /// How far it is: 1 is ready.
    pub state: i64,
    /// The event whose contents it has.
    pub event: i64,
    /// All else.
    pub rest: Struct,
}

/// A package in RPM's form.
#[derive(Clone, Debug, PartialEq)]
pub struct Rpm {
    /// The number.
    pub id: i64,
    /// The number of the build that it belongs to.
    pub build: i64,
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The release.
    pub release: String,
    /// The epoch.
    pub epoch: Option<i64>,
    /// The architecture; `src` for sources.
    pub arch: String,
    /// The digest of its payload.
    pub payload_hash: Option<String>,
    /// All else.
    pub rest: Struct,
}

impl TaskState {
    /// Returns the state with a number.
    pub const fn from_code(code: i64) -> Option<Self> {
        Some(match code {
            0 => Self::Free,
            1 => Self::Open,
            2 => Self::Closed,
            3 => Self::Canceled,
            4 => Self::Assigned,
            5 => Self::Failed,
            _ => return None,
        })
    }

    /// Tells whether it has not ended.
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Free | Self::Open | Self::Assigned)
    }
}

impl BuildState {
    const fn from_code(code: i64) -> Option<Self> {
        Some(match code {
            0 => Self::Building,
            1 => Self::Complete,
            2 => Self::Deleted,
            3 => Self::Failed,
            4 => Self::Canceled,
            _ => return None,
        })
    }
}

impl User {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it is no user.
    pub fn from_value(value: Value) -> Result<Self, Shape> {
        let mut fields = value.fields("user")?;
        Ok(Self { id: fields.int("id")?, name: fields.text("name")?, rest: fields.rest() })
    }
}

impl Task {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it is no task.
    pub fn from_value(value: Value) -> Result<Self, Shape> {
        let mut fields = value.fields("task")?;
        let state = fields.int("state")?;
        Ok(Self {
            id: fields.int("id")?,
            method: fields.text("method")?,
            state: TaskState::from_code(state).ok_or_else(|| Value::Int(state).shape("task.state", "a state"))?,
            arch: fields.maybe_text("arch")?,
            created: fields.maybe_double("create_ts")?,
            parent: fields.maybe_int("parent")?,
            request: fields.take("request"),
            rest: fields.rest(),
        })
    }
}

impl Tag {
    /// Reads an answer; absent when there is no such tag.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_value(value: Value) -> Result<Option<Self>, Shape> {
        if value.is_nil() {
            return Ok(None);
        }
        let mut fields = value.fields("tag")?;
        let arches = fields.maybe_text("arches")?.unwrap_or_default();
        Ok(Some(Self {
            id: fields.int("id")?,
            name: fields.text("name")?,
            arches: arches.split_whitespace().map(str::to_owned).collect(),
            permission: fields.maybe_text("perm")?,
            locked: fields.flag("locked")?,
            extra: match fields.take("extra") {
                Value::Struct(extra) => extra,
                Value::Nil => Struct::new(),
                other => return Err(other.shape("tag.extra", "a struct")),
            },
            rest: fields.rest(),
        }))
    }
}

impl Target {
    /// Reads an answer; absent when there is no such target.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_value(value: Value) -> Result<Option<Self>, Shape> {
        if value.is_nil() {
            return Ok(None);
        }
        let mut fields = value.fields("target")?;
        Ok(Some(Self {
            id: fields.int("id")?,
            name: fields.text("name")?,
            build_tag: fields.text("build_tag_name")?,
            dest_tag: fields.text("dest_tag_name")?,
            rest: fields.rest(),
        }))
    }
}

impl Build {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it is no build.
    pub fn from_value(value: Value) -> Result<Self, Shape> {
        let mut fields = value.fields("build")?;
        let id = match fields.maybe_int("build_id")? {
            Some(id) => id,
            None => fields.int("id")?,
        };
        let nvr = match fields.maybe_text("nvr")? {
            Some(nvr) => nvr,
            None => format!("{}-{}-{}", fields.text("name")?, fields.text("version")?, fields.text("release")?),
        };
        // Lists of untagged builds leave it out: they are complete.
        let state = fields.maybe_int("state")?.unwrap_or(1);
        Ok(Self {
            id,
            nvr,
            state: BuildState::from_code(state).ok_or_else(|| Value::Int(state).shape("build.state", "a state"))?,
            task: fields.maybe_int("task_id")?,
            tagged_by: fields.maybe_int("create_event")?,
            rest: fields.rest(),
        })
    }
}

impl Repository {
    /// The state of one that can be used.
    pub const READY: i64 = 1;

    /// Reads an answer; absent when there is none.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_value(value: Value) -> Result<Option<Self>, Shape> {
        if value.is_nil() {
            return Ok(None);
        }
        let mut fields = value.fields("repository")?;
        Ok(Some(Self {
            id: fields.int("id")?,
            state: fields.int("state")?,
            event: fields.int("create_event")?,
            rest: fields.rest(),
        }))
    }
}

impl Rpm {
    /// Reads an answer.
    ///
    /// # Errors
    /// When it is no package.
    pub fn from_value(value: Value) -> Result<Self, Shape> {
        let mut fields = value.fields("rpm")?;
        Ok(Self {
            id: fields.int("id")?,
            build: fields.int("build_id")?,
            name: fields.text("name")?,
            version: fields.text("version")?,
            release: fields.text("release")?,
            epoch: fields.maybe_int("epoch")?,
            arch: fields.text("arch")?,
            payload_hash: fields.maybe_text("payloadhash")?,
            rest: fields.rest(),
        })
    }
}

impl TaggedRpms {
    /// Reads an answer: two lists, of packages and of builds.
    ///
    /// # Errors
    /// When it is something else.
    pub fn from_value(value: Value) -> Result<Self, Shape> {
        let mut lists = value.array("listTaggedRPMS")?.into_iter();
        let mut next = |name: &'static str| lists.next().unwrap_or(Value::Nil).array(name);
        let rpms = next("rpms")?.into_iter().map(Rpm::from_value).collect::<Result<_, _>>()?;
        let builds = next("builds")?.into_iter().map(|build| {
            let mut fields = build.fields("build")?;
            Ok((fields.int("build_id")?, fields.text("name")?))
        });
        Ok(Self { rpms, builds: builds.collect::<Result<_, _>>()? })
    }

    /// Returns the name of the build that a package belongs to.
    pub fn build_of(&self, rpm: &Rpm) -> Option<&str> {
        self.builds.get(&rpm.build).map(String::as_str)
    }
}
