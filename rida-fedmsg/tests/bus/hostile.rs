//! Those who connect to where announcements leave, and do not mean well, or do not read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rida_fedmsg::fedmsg::{FedmsgConfig, FedmsgPublisher};

use crate::by_hand::{self, next_message, wants};
use crate::fedmsg::{bound, publisher};
use crate::fedmsg_listening::until;
use crate::programs::PATIENCE;

fn listener(publisher: &FedmsgPublisher) -> TcpStream {
    by_hand::listener(publisher.endpoint()).unwrap()
}

async fn listened_to(publisher: &FedmsgPublisher, topic: &str) {
    tokio::time::timeout(PATIENCE, publisher.listened_to(topic)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_sends_more_than_a_topic_is_cut_off() {
    let publisher = publisher(&bound(), None);
    let mut stream = listener(&publisher);
    stream.write_all(&wants("org.example.")).unwrap();
    listened_to(&publisher, "org.example.module").await;
    // A long frame of 64 MB is announced, and some of it comes.
    let start = [&[2_u8], 64_000_000_u64.to_be_bytes().as_slice(), &[1]].concat();
    stream.write_all(&start).unwrap();
    let _ = stream.write_all(&[b'x'; 10_000]);
    let is_cut_off = match stream.read(&mut [0; 64]) {
        Ok(read) => read == 0,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    };
    // A connection that stands is asked by ZeroMQ every now and then whether it does.
    assert!(is_cut_off, "it is read on");
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_wants_endlessly_many_topics_is_cut_off_and_holds_up_no_message() {
    let publisher = publisher(&bound(), None);
    let mut good = listener(&publisher);
    good.write_all(&wants("org.example.")).unwrap();
    listened_to(&publisher, "org.example.module").await;
    let mut stream = listener(&publisher);
    let flood = std::thread::spawn(move || {
        let mut number = 0_u64;
        loop {
            let many: Vec<u8> = (0..1000).flat_map(|more| wants(&format!("flood.{}", number + more))).collect();
            if stream.write_all(&many).is_err() {
                return number;
            }
            number += 1000;
            assert!(number < 10_000_000, "it is listened to for ever");
        }
    });
    // It may be gone again before anybody looks.
    until("the flood has begun", || publisher.listeners() == 2 || flood.is_finished()).await;
    for _ in 0..100 {
        let sent = publisher.send_frame("org.example.module".to_owned(), "{}".to_owned());
        tokio::time::timeout(Duration::from_secs(20), sent).await.expect("it leaves").unwrap();
    }
    println!("{} topics were wanted", flood.join().unwrap());
    good.read_exact(&mut [0; 24 * 100]).unwrap();
    assert_eq!((publisher.missed(), publisher.cut_off()), (0, 0));
    publisher.close().await;
}

/// They take no files from the rest of the process, and who means well gets a place when one is free.
#[tokio::test(flavor = "multi_thread")]
async fn who_connects_and_says_nothing_takes_a_place_like_everybody() {
    let publisher = publisher(&FedmsgConfig { connections: 3, ..bound() }, None);
    let address = publisher.endpoint().strip_prefix("tcp://").unwrap().to_owned();
    let silent: Vec<TcpStream> = (0..3).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for _ in 0..10 {
        let mut one_more = TcpStream::connect(&address).unwrap();
        one_more.set_read_timeout(Some(PATIENCE)).unwrap();
        let heard = one_more.read(&mut [0; 64]).or_else(|error| match error.kind() {
            std::io::ErrorKind::ConnectionReset => Ok(0),
            _ => Err(error),
        });
        assert_eq!(heard.unwrap(), 0, "nobody greets it");
    }
    drop(silent);
    let start = Instant::now();
    let mut good = loop {
        match by_hand::listener(publisher.endpoint()) {
            Ok(good) => break good,
            Err(error) => assert!(start.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    good.write_all(&wants("org.example.")).unwrap();
    listened_to(&publisher, "org.example.module").await;
    assert_eq!(publisher.listeners(), 1);
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_is_waited_for_then_cut_off_and_what_it_misses_is_known() {
    const KEPT: usize = 50;
    let patience = Duration::from_millis(700);
    let config = FedmsgConfig { high_water_mark: KEPT, patience, ..bound() };
    let publisher = publisher(&config, None);
    // One after the other: only of the first is it known that what it wants has come.
    let mut good = listener(&publisher);
    good.write_all(&wants("org.example.")).unwrap();
    listened_to(&publisher, "org.example.module").await;
    let mut stalled = listener(&publisher);
    stalled.write_all(&wants("org.example.")).unwrap();
    until("both are there", || publisher.listeners() == 2).await;
    let reading = std::thread::spawn(move || {
        let mut numbers = Vec::new();
        while numbers.last() != Some(&"end".to_owned()) {
            let (_, body) = next_message(&mut good).unwrap();
            numbers.push(body.trim_end_matches('.').to_owned());
        }
        numbers
    });
    // What the kernel takes on the way is not behind: some megabytes.
    let (mut number, mut waited, start) = (0, None, Instant::now());
    while publisher.cut_off() == 0 {
        let frame = format!("{number}{}", ".".repeat(200));
        match publisher.send_frame("org.example.module".to_owned(), frame).await {
            Ok(()) => number += 1,
            Err(error) => {
                assert!(error.is_retryable() && error.message().contains("reads too little"), "{error}");
                waited.get_or_insert(Instant::now());
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        assert!(start.elapsed() < PATIENCE, "{number}");
    }
    let waited = waited.expect("announcements wait before somebody is cut off").elapsed();
    assert!(waited >= patience - Duration::from_millis(100), "{waited:?}");
    assert_eq!((publisher.cut_off(), publisher.missed()), (1, u64::try_from(KEPT).unwrap()));
    publisher.send_frame("org.example.module".to_owned(), "end".to_owned()).await.unwrap();
    let numbers = reading.join().unwrap();
    let expected: Vec<String> = (0..number).map(|number| number.to_string()).chain(["end".to_owned()]).collect();
    assert_eq!(numbers, expected, "who reads misses nothing, and gets nothing twice");
    // It reads what was on its way, and then the end.
    let mut rest = Vec::new();
    let _ = stalled.read_to_end(&mut rest);
    assert!(rest.len() > 200 && publisher.listeners() <= 1);
    println!("a listener that reads nothing was cut off after {number} messages and {waited:?}");
    publisher.close().await;
}

/// The same with ZeroMQ's own library, as listeners have it: it comes back by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_stood_still_connects_again_and_hears_what_comes_then() {
    let config = FedmsgConfig { high_water_mark: 50, patience: Duration::from_millis(200), ..bound() };
    let publisher = publisher(&config, None);
    let socket = zmq::Context::new().socket(zmq::SUB).unwrap();
    socket.set_rcvhwm(1).unwrap();
    socket.set_rcvtimeo(200).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.connect(publisher.endpoint()).unwrap();
    listened_to(&publisher, "t").await;
    let start = Instant::now();
    while publisher.cut_off() == 0 {
        if publisher.send_frame("t".to_owned(), "x".repeat(50_000)).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        assert!(start.elapsed() < PATIENCE);
    }
    while socket.recv_multipart(0).is_ok_and(|frames| frames[1] != b"again") {}
    let start = Instant::now();
    loop {
        publisher.send_frame("t".to_owned(), "again".to_owned()).await.unwrap();
        if socket.recv_multipart(0).is_ok_and(|frames| frames[1] == b"again") {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "it connects again");
    }
    publisher.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_whether_this_is_alive_is_answered() {
    let publisher = publisher(&bound(), None);
    let context = zmq::Context::new();
    let socket = context.socket(zmq::SUB).unwrap();
    socket.set_heartbeat_ivl(50).unwrap();
    socket.set_heartbeat_timeout(300).unwrap();
    socket.set_subscribe(b"").unwrap();
    socket.set_rcvtimeo(10_000).unwrap();
    socket.monitor("inproc://lost", i32::from(zmq::SocketEvent::DISCONNECTED.to_raw())).unwrap();
    let lost = context.socket(zmq::PAIR).unwrap();
    lost.connect("inproc://lost").unwrap();
    socket.connect(publisher.endpoint()).unwrap();
    listened_to(&publisher, "t").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(lost.recv_multipart(zmq::DONTWAIT).is_err(), "the connection stands");
    publisher.send_frame("t".to_owned(), "{}".to_owned()).await.unwrap();
    assert_eq!(socket.recv_multipart(0).unwrap(), [b"t".to_vec(), b"{}".to_vec()]);
    publisher.close().await;
}

/// The memory of this process, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_costs_a_bounded_memory() {
    const MESSAGE: usize = 16_000;
    let publisher = publisher(&FedmsgConfig { patience: PATIENCE, ..bound() }, None);
    let mut stalled: Vec<TcpStream> = (0..3).map(|_| listener(&publisher)).collect();
    for stream in &mut stalled {
        stream.write_all(&wants("org.example.")).unwrap();
    }
    listened_to(&publisher, "org.example.module").await;
    let (before, frame) = (memory(), "x".repeat(MESSAGE));
    // What is kept for several is kept once.
    let most = bound().high_water_mark * MESSAGE;
    let mut full = 0;
    for _ in 0..30_000 {
        full += usize::from(publisher.send_frame("org.example.module".to_owned(), frame.clone()).await.is_err());
    }
    let grown = memory().saturating_sub(before);
    assert!(full > 10_000, "{full}");
    // What is beside it is that of other tests.
    assert!(grown < most + 100_000_000, "{grown} bytes");
    println!("three listeners that read nothing cost {} MB", grown / 1_000_000);
    publisher.close().await;
}
