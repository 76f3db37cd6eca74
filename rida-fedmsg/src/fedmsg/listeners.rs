//! Who listens, to what, and what is kept for each: a queue of our own, so that nothing is dropped without being told.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

use super::zmtp;

/// How many beginnings of topics one listener may want. Real ones have a handful.
const MOST_TOPICS: usize = 1024;

/// The number of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ListenerId(u64);

/// How much is kept for a listener that is behind, and how long others wait for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// How many messages.
    pub(super) queue: usize,
    /// How long.
    pub(super) patience: Duration,
}

/// All who listen. Clones share them.
#[derive(Clone)]
pub(super) struct Listeners {
    limits: Limits,
    inner: Arc<Mutex<Inner>>,
    /// Told when somebody begins to listen to something, or a queue has become empty, or all ended.
    changed: Arc<watch::Sender<()>>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    all: BTreeMap<ListenerId, Listener>,
    missed: u64,
    cut_off: u64,
    is_closed: bool,
}

struct Listener {
    name: String,
    wants: BTreeSet<Vec<u8>>,
    queue: VecDeque<Arc<[u8]>>,
    /// The answer to its last sign of life.
    answer: Option<Arc<[u8]>>,
    /// Since when others wait for it.
    full_since: Option<Instant>,
    calls: Arc<Calls>,
}

/// What the connection of a listener waits for.
#[derive(Default)]
pub(super) struct Calls {
    /// There is something to be sent.
    pub(super) more: Notify,
    /// It is cut off.
    pub(super) end: Notify,
}

/// What became of a message that was offered to all who listen.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Offered {
    /// It is in the queue of each who wants it; nobody may.
    Taken,
    /// Somebody is so far behind that it waits. Nobody has got it.
    Full {
        /// Who.
        name: String,
    },
    /// Nobody can connect any more.
    Closed,
}

impl Listeners {
    pub(super) fn new(limits: Limits) -> Self {
        Self { limits, inner: Arc::default(), changed: Arc::new(watch::Sender::new(())) }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes somebody in who has said that he listens; nothing when there is nothing to be heard any more.
    pub(super) fn join(&self, name: String) -> Option<(ListenerId, Arc<Calls>)> {
        let mut inner = self.inner();
        if inner.is_closed {
            return None;
        }
        let id = ListenerId(inner.next);
        inner.next += 1;
        let calls = Arc::<Calls>::default();
        let (wants, queue) = (BTreeSet::new(), VecDeque::new());
        let listener = Listener { name, wants, queue, answer: None, full_since: None, calls: Arc::clone(&calls) };
        inner.all.insert(id, listener);
        Some((id, calls))
    }

    /// Takes note that a connection ended, and returns how many messages were still to be sent over it.
    pub(super) fn leave(&self, id: ListenerId) -> usize {
        let mut inner = self.inner();
        let left = inner.all.remove(&id).map_or(0, |listener| listener.queue.len());
        inner.missed = inner.missed.saturating_add(count(left));
        drop(inner);
        self.changed.send_replace(());
        left
    }

    /// Takes note of what a listener wants. False when it wants too much.
    pub(super) fn wants(&self, id: ListenerId, beginning: Vec<u8>) -> bool {
        let mut inner = self.inner();
        let Some(listener) = inner.all.get_mut(&id) else { return false };
        listener.wants.insert(beginning);
        let fits = listener.wants.len() <= MOST_TOPICS;
        drop(inner);
        self.changed.send_replace(());
        fits
    }

    /// Takes note of what a listener wants no more.
    pub(super) fn wants_no_more(&self, id: ListenerId, beginning: &[u8]) {
        if let Some(listener) = self.inner().all.get_mut(&id) {
            listener.wants.remove(beginning);
        }
    }

    /// Has a sign of life answered. Of several that come before the answer could leave the last is.
    pub(super) fn answer(&self, id: ListenerId, context: &[u8]) {
        if let Some(listener) = self.inner().all.get_mut(&id) {
            listener.answer = Some(zmtp::pong(context));
            listener.calls.more.notify_one();
        }
    }

    /// Puts a message into the queues of all who want it, or, when one of those is full, into none: it waits for that
    /// one. Who is waited for longer than is bearable is cut off, and what was kept for it is counted as missed.
    pub(super) fn offer(&self, topic: &[u8], message: &Arc<[u8]>, now: Instant) -> Offered {
        let mut inner = self.inner();
        if inner.is_closed {
            return Offered::Closed;
        }
        let (mut waits_for, mut given_up) = (None, Vec::new());
        for (id, listener) in inner.all.iter_mut().filter(|(_, listener)| listener.has(topic)) {
            if listener.queue.len() < self.limits.queue {
                continue;
            }
            let since = *listener.full_since.get_or_insert(now);
            if now.saturating_duration_since(since) < self.limits.patience {
                waits_for = Some(listener.name.clone());
            } else {
                given_up.push(*id);
            }
        }
        for id in given_up {
            inner.cut_off(id);
        }
        if let Some(name) = waits_for {
            return Offered::Full { name };
        }
        for listener in inner.all.values_mut().filter(|listener| listener.has(topic)) {
            listener.queue.push_back(Arc::clone(message));
            listener.calls.more.notify_one();
        }
        Offered::Taken
    }

    /// Returns what is to be sent next to a listener. A message stays in its queue until it [was sent](Self::sent).
    pub(super) fn next(&self, id: ListenerId) -> Option<Next> {
        let mut inner = self.inner();
        let listener = inner.all.get_mut(&id)?;
        let answer = listener.answer.take().map(Next::Answer);
        answer.or_else(|| listener.queue.front().cloned().map(Next::Message))
    }

    /// Takes note that the first message in a listener's queue was sent.
    pub(super) fn sent(&self, id: ListenerId) {
        let mut inner = self.inner();
        let Some(listener) = inner.all.get_mut(&id) else { return };
        listener.queue.pop_front();
        // Not with each message: who is always just short of full would hold up everybody for ever.
        if listener.queue.len() <= self.limits.queue / 2 {
            listener.full_since = None;
        }
        let is_empty = listener.queue.is_empty();
        drop(inner);
        if is_empty {
            self.changed.send_replace(());
        }
    }

    /// Tells whether somebody listens to a topic.
    pub(super) fn any(&self, topic: &str) -> bool {
        self.inner().all.values().any(|listener| listener.has(topic.as_bytes()))
    }

    /// Returns once somebody listens to a topic: true, or false when nobody ever will.
    pub(super) async fn wait_for(&self, topic: &str) -> bool {
        let mut changed = self.changed.subscribe();
        while !self.any(topic) {
            if self.inner().is_closed || changed.changed().await.is_err() {
                return false;
            }
        }
        true
    }

    /// Takes no more messages.
    pub(super) fn close(&self) {
        self.inner().is_closed = true;
        self.changed.send_replace(());
    }

    /// Returns once everything was sent.
    pub(super) async fn emptied(&self) {
        let mut changed = self.changed.subscribe();
        while self.inner().all.values().any(|listener| !listener.queue.is_empty()) {
            if changed.changed().await.is_err() {
                return;
            }
        }
    }

    /// Returns how many messages were kept for listeners that never got them.
    pub(super) fn missed(&self) -> u64 {
        self.inner().missed
    }

    /// Returns how many listeners were cut off because they were too far behind.
    pub(super) fn cut_off(&self) -> u64 {
        self.inner().cut_off
    }

    /// Returns how many listen now.
    pub(super) fn connected(&self) -> usize {
        self.inner().all.len()
    }
}

/// What is to be sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// An answer to a sign of life.
    Answer(Arc<[u8]>),
    /// A message.
    Message(Arc<[u8]>),
}

impl Inner {
    fn cut_off(&mut self, id: ListenerId) {
        let Some(listener) = self.all.remove(&id) else { return };
        self.cut_off = self.cut_off.saturating_add(1);
        self.missed = self.missed.saturating_add(count(listener.queue.len()));
        listener.calls.end.notify_one();
        let (name, missed) = (listener.name, listener.queue.len());
        tracing::warn!(
            listener = name,
            missed,
            "a listener of fedmsg reads too little and is cut off; it misses what was kept for it"
        );
    }
}

impl Listener {
    fn has(&self, topic: &[u8]) -> bool {
        (0..=topic.len()).any(|end| topic.get(..end).is_some_and(|beginning| self.wants.contains(beginning)))
    }
}

fn count(messages: usize) -> u64 {
    u64::try_from(messages).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
