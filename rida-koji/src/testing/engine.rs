//! What the builders do while time goes by.

use super::answer::{fault, generic};
use super::records::{HubBuild, Repo, Rpm};
use super::world::{Course, World};
use crate::error::fault;
use crate::wire::TaskState;
use crate::xmlrpc::{Fault, Struct, Value};

/// The builder that tasks are given to.
const HOST: i64 = 1;
/// How often a repository that failed is tried again by the queue.
const TRIES: i64 = 3;
/// How long the builds of packages take that nothing was said of, in seconds.
const BUILD_TIME: f64 = 60.0;
/// How long it takes until a build that found no repository begins again, in seconds: it waits in a task of its own, and
/// both tasks wait for their builders.
const WAIT_FOR_REPOSITORY: f64 = 60.0;

impl World {
    /// Does everything that is due, in the order of time.
    pub(super) fn tick(&mut self) {
        let now = self.now();
        loop {
            self.serve_queue();
            let due = self.tasks.values().filter(|task| task.state.is_active() && task.due <= now);
            let next = due.min_by(|a, b| a.due.total_cmp(&b.due).then(a.id.cmp(&b.id))).map(|task| task.id);
            let Some(id) = next else { break };
            self.proceed(id);
        }
    }

    /// Takes a task one step further.
    fn proceed(&mut self, id: i64) {
        let Some(task) = self.tasks.get_mut(&id) else { return };
        let at = task.due;
        if task.state == TaskState::Free {
            // The scheduler gives it to a builder, who takes it when it asks next.
            task.state = TaskState::Assigned;
            task.host = Some(HOST);
            task.due = at + self.wait_for_builder / 2.0;
            return;
        }
        let begins = task.state == TaskState::Assigned;
        if begins {
            task.state = TaskState::Open;
            task.started = Some(at);
        }
        let method = task.method.clone();
        let outcome = match method.as_str() {
            "build" if self.tasks.get(&id).is_some_and(|task| task.makes.is_none()) => self.begin_build(id, at),
            "build" if self.is_built(id) => Ok(Some(Value::Nil)),
            "build" => self.finish_build(id, at),
            "tagBuild" => self.do_tag(id),
            "newRepo" if begins => {
                self.begin_repo(id, at);
                return;
            }
            "newRepo" => self.finish_repo(id),
            _ => {
                self.sleep(id, f64::INFINITY);
                return;
            }
        };
        match outcome {
            Ok(Some(result)) => self.end_task(id, TaskState::Closed, Ok(result)),
            Ok(None) => {}
            Err(fault) => self.end_task(id, TaskState::Failed, Err(fault)),
        }
    }

    /// Lets builders give back the tasks that they were given and have not begun, as one does that is stopped.
    pub fn give_back(&mut self) {
        let due = self.now() + self.wait_for_builder / 2.0;
        for task in self.tasks.values_mut().filter(|task| task.state == TaskState::Assigned) {
            task.state = TaskState::Free;
            task.host = None;
            task.due = due;
        }
    }

    fn sleep(&mut self, id: i64, until: f64) {
        if let Some(task) = self.tasks.get_mut(&id) {
            task.due = until;
        }
    }

    fn begin_build(&mut self, id: i64, at: f64) -> Result<Option<Value>, Fault> {
        let Some(task) = self.tasks.get(&id) else { return Ok(None) };
        let (owner, request) = (task.owner, task.request.clone());
        let [Value::Text(source), target, Value::Struct(_)] = request.as_slice() else {
            return Err(generic("a build needs a source, a target and options"));
        };
        let name = target.text("target").unwrap_or_default();
        let target = self.targets.get(name).cloned();
        let target = target.ok_or_else(|| generic(format!("unknown build target: {name}")))?;
        if source.starts_with("cli-build/") {
            self.obey("build_from_srpm")?;
        }
        self.obey("build_rpm")?;
        let newest =
            self.repos.values().filter(|repo| repo.tag == target.build_tag && repo.state == 1).max_by_key(|r| r.event);
        let Some(repo) = newest.cloned() else {
            self.waits_for_repository += 1;
            self.sleep(id, at + WAIT_FOR_REPOSITORY);
            return Ok(None);
        };
        let (package, version, release) = self.nvr_of(source, &repo)?;
        let course = self.courses.get(&package).cloned().unwrap_or(Course::Succeeds(BUILD_TIME));
        let failed = matches!(course, Course::FailsEarly).then(|| {
            fault(
                fault::BUILD,
                "error building srpm, mock exited with status 1; see build.log or root.log for more information",
            )
        });
        self.make_source_package(id, at, source, failed.clone());
        if let Some(failed) = failed {
            return Err(failed);
        }
        let known = self.builds.values().find(|b| (&b.name, &b.version, &b.release) == (&package, &version, &release));
        let build = match known {
            Some(build) if matches!(build.state, 0 | 1) => {
                let state = if build.state == 1 { "COMPLETE" } else { "BUILDING" };
                return Err(generic(build.exists(state)));
            }
            Some(build) => build.id,
            None => self.new_id(),
        };
        let record = HubBuild {
            id: build,
            name: package.clone(),
            version,
            release,
            state: 0,
            task: Some(id),
            extra: Struct::new(),
            owner,
            source: Some(source.clone()),
            created: at,
            ended: None,
        };
        let before = self.builds.insert(build, record);
        self.tell_build(build, before.map(|before| before.state));
        let seconds = match course {
            Course::Succeeds(seconds) | Course::Fails(seconds) => seconds,
            Course::Hangs | Course::FailsEarly => f64::INFINITY,
        };
        if let Some(task) = self.tasks.get_mut(&id) {
            task.makes = Some(build);
        }
        self.sleep(id, at + seconds);
        let arches = self.tags.get(&target.build_tag).map(|tag| tag.arches.clone()).unwrap_or_default();
        for arch in arches.split_whitespace() {
            let child = self.new_task("buildArch", Vec::new(), owner, Some(id), 20);
            if let Some(task) = self.tasks.get_mut(&child) {
                arch.clone_into(&mut task.arch);
                task.state = TaskState::Open;
                task.host = Some(HOST);
                task.started = Some(at);
                task.due = f64::INFINITY;
            }
        }
        Ok(None)
    }

    /// Makes the source package, in a task of its own, which takes no time here.
    fn make_source_package(&mut self, id: i64, at: f64, source: &str, failed: Option<Fault>) {
        let method = if source.starts_with("cli-build/") { "rebuildSRPM" } else { "buildSRPMFromSCM" };
        let owner = self.tasks.get(&id).map_or(0, |task| task.owner);
        let child = self.new_task(method, Vec::new(), owner, Some(id), 20);
        if let Some(task) = self.tasks.get_mut(&child) {
            task.label = Some("srpm".to_owned());
            task.host = Some(HOST);
            (task.started, task.ended, task.due) = (Some(at), Some(at), f64::INFINITY);
            task.state = if failed.is_some() { TaskState::Failed } else { TaskState::Closed };
            task.result = Some(failed.map_or(Ok(Value::from([])), Err));
        }
    }

    /// Finds out what a source makes.
    fn nvr_of(&self, source: &str, repo: &Repo) -> Result<(String, String, String), Fault> {
        if let Some(path) = source.strip_prefix("cli-build/") {
            if !self.uploads.contains_key(source) {
                return Err(generic(format!("No such file: {source}")));
            }
            let file = path.rsplit('/').next().unwrap_or_default();
            let nvr = file.strip_suffix(".src.rpm").ok_or_else(|| generic(format!("not a source package: {file}")))?;
            let mut parts = nvr.rsplitn(3, '-');
            let (release, version, name) = (parts.next(), parts.next(), parts.next());
            // A hub reads what is in the package. Here one whose file is named only after itself is like any from git.
            let (Some(release), Some(version), Some(name)) = (release, version, name) else {
                return Ok(self.first_of(nvr, repo));
            };
            return Ok((name.to_owned(), version.to_owned(), release.to_owned()));
        }
        let address = source.split_once('#').map_or(source, |(address, _)| address).trim_end_matches('?');
        if !address.starts_with("git") && !address.starts_with("http") {
            return Err(generic(format!("Invalid scheme in scm url: {source}")));
        }
        self.obey_source(source)?;
        let name = address.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let name = name.strip_suffix(".git").unwrap_or(name);
        Ok(self.first_of(name, repo))
    }

    /// Returns what is built of a package's first version. The dist tag is that of the macros in the repository.
    fn first_of(&self, name: &str, repo: &Repo) -> (String, String, String) {
        let macros =
            repo.contents.iter().filter_map(|id| self.builds.get(id)).find(|b| b.name == "module-build-macros");
        let dist = macros.and_then(|build| build.release.strip_prefix('1')).unwrap_or_default();
        (name.to_owned(), "1.0".to_owned(), format!("1{dist}"))
    }

    /// Tells whether the packages of a task are there; the task itself ends a little later.
    fn is_built(&self, id: i64) -> bool {
        let build = self.tasks.get(&id).and_then(|task| task.makes).and_then(|build| self.builds.get(&build));
        build.is_some_and(|build| build.state == 1)
    }

    fn finish_build(&mut self, id: i64, at: f64) -> Result<Option<Value>, Fault> {
        let build = self.tasks.get(&id).and_then(|task| task.makes);
        let Some(build) = build.and_then(|build| self.builds.get(&build)) else { return Ok(Some(Value::Nil)) };
        let (number, name) = (build.id, build.name.clone());
        if matches!(self.courses.get(&name), Some(Course::Fails(_))) {
            let text = "error building package (arch x86_64), mock exited with status 1; see build.log or root.log for \
                        more information";
            let failed = fault(fault::BUILD, text);
            // The first fails, and its siblings are cancelled with it.
            let child = self.tasks.values().find(|task| task.parent == Some(id) && task.method == "buildArch");
            if let Some(child) = child.map(|child| child.id) {
                self.end_task(child, TaskState::Failed, Err(failed.clone()));
            }
            return Err(failed);
        }
        let children = self.tasks.values().filter(|task| task.parent == Some(id) && task.method == "buildArch");
        let mut arches: Vec<String> = children.map(|task| task.arch.clone()).collect();
        if name == "module-build-macros" {
            arches = vec!["noarch".to_owned()];
        }
        let more = self.more_packages.get(&name).cloned().unwrap_or_default();
        let mut made = vec![(name.clone(), "src".to_owned())];
        for package in std::iter::once(&name).chain(&more) {
            if self.noarch.contains(package) {
                made.push((package.clone(), "noarch".to_owned()));
            } else {
                made.extend(arches.iter().map(|arch| (package.clone(), arch.clone())));
            }
        }
        for (name, arch) in made {
            let id = self.new_id();
            self.rpms.insert(id, Rpm { id, build: number, name, arch });
        }
        if let Some(build) = self.builds.get_mut(&number) {
            build.state = 1;
            build.ended = Some(at);
        }
        self.tell_build(number, Some(0));
        self.sleep(id, at + self.until_closed);
        Ok(None)
    }

    fn do_tag(&mut self, id: i64) -> Result<Option<Value>, Fault> {
        let request = self.tasks.get(&id).map(|task| task.request.clone()).unwrap_or_default();
        if let [Value::Int(tag), Value::Int(build), ..] = request.as_slice() {
            self.obey("tag")?;
            self.put(*tag, *build)?;
        }
        Ok(Some(Value::Nil))
    }

    fn begin_repo(&mut self, id: i64, at: f64) {
        let request = self.tasks.get(&id).map(|task| task.request.clone()).unwrap_or_default();
        let tag = request.first().and_then(|tag| self.find_tag(tag).ok().flatten()).map(|tag| tag.id);
        let repo = tag.map(|tag| self.add_repo(tag, 0, Some(id)));
        if let Some(repo) = repo {
            self.tell_repository("buildsys.repo.init", repo);
        }
        if let Some(task) = self.tasks.get_mut(&id) {
            task.makes = repo;
        }
        self.sleep(id, at + self.repository_time);
    }

    fn finish_repo(&mut self, id: i64) -> Result<Option<Value>, Fault> {
        if self.failing_repositories > 0 {
            self.failing_repositories -= 1;
            return Err(generic("no disk space left for the repository"));
        }
        let repo = self.tasks.get(&id).and_then(|task| task.makes).and_then(|repo| self.repos.get_mut(&repo));
        let Some(repo) = repo else { return Err(generic("the tag of the repository is gone")) };
        repo.state = 1;
        let (number, event) = (repo.id, repo.event);
        self.tell_repository("buildsys.repo.done", number);
        Ok(Some(Value::Array(vec![Value::Int(number), Value::Int(event)])))
    }

    /// Makes a repository of what is in a tag now.
    pub(super) fn add_repo(&mut self, tag: i64, state: i64, task: Option<i64>) -> i64 {
        let event = self.new_event();
        let contents = self.tagged_builds(tag, true).into_iter().map(|(_, _, build)| build.id).collect();
        let (id, created) = (self.new_id(), self.now());
        self.repos.insert(id, Repo { id, tag, event, state, task, created, contents });
        id
    }

    /// Makes a finished repository of what is in a tag now, as one that was made before.
    pub fn add_repository(&mut self, tag: i64) -> i64 {
        self.add_repo(tag, 1, None)
    }

    /// Returns whose the tasks are that the queue starts, whoever asked for them.
    fn queue_user(&self) -> i64 {
        self.users.iter().find(|user| user.name == "kojira").map_or(0, |user| user.id)
    }

    /// Starts what the queue of repositories asks for, again where it failed.
    pub(super) fn serve_queue(&mut self) {
        let open: Vec<i64> =
            self.requests.values().filter(|request| request.active).map(|request| request.id).collect();
        for id in open {
            let Some(request) = self.requests.get(&id).cloned() else { continue };
            let found =
                self.repos.values().find(|r| r.tag == request.tag && r.state == 1 && r.event >= request.min_event);
            let found = found.map(|repo| repo.id);
            let state = request.task.and_then(|task| self.tasks.get(&task)).map(|task| task.state);
            let starts = found.is_none() && state.is_none_or(|state| !state.is_active());
            let gives_up = starts && request.tries >= TRIES;
            let task = if starts && !gives_up {
                let (priority, owner) = (15, self.queue_user());
                Some(self.new_task("newRepo", vec![Value::Int(request.tag)], owner, None, priority))
            } else {
                request.task
            };
            if let Some(request) = self.requests.get_mut(&id) {
                request.repo = found;
                request.active = found.is_none() && !gives_up;
                request.tries += i64::from(starts && !gives_up);
                request.task = task;
            }
        }
    }
}
