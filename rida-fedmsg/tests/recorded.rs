//! Messages of Koji and of the Module Build Service as they are sent: each of Koji's is followed as its fields say, and
//! ours have what the Module Build Service's have.
//!
//! The project's own are in `fixtures/koji.jsonl`. `RIDA_BUS_CORPUS` names a folder with more of them, one a file: a JSON
//! object whose `message` is an envelope of fedmsg, or has a `body` as fedora-messaging sends it, whose topic the name of
//! the file tells (`fm.repodone.1.json`).
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed assertion, in helpers too")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use rida_core::BuildSystemHint;
use rida_core::testing::sample;
use rida_fedmsg::Incoming;
use rida_fedmsg::body::{Body, MODULE_TOPIC};
use rida_fedmsg::fedmsg::verify::Refusal;
use rida_fedmsg::incoming::read;
use rida_fedmsg::json::{Json, JsonLimits};
use serde_json::Value;

/// What a message should be taken for.
#[derive(Debug, PartialEq, Eq)]
enum Taken {
    /// It is about this.
    Hint { task: Option<i64>, tag: Option<String>, nvr: Option<String> },
    /// It is another instance's.
    Foreign,
    /// Nobody waits for it.
    NoInterest,
}

fn take(topic: &str, body: &Value) -> Taken {
    let body = Json::read(body.to_string().as_bytes(), JsonLimits::default()).unwrap();
    match read(topic, &body, "primary") {
        Ok(Some(Incoming::Hint { topic: told, hint: BuildSystemHint { task, tag, nvr } })) => {
            assert!(topic.ends_with(told), "{told} of {topic}");
            Taken::Hint { task: task.map(|task| task.0), tag, nvr: nvr.map(|nvr| nvr.to_string()) }
        }
        Ok(None) => Taken::NoInterest,
        Err(Refusal::Foreign) => Taken::Foreign,
        odd => panic!("{topic} {body:?}: {odd:?}"),
    }
}

fn text(value: &Value, key: &str) -> Option<String> {
    value[key].as_str().map(str::to_owned)
}

/// The project's own messages.
fn fixtures() -> Vec<Value> {
    let lines = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/koji.jsonl")).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_kind_of_message_is_taken_for_what_it_is() {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for message in fixtures() {
        let (topic, hint) = (text(&message, "topic").unwrap(), &message["hint"]);
        let expected = match (hint.is_object(), message["foreign"] == true) {
            (true, false) => {
                Taken::Hint { task: hint["task"].as_i64(), tag: text(hint, "tag"), nvr: text(hint, "nvr") }
            }
            (false, is_foreign) => {
                if is_foreign {
                    Taken::Foreign
                } else {
                    Taken::NoInterest
                }
            }
            (true, true) => panic!("{message}"),
        };
        assert_eq!(take(&topic, &message["body"]), expected, "{}", message["case"]);
        let kind = topic.split_once("buildsys.").map_or("another", |(_, kind)| kind);
        *kinds.entry(kind.to_owned()).or_default() += 1;
    }
    for topic in rida_fedmsg::incoming::TOPICS {
        let kind = topic.strip_prefix("buildsys.").unwrap();
        assert!(kinds.contains_key(kind), "no message of {topic} is among them");
    }
}

/// What the fields of a message say, read without the code that is tested.
fn take_as_its_fields_say(topic: &str, body: &Value) -> Taken {
    let kind = topic.split_once("buildsys.").map_or("", |(_, kind)| kind);
    let parts = ["name", "version", "release"].map(|key| text(body, key));
    let nvr = match parts {
        [Some(name), Some(version), Some(release)] => Some(format!("{name}-{version}-{release}")),
        _ => None,
    };
    let (task, tag, nvr) = match kind {
        "build.state.change" => (body["task_id"].as_i64(), None, nvr),
        "task.state.change" => (body["id"].as_i64(), None, None),
        "tag" | "untag" => (None, text(body, "tag"), nvr),
        "repo.init" | "repo.done" => (None, text(body, "tag"), None),
        _ => return Taken::NoInterest,
    };
    if body["instance"].as_str().is_some_and(|instance| instance != "primary") {
        return Taken::Foreign;
    }
    if (&task, &tag, &nvr) == (&None, &None, &None) { Taken::NoInterest } else { Taken::Hint { task, tag, nvr } }
}

/// Names of files, and the topics of what is in them where the files do not say.
const NAMES: [(&str, &str); 8] = [
    ("fm.build.", "buildsys.build.state.change"),
    ("fm.package.", "buildsys.package.list.change"),
    ("fm.repodone.", "buildsys.repo.done"),
    ("fm.repoinit.", "buildsys.repo.init"),
    ("fm.rpmsign.", "buildsys.rpm.sign"),
    ("fm.tag.", "buildsys.tag"),
    ("fm.task.", "buildsys.task.state.change"),
    ("fm.untag.", "buildsys.untag"),
];

/// Our own messages and those of the folder that is named, each with its name and its topic.
fn corpus() -> Vec<(String, String, Value)> {
    let own =
        |message: Value| (text(&message, "case").unwrap(), text(&message, "topic").unwrap(), message["body"].clone());
    let mut messages: Vec<_> = fixtures().into_iter().map(own).collect();
    let Some(folder) = std::env::var_os("RIDA_BUS_CORPUS").map(PathBuf::from) else { return messages };
    let before = messages.len();
    for entry in std::fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let file: Value = serde_json::from_slice(&std::fs::read(entry.path()).unwrap()).unwrap();
        let message = &file["message"];
        let topic = text(message, "topic").or_else(|| {
            let known = NAMES.iter().find(|(start, _)| name.starts_with(start))?;
            Some(format!("org.fedoraproject.prod.{}", known.1))
        });
        let topic = topic.unwrap_or_else(|| "org.fedoraproject.prod.mbs.module.state.change".to_owned());
        let body = ["msg", "body"].into_iter().find_map(|key| message.get(key)).unwrap_or(message);
        messages.push((name, topic, body.clone()));
    }
    assert!(messages.len() > before, "{} has no messages", folder.display());
    messages
}

#[test]
fn recorded_messages_are_taken_for_what_they_are() {
    let (mut hints, mut others) = (0, 0);
    for (name, topic, body) in corpus() {
        let taken = take(&topic, &body);
        assert_eq!(taken, take_as_its_fields_say(&topic, &body), "{name}");
        if matches!(taken, Taken::Hint { .. }) { hints += 1 } else { others += 1 }
    }
    assert!(hints >= 10 && others >= 5, "{hints} and {others}");
    println!("{hints} recorded messages are hints, {others} are not");
}

/// What the Module Build Service sent before version 2, and sends no more.
const OUTDATED: [&str; 3] = ["modulemd", "state_url", "tasks"];

/// A body of that service's version 3.9.2, made up, as its readers know it.
const OF_MBS: &str = r#"{"id": 42, "name": "lua", "stream": "5.4", "version": "20261120", "context": "39d2f818", "state": 5,
    "state_name": "ready", "scratch": false, "batch": 3, "component_builds": [7, 8], "koji_tag": "module-lua-5.4-20261120-39d2f818",
    "owner": "alice", "new_repo_task_id": null, "rebuild_strategy": "changed-and-after", "scmurl": "https://git.example.org/modules/lua?#main",
    "srpms": [], "siblings": [43], "state_reason": null, "time_submitted": "2026-11-20T09:00:00Z", "time_modified": "2026-11-20T09:30:00Z",
    "time_completed": "2026-11-20T09:29:00Z", "buildrequires": {"platform": {"context": "00000000", "filtered_rpms": [], "koji_tag": "module-el8-build",
    "ref": "virtual", "stream": "el8", "version": "2"}}}"#;

#[test]
fn our_bodies_have_what_those_of_the_module_build_service_have() {
    let life = sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:20261123:c0ffee"));
    let announcements = life.into_iter().flat_map(|written| written.announcements);
    let ours = announcements.map(|announcement| Body::of(&announcement)).filter(|body| body.topic == MODULE_TOPIC);
    let ours: Vec<Value> = ours.map(|body| serde_json::from_str(&body.json.canonical()).unwrap()).collect();
    let recorded = corpus().into_iter().filter(|(_, topic, _)| topic.ends_with(MODULE_TOPIC));
    let theirs = recorded.map(|(name, _, body)| (name, body));
    for (name, theirs) in theirs.chain([("made up".to_owned(), serde_json::from_str(OF_MBS).unwrap())]) {
        for ours in &ours {
            are_alike(&name, &theirs, ours);
        }
    }
}

fn are_alike(name: &str, theirs: &Value, ours: &Value) {
    for (key, value) in theirs.as_object().unwrap() {
        if OUTDATED.contains(&key.as_str()) {
            continue;
        }
        let found = ours.get(key).unwrap_or_else(|| panic!("{name}: {key} is missing in {ours}"));
        // Times were seconds once, of the sender's zone.
        let is_old_time = key.starts_with("time_") && value.is_number();
        let kind = |value: &Value| std::mem::discriminant(value);
        let alike = kind(value) == kind(found) || value.is_null() || found.is_null() || is_old_time;
        assert!(alike, "{name}: {key} is {found} here and {value} there");
        if let (Value::Object(theirs), Value::Object(ours)) = (value, found) {
            for entry in theirs.values().filter(|entry| entry.is_object()) {
                ours.values().for_each(|ours| are_alike(name, entry, ours));
            }
        }
    }
}
