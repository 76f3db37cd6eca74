//! Faults, with the codes and texts that the hub uses.

use crate::error::fault;
use crate::xmlrpc::{Fault, Value};

/// What a method answers.
pub(super) type Result<T = Value> = std::result::Result<T, Fault>;

pub(super) fn fault(code: i64, message: impl Into<String>) -> Fault {
    Fault { code, message: message.into() }
}

pub(super) fn generic(message: impl Into<String>) -> Fault {
    fault(fault::GENERIC, message)
}

pub(super) fn not_allowed(message: impl Into<String>) -> Fault {
    fault(fault::NOT_ALLOWED, message)
}

pub(super) fn auth(message: impl Into<String>) -> Fault {
    fault(fault::AUTH, message)
}

pub(super) fn tag(message: impl Into<String>) -> Fault {
    fault(fault::TAG, message)
}

pub(super) fn parameter(message: impl Into<String>) -> Fault {
    fault(fault::PARAMETER, message)
}
