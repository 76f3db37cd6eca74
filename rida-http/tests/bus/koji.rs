//! Modules in the double of Koji's hub, with the messages that the hub sends: each comes over the bus as a hint, and may
//! be lost, repeated, late, or about somebody else's builds.

use std::sync::Arc;
use std::time::Duration;

use rida_core::{BuildId, BuildState, Driver, ModuleBuild};
use rida_fedmsg::Inbox;
use rida_fedmsg::json::{Json, JsonLimits};
use rida_http::Hints;
use rida_koji::testing::{Course, HubMessage};
use serde_json::json;

use crate::flow::{Flow, THREE};
use crate::world::MODULEMD;

/// How long a module may take, in seconds.
const LONGEST: u32 = 3000;
/// Time goes on in steps of this.
const SECOND: Duration = Duration::from_secs(1);

/// A module that is built while messages come.
struct Told {
    flow: Flow,
    driver: Arc<Driver>,
    inbox: Inbox,
    id: BuildId,
}

impl Told {
    async fn new(change: impl FnOnce(&mut Flow)) -> Self {
        let mut flow = Flow::new().await;
        change(&mut flow);
        let driver = Arc::new(flow.sparing_driver());
        let inbox = Inbox::new(Arc::new(Hints::new(Arc::clone(&driver))), "primary");
        let id = flow.submit(MODULEMD, THREE).await;
        flow.world.hub.world().take_messages();
        Self { flow, driver, inbox, id }
    }

    /// Does all that is due now.
    async fn work(&self) {
        for _ in 0..50 {
            if self.driver.turn().await.unwrap().is_idle() {
                return;
            }
        }
    }

    async fn bring(&self, message: &HubMessage) {
        let body = Json::read(message.body.to_string().as_bytes(), JsonLimits::default()).unwrap();
        let topic = format!("org.fedoraproject.prod.{}", message.topic);
        self.inbox.take(&message.number.to_string(), &topic, &body).await;
    }

    /// Builds the module, and returns it with how many seconds that took. `post` says which messages come this second.
    async fn until_ended(&self, mut post: impl FnMut(u32, Vec<HubMessage>) -> Vec<HubMessage>) -> (ModuleBuild, u32) {
        for second in 0..LONGEST {
            self.work().await;
            let sent = self.flow.world.hub.world().take_messages();
            for message in post(second, sent) {
                self.bring(&message).await;
            }
            self.work().await;
            let build = self.flow.load(self.id).await;
            if !build.state().is_active() {
                return (build, second);
            }
            self.flow.pass_for(SECOND);
        }
        panic!("it does not end: {:#?}", self.flow.load(self.id).await.components);
    }

    /// Tells whether everything was built once, and repositories one after the other.
    fn judge(&self, build: &ModuleBuild, what: &str) {
        assert_eq!(build.state(), BuildState::Ready, "{what}: {:?} {:?}", build.reason(), build.components);
        for (component, _) in THREE.iter().chain(&[("module-build-macros", 0)]) {
            assert_eq!(self.flow.tasks(component), 1, "{what}: {component}");
        }
        let world = self.flow.world.hub.world();
        assert_eq!(world.tasks().filter(|task| task.method == "newRepo").count(), 3, "{what}");
        assert_eq!(world.waits_for_repository, 0, "{what}");
    }

    fn requests(&self) -> usize {
        self.flow.world.hub.world().calls.len()
    }
}

#[tokio::test]
async fn each_kind_of_message_may_be_lost_once() {
    // Long enough that what runs is asked about as seldom as ever.
    let slow = |flow: &mut Flow| {
        let mut world = flow.world.hub.world();
        for name in ["alpha", "beta", "gamma", "module-build-macros"] {
            world.courses.insert(name.to_owned(), Course::Succeeds(177.0));
        }
        world.repository_time = 93.0;
    };
    let told = Told::new(slow).await;
    let (build, with_all) = told.until_ended(|_, sent| sent).await;
    told.judge(&build, "all messages");
    println!("all messages: {with_all} s, {} requests", told.requests());
    let is = |message: &HubMessage, topic: &str, key: &str, value: serde_json::Value| {
        message.topic == topic && message.body[key] == value
    };
    type Lost = fn(&HubMessage, &dyn Fn(&HubMessage, &str, &str, serde_json::Value) -> bool) -> bool;
    let kinds: [(&str, Lost); 7] = [
        ("a build that begins", |m, is| is(m, "buildsys.build.state.change", "new", json!(0))),
        ("the macros are built", |m, is| {
            is(m, "buildsys.build.state.change", "name", json!("module-build-macros")) && m.body["new"] == 1
        }),
        ("a component is built", |m, is| {
            is(m, "buildsys.build.state.change", "name", json!("alpha")) && m.body["new"] == 1
        }),
        ("a package is tagged", |m, _| m.topic == "buildsys.tag"),
        ("a repository is begun", |m, _| m.topic == "buildsys.repo.init"),
        ("a repository is there", |m, _| m.topic == "buildsys.repo.done"),
        ("every message", |_, _| true),
    ];
    for (kind, is_lost) in kinds {
        let told = Told::new(slow).await;
        let (every, mut lost) = (kind == "every message", 0);
        // The last one of a kind where that is later than the first: before the first package nobody listens.
        let skipped = usize::from(kind == "a repository is there");
        let (build, took) = told
            .until_ended(|_, mut sent| {
                sent.retain(|message| {
                    let is_one = is_lost(message, &is);
                    lost += usize::from(is_one);
                    !(is_one && (every || lost == skipped + 1))
                });
                sent
            })
            .await;
        told.judge(&build, kind);
        assert!(lost > skipped, "{kind}");
        println!("{kind} lost: {took} s, {} later; {} requests", took.saturating_sub(with_all), told.requests());
        // Half a minute, a look, and the second in which it is seen; for each of five times that something is waited for.
        let most = if every { 5 * 42 } else { 42 };
        assert!(took <= with_all + most, "{kind}: {took} instead of {with_all}");
    }
}

#[tokio::test]
async fn every_message_may_come_twice_and_in_the_wrong_order() {
    let told = Told::new(|_| {}).await;
    let mut held = Vec::new();
    let (build, _) = told
        .until_ended(|second, mut sent| {
            held.append(&mut sent);
            if second % 20 != 0 {
                return Vec::new();
            }
            let mut batch = std::mem::take(&mut held);
            batch.reverse();
            // Another id, as over another bus: it is not recognised as a repeat.
            let again =
                batch.clone().into_iter().map(|message| HubMessage { number: message.number + 1_000_000, ..message });
            batch.iter().cloned().zip(again).flat_map(|(one, other)| [one, other]).collect()
        })
        .await;
    told.judge(&build, "twice and reversed");
}

#[tokio::test]
async fn messages_about_others_change_nothing_and_cost_nothing() {
    let plain = Told::new(|_| {}).await;
    let (build, alone) = plain.until_ended(|_, sent| sent).await;
    plain.judge(&build, "its own messages");
    let told = Told::new(|_| {}).await;
    let mut number = 1_000_000;
    let foreign = [
        (
            "buildsys.tag",
            json!({"instance": "primary", "tag": "f41-updates", "name": "x", "version": "1", "release": "1"}),
        ),
        ("buildsys.tag", json!({"instance": "primary", "tag": "module-other-1-1-1-build", "name": null})),
        ("buildsys.repo.done", json!({"instance": "primary", "tag": "module-other-1-1-1-build", "repo_id": 1})),
        (
            "buildsys.build.state.change",
            json!({
                "instance": "primary", "task_id": null, "new": 1, "name": "alpha", "version": "1.0", "release": "1.fc41",
            }),
        ),
        ("buildsys.build.state.change", json!({"instance": "primary", "task_id": 999_999, "new": 3, "name": "alpha"})),
        ("buildsys.package.list.change", json!({"instance": "primary", "package": "alpha", "tag": "f41"})),
    ];
    let (build, took) = told
        .until_ended(|_, mut sent| {
            sent.extend(foreign.iter().map(|(topic, body)| {
                number += 1;
                HubMessage { number, topic, body: body.clone() }
            }));
            // What another instance of Koji says of tags and tasks that have the same names and numbers.
            let of_others: Vec<HubMessage> = sent
                .iter()
                .map(|message| {
                    number += 1;
                    let mut body = message.body.clone();
                    body["instance"] = json!("secondary");
                    HubMessage { number, topic: message.topic, body }
                })
                .collect();
            sent.extend(of_others);
            sent
        })
        .await;
    told.judge(&build, "others' messages");
    assert_eq!((took, told.requests()), (alone, plain.requests()), "nothing was asked for their sake");
    assert!(told.inbox.received().count("foreign") > 100);
}

#[tokio::test]
async fn a_repository_that_nobody_waits_for_starts_nothing() {
    // One at a time, so that the batch is not all started when the message comes.
    let told = Told::new(|flow| flow.policy.components_at_once = 1).await;
    let tag = format!("{}-build", told.flow.load(told.id).await.tag());
    let mut number = 1_000_000;
    let hub = &told.flow.world.hub;
    let mut most = 0;
    let (build, _) = told
        .until_ended(|_, mut sent| {
            let running = |task: &&rida_koji::testing::HubTask| task.method == "build" && task.state.is_active();
            most = most.max(hub.world().tasks().filter(running).count());
            number += 1;
            // Every second: while nothing is started, is built, is untagged, or waits for another repository.
            let body = json!({"instance": "primary", "tag": tag, "repo_id": 1});
            sent.push(HubMessage { number, topic: "buildsys.repo.done", body });
            sent
        })
        .await;
    told.judge(&build, "repositories that nobody waits for");
    assert_eq!(most, 1, "one component at a time");
}

#[tokio::test]
async fn a_result_may_be_told_before_its_task_is_known() {
    let told = Told::new(|flow| {
        let mut world = flow.world.hub.world();
        world.wait_for_builder = 0.0;
        for name in ["alpha", "beta", "gamma", "module-build-macros"] {
            world.courses.insert(name.to_owned(), Course::Succeeds(0.0));
        }
    })
    .await;
    let (build, took) = told.until_ended(|_, sent| sent).await;
    told.judge(&build, "at once");
    assert!(took < 200, "{took}");
}
