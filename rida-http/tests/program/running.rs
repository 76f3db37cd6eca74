//! The program as a process, and a client for it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A command of the program without any settings of who runs the tests.
pub(crate) fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rida-http"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("RIDA_")) {
        command.env_remove(name);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

pub(crate) fn run(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

pub(crate) fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

pub(crate) fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

/// A running service, ended when dropped. What it says goes to a file.
pub(crate) struct Running {
    child: Child,
    pub(crate) address: String,
    said: PathBuf,
    /// Has that file, when nobody else does.
    folder: Option<tempfile::TempDir>,
}

/// A service that was started and may not serve yet.
pub(crate) struct Starting {
    child: Child,
    said: PathBuf,
    /// What the file had before.
    before: usize,
}

impl Starting {
    /// Starts the service; what it says is added to a file.
    pub(crate) fn new(data: &Path, said: &Path, more: &[&str]) -> Self {
        Self::by(program(&[]), data, said, more)
    }

    /// Starts the service by a command to which only the arguments are to be added.
    pub(crate) fn by(mut command: Command, data: &Path, said: &Path, more: &[&str]) -> Self {
        let data = data.display().to_string();
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--allow", "https://src.example.org/", "--data", &data];
        let file = File::options().create(true).append(true).open(said).unwrap();
        let before = usize::try_from(file.metadata().unwrap().len()).unwrap();
        // A group of its own, so that what ends the tests from outside does not look like a request to end.
        let child = command.args(arguments).args(more).stderr(file).process_group(0).spawn().unwrap();
        Self { child, said: said.to_owned(), before }
    }

    /// Kills it wherever it is.
    pub(crate) fn kill_9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it serves.
    pub(crate) fn serving(mut self) -> Running {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            // Read before its end is looked at, so that its last words are seen.
            let ended = self.child.try_wait().unwrap();
            let said = read(&self.said).split_off(self.before);
            let serves = said.lines().find(|line| line.trim_start().starts_with("serves"));
            let address = serves.and_then(|line| Some(line.split("//").nth(1)?.split('/').next()?.to_owned()));
            if let Some(address) = address {
                let Self { child, said, .. } = self;
                return Running { child, address, said, folder: None };
            }
            assert!(ended.is_none() && Instant::now() < end, "it does not serve ({ended:?}):\n{said}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Running {
    pub(crate) fn start(data: &Path, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut running = Starting::new(data, &folder.path().join("said"), more).serving();
        running.folder = Some(folder);
        running
    }

    pub(crate) fn ask(&self, request: &str) -> String {
        self.send(request, "")
    }

    /// Asks with a body, and for an answer at once.
    pub(crate) fn send(&self, request: &str, body: &str) -> String {
        send(&self.address, request, body).unwrap_or_else(|error| panic!("{request}: {error}"))
    }

    pub(crate) fn json(&self, path: &str) -> Value {
        body(&self.ask(&format!("GET {path}")))
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns all that it has said.
    pub(crate) fn said(&self) -> String {
        read(&self.said)
    }

    /// Kills it without a chance to end anything.
    pub(crate) fn kill_9(mut self) {
        assert_eq!(self.child.try_wait().unwrap(), None, "it runs until then");
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends the signal and returns the exit code with what was said until then.
    pub(crate) fn end(mut self, signal: &str) -> (Option<i32>, String) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let code = self.child.wait().unwrap().code();
        (code, self.said())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read(path: &Path) -> String {
    String::from_utf8_lossy(&std::fs::read(path).unwrap()).into_owned()
}

/// Sends a request to a service that may not be there any more, and returns the whole answer.
pub(crate) fn send(address: &str, request: &str, body: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    let headers = format!("prefer: respond-async\r\ncontent-length: {}", body.len());
    write!(stream, "{request} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}\r\n\r\n{body}")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    if answer.contains("\r\n\r\n") { Ok(answer) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

pub(crate) fn body(answer: &str) -> Value {
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

/// Returns the status code of an answer.
pub(crate) fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_else(|| panic!("no answer: {answer}"))
}

/// Looks until something is so, for a time that is shorter than a lease lasts.
pub(crate) fn until<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    within(Duration::from_secs(20), what, look)
}

pub(crate) fn within<T>(time: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + time;
    loop {
        match look() {
            Ok(found) => return found,
            Err(seen) => assert!(Instant::now() < end, "not in time: {what}; instead: {seen}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Makes a repository of one file.
pub(crate) fn repository(folder: &Path, file: &str, text: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join(file), text).unwrap();
    for arguments in [&["init", "-q", "-b", "main"][..], &["add", "-A"], &["commit", "-q", "-m", "Begin"]] {
        let who = ["-c", "user.name=Packager", "-c", "user.email=packager@example.org"];
        let git = Command::new("git").args(who).args(arguments).current_dir(folder).output().unwrap();
        assert!(git.status.success(), "git {arguments:?}: {}", stderr(&git));
    }
}

pub(crate) fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
