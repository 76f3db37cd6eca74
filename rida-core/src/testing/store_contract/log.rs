//! The log and its readers.

use super::commit;
use crate::ports::{LogLine, Store};
use crate::testing::sample::{self, Written, id, nsvc};

pub(super) async fn write_two_lives(store: &dyn Store) -> Vec<LogLine> {
    let lives =
        [sample::life_to_ready(id(1), nsvc("foo:1:1:c0ffee")), sample::life_to_failed(id(2), nsvc("bar:1:1:c0ffee"))];
    let longest = lives.iter().map(Vec::len).max().unwrap_or(0);
    let mut lines = Vec::new();
    for step in 0..longest {
        for written in lives.iter().filter_map(|life| life.get(step)) {
            let sequence = commit(store, written).await;
            lines.push(line(written, sequence));
        }
    }
    lines
}

fn line(written: &Written, sequence: u64) -> LogLine {
    LogLine {
        sequence,
        build: written.after.id,
        revision: written.after.revision,
        event: written.event.clone(),
        announcements: written.announcements.clone(),
    }
}

pub(super) async fn the_log_has_every_change_in_order(store: &dyn Store) {
    let lines = write_two_lives(store).await;
    assert!(lines.first().is_some_and(|line| line.sequence > 0), "0 is before the first line");
    assert_eq!(store.log_after(0, 1000).await.expect("the log can be read"), lines);
    assert_eq!(Some(store.log_end().await.expect("the log can be read")), lines.last().map(|line| line.sequence));
    for build in [id(1), id(2), id(3)] {
        let own: Vec<_> = lines.iter().filter(|line| line.build == build).cloned().collect();
        assert_eq!(store.log_of(build).await.expect("the log can be read"), own);
    }
}

pub(super) async fn the_log_is_read_in_pieces(store: &dyn Store) {
    let lines = write_two_lives(store).await;
    let mut read: Vec<LogLine> = Vec::new();
    loop {
        let after = read.last().map_or(0, |line| line.sequence);
        let piece = store.log_after(after, 7).await.expect("the log can be read");
        assert!(piece.len() <= 7);
        if piece.is_empty() {
            break;
        }
        read.extend(piece);
    }
    assert_eq!(read, lines);
    assert_eq!(store.log_after(u64::MAX, 7).await.expect("the log can be read"), []);
    assert_eq!(store.log_after(0, 0).await.expect("the log can be read"), []);
    assert_eq!(store.log_after(0, usize::MAX).await.expect("the log can be read"), lines);
}

pub(super) async fn a_store_that_works_answers_a_ping(store: &dyn Store) {
    store.ping().await.expect("a store that works answers");
}
