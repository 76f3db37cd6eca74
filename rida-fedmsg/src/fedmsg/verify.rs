//! Checks of what others sent: signature, certificate authority, revocation, dates, and who may send a topic.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use openssl::base64;
use openssl::nid::Nid;
use openssl::rsa::Padding;
use openssl::ssl::SslFiletype;
use openssl::stack::Stack;
use openssl::x509::store::{File, X509Lookup, X509LookupRef, X509Store, X509StoreBuilder};
use openssl::x509::verify::X509VerifyFlags;
use openssl::x509::{X509, X509StoreContext, X509VerifyResult};

use super::renewed::Files;
use crate::error::BusError;
use crate::fedmsg::sign::{authorities, digest_info, read};
use crate::json::{Json, JsonLimits, Text};

/// Who is believed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// The certificate authority (PEM).
    pub authority: PathBuf,
    /// Its list of revoked certificates (PEM). With one, a certificate that it does not speak of is refused, and all
    /// are once it has expired.
    pub revoked: Option<PathBuf>,
    /// Who may send a topic, by the first common name of the certificate.
    pub policy: BTreeMap<String, Vec<String>>,
    /// Refuse topics that the policy does not name, which anybody with a certificate may send otherwise.
    pub nitpicky: bool,
}

/// Checks messages.
pub struct Verifier {
    store: X509Store,
    policy: BTreeMap<String, Vec<String>>,
    nitpicky: bool,
    limits: JsonLimits,
}

/// Why a message is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, thiserror::Error)]
pub enum Refusal {
    /// It is no message: frames, JSON, or fields are missing or wrong.
    #[error("it is no message")]
    Malformed,
    /// It has no signature.
    #[error("it has no signature")]
    Unsigned,
    /// Its signature is not that of its text.
    #[error("its signature is not that of its text")]
    Signature,
    /// Its certificate is not from the authority, was revoked, or is not valid now.
    #[error("its certificate is not from the authority, was revoked, or is not valid now")]
    Certificate,
    /// The owner of the certificate may not send the topic.
    #[error("the owner of its certificate may not send the topic")]
    Policy,
    /// It is from another instance of the build system.
    #[error("it is from another instance of the build system")]
    Foreign,
}

/// A message that was believed.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The whole topic.
    pub topic: String,
    /// The id.
    pub id: String,
    /// The body.
    pub body: Json,
    /// The common name of who signed it.
    pub signer: String,
}

/// Checks messages by files that may be replaced meanwhile: the authority's, and its list of revoked certificates.
pub(super) struct Renewing {
    trust: Trust,
    verifier: Verifier,
    files: Files,
}

impl Renewing {
    /// Makes a verifier that reads its files anew once they are replaced.
    ///
    /// # Errors
    /// As [`Verifier::new`].
    pub(super) fn new(trust: Trust) -> Result<Self, BusError> {
        let files = Files::new([&trust.authority].into_iter().chain(&trust.revoked).cloned().collect());
        let verifier = Verifier::new(&trust)?;
        Ok(Self { trust, verifier, files })
    }

    /// Returns the verifier by the files as they are now, and by the last that could be used while they cannot.
    pub(super) fn current(&mut self) -> &Verifier {
        let trust = &self.trust;
        if let Some(renewed) = self.files.renewed("whom to believe on fedmsg", || Verifier::new(trust)) {
            self.verifier = renewed;
        }
        &self.verifier
    }
}

impl Verifier {
    /// Makes a verifier of who is believed.
    ///
    /// # Errors
    /// When a file cannot be read, or nobody could ever be believed.
    pub fn new(trust: &Trust) -> Result<Self, BusError> {
        if trust.nitpicky && trust.policy.is_empty() {
            let message = "no topic has a sender that may send it, and only those that have are accepted: name who may";
            return Err(BusError::Config(message.to_owned()));
        }
        let crypto = |error| BusError::Crypto { action: "trust the certificate authority", source: error };
        let authority = read("the certificate authority", &trust.authority)?;
        let mut store = X509StoreBuilder::new().map_err(crypto)?;
        for certificate in authorities("the certificate authority", &trust.authority, &authority)? {
            store.add_cert(certificate).map_err(crypto)?;
        }
        if let Some(path) = &trust.revoked {
            let lookup = store.add_lookup(X509Lookup::file()).map_err(crypto)?;
            load_revoked(lookup, path)?;
            store.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL).map_err(crypto)?;
        }
        Ok(Self {
            store: store.build(),
            policy: trust.policy.clone(),
            nitpicky: trust.nitpicky,
            limits: JsonLimits::default(),
        })
    }

    /// Checks the frames of a message.
    ///
    /// # Errors
    /// Why it is not believed.
    pub fn verify(&self, frames: &[Vec<u8>]) -> Result<Verified, Refusal> {
        let [topic, frame] = frames else { return Err(Refusal::Malformed) };
        let message = read_envelope(topic, frame, self.limits)?;
        let certificate = message.certificate()?;
        let signature = message.signature()?;
        let key = certificate.public_key().and_then(|key| key.rsa()).map_err(|_| Refusal::Certificate)?;
        let mut block = vec![0; usize::try_from(key.size()).unwrap_or_default()];
        if signature.len() != block.len() {
            return Err(Refusal::Signature);
        }
        let length = key.public_decrypt(&signature, &mut block, Padding::PKCS1).map_err(|_| Refusal::Signature)?;
        let expected = digest_info(message.signed.canonical().as_bytes());
        if block.get(..length) != Some(expected.as_slice()) {
            return Err(Refusal::Signature);
        }
        if !self.is_certified(&certificate) {
            return Err(Refusal::Certificate);
        }
        let name = certificate.subject_name().entries_by_nid(Nid::COMMONNAME).next();
        // Byte by byte: some readers end a name at a NUL, and would take it for another.
        let name = name.and_then(|entry| std::str::from_utf8(entry.data().as_slice()).ok().map(str::to_owned));
        let signer = name.ok_or(Refusal::Certificate)?;
        match self.policy.get(&message.topic) {
            Some(allowed) if !allowed.contains(&signer) => return Err(Refusal::Policy),
            None if self.nitpicky => return Err(Refusal::Policy),
            Some(_) | None => {}
        }
        Ok(Verified { topic: message.topic, id: message.id, body: message.body, signer })
    }

    /// Tells in OpenSSL's words what is wrong with the certificate of a message that is refused for it.
    pub(super) fn complaint(&self, frames: &[Vec<u8>]) -> Option<&'static str> {
        let [topic, frame] = frames else { return None };
        let certificate = read_envelope(topic, frame, self.limits).ok()?.certificate().ok()?;
        self.certified(&certificate).err().map(|error| error.error_string())
    }

    fn is_certified(&self, certificate: &X509) -> bool {
        self.certified(certificate).is_ok()
    }

    fn certified(&self, certificate: &X509) -> Result<(), X509VerifyResult> {
        // The authority signs certificates itself; what a message brings along is not believed for others.
        let checked = Stack::new().and_then(|chain| {
            X509StoreContext::new()?.init(&self.store, certificate, &chain, |context| {
                Ok(if context.verify_cert()? { Ok(()) } else { Err(context.error()) })
            })
        });
        checked.unwrap_or(Err(X509VerifyResult::APPLICATION_VERIFICATION))
    }
}

fn load_revoked(lookup: &mut X509LookupRef<File>, path: &Path) -> Result<(), BusError> {
    let unusable = |source: Box<dyn std::error::Error + Send + Sync>| BusError::File {
        what: "the list of revoked certificates",
        path: path.display().to_string(),
        source,
    };
    if path.to_str().is_none_or(|path| path.contains('\0')) {
        return Err(unusable("OpenSSL takes no such name of a file".into()));
    }
    lookup.load_crl_file(path, SslFiletype::PEM).map(|_| ()).map_err(|error| unusable(error.into()))
}

/// An envelope as it was read, not yet believed.
#[derive(Debug)]
pub struct Claimed {
    topic: String,
    id: String,
    body: Json,
    certificate: Option<Json>,
    signature: Option<Json>,
    /// What the signature covers.
    signed: Json,
}

/// Reads the two frames of a message. Nothing of it is to be believed.
///
/// # Errors
/// When they are no message.
pub fn read_envelope(topic: &[u8], frame: &[u8], limits: JsonLimits) -> Result<Claimed, Refusal> {
    let mut envelope = Json::read(frame, limits).map_err(|_| Refusal::Malformed)?;
    let text = |envelope: &Json, key| envelope.get(key).and_then(Json::as_str).map(str::to_owned);
    let (named, id) = (text(&envelope, "topic"), text(&envelope, "msg_id"));
    let (named, id) = named.zip(id).ok_or(Refusal::Malformed)?;
    if named.as_bytes() != topic || id.is_empty() || id.len() > 255 {
        return Err(Refusal::Malformed);
    }
    let Json::Object(fields) = &mut envelope else { return Err(Refusal::Malformed) };
    let (certificate, signature) = (fields.remove(&Text::from("certificate")), fields.remove(&Text::from("signature")));
    let body = fields.get(&Text::from("msg")).cloned().ok_or(Refusal::Malformed)?;
    if !matches!(body, Json::Object(_)) {
        return Err(Refusal::Malformed);
    }
    Ok(Claimed { topic: named, id, body, certificate, signature, signed: envelope })
}

impl Claimed {
    fn certificate(&self) -> Result<X509, Refusal> {
        let pem = self.certificate.as_ref().and_then(Json::as_str).ok_or(Refusal::Unsigned)?;
        X509::from_pem(&decode(pem).ok_or(Refusal::Malformed)?).map_err(|_| Refusal::Malformed)
    }

    fn signature(&self) -> Result<Vec<u8>, Refusal> {
        if self.signed.get("crypto").and_then(Json::as_str).is_some_and(|crypto| crypto != "x509") {
            return Err(Refusal::Unsigned);
        }
        let text = self.signature.as_ref().and_then(Json::as_str).ok_or(Refusal::Unsigned)?;
        decode(text).ok_or(Refusal::Malformed)
    }
}

/// Decodes base64 with line breaks.
fn decode(text: &str) -> Option<Vec<u8>> {
    let text: String = text.chars().filter(|character| !matches!(character, '\n' | '\r')).collect();
    // OpenSSL reads trailing spaces and other things as nothing; whole groups of the alphabet are all that is sent.
    let digits = text.trim_end_matches('=');
    let good = text.len().is_multiple_of(4)
        && text.len() - digits.len() <= 2
        && digits.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'+' || byte == b'/');
    if good { base64::decode_block(&text).ok() } else { None }
}

#[cfg(test)]
mod tests;
