//! How the hub is reached.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::kerberos::Kerberos;

/// How the client shows who it is.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Login {
    /// It does not: only reading is possible.
    Anonymous,
    /// By a name and a password.
    Password {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// By a client certificate.
    Certificate {
        /// A file with the certificate and its key, in PEM.
        file: PathBuf,
    },
    /// By a ticket of Kerberos.
    Kerberos(Kerberos),
}

impl std::fmt::Debug for Login {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::Password { user, .. } => write!(f, "Password({user}, …)"),
            Self::Certificate { file } => write!(f, "Certificate({})", file.display()),
            Self::Kerberos(kerberos) => match (&kerberos.principal, &kerberos.keytab) {
                (Some(principal), _) => write!(f, "Kerberos({principal})"),
                (None, Some(keytab)) => write!(f, "Kerberos({})", keytab.display()),
                (None, None) => f.write_str("Kerberos"),
            },
        }
    }
}

/// How the hub is reached, and how long is waited for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The hub, such as `https://koji.example.org/kojihub`.
    pub server: Url,
    /// How the client shows who it is.
    pub login: Login,
    /// The authorities that the hub's certificate is checked by; absent means those of the machine.
    pub server_ca: Option<PathBuf>,
    /// How long a call may take.
    pub timeout: Duration,
    /// How long a login may take.
    pub login_timeout: Duration,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// How long a call waits while the hub is offline before that is told.
    pub offline_patience: Duration,
    /// The pause before an offline hub is asked again.
    pub offline_pause: Duration,
    /// The pause between two tries of a call.
    pub pause: Duration,
    /// How long a connection may have been idle and be used again. What is between here and the hub may forget it, and
    /// a call on it would wait for its whole time.
    pub idle: Duration,
    /// How many sessions there are at most. One session does one call at a time.
    pub sessions: usize,
    /// How many calls are made at once without a session.
    pub readers: usize,
    /// How long an answer may be, in bytes.
    pub largest_answer: usize,
    /// How many calls are put into one.
    pub batch: usize,
}

/// Says what is wrong with an address as that of a hub. What is wrong is not repeated: it may be a password.
pub(crate) fn wrong_with(server: &Url) -> Option<&'static str> {
    if !server.username().is_empty() || server.password().is_some() {
        return Some(
            "has a user or a password in its address, which is not used, and which everybody would see; set user and \
             password",
        );
    }
    if server.query().is_some() || server.fragment().is_some() {
        return Some("has more after its path, which is not used: take away what begins with ? or #");
    }
    None
}

impl ClientConfig {
    /// The longest that a call or a login should be let take. A session that waits for an answer does nothing else.
    pub const LONGEST_TIMEOUT: Duration = Duration::from_secs(3600);

    /// Makes settings for a hub.
    pub fn new(server: Url, login: Login) -> Self {
        Self {
            server,
            login,
            server_ca: None,
            timeout: Duration::from_secs(600),
            login_timeout: Duration::from_secs(60),
            connect_timeout: Duration::from_secs(30),
            offline_patience: Duration::ZERO,
            offline_pause: Duration::from_secs(20),
            pause: Duration::from_secs(2),
            idle: Duration::from_secs(60),
            sessions: 4,
            readers: 4,
            largest_answer: 128 * 1024 * 1024,
            batch: 100,
        }
    }
}
