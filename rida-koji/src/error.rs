//! What can go wrong with a call of the hub, and what it means for who made it.

use std::error::Error;
use std::fmt;

use crate::xmlrpc::Fault;

/// What a failed call means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KojiErrorKind {
    /// The hub says that it is offline, in maintenance, or without its database. Nothing was done.
    Offline,
    /// The hub cannot be reached. Nothing was done.
    Unreachable,
    /// The call was sent, and what became of it is not known. Look before it is made again.
    Lost,
    /// The call was done, and its answer is lost. Look what it did.
    Committed,
    /// The hub answered with a fault that stays the same when the call is repeated.
    Refused,
    /// Something else answered in the hub's place: a page of maintenance, or another server.
    NotTheHub,
    /// The hub failed, or could not do it just now, and undid what the call did.
    HubFailed,
    /// The hub does not let this user in.
    Login,
    /// The call cannot be sent, or the answer cannot be read.
    Invalid,
    /// What the settings name cannot be used.
    Settings,
}

/// A call of the hub failed.
#[derive(Debug)]
pub struct KojiError {
    kind: KojiErrorKind,
    message: String,
    fault: Option<Fault>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl KojiError {
    /// Makes an error of a kind.
    pub fn new(kind: KojiErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), fault: None, source: None }
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Makes an error of a fault that the hub answered with.
    pub(crate) fn of_fault(fault: Fault) -> Self {
        let kind = match fault.code {
            fault::OFFLINE => KojiErrorKind::Offline,
            fault::RETRY => KojiErrorKind::Committed,
            fault::SEQUENCE => KojiErrorKind::Lost,
            fault::AUTH | fault::AUTH_LOCK | fault::AUTH_EXPIRED => KojiErrorKind::Login,
            fault::PYTHON | fault::LOCK | fault::CALLBACK => KojiErrorKind::HubFailed,
            _ => KojiErrorKind::Refused,
        };
        Self { kind, message: fault.message.clone(), fault: Some(fault), source: None }
    }

    /// Returns what the failure means.
    pub const fn kind(&self) -> KojiErrorKind {
        self.kind
    }

    /// Returns what went wrong, without what it means.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Returns the hub's fault, when it answered with one.
    pub const fn fault(&self) -> Option<&Fault> {
        self.fault.as_ref()
    }

    /// Tells whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        match self.kind {
            KojiErrorKind::Offline | KojiErrorKind::Unreachable => true,
            KojiErrorKind::NotTheHub | KojiErrorKind::HubFailed => true,
            KojiErrorKind::Lost | KojiErrorKind::Committed => true,
            KojiErrorKind::Refused | KojiErrorKind::Login | KojiErrorKind::Invalid | KojiErrorKind::Settings => false,
        }
    }
}

impl fmt::Display for KojiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            KojiErrorKind::Offline => write!(f, "Koji is offline: {}", self.message),
            KojiErrorKind::Unreachable => write!(f, "Koji cannot be reached: {}", self.message),
            KojiErrorKind::Lost => write!(f, "Koji's answer is lost: {}", self.message),
            KojiErrorKind::Committed => write!(f, "Koji did it, but its answer is lost: {}", self.message),
            KojiErrorKind::Refused => write!(f, "Koji answers: {}", self.message),
            KojiErrorKind::NotTheHub => write!(f, "Koji itself does not answer: {}", self.message),
            KojiErrorKind::HubFailed => write!(f, "Koji failed: {}", self.message),
            KojiErrorKind::Login => write!(f, "Koji does not let this service in: {}", self.message),
            KojiErrorKind::Invalid | KojiErrorKind::Settings => f.write_str(&self.message),
        }
    }
}

impl Error for KojiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}

/// The numbers of Koji's faults.
pub mod fault {
    /// An exception of Python that nothing in the hub expected.
    pub const PYTHON: i64 = 1;
    /// No kind of its own.
    pub const GENERIC: i64 = 1000;
    /// Something is locked, such as a file that another upload writes.
    pub const LOCK: i64 = 1001;
    /// Login failed, or the session is none.
    pub const AUTH: i64 = 1002;
    /// Something with a tag.
    pub const TAG: i64 = 1003;
    /// Permission or policy.
    pub const NOT_ALLOWED: i64 = 1004;
    /// A build failed.
    pub const BUILD: i64 = 1005;
    /// Another session is exclusive.
    pub const AUTH_LOCK: i64 = 1006;
    /// The session expired; nothing was done.
    pub const AUTH_EXPIRED: i64 = 1007;
    /// A later call of the session was done already.
    pub const SEQUENCE: i64 = 1008;
    /// This call of the session was done already.
    pub const RETRY: i64 = 1009;
    /// The hub, or its database, is not there for users.
    pub const OFFLINE: i64 = 1014;
    /// A plugin failed that is asked before something is done.
    pub const CALLBACK: i64 = 1017;
    /// An argument is wrong.
    pub const PARAMETER: i64 = 1019;
}
