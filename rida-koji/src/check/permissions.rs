//! What the hub's administrators grant to users.

use std::collections::BTreeSet;

use super::{Finding, names, texts, told};
use crate::client::{Client, Version};
use crate::config::KojiConfig;
use crate::error::KojiError;
use crate::xmlrpc::Call;

/// Who has it may do what needs another permission, unless that is a tag's own.
const ADMIN: &str = "admin";

/// Returns the permissions that the hub's user has.
pub(super) async fn of_user(client: &Client) -> Result<BTreeSet<String>, KojiError> {
    client.write(&Call::new("getPerms", [])).await.map(texts)
}

/// Looks at the permissions that building modules needs.
pub(super) async fn needed(
    client: &Client,
    config: &KojiConfig,
    version: Version,
    user: &str,
    has: &BTreeSet<String>,
) -> Vec<Finding> {
    let need = |name: &str, others: &[&str], why: &str| {
        if has.contains(name) {
            return Finding::good(format!("{user} has the permission {name}"));
        }
        match others.iter().find(|other| has.contains(**other)) {
            Some(other) => Finding::good(format!("{user} has the permission {other}, which is as good as {name}")),
            None => missing(user, name, why, false),
        }
    };
    let mut findings = vec![
        need("tag", &[ADMIN], "to make tags and to put packages into them"),
        need("target", &[ADMIN], "to make build targets"),
    ];
    if version < Version::REPOSITORY_QUEUE {
        findings.push(need("repo", &["regen-repo", ADMIN], "to have repositories made"));
    }
    let Some(permission) = &config.permission else { return findings };
    if has.contains(permission) {
        findings.push(Finding::good(format!("{user} has the permission {permission}")));
        return findings;
    }
    let why = "which tags of modules are guarded by (koji.permission), from administrators, too";
    findings.push(match client.read(&Call::new("getAllPerms", [])).await.map(names) {
        Ok(known) => missing(user, permission, why, !known.contains(permission)),
        Err(error) => {
            let Finding { text, .. } = missing(user, permission, why, false);
            Finding::bad(format!("{text} (which permissions there are cannot be asked: {})", told(&error)))
        }
    });
    findings
}

fn missing(user: &str, name: &str, why: &str, is_new: bool) -> Finding {
    let new = if is_new { "--new " } else { "" };
    Finding::bad(format!(
        "{user} needs the permission {name}, {why}; an administrator grants it: koji grant-permission {new}{name} {user}"
    ))
}
