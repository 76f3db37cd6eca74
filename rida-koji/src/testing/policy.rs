//! The hub's policies: what its operators allow, and what is answered where they do not.

use super::answer::{Result, fault, generic, not_allowed};
use super::args::Args;
use super::world::World;
use crate::error::fault;
use crate::xmlrpc::{Call, Value};

/// The policies that a hub has unless its operators wrote others. It knows no policy `tag`, and allows what it would
/// be about.
const BUILT_IN: &[&str] =
    &["build_rpm", "build_from_srpm", "build_from_repo_id", "build_from_scm", "package_list", "cg_import"];

impl World {
    /// Returns why a policy denies something.
    fn denied(&self, policy: &str) -> Option<&str> {
        self.policies.get(policy)?.strip_prefix("deny").map(str::trim)
    }

    /// Refuses what a policy denies, which the hub does in the same words in calls and in tasks.
    pub(super) fn obey(&self, policy: &str) -> Result<()> {
        match self.denied(policy) {
            Some("") => Err(not_allowed(format!("policy violation ({policy})"))),
            Some(why) => Err(not_allowed(format!("policy violation ({policy}): {why}"))),
            None => Ok(()),
        }
    }

    /// Refuses sources that builders must not take.
    pub(super) fn obey_source(&self, source: &str) -> Result<()> {
        let Some(why) = self.denied("build_from_scm") else { return Ok(()) };
        let place = source.split_once("://").map_or(source, |(_, place)| place);
        let (host, path) = place.split_once('/').unwrap_or((place, ""));
        let path = path.split(['?', '#']).next().unwrap_or_default();
        let why = if why.is_empty() { "None" } else { why };
        Err(fault(fault::BUILD, format!("SCM: {host}:/{path} is not allowed, reason: {why}")))
    }

    pub(super) fn eval_policy(&mut self, call: Call) -> Result {
        let mut args = Args::bind(call, &["name", "data"], false)?;
        let name = args.text("name")?;
        args.members("data")?;
        match self.policies.get(&name) {
            Some(answer) => Ok(Value::from(answer.as_str())),
            None if BUILT_IN.contains(&name.as_str()) => Ok(Value::from("allow")),
            None => Err(generic(format!("no such policy: {name}"))),
        }
    }
}
