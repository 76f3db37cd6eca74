//! The commands about readers of the log, on the program itself.

use std::path::Path;
use std::process::{Command, Output};

use rida_core::testing::sample;
use rida_core::{AnnouncementId, LeaseTimes, Parked, Store, WorkerId};
use rida_store::{Database, StoreConfig};

use crate::broker::broker;

fn program(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rida-http"));
    command.env_clear().arg("--data").arg(folder).args(["--allow", "https://git.example.org/"]).args(arguments);
    command.output().unwrap()
}

fn told(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// A database with one whole life in its log, of which a reader parked the last announcement.
async fn database(folder: &Path) -> (Database, u64, AnnouncementId) {
    let database = Database::connect(&StoreConfig::sqlite(folder.join("rida.sqlite"))).await.unwrap();
    database.migrate().await.unwrap();
    let life = sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:1:c0ffee"));
    let mut end = 0;
    for written in &life {
        end = database.commit(written.commit()).await.unwrap();
    }
    let (worker, id) = (WorkerId("earlier".to_owned()), life.last().unwrap().announcements[0].id);
    let reason = "the topic is not\npermitted".to_owned();
    let parked = Parked { sequence: end, announcement: id, reason, at: sample::at(9), retrying: false };
    let times = LeaseTimes { now: sample::at(0), until: sample::at(1), latest: sample::at(1) };
    database.take_reader("amqp", &worker, times).await.unwrap();
    assert!(database.advance_reader("amqp", &worker, 0, end, &[parked]).await.unwrap());
    (database, end, id)
}

#[tokio::test]
async fn readers_are_moved_back_and_what_is_parked_is_shown_retried_and_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let (database, end, id) = database(folder.path()).await;
    let status = told(&program(folder.path(), &["bus", "status", "--reader", "amqp"]));
    assert!(status.contains(&format!("amqp: at line {end} of {end}, 0 behind, 1 parked")), "{status}");
    assert!(status.contains(&format!("{id} of line {end}")) && status.contains(r"not\npermitted"), "{status}");

    let replay = told(&program(folder.path(), &["bus", "replay", "--since", "3", "--reader", "amqp"]));
    assert!(replay.contains(&format!("lines 3 to {end} are told again")), "{replay}");
    assert!(replay.contains("1 parked announcements are tried again"), "{replay}");
    let state = database.reader("amqp").await.unwrap();
    assert_eq!((state.sequence, state.retrying), (2, 1));
    assert_eq!(database.reader("publisher").await.unwrap().sequence, 0, "the others are where they were");

    let ahead = told(&program(folder.path(), &["bus", "replay", "--since", "900", "--reader", "amqp"]));
    assert!(ahead.contains("nothing is told twice"), "{ahead}");
    assert_eq!(database.reader("amqp").await.unwrap().sequence, 2);

    let unknown = told(&program(folder.path(), &["bus", "status", "--reader", "fedmsg"]));
    assert!(unknown.contains(&format!("has not started; it begins behind line {end}")), "{unknown}");
    assert!(!unknown.contains("behind,"), "nothing waits for it: {unknown}");
    // One that was never started begins there, and not behind what is in the log already.
    let first = told(&program(folder.path(), &["bus", "replay", "--since", "2", "--reader", "fedmsg"]));
    assert!(first.contains("it begins with line 2"), "{first}");
    let state = database.reader("fedmsg").await.unwrap();
    assert_eq!((state.known, state.sequence, state.lease), (true, 1, None));

    // Another of the build waits behind it, and goes on waiting when the first is given up.
    let times = LeaseTimes { now: sample::at(2), until: sample::at(3), latest: sample::at(3) };
    let (worker, behind) = (WorkerId("earlier".to_owned()), AnnouncementId { index: id.index + 1, ..id });
    database.take_reader("amqp", &worker, times).await.unwrap();
    let reason = "an earlier announcement of this build is parked".to_owned();
    let parked = Parked { sequence: end, announcement: behind, reason, at: sample::at(9), retrying: false };
    assert!(database.advance_reader("amqp", &worker, 2, end, &[parked]).await.unwrap());
    let id = id.to_string();
    let discarded = told(&program(folder.path(), &["bus", "discard", &id, "--reader", "amqp"]));
    assert!(discarded.contains("is given up"), "{discarded}");
    assert!(discarded.contains("1 more of build 1 are parked; `bus retry --build 1`"), "{discarded}");
    let rest = told(&program(folder.path(), &["bus", "discard", &behind.to_string(), "--reader", "amqp"]));
    assert!(rest.contains("is given up") && !rest.contains("more of build"), "{rest}");
    assert_eq!(database.reader("amqp").await.unwrap().parked, 0);
    let again = told(&program(folder.path(), &["bus", "discard", &id, "--reader", "amqp"]));
    assert!(again.contains("is not parked"), "{again}");
    let retry = told(&program(folder.path(), &["bus", "retry", "--reader", "amqp", "--build", "1"]));
    assert!(retry.contains("0 parked"), "{retry}");
    assert!(!program(folder.path(), &["bus", "discard", "1.2", "--reader", "amqp"]).status.success());
}

#[test]
fn a_message_goes_out_on_fedmsg_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    let authority =
        Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("rida-fedmsg/tests/fixtures/authority");
    let file = |name: &str| authority.join(name).display().to_string();
    let settings = [
        "bus.fedmsg.bind=tcp://127.0.0.1:*".to_owned(),
        format!("bus.fedmsg.certificate={}", file("signer.crt")),
        format!("bus.fedmsg.key={}", file("signer.key")),
        "bus.fedmsg.listen=tcp://127.0.0.1:9".to_owned(),
        "bus.fedmsg.nitpicky=false".to_owned(),
        format!("bus.fedmsg.authority={}", file("ca.crt")),
        format!("bus.fedmsg.revoked={}", file("revoked.pem")),
    ];
    let test = |settings: &[String]| {
        let mut arguments = vec!["bus", "test"];
        settings.iter().for_each(|setting| arguments.extend(["--set", setting]));
        program(folder.path(), &arguments)
    };
    let good = told(&test(&settings));
    assert!(good.contains("came back, and its signature is good"), "{good}");
    let revoked = settings.clone().map(|setting| setting.replace("signer.", "revoked."));
    let refused = test(&revoked);
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(!refused.status.success() && why.contains("not believed: its certificate"), "{why}");
    assert!(why.contains("(certificate revoked)"), "{why}");
    let wrong = [
        ("bus.fedmsg.high_water_mark=0", "bus.fedmsg.high_water_mark is zero"),
        ("bus.fedmsg.nitpicky=true", "nobody is named that may send"),
        ("bus.fedmsg.bind=ipc:///run/fedmsg", "is no place for announcements, such as tcp://"),
    ];
    for (setting, told) in wrong {
        let refused = test(&[settings.as_slice(), &[setting.to_owned()]].concat());
        let why = String::from_utf8(refused.stderr).unwrap();
        assert!(!refused.status.success() && why.contains(told), "{setting}: {why}");
    }
    let nothing = test(&[]);
    assert!(!nothing.status.success());
}

/// A user who may only read is not asked to send anything.
#[tokio::test]
async fn who_only_listens_has_the_queue_tested_and_nothing_sent() {
    let (mut broker, folder) = (broker().await, tempfile::tempdir().unwrap());
    broker.control("add_user reader secret");
    broker.control("set_permissions reader ^rida-http-reader$ ^rida-http-reader$ ^(rida-http-reader|amq\\.topic)$");
    let test = |queue: &str| {
        let url = format!("bus.amqp.url={}", broker.url().replace("guest:guest", "reader:secret"));
        let (queue, announce) = (format!("bus.amqp.queue={queue}"), "bus.amqp.announce=false");
        program(folder.path(), &["bus", "test", "--set", &url, "--set", &queue, "--set", announce])
    };
    let good = told(&test("rida-http-reader"));
    assert!(good.contains("the queue rida-http-reader at amqp://reader:***@"), "{good}");
    assert!(good.contains("can be read; nothing is announced") && !good.contains("was confirmed"), "{good}");
    let another = test("rida-http-another");
    let why = String::from_utf8_lossy(&another.stderr).into_owned();
    assert!(
        !another.status.success() && why.contains("the queue cannot be used: ") && why.contains("ACCESS_REFUSED"),
        "{why}"
    );
    broker.control("delete_queue rida-http-reader");
}

/// Whoever wants to see everything does not see what is sent to log in, as text or as bytes.
#[tokio::test]
async fn no_filter_gets_a_password_of_a_broker_into_the_log() {
    const PASSWORD: &str = "s3cr3t-of-the-broker";
    let (mut broker, folder) = (broker().await, tempfile::tempdir().unwrap());
    broker.control(&format!("add_user spied {PASSWORD}"));
    broker.control("set_permissions spied .* .* .*");
    let url = format!("bus.amqp.url={}", broker.url().replace("guest:guest", &format!("spied:{PASSWORD}")));
    for format in ["text", "json"] {
        let format = format!("log.format={format}");
        let filter = "log.filter=trace,lapin=trace,lapin::frames=trace,amq_protocol=trace";
        let mut arguments = vec!["bus", "test"];
        // Who signs nothing is told so, which shows that there is a log.
        [&url, &format, filter, "bus.fedmsg.bind=tcp://127.0.0.1:*"]
            .iter()
            .for_each(|setting| arguments.extend(["--set", setting]));
        let output = program(folder.path(), &arguments);
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told(&output).contains("came back") && log.contains("are not signed"), "{log}");
        let bytes: Vec<String> = PASSWORD.bytes().map(|byte| byte.to_string()).collect();
        for secret in [PASSWORD.to_owned(), bytes.join(", "), bytes.join(",")] {
            assert!(!log.contains(&secret), "{secret} is in the log");
        }
    }
}

#[test]
fn passwords_of_brokers_are_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rida-http"));
    command.env_clear().arg("--data").arg(folder.path()).args(["--allow", "https://git.example.org/", "check-config"]);
    command.env("RIDA_BUS__AMQP__URL", "amqps://rida:hunter2@broker.example.org/%2f");
    command.env("RIDA_BUS__TOPIC_PREFIX", "org.example").env("PATH", std::env::var_os("PATH").unwrap());
    let output = command.output().unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("hunter2"), "{text}");
    assert!(text.contains("[bus.amqp]\nurl = \"amqps://rida:***@broker.example.org/%2f\""), "{text}");
    assert!(text.contains("topic_prefix = \"org.example\"") && text.contains("org.example.stg.buildsys.#"), "{text}");
}
