//! Modulemd documents are read from real repositories, and from nothing else.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rida_core::Timestamp;
use rida_core::scm::ScmUrl;
use rida_local::git::{GitConfig, GitScm, Unlisted};

use crate::support::*;

const YAML: &str = "document: modulemd\n";

/// Makes a repository `foo` with a modulemd.
fn world_with_foo() -> (World, Repo) {
    let world = World::new();
    let repo = world.repo("foo");
    repo.write("foo.yaml", YAML).write("sub/other.yaml", "other").commit();
    (world, repo)
}

#[tokio::test]
async fn every_kind_of_ref_resolves_to_its_commit() {
    let (world, repo) = world_with_foo();
    let first = repo.git(&["rev-parse", "HEAD"]).trim().to_owned();
    repo.git(&["tag", "light"]);
    repo.git(&["tag", "--annotate", "--message=x", "heavy"]);
    repo.git(&["branch", "release/1.0"]);
    repo.write("foo.yaml", "newer").commit();
    let place = world.address("foo");
    let server = daemon(&world);
    let scm = GitScm::new(world.config_with(&format!("git://127.0.0.1:{}", server.port))).unwrap();
    for place in [place, format!("git://127.0.0.1:{}/foo", server.port)] {
        for revision in
            ["light", "heavy", "release/1.0", "refs/heads/release/1.0", "refs/tags/heavy", &first, &first[..9]]
        {
            let fetched = fetch(&scm, &format!("{place}?#{revision}")).await.unwrap();
            assert_eq!((fetched.bytes.as_slice(), fetched.commit.as_str()), (YAML.as_bytes(), &*first), "{revision}");
            assert_eq!(fetched.committed_at, Timestamp::from_seconds(COMMITTED_AT));
        }
        for revision in ["main", "HEAD"] {
            assert_eq!(fetch(&scm, &format!("{place}?#{revision}")).await.unwrap().bytes, b"newer");
        }
        assert_eq!(fetch(&scm, &format!("{place}?sub/other.yaml#main")).await.unwrap().bytes, b"other");
    }
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn a_branch_is_looked_up_each_time_and_a_commit_once() {
    let (world, repo) = world_with_foo();
    let scm = world.scm();
    let url = format!("{}?#main", world.address("foo"));
    let first = fetch(&scm, &url).await.unwrap();
    repo.write("foo.yaml", "newer").commit();
    assert_eq!(fetch(&scm, &url).await.unwrap().bytes, b"newer");
    std::fs::remove_dir_all(&repo.folder).unwrap();
    let pinned = ScmUrl::parse(&url).unwrap().pinned(first.commit.clone());
    assert_eq!(fetch(&scm, pinned.as_str()).await.unwrap(), first);
}

#[tokio::test]
async fn a_server_that_gives_only_tips_is_read_as_a_whole() {
    let (world, repo) = world_with_foo();
    let first = repo.git(&["rev-parse", "HEAD"]).trim().to_owned();
    repo.write("foo.yaml", "newer").commit();
    let server = old_daemon(&world);
    let scm = GitScm::new(world.config_with(&format!("git://127.0.0.1:{}", server.port))).unwrap();
    let fetched = fetch(&scm, &format!("git://127.0.0.1:{}/foo?#{first}", server.port)).await.unwrap();
    assert_eq!(fetched.bytes, YAML.as_bytes());
}

#[tokio::test]
async fn what_is_not_there_is_told_in_words() {
    let (world, repo) = world_with_foo();
    repo.git(&["branch", "both"]);
    repo.write("b", "b").commit();
    repo.git(&["tag", "both"]);
    let scm = world.scm();
    let place = world.address("foo");
    for (url, expected) in [
        (format!("{}?#main", world.address("nothing")), "no git repository"),
        (format!("{place}?#nothing"), "no commit, branch or tag nothing"),
        (format!("{place}?#{}", "1".repeat(40)), "no commit, branch or tag 1111"),
        (format!("{place}?#1111111"), "no commit, branch or tag 1111111"),
        (format!("{place}?#both"), "refs/heads/both"),
        (format!("{place}?nothing.yaml#main"), "no file nothing.yaml"),
        ("file:///elsewhere/foo?#main".to_owned(), "not in the list"),
        (format!("{}?#main", world.address("foo").replace("/git/", "/git-evil/")), "not in the list"),
    ] {
        let message = refused(&scm, &url).await;
        assert!(message.contains(expected), "{message}");
    }
    // The hash of a file is no commit.
    let blob = repo.git(&["rev-parse", "HEAD:foo.yaml"]);
    assert!(refused(&scm, &format!("{place}?#{}", blob.trim())).await.contains("no commit"));
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn links_and_submodules_are_not_followed() {
    let world = World::new();
    let repo = world.repo("foo");
    std::fs::write(world.folder.path().join("secret.yaml"), "secret").unwrap();
    repo.link("foo.yaml", "../../secret.yaml").link("dir", "/etc").write("real/x.yaml", "x");
    repo.git(&["add", "--all", "--", "."]);
    repo.submodule("module.yaml").submodule("module");
    repo.commit_index();
    let scm = world.scm();
    let place = world.address("foo");
    for (path, expected) in [
        ("", "foo.yaml is a symbolic link"),
        ("dir/passwd.yaml", "dir is a symbolic link"),
        ("module.yaml", "module.yaml is a submodule"),
        ("module/foo.yaml", "module is a submodule"),
        ("real.yaml", "no file real.yaml"),
    ] {
        let message = refused(&scm, &format!("{place}?{path}#main")).await;
        assert!(message.contains(expected), "{message}");
    }
}

#[tokio::test]
async fn nothing_that_a_repository_brings_along_is_run() {
    let (world, repo) = world_with_foo();
    let mark = world.folder.path().join("mark");
    let command = format!("touch {}", mark.display());
    let hooks = repo.folder.join(".git/hooks");
    std::fs::create_dir_all(&hooks).unwrap();
    for hook in ["post-checkout", "post-update", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman"] {
        let path = hooks.join(hook);
        std::fs::write(&path, format!("#!/bin/sh\n{command}\n")).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    for setting in
        ["filter.evil.smudge", "core.sshCommand", "core.fsmonitor", "uploadpack.packObjectsHook", "core.gitProxy"]
    {
        repo.git(&["config", setting, &command]);
    }
    repo.write(".gitattributes", "* filter=evil\n")
        .write(".gitmodules", "[submodule \"a\"]\n\tpath = a\n\turl = ext::sh\n");
    let commit = repo.commit();
    let scm = world.scm();
    // The repository's own attributes were obeyed when this test made the commit.
    let _ = std::fs::remove_file(&mark);
    assert!(fetch(&scm, &format!("{}?#main", world.address("foo"))).await.is_ok());
    let into = world.folder.path().join("out");
    scm.export(&repository(&world.address("foo")), &commit, &into).await.unwrap();
    assert_eq!(std::fs::read(into.join("foo.yaml")).unwrap(), YAML.as_bytes());
    assert!(!mark.exists());
}

#[tokio::test]
async fn a_large_repository_ends_within_its_limit() {
    const LIMIT: u64 = 5 * 1024 * 1024;
    let world = World::new();
    import_noise(&world.repo("foo"), 50 * 1024 * 1024);
    let server = daemon(&world);
    let place = format!("git://127.0.0.1:{}/foo", server.port);
    for address in [world.address("foo"), place.clone()] {
        let config = GitConfig { fetch_bytes: LIMIT, ..world.config_with(&place) };
        let scm = GitScm::new(config).unwrap();
        let started = Instant::now();
        let message = refused(&scm, &format!("{address}?#main")).await;
        assert!(message.contains("more than the 5 MiB"), "{message}");
        assert!(started.elapsed() < Duration::from_secs(30));
        assert_eq!(world.leftovers(), 0);
        all_gone(&format!("remote.origin.url={address}")).await;
    }
    // A server that filters leaves the large file out, and the small one is read.
    git(&world.repositories().join("foo"), &["config", "uploadpack.allowFilter", "true"]);
    let scm = GitScm::new(GitConfig { fetch_bytes: LIMIT, file_bytes: 1024, ..world.config() }).unwrap();
    let url = world.address("foo");
    assert_eq!(fetch(&scm, &format!("{url}?#main")).await.unwrap().bytes, YAML.as_bytes());
    assert!(refused(&scm, &format!("{url}?noise.yaml#main")).await.contains("noise.yaml"));
    let commit = fetch(&scm, &format!("{url}?#main")).await.unwrap().commit;
    let error = scm.export(&repository(&url), &commit, &world.folder.path().join("out")).await.unwrap_err();
    assert!(error.message().contains("more than the 5 MiB"), "{error}");
}

#[tokio::test]
async fn a_large_file_is_refused_by_its_size() {
    let world = World::new();
    // Ten thousand times smaller on the wire than in memory.
    world.repo("foo").write("foo.yaml", vec![b' '; 50_000_000]).commit();
    let message = refused(&world.scm(), &format!("{}?#main", world.address("foo"))).await;
    assert!(message.contains("foo.yaml") && message.contains("4096 KiB"), "{message}");
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() {
    let world = World::new();
    let port = silent_server();
    for scheme in ["git", "http"] {
        let place = format!("{scheme}://127.0.0.1:{port}/foo");
        let short = Duration::from_millis(500);
        let config = GitConfig { answer_within: short, fetch_within: short, ..world.config_with(&place) };
        let scm = GitScm::new(config).unwrap();
        for revision in ["main".to_owned(), "1".repeat(40), "1111111".to_owned()] {
            let started = Instant::now();
            let error = fetch(&scm, &format!("{place}?#{revision}")).await.unwrap_err();
            assert!(error.is_retryable() && error.message().contains("within 0.5 s"), "{error}");
            assert!(started.elapsed() < Duration::from_secs(10), "{revision}: {:?}", started.elapsed());
        }
        all_gone(&place).await;
    }
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn one_silent_host_does_not_hold_others_up() {
    let (world, _repo) = world_with_foo();
    let silent = format!("git://127.0.0.1:{}", silent_server());
    let healthy = daemon(&world);
    let config = world.config_with(&silent);
    let other = repository(&format!("git://localhost:{}", healthy.port));
    let answer_within = Duration::from_secs(20);
    let allow = rida_core::scm::AllowList::new(config.allow.iter().cloned().chain([other]));
    let scm = GitScm::new(GitConfig { allow, answer_within, ..config }).unwrap();
    let waiting: Vec<_> = (0..15)
        .map(|n| {
            let (scm, url) = (scm.clone(), format!("{silent}/foo{n}?#main"));
            tokio::spawn(async move { fetch(&scm, &url).await })
        })
        .collect();
    let started = Instant::now();
    while !runs(&silent) {
        assert!(started.elapsed() < Duration::from_secs(10), "git does not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let started = Instant::now();
    for place in [format!("git://localhost:{}/foo", healthy.port), world.address("foo")] {
        assert_eq!(fetch(&scm, &format!("{place}?#main")).await.unwrap().bytes, YAML.as_bytes());
    }
    assert!(started.elapsed() < answer_within / 2, "{:?}", started.elapsed());
    assert!(waiting.iter().all(|fetching| !fetching.is_finished()), "the silent host is still waited for");
    for fetching in waiting {
        fetching.abort();
        assert!(fetching.await.unwrap_err().is_cancelled());
    }
    all_gone(&silent).await;
}

#[tokio::test]
async fn many_submissions_to_a_silent_host_are_all_answered_in_time() {
    let world = World::new();
    let silent = format!("git://127.0.0.1:{}", silent_server());
    let config = GitConfig { answer_within: Duration::from_secs(1), ..world.config_with(&silent) };
    let scm = GitScm::new(config).unwrap();
    let started = Instant::now();
    let waiting: Vec<_> = (0..30)
        .map(|n| {
            let (scm, url) = (scm.clone(), format!("{silent}/foo{n}?#main"));
            tokio::spawn(async move { fetch(&scm, &url).await })
        })
        .collect();
    let mut busy = 0;
    for fetching in waiting {
        let error = fetching.await.unwrap().unwrap_err();
        assert!(error.is_retryable(), "{error}");
        busy += usize::from(error.message() == "git is busy with other repositories; try again later");
    }
    // In turn they would take ten seconds.
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    assert!(busy > 20, "only {busy} were sent away");
    all_gone(&silent).await;
}

#[tokio::test]
async fn a_caller_who_goes_away_leaves_nothing_running() {
    let world = World::new();
    let place = format!("git://127.0.0.1:{}/foo", silent_server());
    let scm = GitScm::new(world.config_with(&place)).unwrap();
    let url = format!("{place}?#{}", "1".repeat(40));
    let fetching = tokio::spawn(async move { fetch(&scm, &url).await });
    let started = Instant::now();
    while !runs(&place) {
        assert!(started.elapsed() < Duration::from_secs(10), "git does not start");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    fetching.abort();
    assert!(fetching.await.unwrap_err().is_cancelled());
    all_gone(&place).await;
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn a_server_that_is_away_is_worth_another_try() {
    let world = World::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = format!("git://127.0.0.1:{port}/foo");
    let scm = GitScm::new(world.config_with(&place)).unwrap();
    let error = fetch(&scm, &format!("{place}?#main")).await.unwrap_err();
    assert!(error.is_retryable(), "{error}");
}

#[tokio::test]
async fn redirects_and_logins_are_not_followed() {
    let (world, _repo) = world_with_foo();
    let other = http_server(BTreeMap::new());
    let header = format!("Location: http://127.0.0.1:{}/foo/info/refs?service=git-upload-pack\r\n", other.port);
    let answers = [
        ("/moved/info/refs".to_owned(), (301, &*header.leak(), Vec::new())),
        ("/locked/info/refs".to_owned(), (401, "WWW-Authenticate: Basic\r\n", Vec::new())),
        ("/broken/info/refs".to_owned(), (500, "", Vec::new())),
    ];
    let server = http_server(answers.into_iter().collect());
    let place = format!("http://127.0.0.1:{}", server.port);
    let scm = GitScm::new(world.config_with(&place)).unwrap();
    for (path, expected) in [("moved", "redirects"), ("locked", "logging in"), ("nothing", "no git repository")] {
        for revision in ["main".to_owned(), "1".repeat(40)] {
            let message = refused(&scm, &format!("{place}/{path}?#{revision}")).await;
            assert!(message.contains(expected), "{message}");
        }
    }
    assert!(fetch(&scm, &format!("{place}/broken?#main")).await.unwrap_err().is_retryable());
    assert_eq!(*other.asked.lock().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn hosts_of_the_servers_own_network_are_refused_unless_they_are_chosen() {
    let (world, _repo) = world_with_foo();
    let server = daemon(&world);
    let config = GitConfig { unlisted: Unlisted::PublicHosts, ..world.config() };
    let scm = GitScm::new(config).unwrap();
    for place in ["127.0.0.1", "localhost", "127.1", "[::1]", "0"] {
        let message = refused(&scm, &format!("git://{place}:{}/foo?#main", server.port)).await;
        assert!(message.contains("public internet"), "{message}");
    }
    assert!(refused(&scm, "file:///elsewhere/foo?#main").await.contains("not in the list"));
    assert!(refused(&scm, "ssh://localhost/foo?#main").await.contains("not in the list"));
    let chosen = GitScm::new(world.config_with(&format!("git://127.0.0.1:{}", server.port))).unwrap();
    assert!(fetch(&chosen, &format!("git://127.0.0.1:{}/foo?#main", server.port)).await.is_ok());
}

#[tokio::test]
async fn many_may_fetch_one_commit_at_once() {
    let (world, repo) = world_with_foo();
    let commit = repo.git(&["rev-parse", "HEAD"]);
    let url = format!("{}?#{}", world.address("foo"), commit.trim());
    // Two services with one folder.
    let (one, other) = (world.scm(), world.scm());
    let fetches: Vec<_> = (0..10)
        .map(|n| {
            let (scm, url) = (if n % 2 == 0 { one.clone() } else { other.clone() }, url.clone());
            tokio::spawn(async move { fetch(&scm, &url).await })
        })
        .collect();
    for fetching in fetches {
        assert_eq!(fetching.await.unwrap().unwrap().bytes, YAML.as_bytes());
    }
    assert_eq!(world.leftovers(), 0);
    assert_eq!(std::fs::read_dir(world.folder.path().join("cache/commits")).unwrap().count(), 1);
}

#[tokio::test]
async fn rsync_is_refused_with_what_to_do() {
    let world = World::new();
    let scm = GitScm::new(world.config_with("rsync://host/")).unwrap();
    assert!(refused(&scm, "git+rsync://host/foo?#main").await.contains("use the repository's https"));
}

/// Imports a small modulemd and a large file of noise, which does not compress.
fn import_noise(repo: &Repo, bytes: usize) {
    // It would only take time.
    repo.git(&["config", "core.compression", "0"]);
    let mut child = Command::new("git")
        .args(["fast-import", "--quiet", "--force"])
        .current_dir(&repo.folder)
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let noise: Vec<u8> = (0..bytes / 8)
        .flat_map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state.to_le_bytes()
        })
        .collect();
    write!(input, "commit refs/heads/main\ncommitter C <c@d> {COMMITTED_AT} +0000\ndata 1\nx\n").unwrap();
    write!(input, "M 644 inline foo.yaml\ndata {}\n{YAML}\n", YAML.len()).unwrap();
    write!(input, "M 644 inline noise.yaml\ndata {}\n", noise.len()).unwrap();
    input.write_all(&noise).unwrap();
    input.write_all(b"\n").unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
}
