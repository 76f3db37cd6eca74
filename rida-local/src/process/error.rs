//! What goes wrong when a program runs.

use std::io;
use std::time::Duration;

use rida_core::{PortError, PortErrorKind};

/// A program did not do what it was run for.
///
/// The text is fit for people outside: it holds no path, no argument, and nothing that the program wrote.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProcessError {
    /// It is not there.
    #[error(
        "the program {program} is not installed on the server; its administrator can install the package {package}"
    )]
    NotInstalled {
        /// The program.
        program: &'static str,
        /// The package that has it.
        package: &'static str,
    },
    /// An argument could have been taken for an option, so nothing was run.
    #[error("{program} was not run: it would have got {reason}")]
    Refused {
        /// The program.
        program: &'static str,
        /// What kind of argument.
        reason: &'static str,
    },
    /// It could not be started.
    #[error("{program} could not be started")]
    Start {
        /// The program.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its output could not be read or kept.
    #[error("the output of {program} could not be kept")]
    Io {
        /// The program.
        program: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It ran for too long and was killed.
    #[error("{program} did not finish within {} s", after.as_secs_f32())]
    TimedOut {
        /// The program.
        program: &'static str,
        /// The limit.
        after: Duration,
    },
    /// It used too much processor time and was killed.
    #[error("{program} used more than {} s of processor time", after.as_secs())]
    TooMuchWork {
        /// The program.
        program: &'static str,
        /// The limit.
        after: Duration,
    },
    /// It wrote too much to its output and was killed.
    #[error("{program} wrote more than {limit} bytes of output")]
    TooMuchOutput {
        /// The program.
        program: &'static str,
        /// The limit.
        limit: u64,
    },
    /// It wrote too much to the disk and was killed.
    #[error("{program} wrote more than {limit} bytes to the disk")]
    TooMuchDisk {
        /// The program.
        program: &'static str,
        /// The limit.
        limit: u64,
    },
    /// It ended with another code than 0, or by a signal.
    #[error("{program} failed with {}", outcome(*code, *signal))]
    Failed {
        /// The program.
        program: &'static str,
        /// The code.
        code: Option<i32>,
        /// The signal.
        signal: Option<i32>,
        /// The last lines that it wrote to standard error: for the log only.
        stderr: String,
    },
}

fn outcome(code: Option<i32>, signal: Option<i32>) -> String {
    match (code, signal) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "an unknown status".to_owned(),
    }
}

impl ProcessError {
    /// Returns the last lines that the program wrote to standard error, for the log.
    pub fn stderr(&self) -> &str {
        match self {
            Self::Failed { stderr, .. } => stderr,
            _ => "",
        }
    }

    /// Returns what the failure means for the caller of a port.
    pub fn port_kind(&self) -> PortErrorKind {
        match self {
            Self::NotInstalled { .. } => PortErrorKind::Unavailable,
            Self::Start { .. } | Self::Io { .. } | Self::TimedOut { .. } => PortErrorKind::Temporary,
            Self::Refused { .. }
            | Self::TooMuchWork { .. }
            | Self::TooMuchOutput { .. }
            | Self::TooMuchDisk { .. }
            | Self::Failed { .. } => PortErrorKind::Permanent,
        }
    }

    /// Makes the error of a port of this one, with a text for people outside.
    pub fn into_port(self, message: impl Into<String>) -> PortError {
        PortError::new(self.port_kind(), message).because(self)
    }
}
