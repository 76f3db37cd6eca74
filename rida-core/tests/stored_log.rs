//! The stored log is a public format: every event, instruction and announcement, as golden files.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

use std::fmt::Write as _;

use rida_core::testing::sample;
use rida_core::{Action, Announcement, Effect, Event, Fact, ModuleBuild, Submission};
use serde::Serialize;
use serde::de::DeserializeOwned;

#[test]
fn every_line_is_written_as_promised_and_reads_back_equal() {
    let lives = [
        sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:20261123:c0ffee")),
        sample::life_to_failed(sample::id(2), sample::nsvc("lua:5.4:20261124:c0ffee")),
    ];
    let (mut events, mut effects, mut announcements) = (String::new(), String::new(), String::new());
    for written in lives.iter().flatten() {
        line::<Event>(&mut events, &written.event);
        written.effects.iter().for_each(|effect| line::<Effect>(&mut effects, effect));
        written.announcements.iter().for_each(|announced| line::<Announcement>(&mut announcements, announced));
        line::<ModuleBuild>(&mut String::new(), &written.after);
    }
    let submission = Some(sample::submission(sample::nsvc("lua:5.4:20261125:c0ffee")).into());
    let again = Fact::Resubmitted { by: sample::owner("packager"), submission };
    line::<Event>(&mut events, &Event { at: sample::at(9), fact: again });
    let reuse = Some(sample::reuse(sample::id(3)).into());
    let word = |word: &str| vec![word.into()];
    for (without, changed) in [
        (vec![], vec![]),
        (word("lua:5.4, of which there is nothing"), vec![]),
        (vec![], word("the tag needs another permission")),
    ] {
        let prepared = Fact::EnvironmentPrepared { reuse: reuse.clone(), without, changed };
        line::<Event>(&mut events, &Event { at: sample::at(10), fact: prepared });
    }
    golden("events.jsonl", &events);
    golden("effects.jsonl", &effects);
    golden("announcements.jsonl", &announcements);
}

#[test]
fn lines_from_before_details_were_recorded_are_still_read() {
    let old = include_str!("golden/announcements-without-details.jsonl");
    assert_eq!(old.lines().count(), include_str!("golden/announcements.jsonl").lines().count());
    for line in old.lines() {
        let announcement: Announcement = serde_json::from_str(line).unwrap();
        assert_eq!(serde_json::to_string(&announcement).unwrap(), line, "it is written as it was");
    }
}

#[test]
fn what_was_written_before_there_was_reuse_is_still_read() {
    let event: Event = serde_json::from_str(r#"{"at":1800000003000,"fact":"environment_prepared"}"#).unwrap();
    assert_eq!(event.fact, Fact::EnvironmentPrepared { reuse: None, without: Vec::new(), changed: Vec::new() });
    let submission = sample::submission(sample::nsvc("lua:5.4:20261125:c0ffee"));
    let mut old = serde_json::to_value(&submission).unwrap();
    old.as_object_mut().unwrap().remove("rebuild_strategy").unwrap();
    assert_eq!(serde_json::from_value::<Submission>(old).unwrap(), submission, "everything was built");
}

/// Servers of the version before read every row, and drop what no build waits for.
#[test]
fn the_version_before_can_read_what_it_does_not_know() {
    let id = rida_core::EffectId { build: sample::id(1), number: 7 };
    let effect = Effect { id, action: Action::AbandonEnvironment };
    let row = serde_json::to_value(&effect).unwrap();
    let before = ["check_sources", "prepare_environment", "build_component", "tag", "regenerate_repository"];
    let before = [&before[..], &["cancel_task", "write_metadata"]].concat();
    assert!(before.contains(&row["action"].as_str().unwrap()), "{row}");
    assert_eq!((&row["action"], &row["generation"]), (&"regenerate_repository".into(), &0.into()), "none is number 0");
    assert_eq!(serde_json::from_value::<Effect>(row.clone()).unwrap(), effect);
    // A later version may write it as it is called.
    let plain = serde_json::json!({ "id": row["id"], "action": "abandon_environment" });
    assert_eq!(serde_json::from_value::<Effect>(plain).unwrap(), effect);
}

fn line<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(lines: &mut String, value: &T) {
    let json = serde_json::to_string(value).unwrap();
    assert_eq!(serde_json::from_str::<T>(&json).unwrap(), *value);
    writeln!(lines, "{json}").unwrap();
}

/// Compares with a golden file; `UPDATE_GOLDEN=1` writes it.
fn golden(name: &str, actual: &str) {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(actual, expected, "{} differs; look at the change, then run with UPDATE_GOLDEN=1", path.display());
}
