//! Repositories: the module's tag, what later components build against, and the finished module.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rida_core::{BuildId, ComponentName, PortError, TaskId};
use serde::{Deserialize, Serialize};

use crate::build_system::packages::{PACKAGES, Package, own};
use crate::config::BuildLimits;
use crate::layout::{BuildFolder, beside, names, put_folder, read_record, remove_tree, storage, write_record};
use crate::process::{Limits, Program};
use crate::sandbox::{Place, Run, Sandbox};

/// What a component brought into the tag.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Tagged {
    pub(crate) component: ComponentName,
    pub(crate) task: TaskId,
    pub(crate) packages: Vec<Package>,
}

/// Puts the packages of a task into the tag, in place of those that another task of the component brought.
pub(crate) fn tag(
    build: &BuildFolder,
    component: &ComponentName,
    task: TaskId,
    packages_folder: &Path,
) -> Result<(), PortError> {
    let folder = build.tag(component);
    let there: Option<Tagged> = read_record(&folder.join(PACKAGES)).map_err(storage)?;
    if there.is_some_and(|there| there.task == task) {
        return Ok(());
    }
    let packages: Option<Vec<Package>> = read_record(&packages_folder.join(PACKAGES)).map_err(storage)?;
    let packages = packages.ok_or_else(|| PortError::permanent(format!("{component} was not built")))?;
    put(build, &Tagged { component: component.clone(), task, packages }, packages_folder).map_err(storage)
}

/// Puts packages of a folder into the tag: whole or not at all.
fn put(build: &BuildFolder, tagged: &Tagged, from: &Path) -> io::Result<()> {
    let folder = build.tag(&tagged.component);
    let part = beside(&folder, "new");
    fs::create_dir_all(build.tags())?;
    empty(&part)?;
    for package in &tagged.packages {
        fs::hard_link(from.join(&package.file), part.join(&package.file))?;
    }
    write_record(&part.join(PACKAGES), tagged)?;
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    put_folder(&part, &folder)
}

/// Returns what another build has of a component in its tag, brought by that task, when all of it is there.
pub(crate) fn to_take_over(
    donor: &BuildFolder,
    component: &ComponentName,
    task: TaskId,
) -> Result<Option<Tagged>, PortError> {
    let folder = donor.tag(component);
    let there: Option<Tagged> = read_record(&folder.join(PACKAGES)).map_err(storage)?;
    let Some(there) = there.filter(|there| there.task == task && there.component == *component) else {
        return Ok(None);
    };
    for package in &there.packages {
        match fs::symlink_metadata(folder.join(&package.file)) {
            Ok(file) if file.is_file() => {}
            Ok(_) => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(storage(error)),
        }
    }
    Ok(Some(there))
}

/// Puts what another build has of a component into the tag, and tells whether it was there. The files are the same ones
/// under another name: they stay when the other build goes.
pub(crate) fn take_over(
    donor: &BuildFolder,
    build: &BuildFolder,
    component: &ComponentName,
    task: TaskId,
) -> Result<bool, PortError> {
    if to_take_over(build, component, task)?.is_some() {
        return Ok(true);
    }
    let Some(there) = to_take_over(donor, component, task)? else { return Ok(false) };
    match put(build, &there, &donor.tag(component)) {
        Ok(()) => Ok(true),
        // Somebody takes them away at this moment.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(storage(error)),
    }
}

/// Returns everything that is in the tag.
pub(crate) fn tagged(build: &BuildFolder) -> Result<Vec<Tagged>, PortError> {
    let folder = build.tags();
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut tagged = Vec::new();
    for name in names(&folder).map_err(storage)? {
        tagged.extend(read_record(&folder.join(name).join(PACKAGES)).map_err(storage)?);
    }
    Ok(tagged)
}

/// Returns the number of the newest repository.
pub(crate) fn generation(build: &BuildFolder) -> u32 {
    let target = fs::read_link(build.current_repo()).ok();
    let name = target.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
    name.and_then(|name| name.parse().ok()).unwrap_or(0)
}

/// Returns the packages of the newest repository.
pub(crate) fn available(build: &BuildFolder) -> Result<Vec<Package>, PortError> {
    let record = build.current_repo().join(PACKAGES);
    read_record(&record).map(Option::unwrap_or_default).map_err(storage)
}

/// Makes the repository of a generation from what is in the tag, unless it or a later one is there.
pub(crate) async fn regenerate(
    sandbox: &Sandbox,
    build: &BuildFolder,
    limits: BuildLimits,
    number: u32,
) -> Result<(), PortError> {
    if generation(build) >= number {
        return Ok(());
    }
    let folder = build.repos().join(number.to_string());
    if !folder.exists() {
        fs::create_dir_all(build.repos()).map_err(storage)?;
        let tagged = tagged(build)?;
        let files = tagged.iter().flat_map(|tagged| {
            let from = build.tag(&tagged.component);
            tagged.packages.iter().map(move |package| from.join(&package.file))
        });
        let packages: Vec<&Package> = tagged.iter().flat_map(|tagged| &tagged.packages).collect();
        let made = make(sandbox, &beside(&folder, "work"), files.collect(), limits).await?;
        write_record(&made.join(PACKAGES), &packages).map_err(storage)?;
        put_folder(&made, &folder).map_err(storage)?;
        remove_tree(&beside(&folder, "work")).await.map_err(storage)?;
    }
    let link = beside(&build.current_repo(), "new");
    let swap = || -> io::Result<()> {
        match fs::remove_file(&link) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        symlink(Path::new("repos").join(number.to_string()), &link)?;
        fs::rename(&link, build.current_repo())
    };
    swap().map_err(storage)
}

/// Makes a repository of packages within a folder for the work, and returns where in it the repository is.
pub(crate) async fn make(
    sandbox: &Sandbox,
    work: &Path,
    files: Vec<PathBuf>,
    limits: BuildLimits,
) -> Result<PathBuf, PortError> {
    remove_tree(work).await.map_err(storage)?;
    sandbox.furnish(work).map_err(storage)?;
    let repository = work.join("sources");
    for file in files {
        let Some(name) = file.file_name() else { continue };
        fs::hard_link(&file, repository.join(name)).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => {
                PortError::permanent(format!("the package {} was built by two components", name.display()))
            }
            _ => storage(error),
        })?;
    }
    let place = |place| sandbox.inside(work, place).into_os_string();
    let mut command: Vec<_> =
        ["createrepo_c", "--quiet", "--no-database", "--workers", "1", "--outputdir"].map(Into::into).into();
    command.extend([place(Place::Results), "--".into(), place(Place::Sources)]);
    let run = Run { work: work.to_owned(), limits, network: false, command };
    let allowed = Limits { time: Duration::from_secs(1800), ..Limits::default() };
    let made = sandbox.program(&run).limits(allowed).run().await;
    made.map_err(|error| PortError::temporary("the repository of the module could not be made").because(error))?;
    take_metadata(&work.join("results").join("repodata"), &repository.join("repodata")).map_err(storage)?;
    Ok(repository)
}

/// Moves the files of the metadata, which the sandbox made, into a folder that it never saw.
fn take_metadata(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    if !fs::symlink_metadata(from)?.is_dir() {
        return Err(io::Error::other("repodata is not a folder"));
    }
    for name in names(from)? {
        let file = from.join(&name);
        if !fs::symlink_metadata(&file)?.is_file() {
            return Err(io::Error::other("something in repodata is not a file"));
        }
        fs::rename(&file, to.join(&name))?;
        own(&to.join(&name))?;
    }
    Ok(())
}

/// What a finished module is made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Contents {
    tasks: Vec<TaskId>,
    document: String,
}

/// The parts of a finished module, each with its packages.
pub(crate) struct Parts {
    /// What is installed.
    pub(crate) repo: Vec<PathBuf>,
    /// What helps to find faults.
    pub(crate) debug: Vec<PathBuf>,
    /// What it was built from.
    pub(crate) source: Vec<PathBuf>,
}

/// Writes the repositories of a finished module and its document, unless they are there.
pub(crate) async fn write_module(
    sandbox: &Sandbox,
    build: &BuildFolder,
    limits: BuildLimits,
    tasks: Vec<TaskId>,
    parts: Parts,
    document: &str,
) -> Result<(), PortError> {
    let contents = Contents { tasks, document: document.to_owned() };
    let module = build.module();
    let there: Option<Contents> = read_record(&module.join("contents.json")).map_err(storage)?;
    if there.is_some_and(|there| there == contents) {
        return Ok(());
    }
    let (part, work) = (beside(&module, "new"), beside(&module, "work"));
    remove_tree(&part).await.map_err(storage)?;
    fs::create_dir(&part).map_err(storage)?;
    let yaml = part.join("modules.yaml");
    fs::write(&yaml, document).map_err(storage)?;
    for (name, files) in [("repo", parts.repo), ("debug", parts.debug), ("source", parts.source)] {
        let repository = make(sandbox, &work, files, limits).await?;
        if name == "repo" {
            let add = Program::new("modifyrepo_c", "createrepo-c").args(&["--mdtype=modules"]);
            let added = add.path(&yaml).path(&repository.join("repodata")).run().await;
            added.map_err(|error| error.into_port("the module's metadata could not be added to its repository"))?;
        }
        fs::rename(&repository, part.join(name)).map_err(storage)?;
        remove_tree(&work).await.map_err(storage)?;
    }
    write_record(&part.join("contents.json"), &contents).map_err(storage)?;
    if module.exists() {
        remove_tree(&module).await.map_err(storage)?;
    }
    put_folder(&part, &module).map_err(storage)
}

/// Returns the packages of a module that is finished; nothing when it is not.
pub(crate) fn finished(build: &BuildFolder) -> Result<Option<(PathBuf, Vec<Package>)>, PortError> {
    let module = build.module();
    if !module.exists() {
        return Ok(None);
    }
    let repo = module.join("repo");
    let there = names(&repo).map_err(storage)?;
    let packages = tagged(build)?.into_iter().flat_map(|tagged| tagged.packages);
    Ok(Some((repo, packages.filter(|package| there.binary_search(&package.file).is_ok()).collect())))
}

/// Returns the document of a finished module.
pub(crate) fn document(build: &BuildFolder) -> Result<Option<String>, PortError> {
    let file = build.module().join("modules.yaml");
    if file.exists() { fs::read_to_string(file).map(Some).map_err(storage) } else { Ok(None) }
}

/// Returns where the packages of a finished module are.
pub(crate) fn finished_folder(build: &BuildFolder) -> PathBuf {
    build.module().join("repo")
}

/// Makes the name of a module's repository for a package manager.
pub(crate) fn repository_id(build: BuildId) -> String {
    format!("rida-module-{build}")
}

fn empty(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir(folder)
}
