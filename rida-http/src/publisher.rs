//! A publisher for those who have no message bus: one JSON line for each change, in a file or on standard output.

mod logged;

use std::fs::OpenOptions;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rida_core::{Announcement, BuildId, BuildState, Change, PortError, Publisher, Receipt, TaskId};
use serde::Serialize;
use tokio::sync::Mutex;

pub(crate) use self::logged::Logged;

/// Where the lines go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lines {
    /// To a file, which is opened for each line, so that it can be rotated away at any time.
    File(PathBuf),
    /// To standard output.
    Stdout,
}

/// Publishes announcements as JSON lines.
#[derive(Debug)]
pub struct JsonLines {
    lines: Arc<Lines>,
    /// Held while a line is written, so that lines are whole.
    turn: Mutex<()>,
}

/// A line.
#[derive(Serialize)]
struct Line<'a> {
    id: String,
    at: String,
    topic: &'static str,
    build: BuildId,
    module: Module<'a>,
    #[serde(flatten)]
    change: Changed<'a>,
}

#[derive(Serialize)]
struct Module<'a> {
    name: &'a str,
    stream: &'a str,
    /// As text: it has more digits than some readers of JSON keep.
    version: String,
    context: &'a str,
    owner: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    scmurl: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Changed<'a> {
    Module {
        state: BuildState,
        #[serde(skip_serializing_if = "Option::is_none")]
        old_state: Option<BuildState>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    Component {
        component: &'a str,
        state: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        task: Option<TaskId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        nvr: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
}

impl JsonLines {
    /// Makes a publisher of where its lines go.
    pub fn new(lines: Lines) -> Self {
        Self { lines: Arc::new(lines), turn: Mutex::new(()) }
    }
}

#[async_trait]
impl Publisher for JsonLines {
    async fn publish(&self, announcement: &Announcement) -> Result<Receipt, PortError> {
        let mut line = serde_json::to_vec(&Line::from(announcement))
            .map_err(|error| PortError::permanent("the announcement cannot be written as JSON").because(error))?;
        line.push(b'\n');
        let lines = Arc::clone(&self.lines);
        let _turn = self.turn.lock().await;
        let written = tokio::task::spawn_blocking(move || match &*lines {
            Lines::File(path) => append(path, &line),
            Lines::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(&line).and_then(|()| out.flush())
            }
        });
        let failed = |error| PortError::unavailable("the file of announcements cannot be written").because(error);
        written.await.map_err(io::Error::other).flatten().map_err(failed)?;
        // It is in the file, and on its disk.
        Ok(Receipt::Confirmed)
    }
}

/// Appends a line to a file, on a line of its own even when an earlier one was cut off by a full disk.
fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().create(true).append(true).read(true).open(path)?;
    let mut last = [b'\n'];
    if file.seek(SeekFrom::End(0))? > 0 {
        file.seek(SeekFrom::End(-1))?;
        file.read_exact(&mut last)?;
    }
    if last != [b'\n'] {
        file.write_all(b"\n")?;
    }
    file.write_all(line)?;
    // Before the cursor moves on, which is on the disk at once.
    file.sync_data()
}

impl<'a> From<&'a Announcement> for Line<'a> {
    fn from(announcement: &'a Announcement) -> Self {
        let nsvc = &announcement.nsvc;
        let (topic, change) = match &announcement.change {
            Change::Module { from, to, reason, .. } => {
                ("module.state.change", Changed::Module { state: *to, old_state: *from, reason: reason.as_deref() })
            }
            Change::Component { component, state, task, nvr, reason, .. } => (
                "component.state.change",
                Changed::Component {
                    component: component.as_str(),
                    state,
                    task: *task,
                    nvr: nvr.as_ref().map(ToString::to_string),
                    reason: reason.as_deref(),
                },
            ),
        };
        Self {
            id: announcement.id.to_string(),
            at: announcement.at.to_string(),
            topic,
            build: announcement.id.build,
            module: Module {
                name: nsvc.name.as_str(),
                stream: nsvc.stream.as_str(),
                version: nsvc.version.to_string(),
                context: nsvc.context.as_str(),
                owner: announcement.owner.as_str(),
                scmurl: announcement.scm_url.as_ref().map(|url| url.as_str()),
            },
            change,
        }
    }
}

#[cfg(test)]
mod tests;
