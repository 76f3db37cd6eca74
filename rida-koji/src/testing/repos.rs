//! Repositories, and the queue of them.

use super::answer::{Result, generic, not_allowed};
use super::args::Args;
use super::auth::Caller;
use super::records::{Repo, Request};
use super::tags::no_entry;
use super::world::World;
use crate::xmlrpc::{Call, Struct, Value};

impl World {
    fn shown_repo(&self, repo: &Repo) -> Value {
        if !self.dialect.repository_queue {
            // Older hubs say less; which tag it is of they leave to who asked.
            return Value::from([
                ("id", Value::Int(repo.id)),
                ("state", Value::Int(repo.state)),
                ("create_event", Value::Int(repo.event)),
                ("create_ts", Value::Double(repo.created)),
                ("task_id", Value::from(repo.task)),
                ("dist", Value::Bool(false)),
            ]);
        }
        Value::from([
            ("id", Value::Int(repo.id)),
            ("state", Value::Int(repo.state)),
            ("create_event", Value::Int(repo.event)),
            ("creation_ts", Value::Double(repo.created)),
            ("tag_id", Value::Int(repo.tag)),
            ("tag_name", Value::from(self.tags.get(&repo.tag).map(|tag| tag.name.as_str()))),
            ("task_id", Value::from(repo.task)),
            ("dist", Value::Bool(false)),
            ("opts", Value::from([])),
        ])
    }

    fn shown_request(&self, request: &Request) -> Value {
        Value::from([
            ("id", Value::Int(request.id)),
            ("active", Value::Bool(request.active)),
            ("min_event", Value::Int(request.min_event)),
            ("at_event", Value::Nil),
            ("tag_id", Value::Int(request.tag)),
            ("tag_name", Value::from(self.tags.get(&request.tag).map(|tag| tag.name.as_str()))),
            ("task_id", Value::from(request.task)),
            ("repo_id", Value::from(request.repo)),
            ("tries", Value::Int(request.tries)),
            ("owner", Value::Int(request.owner)),
        ])
    }

    pub(super) fn new_repo(&mut self, caller: Caller, call: Call) -> Result {
        let user = self.need(caller, &["regen-repo", "repo"])?;
        let mut args = Args::bind(call, &["tag"], true)?;
        let tag = self.tag(&args.take("tag"))?.id;
        if !self.dialect.new_repo {
            return Err(not_allowed("newRepo api call is disabled"));
        }
        let name = self.tags.get(&tag).map(|tag| tag.name.clone());
        Ok(Value::Int(self.new_task("newRepo", vec![Value::from(name)], user, None, 15)))
    }

    pub(super) fn get_repo(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["tag", "min_event", "state", "event", "dist", "at_event", "opts"], false)?;
        let which = args.take("tag");
        let tag = self.find_tag(&which)?.ok_or_else(|| no_entry(&which))?;
        let min = args.maybe_int("min_event")?.unwrap_or_default();
        let ready = self.repos.values().filter(|repo| repo.tag == tag.id && repo.state == 1 && repo.event >= min);
        Ok(ready.max_by_key(|repo| repo.event).map_or(Value::Nil, |repo| self.shown_repo(repo)))
    }

    pub(super) fn request_repo(&mut self, caller: Caller, call: Call) -> Result {
        let owner = self.user(caller)?.id;
        let mut args = Args::bind(call, &["tag", "min_event", "at_event", "opts", "priority", "force"], false)?;
        let tag = self.tag(&args.take("tag"))?.id;
        let min_event = match args.take("min_event") {
            Value::Int(event) => event,
            _ => self.last_change_of(tag),
        };
        let found = self.repos.values().find(|repo| repo.tag == tag && repo.state == 1 && repo.event >= min_event);
        if let Some(repo) = found {
            let answer = [("repo", self.shown_repo(repo)), ("request", Value::Nil), ("duplicate", Value::Bool(false))];
            return Ok(Value::from(answer));
        }
        let same = |known: &&Request| known.active && known.tag == tag && known.min_event >= min_event;
        let (id, duplicate) = match self.requests.values().find(same) {
            Some(request) => (request.id, true),
            None => {
                let id = self.new_id();
                let request = Request { id, tag, min_event, owner, active: true, tries: 0, task: None, repo: None };
                self.requests.insert(id, request);
                self.serve_queue();
                (id, false)
            }
        };
        let request = self.requests.get(&id).map_or(Value::Nil, |request| self.shown_request(request));
        Ok(Value::from([("repo", Value::Nil), ("request", request), ("duplicate", Value::Bool(duplicate))]))
    }

    pub(super) fn check_request(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["req_id"], false)?;
        let id = args.int("req_id")?;
        let request = self.requests.get(&id).ok_or_else(|| generic("No such request"))?;
        let repo = request.repo.and_then(|repo| self.repos.get(&repo));
        let mut answer = Struct::new();
        answer.insert("request".to_owned(), self.shown_request(request));
        answer.insert("repo".to_owned(), repo.map_or(Value::Nil, |repo| self.shown_repo(repo)));
        Ok(Value::Struct(answer))
    }
}
