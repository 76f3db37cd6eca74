//! A session of the hub: one serial channel, whose calls are numbered so that none is done twice.

use hyper::header::{HeaderName, HeaderValue};

use super::http::Connection;
use crate::error::{KojiError, KojiErrorKind};
use crate::xmlrpc::Value;

/// The number of the session.
const ID: HeaderName = HeaderName::from_static("koji-session-id");
/// The session's secret.
const KEY: HeaderName = HeaderName::from_static("koji-session-key");
/// The number of the call, as hubs from 1.36 on read it.
const CALLNUM: HeaderName = HeaderName::from_static("koji-session-callnum");
/// The number of the call, as hubs up to 1.35 read it.
const OLD_CALLNUM: HeaderName = HeaderName::from_static("koji-callnum");

/// A session, with the connection that it was last used on.
pub(super) struct Session {
    id: i64,
    key: String,
    /// Whether the hub takes the session from headers, or from the address as hubs before 1.31 did.
    by_header: bool,
    next_call: u64,
    pub(super) connection: Option<Connection>,
}

impl Session {
    /// Reads what a login answered.
    pub(super) fn from_login(answer: Value) -> Result<Self, KojiError> {
        let unreadable =
            |error| KojiError::new(KojiErrorKind::Invalid, "Koji's answer to the login cannot be read").because(error);
        let mut fields = answer.fields("login").map_err(unreadable)?;
        Ok(Self {
            id: fields.int("session-id").map_err(unreadable)?,
            key: fields.text("session-key").map_err(unreadable)?,
            by_header: fields.flag("header-auth").map_err(unreadable)?,
            next_call: 0,
            connection: None,
        })
    }

    /// Returns the session's number.
    pub(super) const fn id(&self) -> i64 {
        self.id
    }

    /// Notes that the hub answered the call with this number.
    pub(super) const fn answered(&mut self) {
        self.next_call += 1;
    }

    /// Returns the headers that a call is made with.
    pub(super) fn headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, KojiError> {
        if !self.by_header {
            return Ok(Vec::new());
        }
        let mut key = HeaderValue::from_str(&self.key).map_err(|error| {
            KojiError::new(KojiErrorKind::Invalid, "the session's key cannot be sent").because(error)
        })?;
        key.set_sensitive(true);
        // Released hubs look at one of the two only; with either a call that is sent again is not done again.
        let number = HeaderValue::from(self.next_call);
        Ok(vec![(ID, HeaderValue::from(self.id)), (KEY, key), (CALLNUM, number.clone()), (OLD_CALLNUM, number)])
    }

    /// Returns what the address of a call ends with.
    pub(super) fn query(&self) -> String {
        if self.by_header {
            return String::new();
        }
        let key = percent_encoding::utf8_percent_encode(&self.key, percent_encoding::NON_ALPHANUMERIC);
        format!("session-id={}&session-key={key}&callnum={}", self.id, self.next_call)
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session").field("id", &self.id).field("next_call", &self.next_call).finish_non_exhaustive()
    }
}
