use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::time::Instant;

use super::*;

/// What every file of the cache holds.
const CONTENT: &str = "x";

/// The SHA-512 of it.
const HASH: &str = "a4abd4448c49562d828115d13a1fccea927f52b4d5459297f8b43e42da89238b\
                    c13626e43dcb38ddb082488927ec904fb42057443983e88585179d50551afe62";

/// Starts a cache that has every file, and takes a moment for each.
fn slow_cache() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let head = BufReader::new(&connection).lines().map_while(Result::ok).take_while(|line| !line.is_empty());
            head.for_each(drop);
            std::thread::sleep(Duration::from_millis(20));
            let length = CONTENT.len();
            // Who has hung up meanwhile needs no answer.
            let _ =
                write!(connection, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{CONTENT}");
        }
    });
    format!("http://127.0.0.1:{port}/pkgs")
}

#[tokio::test]
async fn all_files_of_a_component_together_have_a_limit_of_time() {
    /// More than can be fetched within the time.
    const FILES: usize = 2000;
    let cache = slow_cache();
    let config = GitConfig { caches: vec![cache.clone()], ..GitConfig::new("/nowhere", AllowList::default()) };
    let lookaside = Lookaside::new(&config).unwrap();
    assert_eq!(lookaside.all_within, config.fetch_within * DOWNLOADS);
    // Each file by itself has all the time that it needs.
    let lookaside = Lookaside { all_within: Duration::from_secs(2), ..lookaside };
    let into = tempfile::tempdir().unwrap();
    let list: String = (0..FILES).map(|n| format!("SHA512 (f{n}) = {HASH}\n")).collect();
    std::fs::write(into.path().join("sources"), list).unwrap();
    let there = || std::fs::read_dir(into.path()).unwrap().count() - 1;
    let mut before = 0;
    for _ in 0..2 {
        let started = Instant::now();
        let error = lookaside.download(&"bar".parse().unwrap(), Some(&cache), into.path()).await.unwrap_err();
        assert!(error.message().contains("did not give all files of bar within 2 s"), "{error}");
        assert!(error.is_retryable(), "{error}");
        assert!(started.elapsed() < Duration::from_secs(60), "{:?}", started.elapsed());
        // What is there stays, so that each try goes on where the one before was ended.
        assert!(before < there() && there() < FILES, "{before} files, then {}", there());
        before = there();
    }
}
