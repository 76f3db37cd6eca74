//! Connections to the broker, and when to try for the next.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use lapin::Connection;
use lapin::tcp::{OwnedIdentity, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use openssl::pkey::PKey;
use openssl::x509::X509;
use rida_core::PortError;

use super::{connecting, words};
use crate::error::BusError;
use crate::fedmsg::sign::{authorities, read};

/// How long connecting may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);
/// The wait after the first failure; it doubles with each further one.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Where the broker is, and how it knows this service.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AmqpLink {
    /// `amqp://` or `amqps://`, with user, password, host, port and virtual host. With `auth_mechanism=external` in its
    /// query, the client certificate tells who this is.
    pub url: String,
    /// The certificate authority of the broker (PEM), beside those that the system trusts.
    pub authority: Option<PathBuf>,
    /// The client certificate and its key (PEM).
    pub identity: Option<(PathBuf, PathBuf)>,
}

impl std::fmt::Debug for AmqpLink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AmqpLink")
            .field("url", &self.redacted())
            .field("authority", &self.authority)
            .field("identity", &self.identity)
            .finish()
    }
}

impl AmqpLink {
    /// Returns the address without the password.
    pub fn redacted(&self) -> String {
        redacted(&self.url)
    }

    /// Reads the files, and checks the address.
    ///
    /// # Errors
    /// When a file cannot be read, or the address is none.
    pub(super) fn tls(&self) -> Result<OwnedTLSConfig, BusError> {
        self.uri()?;
        let cert_chain = match &self.authority {
            Some(path) => {
                let text = read("the certificate authority", path)?;
                let _ = authorities("the certificate authority", path, &text)?;
                Some(text)
            }
            None => None,
        };
        let identity = match &self.identity {
            Some((certificate, key)) => {
                let pem = read("the client certificate", certificate)?.into_bytes();
                let of_key = read("the client certificate's key", key)?.into_bytes();
                let unusable = |source: Box<dyn std::error::Error + Send + Sync>| BusError::File {
                    what: "the client certificate with its key",
                    path: format!("{} and {}", certificate.display(), key.display()),
                    source,
                };
                let parsed = X509::from_pem(&pem).map_err(|error| unusable(error.into()))?;
                let private = PKey::private_key_from_pem(&of_key).map_err(|error| unusable(error.into()))?;
                if !parsed.public_key().is_ok_and(|public| public.public_eq(&private)) {
                    return Err(unusable("the certificate is not that of the key".into()));
                }
                Some(OwnedIdentity::PKCS8 { pem, key: of_key })
            }
            None => None,
        };
        Ok(OwnedTLSConfig { identity, cert_chain })
    }

    fn uri(&self) -> Result<AMQPUri, BusError> {
        let message = "the address of the broker is not like amqps://user:password@host/%2f";
        self.url.parse().map_err(|_: String| BusError::Config(message.to_owned()))
    }

    /// Connects. The files are read anew, so that certificates can be renewed.
    pub(super) async fn connect(&self, name: &str) -> Result<Connection, PortError> {
        self.connect_within(name, CONNECT_TIMEOUT).await
    }

    pub(super) async fn connect_within(&self, name: &str, patience: Duration) -> Result<Connection, PortError> {
        let unusable =
            |error: BusError| PortError::unavailable("the connection to the broker cannot be made").because(error);
        let tls = self.tls().map_err(unusable)?;
        let uri = self.uri().map_err(unusable)?;
        let away = |error: lapin::Error| PortError::unavailable(words::why(self, &error)).because(error);
        let connected = connecting::connect(uri, name, tls, patience).await.map_err(away)?;
        connected.ok_or_else(|| PortError::unavailable("the broker does not answer"))
    }
}

/// Returns an address without its password, whatever it looks like.
fn redacted(address: &str) -> String {
    match url::Url::parse(address) {
        Ok(mut url) if url.has_host() => {
            if url.password().is_some() && url.set_password(Some("***")).is_err() {
                return "***".to_owned();
            }
            url.to_string()
        }
        // What cannot be read may have one anywhere.
        Ok(_) | Err(_) => "***".to_owned(),
    }
}

/// When to try again: later and later, and not at the same instant as others.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    not_before: Option<Instant>,
}

impl Backoff {
    /// Returns how long to wait yet; nothing when it is time.
    pub(super) fn left(&self) -> Option<Duration> {
        let left = self.not_before?.saturating_duration_since(Instant::now());
        (!left.is_zero()).then_some(left)
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Notes a failure and returns how long to wait.
    pub(super) fn failed(&mut self) -> Duration {
        self.failed_within(FIRST_WAIT, LONGEST_WAIT)
    }

    /// Notes a failure and returns how long to wait, by other limits.
    pub(super) fn failed_within(&mut self, first: Duration, longest: Duration) -> Duration {
        let longest = first.saturating_mul(1 << self.failures.min(10)).min(longest);
        self.failures = self.failures.saturating_add(1);
        let mut random = [0];
        // Without randomness all wait equally long.
        let _ = openssl::rand::rand_bytes(&mut random);
        let [random] = random;
        let wait = longest / 2 + longest.saturating_mul(u32::from(random)) / 512;
        self.not_before = Some(Instant::now() + wait);
        wait
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        let link =
            AmqpLink { url: "amqp://rida:hunter2@broker.example.org:5672/%2f".to_owned(), ..AmqpLink::default() };
        assert_eq!(link.redacted(), "amqp://rida:***@broker.example.org:5672/%2f");
        let shown = format!("{link:?}");
        assert!(!shown.contains("hunter2") && shown.contains("broker.example.org"), "{shown}");
        assert_eq!(redacted("amqps://broker/%2f"), "amqps://broker/%2f");
        assert_eq!(redacted("hunter2"), "***");
        assert_eq!(redacted("amqp:rida:hunter2@broker"), "***", "it is no address of a host");
    }

    #[test]
    fn waits_grow_up_to_a_limit() {
        let mut backoff = Backoff::default();
        assert!(backoff.left().is_none());
        let waits: Vec<Duration> = (0..20).map(|_| backoff.failed()).collect();
        assert!(waits.iter().all(|wait| *wait >= FIRST_WAIT / 2 && *wait <= LONGEST_WAIT));
        assert!(waits[19] >= LONGEST_WAIT / 2);
        assert!(backoff.left().is_some());
        backoff.succeeded();
        assert!(backoff.left().is_none() && backoff.failed() <= FIRST_WAIT);
    }
}
