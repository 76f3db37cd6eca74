//! The program with its buses, heard by the listeners from PyPI through a real broker and a real socket.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rida_koji::testing::Hub;
use rida_test_postgres::Cluster;
use serde_json::{Value, json};

use crate::broker::broker;
use crate::daemon::Daemon;
use crate::programs::Program;
use crate::running::{Running, body, repository, run, stderr, stdout, within};
use crate::{authority, free_port};

const MODULE: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: A gate\n  \
    description: A gate.\n  license: {module: [MIT]}\n  components:\n    rpms:\n      \
    gate: {rationale: It opens., ref: main}\n";
const EMPTY: &str = "document: modulemd\nversion: 2\ndata:\n  stream: rolling\n  summary: Nothing\n  \
    description: No components.\n  license: {module: [MIT]}\n";
const SPEC: &str = "Name: gate\nVersion: 1\nRelease: 1%{?dist}\nSummary: A gate\nLicense: MIT\nBuildArch: noarch\n\n\
    %description\nA gate.\n\n%files\n";
const LIFE: [&str; 5] = ["init", "wait", "build", "done", "ready"];
const PATIENCE: Duration = Duration::from_secs(90);

fn set(settings: &[String]) -> Vec<&str> {
    settings.iter().flat_map(|setting| ["--set", setting]).collect()
}

fn submit(service: &Running, scmurl: &str) -> i64 {
    let answer = service.send("POST /rida/module-builds/", &json!({"scmurl": scmurl}).to_string());
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    body(&answer)["id"].as_i64().unwrap()
}

fn is_module(topic: &str) -> bool {
    topic.ends_with(".mbs.module.state.change")
}

/// Hears messages until the module of a build is ready.
fn life(listener: &mut Program, of: &str) -> Vec<(String, Value)> {
    let mut life = Vec::new();
    loop {
        let message = listener.event("message");
        let (topic, told) = (message["topic"].as_str().unwrap().to_owned(), message[of].clone());
        let ended = is_module(&topic) && told["state_name"] == "ready";
        life.push((topic, told));
        if ended {
            return life;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_module_that_is_submitted_is_told_on_both_buses_as_it_is() {
    let (broker, folder) = (broker().await, tempfile::tempdir().unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    repository(&root.join("git/modules/gate"), "gate.yaml", MODULE);
    repository(&root.join("git/rpms/gate"), "gate.spec", SPEC);
    let git = format!("file://{}/git", root.display());
    let file = |name: &str| authority(name).display().to_string();
    let (place, lines) = (format!("tcp://127.0.0.1:{}", free_port()), root.join("lines"));
    let settings = [
        format!("sources.repository={git}/rpms"),
        "local.builder=rpmbuild".to_owned(),
        "local.spare_disk=1".to_owned(),
        format!("publish.to={}", lines.display()),
        format!("bus.amqp.url={}", broker.url()),
        format!("bus.fedmsg.bind={place}"),
        "bus.fedmsg.needs_listener=true".to_owned(),
        format!("bus.fedmsg.certificate={}", file("signer.crt")),
        format!("bus.fedmsg.key={}", file("signer.key")),
        "bus.environment=stg".to_owned(),
    ];
    let data = root.join("data");
    let more = [vec!["--allow", &git], set(&settings)].concat();

    // Before the service is there, as somebody who installs it would: the socket of fedmsg is free.
    let text = data.display().to_string();
    let tested = run(&[vec!["--data", &text], more.clone(), vec!["bus", "test"]].concat());
    assert!(tested.status.success(), "{}{}", stdout(&tested), stderr(&tested));
    assert!(stdout(&tested).contains("fedora-messaging: a message was confirmed by"), "{}", stdout(&tested));
    assert!(stdout(&tested).contains(&format!("fedmsg: a message left at {place}")), "{}", stdout(&tested));
    assert!(!stdout(&tested).contains("guest:guest"), "{}", stdout(&tested));

    let mut amqp = Program::python("fedora-messaging", "fedora_hear.py", &[&broker.url(), "rida-http-life"]);
    amqp.event("listening");
    let mut fedmsg = Program::python("fedmsg", "fedmsg_hear.py", &[&place]);
    fedmsg.event("listening");
    let service = Running::start(&data, &more);
    let id = submit(&service, &format!("{git}/modules/gate?#main"));
    let heard = life(&mut amqp, "body");
    assert_eq!(life(&mut fedmsg, "msg"), heard, "the buses tell the same");

    let shown = service.json(&format!("/rida/module-builds/{id}?verbose=true"));
    let modules: Vec<&Value> = heard.iter().filter(|(topic, _)| is_module(topic)).map(|(_, told)| told).collect();
    let states: Vec<&str> = modules.iter().map(|told| told["state_name"].as_str().unwrap()).collect();
    assert_eq!(states, LIFE);
    for told in &modules {
        for key in ["id", "name", "stream", "owner", "scmurl"] {
            assert_eq!(told[key], shown[key], "{key} of {told}");
        }
    }
    let last = modules.last().unwrap();
    assert_eq!((&last["context"], &last["state"]), (&shown["context"], &json!(5)));
    assert_eq!((&last["batch"], &last["scratch"]), (&json!(2), &json!(false)), "{last}");
    assert!(last["time_completed"].is_string() && modules[0]["time_completed"].is_null(), "{last}");
    let progress = |package: &str| -> Vec<&str> {
        let of = heard.iter().filter(|(topic, told)| !is_module(topic) && told["package"] == package);
        of.map(|(_, told)| told["progress"].as_str().unwrap()).collect()
    };
    let gate = progress("gate");
    // The last batch needs no repository in which it is available.
    assert!(gate.starts_with(&["submitted"]) && gate.ends_with(&["built", "tagged"]), "{gate:?}");
    assert!(!progress("module-build-macros").is_empty());

    let told: Vec<&Value> = heard.iter().map(|(_, told)| &told["announcement"]).collect();
    within(PATIENCE, "the file and the buses tell the same in the same order", || {
        let file = std::fs::read_to_string(&lines).unwrap();
        let lines: Vec<Value> = file.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let written: Vec<&Value> = lines.iter().map(|line| &line["id"]).collect();
        if written == told { Ok(()) } else { Err(file.clone()) }
    });
    let (code, said) = service.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    assert!(!amqp.said().contains("complaint"), "{}", amqp.said());
}

fn in_koji(folder: &Path, hub: &Hub, database: &str, url: &str) -> Vec<String> {
    let profile = folder.join("koji.conf");
    let text = format!("[koji]\nserver = {}\nauthtype = password\nuser = rida\npassword = secret\n", hub.url());
    std::fs::write(&profile, text).unwrap();
    vec![
        format!("data.database={database}"),
        "builds.build_system=koji".to_owned(),
        format!("koji.config={}", profile.display()),
        "koji.base_tags=platform:el8=platform-build".to_owned(),
        // The module requires no base module, whose tag would have them.
        "koji.arches=x86_64".to_owned(),
        "koji.import_tag=modular-candidate".to_owned(),
        "worker.idle=100ms".to_owned(),
        format!("bus.amqp.url={url}"),
        "bus.environment=stg".to_owned(),
    ]
}

/// Each of two processes is killed once while they share the log and the broker.
#[tokio::test(flavor = "multi_thread")]
async fn two_processes_tell_each_build_in_order_when_either_is_killed() {
    const MODULES: usize = 8;
    let (broker, folder, hub) = (broker().await, tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let of = Cluster::shared().database();
    let root = std::fs::canonicalize(folder.path()).unwrap();
    let git = format!("file://{}/git", root.display());
    for number in 0..MODULES {
        repository(&root.join(format!("git/empty{number}")), &format!("empty{number}.yaml"), EMPTY);
    }
    let settings = in_koji(&root, &hub, &of.url(), &broker.url());
    let more = [vec!["--allow", &git], set(&settings)].concat();
    let mut consumer = Program::python("fedora-messaging", "fedora_hear.py", &[&broker.url(), "rida-http-two"]);
    consumer.event("listening");
    let start = |name: &str| Running::start(&root.join(name), &more);
    let mut services = [start("first"), start("second")];
    let mut builds = BTreeSet::new();
    for number in 0..MODULES {
        builds.insert(submit(&services[number % 2], &format!("{git}/empty{number}?#main")));
        hub.advance(Duration::from_secs(10));
        // One is killed while much is on its way, and the other after it may have taken over.
        if number == 2 || number == 5 {
            let (at, name) = if number == 2 { (0, "third") } else { (1, "fourth") };
            std::mem::replace(&mut services[at], start(name)).kill_9();
        }
    }
    within(PATIENCE, "all are ready", || {
        hub.advance(Duration::from_secs(10));
        let list = services[0].json("/rida/module-builds/?per_page=100&verbose=true");
        let ready = list.as_array().unwrap().iter().filter(|build| build["state"] == "ready").count();
        if ready == MODULES { Ok(()) } else { Err(list.to_string()) }
    });

    let mut told: BTreeMap<i64, Vec<(u64, u64, Option<String>)>> = BTreeMap::new();
    let (mut seen, mut repeats) = (BTreeMap::new(), 0);
    while told.values().filter(|life| life.iter().any(|it| it.2.as_deref() == Some("ready"))).count() < MODULES {
        let message = consumer.event("message");
        let (topic, body) = (message["topic"].as_str().unwrap(), &message["body"]);
        let announcement = body["announcement"].as_str().unwrap().to_owned();
        if let Some(before) = seen.insert(announcement.clone(), (message["id"].clone(), body.clone())) {
            assert_eq!(before, (message["id"].clone(), body.clone()), "a repeat is the same again");
            repeats += 1;
            continue;
        }
        let parts: Vec<u64> = announcement.split('.').map(|part| part.parse().unwrap()).collect();
        let state = is_module(topic).then(|| body["state_name"].as_str().unwrap().to_owned());
        let life = told.entry(i64::try_from(parts[0]).unwrap()).or_default();
        let place = (parts[1], parts[2]);
        assert!(
            life.last().is_none_or(|(one, two, _)| (*one, *two) < place),
            "out of order: {announcement} of {life:?}"
        );
        life.push((parts[1], parts[2], state));
    }
    for (id, life) in &told {
        let states: Vec<&str> = life.iter().filter_map(|(_, _, state)| state.as_deref()).collect();
        assert_eq!(states, LIFE, "none is lost of {id}");
    }
    assert_eq!(told.keys().copied().collect::<BTreeSet<_>>(), builds);
    println!("{} messages of two processes, each killed once: {repeats} repeated", seen.len());
}

/// Nobody looks by himself within the time of this test: what Koji says is all that lets a module go on.
#[tokio::test(flavor = "multi_thread")]
async fn what_koji_says_on_either_bus_lets_a_module_go_on() {
    let (mut broker, folder, hub) = (broker().await, tempfile::tempdir().unwrap(), Hub::start().await.unwrap());
    let root = std::fs::canonicalize(folder.path()).unwrap();
    for name in ["amqp", "fedmsg"] {
        repository(&root.join("git/modules").join(name), &format!("{name}.yaml"), MODULE);
    }
    repository(&root.join("git/rpms/gate"), "gate.spec", SPEC);
    let (_daemon, git) = Daemon::start(&root.join("git"));
    let place = format!("tcp://127.0.0.1:{}", free_port());
    let sqlite = root.join("rida.sqlite").display().to_string();
    let topics = ["build.state.change", "tag", "repo.init", "repo.done", "rpm.sign"];
    let senders = topics.map(|topic| format!("org.fedoraproject.prod.buildsys.{topic}=mbs-rida01.example.org"));
    let listening = [
        "builds.follow_every=1d".to_owned(),
        format!("sources.repository={git}/rpms"),
        "bus.amqp.queue=rida-http-listens".to_owned(),
        "bus.amqp.topics=org.fedoraproject.prod.buildsys.#".to_owned(),
        format!("bus.fedmsg.listen={place}"),
        "bus.fedmsg.topics=org.fedoraproject.prod.buildsys.".to_owned(),
        format!("bus.fedmsg.authority={}", authority("ca.crt").display()),
        format!("bus.fedmsg.revoked={}", authority("revoked.pem").display()),
        // Only who is named, and only what he is named for.
        format!("bus.fedmsg.senders={}", senders.join(",")),
    ];
    let settings = in_koji(&root, &hub, &sqlite, &broker.url());
    let more = [vec!["--allow", &git], set(&settings), set(&listening)].concat();
    // What other tests have bound to everything, so that nobody wants what is announced here.
    for queue in ["rida-http-life", "rida-http-two"] {
        broker.control(&format!("delete_queue {queue}"));
    }
    let service = Running::start(&root.join("data"), &more);
    let mut amqp = Program::python("fedora-messaging", "fedora_say.py", &[&broker.url()]);
    let mut fedmsg = Program::python("fedmsg", "fedmsg_say.py", &[&place]);
    let counted = |name: &str| {
        let metrics = service.ask("GET /metrics");
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        line.unwrap_or_else(|| panic!("{name} is not in {metrics}")).parse::<u64>().unwrap()
    };
    let came = |outcome: &str| counted(&format!("rida_bus_received_total{{outcome=\"{outcome}\"}}"));
    within(PATIENCE, "it is connected to both", || {
        // fedmsg's sender is there from its first message on.
        fedmsg.say(&json!({"signer": "signer", "topic": "rpm.sign", "msg": {}}));
        fedmsg.line(|line| line == "said");
        let (connected, heard) = (came("reconnected"), came("of_no_interest"));
        if connected >= 2 && heard > 0 { Ok(()) } else { Err(format!("{connected} {heard}")) }
    });
    let (of_no_interest, not_permitted) = (came("of_no_interest"), came("not_permitted"));
    for topic in ["untag", "rpm.sign"] {
        fedmsg.say(&json!({"signer": "signer", "topic": topic, "msg": {"tag": "x", "instance": "primary"}}));
        fedmsg.line(|line| line == "said");
    }
    within(PATIENCE, "the second, which is permitted, came", || {
        let came = came("of_no_interest");
        if came > of_no_interest { Ok(()) } else { Err(format!("{came}")) }
    });
    assert_eq!((came("not_permitted"), not_permitted), (1, 0), "nobody is named for the first");
    for on_fedmsg in [false, true] {
        hub.world().take_messages();
        let name = if on_fedmsg { "fedmsg" } else { "amqp" };
        let (taken, id) = (came("taken"), submit(&service, &format!("{git}/modules/{name}?#main")));
        let state = || {
            let build = service.json(&format!("/rida/module-builds/{id}?verbose=true"));
            assert_ne!(build["state"], "failed", "{build}");
            build
        };
        within(PATIENCE, "it waits for Koji", || {
            let build = state();
            if build["state"] == "build" { Ok(()) } else { Err(build.to_string()) }
        });
        within(PATIENCE * 2, "it is ready", || {
            hub.advance(Duration::from_secs(10));
            let messages = hub.world().take_messages();
            for message in messages {
                let topic = format!("org.fedoraproject.prod.{}", message.topic);
                if on_fedmsg {
                    let topic = message.topic.strip_prefix("buildsys.").unwrap();
                    fedmsg.say(&json!({"signer": "signer", "topic": topic, "msg": message.body}));
                    fedmsg.line(|line| line == "said");
                } else {
                    amqp.say(&json!({"topic": topic, "body": message.body}));
                    amqp.line(|line| line == "said");
                }
            }
            let build = state();
            if build["state"] == "ready" { Ok(()) } else { Err(build.to_string()) }
        });
        assert!(came("taken") > taken + 2, "{name}");
    }
    let unrouted = counted("rida_bus_unrouted_total");
    assert!(unrouted > 10, "nobody has bound a queue to what is announced: {unrouted}");
    let (code, said) = service.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(said.matches("no queue is bound").count(), 2, "once for each topic: {said}");
    assert!(!said.contains("returned us"), "the library says it of each, with the whole message: {said}");
}
