//! Components are checked before anything is built, and everything that is wrong is told.

use std::collections::BTreeMap;
use std::time::Duration;

use rida_core::{ComponentCheck, Scm};
use rida_local::git::{GitConfig, GitScm};

use crate::support::*;

const SPEC: &str = "Name: bar\nVersion: 1\n";

#[tokio::test]
async fn a_good_component_is_pinned() {
    let world = World::new();
    let repo = world.repo("bar");
    let cached = world.upload("bar", "bar-1.tar.gz", b"tarball");
    let sources = format!("{cached}{}  committed.txt\n", "0".repeat(32));
    let commit = repo.write("bar.spec", SPEC).write("sources", sources).write("committed.txt", "x").commit();
    let place = world.address("bar");
    let cache = format!("file://{}", world.lookaside().display());
    for reference in ["main", commit.as_str(), &commit.as_str()[..8]] {
        let checked = check(&world.scm(), "bar", source(&place, reference, Some(&cache))).await;
        let ComponentCheck::Good(pinned) = checked else { panic!("{checked:?}") };
        assert_eq!((pinned.repository.as_str(), &pinned.commit), (&*place, &commit));
    }
    // The cache may be given with the package's name.
    let cache = format!("{cache}/bar/");
    assert!(matches!(check(&world.scm(), "bar", source(&place, "main", Some(&cache))).await, ComponentCheck::Good(_)));
}

#[tokio::test]
async fn a_component_of_the_default_repository_is_allowed_whatever_the_list_says() {
    let world = World::new();
    world.repo("bar").write("bar.spec", SPEC).commit();
    let place = world.address("bar");
    let nothing = GitConfig { allow: Default::default(), ..world.config() };
    let checked = check(&GitScm::new(nothing.clone()).unwrap(), "bar", source(&place, "main", None)).await;
    expect_bad(checked, &["not in the list"]);
    let default_repository = Some(repository(&format!("file://{}", world.repositories().display())));
    let scm = GitScm::new(GitConfig { default_repository, ..nothing }).unwrap();
    assert!(matches!(check(&scm, "bar", source(&place, "main", None)).await, ComponentCheck::Good(_)));
    // A module may not come from there.
    assert!(refused(&scm, &format!("{place}?bar.yaml#main")).await.contains("not in the list"));
}

#[tokio::test]
async fn answers_come_in_the_order_asked() {
    let world = World::new();
    world.repo("a").write("a.spec", "Name: a\n").commit();
    world.repo("b").commit();
    world.repo("c").write("c.spec", "Name: c\n").commit();
    let ask = ["a", "missing", "b", "c"].map(|text| (name(text), source(&world.address(text), "main", None)));
    let scm = GitScm::new(GitConfig { parallel: 2, ..world.config() }).unwrap();
    let answers = scm.check_components(&ask).await.unwrap();
    let kinds: Vec<_> = answers.iter().map(|answer| matches!(answer, ComponentCheck::Good(_))).collect();
    assert_eq!(kinds, [true, false, false, true]);
    assert!(scm.check_components(&[]).await.unwrap().is_empty());
}

#[tokio::test]
async fn all_problems_of_a_component_are_told() {
    let world = World::new();
    let hash = "ab".repeat(64);
    let sources = format!("SHA512 (bar-1.tar.gz) = {hash}\nnonsense\nSHA512 (../evil) = {hash}\n");
    world.repo("bar").write("bar.spec", "Name: other\n").write("sources", sources).commit();
    let cache = format!("file://{}", world.lookaside().display());
    let place = world.address("bar");
    let expected =
        ["spec of \"other\"", "line 2 is not of the form", "line 3 names a file", "not in the lookaside cache"];
    expect_bad(check(&world.scm(), "bar", source(&place, "main", Some(&cache))).await, &expected);
    let expected = [expected[0], expected[1], expected[2], "no lookaside cache to look in"];
    expect_bad(check(&world.scm(), "bar", source(&place, "main", None)).await, &expected);
}

#[tokio::test]
async fn a_spec_is_a_file_of_the_components_name() {
    let world = World::new();
    world.repo("missing").write("other.spec", SPEC).commit();
    world.repo("linked").write("real.spec", "Name: linked\n").link("linked.spec", "real.spec").commit();
    world.repo("folder").write("folder.spec/x", SPEC).commit();
    world.repo("nameless").write("nameless.spec", "Version: 1\n").commit();
    world.repo("large").write("large.spec", vec![b'#'; 5_000_000]).commit();
    let module = world.repo("module");
    module.submodule("module.spec");
    module.commit_index();
    let forked = world.repo("forks");
    forked.write("forks.spec", "Name: %(while :; do :; done)\n%{lua: while true do end}\n").commit();
    let scm = world.scm();
    for (component, expected) in [
        ("missing", "no file missing.spec"),
        ("linked", "linked.spec is a symbolic link"),
        ("folder", "folder.spec is a folder"),
        ("nameless", "has no Name tag"),
        ("large", "4096 KiB"),
        ("module", "module.spec is a submodule"),
    ] {
        expect_bad(check(&scm, component, source(&world.address(component), "main", None)).await, &[expected]);
    }
    // What only an evaluation could tell is left to the build.
    let checked = check(&scm, "forks", source(&world.address("forks"), "main", None)).await;
    assert!(matches!(checked, ComponentCheck::Good(_)));
}

#[tokio::test]
async fn what_is_missing_is_told_and_what_is_away_is_asked_again() {
    let world = World::new();
    world.repo("bar").write("bar.spec", SPEC).commit();
    let port = silent_server();
    let silent = format!("git://127.0.0.1:{port}/bar");
    let config = GitConfig { answer_within: Duration::from_millis(300), ..world.config_with(&silent) };
    let scm = GitScm::new(config).unwrap();
    expect_bad(check(&scm, "foo", source(&world.address("foo"), "main", None)).await, &["no git repository"]);
    expect_bad(check(&scm, "bar", source(&world.address("bar"), "f99", None)).await, &["branch or tag f99"]);
    let checked = check(&scm, "bar", source(&silent, "main", None)).await;
    assert!(matches!(&checked, ComponentCheck::Unknown(error) if error.is_retryable()), "{checked:?}");
    all_gone(&silent).await;
}

#[tokio::test]
async fn a_cache_is_asked_over_http() {
    let world = World::new();
    let (sha, md5) = ("ab".repeat(64), "cd".repeat(16));
    let sources = format!("SHA512 (a^1.tar.gz) = {sha}\n{md5}  old.tar.gz\n");
    world.repo("bar").write("bar.spec", SPEC).write("sources", sources).commit();
    let answers = [
        (format!("/pkgs/bar/a%5E1.tar.gz/sha512/{sha}/a%5E1.tar.gz"), (200, "", b"x".to_vec())),
        (format!("/pkgs/bar/old.tar.gz/{md5}/old.tar.gz"), (200, "", b"x".to_vec())),
    ];
    let server = http_server(answers.into_iter().collect());
    let cache = format!("http://127.0.0.1:{}/pkgs", server.port);
    let asking = source(&world.address("bar"), "main", Some(&cache));

    // Nobody chose this cache, and it is in the server's own network.
    expect_bad(check(&world.scm(), "bar", asking.clone()).await, &["public internet", "public internet"]);
    assert!(server.asked.lock().unwrap().is_empty());

    let scm = GitScm::new(GitConfig { caches: vec![cache], ..world.config() }).unwrap();
    let checked = check(&scm, "bar", asking).await;
    assert!(matches!(checked, ComponentCheck::Good(_)), "{checked:?}");
    assert!(server.asked.lock().unwrap().iter().all(|line| line.starts_with("HEAD ")));
}

#[tokio::test]
async fn a_caches_other_answers_are_understood() {
    let world = World::new();
    let (hash, package) = ("ab".repeat(64), world.repo("bar"));
    package.write("bar.spec", SPEC).write("sources", format!("SHA512 (a) = {hash}\n")).commit();
    let path = |place: &str| format!("/{place}/bar/a/sha512/{hash}/a");
    let elsewhere = http_server(BTreeMap::new());
    let header: &str = format!("Location: http://127.0.0.1:{}/\r\n", elsewhere.port).leak();
    let answers = [
        (path("moved"), (302, header, Vec::new())),
        (path("locked"), (403, "", Vec::new())),
        (path("broken"), (503, "", Vec::new())),
    ];
    let server = http_server(answers.into_iter().collect());
    let root = format!("http://127.0.0.1:{}", server.port);
    let silent = format!("http://127.0.0.1:{}/x", silent_server());
    let config = GitConfig {
        caches: vec![format!("{root}/"), silent.clone()],
        answer_within: Duration::from_millis(1200),
        ..world.config()
    };
    let scm = GitScm::new(config).unwrap();
    let ask = |cache: String| source(&world.address("bar"), "main", Some(&cache));
    expect_bad(check(&scm, "bar", ask(format!("{root}/nothing"))).await, &["not in the lookaside cache"]);
    expect_bad(check(&scm, "bar", ask(format!("{root}/moved"))).await, &["redirects"]);
    expect_bad(check(&scm, "bar", ask(format!("{root}/locked"))).await, &["login"]);
    expect_bad(check(&scm, "bar", ask("file:///etc".to_owned())).await, &["not one that this server may read"]);
    expect_bad(check(&scm, "bar", ask("--output=/tmp/x".to_owned())).await, &["not the address of a lookaside cache"]);
    expect_bad(check(&scm, "bar", ask("ssh://host/x".to_owned())).await, &["not the address of a lookaside cache"]);
    for away in [format!("{root}/broken"), silent.clone()] {
        let checked = check(&scm, "bar", ask(away)).await;
        assert!(matches!(checked, ComponentCheck::Unknown(_)), "{checked:?}");
    }
    all_gone(&silent).await;
    assert!(elsewhere.asked.lock().unwrap().is_empty());
}
