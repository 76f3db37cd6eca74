//! Errors of the buses.

use rida_core::PortError;

/// A bus cannot be used, or did not take a message.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// A file that the configuration names cannot be read, or does not hold what it should.
    #[error("{what} cannot be used: {path}")]
    File {
        /// What the file should hold.
        what: &'static str,
        /// Which.
        path: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// What the configuration says cannot be.
    #[error("{0}")]
    Config(String),
    /// A thread cannot be started.
    #[error("a thread for the bus cannot be started")]
    Thread(#[source] std::io::Error),
    /// ZeroMQ does not do what it is told.
    #[error("ZeroMQ cannot {action}")]
    Socket {
        /// What it should do.
        action: String,
        /// Why not.
        source: zmq::Error,
    },
    /// The place where listeners are to connect is another process's.
    #[error("another process has {place}: one of a service and its test at a time can have it")]
    Taken {
        /// Where.
        place: String,
    },
    /// That place cannot be had.
    #[error("no listener can connect to {place}")]
    Place {
        /// Where.
        place: String,
        /// Why not.
        source: std::io::Error,
    },
    /// OpenSSL does not do what it is told.
    #[error("OpenSSL cannot {action}")]
    Crypto {
        /// What it should do.
        action: &'static str,
        /// Why not.
        source: openssl::error::ErrorStack,
    },
}

impl BusError {
    pub(crate) fn crypto(action: &'static str) -> impl FnOnce(openssl::error::ErrorStack) -> Self {
        move |source| Self::Crypto { action, source }
    }

    pub(crate) fn socket(action: impl Into<String>) -> impl FnOnce(zmq::Error) -> Self {
        let action = action.into();
        move |source| Self::Socket { action, source }
    }
}

impl From<BusError> for PortError {
    fn from(error: BusError) -> Self {
        Self::permanent("the message cannot be made").because(error)
    }
}
