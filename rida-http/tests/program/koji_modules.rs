//! Whole modules in the double of Koji's hub, over HTTP, as a packager sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rida_koji::testing::{Course, Hub};
use rida_koji::wire::TaskState;
use serde_json::{Value, json};

use crate::running::{Running, body, status, within};
use crate::sources::Sources;

/// How long something may take on a machine that is busy.
const LONG: Duration = Duration::from_secs(120);

struct Packager<'a> {
    service: Running,
    sources: &'a Sources,
    hub: &'a Hub,
}

impl Packager<'_> {
    fn submit(&self, module: &str) -> i64 {
        let submission = json!({"scmurl": self.sources.module(module), "owner": "alice"}).to_string();
        let answer = self.service.send("POST /rida/module-builds/", &submission);
        assert_eq!(status(&answer), 201, "{answer}");
        body(&answer)["id"].as_i64().unwrap()
    }

    fn build(&self, id: i64) -> Value {
        self.service.json(&format!("/rida/module-builds/{id}?verbose=true"))
    }

    /// Looks at a build again and again, while time passes in the hub, until it is as wanted.
    fn until(&self, id: i64, what: &str, mut is_so: impl FnMut(&Value) -> bool) -> Value {
        within(LONG, what, || {
            self.hub.advance(Duration::from_secs(6));
            let build = self.build(id);
            if is_so(&build) { Ok(build) } else { Err(build.to_string()) }
        })
    }

    fn until_in(&self, id: i64, state: &str) -> Value {
        self.until(id, state, |build| build["state"] == state)
    }

    /// Checks that what a build tells of its tasks is what the hub has of them, and returns them by component.
    fn tasks(&self, build: &Value) -> BTreeMap<String, i64> {
        let world = self.hub.world();
        let mut tasks = BTreeMap::new();
        for (name, text) in build["tasks"].as_object().unwrap() {
            let (number, word) = text.as_str().unwrap().split_once('/').unwrap();
            let number = number.parse().unwrap();
            let task = world.tasks().find(|task| task.id == number).unwrap();
            let of_hub = match task.state {
                TaskState::Free => "free",
                TaskState::Open => "open",
                TaskState::Closed => "closed",
                TaskState::Canceled => "canceled",
                TaskState::Assigned => "assigned",
                TaskState::Failed => "failed",
                _ => panic!("{task:?}"),
            };
            assert_eq!(word, of_hub, "{name}: {task:?}");
            tasks.insert(name.trim_start_matches("rpms/").to_owned(), number);
        }
        tasks
    }
}

/// Returns what a build tells of a component.
fn component<'a>(build: &'a Value, name: &str) -> &'a Value {
    build["components"].as_array().unwrap().iter().find(|component| component["name"] == name).unwrap()
}

fn states(build: &Value) -> Vec<&str> {
    build["history"].as_array().unwrap().iter().map(|was| was["state"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn modules_are_built_cancelled_and_built_again_in_koji() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    tokio::task::block_in_place(|| {
        let sources = Sources::serve(root.join("git"));
        sources.add("tower", &[("base", 0), ("wall", 0), ("roof", 10)]);
        sources.add("mill", &[("stone", 0), ("wheel", 0), ("sail", 10)]);
        sources.add("barn", &[("door", 0), ("hay", 0), ("loft", 10)]);
        let settings = sources.settings(&root, &hub);
        let more: Vec<&str> = settings.iter().map(String::as_str).collect();
        let packager = Packager { service: Running::start(&root.join("data"), &more), sources: &sources, hub: &hub };
        whole(&packager);
        cancelled(&packager);
        failed(&packager);
    });
}

/// A module of two batches: what is told while it is built, and when it is.
fn whole(packager: &Packager<'_>) {
    let id = packager.submit("tower");
    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let build = packager.until(id, "ready", |build| {
        assert_ne!(build["state"], "failed", "{build}");
        for (name, text) in build["tasks"].as_object().unwrap() {
            seen.entry(name.clone()).or_default().insert(text.as_str().unwrap().to_owned());
        }
        build["state"] == "ready"
    });
    assert_eq!(states(&build), ["init", "wait", "build", "done", "ready"]);
    assert_eq!((&build["state_reason"], &build["failure"]), (&Value::Null, &Value::Null), "{build}");
    let tasks = packager.tasks(&build);
    let names: Vec<&str> = tasks.keys().map(String::as_str).collect();
    assert_eq!(names, ["base", "module-build-macros", "roof", "wall"]);
    for (name, task) in &tasks {
        let told = &seen[&format!("rpms/{name}")];
        let of_task = |word: &str| told.contains(&format!("{task}/{word}"));
        assert!(of_task("open") && of_task("closed"), "{name}: {told:?}");
        assert!(told.iter().all(|text| text.starts_with(&format!("{task}/"))), "one task: {told:?}");
        let component = component(&build, name);
        assert_eq!((&component["attempt"], &component["task_state"]), (&json!(1), &json!("closed")), "{component}");
        assert_eq!(component["state_reason"], Value::Null);
        let nvr = component["nvr"].as_str().unwrap();
        assert!(packager.hub.world().builds().any(|build| build.nvr() == nvr && build.task == Some(*task)), "{nvr}");
    }
    let tag = build["tag"].as_str().unwrap();
    let world = packager.hub.world();
    assert_eq!((world.tagged(tag).len(), world.tagged(&format!("{tag}-build")).len()), (3, 4));
    assert_eq!(world.tagged("modular-candidate").len(), 2, "the module and its companion");
}

/// A module that is cancelled while it is built, and submitted again.
fn cancelled(packager: &Packager<'_>) {
    packager.hub.world().courses.insert("stone".to_owned(), Course::Hangs);
    let id = packager.submit("mill");
    packager.until(id, "one hangs and one is built", |build| {
        let state = |name: &str| component(build, name)["task_state"].clone();
        build["components"].as_array().is_some_and(|all| !all.is_empty())
            && (state("stone"), state("wheel")) == (json!("open"), json!("closed"))
    });
    let answer = packager.service.send(&format!("PATCH /rida/module-builds/{id}"), r#"{"state": "failed"}"#);
    assert_eq!((status(&answer), &body(&answer)["state"]), (200, &json!("failed")), "{answer}");
    within(LONG, "nothing runs in Koji", || {
        let running: Vec<i64> =
            packager.hub.world().tasks().filter(|task| task.state.is_active()).map(|task| task.id).collect();
        if running.is_empty() { Ok(()) } else { Err(format!("{running:?}")) }
    });
    let build = packager.build(id);
    assert_eq!((&build["state"], &build["failure"]), (&json!("failed"), &json!("canceled")), "{build}");
    assert!(build["state_reason"].as_str().unwrap().starts_with("canceled by "), "{build}");
    let before = packager.tasks(&build);
    assert!(!before.contains_key("sail"), "the second batch never began: {before:?}");
    assert_eq!(component(&build, "stone")["task_state"], "canceled", "{build}");

    packager.hub.world().courses.clear();
    assert_eq!(packager.submit("mill"), id, "it is the same build");
    let build = packager.until_in(id, "ready");
    assert_eq!(states(&build), ["init", "wait", "build", "failed", "wait", "build", "done", "ready"]);
    let after = packager.tasks(&build);
    for name in ["module-build-macros", "wheel"] {
        assert_eq!(after[name], before[name], "what was built stays built");
    }
    assert_ne!(after["stone"], before["stone"]);
    assert_eq!(component(&build, "stone")["attempt"], 2);
}

/// A module of which a component fails.
fn failed(packager: &Packager<'_>) {
    packager.hub.world().courses.insert("door".to_owned(), Course::Fails(5.0));
    let id = packager.submit("barn");
    let build = packager.until_in(id, "failed");
    assert_eq!(build["state_reason"], "component door failed to build", "{build}");
    assert_eq!(build["failure"], "components");
    let tasks = packager.tasks(&build);
    let door = component(&build, "door");
    assert_eq!(door["task_state"], "failed");
    assert!(door["state_reason"].as_str().unwrap().contains("mock exited"), "{door}");
    assert_eq!(component(&build, "hay")["task_state"], "closed", "the others of its batch end");
    assert!(!tasks.contains_key("loft"));
    packager.hub.world().courses.clear();
    assert_eq!(packager.submit("barn"), id);
    let build = packager.until_in(id, "ready");
    let again = packager.tasks(&build);
    assert_eq!(again["hay"], tasks["hay"]);
    assert!(again["door"] != tasks["door"] && again.contains_key("loft"));
    let world = packager.hub.world();
    assert_eq!(world.tagged("modular-candidate").len(), 6, "three modules, each with its companion");
}
