//! The program that speaks with Kerberos for the client: it gets tickets from the system's library, and says line by
//! line what is to be shown to the hub's server. Keytab and cache come in the environment.

use std::fmt;
use std::io::{self, BufRead, Read, Write};
use std::process::ExitCode;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libgssapi::context::{ClientCtx, CtxFlags, SecurityContext};
use libgssapi::credential::{Cred, CredUsage};
use libgssapi::error::{Error, MajorFlags};
use libgssapi::name::Name;
use libgssapi::oid::{GSS_MECH_KRB5, GSS_MECH_SPNEGO, GSS_NT_HOSTBASED_SERVICE, GSS_NT_KRB5_PRINCIPAL, OidSet};

use crate::client::kerberos::{LONGEST_LINE, Said, Why};

/// Gets a ticket for the hub on a host and shows it, as the client on the standard input and output wants.
///
/// It is for a program whose only task it is, such as `rida-koji-negotiate`.
pub fn negotiate(host: &str, principal: Option<&str>) -> ExitCode {
    let (mut input, mut output) = (io::stdin().lock(), io::stdout().lock());
    let failed = match converse(host, principal, &mut input, &mut output) {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Kerberos(why, told)) => Said::Failed(why, told),
        // Who does not listen needs no answer.
        Err(Failure::Silence) => return ExitCode::FAILURE,
    };
    let _ = say(&mut output, &failed);
    ExitCode::FAILURE
}

enum Failure {
    Kerberos(Why, String),
    Silence,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Kerberos(why(&error), told(&error))
    }
}

impl From<io::Error> for Failure {
    fn from(_: io::Error) -> Self {
        Self::Silence
    }
}

fn converse(
    host: &str,
    principal: Option<&str>,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> Result<(), Failure> {
    let name = principal.map(|name| Name::new(name.as_bytes(), Some(GSS_NT_KRB5_PRINCIPAL))).transpose()?;
    let mechanisms = OidSet::singleton(GSS_MECH_KRB5)?;
    let credentials = Cred::acquire(name.as_ref(), None, CredUsage::Initiate, Some(&mechanisms))?;
    let service = Name::new(format!("HTTP@{host}").as_bytes(), Some(GSS_NT_HOSTBASED_SERVICE))?;
    let context = |mechanism| {
        // Credentials are not delegated: the hub has no use for them.
        let flags = CtxFlags::GSS_C_MUTUAL_FLAG;
        Ok::<_, Error>(ClientCtx::new(Some(credentials.clone()), service.duplicate()?, flags, Some(mechanism)))
    };
    // Gets the tickets. What fails here is told by Kerberos itself; negotiation would say that there is no mechanism.
    context(GSS_MECH_KRB5)?.step(None, None)?;
    say(output, &Said::As(credentials.name()?.to_string()))?;
    let mut context = context(GSS_MECH_SPNEGO)?;
    let mut answer: Option<Vec<u8>> = None;
    loop {
        let token = context.step(answer.as_deref(), None)?;
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            say(output, &Said::Token(STANDARD.encode(&*token)))?;
        } else if context.is_complete() && context.flags()?.contains(CtxFlags::GSS_C_MUTUAL_FLAG) {
            return Ok(say(output, &Said::Done)?);
        } else {
            return Err(Failure::Kerberos(Why::Rejected, String::new()));
        }
        answer = Some(hear(input)?);
    }
}

fn say(output: &mut impl Write, said: &impl fmt::Display) -> io::Result<()> {
    write!(output, "{said}")?;
    output.flush()
}

fn hear(input: &mut impl BufRead) -> Result<Vec<u8>, Failure> {
    let mut line = String::new();
    input.take(u64::try_from(LONGEST_LINE).unwrap_or(u64::MAX)).read_line(&mut line)?;
    let Some(Said::Token(token)) = Said::parse(&line) else { return Err(Failure::Silence) };
    let unreadable = |_| Failure::Kerberos(Why::Rejected, "its answer is not in base 64".to_owned());
    STANDARD.decode(token).map_err(unreadable)
}

/// The number of MIT Kerberos' error 0, as the library hands it on.
const FIRST: u32 = 2_529_638_912;

/// Where the library says what went wrong, among the bits of its answer.
const ROUTINE: u32 = 0x00ff_0000;

/// Finds out what is wrong. The library numbers errors of its mechanisms anew where they would clash; then only the
/// text tells them apart.
fn why(error: &Error) -> Why {
    let told = error.to_string();
    let says = |part: &str| told.contains(part);
    // These are numbers and no flags, whatever the type says: one may have all the bits of another.
    let is = |flag: MajorFlags| error.major.bits() & ROUTINE == flag.bits();
    match error.minor.checked_sub(FIRST) {
        Some(6) => Why::UnknownClient,
        Some(7) => Why::UnknownService,
        Some(24 | 31) => Why::WrongKey,
        Some(32) => Why::Expired,
        Some(37) => Why::Clock,
        Some(44) => Why::HubsKey,
        Some(154) => Why::NoRealm,
        Some(156) => Why::NoKdc,
        // The second is seen when it expires between the two sides' words.
        _ if is(MajorFlags::GSS_S_CREDENTIALS_EXPIRED) || is(MajorFlags::GSS_S_CONTEXT_EXPIRED) => Why::Expired,
        _ if says("lock skew") => Why::Clock,
        _ if says("ticket expired") || says("Ticket expired") => Why::Expired,
        _ if says("Cannot contact any KDC") => Why::NoKdc,
        _ if says("Cannot find KDC") => Why::NoRealm,
        _ if says("Key version is not available") => Why::HubsKey,
        _ if says("Server ") && says("not found in Kerberos database") => Why::UnknownService,
        _ if is(MajorFlags::GSS_S_NO_CRED) => Why::NoCredentials,
        _ => Why::Other,
    }
}

/// Returns what the mechanism says, or else what the library says.
fn told(error: &Error) -> String {
    let text = error.to_string();
    match text.split_once(" (") {
        Some((_, minor)) if !minor.starts_with("Success") && !minor.starts_with("Unknown error") => {
            minor.strip_suffix(')').unwrap_or(minor).to_owned()
        }
        Some((major, _)) => major.to_owned(),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_librarys_numbers_are_not_taken_for_each_other() {
        let of = |major: MajorFlags| why(&Error { major, minor: 0 });
        assert_eq!(of(MajorFlags::GSS_S_CREDENTIALS_EXPIRED), Why::Expired);
        assert_eq!(of(MajorFlags::GSS_S_CONTEXT_EXPIRED), Why::Expired);
        assert_eq!(of(MajorFlags::GSS_S_NO_CRED), Why::NoCredentials);
        for other in [MajorFlags::GSS_S_FAILURE, MajorFlags::GSS_S_UNAUTHORIZED, MajorFlags::GSS_S_DUPLICATE_ELEMENT] {
            assert_eq!(of(other), Why::Other, "{other:?}");
        }
        assert_eq!(of(MajorFlags::GSS_S_CONTEXT_EXPIRED | MajorFlags::GSS_S_OLD_TOKEN), Why::Expired);
        assert_eq!(why(&Error { major: MajorFlags::GSS_S_FAILURE, minor: FIRST + 37 }), Why::Clock);
    }
}
