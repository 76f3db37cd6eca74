//! Tags: settings, inheritance, groups, packages, targets.

use std::collections::BTreeSet;

use super::answer::{Result, generic, parameter, tag as tag_fault};
use super::args::{Args, flag, int, text};
use super::auth::Caller;
use super::records::{Tag, Target};
use super::world::World;
use crate::xmlrpc::{Call, Fault, Struct, Value};

/// What each entry of an inheritance must have.
const LINK: &[&str] = &["parent_id", "priority", "maxdepth", "intransitive", "noconfig", "pkg_filter"];

impl World {
    pub(super) fn find_tag(&self, which: &Value) -> Result<Option<&Tag>> {
        match which {
            Value::Int(id) => Ok(self.tags.get(id)),
            Value::Text(name) => Ok(self.tags.values().find(|tag| tag.name == *name)),
            other => Err(parameter(format!("Invalid name or id value: {}", shown(other)))),
        }
    }

    pub(super) fn tag(&self, which: &Value) -> Result<&Tag> {
        self.find_tag(which)?.ok_or_else(|| generic(format!("No such tagInfo: {}", shown(which))))
    }

    fn change_tag(&mut self, id: i64, change: impl FnOnce(&mut Tag)) {
        let event = self.new_event();
        if let Some(tag) = self.tags.get_mut(&id) {
            change(tag);
            tag.changed = event;
        }
    }

    /// Returns a tag and all that it inherits from, nearest first.
    pub(super) fn line(&self, id: i64) -> Vec<&Tag> {
        let mut line: Vec<&Tag> = Vec::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            let Some(tag) = self.tags.get(&id).filter(|tag| line.iter().all(|known| known.id != tag.id)) else {
                continue;
            };
            line.push(tag);
            let mut parents: Vec<&Struct> = tag.parents.iter().collect();
            parents.sort_by_key(|link| std::cmp::Reverse(int(link, "priority")));
            open.extend(parents.iter().filter_map(|link| int(link, "parent_id")));
        }
        line
    }

    pub(super) fn get_tag(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["tagInfo", "strict", "event", "blocked"], false)?;
        let which = args.take("tagInfo");
        if args.flag("strict", false) {
            self.tag(&which)?;
        }
        let Some(tag) = self.find_tag(&which)? else { return Ok(Value::Nil) };
        let permission = tag.permission.as_deref();
        Ok(Value::from([
            ("id", Value::Int(tag.id)),
            ("name", Value::from(tag.name.as_str())),
            ("arches", Value::from(tag.arches.as_str())),
            ("perm", Value::from(permission)),
            ("perm_id", Value::from(permission.map(|_| 17_i64))),
            ("locked", Value::Bool(tag.locked)),
            ("maven_support", Value::Bool(false)),
            ("maven_include_all", Value::Bool(false)),
            ("extra", Value::Struct(tag.extra.clone())),
        ]))
    }

    pub(super) fn create_tag(&mut self, caller: Caller, call: Call) -> Result {
        self.need(caller, &["tag"])?;
        let names = ["name", "parent", "arches", "perm", "locked", "maven_support", "maven_include_all", "extra"];
        let mut args = Args::bind(call, &names, false)?;
        let name = args.text("name")?;
        let good = |c: char| c.is_ascii_alphanumeric() || "/_.+-".contains(c);
        if name.is_empty() || !name.chars().all(good) {
            return Err(generic(format!("Name {name} does not match RegexNameInternal value")));
        }
        if name.len() > 256 {
            return Err(generic(format!("Tag name {name} is too long. Max length is 256 characters")));
        }
        if self.find_tag(&Value::from(name.as_str()))?.is_some() {
            return Err(generic(format!("A tag with the name '{name}' already exists")));
        }
        let arches = args.maybe_text("arches")?.unwrap_or_default();
        let (permission, locked) = (args.maybe_text("perm")?, args.flag("locked", false));
        if let Some(name) = &permission {
            self.permission(name)?;
        }
        let extra = args.members("extra")?;
        let id = self.add_tag(&name, &arches);
        self.change_tag(id, |tag| {
            tag.permission = permission;
            tag.locked = locked;
            tag.extra = extra;
        });
        Ok(Value::Int(id))
    }

    pub(super) fn edit_tag(&mut self, caller: Caller, call: Call) -> Result {
        self.need(caller, &["tag"])?;
        let mut args = Args::bind(call, &["tagInfo"], true)?;
        let which = args.take("tagInfo");
        let before = self.tag(&which)?.clone();
        let mut after = before.clone();
        let changes = args.more();
        if let Some(arches) = text(&changes, "arches") {
            arches.clone_into(&mut after.arches);
        }
        if let Some(name) = text(&changes, "perm") {
            self.permission(name)?;
            after.permission = Some(name.to_owned());
        }
        if changes.contains_key("locked") {
            after.locked = flag(&changes, "locked");
        }
        if let Some(Value::Struct(extra)) = changes.get("extra") {
            after.extra.extend(extra.clone());
        }
        if let Some(Value::Array(removed)) = changes.get("remove_extra") {
            for key in removed.iter().filter_map(|key| key.text("extra").ok()) {
                if after.extra.remove(key).is_none() {
                    return Err(generic(format!("Tag: {} doesn't have extra: {key}", before.name)));
                }
            }
        }
        let same = (&before.arches, &before.permission, before.locked, &before.extra)
            == (&after.arches, &after.permission, after.locked, &after.extra);
        if !same {
            self.change_tag(before.id, |tag| *tag = after);
        }
        Ok(Value::Nil)
    }

    pub(super) fn get_inheritance(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["tag", "event"], false)?;
        let tag = self.tag(&args.take("tag"))?;
        let named = tag.parents.iter().map(|link| {
            let mut link = link.clone();
            let parent = int(&link, "parent_id").and_then(|id| self.tags.get(&id));
            link.insert("name".to_owned(), Value::from(parent.map(|parent| parent.name.as_str())));
            link.insert("child_id".to_owned(), Value::Int(tag.id));
            Value::Struct(link)
        });
        Ok(Value::Array(named.collect()))
    }

    pub(super) fn full_inheritance(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["tag", "event", "reverse"], false)?;
        let tag = self.tag(&args.take("tag"))?.id;
        let links = self
            .line(tag)
            .into_iter()
            .skip(1)
            .map(|tag| Value::from([("parent_id", Value::Int(tag.id)), ("name", Value::from(tag.name.as_str()))]));
        Ok(Value::Array(links.collect()))
    }

    /// Lists external repositories, of a tag alone or with those that it inherits.
    pub(super) fn external_repos(&mut self, call: Call, inherit: bool) -> Result {
        let names: &[&str] = if inherit { &["tag_info", "event"] } else { &["tag_info", "repo_info", "event"] };
        let mut args = Args::bind(call, names, false)?;
        let tag = self.tag(&args.take("tag_info"))?.id;
        let line = self.line(tag);
        let line = line.into_iter().take(if inherit { usize::MAX } else { 1 });
        let repos = line.flat_map(|tag| tag.external.iter().map(|url| (tag.name.clone(), url.clone())));
        let shown = repos.map(|(tag, url)| Value::from([("tag_name", Value::from(tag)), ("url", Value::from(url))]));
        Ok(Value::Array(shown.collect()))
    }

    pub(super) fn set_inheritance(&mut self, caller: Caller, call: Call) -> Result {
        self.need(caller, &["tag"])?;
        let mut args = Args::bind(call, &["tag", "data", "clear"], false)?;
        let tag = self.tag(&args.take("tag"))?;
        let id = tag.id;
        let mut links = tag.parents.clone();
        let before = links.clone();
        let Value::Array(data) = args.take("data") else { return Err(parameter("Invalid inheritance data")) };
        if args.flag("clear", false) {
            links.clear();
        }
        for link in data {
            let Value::Struct(link) = link else { return Err(parameter("Invalid inheritance data")) };
            let parent = int(&link, "parent_id").ok_or_else(|| generic("No value for parent_id"))?;
            links.retain(|known| int(known, "parent_id") != Some(parent));
            if flag(&link, "delete link") {
                continue;
            }
            if let Some(missing) = LINK.iter().find(|name| !link.contains_key(**name)) {
                return Err(generic(format!("No value for {missing}")));
            }
            if !self.tags.contains_key(&parent) {
                return Err(generic(format!("No such tagInfo: {parent}")));
            }
            links.push(link);
        }
        let priorities: BTreeSet<_> = links.iter().map(|link| int(link, "priority")).collect();
        if priorities.len() < links.len() {
            return Err(generic("Inheritance priorities must be unique"));
        }
        if links != before {
            self.change_tag(id, |tag| tag.parents = links);
        }
        Ok(Value::Nil)
    }

    pub(super) fn get_groups(&mut self, call: Call) -> Result {
        let names = ["tag", "event", "inherit", "incl_pkgs", "incl_reqs", "incl_blocked"];
        let mut args = Args::bind(call, &names, false)?;
        let id = self.tag(&args.take("tag"))?.id;
        let line = if args.flag("inherit", true) { self.line(id) } else { self.tags.get(&id).into_iter().collect() };
        let mut groups = std::collections::BTreeMap::new();
        for (name, packages) in line.iter().flat_map(|tag| &tag.groups) {
            groups.entry(name).or_insert_with(BTreeSet::new).extend(packages);
        }
        let shown = groups.into_iter().map(|(name, packages)| {
            let packages = packages.into_iter().map(|package| {
                Value::from([("package", Value::from(package.as_str())), ("blocked", Value::Bool(false))])
            });
            Value::from([
                ("name", Value::from(name.as_str())),
                ("packagelist", Value::Array(packages.collect())),
                ("blocked", Value::Bool(false)),
            ])
        });
        Ok(Value::Array(shown.collect()))
    }

    pub(super) fn add_group(&mut self, caller: Caller, call: Call) -> Result {
        self.need(caller, &["tag"])?;
        let mut args = Args::bind(call, &["taginfo", "grpinfo", "block", "force"], true)?;
        let id = self.tag(&args.take("taginfo"))?.id;
        let group = args.text("grpinfo")?;
        // One that is inherited with the same settings is not added.
        if !self.line(id).iter().any(|tag| tag.groups.contains_key(&group)) {
            self.change_tag(id, |tag| {
                tag.groups.insert(group, BTreeSet::new());
            });
        }
        Ok(Value::Nil)
    }

    pub(super) fn add_group_package(&mut self, caller: Caller, call: Call) -> Result {
        self.need(caller, &["tag"])?;
        let mut args = Args::bind(call, &["taginfo", "grpinfo", "pkg_name", "block", "force"], true)?;
        let id = self.tag(&args.take("taginfo"))?.id;
        let (group, package) = (args.text("grpinfo")?, args.text("pkg_name")?);
        let line = self.line(id);
        if !line.iter().any(|tag| tag.groups.contains_key(&group)) {
            return Err(generic(format!("No such entry in table groups: {group}")));
        }
        if !line.iter().any(|tag| tag.groups.get(&group).is_some_and(|packages| packages.contains(&package))) {
            self.change_tag(id, |tag| {
                tag.groups.entry(group).or_default().insert(package);
            });
        }
        Ok(Value::Nil)
    }

    pub(super) fn list_packages(&mut self, call: Call) -> Result {
        let names = [
            "tagID",
            "userID",
            "pkgID",
            "prefix",
            "inherited",
            "with_dups",
            "event",
            "queryOpts",
            "with_owners",
            "with_blocked",
        ];
        let mut args = Args::bind(call, &names, false)?;
        let which = args.take("tagID");
        let id = self.find_tag(&which)?.ok_or_else(|| no_entry(&which))?.id;
        let only = args.maybe_text("pkgID")?;
        if let Some(name) = only.as_ref().filter(|name| !self.known_packages.contains(*name)) {
            return Err(generic(format!("No such entry in table package: {name}")));
        }
        let inherited = args.flag("inherited", false);
        let tag = self.tag(&Value::Int(id))?;
        let line = if inherited { self.line(id) } else { vec![tag] };
        // The nearest tag that says something of a package decides.
        let mut listed = std::collections::BTreeMap::new();
        for (name, entry) in line.iter().rev().flat_map(|tag| &tag.packages) {
            listed.insert(name, entry);
        }
        let listed = listed.into_iter().filter(|(name, _)| only.as_ref().is_none_or(|only| only == *name));
        let listed = listed.map(|(name, (owner, blocked))| {
            let owner_name = self.users.iter().find(|user| user.id == *owner).map(|user| user.name.as_str());
            Value::from([
                ("package_name", Value::from(name.as_str())),
                ("blocked", Value::Bool(*blocked)),
                ("owner_id", Value::Int(*owner)),
                ("owner_name", Value::from(owner_name)),
                ("tag_id", Value::Int(tag.id)),
                ("tag_name", Value::from(tag.name.as_str())),
            ])
        });
        Ok(Value::Array(listed.collect()))
    }

    pub(super) fn add_package(&mut self, caller: Caller, call: Call) -> Result {
        if self.need(caller, &["tag"]).is_err() {
            return Err(super::answer::not_allowed(
                "policy violation (package_list): Only admin/tag can do this via default policy",
            ));
        }
        self.obey("package_list")?;
        let names = ["taginfo", "pkginfo", "owner", "block", "extra_arches", "force", "update"];
        let mut args = Args::bind(call, &names, false)?;
        let id = self.tag(&args.take("taginfo"))?.id;
        let package = args.text("pkginfo")?;
        let owner = args.take("owner");
        let known = self.tags.get(&id).and_then(|tag| tag.packages.get(&package)).copied();
        let owner = match (owner, known) {
            (Value::Nil, Some((owner, _))) => owner,
            (Value::Nil, None) => return Err(generic("owner not specified")),
            (who, _) => self.find_user(&who).ok_or_else(|| generic(format!("No such user: {}", shown(&who))))?.id,
        };
        self.known_packages.insert(package.clone());
        if known.is_none_or(|known| known != (owner, false)) {
            self.change_tag(id, |tag| {
                tag.packages.insert(package, (owner, false));
            });
        }
        Ok(Value::Nil)
    }

    pub(super) fn block_package(&mut self, caller: Caller, call: Call, block: bool) -> Result {
        self.need(caller, &["tag"])?;
        let mut args = Args::bind(call, &["taginfo", "pkginfo", "force"], false)?;
        let id = self.tag(&args.take("taginfo"))?.id;
        let package = args.text("pkginfo")?;
        if !self.known_packages.contains(&package) {
            return Err(generic(format!("No such entry in table package: {package}")));
        }
        let name = self.tag(&Value::Int(id))?.name.clone();
        let known = self.listed(id, &package);
        if block {
            let missing = || generic(format!("Package {package} is not in tag listing for {name}"));
            let (_, owner, _) = known.ok_or_else(missing)?;
            self.change_tag(id, |tag| {
                let _ = tag.packages.insert(package, (owner, true));
            });
            return Ok(Value::Nil);
        }
        let missing = || generic(format!("no data (blocked or otherwise) for package {package} in tag {name}"));
        let (place, owner, blocked) = known.ok_or_else(missing)?;
        if !blocked {
            return Err(generic(format!("package {package} NOT blocked in tag {name}")));
        }
        // A block of the tag's own is taken away; what is inherited is unblocked by an entry of the tag's own.
        if place == id {
            self.change_tag(id, |tag| {
                let _ = tag.packages.remove(&package);
            });
        }
        if self.listed(id, &package).is_none_or(|(_, _, blocked)| blocked) {
            self.change_tag(id, |tag| {
                let _ = tag.packages.insert(package, (owner, false));
            });
        }
        Ok(Value::Nil)
    }

    /// Returns what a tag's list, with what it inherits, says of a package: the tag that says it, the owner, and whether
    /// it is blocked.
    pub(super) fn listed(&self, tag: i64, package: &str) -> Option<(i64, i64, bool)> {
        let mut line = self.line(tag).into_iter();
        line.find_map(|tag| tag.packages.get(package).map(|(owner, blocked)| (tag.id, *owner, *blocked)))
    }

    fn shown_target(&self, name: &str, target: &Target) -> Value {
        let tag_name = |id: i64| Value::from(self.tags.get(&id).map(|tag| tag.name.as_str()));
        Value::from([
            ("id", Value::Int(target.id)),
            ("name", Value::from(name)),
            ("build_tag", Value::Int(target.build_tag)),
            ("build_tag_name", tag_name(target.build_tag)),
            ("dest_tag", Value::Int(target.dest_tag)),
            ("dest_tag_name", tag_name(target.dest_tag)),
        ])
    }

    pub(super) fn get_target(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["info", "event", "strict"], false)?;
        let name = args.text("info")?;
        Ok(self.targets.get(&name).map_or(Value::Nil, |target| self.shown_target(&name, target)))
    }

    pub(super) fn get_targets(&mut self) -> Result {
        Ok(Value::Array(self.targets.iter().map(|(name, target)| self.shown_target(name, target)).collect()))
    }

    pub(super) fn create_target(&mut self, caller: Caller, call: Call) -> Result {
        self.need(caller, &["target"])?;
        let mut args = Args::bind(call, &["name", "build_tag", "dest_tag"], false)?;
        let name = args.text("name")?;
        if self.targets.contains_key(&name) {
            return Err(generic(format!("A build target with the name '{name}' already exists")));
        }
        let mut tag = |which: &str, arg: &str| {
            let value = args.take(arg);
            let tag = self.find_tag(&value)?.map(|tag| tag.id);
            tag.ok_or_else(|| generic(format!("{which} tag {} does not exist", shown(&value))))
        };
        let (build_tag, dest_tag) = (tag("build", "build_tag")?, tag("destination", "dest_tag")?);
        let id = self.new_id();
        self.targets.insert(name, Target { id, build_tag, dest_tag });
        Ok(Value::Nil)
    }

    pub(super) fn delete_target(&mut self, caller: Caller, call: Call) -> Result {
        self.need(caller, &["target"])?;
        let mut args = Args::bind(call, &["buildTargetInfo"], false)?;
        let name = match args.take("buildTargetInfo") {
            Value::Text(name) => name,
            Value::Int(id) => {
                let found = self.targets.iter().find(|(_, target)| target.id == id);
                found.map(|(name, _)| name.clone()).unwrap_or_else(|| id.to_string())
            }
            other => return Err(parameter(shown(&other))),
        };
        match self.targets.remove(&name) {
            Some(_) => Ok(Value::Nil),
            None => Err(generic(format!("No such build target: {name}"))),
        }
    }

    pub(super) fn last_change(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["tag", "before", "inherit"], false)?;
        let id = self.tag(&args.take("tag"))?.id;
        Ok(Value::Int(self.last_change_of(id)))
    }

    pub(super) fn changed_since(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["event", "taglist"], false)?;
        let (event, Value::Array(tags)) = (args.int("event")?, args.take("taglist")) else {
            return Err(parameter("taglist must be a list"));
        };
        let mut tags = tags.iter().filter_map(|tag| self.tags.get(&tag.int("taglist").ok()?));
        Ok(Value::Bool(tags.any(|tag| tag.changed > event)))
    }

    pub(super) fn last_change_of(&self, id: i64) -> i64 {
        self.line(id).iter().map(|tag| tag.changed).max().unwrap_or_default()
    }

    /// Puts a build into a tag, as everything that tags does.
    pub(super) fn put(&mut self, tag: i64, build: i64) -> Result<()> {
        let (known, made) = match (self.tags.get(&tag), self.builds.get(&build)) {
            (Some(tag), Some(build)) => (tag, build),
            _ => return Err(generic("No such build")),
        };
        let nvr = made.nvr();
        if known.builds.iter().any(|(id, _)| *id == build) {
            return Err(tag_fault(format!("build {nvr} already tagged ({})", known.name)));
        }
        if made.state != 1 {
            return Err(tag_fault(format!("build {nvr} not complete: state {}", made.state)));
        }
        let event = self.new_event();
        if let Some(tag) = self.tags.get_mut(&tag) {
            tag.builds.push((build, event));
            tag.changed = event;
        }
        self.tell_tag("buildsys.tag", tag, build);
        Ok(())
    }

    /// Refuses to tag what is not in the tag's list of packages, or by who may not.
    pub(super) fn may_tag(&self, user: i64, tag: &Tag, package: &str, nvr: &str, listed: bool) -> Result<()> {
        if tag.locked {
            return Err(super::answer::not_allowed(format!("tag {} is locked", tag.name)));
        }
        let user = self.users.iter().find(|known| known.id == user);
        let has = |permission: &str| user.is_some_and(|user| user.permissions.contains(permission));
        // Administrators may do it by force only.
        if let Some(needed) = &tag.permission
            && !has(needed)
        {
            return Err(super::answer::not_allowed(format!("tag {} requires {needed} permission", tag.name)));
        }
        if listed {
            match self.listed(tag.id, package) {
                Some((_, _, false)) => {}
                Some(_) => return Err(tag_fault(format!("Package {package} blocked in {}", tag.name))),
                None => return Err(tag_fault(format!("Package {package} not in list for {}", tag.name))),
            }
        }
        if tag.builds.iter().any(|(id, _)| self.builds.get(id).is_some_and(|build| build.nvr() == nvr)) && !listed {
            return Err(tag_fault(format!("build {nvr} already tagged ({})", tag.name)));
        }
        Ok(())
    }
}

/// Shows a value as Python does.
/// What methods say of a tag that they look up by its number.
pub(super) fn no_entry(which: &Value) -> Fault {
    generic(format!("No such entry in table tag: {}", shown(which).trim_matches('\'')))
}

pub(super) fn shown(value: &Value) -> String {
    match value {
        Value::Nil => "None".to_owned(),
        Value::Int(number) => number.to_string(),
        Value::Text(text) => format!("'{text}'"),
        other => other.kind().to_owned(),
    }
}
