//! Signatures: RSA of a SHA-1 hash (PKCS #1 v1.5) over the canonical JSON of an envelope, as fedmsg checks them.
//!
//! Policies of some systems forbid SHA-1 in signatures, and make OpenSSL refuse it in its usual interface. What fedmsg
//! demands is no choice of ours: so the signed block is made here, and OpenSSL does the padding and the RSA alone. Its
//! usual interface gives the same bytes where it may.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use openssl::base64;
use openssl::pkey::{PKey, Private};
use openssl::rsa::{Padding, Rsa};
use openssl::sha::sha1;
use openssl::x509::X509;

use super::renewed::Files;
use crate::error::BusError;
use crate::json::{Json, Text};

/// What PKCS #1 puts before a SHA-1 hash: its algorithm identifier (RFC 8017, section 9.2, note 1).
const SHA1_PREFIX: [u8; 15] =
    [0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14];

/// How long the lines of what is encoded in base64 are.
const LINE: usize = 76;

/// Signs envelopes. One that is made of files reads them anew once they are replaced.
pub struct Signer {
    identity: Mutex<Arc<Identity>>,
    source: Option<Source>,
}

/// Who signs.
struct Identity {
    key: Rsa<Private>,
    /// The certificate as its field has it.
    certificate: String,
}

/// Where that is from.
struct Source {
    certificate: PathBuf,
    key: PathBuf,
    files: Mutex<Files>,
}

impl Identity {
    fn new(certificate: &str, key: &str) -> Result<Self, BusError> {
        let parsed = X509::from_pem(certificate.as_bytes());
        let parsed = parsed.map_err(BusError::crypto("read the certificate, which is to be PEM"))?;
        let key = PKey::private_key_from_pem(key.as_bytes())
            .map_err(BusError::crypto("read the private key, which is to be PEM without a password"))?;
        let public = parsed.public_key().map_err(BusError::crypto("read the certificate's key"))?;
        if !public.public_eq(&key) {
            return Err(BusError::Config("the certificate is not that of the private key".to_owned()));
        }
        let key = key.rsa().map_err(BusError::crypto("find an RSA key, the only kind that fedmsg knows"))?;
        // The whole text of the file, in base64 once more, as fedmsg does.
        Ok(Self { key, certificate: encode(certificate.as_bytes()) })
    }

    fn read(certificate: &Path, key: &Path) -> Result<Self, BusError> {
        let made = Self::new(&read("the certificate", certificate)?, &read("the private key", key)?);
        made.map_err(|error| BusError::File {
            what: "the certificate and its key",
            path: format!("{} and {}", certificate.display(), key.display()),
            source: Box::new(error),
        })
    }

    fn signature(&self, bytes: &[u8]) -> Result<Vec<u8>, BusError> {
        let mut signature = vec![0; usize::try_from(self.key.size()).unwrap_or_default()];
        let block = digest_info(bytes);
        let length = self.key.private_encrypt(&block, &mut signature, Padding::PKCS1);
        let length = length.map_err(BusError::crypto("sign"))?;
        signature.truncate(length);
        Ok(signature)
    }
}

impl Signer {
    /// Makes a signer of the texts of a certificate and its key (PEM).
    ///
    /// # Errors
    /// When they are no RSA key and its certificate.
    pub fn new(certificate: &str, key: &str) -> Result<Self, BusError> {
        Ok(Self { identity: Mutex::new(Arc::new(Identity::new(certificate, key)?)), source: None })
    }

    /// Makes a signer of two files.
    ///
    /// # Errors
    /// When they cannot be read, or are no RSA key and its certificate.
    pub fn from_files(certificate: &Path, key: &Path) -> Result<Self, BusError> {
        let (certificate, key) = (certificate.to_owned(), key.to_owned());
        let files = Mutex::new(Files::new(vec![certificate.clone(), key.clone()]));
        let identity = Mutex::new(Arc::new(Identity::read(&certificate, &key)?));
        Ok(Self { identity, source: Some(Source { certificate, key, files }) })
    }

    /// Returns who signs now.
    fn identity(&self) -> Arc<Identity> {
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Source { certificate, key, files }) = &self.source {
            let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
            let renewed = files.renewed("the certificate that signs", || Identity::read(certificate, key));
            if let Some(renewed) = renewed {
                *identity = Arc::new(renewed);
            }
        }
        Arc::clone(&identity)
    }

    /// Returns an envelope with its signature, as canonical JSON.
    pub(super) fn sign(&self, mut envelope: Json) -> Result<String, BusError> {
        let Json::Object(fields) = &mut envelope else {
            return Err(BusError::Config("only an object can be signed".to_owned()));
        };
        fields.insert(Text::from("crypto"), "x509".into());
        let signed = Json::Object(std::mem::take(fields)).canonical();
        // One and the same throughout, also when it is replaced meanwhile.
        let identity = self.identity();
        let signature = identity.signature(signed.as_bytes())?;
        // The two fields that are not signed are put in their places of the sorted text, which is not written anew:
        // `certificate` comes first of all keys, `signature` before those from `timestamp` on.
        let Some(rest) = signed.strip_prefix('{') else {
            return Err(BusError::Config("only an object can be signed".to_owned()));
        };
        let certificate = Json::from(identity.certificate.as_str()).canonical();
        let signature = Json::from(encode(&signature)).canonical();
        let Some(at) = rest.rfind(",\"timestamp\":") else {
            return Err(BusError::Config("a message without a time cannot be signed".to_owned()));
        };
        let (before, after) = rest.split_at(at);
        Ok(format!("{{\"certificate\":{certificate},{before},\"signature\":{signature}{after}"))
    }

    /// Signs bytes.
    ///
    /// # Errors
    /// When OpenSSL cannot.
    pub fn signature(&self, bytes: &[u8]) -> Result<Vec<u8>, BusError> {
        self.identity().signature(bytes)
    }
}

/// Returns what RSA signs: which hash it is, and the hash.
pub(super) fn digest_info(bytes: &[u8]) -> Vec<u8> {
    let mut block = SHA1_PREFIX.to_vec();
    block.extend_from_slice(&sha1(bytes));
    block
}

/// Encodes in base64 with a line break after each 76 characters and at the end, as fedmsg always did.
fn encode(bytes: &[u8]) -> String {
    let text = base64::encode_block(bytes);
    let mut lines = String::with_capacity(text.len() + text.len() / LINE + 1);
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        lines.push_str(line);
        lines.push('\n');
        rest = after;
    }
    lines
}

/// Reads a file that the configuration names.
pub(crate) fn read(what: &'static str, path: &Path) -> Result<String, BusError> {
    std::fs::read_to_string(path).map_err(|error| BusError::File {
        what,
        path: path.display().to_string(),
        source: error.into(),
    })
}

/// Reads the certificates of an authority's file (PEM): by one that has none, nobody would ever be believed.
pub(crate) fn authorities(what: &'static str, path: &Path, text: &str) -> Result<Vec<X509>, BusError> {
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| BusError::File {
        what,
        path: path.display().to_string(),
        source,
    };
    let certificates = X509::stack_from_pem(text.as_bytes()).map_err(|error| unusable(error.into()))?;
    if certificates.is_empty() { Err(unusable("it has no certificate (PEM)".into())) } else { Ok(certificates) }
}
