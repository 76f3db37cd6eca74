//! One runner for every program: fixed arguments, cleared environment, limits, and the end of the whole process group.
//!
//! Arguments that come from outside can be given in three ways only, none of which a program can take for an option:
//! behind a fixed prefix ([`Program::setting`]), as a text that does not start with a dash ([`Program::value`],
//! [`Program::path`]), or after a terminator ([`Program::operands`]).
//!
//! The program leads a process group of its own, and the group is killed when the program has ended, a limit is passed,
//! or the future is dropped. A process that makes itself a new session leaves the group; git, curl and createrepo_c do
//! not, and what runs a stranger's code (builds) needs a PID namespace around it.

mod disk;
mod error;
mod run;
#[cfg(test)]
mod tests;

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use self::disk::size_of as folder_size;
pub use self::error::ProcessError;
pub use self::run::{Output, Report};

/// Where programs are looked for, and the `PATH` that they get.
pub(crate) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program to run, with its arguments, environment and limits.
#[derive(Debug)]
#[must_use]
pub struct Program {
    name: &'static str,
    package: &'static str,
    arguments: Vec<OsString>,
    environment: Vec<(&'static str, OsString)>,
    directory: PathBuf,
    stdin: Option<File>,
    watched: Option<(PathBuf, u64)>,
    limits: Limits,
    refused: Option<&'static str>,
}

/// What a program may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How long it may run.
    pub time: Duration,
    /// How many bytes may come out of it when its output is captured.
    pub output: u64,
    /// The processor time of each of its processes, in whole seconds.
    pub cpu: Option<Duration>,
    /// The bytes of address space of each of its processes.
    pub memory: Option<u64>,
    /// The bytes of each file that it writes.
    pub file_size: Option<u64>,
    /// The number of processes of this user, those of other programs included.
    pub processes: Option<u64>,
    /// The number of files that each of its processes has open.
    pub open_files: Option<u64>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            time: Duration::from_secs(60),
            output: 1024 * 1024,
            cpu: None,
            memory: None,
            file_size: None,
            processes: None,
            open_files: None,
        }
    }
}

/// What tells a program that no options follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Terminator {
    /// `--`
    DoubleDash,
    /// `--end-of-options`, which git takes where `--` means something else.
    EndOfOptions,
}

impl Program {
    /// Names a program, and the package that an administrator installs to get it.
    pub fn new(name: &'static str, package: &'static str) -> Self {
        Self {
            name,
            package,
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            stdin: None,
            watched: None,
            limits: Limits::default(),
            refused: None,
        }
    }

    /// Adds a fixed argument.
    pub fn arg(mut self, argument: &'static str) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds fixed arguments.
    pub fn args(mut self, arguments: &[&'static str]) -> Self {
        self.arguments.extend(arguments.iter().map(OsString::from));
        self
    }

    /// Adds one argument: a fixed prefix such as `--depth=`, and a value.
    pub fn setting(mut self, prefix: &'static str, value: impl AsRef<OsStr>) -> Self {
        if prefix.is_empty() {
            self.refused = Some("a setting without a name");
        }
        let mut argument = OsString::from(prefix);
        argument.push(value);
        self.push(argument)
    }

    /// Adds an argument that must not be empty nor start with a dash; otherwise nothing is run.
    pub fn value(mut self, value: impl AsRef<OsStr>) -> Self {
        let value = value.as_ref();
        if value.is_empty() || value.as_bytes().starts_with(b"-") {
            self.refused = Some("a value that is empty or looks like an option");
        }
        self.push(value.to_owned())
    }

    /// Adds an absolute path; with another one nothing is run.
    pub fn path(mut self, path: &Path) -> Self {
        if !path.is_absolute() {
            self.refused = Some("a path that is not absolute");
        }
        self.push(path.as_os_str().to_owned())
    }

    /// Adds a terminator, and behind it any arguments.
    pub fn operands<I>(mut self, terminator: Terminator, operands: I) -> Self
    where
        I: IntoIterator,
        I::Item: AsRef<OsStr>,
    {
        self.arguments.push(match terminator {
            Terminator::DoubleDash => "--".into(),
            Terminator::EndOfOptions => "--end-of-options".into(),
        });
        operands.into_iter().fold(self, |program, operand| program.push(operand.as_ref().to_owned()))
    }

    fn push(mut self, argument: OsString) -> Self {
        if argument.as_bytes().contains(&0) {
            self.refused = Some("an argument with a zero byte");
        }
        self.arguments.push(argument);
        self
    }

    /// Sets a variable of the environment, which otherwise holds `PATH`, `HOME`, the locale and the time zone only.
    pub fn env(mut self, name: &'static str, value: impl AsRef<OsStr>) -> Self {
        self.environment.push((name, value.as_ref().to_owned()));
        self
    }

    /// Sets the folder that it runs in, instead of `/`.
    pub fn directory(mut self, directory: &Path) -> Self {
        directory.clone_into(&mut self.directory);
        self
    }

    /// Gives it a file to read from, instead of nothing.
    pub fn stdin(mut self, file: File) -> Self {
        self.stdin = Some(file);
        self
    }

    /// Sets what it may use.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Sets how long it may run.
    pub fn time_limit(mut self, time: Duration) -> Self {
        self.limits.time = time;
        self
    }

    /// Sets how many bytes may come out of it when its output is captured.
    pub fn output_limit(mut self, bytes: u64) -> Self {
        self.limits.output = bytes;
        self
    }

    /// Kills it when the files in a folder grow beyond a number of bytes in all.
    pub fn watch(mut self, folder: &Path, bytes: u64) -> Self {
        self.watched = Some((folder.to_owned(), bytes));
        self
    }

    /// Runs it and returns what it wrote.
    ///
    /// # Errors
    /// When it cannot be started, passes a limit, or ends with another code than 0. Whatever the outcome, nothing of its
    /// process group runs afterwards, also when the future is dropped.
    pub async fn run(self) -> Result<Output, ProcessError> {
        run::capture(self).await
    }

    /// Runs it and writes its standard output to a file, up to `limit` bytes.
    ///
    /// # Errors
    /// As for [`run`](Self::run); the file then holds what came before.
    pub async fn run_to_file(self, file: File, limit: u64) -> Result<Report, ProcessError> {
        run::to_file(self, file, limit, false).await
    }

    /// Runs it and writes both standard output and standard error to a file in the order written, up to `limit` bytes.
    ///
    /// # Errors
    /// As for [`run`](Self::run); the file then holds what came before.
    pub async fn run_to_log(self, file: File, limit: u64) -> Result<Report, ProcessError> {
        run::to_file(self, file, limit, true).await
    }

    fn refuse_bad_arguments(&self) -> Result<(), ProcessError> {
        match self.refused {
            None => Ok(()),
            Some(reason) => Err(ProcessError::Refused { program: self.name, reason }),
        }
    }
}

/// Tells whether a program is installed.
pub fn is_installed(program: &str) -> bool {
    locate(program).is_some()
}

/// Finds a program where administrators install them; the service's own `PATH` does not count.
pub(crate) fn locate(program: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    SEARCH_PATH.split(':').map(|folder| Path::new(folder).join(program)).find(is_program)
}
