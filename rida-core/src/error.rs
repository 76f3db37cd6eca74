//! Errors of the ports, with what a caller branches on.

use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Writes an error with its causes, for people who run this machine. What only passes its cause on is written once.
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.ends_with(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

/// What a failed port call means for who made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PortErrorKind {
    /// Something passing: the same call may succeed soon. Retried a bounded number of times.
    Temporary,
    /// The other side is away or says that it is in maintenance. Retried until the build's own deadline.
    Unavailable,
    /// What was asked for is under way, and nothing has failed. Asked again until the build's own deadline.
    Pending,
    /// An answer: the same call will fail again.
    Permanent,
}

/// A port call failed.
///
/// The text is for people outside: what went wrong and what they can do, with no path, command line or secret of the
/// machine that it happened on. Those belong in the source, which only the log shows.
#[derive(Debug)]
pub struct PortError {
    kind: PortErrorKind,
    message: String,
    after: Option<Duration>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl PortError {
    /// Makes an error of a kind with a text for people outside.
    pub fn new(kind: PortErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), after: None, source: None }
    }

    /// Makes a [`PortErrorKind::Temporary`] error.
    pub fn temporary(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::Temporary, message)
    }

    /// Makes a [`PortErrorKind::Unavailable`] error.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::Unavailable, message)
    }

    /// Makes a [`PortErrorKind::Pending`] error, with when it is worth asking again.
    pub fn pending(message: impl Into<String>, after: Duration) -> Self {
        Self { after: Some(after), ..Self::new(PortErrorKind::Pending, message) }
    }

    /// Makes a [`PortErrorKind::Permanent`] error.
    pub fn permanent(message: impl Into<String>) -> Self {
        Self::new(PortErrorKind::Permanent, message)
    }

    /// Adds the cause, for the log.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// Returns what the failure means for who made the call.
    pub const fn kind(&self) -> PortErrorKind {
        self.kind
    }

    /// Tells whether the same call may succeed later.
    pub const fn is_retryable(&self) -> bool {
        match self.kind {
            PortErrorKind::Temporary | PortErrorKind::Unavailable | PortErrorKind::Pending => true,
            PortErrorKind::Permanent => false,
        }
    }

    /// Returns when it is worth making the call again, where that is known.
    pub const fn after(&self) -> Option<Duration> {
        self.after
    }

    /// Returns the text for people outside.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Returns the text with its causes, for people who run this machine.
    pub fn in_full(&self) -> String {
        error_chain(self)
    }
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for PortError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.source.as_deref()?;
        Some(source)
    }
}
