//! TLS to the hub: the hub's certificate is checked, and a client certificate is shown where there is one. Certificates
//! are renewed while the service runs, so that their files are read again once they are others.

use std::fs::metadata;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use openssl::ssl::{SslConnector, SslFiletype, SslMethod, SslVerifyMode, SslVersion};

use super::config::ClientConfig;
use super::lock;
use crate::error::{KojiError, KojiErrorKind};

/// How long what was read is used when no file is seen to be another one: the machine's own authorities are where
/// OpenSSL finds them.
const LONGEST: Duration = Duration::from_secs(3600);

/// What tells a file from its successor: where it is, how long, and since when; nothing when it is not there.
type Stamp = Option<(u64, u64, i64, i64)>;

/// Makes connections to a hub secure.
pub(super) struct Tls {
    authorities: Option<PathBuf>,
    certificate: Option<PathBuf>,
    made: Mutex<Made>,
}

/// What was made of the files.
struct Made {
    connector: SslConnector,
    /// The files as they were before they were read.
    of: Vec<Stamp>,
    at: Instant,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`Settings`](KojiErrorKind::Settings) when they cannot be used.
    pub(super) fn new(config: &ClientConfig, certificate: Option<PathBuf>) -> Result<Self, KojiError> {
        let authorities = config.server_ca.clone();
        let made = make(authorities.as_ref(), certificate.as_ref())?;
        Ok(Self { authorities, certificate, made: Mutex::new(made) })
    }

    /// Returns what makes a connection secure, of the files as they are now.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub(super) fn connector(&self) -> Result<SslConnector, KojiError> {
        let mut made = lock(&self.made);
        let (authorities, certificate) = (self.authorities.as_ref(), self.certificate.as_ref());
        if made.at.elapsed() >= LONGEST || made.of != stamps(authorities, certificate) {
            *made = make(authorities, certificate)?;
        }
        Ok(made.connector.clone())
    }
}

fn stamps(authorities: Option<&PathBuf>, certificate: Option<&PathBuf>) -> Vec<Stamp> {
    let stamp = |path: &PathBuf| {
        let found = metadata(path).ok()?;
        Some((found.ino(), found.len(), found.mtime(), found.mtime_nsec()))
    };
    authorities.into_iter().chain(certificate).map(stamp).collect()
}

fn make(authorities: Option<&PathBuf>, certificate: Option<&PathBuf>) -> Result<Made, KojiError> {
    let settings = |message: String| KojiError::new(KojiErrorKind::Settings, message);
    // What is replaced from here on is read once more.
    let of = stamps(authorities, certificate);
    let mut builder = SslConnector::builder(SslMethod::tls_client())
        .map_err(|error| settings("TLS cannot be set up".to_owned()).because(error))?;
    builder.set_verify(SslVerifyMode::PEER);
    if let Some(authorities) = authorities {
        let shown = authorities.display();
        builder
            .set_ca_file(authorities)
            .map_err(|error| settings(format!("the authorities in {shown} cannot be read")).because(error))?;
    }
    if let Some(file) = certificate {
        let shown = file.display();
        let unreadable = |what: &str| settings(format!("the {what} in {shown} cannot be read"));
        builder.set_certificate_chain_file(file).map_err(|error| unreadable("client certificate").because(error))?;
        builder
            .set_private_key_file(file, SslFiletype::PEM)
            .map_err(|error| unreadable("key of the client certificate").because(error))?;
        builder.check_private_key().map_err(|error| {
            settings(format!("key and certificate in {shown} do not belong together")).because(error)
        })?;
        // Koji's own Apache configuration asks for the certificate after the path is known. With TLS 1.2 that is a
        // renegotiation, which OpenSSL answers; with TLS 1.3 it would need what the crate cannot switch on.
        builder
            .set_max_proto_version(Some(SslVersion::TLS1_2))
            .map_err(|error| settings("TLS cannot be set up".to_owned()).because(error))?;
    }
    Ok(Made { connector: builder.build(), of, at: Instant::now() })
}
