use super::*;

fn tried(number: i64) -> Try {
    let target = format!("module-{}", number / 100);
    Try { target, component: format!("c{}", number % 100), attempt: 0, mark: None }
}

/// Returns an index that one look has filled to its limit, and which begins the next one by making room.
fn full() -> Index {
    let mut index = Index::default();
    let look = index.begin(1000.0);
    let last = i64::try_from(REMEMBERED).unwrap();
    for number in 0..=last {
        index.note(tried(number), number);
    }
    assert!(index.end(look, 5000.0));
    assert_eq!(index.get(&tried(0)), Some(0), "nothing is forgotten in the middle of a look");
    index
}

#[test]
fn the_older_half_is_forgotten_and_looked_for_again() {
    let mut index = full();
    let look = index.begin(2000.0);
    assert_eq!(look.from.to_bits(), 2000_f64.to_bits(), "all of it, not what is new alone");
    let last = i64::try_from(REMEMBERED).unwrap();
    assert_eq!((index.get(&tried(0)), index.get(&tried(last))), (None, Some(last)));
    assert!(index.count <= REMEMBERED / 2 + 1, "{}", index.count);
    assert!(index.end(look, 6000.0));
    assert_eq!(index.begin(2000.0).from.to_bits(), (6000.0 - OVERLAP).to_bits());
}

#[test]
fn a_look_that_another_made_room_in_begins_anew() {
    let mut index = full();
    // It begins before there is too much.
    let mut early = Look { from: 2000.0, forgotten: index.forgotten };
    index.note(tried(7), 7);
    let other = index.begin(3000.0);
    assert_eq!(index.get(&tried(7)), None);
    assert!(!index.end(early, 6000.0), "what it saw is forgotten in part");
    early = index.begin(2000.0);
    assert!(index.end(other, 6000.0) && index.end(early, 6000.0));
}

#[test]
fn times_are_written_with_their_zone() {
    assert_eq!(text_of(1_795_343_494.9), "2026-11-22T10:31:34Z");
    for wrong in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -5.0] {
        assert_eq!(text_of(wrong), "1970-01-01T00:00:00Z", "{wrong}: rather too much than too little");
    }
}
