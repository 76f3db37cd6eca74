//! Starts a program, reads what it writes, and makes sure that all of it ends.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::pin::Pin;
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::pipe::Receiver;
use tokio::process::{Child, Command};
use tokio::signal::unix::SignalKind;

use super::{Limits, ProcessError, Program, SEARCH_PATH, disk, locate};

/// How much of standard error is kept: its end, where programs say what went wrong.
const STDERR_KEPT: usize = 16 * 1024;

/// How much standard error may hold in all; a server's progress messages end up there.
const STDERR_LIMIT: u64 = 8 * 1024 * 1024;

/// How long a killed program may take to end.
const REAP_WITHIN: Duration = Duration::from_secs(10);

/// What a program wrote that ended well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Output {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// The end of its standard error.
    pub stderr: String,
}

/// How a program ended well whose output went to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How many bytes it wrote.
    pub bytes: u64,
    /// How long it took.
    pub took: Duration,
    /// The end of its standard error, or of the log when that has both.
    pub stderr: String,
}

/// Why a program is killed.
enum Stop {
    Output(u64),
    Disk(u64),
    Time,
    Io(io::Error),
}

type Reader = Pin<Box<dyn AsyncRead + Send>>;

pub(super) async fn capture(program: Program) -> Result<Output, ProcessError> {
    let limit = program.limits.output;
    let mut running = Running::start(program, false)?;
    let mut stdout = Sink::memory(limit);
    let stderr = running.finish(&mut stdout).await?;
    Ok(Output { stdout: stdout.kept.into(), stderr })
}

pub(super) async fn to_file(program: Program, file: File, limit: u64, merged: bool) -> Result<Report, ProcessError> {
    let started = Instant::now();
    let mut running = Running::start(program, merged)?;
    let mut stdout =
        Sink { file: Some(tokio::fs::File::from_std(file)), kept_at_most: STDERR_KEPT, ..Sink::memory(limit) };
    let mut stderr = running.finish(&mut stdout).await?;
    if merged {
        stderr = text_of(stdout.kept);
    }
    Ok(Report { bytes: stdout.total, took: started.elapsed(), stderr })
}

/// A program that runs, and everything it started.
struct Running {
    name: &'static str,
    limits: Limits,
    watched: Option<(std::path::PathBuf, u64)>,
    merged: bool,
    readers: Option<(Reader, Option<Reader>)>,
    group: Group,
}

impl Running {
    fn start(program: Program, merged: bool) -> Result<Self, ProcessError> {
        program.refuse_bad_arguments()?;
        let name = program.name;
        let start = |source| ProcessError::Start { program: name, source };
        let path = locate(name).ok_or(ProcessError::NotInstalled { program: name, package: program.package })?;
        let prlimit =
            locate("prlimit").ok_or(ProcessError::NotInstalled { program: "prlimit", package: "util-linux" })?;

        let mut command = Command::new(prlimit);
        command.args(limit_arguments(&program.limits)).arg(path).args(&program.arguments);
        command.env_clear().env("PATH", SEARCH_PATH).env("HOME", "/nonexistent").env("TZ", "UTC");
        command.env("LANG", "C.UTF-8").env("LC_ALL", "C.UTF-8").envs(program.environment);
        command.current_dir(program.directory).process_group(0).kill_on_drop(true);
        command.stdin(program.stdin.map_or_else(Stdio::null, Stdio::from));

        let (stdout, writer) = pipe().map_err(start)?;
        let stderr = if merged {
            command.stderr(writer.try_clone().map_err(start)?);
            None
        } else {
            let (stderr, writer) = pipe().map_err(start)?;
            command.stderr(writer);
            Some(stderr)
        };
        command.stdout(writer);
        let group = Group::of(command.spawn().map_err(start)?).map_err(start)?;
        Ok(Self {
            name,
            limits: program.limits,
            watched: program.watched,
            merged,
            readers: Some((stdout, stderr)),
            group,
        })
    }

    /// Reads until the program has ended, or kills it; returns the end of its standard error.
    async fn finish(&mut self, stdout: &mut Sink) -> Result<String, ProcessError> {
        let mut stderr = Sink { kept_at_most: STDERR_KEPT, ..Sink::memory(STDERR_LIMIT) };
        let (out, err) = self.readers.take().map_or((None, None), |(out, err)| (Some(out), err));
        let watched = self.watched.clone();
        let (group, time) = (&self.group, self.limits.time);
        let work = async {
            let ended = async {
                group.ended().await.map_err(Stop::Io)?;
                // What it left running would keep the pipes open.
                group.kill();
                Ok(())
            };
            tokio::try_join!(ended, stdout.read(out), stderr.read(err)).map(|_| ())
        };
        let grown = async {
            match watched {
                Some((folder, limit)) => {
                    disk::grows_beyond(&folder, limit).await;
                    limit
                }
                None => std::future::pending().await,
            }
        };
        let outcome = tokio::select! {
            outcome = work => outcome,
            limit = grown => Err(Stop::Disk(limit)),
            () = tokio::time::sleep(time) => Err(Stop::Time),
        };
        self.group.kill();
        let status = self.group.reap().await;
        // What it wrote since the last look counts too, also when it died of the kernel's limit on the size of files.
        let grown = self.watched.as_ref().filter(|(folder, limit)| disk::size_of(folder, *limit) > *limit);
        let outcome = match grown {
            Some((_, limit)) => outcome.and(Err(Stop::Disk(*limit))),
            None => outcome,
        };
        let (stdout_end, stderr) = (&stdout.kept, text_of(stderr.kept));
        let program = self.name;
        match outcome {
            Err(Stop::Output(limit)) => Err(ProcessError::TooMuchOutput { program, limit }),
            Err(Stop::Disk(limit)) => Err(ProcessError::TooMuchDisk { program, limit }),
            Err(Stop::Time) => Err(ProcessError::TimedOut { program, after: time }),
            Err(Stop::Io(source)) => Err(ProcessError::Io { program, source }),
            Ok(()) => {
                let status = status.map_err(|source| ProcessError::Io { program, source })?;
                let last_lines = if self.merged { text_of(stdout_end.clone()) } else { stderr };
                self.judge(status, last_lines)
            }
        }
    }

    fn judge(&self, status: ExitStatus, stderr: String) -> Result<String, ProcessError> {
        let program = self.name;
        let ended_by = |signal: Signal| status.signal() == Some(signal.as_raw());
        match (self.limits.file_size, self.limits.cpu) {
            _ if status.success() => Ok(stderr),
            (Some(limit), _) if ended_by(Signal::XFSZ) => Err(ProcessError::TooMuchDisk { program, limit }),
            (_, Some(after)) if ended_by(Signal::XCPU) => Err(ProcessError::TooMuchWork { program, after }),
            _ => Err(ProcessError::Failed { program, code: status.code(), signal: status.signal(), stderr }),
        }
    }
}

/// Says the limits that the kernel holds in the words of `prlimit`.
fn limit_arguments(limits: &Limits) -> Vec<String> {
    // First the signal that says why, a second later the one that cannot be caught.
    let cpu = limits.cpu.map(|time| time.as_secs().max(1)).map(|most| format!("{most}:{}", most.saturating_add(1)));
    let number = |limit: u64| limit.to_string();
    let named = [
        ("--cpu=", cpu),
        ("--as=", limits.memory.map(number)),
        ("--fsize=", limits.file_size.map(number)),
        ("--nproc=", limits.processes.map(number)),
        ("--nofile=", limits.open_files.map(number)),
    ];
    let set = named.into_iter().filter_map(|(name, limit)| limit.map(|limit| format!("{name}{limit}")));
    std::iter::once("--core=0".to_owned()).chain(set).collect()
}

fn pipe() -> io::Result<(Reader, OwnedFd)> {
    let (reader, writer) = io::pipe()?;
    Ok((Box::pin(Receiver::from_owned_fd(OwnedFd::from(reader))?), OwnedFd::from(writer)))
}

fn text_of(bytes: VecDeque<u8>) -> String {
    String::from_utf8_lossy(&Vec::from(bytes)).into_owned()
}

/// Takes what a program writes.
struct Sink {
    kept: VecDeque<u8>,
    kept_at_most: usize,
    total: u64,
    limit: u64,
    file: Option<tokio::fs::File>,
}

impl Sink {
    fn memory(limit: u64) -> Self {
        Self { kept: VecDeque::new(), kept_at_most: usize::MAX, total: 0, limit, file: None }
    }

    async fn read(&mut self, reader: Option<Reader>) -> Result<(), Stop> {
        let Some(mut reader) = reader else { return Ok(()) };
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let count = reader.read(&mut buffer).await.map_err(Stop::Io)?;
            let (bytes, _) = buffer.split_at(count);
            let room = usize::try_from(self.limit.saturating_sub(self.total)).unwrap_or(usize::MAX);
            let (good, over) = bytes.split_at(room.min(count));
            self.total = self.total.saturating_add(u64::try_from(good.len()).unwrap_or(u64::MAX));
            self.keep(good);
            if let Some(file) = &mut self.file {
                file.write_all(good).await.map_err(Stop::Io)?;
                // Who follows the log sees it grow.
                file.flush().await.map_err(Stop::Io)?;
            }
            if !over.is_empty() {
                return Err(Stop::Output(self.limit));
            }
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.kept.extend(bytes);
        let surplus = self.kept.len().saturating_sub(self.kept_at_most);
        self.kept.drain(..surplus);
    }
}

/// A program's process group. Dropped, it is killed.
struct Group {
    child: Child,
    /// The leader's number until it is reaped. Until then the kernel gives the number to nobody else, so that a signal
    /// to the group cannot hit strangers.
    leader: Option<Pid>,
}

impl Group {
    fn of(child: Child) -> io::Result<Self> {
        let leader = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        let leader = leader.ok_or_else(|| io::Error::other("the process has no number"))?;
        Ok(Self { child, leader: Some(leader) })
    }

    /// Waits until the leader has ended, and leaves it to be reaped.
    async fn ended(&self) -> io::Result<()> {
        let Some(leader) = self.leader else { return Ok(()) };
        // Listening starts before the first look, so that no end is missed in between.
        let mut children = tokio::signal::unix::signal(SignalKind::child())?;
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        while rustix::process::waitid(WaitId::Pid(leader), look)?.is_none() {
            children.recv().await;
        }
        Ok(())
    }

    fn kill(&self) {
        if let Some(leader) = self.leader {
            // It fails when all of them have ended already.
            let _ = rustix::process::kill_process_group(leader, Signal::KILL);
        }
    }

    async fn reap(&mut self) -> io::Result<ExitStatus> {
        let status = tokio::time::timeout(REAP_WITHIN, self.child.wait()).await;
        if matches!(status, Ok(Ok(_))) {
            self.leader = None;
        }
        status.map_err(|_| io::Error::other("a killed process has not ended"))?
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}
