//! Login by Kerberos: tickets from a keytab or a credential cache, shown to the hub's server by SPNEGO.
//!
//! What speaks with Kerberos is a [program of its own](Kerberos::helper), which is started for each login. The library
//! takes keytab and cache from environment variables, which the threads of a service share; it may wait for a KDC for
//! as long as it likes, which only the end of its process ends; and it reads in C what a hub answered (ADR 13).

mod login;
mod said;
mod talk;

use std::ffi::OsString;
use std::path::PathBuf;

#[cfg(feature = "kerberos")]
pub(crate) use self::said::LONGEST_LINE;
pub(crate) use self::said::{Said, Why};
use crate::error::{KojiError, KojiErrorKind};

/// The program that logs in when nothing else is said.
const HELPER: &str = "rida-koji-negotiate";

/// How tickets are come by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kerberos {
    /// Who logs in, such as `rida/builder.example.org@EXAMPLE.ORG`; absent means the first of the keytab, or whose
    /// tickets are in the cache.
    pub principal: Option<String>,
    /// The file with the principal's keys. With it each login gets tickets of its own, which nobody else sees, unless
    /// a cache is named too.
    pub keytab: Option<PathBuf>,
    /// The credential cache, as Kerberos names it; absent means that of the environment or of the machine.
    pub ccache: Option<String>,
    /// How the name of the hub's machine is found; absent means as the machine's `krb5.conf` says.
    pub canonical: Option<Canonical>,
    /// The program that speaks with Kerberos, with arguments: `rida-koji-negotiate`, or another that calls
    /// `rida_koji::negotiate` with what follows them.
    pub helper: Vec<OsString>,
}

/// Whether the hub's service is looked for by the name that is written down, or by what DNS makes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Canonical {
    /// By the name that is written down.
    Written,
    /// By the name that DNS leads to.
    Forward,
    /// By the name that DNS has for the address.
    Reverse,
}

impl Canonical {
    /// Returns what `krb5.conf` says for it.
    const fn settings(self) -> &'static str {
        match self {
            Self::Written => "[libdefaults]\n  dns_canonicalize_hostname = false\n  rdns = false\n",
            Self::Forward => "[libdefaults]\n  dns_canonicalize_hostname = true\n  rdns = false\n",
            Self::Reverse => "[libdefaults]\n  dns_canonicalize_hostname = true\n  rdns = true\n",
        }
    }
}

impl Default for Kerberos {
    fn default() -> Self {
        Self { principal: None, keytab: None, ccache: None, canonical: None, helper: vec![OsString::from(HELPER)] }
    }
}

impl Kerberos {
    /// Looks whether the keytab can be read.
    pub(super) fn check(&self) -> Result<(), KojiError> {
        let Some(keytab) = &self.keytab else { return Ok(()) };
        let unreadable = |error: std::io::Error| {
            let message = format!("the keytab {} cannot be read ({error})", keytab.display());
            KojiError::new(KojiErrorKind::Settings, message).because(error)
        };
        let file = std::fs::File::open(keytab).map_err(unreadable)?;
        // A folder can be opened, and not read.
        if file.metadata().map_err(unreadable)?.is_file() {
            return Ok(());
        }
        Err(KojiError::new(KojiErrorKind::Settings, format!("the keytab {} is no file", keytab.display())))
    }

    /// Returns who logs in, as far as it is known before.
    fn who(&self) -> String {
        match (&self.principal, &self.keytab) {
            (Some(principal), _) => principal.clone(),
            (None, Some(keytab)) => format!("the first principal of {}", keytab.display()),
            (None, None) => "the credential cache's principal".to_owned(),
        }
    }

    /// Says what an operator has to do about a failure.
    fn error(&self, why: Why, told: &str, host: &str) -> KojiError {
        let who = self.who();
        let keytab = self.keytab.as_ref().map(|keytab| keytab.display());
        let text = match (why, keytab) {
            (Why::NoCredentials, Some(keytab)) => match &self.principal {
                Some(principal) => {
                    format!("the keytab {keytab} has no key of {principal}; `klist -k {keytab}` lists whose it has")
                }
                None => format!("the keytab {keytab} has no key"),
            },
            (Why::NoCredentials, None) => {
                let of = self.principal.as_ref().map(|principal| format!(" of {principal}")).unwrap_or_default();
                format!("there is no Kerberos ticket{of}; a service needs a keytab, a person calls kinit")
            }
            (Why::Expired, Some(_)) => format!("the Kerberos ticket of {who} has expired"),
            (Why::Expired, None) => {
                "the Kerberos ticket in the credential cache has expired; call kinit, or set a keytab, which gets new ones"
                    .to_owned()
            }
            (Why::NoKdc, _) => "no KDC answers".to_owned(),
            (Why::NoRealm, _) => "krb5.conf and DNS name no KDC of the realm".to_owned(),
            (Why::WrongKey, Some(keytab)) => format!(
                "the key of {who} in {keytab} is not the one that the KDC has; have the keytab exported again"
            ),
            (Why::WrongKey, None) => format!("the KDC does not take the key of {who}"),
            (Why::UnknownClient, _) => format!("the KDC does not know {who}"),
            (Why::UnknownService, _) => format!(
                "the KDC knows no hub as HTTP/{host}; see whether the address has the name that its keytab was made \
                 for, and what krb5.conf says of the domain"
            ),
            (Why::Clock, _) => "the clock here is too far from that of the KDC or the hub".to_owned(),
            (Why::HubsKey, _) => format!(
                "the hub's server has not the key that the KDC has for HTTP/{host}; its operators export its keytab again"
            ),
            (Why::Rejected, _) => format!("the hub's server does not take the Kerberos ticket of {who}"),
            (Why::Other, _) => "Kerberos fails".to_owned(),
        };
        let kind = if why == Why::NoKdc { KojiErrorKind::Unreachable } else { KojiErrorKind::Login };
        KojiError::new(kind, if told.is_empty() { text } else { format!("{text} ({told})") })
    }
}
