//! Servers that were built to hurt: everything ends within its limit, says which, and leaves nothing behind.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use rida_core::scm::CommitHash;
use rida_local::git::{GitConfig, GitScm};

use crate::pack::{Kind, Pack, commit, id, loose, tree};
use crate::server::*;
use crate::support::*;

const YAML: &[u8] = b"document: modulemd\n";

/// Settings with little of what a bomb takes, and time enough for a busy machine.
fn narrow(world: &World, place: &str) -> GitConfig {
    GitConfig {
        answer_within: Duration::from_secs(60),
        fetch_within: Duration::from_secs(60),
        processor_time: Duration::from_secs(2),
        memory: 256 * 1024 * 1024,
        ..world.config_with(place)
    }
}

/// Fetches and expects a refusal with a text, in good time, of which nothing is left.
async fn refused_for(world: &World, config: GitConfig, url: &str, expected: &str) {
    let started = Instant::now();
    let message = refused(&GitScm::new(config).unwrap(), url).await;
    assert!(message.contains(expected), "{message}");
    assert!(started.elapsed() < Duration::from_secs(50), "{:?}", started.elapsed());
    assert_eq!(world.leftovers(), 0);
}

/// A pack with a modulemd and what a function adds to it, and its commit.
fn pack_with(more: impl FnOnce(&mut Pack)) -> (CommitHash, Vec<u8>) {
    let mut pack = Pack::default();
    let blob = pack.add(Kind::Blob, YAML);
    let tree = pack.add_tree([("100644", "foo.yaml".to_owned(), &blob)]);
    let commit = pack.add_commit(&tree);
    more(&mut pack);
    (commit, pack.finish())
}

async fn refuse_pack(commit: &CommitHash, pack: Vec<u8>, expected: &str) {
    let (world, server) = (World::new(), pack_server(commit, pack));
    let config = narrow(&world, &server.place());
    refused_for(&world, config, &format!("{}?#main", server.place()), expected).await;
}

#[tokio::test]
async fn the_second_protocol_is_spoken_and_nothing_of_it_that_leads_elsewhere() {
    let (commit, pack) = pack_with(|_| {});
    let (world, server) = (World::new(), pack_server(&commit, pack));
    let scm = GitScm::new(narrow(&world, &server.place())).unwrap();
    let fetched = fetch(&scm, &format!("{}?#main", server.place())).await.unwrap();
    assert_eq!((fetched.bytes.as_slice(), &fetched.commit), (YAML, &commit));
    let asked = server.asked.lock().unwrap().clone();
    assert!(asked.iter().any(|asked| asked.body.contains("command=fetch")), "{asked:#?}");
    for asked in asked {
        for word in ["bundle-uri", "packfile-uris", "server-option"] {
            assert!(!asked.body.contains(word), "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_server_that_sends_a_byte_now_and_then_is_given_up() {
    let (commit, pack) = pack_with(|_| {});
    let refs = [line(&format!("{commit} refs/heads/main\n")), flush()].concat();
    for slow in [Step::Greeting, Step::Refs, Step::Fetch] {
        let (refs, pack) = (refs.clone(), pack.clone());
        let server = scripted(move |asked, to| {
            let (kind, body) = match step(asked) {
                Step::Greeting => ("advertisement", greeting()),
                Step::Refs => ("result", refs.clone()),
                Step::Fetch => ("result", [line("packfile\n"), packet(&[&[1], &*pack].concat()), flush()].concat()),
            };
            begin(to, kind)?;
            if step(asked) == slow { drip(to, &body) } else { to.write_all(&body) }
        });
        let (world, short) = (World::new(), Duration::from_secs(3));
        let config = GitConfig { answer_within: short, fetch_within: short, ..narrow(&world, &server.place()) };
        given_up(&world, config, &server.place()).await;
    }
}

async fn given_up(world: &World, config: GitConfig, place: &str) {
    let started = Instant::now();
    let error = fetch(&GitScm::new(config).unwrap(), &format!("{place}?#main")).await.unwrap_err();
    assert!(error.is_retryable() && error.message().contains("completely within 3 s"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(30), "{:?}", started.elapsed());
    all_gone(place).await;
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn refs_without_end_are_not_read_for_ever() {
    // The first protocol greets with all refs; the second is asked for some, and this server gives others.
    let endless = |to: &mut dyn Write| -> std::io::Result<()> {
        for n in 0_u64.. {
            let names = (0..500).map(|m| line(&format!("{:040x} refs/heads/{n}-{m}\n", n + 1)));
            to.write_all(&names.collect::<Vec<_>>().concat())?;
        }
        Ok(())
    };
    let first = scripted(move |_, to| {
        begin(to, "advertisement")?;
        to.write_all(&[line("# service=git-upload-pack\n"), flush()].concat())?;
        endless(to)
    });
    let second = scripted(move |asked, to| match step(asked) {
        Step::Greeting => answer(to, "advertisement", &greeting()),
        _ => begin(to, "result").and_then(|()| endless(to)),
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let bare = format!("git://{}/foo", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        while let Ok((mut connection, _)) = listener.accept() {
            let _ = connection.read(&mut [0; 4096]).and_then(|_| endless(&mut connection));
        }
    });
    for place in [first.place(), second.place(), bare] {
        let world = World::new();
        let config = GitConfig { processor_time: Duration::from_secs(50), ..narrow(&world, &place) };
        refused_for(&world, config, &format!("{place}?#main"), "256 MiB of memory").await;
        all_gone(&place).await;
    }
}

#[tokio::test]
async fn a_pack_that_inflates_takes_no_more_than_its_processor_time() {
    // 16 GiB in 16 MiB.
    let (commit, pack) = pack_with(|pack| pack.add_zeros(16 * 1024));
    refuse_pack(&commit, pack, "2 s of processor time").await;
}

#[tokio::test]
async fn a_delta_that_repeats_a_mebibyte_takes_no_more_than_its_memory() {
    let zeros = vec![0; 1024 * 1024];
    let (commit, pack) = pack_with(|pack| {
        let base = pack.add(Kind::Blob, &zeros);
        pack.add_repetition(&base, zeros.len(), 1000);
    });
    refuse_pack(&commit, pack, "256 MiB of memory").await;
}

#[tokio::test]
async fn a_chain_of_ten_thousand_deltas_is_no_harm() {
    let (commit, pack) = pack_with(|pack| {
        let mut content = b"start".to_vec();
        let mut last = pack.add(Kind::Blob, &content);
        for n in 0..10_000_u32 {
            let byte = u8::try_from(n % 250).unwrap();
            pack.add_longer(&last, content.len(), byte);
            content.push(byte);
            last = id(Kind::Blob, &content);
        }
    });
    let (world, server) = (World::new(), pack_server(&commit, pack));
    let config = GitConfig { processor_time: Duration::from_secs(30), ..narrow(&world, &server.place()) };
    let fetched = fetch(&GitScm::new(config).unwrap(), &format!("{}?#main", server.place())).await.unwrap();
    assert_eq!(fetched.bytes, YAML);
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn trees_of_a_million_names_are_refused() {
    let mut pack = Pack::default();
    let blob = pack.add(Kind::Blob, YAML);
    let tree = pack.add_tree((0..1_000_000).map(|n| ("100644", format!("{n:06}"), &blob)));
    let commit = pack.add_commit(&tree);
    refuse_pack(&commit, pack.finish(), "more than the 50000 files").await;
}

#[tokio::test]
async fn trees_that_hold_themselves_are_refused() {
    // Ten folders in each of ten folders, and so on, down to a file, or to nothing at all.
    for bottom in [true, false] {
        let mut pack = Pack::default();
        let blob = pack.add(Kind::Blob, YAML);
        let mut tree = pack.add_tree(bottom.then(|| ("100644", "a".to_owned(), &blob)));
        for _ in 0..12 {
            tree = pack.add_tree((0..10).map(|n| ("40000", n.to_string(), &tree)));
        }
        let commit = pack.add_commit(&tree);
        let expected = if bottom { "more than the 50000 files" } else { "2 s of processor time" };
        refuse_pack(&commit, pack.finish(), expected).await;
    }
}

#[tokio::test]
async fn trees_that_are_too_deep_are_refused() {
    let mut pack = Pack::default();
    let blob = pack.add(Kind::Blob, YAML);
    let mut tree = pack.add_tree([("100644", "foo.yaml".to_owned(), &blob)]);
    for _ in 0..100_000 {
        tree = pack.add_tree([("40000", "d".to_owned(), &tree)]);
    }
    let commit = pack.add_commit(&tree);
    refuse_pack(&commit, pack.finish(), "folders").await;
}

#[tokio::test]
async fn three_thousand_refs_are_no_harm() {
    let world = World::new();
    let repo = world.repo("foo");
    let commit = repo.write("foo.yaml", YAML).commit();
    let names = (0..3_000).map(|n| format!("{commit} refs/heads/b{n:06}\n"));
    let packed: String =
        std::iter::once("# pack-refs with: peeled fully-peeled sorted \n".to_owned()).chain(names).collect();
    std::fs::write(repo.folder.join(".git/packed-refs"), packed).unwrap();
    let server = daemon(&world);
    let place = format!("git://127.0.0.1:{}/foo", server.port);
    let config = GitConfig { processor_time: Duration::from_secs(30), ..narrow(&world, &place) };
    let scm = GitScm::new(config).unwrap();
    for revision in ["main", "b000007", &commit.as_str()[..10]] {
        assert_eq!(fetch(&scm, &format!("{place}?#{revision}")).await.unwrap().bytes, YAML, "{revision}");
    }
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn no_redirect_leads_to_another_host_or_scheme() {
    let (hash, _) = pack_with(|_| {});
    let other = http_server(BTreeMap::new());
    let world = World::new();
    let mark = world.folder.path().join("mark");
    let secret = world.repo("secret");
    secret.write("foo.yaml", "secret").commit();
    for target in [
        format!("http://127.0.0.1:{}/foo/", other.port),
        format!("//127.0.0.1:{}/foo/", other.port),
        format!("git://127.0.0.1:{}/foo/", other.port),
        format!("ssh://127.0.0.1:{}/foo/", other.port),
        format!("{}/.git/", world.address("secret")),
        format!("ext::sh -c touch% {}", mark.display()),
        format!("fd::17/{}", mark.display()),
        format!("--upload-pack=touch {}", mark.display()),
    ] {
        for at in [Step::Greeting, Step::Refs, Step::Fetch] {
            let (target, hash) = (target.clone(), hash.clone());
            let server = scripted(move |asked, to| match step(asked) {
                now if now == at => {
                    let rest =
                        if now == Step::Greeting { "info/refs?service=git-upload-pack" } else { "git-upload-pack" };
                    write!(
                        to,
                        "HTTP/1.1 307 X\r\nConnection: close\r\nContent-Length: 0\r\nLocation: {target}{rest}\r\n\r\n"
                    )
                }
                Step::Greeting => answer(to, "advertisement", &greeting()),
                _ => answer(to, "result", &[line(&format!("{hash} refs/heads/main\n")), flush()].concat()),
            });
            let config = narrow(&world, &server.place());
            refused_for(&world, config, &format!("{}?#main", server.place()), "redirects").await;
        }
    }
    assert!(!mark.exists());
    assert_eq!(*other.asked.lock().unwrap(), Vec::<String>::new());
}

/// The files of a server that has no git, with a commit of a tree.
fn plain_files(seconds: &str, tree: &[u8], blobs: &[&[u8]]) -> (CommitHash, BTreeMap<String, Answer>) {
    let commit = commit(&id(Kind::Tree, tree), seconds);
    let hash = id(Kind::Commit, &commit);
    let objects = [loose(Kind::Commit, &commit), loose(Kind::Tree, tree)];
    let blobs = blobs.iter().map(|blob| loose(Kind::Blob, blob));
    let files = [
        ("info/refs".to_owned(), format!("{hash}\trefs/heads/main\n").into_bytes()),
        ("HEAD".to_owned(), b"ref: refs/heads/main\n".to_vec()),
    ];
    let files = files.into_iter().chain(objects).chain(blobs);
    (hash, files.map(|(path, bytes)| (format!("/foo/{path}"), (200, "", bytes))).collect())
}

#[tokio::test]
async fn a_server_of_plain_files_is_read_and_its_alternates_are_not() {
    let blob = id(Kind::Blob, YAML);
    let content = tree([("100644", "foo.yaml".to_owned(), &blob)]);
    let (_, good) = plain_files("1518184351", &content, &[YAML]);
    let (world, server) = (World::new(), http_server(good.clone()));
    let place = format!("http://127.0.0.1:{}/foo", server.port);
    let scm = GitScm::new(narrow(&world, &place)).unwrap();
    assert_eq!(fetch(&scm, &format!("{place}?#main")).await.unwrap().bytes, YAML);

    // Without the blob, and with a list of where else it could be.
    let other = http_server(good.clone());
    let secret = world.repo("secret");
    secret.write("foo.yaml", YAML).commit();
    let elsewhere = format!(
        "http://127.0.0.1:{}/foo/objects\n{}/.git/objects\n{}/.git/objects\n",
        other.port,
        world.address("secret"),
        secret.folder.display()
    );
    let (path, _) = loose(Kind::Blob, YAML);
    let mut bad = good;
    bad.remove(&format!("/foo/{path}")).unwrap();
    for list in ["http-alternates", "alternates"] {
        bad.insert(format!("/foo/objects/info/{list}"), (200, "", elsewhere.clone().into_bytes()));
    }
    let server = http_server(bad);
    let place = format!("http://127.0.0.1:{}/foo", server.port);
    let error = fetch(&GitScm::new(narrow(&world, &place)).unwrap(), &format!("{place}?#main")).await.unwrap_err();
    assert!(!error.message().contains("secret"), "{error}");
    assert_eq!(*other.asked.lock().unwrap(), Vec::<String>::new());
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn times_that_are_no_times_are_no_harm() {
    let blob = id(Kind::Blob, YAML);
    let content = tree([("100644", "foo.yaml".to_owned(), &blob)]);
    // A server of plain files is not held to what `git fsck` finds.
    for seconds in ["-1", "99999999999999999999", "9223372036854775807", "-9223372036854775808", "x"] {
        let (_, files) = plain_files(seconds, &content, &[YAML]);
        let (world, server) = (World::new(), http_server(files));
        let place = format!("http://127.0.0.1:{}/foo", server.port);
        let scm = GitScm::new(narrow(&world, &place)).unwrap();
        match fetch(&scm, &format!("{place}?#main")).await {
            Ok(fetched) => assert_eq!(fetched.bytes, YAML),
            Err(error) => assert!(!error.is_retryable(), "{seconds}: {error}"),
        }
    }
}

#[tokio::test]
async fn names_that_cannot_be_written_are_refused_and_not_tried_again() {
    let blob = id(Kind::Blob, YAML);
    let (long, file) = ("n".repeat(300), |name: &str| ("100644", name.to_owned(), &blob));
    let folder = tree([file("inner")]);
    let folder_id = id(Kind::Tree, &folder);
    let mut deep = (tree([file("f")]), Vec::new());
    for _ in 0..60 {
        let below = id(Kind::Tree, &deep.0);
        let above = tree([("40000", "d".repeat(100), &below)]);
        deep.1.push(std::mem::replace(&mut deep.0, above));
    }
    let trees = [
        (tree([file(&long)]), vec![]),
        (deep.0, deep.1),
        // One name for a file and a folder, and for a link and a folder.
        (tree([file("a"), ("40000", "a".to_owned(), &folder_id)]), vec![folder.clone()]),
        (tree([("120000", "a".to_owned(), &blob), ("40000", "a".to_owned(), &folder_id)]), vec![folder.clone()]),
        (tree([file("..")]), vec![]),
        (tree([("40000", "..".to_owned(), &folder_id)]), vec![folder.clone()]),
        (tree([("40000", ".git".to_owned(), &folder_id)]), vec![folder.clone()]),
        (tree([file("a/../../b")]), vec![]),
        (tree([file("/etc/passwd")]), vec![]),
        (tree([file("a\nb")]), vec![]),
        (tree([file("\u{1b}[2J")]), vec![]),
    ];
    for (content, more) in trees {
        let (commit, mut files) = plain_files("1518184351", &content, &[YAML]);
        files.extend(more.iter().map(|tree| {
            let (path, bytes) = loose(Kind::Tree, tree);
            (format!("/foo/{path}"), (200, "", bytes))
        }));
        let (world, server) = (World::new(), http_server(files));
        let place = format!("http://127.0.0.1:{}/foo", server.port);
        let scm = GitScm::new(narrow(&world, &place)).unwrap();
        let into = world.folder.path().join("in/out");
        let error = scm.export(&repository(&place), &commit, &into).await.unwrap_err();
        assert!(!error.is_retryable(), "{error}");
        assert!(error.message().contains("not safe") && !error.message().contains(char::is_control), "{error}");
        assert_eq!(world.leftovers(), 0);
        let outside = std::fs::read_dir(world.folder.path()).unwrap().count();
        assert!(!into.exists() && outside <= 3, "{outside}");
    }
}

#[tokio::test]
async fn what_a_server_says_of_itself_is_not_told() {
    for text in ["\u{1b}[2J\u{7}secret", "no space left on device secret", "died of signal 25 secret"] {
        let server = scripted(move |asked, to| match step(asked) {
            Step::Greeting => answer(to, "advertisement", &greeting()),
            _ => answer(to, "result", &line(&format!("ERR {text}\n"))),
        });
        let world = World::new();
        let scm = GitScm::new(narrow(&world, &server.place())).unwrap();
        let error = fetch(&scm, &format!("{}?#main", server.place())).await.unwrap_err();
        assert!(!error.message().contains("secret") && !error.message().contains("disk"), "{error}");
        assert_eq!(world.leftovers(), 0);
    }
    // Progress without end.
    let (commit, _) = pack_with(|_| {});
    let server = scripted(move |asked, to| match step(asked) {
        Step::Greeting => answer(to, "advertisement", &greeting()),
        Step::Refs => answer(to, "result", &[line(&format!("{commit} refs/heads/main\n")), flush()].concat()),
        Step::Fetch => {
            begin(to, "result")?;
            to.write_all(&line("packfile\n"))?;
            let said = [b"\x02".as_slice(), "still counting\n".repeat(4000).as_bytes()].concat();
            loop {
                to.write_all(&packet(&said))?;
            }
        }
    });
    let world = World::new();
    let config = GitConfig { processor_time: Duration::from_secs(50), ..narrow(&world, &server.place()) };
    refused_for(&world, config, &format!("{}?#main", server.place()), "said more than").await;
}
