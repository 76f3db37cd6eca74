//! Packages of the distribution that a required module has under the same names.
//!
//! A module's own are to be used, also where the distribution's have higher versions or come from a source package of
//! another name, so that Koji takes both into a repository.

use std::collections::BTreeSet;

use rida_core::{Conflict, ModuleBuild, PortError};

use super::KojiBuildSystem;
use super::conflicts::packages;
use super::parents::Parent;
use crate::error::{KojiErrorKind, fault};
use crate::map::port_error;
use crate::xmlrpc::{Call, Value};

impl KojiBuildSystem {
    /// Tells whether the distribution's packages are compared with those of required modules: where it has modules by
    /// default, or its repositories may have modules among their packages.
    pub(super) fn compares_packages(&self, build: &ModuleBuild) -> bool {
        self.config.external_repos.is_some() || !build.submission.by_default.is_empty()
    }

    /// Returns the packages of base modules' tags, and of these others, which a required module has under the same names.
    /// It costs two requests, and the lists of the distribution's packages may be long.
    pub(super) async fn overlapping(
        &self,
        build: &ModuleBuild,
        parents: &[Parent],
        external: &BTreeSet<String>,
    ) -> Result<BTreeSet<Conflict>, PortError> {
        let list = |tag: &str, inherit: bool| {
            Call::new("listTaggedRPMS", [Value::from(tag)]).with("latest", true).with("inherit", inherit)
        };
        let required = parents.iter().filter(|parent| parent.build.is_some() && !parent.may_have_no_tag());
        let calls: Vec<Call> = required.map(|parent| list(&parent.tag, false)).collect();
        let bases = parents.iter().filter(|parent| parent.build.is_none()).map(|parent| parent.tag.as_str());
        let bases: BTreeSet<&str> = bases.chain(external.iter().map(String::as_str)).collect();
        if calls.is_empty() || bases.is_empty() {
            return Ok(BTreeSet::new());
        }
        let mut own = BTreeSet::new();
        for answer in self.client.read_many(&calls).await.map_err(port_error)? {
            own.extend(packages(answer, |_, _| true)?);
        }
        let names: BTreeSet<&str> = own.iter().map(|package| &*package.nvr.name).collect();
        let calls: Vec<Call> = bases.iter().map(|tag| self.of_one_arch(list(tag, true))).collect();
        let answers = match self.client.read_many(&calls).await {
            Ok(answers) => answers,
            Err(error) if error.kind() == KojiErrorKind::Invalid => {
                tracing::warn!(
                    build.id = build.id.get(),
                    error = %error.to_string().escape_debug(),
                    "what the distribution has cannot be compared with what required modules have"
                );
                return Ok(BTreeSet::new());
            }
            Err(error) => return Err(port_error(error)),
        };
        let mut found = BTreeSet::new();
        for answer in answers {
            // An external repository may be of another hub that is reached by the same name.
            if answer.as_ref().is_err_and(|fault| fault.code == fault::GENERIC) {
                continue;
            }
            found.extend(packages(answer, |rpm, _| names.contains(rpm.name.as_str()))?);
        }
        found.retain(|package| !own.contains(package));
        if !found.is_empty() {
            tracing::info!(
                build.id = build.id.get(),
                packages = found.len(),
                "the build root conflicts with packages of the distribution that required modules have"
            );
        }
        Ok(found)
    }

    /// Asks for the packages of one architecture: what it conflicts with has no architecture, and the lists are long.
    fn of_one_arch(&self, call: Call) -> Call {
        let Some(arch) = self.config.arches.first() else { return call };
        call.with("arch", Value::Array(vec![Value::from(arch.as_str()), Value::from("noarch")]))
    }
}
