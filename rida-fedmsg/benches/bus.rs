//! What the buses cost: signed messages a second beside the bare signature, and confirmed messages a second beside a
//! plain loop of the AMQP library. The second needs RabbitMQ, which `scripts/setup.sh test` installs; it is started on
//! loopback, in a temporary folder, and ended.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use rida_core::testing::sample;
use rida_core::{Announcement, Publisher};
use rida_fedmsg::amqp::message::Message;
use rida_fedmsg::amqp::{AmqpConfig, AmqpLink, AmqpPublisher};
use rida_fedmsg::fedmsg::sign::Signer;
use rida_fedmsg::fedmsg::{FedmsgConfig, FedmsgPublisher, Way};
use rida_fedmsg::{MessageIds, Topics};

/// How many rounds are measured. They are short and in turns, so that what else the machine does meets all alike.
const ROUNDS: usize = 100;

fn main() {
    // `cargo test` runs benchmarks, too, and asks for nothing of them.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    let life = sample::life_to_ready(sample::id(1), sample::nsvc("lua:5.4:20261123:c0ffee"));
    let announcements: Vec<Announcement> = life.into_iter().flat_map(|written| written.announcements).collect();
    let runtime = tokio::runtime::Runtime::new().expect("threads can be started");
    println!("load before: {}", std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim());
    runtime.block_on(async {
        signatures(&announcements).await;
        confirms(&announcements).await;
    });
}

fn authority(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/authority").join(file)
}

fn signer() -> Signer {
    Signer::from_files(&authority("signer.crt"), &authority("signer.key")).expect("the test's key is good")
}

async fn signatures(announcements: &[Announcement]) {
    const MANY: usize = 20;
    let config = FedmsgConfig::new(Way::Bind(vec!["tcp://127.0.0.1:*".to_owned()]));
    let publisher = FedmsgPublisher::open(&config, Topics::default(), MessageIds::new("bench"), Some(signer()));
    let publisher = publisher.expect("a port is free");
    let reading = reader(publisher.endpoint());
    publisher.listened_to(&Topics::default().of("module.state.change")).await.expect("somebody comes");
    let bare = signer();
    let (mut bares, mut mades, mut sents) = (Vec::new(), Vec::new(), Vec::new());
    let texts: Vec<String> =
        announcements.iter().map(|announcement| publisher.message(announcement).expect("it is signed").1).collect();
    for round in 0..ROUNDS {
        for turn in in_turns(round, [0, 1, 2]) {
            let start = Instant::now();
            match turn {
                0 => {
                    for text in texts.iter().cycle().take(MANY) {
                        std::hint::black_box(bare.signature(text.as_bytes()).expect("it is signed"));
                    }
                    bares.push(rate(MANY, start));
                }
                1 => {
                    for announcement in announcements.iter().cycle().take(MANY) {
                        std::hint::black_box(publisher.message(announcement).expect("it is signed"));
                    }
                    mades.push(rate(MANY, start));
                }
                _ => {
                    for announcement in announcements.iter().cycle().take(MANY) {
                        let _ = publisher.publish(announcement).await.expect("it is handed over");
                    }
                    sents.push(rate(MANY, start));
                }
            }
        }
    }
    tell("bare signatures", &bares, &bares);
    tell("signed messages", &mades, &bares);
    tell("signed messages handed over to a listener", &sents, &bares);
    publisher.close().await;
    println!("{} messages arrived, {} were missed", reading.join().expect("it reads"), publisher.missed());
}

/// Listens as fedmsg does, until nothing comes any more; returns how much came.
fn reader(place: &str) -> std::thread::JoinHandle<usize> {
    let socket = zmq::Context::new().socket(zmq::SUB).expect("a socket is made");
    socket.set_subscribe(b"").expect("it listens to all");
    socket.connect(place).expect("it connects");
    std::thread::spawn(move || {
        socket.set_rcvtimeo(60_000).expect("it waits");
        let mut came = 0;
        while socket.recv_multipart(0).is_ok() {
            came += 1;
            socket.set_rcvtimeo(3_000).expect("it waits");
        }
        came
    })
}

async fn confirms(announcements: &[Announcement]) {
    const MANY: usize = 25;
    let broker = Broker::start();
    let link = AmqpLink { url: format!("amqp://guest:guest@127.0.0.1:{}/%2f", broker.port), ..AmqpLink::default() };
    let connection = lapin::Connection::connect(&link.url, lapin::ConnectionProperties::default()).await;
    let connection = connection.expect("the broker answers");
    let channel = connection.create_channel().await.expect("a channel is opened");
    channel.confirm_select(ConfirmSelectOptions::default()).await.expect("it confirms");
    let queue = channel.queue_declare("bench".into(), QueueDeclareOptions::durable(), FieldTable::default()).await;
    let _ = queue.expect("a queue is made");
    let binding = channel.queue_bind(
        "bench".into(),
        "amq.topic".into(),
        "#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    binding.await.expect("it is bound");
    let publisher = AmqpPublisher::new(AmqpConfig::new(link), Topics::default(), MessageIds::new("bench"));
    let publisher = publisher.expect("the address is good");
    let (mut plain, mut ours) = (Vec::new(), Vec::new());
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let messages: Vec<Message> = announcements
        .iter()
        .map(|announcement| Message::of(announcement, &Topics::default(), &MessageIds::new("bench")).expect("it fits"))
        .collect();
    for round in 0..ROUNDS {
        for turn in in_turns(round, [0, 1]) {
            let start = Instant::now();
            if turn == 0 {
                for Message { routing_key, properties, payload } in messages.iter().cycle().take(MANY) {
                    let (key, properties) = (routing_key.clone(), properties.clone());
                    let publishing = channel.basic_publish("amq.topic".into(), key, options, payload, properties);
                    let _ = publishing.await.expect("it is sent").await.expect("it is confirmed");
                }
                plain.push(rate(MANY, start));
            } else {
                for announcement in announcements.iter().cycle().take(MANY) {
                    let _ = publisher.publish(announcement).await.expect("it is confirmed");
                }
                ours.push(rate(MANY, start));
            }
        }
    }
    tell("confirmed messages in a plain loop", &plain, &plain);
    tell("confirmed announcements", &ours, &plain);
    publisher.close().await;
}

/// What is measured after something else profits or suffers from that: every other round goes the other way round.
fn in_turns<const N: usize>(round: usize, mut turns: [u8; N]) -> [u8; N] {
    if round % 2 == 1 {
        turns.reverse();
    }
    turns
}

fn rate(many: usize, start: Instant) -> f64 {
    f64::from(u32::try_from(many).unwrap_or(u32::MAX)) / start.elapsed().as_secs_f64()
}

/// Tells the median rate, and the median of its ratios to the limit of the same round.
fn tell(what: &str, rates: &[f64], limits: &[f64]) {
    let ratios: Vec<f64> = rates.iter().zip(limits).map(|(rate, limit)| rate / limit).collect();
    println!("{what:<40} {:>8.0} /s  {:.2} of the limit", median(rates), median(&ratios));
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or_default()
}

/// A RabbitMQ, which ends with this: its script's input ends then.
struct Broker {
    port: u16,
    child: std::process::Child,
    _folder: tempfile::TempDir,
}

impl Broker {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder can be made");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broker.sh");
        let ports: Vec<u16> = (0..4).map(|_| free_port()).collect();
        let port = ports.first().copied().unwrap_or_default();
        let mut command = Command::new(script);
        command.arg(folder.path()).args(ports.iter().map(ToString::to_string)).arg(authority(""));
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("run scripts/setup.sh test first");
        let input = child.stdin.as_mut().expect("it has an input");
        writeln!(input, "start").expect("it reads");
        let mut line = String::new();
        let _ = BufReader::new(child.stdout.take().expect("it has an output")).read_line(&mut line);
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < Duration::from_secs(180), "RabbitMQ does not start");
            std::thread::sleep(Duration::from_millis(200));
        }
        Self { port, child, _folder: folder }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it has an address").port()
}
