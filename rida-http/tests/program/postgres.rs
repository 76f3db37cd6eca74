//! The program on PostgreSQL.

use std::path::Path;

use rida_test_postgres::{Cluster, TestDatabase};
use serde_json::json;

use crate::running::{Running, Starting, body, repository, run, stderr, stdout, until};

const MODULE: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: Nothing\n  \
    description: No components.\n  license: {module: [MIT]}\n";

const PASSWORD: &str = "s3cret";

/// Makes a database that only somebody with a password gets into, and returns its address.
fn locked(of: &TestDatabase<'_>) -> String {
    of.sql(&format!("CREATE ROLE locked LOGIN PASSWORD '{PASSWORD}'; GRANT ALL ON SCHEMA public TO locked"));
    let address = of.url_by("127.0.0.1", Cluster::shared().port());
    address.replace("postgres@", &format!("locked:{PASSWORD}@"))
}

fn serve(data: &Path, address: &str, more: &[&str]) -> Running {
    let database = format!("data.database={address}");
    Running::start(data, &[&["--set", &database, "--set", "log.filter=trace"], more].concat())
}

#[test]
fn it_serves_builds_and_hides_the_password_whatever_it_logs() {
    let (folder, of) = (tempfile::tempdir().unwrap(), Cluster::shared().database());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    repository(&root.join("git/modules/nothing"), "nothing.yaml", MODULE);
    let git = format!("file://{}/git", root.display());
    let (data, address) = (root.join("data"), locked(&of));
    let database = format!("data.database={address}");
    let settings = ["--data", &data.display().to_string(), "--set", &database, "--allow", "https://src.example.org/"];

    let check = || run(&[&settings[..], &["--listen", "127.0.0.1:0", "check-config"]].concat());
    let checked = check();
    assert!(checked.status.success(), "{}", stderr(&checked));
    assert!(stdout(&checked).contains("# database: its tables are made"), "{}", stdout(&checked));
    assert!(stdout(&checked).contains("locked:***@127.0.0.1"), "{}", stdout(&checked));
    let migrated = run(&[&settings[..], &["migrate"]].concat());
    assert!(migrated.status.success(), "{}", stderr(&migrated));
    assert!(stdout(&check()).contains("# database: its tables are of this version"));
    for output in [&checked, &migrated] {
        assert!(!stdout(output).contains(PASSWORD) && !stderr(output).contains(PASSWORD));
    }

    let submission = json!({"scmurl": format!("{git}/modules/nothing?#main")}).to_string();
    let more = ["--allow", &git, "--set", "local.builder=rpmbuild", "--set", "local.spare_disk=1"];
    let service = serve(&data, &address, &more);
    let answer = service.send("POST /rida/module-builds/", &submission);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    until("it is ready", || {
        let build = service.json("/rida/module-builds/1");
        if build["state"] == "ready" { Ok(()) } else { Err(build.to_string()) }
    });
    let answer = service.send("POST /rida/module-builds/", &submission);
    assert!(answer.starts_with("HTTP/1.1 409"), "{answer}");
    // Its connections are ended under it, as by a restart of the database.
    of.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'locked'");
    assert_eq!(body(&service.ask("GET /rida/module-builds/1"))["state"], "ready");
    assert!(service.ask("GET /readyz").starts_with("HTTP/1.1 200"));
    let (code, said) = service.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("locked:***@127.0.0.1"), "the banner tells where the database is");
    assert!(said.contains("DEBUG"), "everything is logged: {said}");
    let leak = said.lines().find(|line| line.contains(PASSWORD));
    assert_eq!(leak, None, "no line has the password");

    // It can be started again on its folder, and no other folder gets its builds.
    serve(&data, &address, &more).kill_9();
    let refused = run(&["serve", "--data", &root.join("other").display().to_string(), "--listen", "127.0.0.1:0"]
        .iter()
        .copied()
        .chain(["--allow", &git, "--set", &database, "--set", more[3], "--set", more[5]])
        .collect::<Vec<_>>());
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("belongs to the build system local builds"), "{}", stderr(&refused));
    assert!(!stderr(&refused).contains(PASSWORD));
    of.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'locked'");
    of.sql("DROP OWNED BY locked CASCADE; DROP ROLE locked");
}

#[test]
fn a_database_that_is_not_there_is_named_without_its_password() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().display().to_string();
    let port = Cluster::shared().port();
    let address = format!("postgresql://rida:{PASSWORD}@127.0.0.1:{port}/nowhere?sslmode=disable");
    let database = format!("data.database={address}");
    let settings =
        ["--data", &data, "--set", &database, "--allow", "https://src.example.org/", "--listen", "127.0.0.1:0"];
    for command in ["serve", "migrate", "check-config"] {
        let output = run(&[&settings[..], &[command]].concat());
        assert_eq!(output.status.code(), Some(1), "{command}");
        let (out, err) = (stdout(&output), stderr(&output));
        assert!(err.contains("rida:***@127.0.0.1") && err.contains("cannot be reached"), "{command}: {err}");
        assert!(!err.contains(PASSWORD) && !out.contains(PASSWORD), "{command}: {err}{out}");
    }
}

#[test]
fn two_folders_do_not_share_a_file_either() {
    let folder = tempfile::tempdir().unwrap();
    let file = format!("data.database={}", folder.path().join("shared.sqlite").display());
    let first = Running::start(&folder.path().join("first"), &["--set", &file]);
    let refused = |because: &str| {
        let said = folder.path().join("said");
        let other = Starting::new(&folder.path().join("other"), &said, &["--set", &file]);
        until("it is refused", || {
            let said = std::fs::read_to_string(&said).unwrap();
            if said.contains(because) { Ok(()) } else { Err(said) }
        });
        other.kill_9();
    };
    refused("another service uses the database file");
    first.kill_9();
    refused("belongs to the build system");
}
