//! What a new operator has to see to: login, permissions, tags, content generator.

mod policy;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::client::{Client, Login, Version};
use crate::config::KojiConfig;
use crate::error::{KojiError, KojiErrorKind, fault};
use crate::wire::Tag;
use crate::xmlrpc::{Answer, Call, Fault, Struct, Value};

/// Something that was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Whether it is as it has to be.
    pub good: bool,
    /// What was found; what to do, where something has to be done.
    pub text: String,
}

impl Finding {
    fn good(text: impl Into<String>) -> Self {
        Self { good: true, text: text.into() }
    }

    fn bad(text: impl Into<String>) -> Self {
        Self { good: false, text: text.into() }
    }
}

/// Looks at everything that keeps modules from being built in Koji, and changes nothing. What follows from something
/// that is not there is not looked at.
pub async fn check(client: &Client, config: &KojiConfig) -> Vec<Finding> {
    let mut findings = vec![rpmbuild(config).await];
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
    match permissions(client, config, version, &user).await {
        Ok(found) => findings.extend(found),
        Err(error) => {
            findings.push(Finding::bad(format!("the permissions of {user} cannot be asked: {}", told(&error))))
        }
    }
    match things(client, config, &user).await {
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

async fn permissions(
    client: &Client,
    config: &KojiConfig,
    version: Version,
    user: &str,
) -> Result<Vec<Finding>, KojiError> {
    let answer = client.write(&Call::new("getPerms", [])).await?;
    let has: BTreeSet<String> = texts(answer);
    let known = match &config.permission {
        Some(_) => names(client.read(&Call::new("getAllPerms", [])).await?),
        None => BTreeSet::new(),
    };
    let mut findings = Vec::new();
    let mut need = |name: &str, why: &str, is_new: bool| {
        let new = if is_new { "--new " } else { "" };
        if has.contains(name) || has.contains("admin") {
            findings.push(Finding::good(format!("{user} has the permission {name}")));
        } else {
            findings.push(Finding::bad(format!(
                "{user} needs the permission {name}, {why}; an administrator grants it: koji grant-permission {new}{name} {user}"
            )));
        }
    };
    need("tag", "to make tags and to put packages into them", false);
    need("target", "to make build targets", false);
    if version < Version::REPOSITORY_QUEUE {
        need("repo", "to have repositories made", false);
    }
    if let Some(permission) = &config.permission {
        need(permission, "which tags of modules are guarded by (koji.permission)", !known.contains(permission));
    }
    Ok(findings)
}

/// Looks at tags and content generators.
async fn things(client: &Client, config: &KojiConfig, user: &str) -> Result<Vec<Finding>, KojiError> {
    let mut calls = Vec::new();
    let mut tags: Vec<(String, String)> = config
        .base_tags
        .iter()
        .map(|(module, tag)| (tag.clone(), format!("the tag of {module} (koji.base_tags)")))
        .collect();
    let import = config.import.as_ref();
    if let Some(tag) = import.and_then(|import| import.tag.as_ref()) {
        tags.push((tag.clone(), "the tag of finished modules (koji.import_tag)".to_owned()));
    }
    calls.extend(tags.iter().map(|(tag, _)| Call::new("getTag", [Value::from(tag.as_str())])));
    calls.push(Call::new("listCGs", []));
    calls.push(Call::new("listBTypes", []));
    let mut answers = client.read_many(&calls).await?.into_iter();
    let found: Vec<Answer> = answers.by_ref().take(tags.len()).collect();
    let mut findings = Vec::new();
    for ((tag, what), answer) in tags.iter().zip(found) {
        findings.push(match answer.map(Tag::from_value) {
            Ok(Ok(Some(_))) => Finding::good(format!("{tag} is there, {what}")),
            Ok(Ok(None)) => Finding::bad(format!("there is no tag {tag}, {what}; name another, or make it")),
            Ok(Err(error)) => Finding::bad(format!("{tag} cannot be read: {error}")),
            Err(fault) => Finding::bad(format!("{tag} cannot be looked up: {}", fault.message)),
        });
    }
    if config.base_tags.is_empty() {
        findings.push(Finding::bad(
            "no base module has a tag, so that nothing can be built; write koji.base_tags, such as \
             [\"platform:el8=el8-build\"]",
        ));
    }
    if let Some(import) = import {
        findings.extend(generator(&import.generator, user, answers.next(), answers.next()));
    }
    Ok(findings)
}

fn generator(generator: &str, user: &str, generators: Option<Answer>, types: Option<Answer>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let users = match generators {
        Some(Ok(Value::Struct(all))) => all.get(generator).cloned().map(users),
        // Hubs before 1.20 do not tell.
        Some(Err(fault)) if fault.code == fault::GENERIC => None,
        _ => None,
    };
    let grant = format!("an administrator grants it: koji grant-cg-access --new {user} {generator}");
    findings.push(match users {
        Some(users) if users.contains(user) => Finding::good(format!("{user} may import as {generator}")),
        Some(_) => Finding::bad(format!("{user} may not import as {generator}; {grant}")),
        None => Finding::bad(format!("there is no content generator {generator}; {grant}")),
    });
    let has_type = types.and_then(Result::ok).is_some_and(|types| names(types).contains("module"));
    if !has_type {
        findings.push(Finding::bad(
            "the hub has no builds of the type module; an administrator adds it: koji call addBType module",
        ));
    }
    findings
}

fn users(generator: Value) -> BTreeSet<String> {
    let members: Struct = match generator {
        Value::Struct(members) => members,
        _ => Struct::new(),
    };
    members.get("users").cloned().map(texts).unwrap_or_default()
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

async fn rpmbuild(config: &KojiConfig) -> Finding {
    let program = config.rpmbuild.as_deref().unwrap_or_else(|| Path::new("rpmbuild"));
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    match command.status().await {
        Ok(status) if status.success() => Finding::good("rpmbuild packs the macros of modules"),
        _ => Finding::bad(
            "rpmbuild, which packs the macros of modules, is not installed here; install rpm-build (Debian: rpm)",
        ),
    }
}
