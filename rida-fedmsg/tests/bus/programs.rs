//! Programs that tests start, speak to, and end.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::Value;

/// How long a program may take to say what is waited for, on a machine that is busy with other tests.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);

/// A program whose output is read line by line. It ends with this.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Program {
    /// Starts a program.
    pub(crate) fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (line, lines) = channel();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        let outputs: [Box<dyn std::io::Read + Send>; 2] = [Box::new(out), Box::new(err)];
        for output in outputs {
            let line = line.clone();
            std::thread::spawn(move || {
                for text in BufReader::new(output).lines().map_while(Result::ok) {
                    if line.send(text).is_err() {
                        return;
                    }
                }
            });
        }
        let input = child.stdin.take();
        Self { child, input, lines, seen: Vec::new() }
    }

    /// Starts a script of `tests/python` in the environment that has its packages.
    pub(crate) fn python(environment: &str, script: &str, arguments: &[&str]) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rida-fedmsg/tests/python").join(script);
        let mut command = Command::new(python(environment, "python"));
        command.arg("-B").arg(script).args(arguments).env("PYTHONUNBUFFERED", "1");
        Self::start(&mut command)
    }

    /// Returns the next line that matches, and keeps the ones before it for the message of a failure.
    pub(crate) fn line(&mut self, matches: impl Fn(&str) -> bool) -> String {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) if matches(&line) => return line,
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("the program did not say what was waited for: {error}\n{}", self.seen.join("\n")),
            }
        }
    }

    /// Returns the next event of a name.
    pub(crate) fn event(&mut self, name: &str) -> Value {
        let named = |line: &str| serde_json::from_str::<Value>(line).is_ok_and(|value| value["event"] == name);
        serde_json::from_str(&self.line(named)).unwrap()
    }

    /// Returns an event of a name that comes within a time.
    pub(crate) fn event_within(&mut self, name: &str, time: Duration) -> Option<Value> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left).ok()?;
            match serde_json::from_str::<Value>(&line) {
                Ok(value) if value["event"] == name => return Some(value),
                Ok(_) | Err(_) => self.seen.push(line),
            }
        }
    }

    /// Gives the program a line of JSON.
    pub(crate) fn say(&mut self, line: &Value) {
        self.say_line(&line.to_string());
    }

    /// Gives the program a line.
    pub(crate) fn say_line(&mut self, line: &str) {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Returns what was said so far and not waited for.
    pub(crate) fn said(&mut self) -> String {
        while let Ok(line) = self.lines.try_recv() {
            self.seen.push(line);
        }
        self.seen.join("\n")
    }

    /// Ends the program at once, as a crash would.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Returns a program of an environment that `scripts/setup.sh test` makes.
pub(crate) fn python(environment: &str, program: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/python");
    let path = target.join(environment).join("bin").join(program);
    assert!(path.exists(), "{} is not there: run scripts/setup.sh test", path.display());
    path
}
