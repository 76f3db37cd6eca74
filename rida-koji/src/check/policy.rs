//! What the hub's policies let a service do.

use super::{Finding, refusal};
use crate::client::Client;
use crate::config::KojiConfig;
use crate::error::{KojiError, fault};
use crate::xmlrpc::{Answer, Call, Value};

/// A policy, as a service meets it.
struct Policy {
    name: &'static str,
    /// What the user does, after `may` and after `lets … not`.
    what: &'static str,
    /// Why that is needed.
    why: String,
    /// What the hub looks at.
    about: Vec<(&'static str, Value)>,
}

/// Asks the hub's policies. Unless its operators changed that, a hub builds source packages, as the macros of modules
/// are, for administrators alone.
pub(super) async fn policies(client: &Client, config: &KojiConfig) -> Result<Vec<Finding>, KojiError> {
    let user = client.user().await?;
    let asked = asked(config);
    let calls: Vec<Call> = asked
        .iter()
        .map(|policy| {
            let user = [("user_id", Value::Int(user.id))];
            let about = user.iter().chain(&policy.about).map(|(name, value)| ((*name).to_owned(), value.clone()));
            Call::new("evalPolicy", [Value::from(policy.name), Value::Struct(about.collect())])
        })
        .collect();
    let answers = client.read_many(&calls).await?;
    Ok(asked.iter().zip(answers).map(|(policy, answer)| finding(policy, &user.name, answer)).collect())
}

fn asked(config: &KojiConfig) -> Vec<Policy> {
    let mut about = vec![
        ("source", Value::from("cli-build/rida/module-build-macros.src.rpm")),
        ("from_scm", Value::Bool(false)),
        ("scratch", Value::Bool(false)),
        ("draft", Value::Bool(false)),
        ("skip_tag", Value::Bool(true)),
        ("repo_id", Value::Nil),
    ];
    // A target of modules is made with each of them; policies that go by it cannot be asked before.
    about.extend(config.macros_target.as_ref().map(|target| ("target", Value::from(target.as_str()))));
    let why = "as the macros of modules are".to_owned();
    let mut all = vec![Policy { name: "build_from_srpm", what: "build source packages", why, about }];
    let Some(import) = &config.import else { return all };
    if let Some(tag) = &import.tag {
        let about = vec![
            ("tag", Value::from(tag.as_str())),
            ("action", Value::from("add")),
            ("package", Value::from("rida")),
            ("force", Value::Bool(false)),
        ];
        let why = format!("as the names of modules are to {tag} (koji.import_tag)");
        all.push(Policy { name: "package_list", what: "add packages to tags", why, about });
    }
    let about = vec![
        ("package", Value::from("rida")),
        ("version", Value::from("1")),
        ("release", Value::from("1.c0ffee")),
        ("btypes", Value::Array(vec![Value::from("module")])),
        ("source", Value::Nil),
        ("metadata_only", Value::Bool(false)),
        ("cg_list", Value::Array(vec![Value::from(import.generator.as_str())])),
    ];
    let why = "as finished modules are".to_owned();
    all.push(Policy { name: "cg_import", what: "import builds", why, about });
    all
}

fn finding(policy: &Policy, user: &str, answer: Answer) -> Finding {
    let Policy { name, what, why, .. } = policy;
    let answer = match answer {
        Ok(answer) => answer,
        Err(fault) if fault.code == fault::OFFLINE => {
            return Finding::bad(format!("the hub's policy {name} cannot be asked: {}", refusal(&fault)));
        }
        // Rules may look at what is known of a package, a tag or a task only.
        Err(fault) => {
            return Finding::open(format!(
                "whether {user} may {what} is seen with the first module only (policy {name}): {}",
                refusal(&fault)
            ));
        }
    };
    let (word, reason) = match &answer {
        Value::Text(text) => text.split_once(char::is_whitespace).unwrap_or((text, "no reason is told")),
        _ => ("", "no rule of it is for this"),
    };
    if word.eq_ignore_ascii_case("allow") {
        return Finding::good(format!("{user} may {what}, {why}"));
    }
    Finding::bad(format!(
        "the hub's policy {name} does not let {user} {what} ({}), {why}; an administrator allows it in the hub's \
         configuration, under {name}: user {user} :: allow",
        reason.trim()
    ))
}
