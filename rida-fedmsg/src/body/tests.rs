use std::fmt::Write as _;

use rida_core::testing::sample;

use super::*;

fn announcements() -> Vec<Announcement> {
    let lives = [
        sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:20261123:c0ffee")),
        sample::life_to_failed(sample::id(2), sample::nsvc("lua:5.4:20261124:c0ffee")),
    ];
    lives.into_iter().flatten().flat_map(|written| written.announcements).collect()
}

#[test]
fn every_body_is_as_promised() {
    let mut bodies = String::new();
    for announcement in announcements() {
        let body = Body::of(&announcement);
        writeln!(bodies, "{} {}", body.topic, body.json.canonical()).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/bodies.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &bodies).unwrap();
    }
    let expected = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(bodies, expected, "{path} differs; look at the change, then run with UPDATE_GOLDEN=1");
}

/// The keys of a message of version 3.9.2, by what their readers expect.
#[test]
fn a_module_body_has_every_key_that_is_read() {
    const KEYS: [&str; 22] = [
        "batch",
        "buildrequires",
        "component_builds",
        "context",
        "id",
        "koji_tag",
        "name",
        "new_repo_task_id",
        "owner",
        "rebuild_strategy",
        "scmurl",
        "scratch",
        "siblings",
        "srpms",
        "state",
        "state_name",
        "state_reason",
        "stream",
        "time_completed",
        "time_modified",
        "time_submitted",
        "version",
    ];
    for announcement in announcements() {
        let body = Body::of(&announcement);
        if body.topic == MODULE_TOPIC {
            for key in KEYS {
                assert!(body.json.get(key).is_some(), "{key} is missing");
            }
            let code = body.json.get("state").and_then(Json::as_integer).unwrap();
            let name = body.json.get("state_name").and_then(Json::as_str).unwrap();
            assert_eq!(rida_core::BUILD_STATES.by_code(code).unwrap().name(), name);
            assert!(body.json.get("version").and_then(Json::as_str).is_some(), "a text: it has many digits");
            let components = body.json.get("component_builds");
            assert!(matches!(components, Some(Json::List(list)) if list.len() == 4), "{components:?}");
        } else {
            assert!(body.json.get("package").is_some() && body.package.is_some());
        }
        assert!(!has_float(&body.json), "floats are written in more than one way");
    }
}

#[test]
fn a_line_from_before_details_were_recorded_has_a_body() {
    for mut announcement in announcements() {
        let full = Body::of(&announcement);
        match &mut announcement.change {
            Change::Module { details, .. } => *details = None,
            Change::Component { details, .. } => *details = None,
        }
        let (Json::Object(full), Json::Object(old)) = (full.json, Body::of(&announcement).json) else { panic!() };
        assert!(full.keys().eq(old.keys()), "the keys are the same");
    }
}

fn has_float(json: &Json) -> bool {
    match json {
        Json::Float(_) => true,
        Json::List(list) => list.iter().any(has_float),
        Json::Object(entries) => entries.values().any(has_float),
        Json::Null | Json::Bool(_) | Json::Integer(_) | Json::Text(_) => false,
    }
}

#[test]
fn components_of_all_builds_have_numbers_of_their_own() {
    assert_eq!(component_number(sample::id(1), 0), 65_537);
    assert!(component_number(sample::id(1), 65_535) <= component_number(sample::id(2), 0));
    let last = BuildId::new(i64::MAX).unwrap();
    assert_eq!(component_number(last, 7), i64::MAX);
}
