//! What comes in: messages of the build system, as hints.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hashlink::LinkedHashSet;
use rida_core::{BuildSystemHint, Nvr, PortError, TaskId};
use tokio::time::Instant;

use crate::fedmsg::verify::Refusal;
use crate::ids::without_year;
use crate::json::Json;

/// What a listener passes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// There is news, of which the build system is to be asked.
    Hint {
        /// The topic, as far as it is known here: `buildsys.tag`.
        topic: &'static str,
        /// What it is about.
        hint: BuildSystemHint,
    },
    /// Messages may have been missed: the listener was not connected until now.
    Gap,
}

/// Takes what listeners pass on.
#[async_trait]
pub trait Receiver: Send + Sync {
    /// Takes a message. Once this returns, the message may be forgotten: what follows from it is done or recorded.
    ///
    /// # Errors
    /// When it is to be brought again later.
    async fn receive(&self, incoming: Incoming) -> Result<(), PortError>;
}

/// Counts what came in. Clones count into the same.
#[derive(Clone, Debug, Default)]
pub struct Received(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    hints: AtomicU64,
    repeated: AtomicU64,
    unknown: AtomicU64,
    postponed: AtomicU64,
    gaps: AtomicU64,
    malformed: AtomicU64,
    unsigned: AtomicU64,
    signature: AtomicU64,
    certificate: AtomicU64,
    policy: AtomicU64,
    foreign: AtomicU64,
}

impl Received {
    /// Returns each count with its name.
    pub fn counts(&self) -> [(&'static str, u64); 11] {
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let counts = &*self.0;
        [
            ("taken", of(&counts.hints)),
            ("repeated", of(&counts.repeated)),
            ("of_no_interest", of(&counts.unknown)),
            ("postponed", of(&counts.postponed)),
            ("reconnected", of(&counts.gaps)),
            ("malformed", of(&counts.malformed)),
            ("unsigned", of(&counts.unsigned)),
            ("bad_signature", of(&counts.signature)),
            ("bad_certificate", of(&counts.certificate)),
            ("not_permitted", of(&counts.policy)),
            ("foreign", of(&counts.foreign)),
        ]
    }

    /// Returns how often something of that name came in.
    pub fn count(&self, name: &str) -> u64 {
        self.counts().iter().find(|(known, _)| *known == name).map_or(0, |(_, count)| *count)
    }

    fn refuse(&self, refusal: Refusal) {
        let counts = &*self.0;
        let count = match refusal {
            Refusal::Malformed => &counts.malformed,
            Refusal::Unsigned => &counts.unsigned,
            Refusal::Signature => &counts.signature,
            Refusal::Certificate => &counts.certificate,
            Refusal::Policy => &counts.policy,
            Refusal::Foreign => &counts.foreign,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }
}

/// How many ids are remembered, so that a message that comes over two ways is followed once.
const REMEMBERED: usize = 10_000;

/// The way from a listener to the receiver. Clones share what was seen: give one to each listener.
#[derive(Clone)]
pub struct Inbox {
    receiver: Arc<dyn Receiver>,
    received: Received,
    seen: Arc<Mutex<LinkedHashSet<String>>>,
    /// Why messages cannot be followed now, as it was last told.
    away: Arc<Mutex<Option<String>>>,
    instance: String,
    gaps: Arc<Mutex<Gaps>>,
    gaps_apart: Duration,
}

/// How often it is passed on that messages may have been missed, which has every build that runs looked at.
const GAPS_APART: Duration = Duration::from_secs(30);

/// When that was passed on.
#[derive(Debug, Default)]
struct Gaps {
    last: Option<Instant>,
    /// It will be once more, for all that are missed until then.
    is_due: bool,
}

/// What becomes of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is done with.
    Done,
    /// It is no message of the build system, and never will be one.
    Dropped,
    /// It is to be brought again.
    Again,
}

impl Inbox {
    /// Makes the way to a receiver, for messages of one instance of the build system, `primary` by custom.
    pub fn new(receiver: Arc<dyn Receiver>, instance: &str) -> Self {
        Self {
            receiver,
            received: Received::default(),
            seen: Arc::default(),
            away: Arc::default(),
            instance: instance.to_owned(),
            gaps: Arc::default(),
            gaps_apart: GAPS_APART,
        }
    }

    /// Returns what is counted.
    pub fn received(&self) -> &Received {
        &self.received
    }

    /// Counts a message that is not believed.
    pub(crate) fn refuse(&self, refusal: Refusal) {
        self.received.refuse(refusal);
        tracing::debug!(?refusal, "a message is dropped");
    }

    /// Tells that messages may have been missed: at once, or, soon after another time, once for all that are missed
    /// meanwhile. A place that takes connections and ends them must not have every build looked at each time.
    pub(crate) async fn gap(&self) {
        self.received.0.gaps.fetch_add(1, Ordering::Relaxed);
        let left = {
            let (now, mut gaps) = (Instant::now(), self.gaps());
            if gaps.is_due {
                return;
            }
            let left = gaps.last.map_or(Duration::ZERO, |last| (last + self.gaps_apart).saturating_duration_since(now));
            gaps.is_due = !left.is_zero();
            gaps.last = if left.is_zero() { Some(now) } else { gaps.last };
            left
        };
        if left.is_zero() {
            self.pass_gap_on().await;
            return;
        }
        // The messages that come meanwhile are taken.
        let inbox = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(left).await;
            *inbox.gaps() = Gaps { last: Some(Instant::now()), is_due: false };
            inbox.pass_gap_on().await;
        });
    }

    async fn pass_gap_on(&self) {
        if let Err(error) = self.receiver.receive(Incoming::Gap).await {
            // The look in its turn finds what was missed.
            tracing::warn!(%error, "after a connection to the bus builds could not be looked at");
        }
    }

    /// Takes a message that is as good as its way: signed, or from a broker that knows who may write.
    pub async fn take(&self, id: &str, topic: &str, body: &Json) -> Verdict {
        let counts = &*self.received.0;
        let hint = match read(topic, body, &self.instance) {
            Ok(Some(hint)) => hint,
            Ok(None) => {
                counts.unknown.fetch_add(1, Ordering::Relaxed);
                return Verdict::Done;
            }
            Err(refusal) => {
                self.refuse(refusal);
                return Verdict::Dropped;
            }
        };
        let id = without_year(id).to_owned();
        if self.seen().contains(&id) {
            counts.repeated.fetch_add(1, Ordering::Relaxed);
            return Verdict::Done;
        }
        if let Err(error) = self.receiver.receive(hint).await {
            counts.postponed.fetch_add(1, Ordering::Relaxed);
            self.is_away(&error);
            return Verdict::Again;
        }
        self.is_back();
        counts.hints.fetch_add(1, Ordering::Relaxed);
        // Only now: one that was not followed is none that was seen.
        let mut seen = self.seen();
        seen.insert(id);
        while seen.len() > REMEMBERED {
            seen.pop_front();
        }
        Verdict::Done
    }

    fn gaps(&self) -> std::sync::MutexGuard<'_, Gaps> {
        self.gaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells why messages cannot be followed, once and not for each of them.
    fn is_away(&self, error: &PortError) {
        let why = error.message().to_owned();
        let told = self.away.lock().unwrap_or_else(PoisonError::into_inner).replace(why.clone());
        if told != Some(why) {
            let error = error.in_full();
            tracing::warn!(error = %error.escape_debug(), "messages of the build system cannot be followed now; they are tried again");
        }
    }

    fn is_back(&self) {
        if self.away.lock().unwrap_or_else(PoisonError::into_inner).take().is_some() {
            tracing::info!("messages of the build system are followed again");
        }
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, LinkedHashSet<String>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The topics that are followed, as they end.
pub const TOPICS: [&str; 6] = [
    "buildsys.build.state.change",
    "buildsys.task.state.change",
    "buildsys.tag",
    "buildsys.untag",
    "buildsys.repo.init",
    "buildsys.repo.done",
];

/// Reads a message of Koji: nothing when it is of no interest.
///
/// # Errors
/// When it is not what Koji sends under that topic, or not of this instance.
pub fn read(topic: &str, body: &Json, instance: &str) -> Result<Option<Incoming>, Refusal> {
    let known = TOPICS
        .iter()
        .find(|known| topic.strip_suffix(**known).is_some_and(|before| before.is_empty() || before.ends_with('.')));
    let Some(topic) = known.copied() else { return Ok(None) };
    match body.get("instance") {
        Some(Json::Text(_)) if body.get("instance").and_then(Json::as_str) != Some(instance) => {
            return Err(Refusal::Foreign);
        }
        None | Some(Json::Text(_)) => {}
        Some(_) => return Err(Refusal::Malformed),
    }
    let hint = match topic {
        "buildsys.build.state.change" => BuildSystemHint { task: task(body, "task_id")?, tag: None, nvr: nvr(body)? },
        // Koji sends no more of it than of scratch builds; who configures it otherwise is understood.
        "buildsys.task.state.change" => BuildSystemHint { task: task(body, "id")?, ..BuildSystemHint::default() },
        "buildsys.tag" | "buildsys.untag" => BuildSystemHint { task: None, tag: text(body, "tag")?, nvr: nvr(body)? },
        _ => BuildSystemHint { tag: text(body, "tag")?, ..BuildSystemHint::default() },
    };
    // Some old ones have nothing in them.
    let is_empty = hint == BuildSystemHint::default();
    Ok(if is_empty { None } else { Some(Incoming::Hint { topic, hint }) })
}

fn text(body: &Json, key: &str) -> Result<Option<String>, Refusal> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => match value.as_str() {
            Some(text) if text.len() <= 512 => Ok(Some(text.to_owned())),
            _ => Err(Refusal::Malformed),
        },
    }
}

fn task(body: &Json, key: &str) -> Result<Option<TaskId>, Refusal> {
    match body.get(key) {
        None | Some(Json::Null) => Ok(None),
        Some(value) => value.as_integer().map(TaskId).map(Some).ok_or(Refusal::Malformed),
    }
}

fn nvr(body: &Json) -> Result<Option<Nvr>, Refusal> {
    let (name, version, release) = (text(body, "name")?, text(body, "version")?, text(body, "release")?);
    let parts = name.zip(version).zip(release);
    Ok(parts.and_then(|((name, version), release)| format!("{name}-{version}-{release}").parse().ok()))
}

#[cfg(test)]
pub(crate) mod tests;
