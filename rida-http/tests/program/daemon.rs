//! A server of git for tests.

use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::Signal;

/// A `git daemon`, ended with all that it started: Koji reads nothing from this machine's folders.
pub(crate) struct Daemon(Child);

impl Daemon {
    /// Serves the repositories of a folder, and returns the address with it.
    pub(crate) fn start(folder: &Path) -> (Self, String) {
        for _ in 0..10 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let mut git = Command::new("git");
            git.args(["daemon", "--listen=127.0.0.1", "--reuseaddr", "--export-all"]).arg(format!("--port={port}"));
            git.arg(format!("--base-path={}", folder.display())).stderr(Stdio::null()).process_group(0);
            let mut daemon = Self(git.env("GIT_CONFIG_GLOBAL", "/dev/null").spawn().unwrap());
            let end = Instant::now() + Duration::from_secs(60);
            // It ends when somebody else was faster to take the port.
            while Instant::now() < end && daemon.0.try_wait().unwrap().is_none() {
                if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                    return (daemon, format!("git://127.0.0.1:{port}"));
                }
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("git daemon does not start");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = rustix::process::kill_process_group(rustix::process::Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}
