//! Documents of default modules are read from a repository, and from nothing else.

use rida_core::scm::AllowList;
use rida_core::{DefaultModules, PortError, Scm};
use rida_local::git::{GitConfig, GitScm};

use crate::support::*;

const PERL: &str = "document: modulemd-defaults\nversion: 1\ndata: {module: perl, stream: '5.26'}\n";

fn place(world: &World, reference: &str) -> DefaultModules {
    let repository = repository(&world.address("defaults"));
    DefaultModules { repository, reference: reference.parse().unwrap() }
}

async fn read(scm: &GitScm, place: &DefaultModules) -> Result<Vec<(String, bool, usize)>, PortError> {
    let fetched = scm.fetch_defaults(place).await?;
    Ok(fetched.files.into_iter().map(|file| (file.path, file.overrides, file.bytes.len())).collect())
}

#[tokio::test]
async fn documents_of_the_folder_and_of_overrides_are_read() {
    let world = World::new();
    let repo = world.repo("defaults");
    repo.write("perl.yaml", PERL).write("README.md", "x").write("a.yml", "x").write("sub/no.yaml", "x");
    repo.write("overrides/perl.yaml", "y").write("overrides/deeper/no.yaml", "x").write("empty.yaml", "");
    let commit = repo.commit();
    repo.git(&["branch", "el8"]);
    let scm = world.scm();
    let files = read(&scm, &place(&world, "el8")).await.unwrap();
    let expected = [("empty.yaml", false, 0), ("overrides/perl.yaml", true, 1), ("perl.yaml", false, PERL.len())];
    assert_eq!(files, expected.map(|(path, overrides, bytes)| (path.to_owned(), overrides, bytes)));
    let fetched = scm.fetch_defaults(&place(&world, commit.as_str())).await.unwrap();
    assert_eq!((fetched.commit, fetched.files[2].bytes.as_slice()), (commit, PERL.as_bytes()));
    // The branch moves on.
    repo.write("ruby.yaml", "z").commit();
    repo.git(&["branch", "--force", "el8"]);
    assert_eq!(read(&scm, &place(&world, "el8")).await.unwrap().len(), 4);
    let missing = read(&scm, &place(&world, "el9")).await.unwrap_err();
    assert!(!missing.is_retryable() && missing.message().contains("el9"), "{missing}");
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn what_is_no_plain_file_or_too_large_is_refused() {
    let world = World::new();
    let repo = world.repo("defaults");
    repo.write("perl.yaml", PERL).link("passwd.yaml", "/etc/passwd").commit();
    let told = async |scm: &GitScm| read(scm, &place(&world, "main")).await.unwrap_err().message().to_owned();
    assert!(told(&world.scm()).await.contains("passwd.yaml in "), "{}", told(&world.scm()).await);
    repo.git(&["rm", "--quiet", "passwd.yaml"]);
    repo.write("large.yaml", "x".repeat(20_000)).commit();
    let scm = GitScm::new(GitConfig { file_bytes: 10_000, ..world.config() }).unwrap();
    let large = told(&scm).await;
    assert!(large.contains("large.yaml in ") && large.contains("KiB"), "{large}");
    repo.git(&["rm", "--quiet", "large.yaml"]);
    for number in 0..9 {
        repo.write(&format!("{number}.yaml"), format!("{number}").repeat(1_000_000));
    }
    repo.commit();
    let large = told(&world.scm()).await;
    assert!(large.contains("have more than 8 MiB"), "{large}");
    for number in 0..=1_000 {
        repo.write(&format!("{number}.yaml"), "x");
    }
    repo.commit();
    let many = told(&world.scm()).await;
    assert!(many.contains("has more than 1000 documents"), "{many}");
    assert_eq!(world.leftovers(), 0);
}

#[tokio::test]
async fn a_repository_is_read_for_defaults_when_the_administrator_named_it() {
    let world = World::new();
    world.repo("defaults").write("perl.yaml", PERL).commit();
    let place = place(&world, "main");
    let allow = AllowList::new([repository("https://git.example.org/modules")]);
    let elsewhere = GitConfig { allow, ..world.config() };
    let unlisted = read(&GitScm::new(elsewhere.clone()).unwrap(), &place).await.unwrap_err();
    assert!(unlisted.message().contains("not in the list"), "{unlisted}");
    let named = GitScm::new(GitConfig { defaults: vec![place.repository.clone()], ..elsewhere }).unwrap();
    assert_eq!(read(&named, &place).await.unwrap().len(), 1);
    // For nothing else.
    let refused = refused(&named, &format!("{}?perl.yaml#main", place.repository)).await;
    assert!(refused.contains("not in the list"), "{refused}");
}
