//! Lookaside caches that were built to hurt.

use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rida_core::{ComponentCheck, PortError};
use rida_local::git::{GitConfig, GitScm};

use crate::server::{drip, scripted};
use crate::support::*;

const HEAD: &str = "HTTP/1.1 200 OK\r\nConnection: close\r\n";

fn config(world: &World, cache: &str) -> GitConfig {
    let short = Duration::from_secs(3);
    GitConfig {
        caches: vec![cache.to_owned()],
        answer_within: short,
        fetch_within: short,
        source_bytes: 2_000_000,
        ..world.config()
    }
}

/// Downloads a file of the content `good` from a cache, and expects an error, in good time, of which nothing is left.
async fn fails(cache: &str, expected: &str, may_be_tried_again: bool) {
    let world = World::new();
    let into = world.folder.path().join("out");
    std::fs::create_dir_all(&into).unwrap();
    let started = Instant::now();
    let error = download(&GitScm::new(config(&world, cache)).unwrap(), cache, &into, &["good"]).await.unwrap_err();
    assert!(error.message().contains(expected), "{error}");
    assert_eq!(error.is_retryable(), may_be_tried_again, "{error}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    assert_eq!(std::fs::read_dir(&into).unwrap().count(), 1, "only the list is left");
    all_gone(cache).await;
}

async fn download(scm: &GitScm, cache: &str, into: &Path, files: &[&str]) -> Result<(), PortError> {
    let lines: String = files.iter().map(|file| format!("SHA512 ({file}) = {}\n", sha512(file.as_bytes()))).collect();
    std::fs::write(into.join("sources"), lines).unwrap();
    scm.download(&name("bar"), Some(cache), into).await
}

/// Starts a cache that answers every request for a file in one way.
fn cache(script: impl Fn(&mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static) -> String {
    format!("http://127.0.0.1:{}/pkgs", scripted(move |_, to| script(to)).port)
}

#[tokio::test]
async fn what_is_not_the_file_is_refused_and_leaves_nothing() {
    let body = |length: &'static str, body: &'static [u8]| {
        cache(move |to| write!(to, "{HEAD}{length}\r\n").and_then(|()| to.write_all(body)))
    };
    // Fewer bytes than were promised, more, none, others, and those of the file in a form that was not asked for.
    fails(&body("Content-Length: 400\r\n", b"good"), "did not answer well", true).await;
    fails(&body("Content-Length: 3\r\n", b"good"), "checksum is another", false).await;
    fails(&body("Content-Length: 0\r\n", b""), "checksum is another", false).await;
    fails(&body("", b"evil"), "checksum is another", false).await;
    fails(&body("Content-Encoding: gzip\r\n", b"\x1f\x8b\x08\0\0\0\0\0"), "checksum is another", false).await;
    fails(&body("Content-Length: 99999999999999999999\r\n", b"evil"), "checksum is another", false).await;
    fails(&body("Transfer-Encoding: chunked\r\n", b"ffffffffffffffff\r\ngood"), "did not answer well", true).await;
    fails(&cache(|to| write!(to, "HTTP/1.1 200 OK\r\n")), "checksum is another", false).await;
    fails(&cache(|to| write!(to, "no HTTP\r\n\r\n")), "did not answer well", true).await;
    // Only a part of a file was not asked for.
    fails(&cache(|to| write!(to, "HTTP/1.1 206 X\r\nContent-Length: 4\r\n\r\ngood")), "not expected", true).await;
}

#[tokio::test]
async fn what_does_not_end_is_ended() {
    let endless = |to: &mut TcpStream| loop {
        to.write_all(&[0; 64 * 1024])?;
    };
    fails(&cache(move |to| write!(to, "{HEAD}\r\n").and_then(|()| endless(to))), "more than the 1 MiB", false).await;
    let chunked = cache(move |to| {
        write!(to, "{HEAD}Transfer-Encoding: chunked\r\n\r\n")?;
        loop {
            to.write_all(format!("10000\r\n{}\r\n", "x".repeat(0x10000)).as_bytes())?;
        }
    });
    fails(&chunked, "more than the 1 MiB", false).await;
    let headers = cache(|to| {
        write!(to, "{HEAD}")?;
        for n in 0_u64.. {
            to.write_all(format!("X-{n}: {}\r\n", "x".repeat(1000)).repeat(100).as_bytes())?;
        }
        Ok(())
    });
    fails(&headers, "did not answer well", true).await;
    fails(&cache(|to| drip(to, HEAD.repeat(100).as_bytes())), "did not answer well", true).await;
    fails(&cache(|to| write!(to, "{HEAD}\r\n").and_then(|()| drip(to, &[b'x'; 10_000]))), "did not answer", true).await;
}

#[tokio::test]
async fn no_redirect_of_a_cache_is_followed() {
    let world = World::new();
    let secret = world.folder.path().join("secret");
    std::fs::write(&secret, "good").unwrap();
    let other = http_server(Default::default());
    for target in [
        format!("http://127.0.0.1:{}/", other.port),
        format!("file://{}", secret.display()),
        "gopher://127.0.0.1:1/".to_owned(),
        "scp://127.0.0.1/etc/passwd".to_owned(),
    ] {
        for status in [301, 302, 303, 307, 308] {
            let target = target.clone();
            let cache = cache(move |to| {
                write!(
                    to,
                    "HTTP/1.1 {status} X\r\nLocation: {target}\r\nRefresh: 0; url={target}\r\nContent-Length: 4\r\n\r\ngood"
                )
            });
            fails(&cache, "redirects", false).await;
        }
    }
    assert_eq!(*other.asked.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn all_files_of_a_component_together_have_a_limit() {
    let world = World::new();
    let into = world.folder.path().join("out");
    std::fs::create_dir_all(&into).unwrap();
    let (one, two) = ("1".repeat(150), "2".repeat(150));
    let server = scripted(|asked, to| {
        let file = asked.line.rsplit('/').next().unwrap_or_default();
        write!(to, "{HEAD}Content-Length: {}\r\n\r\n{file}", file.len())
    });
    let cache = format!("http://127.0.0.1:{}", server.port);
    let scm = |source_bytes| GitScm::new(GitConfig { source_bytes, ..config(&world, &cache) }).unwrap();
    let error = download(&scm(299), &cache, &into, &[&one, &two]).await.unwrap_err();
    assert!(!error.is_retryable() && error.message().contains("together"), "{error}");
    download(&scm(300), &cache, &into, &[&one, &two]).await.unwrap();
}

#[tokio::test]
async fn a_silent_cache_is_asked_for_one_file_and_not_for_thousands() {
    let world = World::new();
    let silent = format!("http://127.0.0.1:{}/x", silent_server());
    let lines: String = (0..1000).map(|n| format!("SHA512 (f{n}) = {}\n", "ab".repeat(64))).collect();
    world.repo("bar").write("bar.spec", "Name: bar\n").write("sources", lines).commit();
    let scm = GitScm::new(config(&world, &silent)).unwrap();
    let started = Instant::now();
    let checked = check(&scm, "bar", source(&world.address("bar"), "main", Some(&silent))).await;
    assert!(matches!(&checked, ComponentCheck::Unknown(_)), "{checked:?}");
    assert!(started.elapsed() < Duration::from_secs(9), "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_slow_cache_gets_no_more_than_its_time_for_all_files() {
    let world = World::new();
    let cache = cache(|to| {
        std::thread::sleep(Duration::from_millis(300));
        write!(to, "{HEAD}Content-Length: 1\r\n\r\n")
    });
    let lines: String = (0..1000).map(|n| format!("SHA512 (f{n}) = {}\n", "ab".repeat(64))).collect();
    world.repo("bar").write("bar.spec", "Name: bar\n").write("sources", lines).commit();
    let config = GitConfig { fetch_within: Duration::from_secs(2), ..config(&world, &cache) };
    let scm = GitScm::new(config).unwrap();
    let started = Instant::now();
    let checked = check(&scm, "bar", source(&world.address("bar"), "main", Some(&cache))).await;
    let ComponentCheck::Unknown(error) = checked else { panic!("{checked:?}") };
    assert!(error.message().contains("within 8 s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(40), "{:?}", started.elapsed());
}
