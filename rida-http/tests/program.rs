//! The program as an operator runs it.

#![expect(clippy::unwrap_used, reason = "in the helpers of tests, too, it is an assertion")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStderr, Command, Output, Stdio};

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
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
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
