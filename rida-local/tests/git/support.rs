//! A world of real git repositories in a temporary folder, with real servers on this machine.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rida_core::plan::ComponentSource;
use rida_core::scm::{AllowList, CommitHash, GitRef, Repository, ScmUrl};
use rida_core::{ComponentCheck, ComponentName, Scm};
use rida_local::git::{GitConfig, GitScm};
use tempfile::TempDir;

/// When every commit is made.
pub(crate) const COMMITTED_AT: i64 = 1_518_184_351;

/// The folders of a test.
pub(crate) struct World {
    pub(crate) folder: TempDir,
}

/// A repository with a work tree.
pub(crate) struct Repo {
    pub(crate) folder: PathBuf,
}

impl World {
    pub(crate) fn new() -> Self {
        let world = Self { folder: TempDir::new().unwrap() };
        std::fs::create_dir_all(world.repositories()).unwrap();
        world
    }

    pub(crate) fn repositories(&self) -> PathBuf {
        self.folder.path().join("git")
    }

    pub(crate) fn lookaside(&self) -> PathBuf {
        self.folder.path().join("lookaside")
    }

    /// Makes an empty repository.
    pub(crate) fn repo(&self, name: &str) -> Repo {
        let repo = Repo { folder: self.repositories().join(name) };
        std::fs::create_dir_all(&repo.folder).unwrap();
        repo.git(&["init", "--quiet", "--initial-branch=main"]);
        repo
    }

    /// Returns the address of a repository on disk.
    pub(crate) fn address(&self, name: &str) -> String {
        format!("file://{}/{name}", self.repositories().display())
    }

    /// Returns settings that allow the repositories on disk and the lookaside cache.
    pub(crate) fn config(&self) -> GitConfig {
        let allow = AllowList::new([repository(&format!("file://{}", self.repositories().display()))]);
        let mut config = GitConfig::new(self.folder.path().join("cache"), allow);
        config.caches = vec![format!("file://{}", self.lookaside().display())];
        config
    }

    pub(crate) fn scm(&self) -> GitScm {
        GitScm::new(self.config()).unwrap()
    }

    /// Returns settings that allow a place too.
    pub(crate) fn config_with(&self, place: &str) -> GitConfig {
        let config = self.config();
        GitConfig { allow: AllowList::new(config.allow.iter().cloned().chain([repository(place)])), ..config }
    }

    /// Returns what unfinished fetches left behind.
    pub(crate) fn leftovers(&self) -> usize {
        std::fs::read_dir(self.folder.path().join("cache/unfinished")).unwrap().count()
    }

    /// Puts a file into the lookaside cache and returns its line for `sources`.
    pub(crate) fn upload(&self, package: &str, file: &str, bytes: &[u8]) -> String {
        let hash = sha512(bytes);
        let folder = self.lookaside().join(package).join(file).join("sha512").join(&hash);
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join(file), bytes).unwrap();
        format!("SHA512 ({file}) = {hash}\n")
    }
}

pub(crate) fn sha512(bytes: &[u8]) -> String {
    let mut child = Command::new("sha512sum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(' ').next().unwrap().to_owned()
}

impl Repo {
    pub(crate) fn git(&self, arguments: &[&str]) -> String {
        git(&self.folder, arguments)
    }

    pub(crate) fn write(&self, path: &str, text: impl AsRef<[u8]>) -> &Self {
        let path = self.folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    pub(crate) fn link(&self, path: &str, target: &str) -> &Self {
        let path = self.folder.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::os::unix::fs::symlink(target, path).unwrap();
        self
    }

    pub(crate) fn submodule(&self, path: &str) -> &Self {
        self.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{},{path}", "1".repeat(40))]);
        self
    }

    pub(crate) fn commit(&self) -> CommitHash {
        self.git(&["add", "--all", "--", "."]);
        self.commit_index()
    }

    pub(crate) fn commit_index(&self) -> CommitHash {
        self.git(&["commit", "--quiet", "--allow-empty", "--message=change"]);
        CommitHash::new(self.git(&["rev-parse", "HEAD"]).trim()).unwrap()
    }
}

pub(crate) fn git(folder: &Path, arguments: &[&str]) -> String {
    let date = format!("{COMMITTED_AT} +0100");
    let output = Command::new("git")
        .current_dir(folder)
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .envs([("GIT_AUTHOR_NAME", "A"), ("GIT_AUTHOR_EMAIL", "a@b"), ("GIT_COMMITTER_NAME", "C")])
        .envs([("GIT_COMMITTER_EMAIL", "c@d"), ("GIT_COMMITTER_DATE", &date), ("GIT_AUTHOR_DATE", "1000000000 +0000")])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

pub(crate) fn repository(text: &str) -> Repository {
    Repository::parse(text).unwrap()
}

pub(crate) fn name(text: &str) -> ComponentName {
    ComponentName::new(text).unwrap()
}

pub(crate) fn source(address: &str, reference: &str, cache: Option<&str>) -> ComponentSource {
    ComponentSource {
        repository: repository(address),
        reference: GitRef::new(reference).unwrap(),
        cache: cache.map(Into::into),
    }
}

/// Checks one component.
pub(crate) async fn check(scm: &GitScm, component: &str, source: ComponentSource) -> ComponentCheck {
    scm.check_components(&[(name(component), source)]).await.unwrap().pop().unwrap()
}

/// Checks one component, and expects all problems to hold one of the texts each, in order.
#[track_caller]
pub(crate) fn expect_bad(check: ComponentCheck, expected: &[&str]) {
    let ComponentCheck::Bad(problems) = check else { panic!("{check:?}") };
    assert_eq!(problems.len(), expected.len(), "{problems:#?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.contains(expected), "{problem}");
    }
}

pub(crate) async fn fetch(scm: &GitScm, url: &str) -> Result<rida_core::FetchedModulemd, rida_core::PortError> {
    scm.fetch_modulemd(&ScmUrl::parse(url).unwrap()).await
}

/// Fetches and expects an error that will not go away, with a text that tells nothing of the machine.
pub(crate) async fn refused(scm: &GitScm, url: &str) -> String {
    let error = fetch(scm, url).await.unwrap_err();
    let message = error.message().to_owned();
    assert!(!error.is_retryable(), "{message}");
    assert!(!message.contains("unfinished") && !message.contains("remote.origin"), "{message}");
    message
}

/// A program in a process group of its own, which ends with this.
pub(crate) struct Server {
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Server {
    fn drop(&mut self) {
        let leader = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process_group(leader, rustix::process::Signal::KILL);
        self.child.wait().unwrap();
    }
}

/// Starts `git daemon` for the repositories of a world.
pub(crate) fn daemon(world: &World) -> Server {
    start_daemon(world, None)
}

/// Starts a `git daemon` that speaks the first protocol only: it gives no commit that no branch or tag points to.
pub(crate) fn old_daemon(world: &World) -> Server {
    let programs = world.folder.path().join("programs");
    std::fs::create_dir_all(&programs).unwrap();
    let real = git(world.folder.path(), &["--exec-path"]);
    std::os::unix::fs::symlink(Path::new(real.trim()).join("git-daemon"), programs.join("git-daemon")).unwrap();
    // The daemon tells `git upload-pack` in this variable which protocol the client asked for.
    let script = "#!/bin/sh\nunset GIT_PROTOCOL\nexec /usr/bin/git \"$@\"\n";
    std::fs::write(programs.join("git"), script).unwrap();
    std::fs::set_permissions(programs.join("git"), std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    start_daemon(world, Some(&programs))
}

fn start_daemon(world: &World, programs: Option<&Path>) -> Server {
    for _ in 0..10 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let child = Command::new("git")
            .args(["daemon", "--listen=127.0.0.1", "--reuseaddr", "--export-all"])
            .arg(format!("--port={port}"))
            .arg(format!("--base-path={}", world.repositories().display()))
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .envs(programs.map(|folder| ("GIT_EXEC_PATH", folder)))
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut server = Server { child, port };
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(10) {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return server;
            }
            // Somebody else was faster to take the port.
            if server.child.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    panic!("git daemon does not start");
}

/// Starts a server that accepts connections and never says anything.
pub(crate) fn silent_server() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut held = Vec::new();
        while let Ok((connection, _)) = listener.accept() {
            held.push(connection);
        }
    });
    port
}

/// What an HTTP server answers: a status, a header line or none, and a body.
pub(crate) type Answer = (u16, &'static str, Vec<u8>);

/// A small HTTP server with fixed answers.
pub(crate) struct HttpServer {
    pub(crate) port: u16,
    /// The lines asked, such as `HEAD /a`.
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

pub(crate) fn http_server(answers: BTreeMap<String, Answer>) -> HttpServer {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&asked);
    std::thread::spawn(move || {
        while let Ok((connection, _)) = listener.accept() {
            // A client that hangs up is the test's business.
            let _ = answer(connection, &answers, &log);
        }
    });
    HttpServer { port, asked }
}

fn answer(
    mut connection: TcpStream,
    answers: &BTreeMap<String, Answer>,
    log: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    connection.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut lines = BufReader::new(connection.try_clone()?.take(16 * 1024)).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let mut words = first.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    log.lock().unwrap().push(format!("{method} {path}"));
    let (status, header, body) =
        answers.get(path.split('?').next().unwrap_or_default()).cloned().unwrap_or((404, "", Vec::new()));
    write!(connection, "HTTP/1.1 {status} X\r\nConnection: close\r\nContent-Length: {}\r\n{header}\r\n", body.len())?;
    if method != "HEAD" {
        connection.write_all(&body)?;
    }
    Ok(())
}

/// Waits until no process has `marker` among its arguments; a bound keeps a failure from hanging.
pub(crate) async fn all_gone(marker: &str) {
    let started = Instant::now();
    while runs(marker) {
        assert!(started.elapsed() < Duration::from_secs(5), "a process survived");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Tells whether a process has `marker` among its arguments.
pub(crate) fn runs(marker: &str) -> bool {
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(marker)
    })
}
