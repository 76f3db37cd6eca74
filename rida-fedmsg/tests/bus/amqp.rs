//! Announcing on fedora-messaging, to its own consumer, through a real broker.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rida_core::testing::{MemoryBuildSystem, MemoryPublisher, MemoryScm, MemoryStore, TestClock, sample};
use rida_core::{Driver, ParkedFilter, Parts, Policy, Publisher, Receipt, Store, WorkerId};
use rida_fedmsg::amqp::{AmqpConfig, AmqpLink, AmqpPublisher, probe};
use rida_fedmsg::{MessageIds, Topics};
use serde_json::Value;

use crate::announcements;
use crate::authority;
use crate::broker::{Broker, broker};
use crate::programs::{PATIENCE, Program};

fn publisher(link: AmqpLink) -> AmqpPublisher {
    AmqpPublisher::new(AmqpConfig::new(link), Topics::default(), MessageIds::new("test")).unwrap()
}

/// Starts a consumer on a queue of its own, which keeps what comes while nobody consumes.
fn consumer(broker: &Broker, queue: &str) -> Program {
    let mut consumer = Program::python("fedora-messaging", "fedora_hear.py", &[&broker.url(), queue]);
    consumer.event("listening");
    consumer
}

pub(crate) async fn tried_until_taken(publisher: &AmqpPublisher, announcement: &rida_core::Announcement) -> u32 {
    let start = Instant::now();
    let mut failures = 0;
    loop {
        match publisher.publish(announcement).await {
            Ok(Receipt::Confirmed) => return failures,
            Ok(receipt) => panic!("{receipt:?}"),
            Err(error) => {
                assert!(error.is_retryable(), "{error}");
                assert!(start.elapsed() < PATIENCE * 2, "{error}");
                failures += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_consumer_takes_every_message_without_a_complaint() {
    let broker = broker().await;
    let mut consumer = consumer(&broker, "rida-test-form");
    let publisher = publisher(broker.link());
    for announcement in &announcements() {
        assert_eq!(publisher.publish(announcement).await.unwrap(), Receipt::Confirmed);
    }
    for announcement in &announcements() {
        let message = consumer.event("message");
        let text = |key: &str| message[key].as_str().unwrap().to_owned();
        assert_eq!(text("id"), MessageIds::new("test").uuid(announcement));
        assert_eq!(message["body"]["announcement"], announcement.id.to_string());
        assert_eq!((text("content_type"), text("encoding")), ("application/json".to_owned(), "utf-8".to_owned()));
        assert_eq!((message["delivery_mode"].as_u64(), text("kind").as_str()), (Some(2), "Message"));
        assert_eq!(message["headers"]["fedora_messaging_module_lua"], true);
        assert!(text("topic").starts_with("org.fedoraproject.stg.mbs."));
        assert!([Some(20), Some(30)].contains(&message["severity"].as_u64()));
    }
    assert!(!consumer.said().contains("complaint"), "{}", consumer.said());
    assert_eq!(publisher.unrouted(), 0);
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_wants_is_confirmed_and_counted_or_held_back() {
    let broker = broker().await;
    let topics = || Topics::new("org.nobody", "stg", "mbs").unwrap();
    let config = AmqpConfig::new(broker.link());
    let forgets = AmqpPublisher::new(config.clone(), topics(), MessageIds::new("test")).unwrap();
    let held = AmqpConfig { needs_queue: true, ..config };
    let holds = AmqpPublisher::new(held, topics(), MessageIds::new("test")).unwrap();
    let announcement = &announcements()[0];
    // Consumers of other tests have bound queues to everything.
    let queues = ["rida-test-form", "rida-test-crash", "rida-test-alarm", "rida-test-driver"];
    delete_queues(&broker, &queues).await;
    assert_eq!(forgets.publish(announcement).await.unwrap(), Receipt::Confirmed);
    assert_eq!((forgets.unrouted(), forgets.held()), (1, 0));
    for tries in 1..=3 {
        let error = holds.publish(announcement).await.unwrap_err();
        assert!(error.is_retryable() && error.message().contains("no queue"), "{error}");
        assert_eq!((holds.unrouted(), holds.held()), (0, tries), "it is none that nobody will get");
    }
}

async fn delete_queues(broker: &Broker, queues: &[&str]) {
    let connection = lapin::Connection::connect(&broker.url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    for queue in queues {
        let _ = channel.queue_delete((*queue).into(), lapin::options::QueueDeleteOptions::default()).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_tell_who_it_is() {
    let broker = broker().await;
    let publisher = publisher(broker.tls_link("client", "ca.crt"));
    assert_eq!(publisher.publish(&announcements()[0]).await.unwrap(), Receipt::Confirmed);
    // One of another authority, and a broker of an authority that is not trusted.
    let strangers = [
        // The broker ends such a connection, which is seen with its reason or before it.
        (broker.tls_link("foreign", "ca.crt"), &["alert", "Broken pipe", "reset by peer", "aborted"][..]),
        (broker.tls_link("client", "other-ca.crt"), &["certificate verify failed"]),
    ];
    for (link, causes) in strangers {
        let error = self::publisher(link).publish(&announcements()[0]).await.unwrap_err();
        assert!(error.is_retryable(), "somebody mends the certificate: {error}");
        let why = error.in_full();
        assert!(causes.iter().any(|cause| why.contains(cause)), "{why}");
    }
    // Python's consumer is refused the queue, not the login, which only this user's permissions say.
    let files = ["ca.crt", "client.crt", "client.key"].map(|file| authority(file).display().to_string());
    let url = broker.tls_url();
    let arguments = [&url, "not-rida", &files[0], &files[1], &files[2]];
    let mut refused = Program::python("fedora-messaging", "fedora_hear.py", &arguments);
    let line = refused.line(|line| line.contains("ACCESS_REFUSED") || line.contains("PermissionException"));
    assert!(!line.contains("login"), "{line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_is_not_permitted_is_refused_for_good_and_the_next_is_taken() {
    let broker = broker().await;
    let topics = Topics::new("org.fedoraproject", "prod", "mbs").unwrap();
    let config = AmqpConfig::new(broker.tls_link("client", "ca.crt"));
    let forbidden = AmqpPublisher::new(config, topics, MessageIds::new("test")).unwrap();
    for _ in 0..2 {
        let error = forbidden.publish(&announcements()[0]).await.unwrap_err();
        assert!(!error.is_retryable() && error.message().contains("permit"), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_until_somebody_mends_it() {
    let broker = broker().await;
    let url = broker.url().replace("guest:guest", "guest:wrong");
    let publisher = publisher(AmqpLink { url, ..AmqpLink::default() });
    let error = publisher.publish(&announcements()[0]).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
    assert!(!format!("{error:?}").contains("wrong"), "{error:?}");
    let why = error.in_full();
    assert!(why.contains("ACCESS_REFUSED"), "{why}");
    let soon = Instant::now();
    let error = publisher.publish(&announcements()[0]).await.unwrap_err();
    assert!(soon.elapsed() < Duration::from_secs(5) && error.is_retryable(), "it waits before it tries again");
    assert_eq!(error.in_full(), why, "whoever comes meanwhile hears why");
}

/// Makes a certificate of the tests' authority that was good for a day, long ago, and its key; returns their files.
fn expired(folder: &std::path::Path) -> (std::path::PathBuf, std::path::PathBuf) {
    use openssl::asn1::Asn1Time;
    use openssl::x509::{X509, X509NameBuilder};
    let pem = |file: &str| std::fs::read(authority(file)).unwrap();
    let (of_authority, signing) =
        (X509::from_pem(&pem("ca.crt")).unwrap(), openssl::pkey::PKey::private_key_from_pem(&pem("ca.key")).unwrap());
    let key = openssl::pkey::PKey::from_rsa(openssl::rsa::Rsa::generate(2048).unwrap()).unwrap();
    let mut name = X509NameBuilder::new().unwrap();
    name.append_entry_by_text("CN", "rida").unwrap();
    let mut certificate = X509::builder().unwrap();
    certificate.set_version(2).unwrap();
    certificate.set_subject_name(&name.build()).unwrap();
    certificate.set_issuer_name(of_authority.subject_name()).unwrap();
    certificate.set_not_before(&Asn1Time::from_str("20200101000000Z").unwrap()).unwrap();
    certificate.set_not_after(&Asn1Time::from_str("20200102000000Z").unwrap()).unwrap();
    certificate.set_pubkey(&key).unwrap();
    certificate.sign(&signing, openssl::hash::MessageDigest::sha256()).unwrap();
    let files = (folder.join("expired.crt"), folder.join("expired.key"));
    std::fs::write(&files.0, certificate.build().to_pem().unwrap()).unwrap();
    std::fs::write(&files.1, key.private_key_to_pem_pkcs8().unwrap()).unwrap();
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_connection_is_said_in_words() {
    let (broker, folder) = (broker().await, tempfile::tempdir().unwrap());
    let good = broker.tls_link("client", "ca.crt");
    let plain = |from: &str, to: &str| AmqpLink { url: broker.url().replace(from, to), ..AmqpLink::default() };
    let tls_at_no_tls = AmqpLink { url: broker.url().replace("amqp:", "amqps:"), ..good.clone() };
    let tried = [
        (plain(&broker.url(), "amqp://guest:guest@127.0.0.1:9/%2f"), "nothing is at that address and port"),
        (plain("guest:guest", "guest:wrong"), "refuses the login"),
        (plain("%2f", "nowhere"), "does not let this user in: "),
        (tls_at_no_tls, "speaks no TLS"),
        (AmqpLink { identity: None, ..good.clone() }, "wants a client certificate"),
        (broker.tls_link("client", "other-ca.crt"), "not of an authority that is trusted"),
        (AmqpLink { authority: None, ..good.clone() }, "not of an authority that is trusted"),
        (broker.tls_link("foreign", "ca.crt"), "does not take the client certificate"),
        (AmqpLink { identity: Some(expired(folder.path())), ..good.clone() }, "which has expired"),
    ];
    for (link, told) in tried {
        let error = publisher(link.clone()).publish(&announcements()[0]).await.unwrap_err();
        let said = error.in_full();
        assert!(error.is_retryable() && said.contains(told), "{link:?}: {said}");
    }
    // What can be seen without the broker is told at the start.
    let refused = |link: AmqpLink| {
        let made = AmqpPublisher::new(AmqpConfig::new(link), Topics::default(), MessageIds::new("test"));
        let error = made.err().expect("it cannot be used");
        format!("{error}: {}", std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default())
    };
    let mixed = Some((authority("client.crt"), authority("foreign.key")));
    let mixed = refused(AmqpLink { identity: mixed, ..good.clone() });
    assert!(mixed.contains("is not that of the key") && mixed.contains("foreign.key"), "{mixed}");
    let none = refused(AmqpLink { authority: Some(authority("ca.key")), ..good });
    assert!(none.contains("it has no certificate") && none.contains("ca.key"), "{none}");
}

/// How many messages are in flight around the broker's death; `RIDA_BUS_MESSAGES` changes it.
fn many() -> usize {
    std::env::var("RIDA_BUS_MESSAGES").ok().map_or(3000, |text| text.parse().expect("a number of messages"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_killed_in_the_middle_loses_nothing_and_keeps_the_order() {
    let mut broker = broker().await;
    const QUEUE: &str = "rida-test-crash";
    const BUILDS: usize = 3;
    const KILLS: usize = 2;
    // Bound and then left alone: the queue keeps what comes.
    drop(consumer(&broker, QUEUE));
    drain(&broker, QUEUE, 0).await;
    let publisher = publisher(broker.link());
    let life = sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:1:c0ffee"));
    let mut announcement = life[0].announcements[0].clone();
    let (many, start) = (many(), Instant::now());
    let sent = Arc::new(AtomicUsize::new(0));
    let so_far = Arc::clone(&sent);
    // The builds take turns. Nobody here knows when the broker dies: one message is on its way then.
    let publishing = tokio::spawn(async move {
        let mut failures = 0;
        for number in 0..many {
            announcement.id.build = sample::id(i64::try_from(number % BUILDS).unwrap() + 1);
            announcement.id.revision = u64::try_from(number / BUILDS).unwrap();
            failures += tried_until_taken(&publisher, &announcement).await;
            so_far.store(number, Ordering::SeqCst);
        }
        publisher.close().await;
        failures
    });
    for part in 1..=KILLS {
        while sent.load(Ordering::SeqCst) < many * part / (KILLS + 1) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        // Anywhere within the few milliseconds that a message takes.
        let random = u64::from(std::process::id()).wrapping_mul(u64::try_from(part).unwrap());
        tokio::time::sleep(Duration::from_micros(random.wrapping_mul(7919) % 5000)).await;
        broker.kill();
        broker.start().await;
    }
    let failures = publishing.await.unwrap();
    let took = start.elapsed();
    assert!(failures > 0, "it was noticed");
    let got = drain(&broker, QUEUE, many).await;
    let mut next = [0; BUILDS];
    let (mut seen, mut repeats) = (BTreeSet::new(), 0);
    for (build, revision) in &got {
        if seen.insert((build, revision)) {
            let next = &mut next[usize::try_from(*build).unwrap() - 1];
            assert_eq!(revision, next, "each comes first in its turn of build {build}");
            *next += 1;
        } else {
            repeats += 1;
        }
    }
    assert_eq!(seen.len(), many, "none is lost");
    assert!(repeats <= KILLS, "only what was in flight is sent again: {repeats}");
    println!(
        "{many} messages across {KILLS} kills: {repeats} repeated, {failures} tries failed, {:.1} s",
        took.as_secs_f32()
    );
}

/// Takes everything out of a queue, and returns builds and revisions in order; waits for at least so many.
pub(crate) async fn drain(broker: &Broker, queue: &str, at_least: usize) -> Vec<(i64, i64)> {
    use lapin::options::BasicGetOptions;
    let connection = lapin::Connection::connect(&broker.url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let mut got = Vec::new();
    let start = Instant::now();
    loop {
        match channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap() {
            Some(message) => {
                let body: Value = serde_json::from_slice(&message.data).unwrap();
                let id = body["announcement"].as_str().unwrap().to_owned();
                let parts: Vec<i64> = id.split('.').map(|part| part.parse().unwrap()).collect();
                got.push((parts[0], parts[1]));
            }
            None if got.len() >= at_least => return got,
            None => {
                assert!(start.elapsed() < PATIENCE, "{} of {at_least} came", got.len());
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// How many connections of the library have their thread in this process.
pub(crate) fn connections() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap().map_while(Result::ok);
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
    names.filter(|name| name.trim() == "lapin-io-loop").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_with_an_alarm_keeps_one_connection_and_is_told_nothing_twice() {
    let mut broker = broker().await;
    const QUEUE: &str = "rida-test-alarm";
    drop(consumer(&broker, QUEUE));
    drain(&broker, QUEUE, 0).await;
    let publisher = publisher(broker.link());
    let mut announcement = announcements()[0].clone();
    announcement.id.revision = 0;
    assert_eq!(publisher.publish(&announcement).await.unwrap(), Receipt::Confirmed);
    let before = connections();

    broker.control("set_vm_memory_high_watermark 0");
    let (mut failures, mut number, start) = (0, 1, Instant::now());
    while failures < 20 {
        announcement.id.revision = number;
        match publisher.publish(&announcement).await {
            // The first that comes is what the broker tells its alarm for.
            Ok(receipt) => {
                assert_eq!(receipt, Receipt::Confirmed);
                number += 1;
            }
            Err(error) => {
                assert!(error.is_retryable() && error.message().contains("alarm"), "{error}");
                failures += 1;
            }
        }
        assert!(start.elapsed() < PATIENCE, "{failures} failures, {number} messages");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(connections() <= before, "no other connection is made: {} after {before}", connections());

    broker.control("set_vm_memory_high_watermark absolute 512MB");
    for revision in number..number + 5 {
        announcement.id.revision = revision;
        tried_until_taken(&publisher, &announcement).await;
    }
    let expected: Vec<i64> = (0..i64::try_from(number).unwrap() + 5).collect();
    let got = drain(&broker, QUEUE, expected.len()).await;
    let got: Vec<i64> = got.into_iter().map(|(_, revision)| revision).collect();
    assert_eq!(got, expected, "each once, and in order");
    publisher.close().await;
}

/// The whole way: the log, its reader, the broker; what is refused is parked, mended, and told in order.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_broker_does_not_permit_is_parked_until_it_does() {
    let mut broker = broker().await;
    let mut consumer = consumer(&broker, "rida-test-driver");
    let store = MemoryStore::new();
    for written in sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:1:c0ffee")) {
        store.commit(written.commit()).await.unwrap();
    }
    let clock = Arc::new(TestClock::at(sample::at(0)));
    let parts = Parts {
        store: Arc::new(store.clone()),
        build_system: Arc::new(MemoryBuildSystem::new(clock.clone())),
        publisher: Arc::new(MemoryPublisher::default()),
        scm: Arc::new(MemoryScm::default()),
        clock,
        allow: rida_core::scm::AllowList::default(),
        policy: Policy::default(),
    };
    let driver = Driver::new(parts, WorkerId("test".to_owned()));
    let publisher = publisher(broker.tls_link("client", "ca.crt"));
    broker.control("set_topic_permissions rida amq.topic ^nothing$ .*");
    let published = driver.publish_with("amqp", &publisher, 1000).await.unwrap();
    assert_eq!((published.announcements, published.refused.len()), (0, 1), "{published:?}");
    let parked = store.parked("amqp", ParkedFilter::default(), 1000).await.unwrap();
    assert!(parked.len() > 5 && parked[0].reason.contains("permit"), "{parked:?}");
    assert!(parked[0].reason.contains("ACCESS_REFUSED"), "what the broker says is told: {parked:?}");

    broker.control("set_topic_permissions rida amq.topic ^org\\.fedoraproject\\.stg\\. .*");
    store.retry_parked("amqp", None).await.unwrap();
    // Permissions are remembered for the time of a channel.
    publisher.close().await;
    let published = driver.publish_with("amqp", &publisher, 1000).await.unwrap();
    assert_eq!((published.announcements, published.confirmed), (parked.len(), parked.len()), "{published:?}");
    for expected in &parked {
        let message = consumer.event("message");
        assert_eq!(message["body"]["announcement"], expected.announcement.to_string(), "in order");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_goes_there_and_comes_back() {
    let broker = broker().await;
    let topic = Topics::default().of("bus.test");
    for link in [broker.link(), broker.tls_link("client", "ca.crt")] {
        let publisher = publisher(link.clone());
        probe(&publisher, &link, "amq.topic", &topic, sample::at(0), PATIENCE).await.unwrap();
    }
    let nobody = AmqpLink { url: "amqp://guest:guest@127.0.0.1:9/%2f".to_owned(), ..AmqpLink::default() };
    let away = probe(&publisher(nobody.clone()), &nobody, "amq.topic", &topic, sample::at(0), PATIENCE).await;
    assert!(away.unwrap_err().is_retryable());
}
