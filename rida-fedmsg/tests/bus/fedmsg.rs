//! Announcing on fedmsg, to fedmsg's own listeners.

use std::process::Command;
use std::time::Duration;

use rida_core::testing::publisher_contract;
use rida_core::{Publisher, Receipt};
use rida_fedmsg::fedmsg::envelope::Envelope;
use rida_fedmsg::fedmsg::sign::Signer;
use rida_fedmsg::fedmsg::{FedmsgConfig, FedmsgPublisher, Way};
use rida_fedmsg::json::Json;
use rida_fedmsg::{MessageIds, Topics};
use serde_json::Value;

use crate::programs::{PATIENCE, Program, python};
use crate::{announcements, authority};

pub(crate) fn signer(name: &str) -> Signer {
    Signer::from_files(&authority(&format!("{name}.crt")), &authority(&format!("{name}.key"))).unwrap()
}

pub(crate) fn publisher(config: &FedmsgConfig, signer: Option<Signer>) -> FedmsgPublisher {
    FedmsgPublisher::open(config, Topics::default(), MessageIds::new("test"), signer).unwrap()
}

pub(crate) fn bound() -> FedmsgConfig {
    FedmsgConfig { settle: Duration::ZERO, ..FedmsgConfig::new(Way::Bind(vec!["tcp://127.0.0.1:*".to_owned()])) }
}

/// Waits until somebody listens, which a connection alone does not say.
async fn listened_to(publisher: &FedmsgPublisher) {
    let waiting = publisher.listened_to("org.fedoraproject.stg.mbs.module.state.change");
    tokio::time::timeout(PATIENCE, waiting).await.unwrap().unwrap();
}

fn expected() -> Vec<String> {
    announcements().iter().map(|announcement| MessageIds::new("test").fedmsg(announcement)).collect()
}

async fn publish_all(publisher: &FedmsgPublisher) {
    for announcement in announcements() {
        assert_eq!(publisher.publish(&announcement).await.unwrap(), Receipt::HandedOver);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn fedmsg_believes_every_message() {
    let publisher = publisher(&bound(), Some(signer("signer")));
    let mut listener = Program::python("fedmsg", "fedmsg_hear.py", &[publisher.endpoint()]);
    listener.event("listening");
    listened_to(&publisher).await;
    publish_all(&publisher).await;
    for id in expected() {
        let message = listener.event("message");
        assert_eq!((message["good"].as_bool(), message["id"].as_str()), (Some(true), Some(&*id)), "{message}");
    }
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeat_is_the_same_message() {
    let publisher = publisher(&bound(), Some(signer("signer")));
    let announcement = &announcements()[0];
    let first = publisher.message(announcement).unwrap();
    assert_eq!(publisher.message(announcement).unwrap(), first);
    // After a restart, too.
    let later = self::publisher(&bound(), Some(signer("signer")));
    assert_eq!(later.message(announcement).unwrap(), first);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consumer_on_the_hub_believes_it_and_no_stranger() {
    let publisher = publisher(&bound(), Some(signer("signer")));
    let mut hub = Program::python("fedmsg", "fedmsg_hub.py", &[publisher.endpoint()]);
    listened_to(&publisher).await;
    let stranger = |id: &str| Envelope {
        topic: Topics::default().of("module.state.change"),
        msg: Json::object([("id", 7.into())]),
        timestamp: 1_800_000_000,
        msg_id: id.to_owned(),
        i: 1,
        username: "stranger".to_owned(),
    };
    // Through sockets of their own, at places of their own, they would be others' messages; here only the signature is.
    for name in ["foreign", "revoked"] {
        let frame = stranger(name).frame(Some(&signer(name))).unwrap();
        publisher.send_frame(stranger(name).topic, frame).await.unwrap();
    }
    publisher.send_frame(stranger("unsigned").topic, stranger("unsigned").frame(None).unwrap()).await.unwrap();
    // Ours, of which somebody on the way changed the body.
    let (topic, frame) = publisher.message(&announcements()[0]).unwrap();
    let tampered = frame.replace("\"state_name\":\"init\"", "\"state_name\":\"ready\"");
    assert_ne!(tampered, frame);
    publisher.send_frame(topic, tampered).await.unwrap();
    publish_all(&publisher).await;
    let got: Vec<Value> = expected().iter().map(|_| hub.event("message")).collect();
    let ids: Vec<&str> = got.iter().map(|message| message["id"].as_str().unwrap()).collect();
    assert_eq!(ids, expected(), "the strangers' messages are not among them");
}

/// Makes the folder that fedmsg's own commands read their settings from.
pub(crate) fn settings(endpoint: &str, relay: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("fedmsg.d")).unwrap();
    let authority = authority("");
    let text = format!(
        r#"
config = dict(
    topic_prefix="org.fedoraproject", environment="stg", high_water_mark=0, io_threads=1, post_init_sleep=0.2,
    endpoints={{"relay_outbound": ["{endpoint}"]}}, zmq_enabled=True, zmq_strict=False,
    relay_inbound=["{relay}"], sign_messages=False, validate_signatures=True,
    crypto_backend="x509", crypto_validate_backends=["x509"],
    ssldir="{folder}", ca_cert_location="{folder}/ca.crt", crl_location="{folder}/revoked.pem",
    logging=dict(
        version=1, disable_existing_loggers=False,
        formatters=dict(bare=dict(format="%(message)s")),
        handlers=dict(console={{"class": "logging.StreamHandler", "formatter": "bare", "stream": "ext://sys.stdout"}}),
        loggers=dict(fedmsg=dict(level="INFO", propagate=False, handlers=["console"]),
                     moksha=dict(level="INFO", propagate=False, handlers=["console"])),
    ),
)
"#,
        folder = authority.display(),
    );
    std::fs::write(folder.path().join("fedmsg.d/tests.py"), text).unwrap();
    folder
}

/// Starts one of fedmsg's own commands in such a folder.
pub(crate) fn command(name: &str, folder: &tempfile::TempDir, arguments: &[&str]) -> Program {
    let mut command = Command::new(python("fedmsg", name));
    command.args(arguments).current_dir(folder.path()).env("PYTHONUNBUFFERED", "1").env("PYTHONWARNINGS", "ignore");
    Program::start(&mut command)
}

#[tokio::test(flavor = "multi_thread")]
async fn fedmsg_tail_shows_what_it_has_validated() {
    let publisher = publisher(&bound(), Some(signer("signer")));
    let folder = settings(publisher.endpoint(), "tcp://127.0.0.1:9");
    let mut tail = command("fedmsg-tail", &folder, &["--validate", "--query", "msg_id"]);
    listened_to(&publisher).await;
    publish_all(&publisher).await;
    for id in expected() {
        let line = tail.line(|line| line.starts_with("20"));
        assert_eq!(line, id, "{}", tail.said());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_keeps_every_promise_of_a_publisher() {
    let publisher = publisher(&bound(), Some(signer("signer")));
    let context = zmq::Context::new();
    let socket = context.socket(zmq::SUB).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.set_rcvtimeo(500).unwrap();
    socket.connect(publisher.endpoint()).unwrap();
    listened_to(&publisher).await;
    let got = std::sync::Mutex::new(Vec::new());
    publisher_contract::run_all(&publisher, || {
        let mut got = got.lock().unwrap();
        while let Ok(frames) = socket.recv_multipart(0) {
            let message: Value = serde_json::from_slice(&frames[1]).unwrap();
            assert_eq!(message["topic"].as_str().unwrap().as_bytes(), frames[0]);
            got.push(message["msg"]["announcement"].as_str().unwrap().to_owned());
        }
        got.clone()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_over_leaves_at_the_end() {
    let publisher = publisher(&bound(), Some(signer("signer")));
    let context = zmq::Context::new();
    let socket = context.socket(zmq::SUB).unwrap();
    // Nothing is read until the publisher has ended, and little fits on the way.
    socket.set_rcvhwm(1).unwrap();
    socket.set_rcvbuf(4096).unwrap();
    socket.set_rcvtimeo(10_000).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.connect(publisher.endpoint()).unwrap();
    listened_to(&publisher).await;
    let announcement = &announcements()[0];
    const MANY: usize = 3000;
    for _ in 0..MANY {
        let _ = publisher.publish(announcement).await.unwrap();
    }
    let reading = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(300));
        (0..MANY).take_while(|_| socket.recv_multipart(0).is_ok()).count()
    });
    publisher.close().await;
    assert_eq!(reading.join().unwrap(), MANY);
    assert!(publisher.publish(announcement).await.unwrap_err().is_retryable(), "it is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_free_place_is_bound() {
    let first = publisher(&bound(), None);
    let places = vec![first.endpoint().to_owned(), "tcp://127.0.0.1:*".to_owned()];
    let second = publisher(&FedmsgConfig::new(Way::Bind(places.clone())), None);
    assert_ne!(first.endpoint(), second.endpoint());
    let taken = FedmsgConfig::new(Way::Bind(vec![first.endpoint().to_owned()]));
    let error = FedmsgPublisher::open(&taken, Topics::default(), MessageIds::new("test"), None).err().unwrap();
    assert!(error.to_string().contains("another process has"), "{error}");
    for place in ["", "127.0.0.1:3000", "inproc://x", "tcp://"] {
        let odd = FedmsgConfig::new(Way::Bind(vec![place.to_owned()]));
        assert!(FedmsgPublisher::open(&odd, Topics::default(), MessageIds::new("test"), None).is_err(), "{place}");
    }
}
