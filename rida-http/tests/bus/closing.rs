//! The end of the program while fedmsg still has something to send.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rida_core::Store;
use rida_core::testing::sample;
use rida_store::{Database, StoreConfig};

use crate::by_hand::{listener, next_message, wants};
use crate::programs::PATIENCE;
use crate::running::{Running, run, stderr, within};
use crate::{authority, free_port};

/// Writes so many whole lives of builds into a log, and returns how many announcements are in it.
async fn history(folder: &Path, builds: i64) -> usize {
    let database = Database::connect(&StoreConfig::sqlite(folder.join("rida.sqlite"))).await.unwrap();
    database.migrate().await.unwrap();
    let mut announcements = 0;
    for number in 1..=builds {
        let life = sample::life_to_ready(sample::id(number), sample::nsvc(&format!("lua:5.4:{number}:c0ffee")));
        for written in &life {
            database.commit(written.commit()).await.unwrap();
            announcements += written.announcements.len();
        }
    }
    announcements
}

/// A program that has handed everything over, and one who listens and has read nothing of it.
fn handed_over(data: &Path, linger: &str, many: usize) -> (Running, TcpStream) {
    let place = format!("tcp://127.0.0.1:{}", free_port());
    let settings = [
        format!("bus.fedmsg.bind={place}"),
        "bus.fedmsg.needs_listener=true".to_owned(),
        format!("bus.fedmsg.linger={linger}"),
        format!("bus.fedmsg.certificate={}", authority("signer.crt").display()),
        format!("bus.fedmsg.key={}", authority("signer.key").display()),
    ];
    let mut more = vec!["--allow", "https://git.example.org/"];
    settings.iter().for_each(|setting| more.extend(["--set", setting]));
    let text = data.display().to_string();
    let replay = run(&[&["--data", &text], &*more, &["bus", "replay", "--since", "1", "--reader", "fedmsg"]].concat());
    assert!(replay.status.success(), "{}", stderr(&replay));
    let service = Running::start(data, &more);
    let mut stream = listener(&place).unwrap();
    stream.write_all(&wants("org.fedoraproject.")).unwrap();
    let line = "rida_reader_announcements_total{reader=\"fedmsg\",receipt=\"handed_over\"} ";
    within(PATIENCE, "all is handed over", || {
        let metrics = service.ask("GET /metrics");
        let handed = metrics.lines().find_map(|told| told.strip_prefix(line)).map(str::trim).map(str::to_owned);
        if handed == Some(many.to_string()) { Ok(()) } else { Err(format!("{handed:?} of {many}")) }
    });
    assert!(service.ask("GET /metrics").contains("rida_bus_listeners 1"));
    (service, stream)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_handed_over_leaves_after_sigterm_as_long_as_it_may_linger() {
    let folder = tempfile::tempdir().unwrap();
    // Some megabytes more than the kernel keeps on the way.
    let many = history(folder.path(), 200).await;
    let (service, mut stream) = handed_over(folder.path(), "60s", many);
    let reading = std::thread::spawn(move || {
        // Once the program has begun to end.
        std::thread::sleep(Duration::from_millis(500));
        std::iter::from_fn(|| next_message(&mut stream).ok()).map(|message| message.1.len()).collect::<Vec<_>>()
    });
    let (code, said) = service.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    let lengths = reading.join().unwrap();
    assert_eq!(lengths.len(), many, "{said}");
    assert!(lengths.iter().sum::<usize>() > 7_000_000, "so that not all of it was on its way before");
    assert!(!said.contains("before it had read everything"), "{said}");

    // Who does not read holds the end up for no longer than that, and what it misses is told.
    let (service, stream) = handed_over(folder.path(), "1s", many);
    let start = Instant::now();
    let (code, said) = service.end("-TERM");
    assert_eq!(code, Some(0), "{said}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    assert!(said.contains("before it had read everything"), "{said}");
    drop(stream);
}
