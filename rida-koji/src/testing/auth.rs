//! Users and sessions.

use std::collections::BTreeSet;

use super::answer::{Result, auth, fault, generic, not_allowed};
use super::args::Args;
use super::records::{Session, User};
use super::world::World;
use crate::error::fault;
use crate::xmlrpc::{Call, Value};

/// How long a session lasts, in seconds.
const SESSION_TIME: f64 = 24.0 * 3600.0;

/// Who makes a call, as the request says.
#[derive(Clone, Debug, Default)]
pub(super) struct Claim {
    pub(super) session: Option<(i64, String)>,
    pub(super) callnum: Option<i64>,
    /// The name in a client certificate.
    pub(super) certificate: Option<String>,
    /// The principal of a ticket, as the server before the hub says.
    pub(super) principal: Option<String>,
}

/// Who makes a call.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Caller {
    pub(super) user: Option<i64>,
    pub(super) session: Option<i64>,
}

impl World {
    /// Finds out who makes a call, and that the call is due.
    pub(super) fn admit(&mut self, claim: &Claim, method: &str) -> Result<Caller> {
        let Some((id, key)) = &claim.session else { return Ok(Caller::default()) };
        let now = self.now();
        let session = self.sessions.get(id).filter(|session| session.key == *key);
        let session = session.ok_or_else(|| auth("Invalid session or bad credentials"))?;
        let is_login = matches!(method, "login" | "sslLogin");
        if !is_login && (session.expired || now - session.started > SESSION_TIME) {
            return Err(fault(fault::AUTH_EXPIRED, format!("session \"{id}\" has expired")));
        }
        if let (Some(stored), Some(number)) = (session.callnum, claim.callnum) {
            if stored > number {
                return Err(fault(fault::SEQUENCE, format!("{stored} > {number} (session {id})")));
            }
            if stored == number && method != "upload" {
                let text = format!("unable to retry call {number} (method {method}) for session {id}");
                return Err(fault(fault::RETRY, text));
            }
        }
        Ok(Caller { user: Some(session.user), session: Some(*id) })
    }

    /// Notes that a call was done.
    pub(super) fn committed(&mut self, caller: Caller, claim: &Claim) {
        if let (Some(id), Some(number)) = (caller.session, claim.callnum)
            && let Some(session) = self.sessions.get_mut(&id)
        {
            session.callnum = Some(number);
        }
    }

    pub(super) fn login(&mut self, caller: Caller, call: Call) -> Result {
        let mut args = Args::bind(call, &["user", "password", "opts"], false)?;
        let (name, password) = (args.text("user")?, args.text("password")?);
        if caller.session.is_some() {
            return Err(auth("Already logged in"));
        }
        let user = self.users.iter().find(|user| user.name == name && user.password == password);
        let user = user.ok_or_else(|| auth("invalid username or password"))?;
        if user.blocked {
            return Err(auth(format!("logins by {name} are not allowed")));
        }
        let id = user.id;
        Ok(self.open_session(id))
    }

    pub(super) fn ssl_login(&mut self, claim: &Claim) -> Result {
        if let Some(principal) = &claim.principal {
            let realm = principal.rsplit_once('@').map_or("", |(_, realm)| realm);
            if self.allowed_realms.as_ref().is_some_and(|allowed| allowed.iter().all(|known| known != realm)) {
                return Err(auth(format!("Kerberos principal's realm: {realm} is not allowed")));
            }
            let user = self.users.iter().find(|user| user.principals.contains(principal));
            let id = user.ok_or_else(|| auth(format!("Unknown user: {principal}")))?.id;
            return Ok(self.open_session(id));
        }
        let name = claim.certificate.as_ref().ok_or_else(|| auth("could not verify client: None"))?;
        let user = self.users.iter().find(|user| user.name == *name);
        let id = user.ok_or_else(|| auth(format!("Unknown user: {name}")))?.id;
        Ok(self.open_session(id))
    }

    fn open_session(&mut self, user: i64) -> Value {
        let id = self.new_id();
        let key = format!("{user}-Double{id}");
        let started = self.now();
        self.sessions.insert(id, Session { key: key.clone(), user, callnum: None, started, expired: false });
        let mut answer = vec![("session-id", Value::Int(id)), ("session-key", Value::from(key))];
        if self.dialect.header_auth {
            answer.push(("header-auth", Value::Bool(true)));
        }
        Value::Struct(answer.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    pub(super) fn logout(&mut self, caller: Caller) -> Result {
        let id = caller.session.ok_or_else(|| auth("Not logged in"))?;
        self.sessions.remove(&id);
        Ok(Value::Nil)
    }

    pub(super) fn user(&self, caller: Caller) -> Result<&User> {
        let user = caller.user.and_then(|id| self.users.iter().find(|user| user.id == id));
        user.ok_or_else(|| not_allowed("you must be logged in for this operation"))
    }

    /// Refuses who has none of these permissions.
    pub(super) fn need(&self, caller: Caller, permissions: &[&str]) -> Result<i64> {
        let needed = permissions.first().copied().unwrap_or_default();
        let Some(id) = caller.user else {
            return Err(not_allowed(format!("{needed} permission required (user not logged in)")));
        };
        let user = self.users.iter().find(|user| user.id == id);
        let allowed = |user: &&User| permissions.iter().chain(&["admin"]).any(|p| user.permissions.contains(*p));
        let name = user.map_or("", |user| user.name.as_str());
        match user.filter(allowed) {
            Some(user) => Ok(user.id),
            None => Err(not_allowed(format!("{needed} permission required (logged in as {name})"))),
        }
    }

    fn permission_names(&self) -> BTreeSet<&str> {
        let has = self.users.iter().flat_map(|user| user.permissions.iter().map(String::as_str));
        ["admin", "repo", "sign", "tag", "target"].into_iter().chain(has).collect()
    }

    /// Refuses the name of a permission that there is not.
    pub(super) fn permission(&self, name: &str) -> Result<()> {
        if self.permission_names().contains(name) {
            return Ok(());
        }
        Err(generic(format!("No such entry in table permissions: {name}")))
    }

    /// Returns the permissions that there are: those of a hub, and whatever somebody has.
    pub(super) fn all_permissions(&self) -> Value {
        let numbered =
            (1..).zip(self.permission_names()).map(|(id, name)| [("id", Value::Int(id)), ("name", Value::from(name))]);
        Value::Array(numbered.map(Value::from).collect())
    }

    pub(super) fn find_user(&self, who: &Value) -> Option<&User> {
        self.users.iter().find(|user| match who {
            Value::Int(id) => user.id == *id,
            Value::Text(name) => user.name == *name,
            _ => false,
        })
    }

    pub(super) fn shown_user(user: &User) -> Value {
        Value::from([
            ("id", Value::Int(user.id)),
            ("name", Value::from(user.name.as_str())),
            ("status", Value::Int(i64::from(user.blocked))),
            ("usertype", Value::Int(0)),
            ("krb_principals", Value::from(user.principals.iter().cloned().collect::<Vec<_>>())),
        ])
    }

    /// Tells the one who asks how they logged in, too.
    pub(super) fn shown_caller(user: &User) -> Value {
        let Value::Struct(mut shown) = Self::shown_user(user) else { return Value::Nil };
        shown.insert("authtype".to_owned(), Value::Int(0));
        Value::Struct(shown)
    }
}
