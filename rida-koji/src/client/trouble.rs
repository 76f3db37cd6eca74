//! How a try of a call ends without an answer, and how long it is tried again.

use std::time::Duration;

use openssl::error::ErrorStack;
use tokio::time::{Instant, sleep};

use super::config::ClientConfig;
use super::http::SendError;
use crate::error::{KojiError, KojiErrorKind, fault};
use crate::xmlrpc::Fault;

/// How often a call is sent at most, when it did not arrive or may be repeated.
const TRIES: u32 = 4;

/// How one try of a call ended without an answer.
pub(super) enum Trouble {
    /// The call did not arrive.
    NotSent(KojiError),
    /// It may have been done.
    Lost(KojiError),
    /// There is no use in trying again.
    Final(KojiError),
}

impl From<SendError> for Trouble {
    fn from(error: SendError) -> Self {
        match error {
            SendError::NotSent(error) => Self::NotSent(error),
            SendError::Lost(error) => Self::Lost(error),
            SendError::Unusable(error) => Self::Final(error),
        }
    }
}

/// Counts the tries of what may be sent again: there are so many, and none goes on after the time of one call.
pub(super) struct Tries {
    pub(super) made: u32,
    began: Instant,
    limit: Duration,
}

impl Tries {
    pub(super) fn new(limit: Duration) -> Self {
        Self { made: 0, began: Instant::now(), limit }
    }

    pub(super) fn begin(&mut self) {
        self.made += 1;
    }

    /// Returns when the time of all tries is over.
    pub(super) fn until(&self) -> Instant {
        self.began + self.limit
    }

    pub(super) fn are_over(&self) -> bool {
        self.made >= TRIES || self.began.elapsed() >= self.limit
    }

    /// Starts again, after the hub was waited for.
    pub(super) fn forget(&mut self) {
        *self = Self::new(self.limit);
    }
}

/// Waits while the hub is offline, until that takes too long.
pub(super) struct Patience {
    until: Instant,
    pause: Duration,
}

impl Patience {
    pub(super) fn new(config: &ClientConfig) -> Self {
        Self { until: Instant::now() + config.offline_patience, pause: config.offline_pause }
    }

    /// Waits a little, and tells whether it did.
    pub(super) async fn wait(&mut self) -> bool {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return false;
        }
        sleep(left.min(self.pause)).await;
        true
    }
}

pub(super) fn unreachable(error: KojiError) -> KojiError {
    let cause = innermost(&error);
    // An error of this crate says itself what was being done, which is said here.
    let message =
        cause.downcast_ref().map_or_else(|| cause.to_string(), |error: &KojiError| error.message().to_owned());
    KojiError::new(KojiErrorKind::Unreachable, message).because(error)
}

/// Returns the cause of all causes of an error: what is around it only says where it happened.
fn innermost(error: &KojiError) -> &(dyn std::error::Error + 'static) {
    let mut cause: &(dyn std::error::Error + 'static) = error;
    while let Some(source) = cause.source() {
        cause = source;
    }
    cause
}

/// Returns why the hub's server ended TLS: it does so with a certificate of an authority that it does not know, or that
/// expired. Asked again it would say the same.
pub(super) fn alert(error: &KojiError) -> Option<String> {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let errors = error.downcast_ref::<ErrorStack>().map(ErrorStack::errors).unwrap_or_default();
        let alert = errors.iter().filter_map(|error| error.reason()).find(|reason| reason.contains(" alert "));
        if let Some(alert) = alert {
            return Some(alert.to_owned());
        }
        cause = error.source();
    }
    None
}

/// Makes the error of a call whose answer is lost, and which came to nothing either when it was sent again.
pub(super) fn still_lost(error: KojiError) -> KojiError {
    KojiError::new(KojiErrorKind::Lost, format!("when it was sent again: {error}")).because(error)
}

/// Tells whether the hub says this of a call before it looks whether that was done: it looks at the session first.
pub(super) fn tells_nothing_of_the_call(fault: &Fault) -> bool {
    matches!(fault.code, fault::AUTH | fault::AUTH_LOCK | fault::AUTH_EXPIRED | fault::OFFLINE | fault::PYTHON)
}

pub(super) fn error_lost(error: KojiError) -> KojiError {
    KojiError::new(KojiErrorKind::Lost, "the connection fails").because(error)
}

/// Tells whether the hub did nothing because it does not know the session (any more).
pub(super) fn is_session_gone(error: &KojiError) -> bool {
    error.fault().is_some_and(|fault| matches!(fault.code, fault::AUTH | fault::AUTH_LOCK | fault::AUTH_EXPIRED))
}
