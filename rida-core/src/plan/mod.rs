//! What is to be built, in which order: fixed when a module is submitted.

mod graph;
mod reuse;
pub(crate) mod schedule;
mod strategy;
pub(crate) mod throttle;

pub use self::graph::{PlanProblem, WantedComponent};
pub use self::reuse::{Reuse, ReuseDecision, Taken};
pub use self::strategy::{RebuildStrategy, UnknownStrategy};
pub use self::throttle::{Full, Impatient, Verdict, verdicts};

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::given::SourcePackage;
use crate::id::{Arch, ComponentName};
use crate::scm::{GitRef, Repository};

/// The components of a module and what each waits for.
///
/// The first is always [`ComponentName::macros`] when there are any; the others follow by batch, then by name.
/// A component's place in the list is its index, which the rest of the core uses.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    components: Vec<PlannedComponent>,
}

/// A component as planned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlannedComponent {
    /// The name, which is also its package's and its spec file's.
    pub name: ComponentName,
    /// Where the sources are; absent for `module-build-macros`, which is generated.
    pub source: Option<ComponentSource>,
    /// The batch, from 1, which is the macros'. With `buildafter` it is the length of the longest chain before it.
    pub batch: u32,
    /// What must be in the repository before this one starts.
    pub waits_for: WaitsFor,
    /// Its packages are needed to build others and are left out of the module.
    pub buildonly: bool,
    /// The architectures that it is built for; empty means all of the module's.
    pub arches: Vec<Arch>,
    /// The source package that it is built of, when the request brought one along; there is no `source` then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<SourcePackage>,
}

impl PlannedComponent {
    /// Tells whether it is made for every module, and has no sources anywhere.
    pub const fn is_generated(&self) -> bool {
        self.source.is_none() && self.package.is_none()
    }
}

/// What a component waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitsFor {
    /// All components of lower batches.
    Batches,
    /// The components with these indices.
    Components(Vec<usize>),
}

/// Where a component's sources are, as the modulemd and the policy say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentSource {
    /// The git repository.
    pub repository: Repository,
    /// The commit, branch or tag to build.
    pub reference: GitRef,
    /// The lookaside cache that holds what the `sources` file names; absent when there is none.
    pub cache: Option<Arc<str>>,
}

impl Plan {
    /// Makes a plan of components that are in order: by batch, and waiting only for earlier ones.
    pub fn from_components(components: Vec<PlannedComponent>) -> Self {
        Self { components }
    }

    /// Plans components to be built of source packages instead of their sources.
    ///
    /// # Errors
    /// The packages that are of no component, or of one that has another already.
    pub(crate) fn with_packages(mut self, packages: &[SourcePackage]) -> Result<Self, Vec<SourcePackage>> {
        let mut left = Vec::new();
        for package in packages {
            let name = package.component();
            let planned = self.components.iter_mut().find(|it| it.source.is_some() && Some(&it.name) == name.as_ref());
            match planned {
                Some(planned) => {
                    planned.source = None;
                    planned.package = Some(package.clone());
                }
                None => left.push(package.clone()),
            }
        }
        if left.is_empty() { Ok(self) } else { Err(left) }
    }

    /// Iterates over the components in the plan's order.
    pub fn iter(&self) -> std::slice::Iter<'_, PlannedComponent> {
        self.components.iter()
    }

    /// Returns how many components there are, the macros included.
    pub fn len(&self) -> usize {
        self.components.len()
    }

    /// Tells whether there is nothing to build.
    pub fn is_empty(&self) -> bool {
        self.components.is_empty()
    }

    /// Returns the component at an index.
    pub fn get(&self, index: usize) -> Option<&PlannedComponent> {
        self.components.get(index)
    }

    /// Returns the index of the component of that name.
    pub fn index_of(&self, name: &ComponentName) -> Option<usize> {
        self.components.iter().position(|component| component.name == *name)
    }

    /// Iterates over the batches, each with its number and its components.
    pub fn batches(&self) -> impl Iterator<Item = (u32, &[PlannedComponent])> {
        self.components.chunk_by(|a, b| a.batch == b.batch).map(|batch| (batch.first().map_or(0, |c| c.batch), batch))
    }
}
