//! Why there is no connection, in an operator's words.

use lapin::ErrorKind;
use lapin::protocol::{AMQPErrorKind, AMQPSoftError};
use openssl::asn1::Asn1Time;
use openssl::x509::X509;

use super::link::AmqpLink;

/// Says what is most likely amiss. The error itself is told beside it.
pub(super) fn why(link: &AmqpLink, error: &lapin::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ProtocolError(told) => match told.kind() {
            AMQPErrorKind::Soft(AMQPSoftError::ACCESSREFUSED) => "the broker refuses the login",
            AMQPErrorKind::Soft(_) | AMQPErrorKind::Hard(_) => "the broker does not let this user in",
        },
        ErrorKind::IOError(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            "the broker is away: nothing is at that address and port"
        }
        _ if has_expired(link) => "the broker does not take the client certificate, which has expired",
        ErrorKind::IOError(error) => {
            // OpenSSL has the reason as a text alone. Nothing but these words depends on it.
            let text = error.to_string();
            let is = |reason: &str| text.contains(reason);
            if is("certificate verify failed") {
                "the broker's certificate is not of an authority that is trusted, or not for this name and time"
            } else if is("wrong version number") {
                "what is at that port speaks no TLS"
            } else if is("certificate required") || is("handshake failure") {
                "the broker wants a client certificate"
            } else if link.identity.is_some() {
                "the broker is away, or does not take the client certificate"
            } else if link.url.starts_with("amqps:") {
                // Whether its reason comes before the connection's end is a matter of luck.
                "the broker is away, or wants a client certificate"
            } else {
                "the broker is away, or something else is at that port"
            }
        }
        _ => "the broker is away, or refuses the login",
    }
}

fn has_expired(link: &AmqpLink) -> bool {
    let Some((certificate, _)) = &link.identity else { return false };
    let parsed = std::fs::read(certificate).ok().and_then(|pem| X509::from_pem(&pem).ok());
    let now = Asn1Time::days_from_now(0).ok();
    parsed.zip(now).is_some_and(|(certificate, now)| certificate.not_after() < now)
}
