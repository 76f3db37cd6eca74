//! What the hub knows.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;

use super::messages::HubMessage;
use super::records::{HubBuild, HubTask, Repo, Request, Rpm, Session, Tag, Target, User};
use super::trouble::{Trouble, When};
use crate::xmlrpc::{Struct, Value};

/// How a hub of some version behaves.
#[derive(Clone, Debug)]
pub struct Dialect {
    /// The version that it tells.
    pub version: String,
    /// The headers that it reads the number of a call from, in this order.
    pub callnum_headers: Vec<String>,
    /// It has a queue of repositories.
    pub repository_queue: bool,
    /// `newRepo` can be called.
    pub new_repo: bool,
    /// Sessions are taken from headers.
    pub header_auth: bool,
    /// How many seconds later a time is taken for that is told as a number: hubs up to 1.34 write it in their zone, and
    /// their database reads it in its own.
    pub numbers_of_times_are_off: f64,
}

impl Dialect {
    /// A hub of 1.35.3.
    pub fn released() -> Self {
        Self {
            version: "1.35.3".to_owned(),
            callnum_headers: vec!["koji-callnum".to_owned()],
            repository_queue: true,
            new_repo: true,
            header_auth: true,
            numbers_of_times_are_off: 0.0,
        }
    }

    /// A hub of 1.36.
    pub fn next() -> Self {
        let headers = ["koji-session-callnum", "koji-callnum"];
        Self { version: "1.36.0".to_owned(), callnum_headers: headers.map(str::to_owned).to_vec(), ..Self::released() }
    }

    /// A hub of before the queue of repositories, and of before sessions in headers.
    pub fn old() -> Self {
        let (repository_queue, header_auth, numbers_of_times_are_off) = (false, false, 5.0 * 3600.0);
        let version = "1.30.1".to_owned();
        Self { version, repository_queue, header_auth, numbers_of_times_are_off, ..Self::released() }
    }
}

/// How the builds of a package go.
#[derive(Clone, Debug, PartialEq)]
pub enum Course {
    /// They take this many seconds and succeed.
    Succeeds(f64),
    /// They take this many seconds and fail.
    Fails(f64),
    /// They fail before the hub has a record of the build.
    FailsEarly,
    /// They never end by themselves.
    Hangs,
}

/// What the hub knows, and what is to go wrong.
pub struct World {
    /// How it behaves.
    pub dialect: Dialect,
    /// How the builds of each package go; others succeed after a minute.
    pub courses: BTreeMap<String, Course>,
    /// The hub says that it is offline.
    pub offline: bool,
    /// The Kerberos realms that principals may be of; absent means all.
    pub allowed_realms: Option<Vec<String>>,
    /// What policies answer, by name, such as `deny packages come from git`; what is not named here is allowed.
    pub policies: BTreeMap<String, String>,
    /// How many of the next repositories fail.
    pub failing_repositories: u32,
    /// How long a task waits for a builder, in seconds: half of it until it is given to one, half until that takes it.
    pub wait_for_builder: f64,
    /// How long after its packages are there, and that was told, a task ends, in seconds.
    pub until_closed: f64,
    /// What fails does so while its root is made, so that `root.log` alone tells why.
    pub breaking_roots: bool,
    /// How long a repository takes, in seconds.
    pub repository_time: f64,
    /// The names of the packages that builds of a package make, beside those that are named as it.
    pub more_packages: BTreeMap<String, Vec<String>>,
    /// The names of packages that are for every architecture, and made once.
    pub noarch: BTreeSet<String>,
    /// What headers of packages of a name say; of others the licence is `MIT`, and lists are empty.
    pub headers: BTreeMap<(String, &'static str), Value>,
    /// What all calls cost: processor time of a hub of Koji 1.35 and its database.
    pub hub_time: Duration,
    /// How often a build found no repository and had to wait for one.
    pub waits_for_repository: u32,
    /// Every call, with the user who made it: the name of the method, or `multiCall(…)` with those in it.
    pub calls: Vec<String>,
    /// The calls that something went wrong with on purpose: the method, with those in it.
    pub troubled: Vec<String>,
    pub(super) messages: Vec<HubMessage>,
    pub(super) messages_sent: u64,
    pub(super) troubles: VecDeque<(When, Trouble)>,
    pub(super) call_number: u64,
    pub(super) users: Vec<User>,
    pub(super) sessions: BTreeMap<i64, Session>,
    pub(super) tags: BTreeMap<i64, Tag>,
    pub(super) targets: BTreeMap<String, Target>,
    pub(super) tasks: BTreeMap<i64, HubTask>,
    pub(super) builds: BTreeMap<i64, HubBuild>,
    pub(super) rpms: BTreeMap<i64, Rpm>,
    pub(super) repos: BTreeMap<i64, Repo>,
    pub(super) requests: BTreeMap<i64, Request>,
    pub(super) known_packages: BTreeSet<String>,
    pub(super) uploads: BTreeMap<String, (i64, Bytes)>,
    /// What was imported, as it was told.
    pub(super) imported: BTreeMap<i64, Value>,
    pub(super) generators: BTreeSet<(String, i64)>,
    pub(super) events: Vec<f64>,
    last_id: i64,
    began: (Instant, f64),
    moved: f64,
}

impl World {
    pub(super) fn new() -> Self {
        let at = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let mut world = Self {
            dialect: Dialect::released(),
            courses: BTreeMap::new(),
            offline: false,
            allowed_realms: None,
            policies: BTreeMap::new(),
            failing_repositories: 0,
            wait_for_builder: 2.0,
            until_closed: 1.0,
            breaking_roots: false,
            repository_time: 30.0,
            more_packages: BTreeMap::new(),
            noarch: BTreeSet::new(),
            headers: BTreeMap::new(),
            hub_time: Duration::ZERO,
            waits_for_repository: 0,
            calls: Vec::new(),
            troubled: Vec::new(),
            messages: Vec::new(),
            messages_sent: 0,
            troubles: VecDeque::new(),
            call_number: 0,
            users: Vec::new(),
            sessions: BTreeMap::new(),
            tags: BTreeMap::new(),
            targets: BTreeMap::new(),
            tasks: BTreeMap::new(),
            builds: BTreeMap::new(),
            rpms: BTreeMap::new(),
            repos: BTreeMap::new(),
            requests: BTreeMap::new(),
            known_packages: BTreeSet::new(),
            uploads: BTreeMap::new(),
            imported: BTreeMap::new(),
            generators: BTreeSet::new(),
            events: vec![at],
            last_id: 0,
            began: (Instant::now(), at),
            moved: 0.0,
        };
        world.add_user("admin", "secret", &["admin"]);
        let rida = world.add_user("rida", "secret", &["repo", "tag", "target"]);
        world.add_user("plain", "secret", &[]);
        world.generators.insert(("module-build-service".to_owned(), rida));
        let platform = world.add_tag("platform-build", "x86_64");
        world.add_tag("modular-candidate", "");
        world.packages_of(platform);
        world.add_repository(platform);
        world.add_user("kojira", "secret", &["repo"]);
        world
    }

    fn packages_of(&mut self, tag: i64) {
        let groups = ["build", "srpm-build"].map(|group| (group.to_owned(), BTreeSet::from(["bash".to_owned()])));
        if let Some(tag) = self.tags.get_mut(&tag) {
            tag.groups.extend(groups);
        }
    }

    /// Adds a user and returns the number.
    pub fn add_user(&mut self, name: &str, password: &str, permissions: &[&str]) -> i64 {
        let id = self.new_id();
        let permissions = permissions.iter().map(|permission| (*permission).to_owned()).collect();
        let (name, password, principals) = (name.to_owned(), password.to_owned(), BTreeSet::new());
        self.users.push(User { id, name, password, permissions, blocked: false, principals });
        id
    }

    /// Gives a user another set of permissions.
    pub fn set_permissions(&mut self, name: &str, permissions: &[&str]) {
        if let Some(user) = self.users.iter_mut().find(|user| user.name == name) {
            user.permissions = permissions.iter().map(|permission| (*permission).to_owned()).collect();
        }
    }

    /// Makes a Kerberos principal one of a user's.
    pub fn add_principal(&mut self, name: &str, principal: &str) {
        if let Some(user) = self.users.iter_mut().find(|user| user.name == name) {
            user.principals.insert(principal.to_owned());
        }
    }

    /// Takes the right to import from a user.
    pub fn forbid_import(&mut self, name: &str) {
        let id = self.users.iter().find(|user| user.name == name).map(|user| user.id);
        self.generators.retain(|(_, user)| Some(*user) != id);
    }

    /// Adds a tag and returns the number.
    pub fn add_tag(&mut self, name: &str, arches: &str) -> i64 {
        let id = self.new_id();
        let changed = self.new_event();
        let tag = Tag { id, name: name.to_owned(), arches: arches.to_owned(), changed, ..Tag::default() };
        self.tags.insert(id, tag);
        id
    }

    /// Takes a tag away.
    pub fn remove_tag(&mut self, name: &str) {
        self.tags.retain(|_, tag| tag.name != name);
    }

    /// Adds a build that nothing in the tests made.
    pub fn add_build(&mut self, name: &str, version: &str, release: &str, state: i64) -> i64 {
        let (id, created) = (self.new_id(), self.now());
        let [name, version, release] = [name, version, release].map(str::to_owned);
        let (extra, owner, ended) = (Struct::new(), 0, None);
        let build =
            HubBuild { id, name, version, release, state, task: None, extra, owner, source: None, created, ended };
        self.builds.insert(id, build);
        id
    }

    /// Deletes a build, as Koji does with what is in no tag for long.
    pub fn delete_build(&mut self, nvr: &str) {
        for build in self.builds.values_mut().filter(|build| build.nvr() == nvr) {
            build.state = 2;
        }
    }

    /// Returns the names of the tags that a tag inherits from directly.
    pub fn parents(&self, tag: &str) -> Vec<String> {
        let tag = self.tags.values().find(|known| known.name == tag);
        let links = tag.into_iter().flat_map(|tag| &tag.parents);
        let ids = links.filter_map(|link| link.get("parent_id").and_then(|id| id.int("parent_id").ok()));
        ids.filter_map(|id| self.tags.get(&id)).map(|parent| parent.name.clone()).collect()
    }

    /// Returns the permission that is needed to change a tag.
    pub fn needed_permission(&self, tag: &str) -> Option<&str> {
        self.tags.values().find(|known| known.name == tag).and_then(|tag| tag.permission.as_deref())
    }

    /// Returns whose the packages of a tag's list are.
    pub fn package_owners(&self, tag: &str) -> BTreeMap<&str, &str> {
        let listed = self.tags.values().find(|known| known.name == tag).into_iter().flat_map(|tag| &tag.packages);
        let name = |id: i64| self.users.iter().find(|user| user.id == id).map(|user| user.name.as_str());
        listed.filter_map(|(package, (owner, _))| Some((package.as_str(), name(*owner)?))).collect()
    }

    /// Returns a tag's architectures.
    pub fn arches(&self, tag: &str) -> String {
        self.tags.values().find(|known| known.name == tag).map(|tag| tag.arches.clone()).unwrap_or_default()
    }

    /// Cuts a file in the work area off.
    pub fn cut_upload(&mut self, path: &str, length: usize) {
        if let Some((_, content)) = self.uploads.get_mut(path) {
            content.truncate(length);
        }
    }

    /// Locks a tag, so that nobody changes what is in it.
    pub fn lock_tag(&mut self, name: &str) {
        if let Some(tag) = self.tags.values_mut().find(|tag| tag.name == name) {
            tag.locked = true;
        }
    }

    /// Gives a tag other architectures.
    pub fn set_arches(&mut self, tag: &str, arches: &str) {
        if let Some(tag) = self.tags.values_mut().find(|known| known.name == tag) {
            arches.clone_into(&mut tag.arches);
        }
    }

    /// Gives a tag a setting.
    pub fn set_setting(&mut self, tag: &str, name: &str, value: Value) {
        if let Some(tag) = self.tags.values_mut().find(|known| known.name == tag) {
            tag.extra.insert(name.to_owned(), value);
        }
    }

    /// Puts a package into a tag's list.
    pub fn list_package(&mut self, tag: &str, package: &str, blocked: bool) {
        self.known_packages.insert(package.to_owned());
        if let Some(tag) = self.tags.values_mut().find(|known| known.name == tag) {
            tag.packages.insert(package.to_owned(), (1, blocked));
        }
    }

    /// Tells whether a package is blocked in a tag, by the tag itself or by what it inherits from.
    pub fn is_blocked(&self, tag: &str, package: &str) -> bool {
        let tag = self.tags.values().find(|known| known.name == tag);
        tag.and_then(|tag| self.listed(tag.id, package)).is_some_and(|(_, _, blocked)| blocked)
    }

    /// Returns what is in a group of a tag.
    pub fn group(&self, tag: &str, group: &str) -> BTreeSet<String> {
        let tag = self.tags.values().find(|known| known.name == tag);
        tag.and_then(|tag| tag.groups.get(group)).cloned().unwrap_or_default()
    }

    /// Takes a group away from a tag.
    pub fn remove_group(&mut self, tag: &str, group: &str) {
        if let Some(tag) = self.tags.values_mut().find(|known| known.name == tag) {
            tag.groups.remove(group);
        }
    }

    /// Gives a tag an external repository.
    pub fn add_external_repo(&mut self, tag: &str, url: &str) {
        if let Some(tag) = self.tags.values_mut().find(|known| known.name == tag) {
            tag.external.push(url.to_owned());
        }
    }

    /// Lets a tag inherit from another.
    pub fn add_parent(&mut self, tag: &str, parent: &str) {
        let parent = self.tags.values().find(|known| known.name == parent).map(|known| known.id);
        if let (Some(tag), Some(parent)) = (self.tags.values_mut().find(|known| known.name == tag), parent) {
            let priority = i64::try_from(tag.parents.len()).unwrap_or(i64::MAX) * 10;
            let link = [("parent_id", Value::Int(parent)), ("priority", Value::Int(priority))];
            tag.parents.push(link.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        }
    }

    /// Adds a finished build with its packages, each with its architecture, and tags it.
    pub fn add_tagged(&mut self, tag: &str, nvr: [&str; 3], packages: &[(&str, &str)]) {
        let [name, version, release] = nvr;
        let build = self.add_build(name, version, release, 1);
        for (name, arch) in packages {
            let id = self.new_id();
            self.rpms.insert(id, Rpm { id, build, name: (*name).to_owned(), arch: (*arch).to_owned() });
        }
        let event = self.new_event();
        if let Some(tag) = self.tags.values_mut().find(|known| known.name == tag) {
            tag.builds.push((build, event));
            tag.changed = event;
        }
    }

    /// Ends every session, as the passing of a day does.
    pub fn expire_sessions(&mut self) {
        for session in self.sessions.values_mut() {
            session.expired = true;
        }
    }

    /// Forgets every session.
    pub fn forget_sessions(&mut self) {
        self.sessions.clear();
    }

    /// Returns how many sessions are open.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Lets something go wrong.
    pub fn trouble(&mut self, when: When, trouble: Trouble) {
        let when = match when {
            When::Number(number) => When::Number(number + self.call_number),
            other => other,
        };
        self.troubles.push_back((when, trouble));
    }

    /// Lets everything go well from now on.
    pub fn calm(&mut self) {
        self.troubles.clear();
        self.offline = false;
    }

    /// Returns the tasks, oldest first.
    pub fn tasks(&self) -> impl Iterator<Item = &HubTask> {
        self.tasks.values()
    }

    /// Returns the name of the user whose a task is.
    pub fn owner(&self, task: &HubTask) -> &str {
        self.users.iter().find(|user| user.id == task.owner).map_or("", |user| user.name.as_str())
    }

    /// Returns the builds, oldest first.
    pub fn builds(&self) -> impl Iterator<Item = &HubBuild> {
        self.builds.values()
    }

    /// Returns the metadata of an imported build.
    pub fn imported(&self, nvr: &str) -> Option<&Value> {
        let build = self.builds.values().find(|build| build.nvr() == nvr)?;
        self.imported.get(&build.id)
    }

    /// Returns a file that was uploaded.
    pub fn uploaded(&self, path: &str) -> Option<&Bytes> {
        self.uploads.get(path).map(|(_, content)| content)
    }

    /// Returns the paths of what was uploaded.
    pub fn uploads(&self) -> impl Iterator<Item = &str> {
        self.uploads.keys().map(String::as_str)
    }

    /// Returns the NVRs in a tag, oldest first.
    pub fn tagged(&self, tag: &str) -> Vec<String> {
        let tag = self.tags.values().find(|known| known.name == tag);
        let builds = tag.into_iter().flat_map(|tag| &tag.builds);
        builds.filter_map(|(build, _)| self.builds.get(build)).map(HubBuild::nvr).collect()
    }

    /// Returns how many finished repositories a tag has.
    pub fn repositories(&self, tag: &str) -> usize {
        let tag = self.tags.values().find(|known| known.name == tag).map(|tag| tag.id);
        self.repos.values().filter(|repo| Some(repo.tag) == tag && repo.state == 1).count()
    }

    /// Returns the names of the tags that a tag inherits from, nearest first.
    pub fn ancestors(&self, tag: &str) -> Vec<String> {
        let line = self.tags.values().find(|known| known.name == tag).map(|tag| self.line(tag.id));
        line.unwrap_or_default().into_iter().skip(1).map(|tag| tag.name.clone()).collect()
    }

    /// Takes the options from every task, as if something else had started them.
    pub fn forget_options(&mut self) {
        for task in self.tasks.values_mut().filter(|task| task.method == "build") {
            task.request.truncate(2);
            task.request.push(Value::Struct(Struct::new()));
        }
    }

    /// Takes everything out of a tag.
    pub fn untag_all(&mut self, name: &str) {
        if let Some(tag) = self.tags.values_mut().find(|tag| tag.name == name) {
            tag.builds.clear();
        }
    }

    /// Returns the names of the targets.
    pub fn targets(&self) -> impl Iterator<Item = &str> {
        self.targets.keys().map(String::as_str)
    }

    pub(super) fn now(&self) -> f64 {
        let (instant, at) = self.began;
        at + instant.elapsed().as_secs_f64() + self.moved
    }

    pub(super) fn advance(&mut self, seconds: f64) {
        self.moved += seconds;
    }

    pub(super) const fn new_id(&mut self) -> i64 {
        self.last_id += 1;
        self.last_id
    }

    /// Makes an event, by which tags are known to have changed.
    pub(super) fn new_event(&mut self) -> i64 {
        self.events.push(self.now());
        self.last_event()
    }

    pub(super) fn last_event(&self) -> i64 {
        i64::try_from(self.events.len()).unwrap_or(i64::MAX)
    }
}
