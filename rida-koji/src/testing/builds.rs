//! Builds, their packages, and what is tagged.

use std::collections::BTreeSet;

use super::answer::{Result, generic, tag as tag_fault};
use super::args::Args;
use super::auth::Caller;
use super::records::HubBuild;
use super::tags::shown;
use super::world::World;
use crate::xmlrpc::{Call, Struct, Value};

impl World {
    fn find_build(&self, which: &Value) -> Result<Option<&HubBuild>> {
        match which {
            Value::Int(id) => Ok(self.builds.get(id)),
            Value::Text(nvr) if nvr.matches('-').count() < 2 => Err(generic(format!("invalid format: {nvr}"))),
            Value::Text(nvr) => Ok(self.builds.values().find(|build| build.nvr() == *nvr)),
            other => Err(super::answer::parameter(format!("Invalid build: {}", shown(other)))),
        }
    }

    fn the_build(&self, which: &Value) -> Result<&HubBuild> {
        self.find_build(which)?.ok_or_else(|| generic(format!("No such build: {}", shown(which))))
    }

    fn shown_build(&self, build: &HubBuild, tagged: Option<(i64, i64)>) -> Struct {
        let owner = self.users.iter().find(|user| user.id == build.owner).map(|user| user.name.as_str());
        let mut members = vec![
            ("id", Value::Int(build.id)),
            ("build_id", Value::Int(build.id)),
            ("name", Value::from(build.name.as_str())),
            ("package_name", Value::from(build.name.as_str())),
            ("version", Value::from(build.version.as_str())),
            ("release", Value::from(build.release.as_str())),
            ("epoch", Value::Nil),
            ("nvr", Value::from(build.nvr())),
            ("state", Value::Int(build.state)),
            ("task_id", Value::from(build.task)),
            ("owner_id", Value::Int(build.owner)),
            ("owner_name", Value::from(owner)),
        ];
        // Lists of what is tagged do not tell these.
        if tagged.is_none() {
            members.push(("source", Value::from(build.source.as_deref())));
            members.push(("extra", Value::Struct(build.extra.clone())));
            members.push(("creation_ts", Value::Double(build.created)));
            members.push(("completion_ts", Value::from(build.ended)));
        }
        if let Some((tag, event)) = tagged {
            members.push(("tag_id", Value::Int(tag)));
            members.push(("tag_name", Value::from(self.tags.get(&tag).map(|tag| tag.name.as_str()))));
            members.push(("create_event", Value::Int(event)));
        }
        members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    pub(super) fn get_build(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["buildInfo", "strict"], false)?;
        let which = args.take("buildInfo");
        if args.flag("strict", false) {
            self.the_build(&which)?;
        }
        Ok(self.find_build(&which)?.map_or(Value::Nil, |build| Value::Struct(self.shown_build(build, None))))
    }

    pub(super) fn list_builds(&mut self, call: Call) -> Result {
        let names = ["packageID", "userID", "taskID", "prefix", "state", "volumeID", "source"];
        let mut args = Args::bind(call, &names, true)?;
        let (task, state) = (args.maybe_int("taskID")?, args.maybe_int("state")?);
        let fits = |build: &&HubBuild| {
            task.is_none_or(|task| build.task == Some(task)) && state.is_none_or(|state| build.state == state)
        };
        let listed = self.builds.values().filter(fits).map(|build| {
            let mut shown = self.shown_build(build, None);
            shown.remove("id");
            Value::Struct(shown)
        });
        Ok(Value::Array(listed.collect()))
    }

    /// Returns the builds of a tag with the events that they were tagged by, newest first.
    pub(super) fn tagged_builds(&self, tag: i64, inherit: bool) -> Vec<(i64, i64, &HubBuild)> {
        let line = if inherit { self.line(tag) } else { self.tags.get(&tag).into_iter().collect() };
        let all =
            line.into_iter().flat_map(|tag| tag.builds.iter().rev().map(|(build, event)| (tag.id, *event, *build)));
        let all = all.filter_map(|(tag, event, build)| Some((tag, event, self.builds.get(&build)?)));
        // What is blocked is not there, wherever it is tagged.
        all.filter(|(_, _, build)| self.listed(tag, &build.name).is_none_or(|(_, _, blocked)| !blocked)).collect()
    }

    pub(super) fn list_tagged(&mut self, call: Call) -> Result {
        let names =
            ["tag", "event", "inherit", "prefix", "latest", "package", "owner", "type", "strict", "extra", "draft"];
        let mut args = Args::bind(call, &names, false)?;
        let tag = self.tag(&args.take("tag"))?.id;
        let (inherit, latest) = (args.flag("inherit", false), args.flag("latest", false));
        let (event, package) = (args.maybe_int("event")?, args.maybe_text("package")?);
        Ok(self.tagged_as(tag, inherit, latest, event, package.as_deref()))
    }

    pub(super) fn list_latest(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["tag", "event", "package", "type", "draft"], false)?;
        let tag = self.tag(&args.take("tag"))?.id;
        let (event, package) = (args.maybe_int("event")?, args.maybe_text("package")?);
        Ok(self.tagged_as(tag, true, true, event, package.as_deref()))
    }

    fn tagged_as(&self, tag: i64, inherit: bool, latest: bool, event: Option<i64>, package: Option<&str>) -> Value {
        let mut seen = BTreeSet::new();
        let fits = |(_, tagged, build): &(i64, i64, &HubBuild)| {
            package.is_none_or(|package| build.name == package) && event.is_none_or(|event| *tagged <= event)
        };
        let listed = self.tagged_builds(tag, inherit).into_iter().filter(fits);
        let listed = listed.filter(|(_, _, build)| !latest || seen.insert(build.name.clone()));
        Value::Array(
            listed.map(|(tag, event, build)| Value::Struct(self.shown_build(build, Some((tag, event))))).collect(),
        )
    }

    pub(super) fn untagged(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["name", "queryOpts", "draft"], false)?;
        let name = args.maybe_text("name")?;
        let tagged: BTreeSet<i64> = self.tags.values().flat_map(|tag| &tag.builds).map(|(build, _)| *build).collect();
        let fits = |build: &&HubBuild| {
            build.state == 1 && !tagged.contains(&build.id) && name.as_ref().is_none_or(|name| build.name == *name)
        };
        let shown = self.builds.values().filter(fits).map(|build| {
            Value::from([
                ("id", Value::Int(build.id)),
                ("name", Value::from(build.name.as_str())),
                ("version", Value::from(build.version.as_str())),
                ("release", Value::from(build.release.as_str())),
            ])
        });
        Ok(Value::Array(shown.collect()))
    }

    pub(super) fn list_tags(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["build", "package", "perms", "queryOpts", "pattern"], false)?;
        let build = self.the_build(&args.take("build"))?.id;
        let tags = self.tags.values().filter(|tag| tag.builds.iter().any(|(id, _)| *id == build));
        let shown = tags.map(|tag| Value::from([("id", Value::Int(tag.id)), ("name", Value::from(tag.name.as_str()))]));
        Ok(Value::Array(shown.collect()))
    }

    /// Takes the arguments of a tagging apart, and checks what the call itself checks.
    fn tagging(&self, user: i64, args: &mut Args, listed: bool) -> Result<(i64, i64)> {
        let (tag, build) = (args.take("tag"), args.take("build"));
        let build = self.the_build(&build)?;
        let tag = self.tag(&tag)?;
        if build.state != 1 {
            let state = ["BUILDING", "COMPLETE", "DELETED", "FAILED", "CANCELED"];
            let state =
                usize::try_from(build.state).ok().and_then(|state| state.checked_sub(0)).and_then(|s| state.get(s));
            let state = state.copied().unwrap_or_default();
            return Err(tag_fault(format!("build {} not complete: state {state}", build.nvr())));
        }
        self.may_tag(user, tag, &build.name, &build.nvr(), listed)?;
        Ok((tag.id, build.id))
    }

    pub(super) fn tag_build(&mut self, caller: Caller, call: Call) -> Result {
        let user = self.user(caller)?.id;
        let mut args = Args::bind(call, &["tag", "build", "force", "fromtag"], false)?;
        let (tag, build) = self.tagging(user, &mut args, true)?;
        self.obey("tag")?;
        let request = vec![Value::Int(tag), Value::Int(build), Value::Bool(false), Value::Nil, Value::Bool(true)];
        Ok(Value::Int(self.new_task("tagBuild", request, user, None, 10)))
    }

    pub(super) fn tag_build_bypass(&mut self, caller: Caller, call: Call) -> Result {
        let user = self.need(caller, &["tag"])?;
        let mut args = Args::bind(call, &["tag", "build", "force", "notify"], false)?;
        let (tag, build) = self.tagging(user, &mut args, false)?;
        self.obey("tag")?;
        self.put(tag, build)?;
        Ok(Value::Nil)
    }

    pub(super) fn untag_build(&mut self, caller: Caller, call: Call) -> Result {
        self.need(caller, &["tag"])?;
        let mut args = Args::bind(call, &["tag", "build", "strict", "force"], false)?;
        let (tag, build) = (args.take("tag"), args.take("build"));
        let (build, nvr) = self.the_build(&build).map(|build| (build.id, build.nvr()))?;
        let (tag, name) = self.tag(&tag).map(|tag| (tag.id, tag.name.clone()))?;
        self.obey("tag")?;
        if self.tags.get(&tag).is_some_and(|tag| tag.locked) && !args.flag("force", false) {
            return Err(tag_fault(format!("tag {name} is locked")));
        }
        let strict = args.flag("strict", true);
        let event = self.new_event();
        let Some(tag) = self.tags.get_mut(&tag) else { return Ok(Value::Nil) };
        let before = tag.builds.len();
        tag.builds.retain(|(id, _)| *id != build);
        if tag.builds.len() == before {
            return if strict { Err(tag_fault(format!("build {nvr} not in tag {name}"))) } else { Ok(Value::Nil) };
        }
        tag.changed = event;
        let tag = tag.id;
        self.tell_tag("buildsys.untag", tag, build);
        Ok(Value::Nil)
    }

    pub(super) fn list_tagged_rpms(&mut self, call: Call) -> Result {
        let names =
            ["tag", "event", "inherit", "latest", "package", "arch", "rpmsigs", "owner", "type", "strict", "extra"];
        let mut args = Args::bind(call, &names, true)?;
        let tag = self.tag(&args.take("tag"))?.id;
        let (inherit, latest) = (args.flag("inherit", false), args.flag("latest", false));
        let arches: Option<Vec<String>> = match args.take("arch") {
            Value::Nil => None,
            Value::Array(arches) => {
                Some(arches.iter().filter_map(|arch| arch.text("arch").ok()).map(str::to_owned).collect())
            }
            arch => Some(arch.text("arch").map(str::to_owned).into_iter().collect()),
        };
        let mut seen = BTreeSet::new();
        let builds = self.tagged_builds(tag, inherit).into_iter();
        let builds: Vec<_> = builds.filter(|(_, _, build)| !latest || seen.insert(build.name.clone())).collect();
        let mut rpms = Vec::new();
        for rpm in self.rpms.values() {
            let Some((_, _, build)) = builds.iter().find(|(_, _, build)| build.id == rpm.build) else { continue };
            if arches.as_ref().is_some_and(|arches| !arches.contains(&rpm.arch)) {
                continue;
            }
            rpms.push(Value::from([
                ("id", Value::Int(rpm.id)),
                ("build_id", Value::Int(rpm.build)),
                ("name", Value::from(rpm.name.as_str())),
                ("version", Value::from(build.version.as_str())),
                ("release", Value::from(build.release.as_str())),
                ("epoch", Value::Nil),
                ("arch", Value::from(rpm.arch.as_str())),
                ("payloadhash", Value::from(format!("{:032x}", rpm.id))),
                ("size", Value::Int(6000 + rpm.id)),
                ("buildtime", Value::Int(1_795_343_567)),
            ]));
        }
        let builds =
            builds.into_iter().map(|(tag, event, build)| Value::Struct(self.shown_build(build, Some((tag, event)))));
        Ok(Value::Array(vec![Value::Array(rpms), Value::Array(builds.collect())]))
    }

    pub(super) fn get_headers(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["rpmID", "taskID", "filepath", "headers", "strict"], false)?;
        let id = args.int("rpmID")?;
        let Some(rpm) = self.rpms.get(&id) else { return Ok(Value::from([])) };
        let headers = match args.take("headers") {
            Value::Array(headers) => headers,
            _ => Vec::new(),
        };
        let mut answer = Struct::new();
        for name in headers.iter().filter_map(|name| name.text("headers").ok()) {
            let told = self.headers.iter().find(|((package, header), _)| *package == rpm.name && *header == name);
            let value = match name {
                _ if told.is_some() => told.map_or(Value::Nil, |(_, value)| value.clone()),
                "license" => Value::from("MIT"),
                "arch" => Value::from(rpm.arch.as_str()),
                _ => Value::Array(Vec::new()),
            };
            answer.insert(name.to_owned(), value);
        }
        Ok(Value::Struct(answer))
    }
}
