use rida_core::testing::sample;

use super::*;

fn build(number: i64, revision: u64) -> ModuleBuild {
    let nsvc = sample::nsvc(&format!("lua:5.4:{number}:c0ffee"));
    ModuleBuild { revision, ..sample::Written::new(sample::id(number), nsvc).after }
}

/// Returns the revision that is kept.
fn kept(memory: &Memory, number: i64) -> Option<u64> {
    memory.recall(sample::id(number)).ok().map(|build| build.revision)
}

#[test]
fn what_was_read_or_written_is_kept() {
    let memory = Memory::new(100);
    let before = memory.recall(sample::id(1)).unwrap_err();
    memory.read(before, &build(1, 1));
    assert_eq!(kept(&memory, 1), Some(1));
    memory.writing(sample::id(1)).written(&build(1, 2));
    assert_eq!(kept(&memory, 1), Some(2));
}

#[test]
fn what_was_read_while_somebody_wrote_is_not_kept() {
    let memory = Memory::new(100);
    let before = memory.recall(sample::id(1)).unwrap_err();
    memory.writing(sample::id(1)).written(&build(1, 2));
    memory.read(before, &build(1, 1));
    assert_eq!(kept(&memory, 1), Some(2));

    let writing = memory.writing(sample::id(1));
    let before = memory.recall(sample::id(1)).unwrap_err();
    writing.written(&build(1, 3));
    memory.read(before, &build(1, 2));
    assert_eq!(kept(&memory, 1), Some(3));
}

#[test]
fn a_write_that_was_cut_off_leaves_nothing_to_be_kept() {
    let memory = Memory::new(100);
    memory.writing(sample::id(1)).written(&build(1, 1));
    drop(memory.writing(sample::id(1)));
    // The write may still happen, after this read.
    let before = memory.recall(sample::id(1)).unwrap_err();
    memory.read(before, &build(1, 1));
    assert_eq!(kept(&memory, 1), None);
}

#[test]
fn a_write_that_was_refused_is_read_again() {
    let memory = Memory::new(100);
    memory.writing(sample::id(1)).written(&build(1, 1));
    memory.writing(sample::id(1)).refused();
    let before = memory.recall(sample::id(1)).unwrap_err();
    memory.read(before, &build(1, 7));
    assert_eq!(kept(&memory, 1), Some(7));
}

#[test]
fn no_more_is_kept_than_there_is_room_for() {
    // A sample has four components.
    let memory = Memory::new(9);
    for number in 1..=2 {
        memory.writing(sample::id(number)).written(&build(number, 1));
    }
    assert_eq!(kept(&memory, 1), Some(1));
    memory.writing(sample::id(3)).written(&build(3, 1));
    assert_eq!((kept(&memory, 1), kept(&memory, 2), kept(&memory, 3)), (Some(1), None, Some(1)));
    let none = Memory::new(0);
    none.writing(sample::id(1)).written(&build(1, 1));
    assert_eq!(kept(&none, 1), None);
}

#[test]
fn of_writes_that_overlap_nothing_is_kept() {
    let memory = Memory::new(100);
    let (first, second) = (memory.writing(sample::id(1)), memory.writing(sample::id(1)));
    // The first was committed before the second, and is told of after it.
    second.written(&build(1, 3));
    first.written(&build(1, 2));
    assert_eq!(kept(&memory, 1), None);
    memory.writing(sample::id(1)).written(&build(1, 4));
    assert_eq!(kept(&memory, 1), Some(4));
}

#[test]
fn nothing_is_read_into_a_build_that_is_being_written() {
    let memory = Memory::new(100);
    let writing = memory.writing(sample::id(1));
    let before = memory.recall(sample::id(1)).unwrap_err();
    memory.read(before, &build(1, 1));
    assert_eq!(kept(&memory, 1), None);
    writing.written(&build(1, 2));
    assert_eq!(kept(&memory, 1), Some(2));
}
