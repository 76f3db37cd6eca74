//! Which method does what.

use super::answer::{Result, generic};
use super::args::Args;
use super::auth::{Caller, Claim};
use super::price::price;
use super::serve::several;
use super::trouble::{Trouble, When};
use super::world::World;
use crate::error::fault;
use crate::xmlrpc::{Answer, Call, Fault, Value};

/// Methods that change nothing, by how their names begin.
const READING: &[&str] = &[
    "get",
    "list",
    "check",
    "query",
    "evalPolicy",
    "repo.get",
    "repo.check",
    "repo.query",
    "tagLast",
    "tagChanged",
    "untaggedBuilds",
    "download",
];

impl World {
    /// Does a call. The number of the call is kept when it changed something.
    pub(super) fn handle(&mut self, claim: &Claim, call: Call) -> Answer {
        if self.offline {
            return Err(Fault { code: fault::OFFLINE, message: "the hub is in maintenance".to_owned() });
        }
        let caller = self.admit(claim, &call.method)?;
        let name = match caller.user.and_then(|id| self.users.iter().find(|user| user.id == id)) {
            Some(user) => user.name.clone(),
            None => "-".to_owned(),
        };
        let (answer, changed) = match call.method.as_str() {
            "multiCall" | "system.multicall" => self.several(caller, claim, call, &name)?,
            _ => {
                self.calls.push(format!("{name} {}", call.method));
                let changes = !is_reading(&call.method);
                let is_login = matches!(call.method.as_str(), "login" | "sslLogin");
                let counts = if is_login { (0, 0) } else { (usize::from(!changes), usize::from(changes)) };
                self.hub_time += price(caller.session.is_some(), is_login, counts.0, counts.1);
                let answer = self.method(caller, claim, call);
                let changed = changes && answer.is_ok();
                (answer, changed)
            }
        };
        if changed {
            self.committed(caller, claim);
        }
        answer
    }

    /// Does several calls, each by itself, and tells whether any changed something.
    fn several(&mut self, caller: Caller, claim: &Claim, call: Call, name: &str) -> Result<(Answer, bool)> {
        let mut args = Args::bind(call, &["calls"], false)?;
        let Value::Array(calls) = args.take("calls") else {
            return Err(generic("multiCall needs a list of calls"));
        };
        let (mut answers, mut names, mut changed) = (Vec::new(), Vec::new(), false);
        for inner in calls {
            let Value::Struct(mut inner) = inner else { return Err(generic("a call must be a struct")) };
            let (Some(Value::Text(method)), Some(Value::Array(parameters))) =
                (inner.remove("methodName"), inner.remove("params"))
            else {
                return Err(generic("a call needs methodName and params"));
            };
            names.push(method.clone());
            let changes = !is_reading(&method);
            let number = names.iter().filter(|name| **name == method).count() - 1;
            let answer = match self.refusal_among(&method, number) {
                Some(fault) => Err(fault),
                None => self.method(caller, claim, Call::from_parameters(method, parameters)),
            };
            changed |= changes && answer.is_ok();
            answers.push(answer);
        }
        let questions = names.iter().filter(|name| is_reading(name)).count();
        self.hub_time += price(caller.session.is_some(), false, questions, names.len() - questions);
        self.calls.push(format!("{name} multiCall({})", names.join(" ")));
        Ok((Ok(several(answers)), changed))
    }

    /// Returns what one of several calls is refused with on purpose.
    fn refusal_among(&mut self, method: &str, number: usize) -> Option<Fault> {
        let is_it = |when: &When| matches!(when, When::Among(name, wanted) if name == method && *wanted == number);
        let place = self.troubles.iter().position(|(when, _)| is_it(when))?;
        self.troubled.push(method.to_owned());
        match self.troubles.remove(place)? {
            (_, Trouble::Fault(fault)) => Some(fault),
            _ => None,
        }
    }

    fn method(&mut self, caller: Caller, claim: &Claim, call: Call) -> Answer {
        match call.method.as_str() {
            "login" => self.login(caller, call),
            "sslLogin" => self.ssl_login(claim),
            "logout" => self.logout(caller),
            "getAPIVersion" => Ok(Value::Int(1)),
            "getKojiVersion" => Ok(Value::from(self.dialect.version.as_str())),
            "echo" => Ok(Value::Array(call.parameters())),
            "getLoggedInUser" => Ok(self.user(caller).map_or(Value::Nil, Self::shown_caller)),
            "getPerms" => {
                let permissions = self.user(caller)?.permissions.iter().cloned();
                Ok(Value::from(permissions.collect::<Vec<_>>()))
            }
            "getAllPerms" => Ok(self.all_permissions()),
            "getUser" => {
                let mut args = Args::bind(call, &["userInfo", "strict", "krb_princs", "groups"], false)?;
                let who = args.take("userInfo");
                Ok(self.find_user(&who).map_or(Value::Nil, Self::shown_user))
            }
            "evalPolicy" => self.eval_policy(call),
            "getTag" => self.get_tag(call),
            "createTag" => self.create_tag(caller, call),
            "editTag2" => self.edit_tag(caller, call),
            "getInheritanceData" => self.get_inheritance(call),
            "setInheritanceData" => self.set_inheritance(caller, call),
            "getTagGroups" => self.get_groups(call),
            "groupListAdd" => self.add_group(caller, call),
            "groupPackageListAdd" => self.add_group_package(caller, call),
            "listPackages" => self.list_packages(call),
            "packageListAdd" => self.add_package(caller, call),
            "packageListBlock" => self.block_package(caller, call, true),
            "packageListUnblock" => self.block_package(caller, call, false),
            "getBuildTarget" => self.get_target(call),
            "getBuildTargets" => self.get_targets(),
            "createBuildTarget" => self.create_target(caller, call),
            "deleteBuildTarget" => self.delete_target(caller, call),
            "getExternalRepoList" => self.external_repos(call, true),
            "getTagExternalRepos" => self.external_repos(call, false),
            "getFullInheritance" => self.full_inheritance(call),
            "getLastEvent" => Ok(Value::from([("id", Value::Int(self.last_event()))])),
            "tagChangedSinceEvent" => self.changed_since(call),
            "tagLastChangeEvent" => self.last_change(call),
            "listTagged" => self.list_tagged(call),
            "getLatestBuilds" => self.list_latest(call),
            "untaggedBuilds" => self.untagged(call),
            "tagBuild" => self.tag_build(caller, call),
            "tagBuildBypass" => self.tag_build_bypass(caller, call),
            "untagBuild" => self.untag_build(caller, call),
            "getBuild" => self.get_build(call),
            "listBuilds" => self.list_builds(call),
            "listTags" => self.list_tags(call),
            "listTaggedRPMS" => self.list_tagged_rpms(call),
            "getRPMHeaders" => self.get_headers(call),
            "build" => self.build(caller, call),
            "cancelTask" => self.cancel_task(caller, call),
            "getTaskInfo" => self.get_task_info(call),
            "getTaskResult" => self.get_task_result(call),
            "getTaskChildren" => self.get_task_children(call),
            "getTaskDescendents" => self.get_task_descendents(call),
            "listTasks" => self.list_tasks(call),
            "listTaskOutput" => self.list_task_output(call),
            "downloadTaskOutput" => self.download_task_output(call),
            "newRepo" => self.new_repo(caller, call),
            "getRepo" => self.get_repo(call),
            "repo.get" if self.dialect.repository_queue => self.get_repo(call),
            "repo.request" if self.dialect.repository_queue => self.request_repo(caller, call),
            "repo.checkRequest" if self.dialect.repository_queue => self.check_request(call),
            "checkUpload" => self.check_upload(call),
            "CGImport" => self.import(caller, call),
            "listCGs" => Ok(self.list_generators()),
            "listBTypes" => {
                Ok(Value::Array(vec![Value::from([("id", Value::Int(5)), ("name", Value::from("module"))])]))
            }
            other => Err(generic(format!("Invalid method: {other}"))),
        }
    }
}

fn is_reading(method: &str) -> bool {
    READING.iter().any(|start| method.starts_with(start))
}
