//! What a new operator has to see to: login, permissions, tags, content generator.

mod packing;
mod permissions;
mod policy;
mod things;

use std::collections::BTreeSet;

use crate::client::{Client, Login};
use crate::config::KojiConfig;
use crate::error::{KojiError, KojiErrorKind};
use crate::xmlrpc::{Fault, Value};

/// How something is that was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it has to be.
    Good,
    /// Not as it has to be, or it cannot be asked.
    Bad,
    /// Only a module that is built shows it.
    Open,
}

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub verdict: Verdict,
    /// What was found; what to do, where something has to be done.
    pub text: String,
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Good, text: text.into() }
    }

    fn bad(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Bad, text: text.into() }
    }

    fn open(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Open, text: text.into() }
    }
}

/// Looks at everything that keeps modules from being built in Koji, and changes nothing. What follows from something
/// that is not there is not looked at.
pub async fn check(client: &Client, config: &KojiConfig) -> Vec<Finding> {
    let mut findings = vec![packing::rpmbuild(config, packing::LONGEST).await];
    let server = &client.config().server;
    let version = match client.version().await {
        Ok(version) => version,
        Err(error) => {
            findings.push(Finding::bad(format!("{server}: {}; {}", told(&error), unreachable(&error))));
            return findings;
        }
    };
    findings.push(Finding::good(format!("{server} is a hub of Koji {version}")));
    let user = match client.user().await {
        Ok(user) => user.name.clone(),
        Err(error) => {
            findings.push(Finding::bad(format!("{}; {}", told(&error), login(client, &error))));
            return findings;
        }
    };
    let by = client.principal().map(|principal| format!(" (Kerberos principal {principal})")).unwrap_or_default();
    findings.push(Finding::good(format!("it takes this service for {user}{by}")));
    let has = match permissions::of_user(client).await {
        Ok(has) => {
            findings.extend(permissions::needed(client, config, version, &user, &has).await);
            Some(has)
        }
        Err(error) => {
            findings.push(Finding::bad(format!("the permissions of {user} cannot be asked: {}", told(&error))));
            None
        }
    };
    match things::things(client, config, &user, has.as_ref()).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Finding::bad(format!("the tags cannot be asked: {}", told(&error)))),
    }
    match policy::policies(client, config).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(Finding::bad(format!("the hub's policies cannot be asked: {}", told(&error)))),
    }
    findings
}

/// Tells an error with its causes.
fn told(error: &KojiError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if let Some(fault) = cause.downcast_ref::<Fault>().filter(|fault| text.contains(&fault.message)) {
            text = format!("{text} (fault {})", fault.code);
        } else if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn unreachable(error: &KojiError) -> &'static str {
    match error.kind() {
        KojiErrorKind::Offline => "wait until its operators bring it back",
        KojiErrorKind::Invalid | KojiErrorKind::NotTheHub => {
            "see whether the address is that of the hub, which ends in /kojihub"
        }
        _ => "see whether the address is right, the hub runs, and serverca names the authority of its certificate",
    }
}

fn login(client: &Client, error: &KojiError) -> String {
    match &client.config().login {
        Login::Anonymous => "set cert, principal and keytab, or user and password, in Koji's profile".to_owned(),
        Login::Password { user, .. } => format!("ask the hub's operators for the user {user} and its password"),
        Login::Certificate { file } => {
            let file = file.display();
            if error.to_string().contains("403") {
                format!("the hub's server does not take the certificate in {file}; see whether its authority is right")
            } else {
                format!("see whether the certificate in {file} is valid, and whether its name is a user of the hub")
            }
        }
        Login::Kerberos(_) => match client.principal() {
            Some(_) if error.to_string().contains("realm") && error.to_string().contains("is not allowed") => {
                "the hub's operators name the realm in AllowedKrbRealms of hub.conf".to_owned()
            }
            // What the hub itself says: it knows the ticket, and not whose it is.
            Some(principal) if std::error::Error::source(error).is_some_and(|source| source.is::<Fault>()) => format!(
                "an administrator makes {principal} one of the principals of a user: koji add-user USER \
                 --principal={principal}, or koji edit-user USER --add-krb={principal}"
            ),
            _ => "`koji moshimoshi` with the same principal and keytab shows whether it is this service's fault"
                .to_owned(),
        },
    }
}

/// Tells why one of several questions was not answered.
fn refusal(fault: &Fault) -> String {
    format!("{} (fault {})", fault.message, fault.code)
}

/// Returns the names of what is listed.
fn names(value: Value) -> BTreeSet<String> {
    let values = value.array("names").unwrap_or_default().into_iter();
    let named = values.filter_map(|value| match value {
        Value::Struct(mut members) => members.remove("name"),
        _ => None,
    });
    named.filter_map(|name| name.text("name").ok().map(str::to_owned)).collect()
}

fn texts(value: Value) -> BTreeSet<String> {
    let values = value.array("texts").unwrap_or_default().into_iter();
    values.filter_map(|value| value.text("text").ok().map(str::to_owned)).collect()
}
