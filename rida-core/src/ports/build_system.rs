//! Where components are built.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::build::ModuleBuild;
use crate::component::ComponentKey;
use crate::error::PortError;
use crate::event::Fact;
use crate::hint::BuildSystemHint;
use crate::id::{Arch, ComponentName, TaskId};

/// The system that builds packages.
///
/// Each method gets the build as it was last committed. All but [`follow`](Self::follow) and
/// [`read_log`](Self::read_log) act; each looks for what an earlier call left behind before it does, so that a repeat
/// changes nothing. What takes long is not waited for: a method that has asked for something says
/// [`Pending`](crate::PortErrorKind::Pending), and is called again.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait BuildSystem: Send + Sync {
    /// Prepares the build environment. Afterwards components of the build can be built. Idempotent by the build. The
    /// build shows what will be [taken over](crate::ComponentBuild::taken) if all that is wanted of it is still there.
    async fn prepare(&self, build: &ModuleBuild) -> Result<(), PortError>;

    /// Returns what a packager should know of the environment of a build that was prepared just now. Changes nothing. A
    /// build system that says nothing else has nothing to say.
    async fn remarks(&self, _build: &ModuleBuild) -> Result<Remarks, PortError> {
        Ok(Remarks::default())
    }

    /// Starts the build of a component and returns its task. Idempotent by the key: when a task was ever started for
    /// it, that one is returned, ended or not. A task that an earlier attempt left running, or with a result, is taken
    /// over and returned, so that nothing is built twice; one that failed or was cancelled is not.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when the key was cancelled before.
    async fn build(&self, build: &ModuleBuild, key: &ComponentKey) -> Result<TaskId, PortError>;

    /// Puts components that were built, or [taken over](crate::ComponentBuild::taken), into the module's tag. Afterwards
    /// a repository that is regenerated has them. Idempotent by the keys.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when one was not built, or what is to be taken over is not there
    /// any more.
    async fn tag(&self, build: &ModuleBuild, components: &[ComponentKey]) -> Result<(), PortError>;

    /// Returns which of a finished build's components can be taken over into another build: what it has of them is still
    /// there, and [`tag`](Self::tag) can put it into another module's tag. Changes nothing. A build system that says
    /// nothing else takes nothing over.
    async fn reusable(
        &self,
        _donor: &ModuleBuild,
        _components: &[ComponentName],
    ) -> Result<Vec<ComponentName>, PortError> {
        Ok(Vec::new())
    }

    /// Asks for a repository with everything that is in the tag. Afterwards one is there or under way, and
    /// [`follow`](Self::follow) tells when it is there. Idempotent by the build and the generation.
    async fn regenerate(&self, build: &ModuleBuild, generation: u32) -> Result<(), PortError>;

    /// Tells what became of everything that the build waits for: tasks of components that are
    /// [`Building`](crate::ComponentState::Building), and the repository that is being regenerated. Starts nothing that
    /// was not asked for: a repository that was, and failed, is asked for again here, as often as it takes, since only
    /// here is that seen. Otherwise it changes nothing.
    ///
    /// A task that the build system does not know (any more) is a
    /// [`ComponentFailed`](Fact::ComponentFailed) with that reason.
    async fn follow(&self, build: &ModuleBuild) -> Result<Vec<Fact>, PortError>;

    /// Ends the task of a key. Afterwards no task for that key runs, and none ever starts. Idempotent by the key.
    /// A task that a later attempt has taken over is left alone, and one that has ended keeps its result.
    async fn cancel(&self, build: &ModuleBuild, key: &ComponentKey, task: Option<TaskId>) -> Result<(), PortError>;

    /// Ends what [`prepare`](Self::prepare), [`tag`](Self::tag), [`regenerate`](Self::regenerate) and
    /// [`write_metadata`](Self::write_metadata) of a build led to and what goes on though they have returned: a repository
    /// that is being made, packages that are being tagged. Nobody waits for it: the build has failed, and may have been
    /// submitted again since without having got a slot. What is there stays, and each can be asked for again. Idempotent by
    /// the build. What a run that begins meanwhile waits for is left alone, or is asked for again by who waits for it.
    ///
    /// What cannot be ended, since it belongs to somebody else, is left alone and told. A build system in which nothing
    /// goes on after a method has returned says nothing else.
    async fn abandon(&self, _build: &ModuleBuild) -> Result<(), PortError> {
        Ok(())
    }

    /// Writes the module's repository and metadata from all components that were built. Afterwards the module can be
    /// installed from it. Idempotent by the build.
    async fn write_metadata(&self, build: &ModuleBuild) -> Result<(), PortError>;

    /// Reads at most `max` bytes of a component's build log from `offset` on.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when there is no log for that key.
    async fn read_log(&self, key: &ComponentKey, offset: u64, max: usize) -> Result<LogChunk, PortError>;

    /// Returns the document of a finished module for each architecture that it was built for, with what belongs to the
    /// module there. Changes nothing.
    ///
    /// # Errors
    /// [`Permanent`](crate::PortErrorKind::Permanent) when there is none.
    async fn final_modulemd(&self, build: &ModuleBuild) -> Result<BTreeMap<Arch, String>, PortError> {
        Err(PortError::permanent(format!("the build system keeps no document of the module build {}", build.id)))
    }

    /// Tells whether a message of the build system may be about a build. One whose tags or packages are named in a way
    /// of its own says so here.
    fn concerns(&self, hint: &BuildSystemHint, build: &ModuleBuild) -> bool {
        hint.concerns(build)
    }
}

/// What a packager should know of an environment, each in words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remarks {
    /// What the build is built without although it requires it: the build system has nothing of it.
    pub without: Vec<Arc<str>>,
    /// What somebody else changed, and was left as it is.
    pub changed: Vec<Arc<str>>,
}

/// A piece of a build log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogChunk {
    /// The bytes; none when nothing is there at the offset (yet).
    pub bytes: Vec<u8>,
    /// The log will not grow beyond what was returned with or before this piece.
    pub complete: bool,
}
