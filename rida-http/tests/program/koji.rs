//! The program with Koji as its build system, on the double of the hub.

use std::path::Path;
use std::time::Duration;

use rida_koji::fault;
use rida_koji::testing::{Hub, Trouble, When};
use rida_koji::xmlrpc::Fault;
use serde_json::json;

use crate::lease_everything;
use crate::running::{Running, Starting, body, program, repository, run, stderr, stdout, until};

const MODULE: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: A gate\n  \
    description: A gate.\n  license: {module: [MIT]}\n";

pub(crate) fn settings(folder: &Path, hub: &Hub, password: &str) -> Vec<String> {
    let profile = folder.join("koji.conf");
    let text = format!("[koji]\nserver = {}\nauthtype = password\nuser = rida\npassword = {password}\n", hub.url());
    std::fs::write(&profile, text).unwrap();
    [
        "builds.build_system=koji".to_owned(),
        format!("koji.config={}", profile.display()),
        "koji.base_tags=platform:el8=platform-build".to_owned(),
        "koji.arches=x86_64".to_owned(),
        "koji.import_tag=modular-candidate".to_owned(),
        "worker.idle=100ms".to_owned(),
    ]
    .into_iter()
    .flat_map(|setting| ["--set".to_owned(), setting])
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn koji_check_says_what_has_to_be_fixed() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let check = |password: &str| {
        let settings = settings(folder.path(), &hub, password);
        let arguments: Vec<&str> = settings.iter().map(String::as_str).chain(["koji", "check"]).collect();
        tokio::task::block_in_place(|| run(&arguments))
    };
    let good = check("secret");
    assert!(good.status.success(), "{}{}", stdout(&good), stderr(&good));
    assert!(stdout(&good).contains("good: it takes this service for rida\n"), "{}", stdout(&good));
    hub.world().set_permissions("rida", &["tag"]);
    let bad = check("secret");
    assert!(!bad.status.success());
    assert!(stdout(&bad).contains("bad:  rida needs the permission target"), "{}", stdout(&bad));
    let refused = check("wrong");
    assert!(!refused.status.success() && stdout(&refused).contains("invalid username or password"));
    let local = tokio::task::block_in_place(|| run(&["koji", "check"]));
    assert!(stderr(&local).contains("set builds.build_system"), "{}", stderr(&local));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_module_is_made_in_koji() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    repository(&root.join("git/gate"), "gate.yaml", MODULE);
    let git = format!("file://{}/git", root.display());
    let mut more = settings(&root, &hub, "secret");
    more.extend(["--allow".to_owned(), git.clone()]);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    tokio::task::block_in_place(|| {
        let service = Running::start(&root.join("data"), &more);
        let submission = json!({"scmurl": format!("{git}/gate?#main")}).to_string();
        let answer = service.send("POST /rida/module-builds/", &submission);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        let id = body(&answer)["id"].clone();
        for _ in 0..600 {
            hub.advance(Duration::from_secs(10));
            let build = service.json(&format!("/rida/module-builds/{id}?verbose=true"));
            if build["state"] == "ready" {
                break;
            }
            assert_ne!(build["state"], "failed", "{build}");
            std::thread::sleep(Duration::from_millis(50));
        }
        let imported: Vec<String> = hub.world().builds().map(rida_koji::testing::HubBuild::nvr).collect();
        assert!(imported.len() == 2 && imported[0].starts_with("gate-rolling-"), "{imported:?}");
        let metrics = service.ask("GET /metrics");
        assert!(metrics.contains("rida_koji_calls_total{method=\"multiCall\",outcome=\"done\"}"), "{metrics}");
        let data = root.join("data").display().to_string();
        let clean: Vec<&str> =
            more.iter().copied().chain(["--data", &data, "koji", "clean-up", "--targets-after", "0"]).collect();
        let cleaned = run(&clean);
        assert!(cleaned.status.success(), "{}", stderr(&cleaned));
        assert!(stdout(&cleaned).starts_with("deleted the target module-"), "{}", stdout(&cleaned));
        assert_eq!(hub.world().targets().count(), 0);
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_clean_up_that_ends_early_tells_what_it_did_and_ends_its_session() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    repository(&root.join("git/gate"), "gate.yaml", MODULE);
    let (git, data) = (format!("file://{}/git", root.display()), root.join("data").display().to_string());
    let mut more = settings(&root, &hub, "secret");
    more.extend(["--allow", &git, "--set", "builds.allow_scratch=true"].map(str::to_owned));
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    tokio::task::block_in_place(|| {
        let service = Running::start(&root.join("data"), &more);
        let submission = json!({"scmurl": format!("{git}/gate?#main"), "scratch": true}).to_string();
        let answer = service.send("POST /rida/module-builds/", &submission);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        until("it is done", || {
            hub.advance(Duration::from_secs(10));
            let build = service.json("/rida/module-builds/1?verbose=true");
            if build["state"] == "done" { Ok(()) } else { Err(build.to_string()) }
        });
        service.kill_9();
        let left = hub.world().sessions();
        let offline = Fault { code: fault::OFFLINE, message: "maintenance".to_owned() };
        hub.world().trouble(When::Having("listTagged".to_owned()), Trouble::Fault(offline));
        // Two days later, when it may be taken away.
        let words = ["--data", &data, "koji", "clean-up", "--failed-after", "1"];
        let clean = || {
            let arguments: Vec<&str> = more.iter().copied().chain(words).collect();
            let program = program(&arguments);
            let mut later = std::process::Command::new("/usr/bin/faketime");
            later.args(["-f", "+2d"]).arg(program.get_program()).args(program.get_args()).output().unwrap()
        };
        let cleaned = clean();
        assert!(!cleaned.status.success(), "{}", stdout(&cleaned));
        assert!(stdout(&cleaned).starts_with("deleted the target "), "{}{}", stdout(&cleaned), stderr(&cleaned));
        let told = stderr(&cleaned);
        assert!(told.contains("Koji cannot be cleaned up to the end: Koji is offline: maintenance"), "{told}");
        assert_eq!(hub.world().sessions(), left, "the session is ended");
        let cleaned = clean();
        assert!(cleaned.status.success(), "{}", stderr(&cleaned));
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_service_has_a_file_and_takes_over_at_once_from_one_that_was_killed() {
    let (folder, hub) = (tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    repository(&root.join("git/gate"), "gate.yaml", MODULE);
    let (data, git) = (root.join("data"), format!("file://{}/git", root.display()));
    let mut more = settings(&root, &hub, "secret");
    more.extend(["--allow".to_owned(), git.clone(), "--set".to_owned(), "worker.lease=5m".to_owned()]);
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let service = tokio::task::block_in_place(|| {
        let service = Running::start(&data, &more);
        let other = Starting::new(&data, &root.join("other"), &more);
        until("a second one is refused", || {
            let said = std::fs::read_to_string(root.join("other")).unwrap();
            if said.contains("another service uses the database file") { Ok(()) } else { Err(said) }
        });
        other.kill_9();
        service
    });
    // Maintenance keeps what comes first waiting.
    hub.world().offline = true;
    tokio::task::block_in_place(|| {
        let submission = json!({"scmurl": format!("{git}/gate?#main")}).to_string();
        let answer = service.send("POST /rida/module-builds/", &submission);
        assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
        service.kill_9();
    });
    assert_ne!(lease_everything(&data).await, 0, "something was still to be done");
    hub.world().offline = false;
    tokio::task::block_in_place(|| {
        let service = Running::start(&data, &more);
        until("it goes on", || {
            hub.advance(Duration::from_secs(10));
            let build = service.json("/rida/module-builds/1?verbose=true");
            if build["state"] == "ready" { Ok(()) } else { Err(build.to_string()) }
        });
    });
}

#[cfg(feature = "kerberos")]
#[test]
fn what_speaks_with_kerberos_is_a_hidden_command() {
    let folder = tempfile::tempdir().unwrap();
    let (profile, keytab) = (folder.path().join("koji.conf"), folder.path().join("rida.keytab"));
    std::fs::write(&profile, "[koji]\nserver = https://127.0.0.1:1/kojihub\nauthtype = ssl\ncert = /nowhere\n")
        .unwrap();
    let setting = |key: &str, value: &Path| format!("koji.{key}={}", value.display());
    let (config, key) = (setting("config", &profile), setting("keytab", &keytab));
    let settings = ["builds.build_system=koji", &config, &key, "koji.principal=rida@RIDA.TEST"];
    let with = |command: &[&str]| {
        let data = folder.path().join("data").display().to_string();
        let mut arguments = vec!["--data", &data, "--allow", "https://src.example.org/"];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting]));
        let output = run(&arguments.into_iter().chain(command.iter().copied()).collect::<Vec<_>>());
        format!("{}{}", stdout(&output), stderr(&output))
    };
    let told = with(&["koji", "check"]);
    assert!(told.contains("rida.keytab cannot be read (No such file"), "{told}");
    std::fs::write(&keytab, "no keys").unwrap();
    let told = with(&["check-config"]);
    assert!(told.contains("profile koji, Kerberos(rida@RIDA.TEST)"), "{told}");
    let help = run(&["koji", "--help"]);
    assert!(stdout(&help).contains("check") && !stdout(&help).contains("negotiate"), "{}", stdout(&help));
    let said = run(&["koji", "negotiate", "--", "127.0.0.1", "-rida@RIDA.TEST"]);
    assert!(!said.status.success() && stdout(&said).starts_with("failed "), "{}{}", stdout(&said), stderr(&said));
}
