//! The program as an operator runs it.

#![expect(clippy::unwrap_used, reason = "in the helpers of tests, too, it is an assertion")]

mod crash;
mod daemon;
mod disk;
mod idle;
mod koji;
mod koji_crash;
mod koji_modules;
mod postgres;
mod resolver;
mod reuse;
mod rpkg;
mod running;
mod secrets;
mod sources;
mod streams;

use rida_core::{Clock, LeaseTimes, PUBLISHER, Store, WorkerId};
use rida_http::SystemClock;
use rida_store::{Database, StoreConfig};
use serde_json::json;
use std::path::Path;
use std::time::Duration;

use crate::running::{Running, body, names, program, repository, run, stderr, stdout, until};

const MODULE: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: A gate\n  \
    description: A gate.\n  license: {module: [MIT]}\n  components:\n    rpms:\n      \
    gate: {rationale: It opens., ref: main}\n";

/// Builds until a file is there, which the test writes when it has seen enough.
const SPEC: &str = "Name: gate\nVersion: 1\nRelease: 1%{?dist}\nSummary: A gate\nLicense: MIT\nBuildArch: noarch\n\n\
    %description\nA gate.\n\n%build\necho it builds\n\
    for i in $(seq 600); do if test -e /build/go; then break; fi; sleep 0.1; done\n\n%install\n\n%files\n";

#[tokio::test]
async fn kill_9_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    repository(&root.join("git/modules/gate"), "gate.yaml", MODULE);
    repository(&root.join("git/rpms/gate"), "gate.spec", SPEC);
    let git = format!("file://{}/git", root.display());
    let (data, tasks) = (root.join("data"), root.join("data/builds/builds/1/tasks"));
    let set = [format!("sources.repository={git}/rpms"), "local.builder=rpmbuild".into(), "local.spare_disk=1".into()];
    let quiet = ["--set", "log.filter=error"];
    let more = ["--allow", &git, "--set", &set[0], "--set", &set[1], "--set", &set[2], quiet[0], quiet[1]];
    let start = || Running::start(&data, &more);
    let sound = async || {
        let database = Database::connect(&StoreConfig::sqlite(data.join("rida.sqlite"))).await.unwrap();
        assert_eq!(database.integrity_check().await.unwrap(), Vec::<String>::new());
        database
    };

    let service = start();
    let submission = json!({"scmurl": format!("{git}/modules/gate?#main")}).to_string();
    let answer = service.send("POST /rida/module-builds/", &submission);
    service.kill_9();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert_eq!((&body(&answer)["id"], &body(&answer)["state"]), (&json!(1), &json!("init")));
    // As when it is killed between taking an instruction and performing it.
    let (database, now) = (sound().await, SystemClock.now());
    let end = now.plus(Duration::from_secs(150));
    let times = LeaseTimes { now, until: end, latest: end };
    database.take_effects(&WorkerId("killed".to_owned()), times, 100).await.unwrap();
    database.close().await;

    let service = start();
    until("it builds", || {
        let log = service.ask("GET /rida/module-builds/1/logs/gate");
        if log.contains("\nit builds\n") { Ok(()) } else { Err(service.json("/rida/module-builds/1").to_string()) }
    });
    service.kill_9();
    sound().await.close().await;

    let service = start();
    assert_eq!(service.json("/rida/module-builds/1")["tasks"]["rpms/gate"], "2/open");
    std::fs::write(tasks.join("2/work/build/go"), "").unwrap();
    service.kill_9();
    sound().await.close().await;

    let service = start();
    until("it is ready", || {
        let build = service.json("/rida/module-builds/1?verbose=true");
        if build["state"] == "ready" { Ok(()) } else { Err(build.to_string()) }
    });
    let build = service.json("/rida/module-builds/1?verbose=true");
    assert_eq!(build["tasks"], json!({"rpms/module-build-macros": "1/closed", "rpms/gate": "2/closed"}));
    let attempts: Vec<_> = build["components"].as_array().unwrap().iter().map(|it| &it["attempt"]).collect();
    assert_eq!(attempts, [1, 1]);
    assert_eq!(names(&tasks), ["1", "2"], "there are no other tasks");
    let log = service.ask("GET /rida/module-builds/1/logs/gate");
    assert_eq!(log.matches("\nit builds\n").count(), 1, "it was built once: {log}");
    assert_eq!(service.json("/rida/module-builds/").as_array().unwrap().len(), 1);
    service.kill_9();
    sound().await.close().await;
}

#[tokio::test]
async fn what_a_killed_service_had_leased_is_free_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let (data, git) = (root.join("data"), format!("file://{}/git", root.display()));
    repository(&root.join("git/gate"), "gate.yaml", MODULE);
    let components = format!("sources.repository={git}/rpms");
    let more = ["--allow", &git, "--set", &components, "--set", "worker.lease=5m", "--set", "log.filter=error"];
    let service = Running::start(&data, &more);
    let submission = json!({"scmurl": format!("{git}/gate?#main")}).to_string();
    let answer = service.send("POST /rida/module-builds/", &submission);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    service.kill_9();
    lease_everything(&data).await;

    let service = Running::start(&data, &more);
    // There is no such repository of components, so that it ends as soon as somebody looks.
    until("it goes on", || {
        let build = service.json("/rida/module-builds/1");
        if build["state"] == "failed" { Ok(()) } else { Err(build.to_string()) }
    });
    until("all is published", || {
        let text = service.ask("GET /metrics");
        if text.contains("rida_publish_lag_seconds 0.0") { Ok(()) } else { Err(text) }
    });
    assert!(std::fs::read_to_string(data.join("announcements.jsonl")).unwrap().lines().count() >= 2);
}

/// Leases everything to nobody for ten minutes, as when a service is killed while it performs instructions, and while it
/// publishes; returns how many instructions there were.
async fn lease_everything(data: &Path) -> usize {
    let database = Database::connect(&StoreConfig::sqlite(data.join("rida.sqlite"))).await.unwrap();
    let killed = WorkerId("killed".to_owned());
    let now = SystemClock.now().plus(Duration::from_secs(300));
    let until = now.plus(Duration::from_secs(300));
    let times = LeaseTimes { now, until, latest: until };
    let taken = database.take_effects(&killed, times, 100).await.unwrap();
    assert!(database.take_reader(PUBLISHER, &killed, times).await.unwrap().is_some());
    database.close().await;
    taken.len()
}

#[test]
fn without_a_list_of_places_it_says_what_to_write() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(&["serve", "--data", &folder.path().join("data").display().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("[sources]") && stderr(&output).contains("allow = ["), "{}", stderr(&output));
    assert!(!folder.path().join("data").exists(), "something was made all the same");
}

#[test]
fn help_is_enough_to_begin_with() {
    let output = run(&["--help"]);
    assert!(output.status.success());
    for part in ["serve", "migrate", "check-config", "--config", "--allow", "RIDA_<SECTION>__<KEY>", "curl -d"] {
        assert!(stdout(&output).contains(part), "{part} is not in {}", stdout(&output));
    }
}

#[test]
fn check_config_tells_where_each_value_is_from_and_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rida.toml");
    let data = folder.path().join("data").display().to_string();
    std::fs::write(&file, "[limits]\nbuilds = 3\n\n[server]\nlisten = \"127.0.0.1:0\"\n").unwrap();
    let file = file.display().to_string();
    let arguments = ["--config", &file, "--data", &data, "check-config"];

    let output = program(&arguments).env("RIDA_LIMITS__QUEUE", "7").output().unwrap();
    assert_eq!(output.status.code(), Some(1), "there are no allowed places");
    assert!(stderr(&output).contains("problem: no place is allowed"), "{}", stderr(&output));
    for line in [
        format!("builds = 3  # file {file}"),
        "queue = 7  # environment variable RIDA_LIMITS__QUEUE".to_owned(),
        format!("folder = {data:?}  # flag --data"),
        "builds_per_owner = 4  # default".to_owned(),
    ] {
        assert!(stdout(&output).lines().any(|it| it == line), "{line} is not in {}", stdout(&output));
    }

    let output = program(&arguments).args(["--allow", "https://src.example.org/"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("# builds: "), "{}", stdout(&output));

    std::fs::write(folder.path().join("rida.toml"), "[limits]\nbulids = 3\n").unwrap();
    let output = run(&arguments);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("line 2") && stderr(&output).contains("bulids"), "{}", stderr(&output));
}

#[test]
fn migrate_makes_the_database() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    for _ in 0..2 {
        let output = run(&["migrate", "--data", &data]);
        assert!(output.status.success(), "{}", stderr(&output));
    }
    assert!(folder.path().join("data/rida.sqlite").exists());
}

#[test]
fn it_serves_until_it_is_told_to_end() {
    let folder = tempfile::tempdir().unwrap();
    for signal in ["-TERM", "-INT"] {
        let running = Running::start(folder.path(), &["--log-format", "json"]);
        assert!(running.ask("GET /healthz").starts_with("HTTP/1.1 200"));
        assert!(running.ask("GET /readyz").starts_with("HTTP/1.1 200"));
        assert!(running.ask("GET /rida/module-builds/").ends_with("[]\n"));
        let (code, said) = running.end(signal);
        assert_eq!(code, Some(0), "{said}");
        let lines: Vec<serde_json::Value> =
            said.lines().filter(|line| line.starts_with('{')).map(|line| serde_json::from_str(line).unwrap()).collect();
        assert!(lines.iter().any(|line| line["http.path"] == "/healthz" && line["http.status"] == 200), "{said}");
        assert!(said.contains("shutting down"), "{said}");
    }
}

#[test]
fn an_address_that_is_taken_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let data = folder.path().display().to_string();
    let output = run(&["serve", "--listen", &address, "--allow", "https://src.example.org/", "--data", &data]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&address) && stderr(&output).contains("--listen"), "{}", stderr(&output));
}
