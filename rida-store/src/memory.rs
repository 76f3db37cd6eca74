//! Builds that were read or written lately, kept in memory.
//!
//! Exact as long as no other process writes: every write of this process passes [`Memory::writing`]. A build is
//! forgotten before it is written, and nothing of it is kept while any write of it is under way: of two that overlap it
//! is not known here which came last.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashlink::LruCache;
use rida_core::{BuildId, ModuleBuild};

/// How long a build is not kept after a write of it was cut off, which may happen all the same a little later.
const QUARANTINE: Duration = Duration::from_secs(60);

/// Builds that were read or written lately. Its clones share what is kept.
#[derive(Clone, Debug)]
pub(crate) struct Memory(Arc<Mutex<Kept>>);

#[derive(Debug)]
struct Kept {
    /// How many components, and builds without any, may be kept.
    room: usize,
    taken: usize,
    builds: LruCache<BuildId, Arc<ModuleBuild>>,
    /// Counts the writes begun and ended: what was read meanwhile may be of before.
    writes: u64,
    /// How many writes of a build are under way, and whether any two of them overlapped.
    under_way: HashMap<BuildId, UnderWay>,
    quarantine: HashMap<BuildId, Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct UnderWay {
    writes: usize,
    overlapped: bool,
}

/// What the memory was like when a read began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Before(u64);

/// A write that is under way.
pub(crate) struct Writing<'a> {
    memory: &'a Memory,
    id: BuildId,
    cut_off: bool,
}

impl Memory {
    /// Makes a memory with room for so many components; none keeps nothing.
    pub(crate) fn new(room: usize) -> Self {
        let builds = LruCache::new_unbounded();
        Self(Arc::new(Mutex::new(Kept {
            room,
            taken: 0,
            builds,
            writes: 0,
            under_way: HashMap::new(),
            quarantine: HashMap::new(),
        })))
    }

    /// Returns a build, or what has to be shown to [`Self::read`] once it was read.
    pub(crate) fn recall(&self, id: BuildId) -> Result<Arc<ModuleBuild>, Before> {
        let mut kept = self.kept();
        let writes = kept.writes;
        kept.builds.get(&id).cloned().ok_or(Before(writes))
    }

    /// Keeps a build that was read, unless anything was written since.
    pub(crate) fn read(&self, before: Before, build: &ModuleBuild) {
        let mut kept = self.kept();
        if kept.writes == before.0 && !kept.under_way.contains_key(&build.id) && !kept.is_quarantined(build.id) {
            kept.keep(build);
        }
    }

    /// Forgets a build that is about to be written.
    pub(crate) fn writing(&self, id: BuildId) -> Writing<'_> {
        let mut kept = self.kept();
        kept.forget(id);
        let under_way = kept.under_way.entry(id).or_default();
        under_way.writes += 1;
        under_way.overlapped |= under_way.writes > 1;
        drop(kept);
        Writing { memory: self, id, cut_off: true }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Nothing here panics between two changes.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Writing<'_> {
    /// Keeps the build as it was written.
    pub(crate) fn written(mut self, build: &ModuleBuild) {
        self.cut_off = false;
        let mut kept = self.memory.kept();
        let alone = kept.under_way.get(&self.id).is_some_and(|under_way| !under_way.overlapped);
        if alone && !kept.is_quarantined(self.id) {
            kept.forget(self.id);
            kept.keep(build);
        }
    }

    /// Keeps nothing: the build was refused, and is as it was.
    pub(crate) fn refused(mut self) {
        self.cut_off = false;
    }
}

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        let mut kept = self.memory.kept();
        if self.cut_off {
            kept.forget(self.id);
            kept.quarantine.insert(self.id, Instant::now() + QUARANTINE);
        }
        kept.writes += 1;
        if let Some(under_way) = kept.under_way.get_mut(&self.id) {
            under_way.writes -= 1;
            if under_way.writes == 0 {
                kept.under_way.remove(&self.id);
            }
        }
    }
}

impl Kept {
    fn keep(&mut self, build: &ModuleBuild) {
        let size = size(build);
        if size > self.room {
            return;
        }
        self.taken += size;
        if let Some(replaced) = self.builds.insert(build.id, Arc::new(build.clone())) {
            self.taken -= self::size(&replaced);
        }
        while self.taken > self.room {
            let Some((_, oldest)) = self.builds.remove_lru() else { break };
            self.taken -= self::size(&oldest);
        }
    }

    fn forget(&mut self, id: BuildId) {
        self.writes += 1;
        if let Some(forgotten) = self.builds.remove(&id) {
            self.taken -= size(&forgotten);
        }
    }

    fn is_quarantined(&mut self, id: BuildId) -> bool {
        if !self.quarantine.is_empty() {
            let now = Instant::now();
            self.quarantine.retain(|_, until| *until > now);
        }
        self.quarantine.contains_key(&id)
    }
}

fn size(build: &ModuleBuild) -> usize {
    build.components.len().max(1)
}

#[cfg(test)]
mod tests;
