//! The program is killed at random instants while it builds real packages, again and again.
//!
//! `RIDA_CRASH_SEED` replays what is asked for and when it is killed, as far as the machine allows;
//! `RIDA_CRASH_SECONDS` makes it longer.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use rida_core::Store;
use rida_core::testing::Random;
use rida_store::{Database, StoreConfig};
use serde_json::{Value, json};

use crate::running::{Running, Starting, body, names, repository, send, status, within};

/// How long it is killed when nobody says otherwise.
const SECONDS: u64 = 40;
/// How many builds are under way at once, so that the rest ends soon after the last kill.
const AT_ONCE: usize = 4;
/// Every so many modules one has a component that cannot be built.
const BROKEN: usize = 5;

/// Three components, of which the last needs the others; each takes a while that can be seen from outside.
fn module(number: usize) -> String {
    let mut text = format!(
        "document: modulemd\nversion: 2\ndata:\n  name: m{number}\n  stream: rolling\n  summary: A module\n  \
         description: A module.\n  license: {{module: [MIT]}}\n  components:\n    rpms:\n"
    );
    for (part, order) in [("a", 1), ("b", 2)] {
        let name = component(number, part);
        let _ = writeln!(text, "      {name}: {{rationale: Needed., ref: main, buildorder: {order}}}");
    }
    text
}

fn component(number: usize, part: &str) -> String {
    format!("c{number}-{part}")
}

/// The marker stands on the command line of a process of the build, where this test sees it.
fn marker(name: &str) -> String {
    let digits: String = name.bytes().map(|byte| format!("{byte:03}")).collect();
    format!("0.00{digits}")
}

fn spec(name: &str, is_broken: bool) -> String {
    let end = if is_broken { "exit 1" } else { "echo it ends" };
    let marker = marker(name);
    format!(
        "Name: {name}\nVersion: 1\nRelease: 1%{{?dist}}\nSummary: A part\nLicense: MIT\nBuildArch: noarch\n\n\
         %description\nA part.\n\n%build\necho it builds\nsleep 0.5 {marker}\n{end}\n\n%install\n\n%files\n"
    )
}

fn is_broken(number: usize) -> bool {
    number % BROKEN == BROKEN - 1
}

/// What the test knows of a module that it submitted.
#[derive(Clone, Debug, Default)]
struct Module {
    /// The build, once an answer named it.
    id: Option<i64>,
    /// Submissions that may have been taken: each may have taken up what had failed.
    submitted: u32,
    /// Somebody wanted it cancelled, and may have succeeded.
    cancel_asked: bool,
    /// The answer said so.
    canceled: bool,
    ended: bool,
}

struct World {
    root: PathBuf,
    modules: Mutex<Vec<Module>>,
}

impl World {
    fn modules(&self) -> std::sync::MutexGuard<'_, Vec<Module>> {
        self.modules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn git(&self) -> String {
        format!("file://{}/git", self.root.display())
    }

    /// Makes the repositories of a further module and returns its number.
    fn further(&self) -> usize {
        let number = self.modules().len();
        repository(&self.root.join(format!("git/modules/m{number}")), &format!("m{number}.yaml"), &module(number));
        for part in ["a", "b"] {
            let name = component(number, part);
            let text = spec(&name, part == "b" && is_broken(number));
            repository(&self.root.join(format!("git/rpms/{name}")), &format!("{name}.spec"), &text);
        }
        self.modules().push(Module::default());
        number
    }

    /// Does things to the service until it is gone.
    fn act(&self, address: &str, mut random: Random, stop: &AtomicBool) {
        while !stop.load(Ordering::SeqCst) {
            if self.step(address, &mut random).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(random.below(400)));
        }
    }

    fn step(&self, address: &str, random: &mut Random) -> std::io::Result<()> {
        let modules = self.modules().clone();
        for (number, module) in modules.iter().enumerate() {
            let Some(id) = module.id.filter(|_| !module.ended) else { continue };
            let build = body(&send(address, &format!("GET /rida/module-builds/{id}"), "")?);
            self.modules()[number].ended = matches!(build["state"].as_str(), Some("ready" | "failed"));
        }
        let modules = self.modules().clone();
        let unsure = self.unsure();
        let under_way = modules.iter().filter(|module| !module.ended).count();
        if let Some(number) = unsure {
            return self.submit(address, number);
        }
        if under_way < AT_ONCE {
            let number = self.further();
            return self.submit(address, number);
        }
        if random.chance(10) {
            let number = random.index(modules.len());
            if let Some(id) = modules[number].id.filter(|_| !modules[number].ended && !is_broken(number)) {
                self.modules()[number].cancel_asked = true;
                let answer = send(address, &format!("PATCH /rida/module-builds/{id}"), r#"{"state": "failed"}"#)?;
                assert!([200, 400, 503].contains(&status(&answer)), "{answer}");
                self.modules()[number].canceled |= status(&answer) == 200;
            }
        }
        Ok(())
    }

    /// Returns a module whose submission was not answered.
    fn unsure(&self) -> Option<usize> {
        self.modules().iter().position(|module| module.submitted > 0 && module.id.is_none())
    }

    fn submit(&self, address: &str, number: usize) -> std::io::Result<()> {
        self.modules()[number].submitted += 1;
        let url = format!("{}/modules/m{number}?#main", self.git());
        let answer = send(address, "POST /rida/module-builds/", &json!({ "scmurl": url }).to_string())?;
        // Once it was taken, the module is there; who asks again is told which build it is.
        assert!([201, 409].contains(&status(&answer)), "{answer}");
        self.modules()[number].id = Some(body(&answer)["id"].as_i64().unwrap());
        Ok(())
    }
}

/// Watches which builds run, from outside of everything: by the processes of the machine.
fn watch(seen: &Mutex<BTreeSet<(String, String)>>, stop: &AtomicBool) {
    while !stop.load(Ordering::SeqCst) {
        for entry in std::fs::read_dir("/proc").unwrap().flatten() {
            let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
            let words: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
            let [b"sleep", b"0.5", marker, ..] = words.as_slice() else { continue };
            let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else { continue };
            let started = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(19)).unwrap_or_default();
            let which = format!("{} {started}", entry.file_name().to_string_lossy());
            seen.lock().unwrap().insert((String::from_utf8_lossy(marker).into_owned(), which));
        }
        std::thread::sleep(Duration::from_millis(40));
    }
}

/// What a kill waits for. The gaps between two writes that must not come apart are short: random instants alone would
/// rarely meet one.
#[derive(Clone, Copy)]
enum Aim {
    Anywhere,
    /// A task was recorded, and its answer was not yet.
    Key,
    /// A task has its result, and nobody was told yet.
    Result,
    /// Something was published, and that was not recorded yet.
    Line,
}

impl Aim {
    /// Waits for a time, and then for what is aimed at; in vain at most for two seconds.
    fn wait(self, data: &Path, after: Duration) {
        std::thread::sleep(after);
        let (before, end) = (self.count(data), Instant::now() + Duration::from_secs(2));
        while !matches!(self, Self::Anywhere) && self.count(data) == before && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn count(self, data: &Path) -> u64 {
        let lines = || std::fs::metadata(data.join("announcements.jsonl")).map_or(0, |file| file.len());
        let inside =
            |folder: &Path| std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        let builds = || inside(&data.join("builds/builds"));
        let count = match self {
            Self::Anywhere => 0,
            Self::Line => return lines(),
            Self::Key => builds().flat_map(|build| inside(&build.join("keys"))).filter(|key| is_whole(key)).count(),
            Self::Result => {
                let tasks = builds().flat_map(|build| inside(&build.join("tasks")));
                tasks.filter(|task| task.join("result.json").exists()).count()
            }
        };
        u64::try_from(count).unwrap()
    }
}

/// Tells whether a file is not one that is still being written.
fn is_whole(path: &Path) -> bool {
    path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.'))
}

pub(crate) fn number_of(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is not a whole number")))
}

#[test]
fn killed_at_any_instant_it_loses_nothing_and_builds_nothing_twice() {
    let now = || SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = number_of("RIDA_CRASH_SEED").unwrap_or_else(|| u64::from(now().subsec_nanos()));
    let seconds = number_of("RIDA_CRASH_SECONDS").unwrap_or(SECONDS);
    println!("RIDA_CRASH_SEED={seed} RIDA_CRASH_SECONDS={seconds}");
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let world = World { root: root.clone(), modules: Mutex::default() };
    let (seen, stop) = (Mutex::default(), AtomicBool::new(false));
    let kills = std::thread::scope(|scope| {
        let watching = scope.spawn(|| watch(&seen, &stop));
        let killed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| kill(&world, seed, seconds)));
        stop.store(true, Ordering::SeqCst);
        watching.join().unwrap();
        killed.unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    });
    let built = check(&world, &seen.into_inner().unwrap());
    let modules = world.modules().len();
    println!("killed {kills} times; {modules} modules ended, {built} components were built, each once");
    assert!(kills >= seconds / 4, "it was killed {kills} times only");
}

/// Kills the service until the time is over, and then lets it end everything. Returns how often it was killed.
fn kill(world: &World, seed: u64, seconds: u64) -> u64 {
    let (data, said) = (world.root.join("data"), world.root.join("said"));
    let git = world.git();
    let components = format!("sources.repository={git}/rpms");
    let mut more = vec!["--allow", &git, "--set", &components];
    for set in ["local.builder=rpmbuild", "local.spare_disk=1", "local.at_once=2", "builds.follow_every=2s"] {
        more.extend(["--set", set]);
    }
    let mut random = Random::new(seed);
    let began = Instant::now();
    let is_over = |kills: u64| match began.elapsed().as_secs() {
        // On a machine that is busy with other things it is killed as often, in a longer time.
        passed if kills < seconds / 4 => passed >= 5 * seconds,
        passed => passed >= seconds,
    };
    let mut kills = 0;
    while !is_over(kills) {
        let starting = Starting::new(&data, &said, &more);
        if random.chance(25) {
            // Before it serves, while it makes or opens everything.
            std::thread::sleep(Duration::from_millis(random.below(120)));
            starting.kill_9();
        } else {
            let service = starting.serving();
            let (after, stop) = (Duration::from_millis(random.below(2500)), AtomicBool::new(false));
            let aim = [Aim::Anywhere, Aim::Key, Aim::Result, Aim::Line][random.index(4)];
            let (address, script) = (service.address.clone(), Random::new(random.next()));
            std::thread::scope(|scope| {
                scope.spawn(|| world.act(&address, script, &stop));
                aim.wait(&data, after);
                service.kill_9();
                stop.store(true, Ordering::SeqCst);
            });
        }
        kills += 1;
        sound(&data);
    }
    let service = Starting::new(&data, &said, &more).serving();
    within(Duration::from_secs(180), "all builds have ended", || {
        let unsure = world.unsure();
        if let Some(number) = unsure {
            world.submit(&service.address, number).unwrap();
        }
        let builds = service.json("/rida/module-builds/");
        let running = |build: &&Value| !matches!(build["state"].as_str(), Some("ready" | "failed"));
        match builds.as_array().unwrap().iter().find(running) {
            Some(build) => Err(service.json(&format!("/rida/module-builds/{}?verbose=true", build["id"])).to_string()),
            None => Ok(()),
        }
    });
    // Who was killed may have been publishing: its lease of the log lasts for half a minute.
    within(Duration::from_secs(90), "all is announced", || {
        let text = service.ask("GET /metrics");
        if text.contains("rida_publish_lag_seconds 0.0") { Ok(()) } else { Err(text) }
    });
    check_answers(world, &service);
    let said = service.said();
    for word in ["panicked", "what cannot be", "Impossible"] {
        let line = said.lines().find(|line| line.contains(word));
        assert_eq!(line, None, "the log says so");
    }
    service.kill_9();
    sound(&data);
    kills
}

/// Runs something on the database as the service left it.
fn database<T>(data: &Path, look: impl AsyncFnOnce(&Database) -> T) -> Option<T> {
    let file = data.join("rida.sqlite");
    if !file.exists() {
        return None;
    }
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
        let database = Database::connect(&StoreConfig::sqlite(file)).await.unwrap();
        let seen = look(&database).await;
        database.close().await;
        Some(seen)
    })
}

/// Checks that the database is whole: the file itself, and all that is in it.
pub(crate) fn sound(data: &Path) {
    let log = database(data, async |database| match database.integrity_check().await {
        Ok(found) => found,
        // Killed before there were tables.
        Err(error) => database.migrate().await.map_or_else(|_| vec![error.to_string()], |()| Vec::new()),
    });
    assert_eq!(log.unwrap_or_default(), Vec::<String>::new());
}

/// Checks that every module that was taken ended as it had to.
fn check_answers(world: &World, service: &Running) {
    let builds = service.json("/rida/module-builds/?verbose=true");
    let builds: BTreeMap<i64, &Value> =
        builds.as_array().unwrap().iter().map(|build| (build["id"].as_i64().unwrap(), build)).collect();
    let modules = world.modules().clone();
    let known: BTreeSet<i64> = modules.iter().filter_map(|module| module.id).collect();
    assert_eq!(known, builds.keys().copied().collect(), "a build was lost, or made twice");
    for (number, module) in modules.iter().enumerate().filter(|(_, module)| module.submitted > 0) {
        let build = builds[&module.id.unwrap()];
        let what = format!("{module:?}: {build}");
        assert_eq!(build["name"], format!("m{number}"), "{what}");
        let detail = service.json(&format!("/rida/module-builds/{}?verbose=true", build["id"]));
        match build["state"].as_str().unwrap() {
            "ready" => assert!(!is_broken(number) && !module.canceled, "{what}"),
            "failed" if is_broken(number) => assert_eq!(detail["failure"], "components", "{detail}"),
            _ => assert!(module.cancel_asked && detail["failure"] == "canceled", "{detail}"),
        }
    }
}

/// Checks what is left on the disk: tasks, logs and announcements. Returns how many components were built.
fn check(world: &World, seen: &BTreeSet<(String, String)>) -> usize {
    let data = world.root.join("data");
    let mut built = 0;
    let modules = world.modules().clone();
    for (number, module) in modules.iter().enumerate() {
        let Some(id) = module.id else { continue };
        let folder = data.join(format!("builds/builds/{id}"));
        if !folder.join("keys").exists() {
            assert!(module.cancel_asked, "nothing was built for {module:?}");
            continue;
        }
        let mut tasks: BTreeMap<String, BTreeSet<i64>> = BTreeMap::new();
        for key in names(&folder.join("keys")).iter().filter(|name| !name.starts_with('.')) {
            let record: Value = serde_json::from_slice(&std::fs::read(folder.join("keys").join(key)).unwrap()).unwrap();
            let (component, _) = key.rsplit_once('.').unwrap();
            tasks.entry(component.to_owned()).or_default().extend(record["task"].as_i64());
        }
        let of_keys: BTreeSet<i64> = tasks.values().flatten().copied().collect();
        let on_disk = if folder.join("tasks").exists() { names(&folder.join("tasks")) } else { Vec::new() };
        let on_disk: BTreeSet<i64> = on_disk.iter().map(|name| name.parse().unwrap()).collect();
        assert_eq!(of_keys, on_disk, "tasks of build {id} without a key, or the other way round");
        for part in ["a", "b"] {
            let name = component(number, part);
            let tasks = tasks.get(&name).cloned().unwrap_or_default();
            // Only what had failed or was cancelled may be built anew, when it is submitted again.
            let most = if part == "b" && is_broken(number) || module.cancel_asked { module.submitted } else { 1 };
            assert!(tasks.len() <= usize::try_from(most).unwrap(), "{name} of build {id} has the tasks {tasks:?}");
            let runs = seen.iter().filter(|(found, _)| *found == marker(&name)).count();
            assert!(runs <= tasks.len(), "{name} of build {id} was built {runs} times, by {tasks:?}");
            for task in &tasks {
                let log = std::fs::read(folder.join(format!("tasks/{task}/log"))).unwrap_or_default();
                let log = String::from_utf8_lossy(&log);
                let begun = log.matches("\nit builds\n").count();
                assert!(begun <= 1, "task {task} built {begun} times:\n{log}");
                built += begun;
                assert!(begun == 1 || module.cancel_asked, "task {task} did not build:\n{log}");
            }
        }
    }
    assert!(!seen.is_empty(), "no build was seen from outside");
    check_lines(&data);
    built
}

/// Checks the published lines against the log in the database: each change at least once, in order for each build, and
/// the same whenever it is repeated.
pub(crate) fn check_lines(data: &Path) {
    let text = std::fs::read_to_string(data.join("announcements.jsonl")).unwrap();
    let mut first: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let mut lines: BTreeMap<String, &str> = BTreeMap::new();
    for line in text.lines() {
        // Appending a line is one call, which a kill does not cut in two.
        let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let id = value["id"].as_str().unwrap().to_owned();
        match lines.insert(id.clone(), line) {
            Some(before) => assert_eq!(before, line, "a repeat differs"),
            None => first.entry(value["build"].as_i64().unwrap()).or_default().push(id),
        }
    }
    let of_log = database(data, async |database| {
        let mut ids: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        let mut last = 0;
        loop {
            let lines = database.log_after(last, 100).await.unwrap();
            let Some(end) = lines.last() else { return ids };
            last = end.sequence;
            for line in &lines {
                let announced = line.announcements.iter().map(|announcement| announcement.id.to_string());
                ids.entry(line.build.get()).or_default().extend(announced);
            }
        }
    });
    assert_eq!(Some(first), of_log, "the published lines are not what happened");
}
