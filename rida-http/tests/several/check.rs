//! What must be so in the end, as seen from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

use rida_store::{Database, StoreConfig};
use rida_test_postgres::TestDatabase;
use serde_json::Value;

use crate::chaos;
use crate::farm::Farm;
use crate::modules::{self, BAD, LIMITS};

/// Builds by id, each with the number of its module.
type Builds = BTreeMap<i64, (u64, Value)>;

/// Waits until the end of each build is published, and returns the lines as a listener sees them who drops repeats.
pub(crate) fn all_told(file: &Path, builds: &Builds, until: Instant) -> Vec<Value> {
    loop {
        let lines = read(file);
        let last =
            |id: &i64| lines.iter().rfind(|line| line["build"] == *id && !line["state"].is_null() && is_module(line));
        let missing: Vec<_> = builds
            .iter()
            .filter(|(id, (_, build))| last(id).is_none_or(|line| line["state"] != build["state"]))
            .map(|(id, _)| id)
            .collect();
        if missing.is_empty() {
            return lines;
        }
        assert!(Instant::now() < until, "the end of some builds is never published: {missing:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// Reads lines and drops repeats, which must be the same again. A line that a killed process left unfinished is no line.
fn read(file: &Path) -> Vec<Value> {
    let text = String::from_utf8_lossy(&std::fs::read(file).unwrap_or_default()).into_owned();
    let mut seen: BTreeMap<String, Value> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        let id = line["id"].as_str().unwrap_or_else(|| panic!("a line has no id: {line}")).to_owned();
        match seen.get(&id) {
            Some(before) => assert_eq!(before, &line, "a repeat is the same again"),
            None => {
                seen.insert(id, line.clone());
                lines.push(line);
            }
        }
    }
    lines
}

fn is_module(line: &Value) -> bool {
    line["topic"] == "module.state.change"
}

/// Checks every build against its module and the build system.
pub(crate) fn builds(builds: &Builds, farm: &Farm) {
    let farm = farm.state();
    assert_eq!(farm.violations, Vec::<String>::new());
    let mut started: BTreeMap<(i64, &str), Vec<u64>> = BTreeMap::new();
    for ((build, name), attempt, ..) in &farm.tasks {
        started.entry((*build, name)).or_default().push(*attempt);
    }
    for ((build, name), attempts) in &started {
        assert_eq!(attempts, &[1], "{name} of build {build} was started once");
    }
    let first: BTreeMap<u64, i64> = builds.iter().map(|(id, (number, _))| (*number, *id)).collect();
    for (id, (number, build)) in builds {
        let components = build["components"].as_array().unwrap();
        assert_eq!(components.len(), modules::components(*number), "{build}");
        let fails = modules::fails(*number);
        assert_eq!(build["state"], if fails { "failed" } else { "ready" }, "{build}");
        assert_eq!(farm.finished.contains(id), !fails, "{build}");
        assert_eq!(build["owner"], chaos::owner(*number));
        let taken_over =
            |component: &&Value| component["state_reason"].as_str().is_some_and(|why| why.starts_with("Reused"));
        if *number >= modules::AGAIN {
            let donor = first[&(number - modules::AGAIN)];
            assert_eq!(build["reused_module_id"], donor, "{build}");
            let rest: Vec<&Value> = components.iter().filter(|component| !taken_over(component)).collect();
            // What comes before the others, and has nothing to come before.
            assert!(rest.len() == 1 && rest[0]["state"] == "unneeded", "nothing is built again: {build}");
            assert!(!started.keys().any(|(of, _)| of == id), "nothing is started for {build}");
        }
        for component in components.iter().filter(taken_over) {
            let name = component["name"].as_str().unwrap();
            assert!(farm.tagged.contains(&(*id, name.to_owned())), "{name} of {id} is tagged");
        }
        for component in components.iter().filter(|it| !taken_over(it) && it["state"] != "unneeded") {
            let name = component["name"].as_str().unwrap();
            let task = component["task"].as_u64().map(|task| &farm.tasks[usize::try_from(task).unwrap() - 1]);
            if fails && name != BAD && task.is_none() {
                continue;
            }
            let (of, _, nvr, _) = task.unwrap_or_else(|| panic!("{name} has no task: {build}"));
            assert_eq!(of, &(*id, name.to_owned()), "it is the task that was started for it");
            let expected = if name == BAD { "failed" } else { "closed" };
            assert_eq!(component["task_state"], expected, "{build}");
            if !fails {
                assert_eq!(component["nvr"], nvr.as_str());
                assert!(farm.tagged.contains(of), "{name} of {id} is tagged");
            }
        }
        let tasks = farm.tasks.iter().filter(|(of, ..)| of.0 == *id).count();
        let own = components.iter().filter(|component| !taken_over(component));
        let known = own.filter(|component| !component["task"].is_null()).count();
        assert_eq!(tasks, known, "no result is lost: {build}");
    }
}

/// Checks what was told: legal edges, in order, all of them, and never more builds at once than allowed.
pub(crate) fn lines(lines: &[Value], builds: &Builds) {
    let mut states: BTreeMap<i64, &str> = BTreeMap::new();
    let mut revisions: BTreeMap<i64, (u64, u64)> = BTreeMap::new();
    let mut told: BTreeMap<i64, Vec<String>> = BTreeMap::new();
    let mut running: BTreeMap<i64, (&str, &str)> = BTreeMap::new();
    let mut most = 0;
    for line in lines {
        let build = line["build"].as_i64().unwrap();
        let mut parts = line["id"].as_str().unwrap().split('.').map(|part| part.parse::<u64>().unwrap());
        assert_eq!(parts.next(), u64::try_from(build).ok());
        let place = (parts.next().unwrap(), parts.next().unwrap());
        let before = revisions.insert(build, place);
        assert!(before.is_none_or(|before| before < place), "build {build} is told out of order at {line}");
        if !is_module(line) {
            continue;
        }
        let to = line["state"].as_str().unwrap();
        assert_eq!(line["old_state"].as_str(), states.insert(build, to), "nothing is left out before {line}");
        assert!(is_legal(line["old_state"].as_str(), to), "{line}");
        told.entry(build).or_default().push(to.to_owned());
        if to == "build" {
            let module = &line["module"];
            running.insert(build, (module["name"].as_str().unwrap(), module["owner"].as_str().unwrap()));
            let (name, owner) = running[&build];
            most = most.max(running.len());
            assert!(running.len() <= LIMITS.0, "{} builds run at {line}", running.len());
            assert!(running.values().filter(|(of, _)| *of == name).count() <= LIMITS.1, "too many of {name} at {line}");
            assert!(
                running.values().filter(|(_, of)| *of == owner).count() <= LIMITS.2,
                "too many of {owner} at {line}"
            );
        } else {
            running.remove(&build);
        }
    }
    assert!(most > LIMITS.0 / 2, "the limits were never near: {most} builds ran at once");
    for (id, (_, build)) in builds {
        let history =
            build["history"].as_array().unwrap().iter().map(|entry| entry["state"].as_str().unwrap().to_owned());
        assert_eq!(told.get(id), Some(&history.collect()), "every change of {id} is told");
        let ended = |component: &Value| {
            let of = |line: &&Value| line["build"] == *id && line["component"] == component["name"];
            lines.iter().rfind(of).is_some_and(|line| line["state"] == component["state"])
        };
        let components = build["components"].as_array().unwrap();
        let silent: BTreeSet<_> = components
            .iter()
            .filter(|component| component["state"] != "waiting" && !ended(component))
            .map(|component| component["name"].as_str().unwrap())
            .collect();
        assert!(silent.is_empty(), "the last change of {silent:?} of {id} is told: {build}");
    }
}

/// Within this time after a process took part of the work nobody else has it, whatever became of that process: it has a
/// lease, of three seconds, which it renews in time before it publishes.
const ONE_ALONE: i64 = 1000;

/// How often it may seem otherwise: when a process, or the machine, stood still for longer than a lease lasts.
const STOOD_STILL: usize = 3;

/// Checks that the processes shared the work: no instruction was performed by two at once, and none published what
/// another had just published.
pub(crate) fn one_at_a_time(notes: &Path, farm: &Farm) {
    let at_once = &farm.state().at_once;
    assert!(at_once.len() <= STOOD_STILL, "{} instructions were performed by two at once: {at_once:#?}", at_once.len());
    let mut last: BTreeMap<String, (u64, i64)> = BTreeMap::new();
    let (mut processes, mut twice) = (BTreeSet::new(), Vec::new());
    for note in std::fs::read_to_string(notes).unwrap().lines() {
        let note: Value = serde_json::from_str(note).unwrap();
        let (who, at) = (note["who"].as_u64().unwrap(), note["at"].as_i64().unwrap());
        processes.insert(who);
        if let Some((other, before)) = last.insert(note["id"].as_str().unwrap().to_owned(), (who, at))
            && other != who
            && at - before < ONE_ALONE
        {
            twice.push(format!("{note}, and {other} {} ms before", at - before));
        }
    }
    assert!(twice.len() <= STOOD_STILL, "{} lines were published by two at once: {twice:#?}", twice.len());
    assert!(processes.len() > 1, "one process alone published everything");
}

/// The edges as documented.
fn is_legal(from: Option<&str>, to: &str) -> bool {
    assert!(rida_core::BUILD_STATES.iter().any(|state| state.to_string() == to), "{to} is no state");
    match from {
        None => to == "init",
        Some("init") => to == "wait" || to == "failed",
        Some("wait") => to == "build" || to == "failed",
        Some("build") => to == "done" || to == "failed",
        Some("done") => to == "ready",
        Some(_) => false,
    }
}

/// Checks that nothing in the database contradicts itself, and that nothing is left to be done.
pub(crate) fn store(of: &TestDatabase<'_>, until: Instant) {
    // Tasks that nobody waits for any more are ended by and by.
    while of.sql("SELECT count(*) FROM effects") != "0" {
        assert!(Instant::now() < until, "instructions are left: {}", of.sql("SELECT effect, last_error FROM effects"));
        std::thread::sleep(Duration::from_millis(200));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let database = Database::connect(&StoreConfig::postgres(of.url().parse().unwrap())).await.unwrap();
        assert_eq!(database.integrity_check().await.unwrap(), Vec::<String>::new());
        database.close().await;
    });
}
