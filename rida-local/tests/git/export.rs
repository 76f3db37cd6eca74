//! A component's files are written as they are in git, with its large files beside them.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rida_core::PortError;
use rida_core::scm::CommitHash;
use rida_local::git::{GitConfig, GitScm};

use crate::support::*;

async fn export(world: &World, scm: &GitScm, commit: &CommitHash, into: &Path) -> Result<(), PortError> {
    scm.export(&repository(&world.address("bar")), commit, into).await
}

/// Lists everything below a folder.
fn listing(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(at) = folders.pop() {
        for entry in std::fs::read_dir(at).unwrap().map(Result::unwrap) {
            let metadata = entry.path().symlink_metadata().unwrap();
            let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
            if metadata.is_dir() {
                folders.push(entry.path());
            } else if metadata.is_symlink() {
                found.push(format!("{path} -> {}", entry.path().read_link().unwrap().display()));
            } else {
                found.push(format!("{path} {:o}", metadata.permissions().mode() & 0o777));
            }
        }
    }
    found.sort();
    found
}

#[tokio::test]
async fn files_are_written_as_they_are_in_git() {
    let world = World::new();
    let repo = world.repo("bar");
    repo.write("bar.spec", "Name: bar\r\n$Format:%H$ $Id$\n").write("dir/run.sh", "#!/bin/sh\n").write("empty", "");
    repo.write(".gitattributes", "* text eol=lf export-subst ident\ndir export-ignore\n");
    repo.write("binary", [0, 255, b'\n', 0]);
    std::fs::set_permissions(repo.folder.join("dir/run.sh"), PermissionsExt::from_mode(0o755)).unwrap();
    for (path, target) in [
        ("inside", "dir/run.sh"),
        ("dir/up", "../bar.spec"),
        ("dangling", "nothing"),
        ("absolute", "/etc/passwd"),
        ("outside", "../outside"),
        ("dir/outside", "../../outside"),
        ("winding", "dir/../../outside"),
        ("folder", "dir"),
        ("through", "folder/../../outside"),
        ("deep/a/top", "../../dir"),
        // By its letters this is deep/outside; but behind the link `..` climbs from dir.
        ("deep/a/escape", "top/../../outside"),
        ("git", ".git/config"),
        ("self", "."),
    ] {
        repo.link(path, target);
    }
    repo.git(&["-c", "core.autocrlf=false", "add", "--all", "--", "."]);
    // The blob itself has the line end that the attributes would take away.
    let blob = repo.git(&["hash-object", "-w", "--no-filters", "bar.spec"]);
    repo.git(&["update-index", "--cacheinfo", &format!("100644,{},bar.spec", blob.trim())]);
    let commit = repo.submodule("module").commit_index();

    let into = world.folder.path().join("out");
    export(&world, &world.scm(), &commit, &into).await.unwrap();
    assert_eq!(
        listing(&into),
        [
            ".gitattributes 644",
            "bar.spec 644",
            "binary 644",
            "dangling -> nothing",
            "deep/a/top -> ../../dir",
            "dir/run.sh 755",
            "dir/up -> ../bar.spec",
            "empty 644",
            "folder -> dir",
            "inside -> dir/run.sh",
        ]
    );
    assert_eq!(std::fs::read(into.join("bar.spec")).unwrap(), b"Name: bar\r\n$Format:%H$ $Id$\n");
    assert_eq!(std::fs::read(into.join("binary")).unwrap(), [0, 255, b'\n', 0]);
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn trees_have_their_limits() {
    let world = World::new();
    let repo = world.repo("bar");
    let commit = repo.write("zeros", vec![0; 3_000_000]).commit();
    let scm = GitScm::new(GitConfig { tree_bytes: 2_000_000, ..world.config() }).unwrap();
    let error = export(&world, &scm, &commit, &world.folder.path().join("out")).await.unwrap_err();
    assert!(error.message().contains("more than the 1 MiB"), "{error}");
    let many = (0..30).fold(&repo, |repo, n| repo.write(&format!("f{n}"), "x")).commit();
    let scm = GitScm::new(GitConfig { tree_files: 20, ..world.config() }).unwrap();
    let error = export(&world, &scm, &many, &world.folder.path().join("out")).await.unwrap_err();
    assert!(error.message().contains("20 files"), "{error}");
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn only_allowed_repositories_are_exported() {
    let world = World::new();
    let commit = world.repo("bar").write("a", "a").commit();
    let scm = GitScm::new(GitConfig { allow: Default::default(), ..world.config() }).unwrap();
    let error = export(&world, &scm, &commit, &world.folder.path().join("out")).await.unwrap_err();
    assert!(error.message().contains("not in the list"), "{error}");
}

#[tokio::test]
async fn old_commits_leave_the_cache_when_it_is_full() {
    let world = World::new();
    let repo = world.repo("bar");
    let scm = GitScm::new(GitConfig { cache_bytes: 100_000, ..world.config() }).unwrap();
    let commits = world.folder.path().join("cache/commits");
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    for n in 0..4 {
        let commit = repo.write("a", n.to_string().repeat(60_000)).write("b", noise(60_000, n)).commit();
        export(&world, &scm, &commit, &world.folder.path().join(format!("out{n}"))).await.unwrap();
        let entries = || std::fs::read_dir(&commits).unwrap().map(|entry| entry.unwrap().path());
        // What was just fetched is in use; of the older ones only as many stay as there is room for.
        assert!(entries().count() <= 2, "{n}");
        assert!(entries().any(|path| path.to_str().unwrap().contains(commit.as_str())));
        entries().for_each(|path| std::fs::File::open(path).unwrap().set_modified(long_ago).unwrap());
    }
}

fn noise(bytes: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[0]
    };
    std::iter::repeat_with(next).take(bytes).collect()
}

#[tokio::test]
async fn large_files_are_fetched_and_compared() {
    let world = World::new();
    let into = world.folder.path().join("out");
    std::fs::create_dir_all(&into).unwrap();
    let line = world.upload("bar", "bar-1.tar.gz", b"tarball");
    std::fs::write(into.join("sources"), format!("{line}{}  here.txt\n", "0".repeat(32))).unwrap();
    std::fs::write(into.join("here.txt"), "committed").unwrap();
    let cache = format!("file://{}", world.lookaside().display());
    world.scm().download(&name("bar"), Some(&cache), &into).await.unwrap();
    assert_eq!(std::fs::read(into.join("bar-1.tar.gz")).unwrap(), b"tarball");
    assert_eq!(std::fs::read(into.join("here.txt")).unwrap(), b"committed");
    assert_eq!(listing(&into).len(), 3);
    // A second time everything is there.
    std::fs::remove_dir_all(world.lookaside()).unwrap();
    world.scm().download(&name("bar"), Some(&cache), &into).await.unwrap();
}

#[tokio::test]
async fn large_files_come_over_http_within_limits() {
    let world = World::new();
    let into = world.folder.path().join("out");
    std::fs::create_dir_all(&into).unwrap();
    let (good, other) = (sha512(b"good"), sha512(b"other"));
    let answers = [
        (format!("/bar/good/sha512/{good}/good"), (200, "", b"good".to_vec())),
        (format!("/bar/changed/sha512/{other}/changed"), (200, "", b"changed".to_vec())),
        (format!("/bar/large/sha512/{other}/large"), (200, "", vec![0; 3_000_000])),
    ];
    let server = http_server(answers.into_iter().collect());
    let cache = format!("http://127.0.0.1:{}", server.port);
    let config = GitConfig { caches: vec![cache.clone()], source_bytes: 2_000_000, ..world.config() };
    let scm = GitScm::new(config).unwrap();
    for (file, hash, expected) in [
        ("good", &good, None),
        ("changed", &other, Some("its checksum is another")),
        ("large", &other, Some("more than the 1 MiB")),
        ("missing", &other, Some("not in the lookaside cache")),
        ("../evil", &other, Some("names a file")),
    ] {
        std::fs::write(into.join("sources"), format!("SHA512 ({file}) = {hash}\n")).unwrap();
        let outcome = scm.download(&name("bar"), Some(&cache), &into).await;
        match expected {
            None => outcome.unwrap(),
            Some(expected) => {
                let error = outcome.unwrap_err();
                assert!(error.message().contains(expected), "{error}");
            }
        }
    }
    assert_eq!(listing(&into), ["good 644", "sources 644"]);
}
