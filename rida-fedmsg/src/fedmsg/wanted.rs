//! Who listens to what, as far as listeners have told: anybody may tell anything.

use std::collections::BTreeSet;

/// How many beginnings of topics are remembered. Listeners have a handful each.
const MOST: usize = 4096;

/// The beginnings of topics that somebody listens to.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    beginnings: BTreeSet<Vec<u8>>,
    /// How many more there are, of which only the number is known.
    more: usize,
}

impl Wanted {
    /// Takes note of what a listener told: that it begins, or ceases, to listen.
    pub(super) fn heard(&mut self, told: &[u8]) {
        let Some((kind, beginning)) = told.split_first() else { return };
        match kind {
            1 if self.beginnings.len() < MOST => _ = self.beginnings.insert(beginning.to_vec()),
            1 => self.more = self.more.saturating_add(1),
            0 => {
                let is_known = self.beginnings.remove(beginning);
                self.more = self.more.saturating_sub(usize::from(!is_known));
            }
            _ => {}
        }
    }

    /// Tells whether somebody listens to a topic. Of who listens to more than can be remembered that is assumed.
    pub(super) fn has(&self, topic: &str) -> bool {
        let topic = topic.as_bytes();
        self.more > 0 || (0..=topic.len()).any(|end| topic.get(..end).is_some_and(|it| self.beginnings.contains(it)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(kind: u8, topic: &str) -> Vec<u8> {
        [&[kind], topic.as_bytes()].concat()
    }

    #[test]
    fn topics_are_wanted_by_their_beginnings() {
        let mut wanted = Wanted::default();
        assert!(!wanted.has("org.example.module"));
        wanted.heard(&told(1, "org.example."));
        wanted.heard(&told(2, "org.other."));
        wanted.heard(b"");
        assert!(wanted.has("org.example.module") && !wanted.has("org.exampl") && !wanted.has("org.other.module"));
        wanted.heard(&told(0, "org.example."));
        wanted.heard(&told(0, "org.never."));
        assert!(!wanted.has("org.example.module"));
        wanted.heard(&told(1, ""));
        assert!(wanted.has("org.example.module") && wanted.has(""));
    }

    #[test]
    fn who_wants_a_million_topics_costs_no_more_than_some() {
        let mut wanted = Wanted::default();
        for number in 0..1_000_000 {
            wanted.heard(&told(1, &format!("flood.{number}")));
        }
        assert_eq!((wanted.beginnings.len(), wanted.more), (MOST, 1_000_000 - MOST));
        assert!(wanted.has("org.example.module"), "who came afterwards is not overlooked");
        for number in 0..1_000_000 {
            wanted.heard(&told(0, &format!("flood.{number}")));
        }
        assert!(!wanted.has("org.example.module") && !wanted.has("flood.1"));
    }
}
