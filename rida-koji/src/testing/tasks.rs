//! Tasks: what is asked of them.

use base64::Engine;

use rida_core::Timestamp;

use super::answer::{Result, generic, not_allowed};
use super::args::{Args, flag, int, text};
use super::auth::Caller;
use super::records::HubTask;
use super::world::World;
use crate::wire::TaskState;
use crate::xmlrpc::{Call, Struct, Value, encode_response};

/// The priority of tasks that nothing is said of.
const PRIORITY: i64 = 20;

impl World {
    pub(super) fn new_task(
        &mut self,
        method: &str,
        request: Vec<Value>,
        owner: i64,
        parent: Option<i64>,
        priority: i64,
    ) -> i64 {
        let (id, now) = (self.new_id(), self.now());
        let task = HubTask {
            id,
            method: method.to_owned(),
            state: TaskState::Free,
            request,
            owner,
            parent,
            label: None,
            arch: "noarch".to_owned(),
            priority,
            created: now,
            started: None,
            ended: None,
            due: now + self.wait_for_builder / 2.0,
            host: None,
            makes: None,
            result: None,
        };
        self.tasks.insert(id, task);
        id
    }

    pub(super) fn build(&mut self, caller: Caller, call: Call) -> Result {
        let user = self.user(caller)?.id;
        let mut args = Args::bind(call, &["src", "target", "opts", "priority", "channel"], false)?;
        let (source, target) = (args.text("src")?, args.take("target"));
        let opts = args.members("opts")?;
        let priority = args.maybe_int("priority")?.unwrap_or(0);
        if let Some(channel) = args.maybe_text("channel")? {
            return Err(generic(format!("No such channel: {channel}")));
        }
        if priority < 0 && self.need(caller, &[]).is_err() {
            return Err(not_allowed("only admins may create high-priority tasks"));
        }
        let request = vec![Value::from(source), target, Value::Struct(opts)];
        Ok(Value::Int(self.new_task("build", request, user, None, PRIORITY + priority)))
    }

    pub(super) fn cancel_task(&mut self, caller: Caller, call: Call) -> Result {
        let user = self.user(caller)?.id;
        let mut args = Args::bind(call, &["task_id", "recurse"], false)?;
        let id = args.int("task_id")?;
        let task = self.tasks.get(&id).ok_or_else(|| generic(format!("No such task: {id}")))?;
        if task.owner != user && self.need(caller, &[]).is_err() {
            return Err(not_allowed("Cannot cancel task, not owner"));
        }
        self.end_task(id, TaskState::Canceled, Ok(Value::Nil));
        Ok(Value::Nil)
    }

    /// Ends a task that has not ended, and everything below it.
    pub(super) fn end_task(&mut self, id: i64, state: TaskState, result: crate::xmlrpc::Answer) {
        let now = self.now();
        let Some(task) = self.tasks.get_mut(&id).filter(|task| task.state.is_active()) else { return };
        task.state = state;
        task.ended = Some(now);
        task.due = f64::INFINITY;
        task.result = Some(result);
        let makes = (task.method == "build").then_some(task.makes).flatten();
        if let Some(build) = makes.and_then(|build| self.builds.get_mut(&build)).filter(|build| build.state == 0) {
            build.ended = Some(now);
            build.state = match state {
                TaskState::Closed => 1,
                TaskState::Canceled => 4,
                _ => 3,
            };
            let build = build.id;
            self.tell_build(build, Some(0));
        }
        let below: Vec<i64> = self.tasks.values().filter(|task| task.parent == Some(id)).map(|task| task.id).collect();
        let of_children = if state == TaskState::Closed { TaskState::Closed } else { TaskState::Canceled };
        for child in below {
            self.end_task(child, of_children, Ok(Value::Nil));
        }
    }

    fn shown_task(task: &HubTask, request: Option<Value>) -> Value {
        let time = |at: Option<f64>| Value::from(at);
        let mut members = vec![
            ("id", Value::Int(task.id)),
            ("method", Value::from(task.method.as_str())),
            ("state", Value::Int(code(task.state))),
            ("arch", Value::from(task.arch.as_str())),
            ("label", Value::from(task.label.as_deref())),
            ("parent", Value::from(task.parent)),
            ("owner", Value::Int(task.owner)),
            ("host_id", Value::from(task.host)),
            ("channel_id", Value::Int(1)),
            ("priority", Value::Int(task.priority)),
            ("weight", Value::Double(1.0)),
            ("waiting", Value::Nil),
            ("awaited", Value::Nil),
            ("create_ts", Value::Double(task.created)),
            ("start_ts", time(task.started)),
            ("completion_ts", time(task.ended)),
        ];
        if let Some(request) = request {
            members.push(("request", request));
        }
        Value::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(super) fn get_task_info(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["task_id", "request", "strict"], false)?;
        let which = args.take("task_id");
        let (request, strict) = (args.flag("request", false), args.flag("strict", false));
        let one = |id: &Value| {
            let task = id.int("task_id").ok().and_then(|id| self.tasks.get(&id));
            match task {
                Some(task) => Ok(Self::shown_task(task, request.then(|| Value::Array(task.request.clone())))),
                None if strict => Err(generic("query returned no rows")),
                None => Ok(Value::Nil),
            }
        };
        match which {
            Value::Array(ids) => Ok(Value::Array(ids.iter().map(one).collect::<Result<_>>()?)),
            id => one(&id),
        }
    }

    pub(super) fn get_task_result(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["taskId", "raise_fault"], false)?;
        let id = args.int("taskId")?;
        let task = self.tasks.get(&id).ok_or_else(|| generic("No such task"))?;
        match (task.state, &task.result) {
            (TaskState::Canceled, _) => Err(generic(format!("Task {id} is canceled"))),
            (TaskState::Closed | TaskState::Failed, Some(Ok(value))) => Ok(value.clone()),
            (TaskState::Closed | TaskState::Failed, Some(Err(fault))) if args.flag("raise_fault", true) => {
                Err(fault.clone())
            }
            (TaskState::Closed | TaskState::Failed, Some(Err(fault))) => Ok(Value::from([
                ("faultCode", Value::Int(fault.code)),
                ("faultString", Value::from(fault.message.as_str())),
            ])),
            _ => Err(generic(format!("Task {id} is not finished"))),
        }
    }

    fn children(&self, id: i64) -> Vec<Value> {
        let children = self.tasks.values().filter(|task| task.parent == Some(id));
        children.map(|task| Self::shown_task(task, None)).collect()
    }

    pub(super) fn get_task_children(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["task_id", "request", "strict"], false)?;
        let id = args.int("task_id")?;
        Ok(Value::Array(self.children(id)))
    }

    pub(super) fn get_task_descendents(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["task_id", "request"], false)?;
        let (mut open, mut found) = (vec![args.int("task_id")?], Struct::new());
        while let Some(id) = open.pop() {
            open.extend(self.tasks.values().filter(|task| task.parent == Some(id)).map(|task| task.id));
            found.insert(id.to_string(), Value::Array(self.children(id)));
        }
        Ok(Value::Struct(found))
    }

    pub(super) fn list_tasks(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["opts", "queryOpts"], false)?;
        let (opts, query) = (args.members("opts")?, args.members("queryOpts")?);
        let list = |name: &str| match opts.get(name) {
            Some(Value::Array(values)) => Some(values.clone()),
            Some(Value::Nil) | None => None,
            Some(value) => Some(vec![value.clone()]),
        };
        let (states, owners) = (list("state"), list("owner"));
        let off = self.dialect.numbers_of_times_are_off;
        let is_after = |created: f64| match opts.get("createdAfter") {
            Some(Value::Double(after)) => created > after + off,
            // Times are whole seconds here, and far from where numbers lose digits.
            Some(Value::Int(after)) => created > after.to_string().parse().unwrap_or(0.0) + off,
            // Of two texts of this form the later time is the greater one.
            Some(Value::Text(after)) => {
                let since = std::time::Duration::try_from_secs_f64(created).unwrap_or_default();
                Timestamp::EPOCH.plus(since).to_string() > *after
            }
            _ => true,
        };
        if let Some(Value::Text(after)) = opts.get("createdAfter")
            && (after.len() != "2026-11-22T10:31:34Z".len() || !after.ends_with('Z'))
        {
            return Err(generic(format!("the double reads no time of this form: {after}")));
        }
        let fits = |task: &&HubTask| {
            states.as_ref().is_none_or(|states| states.contains(&Value::Int(code(task.state))))
                && owners.as_ref().is_none_or(|owners| owners.contains(&Value::Int(task.owner)))
                && text(&opts, "method").is_none_or(|method| task.method == method)
                && is_after(task.created)
        };
        let decode = flag(&opts, "decode");
        let shown = self.tasks.values().filter(fits).map(|task| {
            let request = Value::Array(task.request.clone());
            let request = if decode { request } else { encode_response(&request).unwrap_or_default().into() };
            Self::shown_task(task, Some(request))
        });
        let start = int(&query, "offset").and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0);
        let limit = int(&query, "limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
        Ok(Value::Array(shown.skip(start).take(limit).collect()))
    }

    /// Returns the logs of a task by their names.
    fn logs_of(&self, id: i64) -> Vec<(&'static str, String)> {
        let Some(task) = self.tasks.get(&id).filter(|task| task.started.is_some()) else { return Vec::new() };
        let failed = task.state == TaskState::Failed;
        match task.method.as_str() {
            "buildArch" | "buildSRPMFromSCM" | "rebuildSRPM" => {}
            _ => return Vec::new(),
        }
        let what = if task.method == "buildArch" { task.arch.as_str() } else { "a source package" };
        let mut root = format!("task {id} installs what it needs for {what}\n");
        if failed && self.breaking_roots {
            root.push_str("No matching package to install: 'nowhere'\n");
            return vec![("build.log", String::new()), ("root.log", root)];
        }
        let mut log = format!("task {id} builds for {what}\n");
        if !task.state.is_active() {
            log.push_str(if failed { "Child return code was 1\n" } else { "Child return code was 0\n" });
            log.push_str("End of log\n");
        }
        vec![("build.log", log), ("root.log", root)]
    }

    pub(super) fn list_task_output(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["taskID", "stat", "all_volumes", "strict"], false)?;
        let (id, stat) = (args.int("taskID")?, args.flag("stat", false));
        let logs = self.logs_of(id);
        if !stat {
            return Ok(Value::Array(logs.iter().map(|(name, _)| Value::from(*name)).collect()));
        }
        let size = |log: &str| Value::from([("st_size", Value::from(log.len().to_string()))]);
        Ok(Value::Struct(logs.iter().map(|(name, log)| ((*name).to_owned(), size(log))).collect()))
    }

    pub(super) fn download_task_output(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["taskID", "fileName", "offset", "size", "volume"], false)?;
        let (id, name) = (args.int("taskID")?, args.text("fileName")?);
        let offset = args.maybe_int("offset")?.and_then(|offset| usize::try_from(offset).ok()).unwrap_or(0);
        let size = args.maybe_int("size")?.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        let log = self.logs_of(id).into_iter().find(|(known, _)| *known == name).map(|(_, log)| log);
        let log = log.ok_or_else(|| generic(format!("no such file: {name}")))?;
        let piece: Vec<u8> = log.bytes().skip(offset).take(size).collect();
        Ok(Value::from(base64::engine::general_purpose::STANDARD.encode(piece)))
    }
}

const fn code(state: TaskState) -> i64 {
    match state {
        TaskState::Free => 0,
        TaskState::Open => 1,
        TaskState::Closed => 2,
        TaskState::Canceled => 3,
        TaskState::Assigned => 4,
        TaskState::Failed => 5,
    }
}
