//! Those who connect to where announcements leave, and do not mean well, or do not read.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rida_fedmsg::fedmsg::FedmsgPublisher;

use crate::fedmsg::{bound, publisher};
use crate::programs::PATIENCE;

/// Connects as a listener of ZeroMQ does (ZMTP 3.0, no security), by hand.
fn listener(publisher: &FedmsgPublisher) -> TcpStream {
    let mut stream = TcpStream::connect(publisher.endpoint().strip_prefix("tcp://").unwrap()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut greeting = [0; 64];
    greeting[0] = 0xff;
    greeting[9] = 0x7f;
    greeting[10] = 3;
    greeting[12..16].copy_from_slice(b"NULL");
    stream.write_all(&greeting).unwrap();
    stream.read_exact(&mut greeting).unwrap();
    let ready = b"\x05READY\x0bSocket-Type\x00\x00\x00\x03SUB";
    stream.write_all(&[&[4, u8::try_from(ready.len()).unwrap()], ready.as_slice()].concat()).unwrap();
    let mut head = [0; 2];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head[0], 4, "a short command comes back");
    stream.read_exact(&mut vec![0; usize::from(head[1])]).unwrap();
    stream
}

fn wants(topic: &str) -> Vec<u8> {
    [&[0, u8::try_from(topic.len() + 1).unwrap(), 1], topic.as_bytes()].concat()
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
async fn who_wants_endlessly_many_topics_holds_up_no_message() {
    let publisher = publisher(&bound(), None);
    let ended = Arc::new(AtomicBool::new(false));
    let (mut stream, is_over) = (listener(&publisher), Arc::clone(&ended));
    stream.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let flood = std::thread::spawn(move || {
        let mut number = 0_u64;
        while !is_over.load(Ordering::Relaxed) {
            let many: Vec<u8> = (0..1000).flat_map(|more| wants(&format!("flood.{}", number + more))).collect();
            let _ = stream.write_all(&many);
            number += 1000;
        }
        number
    });
    listened_to(&publisher, "flood.1").await;
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(2) {
        let sent = publisher.send_frame("org.example.module".to_owned(), "{}".to_owned());
        tokio::time::timeout(Duration::from_secs(20), sent).await.expect("it leaves").unwrap();
    }
    ended.store(true, Ordering::Relaxed);
    println!("{} topics were wanted", flood.join().unwrap());
    publisher.close().await;
}

/// The memory of this process, in bytes.
fn memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

#[tokio::test(flavor = "multi_thread")]
async fn who_reads_nothing_costs_a_bounded_memory_and_holds_up_nobody() {
    const MESSAGE: usize = 16_000;
    let publisher = publisher(&bound(), None);
    let mut stalled = listener(&publisher);
    stalled.write_all(&wants("org.example.")).unwrap();
    listened_to(&publisher, "org.example.module").await;
    let (before, frame) = (memory(), "x".repeat(MESSAGE));
    let most = usize::try_from(bound().high_water_mark).unwrap() * MESSAGE;
    for _ in 0..30_000 {
        publisher.send_frame("org.example.module".to_owned(), frame.clone()).await.unwrap();
    }
    let grown = memory().saturating_sub(before);
    // What is beside it is the kernel's, and that of other tests.
    assert!(grown < most + 100_000_000, "{grown} bytes");
    println!("a listener that reads nothing costs {} MB", grown / 1_000_000);
    drop(stalled);
    publisher.close().await;
}
