//! Takes a task from its record to its result, in steps each of which is left out when its outcome is there already.
//! So a task goes on from wherever the service was when it ended.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rida_core::{ComponentName, Nvr, PortError, PortErrorKind};
use tokio::time::sleep;

use crate::build_system::packages::{self, Package, Relation};
use crate::build_system::report::{self, note};
use crate::build_system::requirements::{self, Selection};
use crate::build_system::shop::{Backend, Environment, Running, Shop, Slot};
use crate::build_system::supervisor::{End, Exit, Order, State, Traces};
use crate::layout::{beside, blocking, put_folder, read_record, remove_tree, storage, write_record};
use crate::mock::{self, MockRepository};
use crate::repo;
use crate::rpmbuild::{self, Ask};
use crate::sandbox::Run;
use crate::srpm;
use crate::tasks::{Source, Task, TaskFolder, TaskResult};

/// How often something is tried that may work later.
const TRIES: u32 = 8;

/// The longest pause while something is away that the task cannot do without: the disk, or a git server.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// How many runs of a task may come to no end of their own: gone without a trace, or ended because the disk was nearly
/// full.
const MOST_STARTS: u32 = 3;

/// Counts those runs in a task's folder.
const LOST: &str = "lost.json";

/// How often to look whether the disk has room again.
const ROOM: Duration = Duration::from_secs(5);

/// What the log says of a build that waits for that.
const NO_ROOM: &str = "the build waits: the disk of the server is nearly full; its administrator can make room";

/// Tells whether a run of a task is going on.
pub(crate) fn is_running(folder: &TaskFolder) -> bool {
    [Ask::SourcePackage, Ask::Packages].into_iter().any(|ask| matches!(traces(folder, ask).state(), Ok(State::Running)))
}

/// Runs a task until it has a result, and records it.
pub(crate) async fn run(shop: Arc<Shop>, task: Task, running: Arc<Running>, slot: Slot) {
    let folder = shop.tasks.folder(task.build, task.id);
    let result = tokio::select! {
        biased;
        () = running.canceled() => canceled(&folder).await,
        result = until_result(&shop, &task, &folder, &running, slot) => result,
    };
    while let Err(error) = record(&folder, &result) {
        tracing::error!(
            build.id = %task.build, component.name = %task.component, task.id = %task.id, error = ?error,
            "cannot record the result of task {}, and will try again: {error}", task.id
        );
        sleep(ROOM).await;
    }
    shop.forget(task.id);
    (shop.hint)(task.build);
    for name in ["work", ".scratch", "sources"] {
        if let Err(error) = remove_tree(&folder.join(name)).await {
            tracing::warn!(task.id = %task.id, %error, "what task {} leaves behind cannot be removed", task.id);
        }
    }
}

/// Ends whatever runs of a task.
async fn canceled(folder: &TaskFolder) -> TaskResult {
    for ask in [Ask::SourcePackage, Ask::Packages] {
        if let Err(error) = traces(folder, ask).end(None).await {
            tracing::error!(%error, "cannot tell whether a cancelled run has ended");
        }
    }
    TaskResult::Canceled
}

fn record(folder: &TaskFolder, result: &TaskResult) -> Result<(), PortError> {
    let line = match result {
        TaskResult::Built(nvr) => format!("built {nvr}"),
        TaskResult::Failed(reason) => format!("failed: {reason}"),
        TaskResult::Canceled => "cancelled".to_owned(),
    };
    note(&folder.log(), &line).map_err(storage)?;
    folder.write_result(result).map_err(storage)
}

async fn until_result(shop: &Shop, task: &Task, folder: &TaskFolder, running: &Running, slot: Slot) -> TaskResult {
    let _slot = match slot {
        Slot::Taken(slot) => slot,
        Slot::Wanted => Arc::clone(&shop.slots).acquire_owned().await.ok(),
    };
    running.open.store(true, Ordering::Relaxed);
    (shop.hint)(task.build);
    let mut tried = 0;
    loop {
        tried += 1;
        match steps(shop, task, folder).await {
            Ok(nvr) => return TaskResult::Built(Arc::new(nvr)),
            Err(error) => {
                let Some(pause) = pause(error.kind(), tried) else {
                    return TaskResult::Failed(error.message().into());
                };
                tracing::warn!(
                    build.id = %task.build, component.name = %task.component, task.id = %task.id, error = ?error,
                    "task {} is tried again: {error}", task.id
                );
                sleep(pause).await;
            }
        }
    }
}

/// Returns how long to wait before a task is tried again that has been tried so often; nothing when it is not.
fn pause(failed: PortErrorKind, tried: u32) -> Option<Duration> {
    let growing = Duration::from_secs(1 << tried.min(6));
    match failed {
        // It is for the build's deadline, which cancels the task, to say when that has lasted too long.
        PortErrorKind::Unavailable => Some(growing.min(LONGEST_PAUSE)),
        PortErrorKind::Temporary => Some(growing).filter(|_| tried < TRIES),
        _ => None,
    }
}

async fn steps(shop: &Shop, task: &Task, folder: &TaskFolder) -> Result<Nvr, PortError> {
    fetch_sources(shop, task, folder).await?;
    let (source, took) = stage(shop, task, folder, Ask::SourcePackage, Duration::ZERO).await?;
    let made = srpm::only_source(&source).map_err(PortError::permanent)?;
    check_name(made, &task.component)?;
    let (packages, _) = stage(shop, task, folder, Ask::Packages, took).await?;
    // mock's second run makes a source package too, with what the packages were really made from.
    let made = srpm::only_source(&packages).map_err(PortError::permanent)?;
    check_name(made, &task.component)?;
    if packages.len() < 2 {
        return Err(PortError::permanent("the build ended well but made no packages"));
    }
    made.nvr().ok_or_else(|| PortError::permanent("the source package has a name, version or release that cannot be"))
}

fn check_name(source: &Package, component: &ComponentName) -> Result<(), PortError> {
    if source.name == component.as_str() {
        return Ok(());
    }
    let name = &source.name;
    Err(PortError::permanent(format!("{component}.spec is a spec of {name}; the two names must be the same")))
}

/// Puts the sources into the task's folder.
async fn fetch_sources(shop: &Shop, task: &Task, folder: &TaskFolder) -> Result<(), PortError> {
    let sources = folder.sources();
    if sources.exists() || folder.packages().exists() {
        return Ok(());
    }
    let part = beside(&sources, "new");
    remove_tree(&part).await.map_err(storage)?;
    fs::create_dir(&part).map_err(storage)?;
    let written = match &task.source {
        Source::Generated(files) => srpm::write_sources(files, &part),
        Source::Git { pinned, cache } => {
            note(&folder.log(), &format!("sources: {} at {}", pinned.repository, pinned.commit)).map_err(storage)?;
            match shop.scm.export(&pinned.repository, &pinned.commit, &part).await {
                Ok(()) => shop.scm.download(&task.component, cache.as_deref(), &part).await,
                Err(error) => Err(error),
            }
        }
    };
    if let Err(error) = written {
        // It may be a gibibyte of what nobody builds.
        let _ = remove_tree(&part).await;
        return Err(error);
    }
    make_readable(&part).map_err(storage)?;
    // There may be very many files, each of which the disk is waited for.
    blocking(move || put_folder(&part, &sources).map_err(storage)).await
}

/// Lets whoever builds look into a folder, whatever the mask of the service is.
fn make_readable(folder: &std::path::Path) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))
}

/// Does one of the two runs and returns what it made, and how long it took.
async fn stage(
    shop: &Shop,
    task: &Task,
    folder: &TaskFolder,
    ask: Ask,
    before: Duration,
) -> Result<(Vec<Package>, Duration), PortError> {
    let into = outcome(folder, ask);
    let exit = if into.exists() { last_exit(folder, ask)? } else { supervise(shop, task, folder, ask, before).await? };
    if !into.exists() {
        let (limits, log) = (shop.config.limits, folder.log());
        let failure = blocking(move || Ok(report::failure(exit, ask, &limits, &log))).await?;
        if let Some(reason) = failure {
            return Err(PortError::permanent(reason));
        }
        let results = folder.work().join("results");
        let scratch = folder.join(".scratch");
        packages::take_over(&shop.sandbox, &results, &scratch, &into, shop.config.limits).await?;
        remove_tree(&folder.work()).await.map_err(storage)?;
    }
    let made = read_record(&into.join(packages::PACKAGES)).map_err(storage)?;
    Ok((made.unwrap_or_default(), exit.took))
}

fn outcome(folder: &TaskFolder, ask: Ask) -> PathBuf {
    match ask {
        Ask::SourcePackage => folder.join("source-package"),
        Ask::Packages => folder.packages(),
    }
}

fn traces(folder: &TaskFolder, ask: Ask) -> Traces {
    Traces::new(folder.join(match ask {
        Ask::SourcePackage => "run-srpm",
        Ask::Packages => "run-rpms",
    }))
}

fn last_exit(folder: &TaskFolder, ask: Ask) -> Result<Exit, PortError> {
    match traces(folder, ask).state().map_err(storage)? {
        State::Ended(exit) => Ok(exit),
        State::New | State::Running | State::Lost => Err(PortError::permanent("the traces of a run are gone")),
    }
}

/// Starts a run, or finds the one that was started before, and waits for its end.
async fn supervise(
    shop: &Shop,
    task: &Task,
    folder: &TaskFolder,
    ask: Ask,
    before: Duration,
) -> Result<Exit, PortError> {
    let traces = traces(folder, ask);
    loop {
        match traces.state().map_err(storage)? {
            // The administrator's to mend, not the packager's: it starts again once there is room.
            State::Ended(Exit { end: End::DiskFull, .. }) if !is_given_up(folder)? => {
                start_again(folder, &traces, "the disk of the server was nearly full; the build starts again")?;
            }
            State::Ended(exit) => return Ok(exit),
            State::Running => traces.gone(None).await.map_err(storage)?,
            State::New => start(shop, task, folder, ask, before, &traces).await?,
            State::Lost => {
                traces.end_leftovers();
                start_again(folder, &traces, "the build was interrupted and starts again")?;
            }
        }
    }
}

/// Forgets a run that came to no end of its own, so that the next one can start.
fn start_again(folder: &TaskFolder, traces: &Traces, why: &str) -> Result<(), PortError> {
    let lost = lost_runs(folder)? + 1;
    write_record(&folder.join(LOST), &lost).map_err(storage)?;
    if lost >= MOST_STARTS {
        return Err(PortError::permanent(format!("the build was interrupted {lost} times and is given up")));
    }
    note(&folder.log(), why).map_err(storage)?;
    traces.clear().map_err(storage)
}

/// Tells whether the next run that comes to no end of its own is the last.
fn is_given_up(folder: &TaskFolder) -> Result<bool, PortError> {
    Ok(lost_runs(folder)? + 1 >= MOST_STARTS)
}

fn lost_runs(folder: &TaskFolder) -> Result<u32, PortError> {
    Ok(read_record(&folder.join(LOST)).map_err(storage)?.unwrap_or(0))
}

async fn start(
    shop: &Shop,
    task: &Task,
    folder: &TaskFolder,
    ask: Ask,
    before: Duration,
    traces: &Traces,
) -> Result<(), PortError> {
    if !shop.has_room()? {
        note(&folder.log(), NO_ROOM).map_err(storage)?;
    }
    while !shop.has_room()? {
        tracing::warn!(task.id = %task.id, "task {} waits: the disk is nearly full", task.id);
        sleep(ROOM).await;
    }
    let work = folder.work();
    remove_tree(&work).await.map_err(storage)?;
    shop.sandbox.furnish(&work).map_err(storage)?;
    fs::remove_dir(work.join("sources")).map_err(storage)?;
    symlink(folder.sources(), work.join("sources")).map_err(storage)?;
    let environment = shop.environment(task.build)?;
    let mut order = match &shop.backend {
        Backend::Rpmbuild(_) => rpmbuild_order(shop, task, folder, ask, &environment).await?,
        Backend::Mock(program) => mock_order(shop, task, folder, ask, &environment, program)?,
    };
    order.time = shop.config.limits.time.saturating_sub(before);
    let mut child = shop.supervisor.start(traces, &order).map_err(storage)?;
    traces.gone(Some(&mut child)).await.map_err(storage)
}

async fn rpmbuild_order(
    shop: &Shop,
    task: &Task,
    folder: &TaskFolder,
    ask: Ask,
    environment: &Environment,
) -> Result<Order, PortError> {
    let work = folder.work();
    let pool = shop.pool(task.build, environment)?;
    let requires = match ask {
        Ask::SourcePackage => Vec::new(),
        Ask::Packages => required(folder)?,
    };
    let selection = {
        let packages: Vec<Package> = pool.iter().map(|(_, package)| package.clone()).collect();
        requirements::select(&packages, &requires, &environment.always)
    };
    let chosen = || selection.packages.iter().filter_map(|index| pool.get(*index));
    let names = chosen().map(|(_, package)| package.name.as_str()).collect::<Vec<_>>().join(", ");
    if ask == Ask::Packages {
        check_machine(shop, folder, &selection).await?;
    }
    if shop.sandbox.is_there() {
        for (place, package) in chosen() {
            let to = work.join("rpms").join(&package.file);
            fs::hard_link(place.join(&package.file), to).map_err(storage)?;
        }
        if !names.is_empty() {
            note(&folder.log(), &format!("packages of modules in the root: {names}")).map_err(storage)?;
        }
    } else {
        let macros = ComponentName::macros();
        let only_macros = chosen().all(|(_, package)| package.name == macros.as_str());
        if !only_macros {
            return Err(PortError::permanent(format!(
                "it needs packages of modules ({names}), which cannot be installed without a sandbox; \
                 ask the server's administrator for one"
            )));
        }
        let text = if task.component == macros { "" } else { environment.macros.as_str() };
        fs::write(work.join("build").join(rpmbuild::LOOSE_MACROS), text).map_err(storage)?;
    }
    let run = Run {
        work: work.clone(),
        limits: shop.config.limits,
        network: shop.config.network,
        command: rpmbuild::command(&shop.sandbox, &work, &task.component, ask, shop.config.jobs),
    };
    let grace = if shop.sandbox.is_there() { Duration::ZERO } else { Duration::from_secs(2) };
    Ok(order(shop, folder, shop.sandbox.words(&run), shop.sandbox.environment(&run), grace))
}

/// Returns what the source package requires.
fn required(folder: &TaskFolder) -> Result<Vec<Relation>, PortError> {
    let path = outcome(folder, Ask::SourcePackage).join(packages::PACKAGES);
    let packages: Vec<Package> = read_record(&path).map_err(storage)?.unwrap_or_default();
    Ok(packages.into_iter().flat_map(|package| package.requires).collect())
}

/// Refuses a build whose requirements are not there, and notes in the log what nobody could check.
async fn check_machine(shop: &Shop, folder: &TaskFolder, selection: &Selection) -> Result<(), PortError> {
    let Backend::Rpmbuild(host) = &shop.backend else { return Ok(()) };
    let text = |relation: &Relation| {
        [&relation.name, &relation.comparison, &relation.evr].map(String::as_str).join(" ").trim().to_owned()
    };
    let of_host: Vec<Relation> = selection.unmet.iter().chain(&selection.wrong_version).cloned().collect();
    let missing =
        if host.are_known() { host.missing(&of_host).await } else { selection.wrong_version.iter().collect() };
    if !missing.is_empty() {
        let list = missing.into_iter().map(text).collect::<Vec<_>>().join(", ");
        return Err(PortError::permanent(format!(
            "build requirements are not there: {list}; a component that provides them must be built before this one, \
             or they must be installed on the server"
        )));
    }
    if !of_host.is_empty() && !host.are_known() {
        let list = of_host.iter().map(text).collect::<Vec<_>>().join(", ");
        let line = format!("taken from this machine without a check, since RPM does not know its packages: {list}");
        note(&folder.log(), &line).map_err(storage)?;
    }
    Ok(())
}

fn mock_order(
    shop: &Shop,
    task: &Task,
    folder: &TaskFolder,
    ask: Ask,
    environment: &Environment,
    program: &std::path::Path,
) -> Result<Order, PortError> {
    let build = shop.layout.build(task.build);
    let mut repositories = Vec::new();
    let generation = repo::generation(&build);
    if generation > 0 {
        let repository = build.repos().join(generation.to_string());
        repositories.push(MockRepository { id: repo::repository_id(task.build), folder: repository });
    }
    for required in &environment.required {
        let repository = repo::finished_folder(&shop.layout.build(*required));
        repositories.push(MockRepository { id: repo::repository_id(*required), folder: repository });
    }
    let available = repo::available(&build)?;
    let is_there = |name: &&String| available.iter().any(|package| package.name == **name);
    let always: Vec<String> = environment.always.iter().filter(is_there).cloned().collect();
    let settings = folder.join("mock.cfg");
    fs::write(&settings, mock::settings(&shop.config, task.id, &repositories, &always)).map_err(storage)?;
    let source = match ask {
        Ask::SourcePackage => PathBuf::new(),
        Ask::Packages => {
            let folder = outcome(folder, Ask::SourcePackage);
            let packages: Vec<Package> =
                read_record(&folder.join(packages::PACKAGES)).map_err(storage)?.unwrap_or_default();
            folder.join(&srpm::only_source(&packages).map_err(PortError::permanent)?.file)
        }
    };
    let results = folder.work().join("results");
    let words = mock::command(program, &settings, ask, &task.component, &folder.sources(), &source, &results);
    let variables = vec![("HOME", folder.work().join("build").into()), ("LANG", "C.UTF-8".into())];
    Ok(order(shop, folder, words, variables, Duration::from_secs(20)))
}

fn order(
    shop: &Shop,
    folder: &TaskFolder,
    words: Vec<std::ffi::OsString>,
    environment: Vec<(&'static str, std::ffi::OsString)>,
    grace: Duration,
) -> Order {
    Order {
        words,
        environment,
        limits: shop.config.limits,
        time: shop.config.limits.time,
        spare_disk: shop.config.spare_disk,
        log: folder.log(),
        watched: folder.work(),
        grace,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_away_is_waited_for_and_what_fails_is_given_up() {
        assert!(
            (1..10_000).all(|tried| pause(PortErrorKind::Unavailable, tried).is_some_and(|it| it <= LONGEST_PAUSE))
        );
        let temporary: Vec<_> = (1..=TRIES).map(|tried| pause(PortErrorKind::Temporary, tried).is_some()).collect();
        assert_eq!(temporary.iter().filter(|again| **again).count(), 7, "{temporary:?}");
        assert_eq!(pause(PortErrorKind::Permanent, 1), None);
    }
}
