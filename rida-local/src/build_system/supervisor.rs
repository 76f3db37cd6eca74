//! Runs that go on without this service: each under a script of its own that notes how it ended.
//!
//! The script holds a lock on a file for as long as it lives, which it got from whoever started it. So there is never a
//! doubt whether a run is going on: the lock is held, or it is not.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use crate::config::BuildLimits;

/// The script, which [`Supervisor::install`] writes.
const SCRIPT: &str = include_str!("supervise.sh");

/// How often a run is looked at that another service has started.
const LOOK: Duration = Duration::from_millis(200);

/// How long a run may take to end when it is asked to: longer than mock gets to unmount what it mounted.
const END_WITHIN: Duration = Duration::from_secs(30);

/// Starts and finds runs.
#[derive(Clone, Debug)]
pub(crate) struct Supervisor {
    script: PathBuf,
}

/// What a run may use, and what is watched of it.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) words: Vec<OsString>,
    pub(crate) environment: Vec<(&'static str, OsString)>,
    pub(crate) limits: BuildLimits,
    /// What is left of the time of the component.
    pub(crate) time: Duration,
    pub(crate) spare_disk: u64,
    pub(crate) log: PathBuf,
    pub(crate) watched: PathBuf,
    /// How long it gets to clean up when it is ended early.
    pub(crate) grace: Duration,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    pub(crate) end: End,
    pub(crate) took: Duration,
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// By itself, with this code.
    Code(u8),
    TimeLimit,
    DiskLimit,
    /// The machine's disk was nearly full.
    DiskFull,
    LogLimit,
    Canceled,
}

/// The folder in which a run leaves its traces.
#[derive(Clone, Debug)]
pub(crate) struct Traces(PathBuf);

/// What is known of a run.
pub(crate) enum State {
    /// It was never started.
    New,
    Running,
    Ended(Exit),
    /// It was started, and it is gone without a trace of how: the machine went down.
    Lost,
}

impl Supervisor {
    /// Writes the script. One that runs is not disturbed: it has the old file.
    pub(crate) fn install(folder: &Path) -> io::Result<Self> {
        let script = folder.join("supervise.sh");
        crate::layout::write_whole(&script, SCRIPT.as_bytes())?;
        Ok(Self { script })
    }

    /// Starts a run. The child is the script; the run goes on when it is dropped.
    pub(crate) fn start(&self, traces: &Traces, order: &Order) -> io::Result<Child> {
        fs::create_dir_all(&traces.0)?;
        let lock = traces.open_lock()?;
        flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        fs::write(traces.0.join("started"), "")?;
        let kib = |bytes: u64| (bytes / 1024).to_string();
        let missing = || io::Error::new(io::ErrorKind::NotFound, "setsid is not installed");
        let mut command = Command::new(crate::process::locate("setsid").ok_or_else(missing)?);
        command.arg("/bin/sh").arg(&self.script).arg(&traces.0).arg(order.time.as_secs().max(1).to_string());
        command.arg(kib(order.limits.disk)).arg(kib(order.spare_disk)).arg(order.limits.log.to_string());
        command.arg(&order.log).arg(&order.watched).arg(order.grace.as_secs().to_string()).args(&order.words);
        command.env_clear().env("PATH", crate::process::SEARCH_PATH);
        command.envs(order.environment.iter().map(|(name, value)| (name, value)));
        command.current_dir("/").stdin(Stdio::from(lock)).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn()
    }
}

impl Traces {
    pub(crate) fn new(folder: PathBuf) -> Self {
        Self(folder)
    }

    /// Finds out how far the run is.
    pub(crate) fn state(&self) -> io::Result<State> {
        if !self.0.join("started").exists() {
            return Ok(State::New);
        }
        // First the lock: a run that ends in between has left its trace by then.
        let running = self.is_running()?;
        Ok(match self.exit()? {
            Some(exit) => State::Ended(exit),
            None if running => State::Running,
            None => State::Lost,
        })
    }

    /// Forgets a run that is over, so that it can be started again.
    pub(crate) fn clear(&self) -> io::Result<()> {
        for name in ["started", "exit", "pid", "why", "out"] {
            match fs::remove_file(self.0.join(name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }

    /// Ends what is left of a run whose script is gone without having ended it: somebody killed the script.
    ///
    /// The script's watcher does so, too, within a second; until then the command must not meet the one that is started
    /// in its place.
    pub(crate) fn end_leftovers(&self) {
        let text = fs::read_to_string(self.0.join("pid")).unwrap_or_default();
        let mut numbers = text.split_whitespace().skip(2).map(str::parse::<u64>);
        // After the machine went down the number is another's, which started at another time.
        if let (Some(Ok(command)), Some(Ok(ticks))) = (numbers.next(), numbers.next())
            && started(command) == Some(ticks)
            && let Some(command) = pid(command)
        {
            kill_process_group(command, Signal::KILL).ok();
        }
    }

    /// Waits until the script is gone. `child` is the script when this service started it.
    pub(crate) async fn gone(&self, child: Option<&mut Child>) -> io::Result<()> {
        if let Some(child) = child {
            child.wait().await?;
        }
        while self.is_running()? {
            sleep(LOOK).await;
        }
        Ok(())
    }

    /// Ends the run. Afterwards nothing of it runs.
    pub(crate) async fn end(&self, mut child: Option<&mut Child>) -> io::Result<()> {
        let begun = Instant::now();
        let mut asked = false;
        while self.is_running()? && begun.elapsed() < END_WITHIN {
            if !asked && let Some((script, _)) = self.processes()? {
                kill_process(script, Signal::USR1).ok();
                asked = true;
            }
            sleep(Duration::from_millis(20)).await;
        }
        if self.is_running()? {
            if let Some((script, command)) = self.processes()? {
                command.and_then(|command| kill_process_group(command, Signal::KILL).ok());
                kill_process_group(script, Signal::KILL).ok();
            }
            if let Some(child) = child.as_deref_mut() {
                child.start_kill().ok();
            }
        }
        self.gone(child).await
    }

    fn open_lock(&self) -> io::Result<File> {
        OpenOptions::new().create(true).append(true).open(self.0.join("lock"))
    }

    fn is_running(&self) -> io::Result<bool> {
        let lock = self.open_lock()?;
        match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    fn exit(&self) -> io::Result<Option<Exit>> {
        let text = match fs::read_to_string(self.0.join("exit")) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        Ok(parse_exit(&text))
    }

    /// Returns the script, and the group of its command; nothing when the script's number is another process' by now.
    fn processes(&self) -> io::Result<Option<(Pid, Option<Pid>)>> {
        let text = fs::read_to_string(self.0.join("pid")).unwrap_or_default();
        let mut numbers = text.split_whitespace();
        let mut next = || numbers.next().and_then(|number| number.parse::<u64>().ok());
        let (Some(script), Some(ticks), Some(command)) = (next(), next(), next()) else { return Ok(None) };
        if started(script) != Some(ticks) {
            return Ok(None);
        }
        Ok(pid(script).map(|script| (script, pid(command))))
    }
}

fn pid(number: u64) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// Returns when a process started, in the kernel's ticks.
fn started(process: u64) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split_whitespace().nth(19)?.parse().ok()
}

pub(crate) fn parse_exit(text: &str) -> Option<Exit> {
    let mut words = text.split_whitespace();
    let (word, code, seconds) = (words.next()?, words.next()?, words.next()?);
    let end = match word {
        "ended" => End::Code(code.parse().unwrap_or(u8::MAX)),
        "time" => End::TimeLimit,
        "disk" => End::DiskLimit,
        "spare" => End::DiskFull,
        "log" => End::LogLimit,
        "canceled" => End::Canceled,
        _ => return None,
    };
    Some(Exit { end, took: Duration::from_secs(seconds.parse().unwrap_or(0)) })
}

#[cfg(test)]
mod tests;
