//! The program as an operator runs it.

#![expect(clippy::unwrap_used, reason = "in the helpers of tests, too, it is an assertion")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};
use std::time::{Duration, Instant};

use rida_core::{Clock, Store, WorkerId};
use rida_http::SystemClock;
use rida_store::{Database, StoreConfig};
use serde_json::{Value, json};

/// A command of the program without any settings of who runs the tests.
fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rida-http"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RIDA_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// A running service, ended when dropped.
struct Running {
    child: Child,
    address: String,
    errors: BufReader<ChildStderr>,
}

impl Running {
    fn start(data: &Path, more: &[&str]) -> Self {
        let data = data.display().to_string();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--allow", "https://src.example.org/", "--data", &data];
        let mut child = program(&[&arguments[..], more].concat()).stderr(Stdio::piped()).spawn().unwrap();
        let mut errors = BufReader::new(child.stderr.take().unwrap());
        let (mut address, mut said) = (None, String::new());
        while address.is_none() && errors.read_line(&mut said).unwrap() > 0 {
            let serves = said.lines().find(|line| line.trim_start().starts_with("serves"));
            address = serves.and_then(|line| Some(line.split("//").nth(1)?.split('/').next()?.to_owned()));
        }
        Self { child, address: address.unwrap_or_else(|| panic!("it does not serve:\n{said}")), errors }
    }

    fn ask(&self, request: &str) -> String {
        self.send(request, "")
    }

    /// Asks with a body, and for an answer at once.
    fn send(&self, request: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let headers = format!("prefer: respond-async\r\ncontent-length: {}", body.len());
        write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n\r\n{body}").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn json(&self, path: &str) -> Value {
        body(&self.ask(&format!("GET {path}")))
    }

    /// Kills it without a chance to end anything.
    fn kill_9(mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "it runs until then");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends the signal and returns the exit code with what was said until then.
    fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let mut said = String::new();
        self.errors.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Looks until something is so, for a time that is shorter than a lease lasts.
fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < end, "not in time: {what}; instead: {seen}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes a repository of one file.
fn repository(folder: &Path, file: &str, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(file), text).unwrap();
    for arguments in [&["init", "-q", "-b", "main"][..], &["add", "-A"], &["commit", "-q", "-m", "Begin"]] {
        let who = ["-c", "user.name=Packager", "-c", "user.email=packager@example.org"];
        let git = Command::new("git").args(who).args(arguments).current_dir(folder).output().unwrap();
        assert!(git.status.success(), "git {arguments:?}: {}", stderr(&git));
    }
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

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
    // Nobody reads what it says, which must not fill the pipe.
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
    let until_much_later = now.plus(Duration::from_secs(3600));
    database.take_effects(&WorkerId("killed".to_owned()), now, until_much_later, 100).await.unwrap();
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
