//! The rules between the fields, as libmodulemd checks them.

use super::read::is_nevra;
use super::{Dependencies, ModuleStream};
use crate::modulemd::problem::{Collector, FieldPath, Problem, Problems, Shown};
use crate::modulemd::rule::Rule;

impl ModuleStream {
    /// Checks the rules between the fields that libmodulemd checks; what was read from a text has passed them.
    ///
    /// # Errors
    /// All the rules that are broken.
    pub fn validate(&self) -> Result<(), Problems> {
        let mut problems = Collector::default();
        self.check(&mut problems);
        problems.finish(())
    }

    pub(in crate::modulemd) fn check(&self, problems: &mut Collector) {
        self.check_license(problems);
        self.check_static_context(problems);
        for (index, block) in self.dependencies.iter().enumerate() {
            check_dependencies(index, block, problems);
        }
        self.check_order(problems);
        self.check_arches(problems);
        self.check_artifacts(problems);
    }

    fn check_license(&self, problems: &mut Collector) {
        if self.license.module.is_empty() {
            let field = FieldPath::new(["license", "module"]);
            let hint = "write `license: {module: [MIT]}`, with the licence of the document itself";
            problems.push(Problem::new(Rule::Required, field, "the module has no licence", hint));
        }
    }

    fn check_static_context(&self, problems: &mut Collector) {
        let Some(context) = self.context.as_deref().filter(|_| self.static_context) else { return };
        if crate::id::Context::new(context).is_err() {
            let message = format!("`{}` cannot be a context", Shown(context));
            let hint = "write 1 to 13 letters, digits and _";
            problems.push(Problem::new(Rule::StaticContext, FieldPath::new(["context"]), message, hint));
        }
    }

    fn check_order(&self, problems: &mut Collector) {
        let rpms = &self.components.rpms;
        let after = rpms.values().any(|component| !component.buildafter.is_empty());
        for (name, component) in rpms {
            let field = |last: &str| FieldPath::new(["components", "rpms", name, last]);
            if after && component.buildorder != 0 {
                let message = "components of this module have buildafter, so none may have buildorder";
                let hint = "use one of the two in all components";
                problems.push(Problem::new(Rule::BuildAfterOrOrder, field("buildorder"), message, hint));
            }
            for other in component.buildafter.iter().filter(|other| !rpms.contains_key(*other)) {
                let field = FieldPath::new(["components", "rpms", name, "buildafter", other]);
                let message = format!("there is no component `{}`", Shown(other));
                let hint = "write the key of another component in components.rpms, or leave it out";
                problems.push(Problem::new(Rule::BuildAfterUnknown, field, message, hint));
            }
        }
    }

    fn check_arches(&self, problems: &mut Collector) {
        let Some(arches) = self.buildopts.as_ref().map(|opts| &opts.arches).filter(|arches| !arches.is_empty()) else {
            return;
        };
        for (name, component) in &self.components.rpms {
            for arch in component.arches.difference(arches) {
                let field = FieldPath::new(["components", "rpms", name, "arches", arch]);
                let message = format!("`{}` is not among the arches of buildopts", Shown(arch));
                let hint = "add it to buildopts.arches, or leave it out here";
                problems.push(Problem::new(Rule::ComponentArches, field, message, hint));
            }
        }
    }

    fn check_artifacts(&self, problems: &mut Collector) {
        for nevra in self.artifacts.rpms.iter().filter(|nevra| !is_nevra(nevra)) {
            let field = FieldPath::new(["artifacts", "rpms", nevra]);
            let message = format!("`{}` is not name-epoch:version-release.arch", Shown(nevra));
            let hint = "write the epoch too, such as bash-0:5.2-1.el9.x86_64";
            problems.push(Problem::new(Rule::Nevra, field, message, hint));
        }
        for (digest, entries) in &self.artifacts.rpm_map {
            for (checksum, entry) in entries {
                let made = entry.made_nevra();
                if made != entry.nevra {
                    let field = FieldPath::new(["artifacts", "rpm-map", digest, checksum]);
                    let message = format!("the nevra `{}` is not made of the other fields", Shown(&entry.nevra));
                    let hint = format!("write `nevra: {}`", Shown(&made));
                    problems.push(Problem::new(Rule::RpmMap, field, message, hint));
                }
            }
        }
    }
}

fn check_dependencies(index: usize, block: &Dependencies, problems: &mut Collector) {
    for (kind, modules) in [("buildrequires", &block.buildrequires), ("requires", &block.requires)] {
        for (module, streams) in modules {
            let excluded = streams.iter().filter(|stream| stream.starts_with('-')).count();
            if excluded != 0 && excluded != streams.len() {
                let field = FieldPath::new(["dependencies", &index.to_string(), kind, module]);
                let message = "some streams are excluded with `-`, and others are not";
                let hint = "list only streams that are wanted, or only streams that are not, each with `-`";
                problems.push(Problem::new(Rule::MixedStreams, field, message, hint));
            }
        }
    }
}
