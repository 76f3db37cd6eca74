//! The program is killed at random instants, and in the middle of calls, while it builds modules in the double of Koji's
//! hub, which goes on without it.
//!
//! `RIDA_KOJI_CRASH_SEED` replays what is asked for and when it is killed, as far as the machine allows;
//! `RIDA_KOJI_CRASH_SECONDS` makes it longer.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use rida_core::testing::Random;
use rida_koji::testing::{Course, Hub, Trouble, When};
use rida_koji::xmlrpc::Value as HubValue;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::crash::{check_lines, number_of, sound};
use crate::running::{Running, Starting, body, status, within};
use crate::sources::Sources;

/// How long it is killed when nobody says otherwise.
const SECONDS: u64 = 25;
/// How many builds are under way at once.
const AT_ONCE: usize = 3;
/// The parts of each module, with their buildorder.
const PARTS: [(&str, u32); 3] = [("a", 0), ("b", 0), ("c", 10)];

/// What the test knows of a module that it submitted.
struct Module {
    id: i64,
    is_cancelled: bool,
    has_ended: bool,
}

struct World<'a> {
    hub: &'a Hub,
    sources: &'a Sources,
    modules: Vec<Module>,
}

/// The name of a part of a module; no other module has it.
fn component(number: usize, part: &str) -> String {
    format!("m{number}-{part}")
}

impl World<'_> {
    /// Submits modules until enough are under way, and cancels one now and then.
    fn act(&mut self, service: &Running, random: &mut Random) {
        for module in self.modules.iter_mut().filter(|module| !module.has_ended) {
            let build = service.json(&format!("/rida/module-builds/{}", module.id));
            module.has_ended = matches!(build["state"].as_str(), Some("ready" | "failed"));
        }
        while self.modules.iter().filter(|module| !module.has_ended).count() < AT_ONCE {
            let number = self.modules.len();
            let parts = PARTS.map(|(part, order)| (component(number, part), order));
            for ((name, _), time) in parts.iter().zip([0.2, 1.5, 0.5]) {
                self.hub.world().courses.insert(name.clone(), Course::Succeeds(time));
            }
            let parts: Vec<(&str, u32)> = parts.iter().map(|(name, order)| (name.as_str(), *order)).collect();
            self.sources.add(&format!("m{number}"), &parts);
            let submission = json!({"scmurl": self.sources.module(&format!("m{number}"))}).to_string();
            let answer = service.send("POST /rida/module-builds/", &submission);
            assert_eq!(status(&answer), 201, "{answer}");
            let id = body(&answer)["id"].as_i64().unwrap();
            self.modules.push(Module { id, is_cancelled: false, has_ended: false });
        }
        if random.chance(10) {
            let number = random.index(self.modules.len());
            if let Some(module) = self.modules.get_mut(number).filter(|module| !module.has_ended) {
                let answer =
                    service.send(&format!("PATCH /rida/module-builds/{}", module.id), r#"{"state": "failed"}"#);
                assert!([200, 400].contains(&status(&answer)), "{answer}");
                module.is_cancelled = status(&answer) == 200;
            }
        }
    }

    /// Waits for the moment to kill: any, or one in which a call is with the hub, done or not.
    fn aim(&self, random: &mut Random) {
        std::thread::sleep(Duration::from_millis(random.below(1500)));
        let trouble = if random.chance(50) { Trouble::Stop } else { Trouble::StopAfter };
        let when = match random.index(4) {
            0 => return,
            1 => When::method("build"),
            2 => When::method("multiCall"),
            _ => When::Number(random.below(40)),
        };
        self.hub.world().trouble(when, trouble);
        let stopped = tokio::time::timeout(Duration::from_secs(2), self.hub.stopped());
        // In vain when there was no such call.
        let _ = Handle::current().block_on(stopped);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_any_instant_it_builds_each_component_once_in_koji() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = number_of("RIDA_KOJI_CRASH_SEED").unwrap_or_else(|| u64::from(now.subsec_nanos()));
    let seconds = number_of("RIDA_KOJI_CRASH_SECONDS").unwrap_or(SECONDS);
    println!("RIDA_KOJI_CRASH_SEED={seed} RIDA_KOJI_CRASH_SECONDS={seconds}");
    {
        let mut world = hub.world();
        (world.wait_for_builder, world.repository_time) = (0.1, 0.3);
        world.courses.insert("module-build-macros".to_owned(), Course::Succeeds(0.3));
    }
    tokio::task::block_in_place(|| {
        let sources = Sources::serve(root.join("git"));
        let settings = sources.settings(&root, &hub);
        let more: Vec<&str> = settings.iter().map(String::as_str).collect();
        let (data, said) = (root.join("data"), root.join("said"));
        let mut world = World { hub: &hub, sources: &sources, modules: Vec::new() };
        let mut random = Random::new(seed);
        let (began, mut kills) = (Instant::now(), 0);
        // On a machine that is busy with other things it is killed as often, in a longer time.
        let is_over = |kills: u64| {
            let passed = began.elapsed().as_secs();
            if kills < seconds / 5 { passed >= 5 * seconds } else { passed >= seconds }
        };
        while !is_over(kills) {
            let starting = Starting::new(&data, &said, &more);
            if random.chance(15) {
                std::thread::sleep(Duration::from_millis(random.below(200)));
                starting.kill_9();
            } else {
                let service = starting.serving();
                world.act(&service, &mut random);
                world.aim(&mut random);
                service.kill_9();
            }
            hub.world().calm();
            kills += 1;
            sound(&data);
        }
        let service = Starting::new(&data, &said, &more).serving();
        within(Duration::from_secs(300), "all builds have ended", || {
            let builds = service.json("/rida/module-builds/");
            let running = |build: &&Value| !matches!(build["state"].as_str(), Some("ready" | "failed"));
            match builds.as_array().unwrap().iter().find(running) {
                Some(build) => {
                    Err(service.json(&format!("/rida/module-builds/{}?verbose=true", build["id"])).to_string())
                }
                None => Ok(()),
            }
        });
        within(Duration::from_secs(120), "all is announced", || {
            let text = service.ask("GET /metrics");
            if text.contains("rida_publish_lag_seconds 0.0") { Ok(()) } else { Err(text) }
        });
        check(&world, &service);
        let line = service.said();
        let line = line.lines().find(|line| line.contains("panicked") || line.contains("Impossible"));
        assert_eq!(line, None, "the log says so");
        service.kill_9();
        sound(&data);
        check_lines(&data);
        println!("killed {kills} times; {} modules ended, each component was built once", world.modules.len());
        assert!(kills >= seconds / 5, "it was killed {kills} times only");
    });
}

/// Checks that every module ended as it had to, and what the hub has of it: each component once, and one import.
fn check(world: &World<'_>, service: &Running) {
    let builds = service.json("/rida/module-builds/?verbose=true");
    let builds: BTreeMap<i64, &Value> =
        builds.as_array().unwrap().iter().map(|build| (build["id"].as_i64().unwrap(), build)).collect();
    assert_eq!(builds.len(), world.modules.len(), "a build was lost, or made twice");
    within(Duration::from_secs(120), "nothing runs in Koji", || {
        let running: Vec<i64> =
            world.hub.world().tasks().filter(|task| task.state.is_active()).map(|task| task.id).collect();
        if running.is_empty() { Ok(()) } else { Err(format!("{running:?}")) }
    });
    let hub = world.hub.world();
    let mut started: BTreeMap<(String, String), usize> = BTreeMap::new();
    for task in hub.tasks().filter(|task| task.method == "build") {
        let Some(HubValue::Struct(options)) = task.request.get(2) else { panic!("{task:?}") };
        let text = |name: &str| options[name].text(name).unwrap().to_owned();
        *started.entry((text("mbs_module_target"), text("mbs_artifact_name"))).or_default() += 1;
    }
    let candidates = hub.tagged("modular-candidate");
    for (number, module) in world.modules.iter().enumerate() {
        let build = builds[&module.id];
        let detail = service.json(&format!("/rida/module-builds/{}?verbose=true", module.id));
        let target = detail["tag"].as_str().unwrap().to_owned();
        let parts = PARTS.map(|(part, _)| component(number, part));
        let names: Vec<String> = parts.into_iter().chain(["module-build-macros".to_owned()]).collect();
        let counts: Vec<usize> =
            names.iter().map(|name| started.get(&(target.clone(), name.clone())).copied().unwrap_or(0)).collect();
        let imported = |name: &str| {
            let prefix = format!("{name}-rolling-");
            (
                hub.builds().filter(|build| build.nvr().starts_with(&prefix)).count(),
                candidates.iter().filter(|nvr| nvr.starts_with(&prefix)).count(),
            )
        };
        let imports = [format!("m{number}"), format!("m{number}-devel")].map(|name| imported(&name));
        match build["state"].as_str().unwrap() {
            "ready" => {
                assert!(!module.is_cancelled, "{detail}");
                assert_eq!(counts, [1; 4], "{names:?}: {detail}");
                assert_eq!(imports, [(1, 1); 2], "{detail}");
                assert_eq!(hub.tagged(&target).len(), 3, "{detail}");
            }
            _ => {
                assert!(module.is_cancelled && detail["failure"] == "canceled", "{detail}");
                assert!(counts.iter().all(|count| *count <= 1), "{names:?} {counts:?}: {detail}");
            }
        }
    }
    assert!(hub.builds().all(|build| matches!(build.state, 1 | 4)), "no package was built in vain");
}
