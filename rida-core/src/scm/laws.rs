//! What holds for every text.

use proptest::prelude::*;

use super::*;

const ALLOWED: &str = "https://allowed.host/modules";

/// Texts made of the pieces that attacks are made of.
fn near_misses() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(vec![
        "https://",
        "HTTPS://",
        "git+https://",
        "http://",
        "https:/",
        "https:///",
        "https:\\\\",
        "ext::",
        "git://",
    ]);
    let host = prop::sample::select(vec![
        "allowed.host",
        "ALLOWED.host",
        "allowed.host.",
        "allowed.host:443",
        "allowed.host:444",
        "allowed.host:",
        "allowed.host.evil",
        "allowed.host@evil",
        "evil@allowed.host",
        "allowed.host#@evil",
        "allowed.host?.evil",
        "allowed.host\\evil",
        "evil\\@allowed.host",
        "allowed.host%2eevil",
        "allowed.host%00",
        "allowed\u{3002}host",
        "allowed.host\u{ff0f}evil",
        "-allowed.host",
        "evil",
        "127.1",
        "[::1]",
        "",
    ]);
    let segment = prop::sample::select(vec![
        "modules",
        "Modules",
        "modules-evil",
        "modules.",
        "mod\tules",
        "..",
        ".",
        "",
        "%2e%2e",
        "%2E.",
        "..%2f",
        ".;",
        "modules%2f..",
        "..\\",
        "rpms",
        "foo",
        "foo.git",
        "foo.yaml",
        "-foo",
        "modules/",
    ]);
    let end = prop::sample::select(vec![
        "",
        "?#main",
        "?foo.yaml#main",
        "?../foo.yaml#main",
        "#main",
        "?#-x",
        "?##",
        "@evil",
    ]);
    (scheme, host, prop::collection::vec(segment, 0..5), end)
        .prop_map(|(scheme, host, segments, end)| format!("{scheme}{host}/{}{end}", segments.join("/")))
}

/// What a well-meaning user may write.
fn good_urls() -> impl Strategy<Value = String> {
    let scheme = prop::sample::select(vec!["git", "http", "https", "git+https", "ssh", "git+ssh", "rsync"]);
    let host = "[a-zA-Z][a-zA-Z0-9]{0,7}(\\.[a-zA-Z][a-zA-Z0-9]{0,5})?(:[1-9][0-9]{0,3})?";
    let path = "(/[a-zA-Z0-9_~+]{1,6})?/[a-zA-Z0-9_][a-zA-Z0-9_+-]{0,6}";
    let file =
        prop::sample::select(vec!["", "?", "?foo.yaml", "?a/b+c.yml", ".git", ".git?", ".git/x.yaml?", ".git/a/x.yml"]);
    (scheme, host, path, file, "[a-zA-Z0-9]{1,8}(/[a-z0-9]{1,4})?")
        .prop_map(|(scheme, host, path, file, revision)| format!("{scheme}://{host}{path}{file}#{revision}"))
}

/// What must hold of every value that exists.
fn is_sound(repository: &Repository) -> Result<(), TestCaseError> {
    let text = repository.as_str();
    prop_assert!(text.bytes().all(|b| b.is_ascii_graphic() && !b"\\%@?#'\"`$;&|<>()*{}^=,!".contains(&b)), "{text}");
    prop_assert!(
        repository.segments().iter().all(|s| !s.is_empty() && !s.starts_with('-') && ![".", ".."].contains(&&**s))
    );
    prop_assert!(!repository.host().is_some_and(|host| host.starts_with('-') || host.ends_with('.')));
    prop_assert_eq!(&Repository::parse(text).unwrap(), repository);
    // Another parser finds the same parts, and nothing to repair.
    let other = ::url::Url::parse(&text.replacen(repository.scheme().as_str(), "https", 1)).unwrap();
    if let Some(host) = repository.host() {
        prop_assert_eq!(other.host_str(), Some(host));
        prop_assert_eq!(other.path(), format!("/{}", repository.segments().join("/")));
    }
    prop_assert!(other.username().is_empty() && other.query().is_none() && other.fragment().is_none());
    Ok(())
}

fn url_is_sound(url: &ScmUrl) -> Result<(), TestCaseError> {
    is_sound(url.repository())?;
    prop_assert_eq!(&ScmUrl::parse(url.as_str()).unwrap(), url);
    prop_assert!(!url.path().split('/').any(|part| part.is_empty() || part.starts_with(['-', '.'])));
    prop_assert!(!url.revision().as_str().starts_with('-'));
    Ok(())
}

fn allowed() -> AllowList {
    AllowList::new([Repository::parse(ALLOWED).unwrap()])
}

/// Decides on the text alone, from a normal form, what the list must say.
fn expected(repository: &Repository) -> bool {
    repository.as_str() == ALLOWED || repository.as_str().starts_with(&format!("{ALLOWED}/"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused_or_sound(text in "\\PC{0,60}") {
        if let Ok(repository) = Repository::parse(&text) {
            is_sound(&repository)?;
        }
        if let Ok(url) = ScmUrl::parse(&text) {
            url_is_sound(&url)?;
        }
    }

    #[test]
    fn a_near_miss_is_refused_or_judged_right(text in near_misses()) {
        if let Ok(repository) = Repository::parse(&text) {
            is_sound(&repository)?;
            prop_assert_eq!(allowed().permits(&repository), expected(&repository), "{}", repository);
        }
        if let Ok(url) = ScmUrl::parse(&text) {
            url_is_sound(&url)?;
            prop_assert_eq!(allowed().permits(url.repository()), expected(url.repository()), "{}", url);
        }
    }

    #[test]
    fn what_users_write_is_read_and_printed_as_written(text in good_urls()) {
        let url = ScmUrl::parse(&text).unwrap();
        prop_assert_eq!(url.as_str(), &text);
        url_is_sound(&url)?;
    }
}
