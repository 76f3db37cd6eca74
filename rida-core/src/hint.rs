//! What a message of the build system is about: a hint that there is news, never the news itself.

use crate::build::ModuleBuild;
use crate::component::ComponentState;
use crate::id::{Nvr, TaskId};

/// Something changed in the build system, says a message that may be late, repeated, lost or wrong.
///
/// All that follows from it is that the build system is asked; see [`Driver::builds_of`](crate::Driver::builds_of).
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BuildSystemHint {
    /// The task that it is about.
    pub task: Option<TaskId>,
    /// The tag that it is about, as the build system calls it.
    pub tag: Option<String>,
    /// The package that it is about.
    pub nvr: Option<Nvr>,
}

impl BuildSystemHint {
    /// Tells whether a build may be meant: by a task that builds one of its components, by its tag or the build root's
    /// tag, or by a package that has its dist tag.
    pub fn concerns(&self, build: &ModuleBuild) -> bool {
        let tag = build.tag();
        let is_tag = |name: &String| name.strip_suffix("-build").unwrap_or(name) == tag.as_str();
        // The release of what its components build ends so, before and after the result is known.
        let is_package = |nvr: &Nvr| nvr.release.ends_with(build.dist_tag.as_str());
        self.tag.as_ref().is_some_and(is_tag)
            || self.nvr.as_ref().is_some_and(is_package)
            || self
                .task
                .is_some_and(|task| build.components.iter().any(|component| is_built_by(&component.state, task)))
    }
}

fn is_built_by(state: &ComponentState, task: TaskId) -> bool {
    state.task() == Some(task)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::sample;

    #[test]
    fn it_is_about_a_build_by_task_tag_or_package() {
        let life = sample::life_to_ready(sample::id(1), sample::nsvc("foo:1:1:c0ffee"));
        let build = &life.last().unwrap().after;
        let task = build.components[1].state.task().unwrap();
        let built = build.components[1].state.built().unwrap();
        let none = BuildSystemHint::default();
        let mut own = Nvr::clone(&built.nvr);
        own.release = format!("7{}", build.dist_tag).into();
        let concerned = [
            BuildSystemHint { task: Some(task), ..none.clone() },
            BuildSystemHint { tag: Some(build.tag().to_string()), ..none.clone() },
            BuildSystemHint { tag: Some(format!("{}-build", build.tag())), ..none.clone() },
            BuildSystemHint { nvr: Some(own.clone()), ..none.clone() },
            BuildSystemHint { task: Some(TaskId(-1)), tag: Some(build.tag().to_string()), ..none.clone() },
        ];
        for hint in concerned {
            assert!(hint.concerns(build), "{hint:?}");
        }
        own.release = "7.fc40".into();
        let foreign = [
            BuildSystemHint { task: Some(TaskId(-1)), ..none.clone() },
            BuildSystemHint { tag: Some(format!("{}-build-build", build.tag())), ..none.clone() },
            BuildSystemHint { tag: Some(String::new()), ..none.clone() },
            BuildSystemHint { nvr: Some(own), ..none.clone() },
            none,
        ];
        for hint in foreign {
            assert!(!hint.concerns(build), "{hint:?}");
        }
    }
}
