//! The programs of PostgreSQL, and how they are run.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// Where the programs are, and which user they are run as.
#[derive(Debug)]
pub(crate) struct Programs {
    pub(crate) binaries: PathBuf,
    /// What to put before a command so that it runs as somebody who is not root.
    pub(crate) as_user: Vec<String>,
    /// Who that is; absent when it is who runs the tests.
    pub(crate) user: Option<String>,
}

impl Programs {
    pub(crate) fn find() -> Self {
        let binaries = binaries();
        if !is_root() {
            return Self { binaries, as_user: Vec::new(), user: None };
        }
        let known = |user: &&str| {
            let found = Command::new("getent").args(["passwd", user]).stdout(Stdio::null()).status();
            found.is_ok_and(|status| status.success())
        };
        let user = ["postgres", "nobody"].into_iter().find(known).expect("there is a user nobody");
        let as_user = ["runuser", "-u", user, "--"].map(str::to_owned).to_vec();
        Self { binaries, as_user, user: Some(user.to_owned()) }
    }

    /// Runs a program of PostgreSQL in a folder and returns what it wrote.
    pub(crate) fn run(&self, folder: &Path, name: &str, arguments: &[&OsStr]) -> String {
        let output = self.try_run(folder, name, arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name} fails: {said}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    pub(crate) fn try_run(&self, folder: &Path, name: &str, arguments: &[&OsStr]) -> Output {
        let program = self.binaries.join(name);
        let mut command = match self.as_user.split_first() {
            Some((first, rest)) => {
                let mut command = Command::new(first);
                command.args(rest).arg(program);
                command
            }
            None => Command::new(program),
        };
        // Settings of whoever runs the tests are none of the server's.
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("PG")) {
            command.env_remove(name);
        }
        command.args(arguments).current_dir(folder).stdin(Stdio::null()).env("LC_ALL", "C.UTF-8");
        command.output().unwrap_or_else(|error| panic!("{name} cannot be run: {error}"))
    }
}

fn is_root() -> bool {
    let output = Command::new("id").arg("-u").output().expect("id runs");
    output.stdout.trim_ascii() == b"0"
}

fn binaries() -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let mut versions: Vec<PathBuf> = ["/usr/lib/postgresql", "/usr"]
        .iter()
        .filter_map(|parent| std::fs::read_dir(parent).ok())
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .collect();
    // The newest one first.
    versions.sort();
    versions.reverse();
    folders.extend(versions);
    let found =
        folders.into_iter().find(|folder| ["initdb", "pg_ctl", "psql"].iter().all(|it| folder.join(it).is_file()));
    found.expect("PostgreSQL is installed: scripts/setup.sh test does that")
}
