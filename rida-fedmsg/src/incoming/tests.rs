use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::json::JsonLimits;

const PREFIX: &str = "org.fedoraproject.prod";

fn json(text: &str) -> Json {
    Json::read(text.as_bytes(), JsonLimits::default()).unwrap()
}

fn hint(topic: &str, body: &str) -> Result<Option<BuildSystemHint>, Refusal> {
    let read = read(&format!("{PREFIX}.{topic}"), &json(body), "primary")?;
    Ok(read.map(|incoming| match incoming {
        Incoming::Hint { topic: told, hint } => {
            assert_eq!(told, topic);
            hint
        }
        Incoming::Gap => panic!("no message is a gap"),
    }))
}

/// Bodies as the plugins of both buses send them.
#[test]
fn messages_of_koji_are_understood() {
    let build = r#"{"attribute": "state", "build_id": 614503, "instance": "primary", "name": "perl-List-Compare",
        "new": 1, "old": 0, "owner": "alice", "release": "1.module_f28+2+39d2f818", "task_id": 90536, "version": "0.53"}"#;
    let found = hint("buildsys.build.state.change", build).unwrap().unwrap();
    assert_eq!(found.task, Some(TaskId(90536)));
    assert_eq!(found.nvr.unwrap().to_string(), "perl-List-Compare-0.53-1.module_f28+2+39d2f818");
    let imported = build.replace("90536", "null");
    assert_eq!(hint("buildsys.build.state.change", &imported).unwrap().unwrap().task, None);
    let tag = r#"{"tag": "module-x-build", "tag_id": 619, "name": "a", "version": "1", "release": "2", "instance": "primary"}"#;
    for topic in ["buildsys.tag", "buildsys.untag"] {
        let found = hint(topic, tag).unwrap().unwrap();
        assert_eq!((found.tag.as_deref(), found.nvr.is_some()), (Some("module-x-build"), true));
    }
    for topic in ["buildsys.repo.init", "buildsys.repo.done"] {
        let found = hint(topic, r#"{"instance": "primary", "repo_id": 7, "tag": "module-x-build", "tag_id": 6}"#);
        assert_eq!(found.unwrap().unwrap().tag.as_deref(), Some("module-x-build"));
        assert_eq!(hint(topic, "{}").unwrap(), None, "old ones have nothing in them");
    }
    let task =
        r#"{"id": 5, "method": "build", "old": "OPEN", "new": "CLOSED", "attribute": "state", "instance": "primary"}"#;
    assert_eq!(hint("buildsys.task.state.change", task).unwrap().unwrap().task, Some(TaskId(5)));
}

#[test]
fn what_is_of_no_interest_is_none_of_ours() {
    for topic in ["buildsys.rpm.sign", "buildsys.package.list.change", "mbs.module.state.change", "xbuildsys.tag", ""] {
        assert_eq!(read(&format!("{PREFIX}.{topic}"), &json(r#"{"tag": "x"}"#), "primary"), Ok(None), "{topic}");
    }
    assert!(read("buildsys.tag", &json(r#"{"tag": "x"}"#), "primary").unwrap().is_some(), "without a prefix");
}

#[test]
fn foreign_and_malformed_messages_are_refused() {
    assert_eq!(hint("buildsys.tag", r#"{"tag": "x", "instance": "s390"}"#), Err(Refusal::Foreign));
    for body in [r#"{"tag": 7}"#, r#"{"tag": "x", "instance": 7}"#, r#"{"tag": ["x"]}"#, r#"{"name": {}}"#] {
        assert_eq!(hint("buildsys.tag", body), Err(Refusal::Malformed), "{body}");
    }
    for task in ["\"7\"", "7.0", "99999999999999999999", "true", "[]"] {
        let body = format!(r#"{{"task_id": {task}}}"#);
        assert_eq!(hint("buildsys.build.state.change", &body), Err(Refusal::Malformed), "{task}");
    }
    let long = format!(r#"{{"tag": "{}"}}"#, "x".repeat(513));
    assert_eq!(hint("buildsys.repo.done", &long), Err(Refusal::Malformed));
    // A package that is none is left out; the rest of the message counts.
    let odd = hint("buildsys.tag", r#"{"tag": "x", "name": "a b", "version": "1", "release": "2"}"#).unwrap().unwrap();
    assert_eq!(odd.nvr, None);
}

/// Answers as it is told, and keeps what it gets.
#[derive(Default)]
struct Keeper {
    got: Mutex<Vec<Incoming>>,
    failures: Mutex<VecDeque<PortError>>,
}

#[async_trait]
impl Receiver for Keeper {
    async fn receive(&self, incoming: Incoming) -> Result<(), PortError> {
        if let Some(error) = self.failures.lock().unwrap().pop_front() {
            return Err(error);
        }
        self.got.lock().unwrap().push(incoming);
        Ok(())
    }
}

#[tokio::test]
async fn each_message_is_followed_once_whichever_way_it_comes() {
    let keeper = Arc::new(Keeper::default());
    let inbox = Inbox::new(keeper.clone(), "primary");
    let body = json(r#"{"tag": "x", "instance": "primary"}"#);
    let uuid = "6c6ea4d3-1b0c-4c4a-9b9e-0b6b1d6a8d65";
    // Over AMQP, over fedmsg, and over a bridge.
    for id in [uuid, &format!("2027-{uuid}"), uuid] {
        assert_eq!(inbox.take(id, "org.buildsys.tag", &body).await, Verdict::Done);
    }
    assert_eq!(keeper.got.lock().unwrap().len(), 1);
    assert_eq!((inbox.received().count("taken"), inbox.received().count("repeated")), (1, 2));
}

#[tokio::test]
async fn one_that_could_not_be_followed_comes_again() {
    let keeper = Arc::new(Keeper::default());
    keeper.failures.lock().unwrap().push_back(PortError::unavailable("the store is away"));
    let inbox = Inbox::new(keeper.clone(), "primary");
    let body = json(r#"{"tag": "x"}"#);
    assert_eq!(inbox.take("a", "buildsys.tag", &body).await, Verdict::Again);
    assert_eq!(inbox.take("a", "buildsys.tag", &body).await, Verdict::Done, "it is not taken for a repeat");
    assert_eq!(keeper.got.lock().unwrap().len(), 1);
    assert_eq!(inbox.take("b", "buildsys.tag", &json("{\"tag\": 1}")).await, Verdict::Dropped);
    assert_eq!(inbox.take("c", "elsewhere", &body).await, Verdict::Done);
    let counts = ["postponed", "malformed", "of_no_interest"].map(|name| inbox.received().count(name));
    assert_eq!(counts, [1, 1, 1]);
}

#[tokio::test]
async fn many_connections_one_after_the_other_have_builds_looked_at_twice() {
    let keeper = Arc::new(Keeper::default());
    let apart = Duration::from_millis(300);
    let inbox = Inbox { gaps_apart: apart, ..Inbox::new(keeper.clone(), "primary") };
    let passed_on = || keeper.got.lock().unwrap().len();
    let start = Instant::now();
    inbox.gap().await;
    assert_eq!(passed_on(), 1, "the first at once");
    let other = inbox.clone();
    for _ in 0..100 {
        inbox.gap().await;
        other.gap().await;
    }
    assert_eq!(passed_on(), 1);
    while passed_on() < 2 {
        tokio::time::sleep(Duration::from_millis(10)).await;
        assert!(start.elapsed() < Duration::from_secs(60));
    }
    assert!(start.elapsed() >= apart, "and all the others together, later");
    tokio::time::sleep(2 * apart).await;
    assert_eq!((passed_on(), inbox.received().count("reconnected")), (2, 201));
    inbox.gap().await;
    assert_eq!(passed_on(), 3, "after a while it is at once again");
}

#[tokio::test]
async fn what_is_remembered_is_bounded() {
    let inbox = Inbox::new(Arc::new(Keeper::default()), "primary");
    let body = json(r#"{"tag": "x"}"#);
    for number in 0..REMEMBERED + 10 {
        inbox.take(&number.to_string(), "buildsys.tag", &body).await;
    }
    assert_eq!(inbox.seen().len(), REMEMBERED);
    assert!(!inbox.seen().contains("0") && inbox.seen().contains(&(REMEMBERED + 9).to_string()));
}

/// Counts the events that are worse than information, for as long as the guard of it is there.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<AtomicU64>);

impl Warnings {
    pub(crate) fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

impl tracing::Subscriber for Warnings {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        if *event.metadata().level() <= tracing::Level::WARN {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}

#[tokio::test]
async fn why_messages_cannot_be_followed_is_told_when_it_changes() {
    let warnings = Warnings::default();
    let _guard = tracing::subscriber::set_default(warnings.clone());
    let keeper = Arc::new(Keeper::default());
    let inbox = Inbox::new(keeper.clone(), "primary");
    let body = json(r#"{"tag": "x"}"#);
    for (round, (why, expected)) in [("away", 1), ("away", 1), ("full", 2), ("full", 2)].into_iter().enumerate() {
        keeper.failures.lock().unwrap().push_back(PortError::unavailable(why));
        assert_eq!(inbox.take("a", "buildsys.tag", &body).await, Verdict::Again);
        assert_eq!(warnings.count(), expected, "in round {round}");
    }
    assert_eq!(inbox.take("a", "buildsys.tag", &body).await, Verdict::Done);
    keeper.failures.lock().unwrap().push_back(PortError::unavailable("full"));
    assert_eq!(inbox.take("b", "buildsys.tag", &body).await, Verdict::Again);
    assert_eq!(warnings.count(), 3, "it was over between");
}
