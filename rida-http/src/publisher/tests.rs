use rida_core::testing::{publisher_contract, sample};
use rida_core::{AnnouncementId, BuildState};

use super::*;

fn announcement(revision: u64) -> Announcement {
    let submission = sample::submission(sample::nsvc("foo:1:2:c0ffee"));
    Announcement {
        id: AnnouncementId { build: sample::id(42), revision, index: 0 },
        at: sample::at(1_800_000_000),
        nsvc: submission.nsvc,
        owner: submission.owner,
        scm_url: submission.scm_url,
        change: Change::Module {
            from: Some(BuildState::Wait),
            to: BuildState::Build,
            reason: Some("a\n\u{1b}b".into()),
            details: None,
        },
    }
}

fn read(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[tokio::test]
async fn it_keeps_every_promise_of_a_publisher() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("announcements.jsonl");
    let publisher = JsonLines::new(Lines::File(path.clone()));
    let id = |line: &serde_json::Value| line["id"].as_str().unwrap().to_owned();
    publisher_contract::run_all(&publisher, || read(&path).iter().map(id).collect()).await;
}

#[tokio::test]
async fn a_change_is_a_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("announcements.jsonl");
    let publisher = JsonLines::new(Lines::File(path.clone()));
    publisher.publish(&announcement(3)).await.unwrap();
    let mut component = announcement(4);
    component.change = Change::Component {
        component: sample::component("bar"),
        state: "built".into(),
        task: Some(TaskId(7)),
        nvr: Some(Arc::clone(&sample::built("bar", 7).nvr)),
        reason: None,
        details: None,
    };
    publisher.publish(&component).await.unwrap();
    let lines = read(&path);
    let [module, component] = lines.as_slice() else { panic!("{lines:?}") };
    assert_eq!(module["id"], "42.3.0");
    assert_eq!(module["topic"], "module.state.change");
    assert_eq!(module["state"], "build");
    assert_eq!(module["old_state"], "wait");
    assert_eq!(module["module"]["version"], "2");
    assert_eq!(module["reason"], "a\n\u{1b}b");
    assert_eq!(component["topic"], "component.state.change");
    assert_eq!(component["component"], "bar");
    assert_eq!(component["task"], 7);
    assert!(component.get("reason").is_none());
}

#[tokio::test]
async fn it_survives_rotation_and_a_line_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("announcements.jsonl");
    let publisher = JsonLines::new(Lines::File(path.clone()));
    publisher.publish(&announcement(1)).await.unwrap();
    std::fs::rename(&path, folder.path().join("old")).unwrap();
    publisher.publish(&announcement(2)).await.unwrap();
    assert_eq!(read(&path).len(), 1);
    std::fs::write(&path, "{\"id\": \"42.").unwrap();
    publisher.publish(&announcement(3)).await.unwrap();
    let lines = read(&path);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["id"], "42.3.0");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let publisher = JsonLines::new(Lines::File(folder.path().join("missing/announcements.jsonl")));
    let error = publisher.publish(&announcement(1)).await.unwrap_err();
    assert!(error.is_retryable());
    assert!(!error.to_string().contains("missing"), "{error}");
}
