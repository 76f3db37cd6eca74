//! What the settings name in the hub: tags, a target, a user, a content generator.

use std::collections::BTreeSet;

use super::{Finding, names, refusal, texts};
use crate::client::Client;
use crate::config::KojiConfig;
use crate::error::{KojiError, fault};
use crate::wire::{Tag, Target, User};
use crate::xmlrpc::{Answer, Call, Fault, Struct, Value};

/// Something that the settings name.
struct Named<'a> {
    name: &'a str,
    /// What it is, and which setting names it.
    what: String,
    kind: Kind,
}

/// What it has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A tag that modules are built with.
    Base,
    /// The tag that finished modules are put into.
    Finished,
    /// A target.
    Target,
    /// A user.
    User,
}

/// Looks at what the settings name. `has` are the permissions of the service's user, as far as they are known.
pub(super) async fn things(
    client: &Client,
    config: &KojiConfig,
    user: &str,
    has: Option<&BTreeSet<String>>,
) -> Result<Vec<Finding>, KojiError> {
    let named = named(config);
    let mut calls: Vec<Call> =
        named.iter().map(|named| Call::new(named.kind.method(), [Value::from(named.name)])).collect();
    let import = config.import.as_ref();
    if import.is_some() {
        calls.extend(["listCGs", "listBTypes"].map(|method| Call::new(method, [])));
    }
    let mut answers = client.read_many(&calls).await?.into_iter();
    let mut findings = Vec::new();
    for (named, answer) in named.iter().zip(answers.by_ref()) {
        findings.push(match answer {
            Ok(answer) => named.finding(answer, config, user, has),
            Err(fault) => Finding::bad(format!("{}, {}, cannot be asked: {}", named.name, named.what, refusal(&fault))),
        });
    }
    if config.base_tags.is_empty() {
        findings.push(Finding::bad(
            "no base module has a tag, so that nothing can be built; write koji.base_tags, such as \
             [\"platform:el8=el8-build\"]",
        ));
    }
    if let (Some(import), Some(generators), Some(types)) = (import, answers.next(), answers.next()) {
        findings.push(generator(&import.generator, user, generators));
        findings.extend(build_type(types));
    }
    Ok(findings)
}

fn named(config: &KojiConfig) -> Vec<Named<'_>> {
    let bases = config.base_tags.iter().map(|(module, tag)| Named {
        name: tag,
        what: format!("the tag of {module} (koji.base_tags)"),
        kind: Kind::Base,
    });
    let finished = config.import.as_ref().and_then(|import| import.tag.as_deref());
    let others = [
        (finished, "the tag of finished modules (koji.import_tag)", Kind::Finished),
        (
            config.macros_target.as_deref(),
            "what the macros of modules are built with (koji.macros_target)",
            Kind::Target,
        ),
        (config.package_owner.as_deref(), "who owns the packages of modules (koji.package_owner)", Kind::User),
    ];
    let others =
        others.into_iter().filter_map(|(name, what, kind)| Some(Named { name: name?, what: what.to_owned(), kind }));
    bases.chain(others).collect()
}

impl Kind {
    const fn method(self) -> &'static str {
        match self {
            Self::Base | Self::Finished => "getTag",
            Self::Target => "getBuildTarget",
            Self::User => "getUser",
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Base | Self::Finished => "tag",
            Self::Target => "target",
            Self::User => "user",
        }
    }
}

impl Named<'_> {
    fn finding(&self, answer: Value, config: &KojiConfig, user: &str, has: Option<&BTreeSet<String>>) -> Finding {
        let Self { name, what, kind } = self;
        let tag = match kind {
            _ if answer.is_nil() => {
                return Finding::bad(format!("there is no {} {name}, {what}; name another, or make it", kind.word()));
            }
            Kind::Target => Target::from_value(answer).map(|_| None),
            Kind::User => User::from_value(answer).map(|_| None),
            Kind::Base | Kind::Finished => Tag::from_value(answer),
        };
        let tag = match tag {
            Ok(tag) => tag,
            Err(error) => return Finding::bad(format!("{name}, {what}, cannot be read: {error}")),
        };
        let trouble = match (kind, &tag) {
            (Kind::Base, Some(tag)) => without_arches(tag, config),
            (Kind::Finished, Some(tag)) => closed(tag, user, has),
            _ => None,
        };
        match trouble {
            Some(trouble) => Finding::bad(format!("{name}, {what}, {trouble}")),
            None => Finding::good(format!("{name} is there, {what}")),
        }
    }
}

fn without_arches(tag: &Tag, config: &KojiConfig) -> Option<String> {
    if !tag.arches.is_empty() || !config.arches.is_empty() {
        return None;
    }
    Some(format!(
        "has no architectures, so that only modules that name theirs can be built with it; set koji.arches, or give it \
         some: koji edit-tag --arches=\"x86_64 aarch64\" {}",
        tag.name
    ))
}

/// Says why nothing can be put into a tag. Not even an administrator can, unless that is forced.
fn closed(tag: &Tag, user: &str, has: Option<&BTreeSet<String>>) -> Option<String> {
    let name = &tag.name;
    if tag.locked {
        return Some(format!(
            "is locked, so that nothing can be put into it; an administrator unlocks it: koji edit-tag --unlock {name}"
        ));
    }
    let permission = tag.permission.as_ref()?;
    has.is_some_and(|has| !has.contains(permission)).then(|| {
        format!(
            "needs the permission {permission}, which {user} has not; an administrator grants it: \
             koji grant-permission {permission} {user}"
        )
    })
}

fn generator(generator: &str, user: &str, answer: Answer) -> Finding {
    let asked = format!("whether {user} may import as {generator}");
    let all = match answer {
        Ok(Value::Struct(all)) => all,
        Ok(other) => {
            let error = other.shape("listCGs", "a struct");
            return Finding::bad(format!("{asked} cannot be read: {error}"));
        }
        Err(Fault { code: fault::GENERIC, .. }) => {
            return Finding::open(format!("{asked} is seen with the first module only: hubs before 1.20 do not tell"));
        }
        Err(fault) => return Finding::bad(format!("{asked} cannot be asked: {}", refusal(&fault))),
    };
    let grant = format!("an administrator grants it: koji grant-cg-access --new {user} {generator}");
    match all.get(generator).cloned().map(users) {
        Some(users) if users.contains(user) => Finding::good(format!("{user} may import as {generator}")),
        Some(_) => Finding::bad(format!("{user} may not import as {generator}; {grant}")),
        None => Finding::bad(format!("there is no content generator {generator}; {grant}")),
    }
}

fn build_type(answer: Answer) -> Option<Finding> {
    match answer {
        Ok(types) if names(types.clone()).contains("module") => None,
        Ok(_) => Some(Finding::bad(
            "the hub has no builds of the type module; an administrator adds it: koji call addBType module",
        )),
        Err(fault) => {
            let refusal = refusal(&fault);
            Some(Finding::bad(format!("whether the hub has builds of the type module cannot be asked: {refusal}")))
        }
    }
}

fn users(generator: Value) -> BTreeSet<String> {
    let members: Struct = match generator {
        Value::Struct(members) => members,
        _ => Struct::new(),
    };
    members.get("users").cloned().map(texts).unwrap_or_default()
}
