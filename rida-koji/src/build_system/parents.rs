//! The tags that a module is built with: those of the modules that it is built against.

use std::sync::Arc;

use rida_core::{BuildRequire, ModuleBuild, PortError, TagName};

use super::KojiBuildSystem;
use crate::map::{port_error, refused};
use crate::xmlrpc::{Call, Value};

/// What stands for the side tag in the name of a tag.
pub(crate) const SIDE_TAG: &str = "{side_tag}";

/// A module that another is built against.
pub(super) struct Parent {
    /// Its tag.
    pub(super) tag: String,
    /// What it is called: `platform:el8`.
    pub(super) name: String,
    /// What it is required as.
    pub(super) required: BuildRequire,
    /// Its build; absent of base modules.
    pub(super) build: Option<ModuleBuild>,
}

impl Parent {
    /// Tells whether nothing was ever built of it, so that it may have no tag: it has no components, or it was made known
    /// to this service without having been built by it.
    pub(super) fn may_have_no_tag(&self) -> bool {
        let is_empty = |build: &ModuleBuild| build.components.iter().all(|component| component.state.built().is_none());
        self.build.as_ref().is_some_and(is_empty)
    }
}

impl KojiBuildSystem {
    /// Returns which modules a build requires that are left out of what it inherits from, in words: Koji has no tag of
    /// them. The hub is asked only about those that this may be true of.
    pub(super) async fn left_out(&self, build: &ModuleBuild) -> Result<Vec<Arc<str>>, PortError> {
        let mut parents = self.parents(build).await?;
        parents.retain(Parent::may_have_no_tag);
        let calls: Vec<Call> =
            parents.iter().map(|parent| Call::new("getTag", [Value::from(parent.tag.as_str())])).collect();
        if calls.is_empty() {
            return Ok(Vec::new());
        }
        let mut left_out = Vec::new();
        for (parent, answer) in parents.iter().zip(self.client.read_many(&calls).await.map_err(port_error)?) {
            let tag = answer.map_err(|fault| refused("a tag cannot be looked up", fault))?;
            if tag.is_nil() {
                let Parent { name, tag, .. } = parent;
                left_out.push(format!("{name}, which has no packages: Koji has no tag {tag}").into());
            }
        }
        Ok(left_out)
    }

    /// Returns the modules that a module is built against, each tag once.
    pub(super) async fn parents(&self, build: &ModuleBuild) -> Result<Vec<Parent>, PortError> {
        let mut parents: Vec<Parent> = Vec::new();
        for required in &build.submission.build_requires {
            let name = format!("{}:{}", required.name, required.stream);
            let known = match required.build.filter(|_| !self.config.base_tags.contains_key(&name)) {
                None => None,
                Some(id) => {
                    let unavailable = |error| {
                        PortError::unavailable(format!("what is known of {name} cannot be read")).because(error)
                    };
                    let gone = || PortError::permanent(format!("the build {id} of {name} is not known any more"));
                    Some(self.builds.load(id).await.map_err(unavailable)?.ok_or_else(gone)?)
                }
            };
            let tag = match &known {
                Some(known) => known.tag().to_string(),
                None => self.base_tag(&name, build.submission.side_tag.as_ref())?,
            };
            if parents.iter().all(|known| known.tag != tag) {
                parents.push(Parent { tag, name, required: required.clone(), build: known });
            }
        }
        Ok(parents)
    }

    /// Returns the tag of a base module, or the one that its side tags are named by.
    pub(super) fn base_tag(&self, name: &str, side_tag: Option<&TagName>) -> Result<String, PortError> {
        match side_tag {
            None => self.config.base_tags.get(name).cloned().ok_or_else(|| {
                PortError::permanent(format!(
                    "the service does not know which of Koji's tags is that of {name}; its operator can name it in \
                     koji.base_tags"
                ))
            }),
            Some(side_tag) => match self.config.side_tags.get(name) {
                Some(format) => Ok(format.replace(SIDE_TAG, side_tag.as_str())),
                None => Err(PortError::permanent(format!(
                    "the service does not know how side tags of {name} are named; leave side_tag out, or ask its operator \
                     to name them in koji.side_tags"
                ))),
            },
        }
    }
}
