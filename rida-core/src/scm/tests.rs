use super::*;

const COMMIT: &str = "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15";

#[track_caller]
fn check(text: &str, repository: &str, path: &str, revision: &str) {
    let url = ScmUrl::parse(text).unwrap();
    assert_eq!((url.repository().as_str(), url.path(), url.revision().as_str()), (repository, path, revision));
    assert_eq!(url.as_str(), text);
}

#[track_caller]
fn refuse(text: &str, expected: &str) {
    let error = ScmUrl::parse(text).unwrap_err().to_string();
    assert!(error.contains(expected), "{error}");
    assert!(error.contains("?#<commit>"), "it says what is expected: {error}");
}

fn repository(text: &str) -> Repository {
    Repository::parse(text).unwrap()
}

#[test]
fn every_form_is_read() {
    let place = "git://pkgs.example.org/modules";
    let foo_git = format!("{place}/foo.git");
    check(&format!("{place}/foo.git/foo.yaml?#{COMMIT}"), &foo_git, "foo.yaml", COMMIT);
    check(&format!("{place}/foo.git/sub/bar.yml#f1d2d2f"), &foo_git, "sub/bar.yml", "f1d2d2f");
    check(&format!("{place}/foo.git?#{COMMIT}"), &foo_git, "foo.yaml", COMMIT);
    check(&format!("{place}/foo?#{COMMIT}"), &format!("{place}/foo"), "foo.yaml", COMMIT);
    check(&format!("{place}/foo.git?sub/bar.yaml#main"), &foo_git, "sub/bar.yaml", "main");
    check(&format!("{place}/foo.git#release/1.0"), &foo_git, "foo.yaml", "release/1.0");
    check(&format!("{place}/foo.git/?#v1"), &foo_git, "foo.yaml", "v1");
    check("file:///srv/git/foo?#main", "file:///srv/git/foo", "foo.yaml", "main");
    check("https://foo.git/m/bar.git/bar.yaml?#main", "https://foo.git/m/bar.git", "bar.yaml", "main");
    check("git+https://H/m/foo?#main", "https://h/m/foo", "foo.yaml", "main");
}

#[test]
fn a_pinned_url_keeps_its_form() {
    let url = ScmUrl::parse("git://h/m/foo.git/bar.yaml?#main").unwrap().pinned(CommitHash::new(COMMIT).unwrap());
    assert_eq!(url.as_str(), format!("git://h/m/foo.git/bar.yaml?#{COMMIT}"));
    assert_eq!(url, ScmUrl::parse(url.as_str()).unwrap());
}

#[test]
fn hostile_urls_are_refused_and_told_why() {
    refuse("", "empty");
    refuse("--upload-pack=touch", "dash");
    refuse("ext::sh -c touch", "helper program");
    refuse("ext::git://host/foo?#main", "helper program");
    refuse("EXT::sh", "helper program");
    refuse("host:modules/foo?#main", "ssh://host/path");
    refuse("../modules/foo?#main", "no scheme");
    refuse("/srv/git/foo?#main", "file:///path");
    refuse("ftp://host/foo?#main", "scheme");
    refuse("git+git://host/foo?#main", "scheme");
    refuse("javascript://host/foo?#main", "scheme");
    refuse("ssh://-oProxyCommand=touch/foo?#main", "host");
    refuse("ssh://-host/foo?#main", "host");
    refuse("git://host/-u/foo?#main", "dash");
    refuse("git://host/--upload-pack=x/foo?#main", "dash");
    refuse("https://allowed.host@evil/foo?#main", "user");
    refuse("https://user:secret@host/foo?#main", "user");
    refuse("https://host/modules/../foo?#main", "`..`");
    refuse("https://host/./foo?#main", "`..`");
    refuse("https://host//foo?#main", "`//`");
    refuse("https://host/foo//?#main", "`//`");
    refuse("https://host/%2e%2e/foo?#main", "percent");
    refuse("https://host/a%2Ffoo?#main", "percent");
    refuse("https://host\\evil/foo?#main", "backslash");
    refuse("https://ho\tst/foo?#main", "control");
    refuse("https://host/foo?#main\n", "control");
    refuse("https://host/foo\0?#main", "control");
    refuse(" https://host/foo?#main", "white space");
    refuse("https://höst/foo?#main", "xn--");
    refuse("https:///foo?#main", "no host");
    refuse("https://host:0/foo?#main", "port");
    refuse("https://host:99999/foo?#main", "port");
    refuse("https://host:+80/foo?#main", "port");
    refuse("https://host:/foo?#main", "port");
    refuse("https://ho..st/foo?#main", "host");
    refuse("https://[::1/foo?#main", "host");
    refuse("https://[::1]x/foo?#main", "host");
    refuse("file://host/foo?#main", "file:///path");
    refuse("git://host?#main", "no repository");
    refuse("git://host/?#main", "no repository");
    refuse(&format!("git://host/{}?#main", "a".repeat(1100)), "longer");
}

#[test]
fn hostile_refs_and_paths_are_refused() {
    refuse("git://host/foo.git", "no ref");
    refuse("git://host/foo.git?", "no ref");
    refuse("git://host/foo.git?#", "no ref");
    for revision in ["--orphan=x", "-x", "a..b", "main^", "main~1", "HEAD@{1}", "a:b", "x.lock", "a//b", "a/-b", "a#b"]
    {
        refuse(&format!("git://host/foo?#{revision}"), "ref is not good");
    }
    for path in
        ["../foo.yaml", "/foo.yaml", "-foo.yaml", ".git/foo.yaml", "a//b.yaml", "a/../b.yaml", "a=b.yaml", "a?b.yaml"]
    {
        refuse(&format!("git://host/foo?{path}#main"), "path of the file");
    }
    refuse("git://host/foo?foo.txt#main", ".yaml or .yml");
    refuse("git://host/foo.git/foo.spec?#main", ".yaml or .yml");
    refuse("git://host/foo/foo.yaml?#main", "not clear");
    refuse("git://host/foo.git/foo.yaml?bar.yaml#main", "twice");
    refuse("git://host/.git?#main", "path of the file");
}

#[test]
fn addresses_of_one_place_are_equal() {
    for (one, other) in [
        ("git+https://Git.Example.ORG.:443/a/", "https://git.example.org/a"),
        ("git+http://h:80/a", "http://h/a"),
        ("git://h:9418/a", "git://h/a"),
        ("git+ssh://h:22/a", "ssh://h/a"),
        ("git+rsync://h/a", "rsync://h/a"),
        ("http://0x7f.1/a", "http://127.0.0.1/a"),
        ("http://[::0001]:8080/a", "http://[::1]:8080/a"),
    ] {
        assert_eq!(repository(one), repository(other));
        assert_eq!(repository(one).as_str(), other);
    }
    assert_ne!(repository("https://h:8443/a"), repository("https://h/a"));
    assert_ne!(repository("http://h/a"), repository("https://h/a"));
    assert_eq!(repository("https://h:8443/a/foo.git").port(), Some(8443));
    assert_eq!(repository("https://h/a/foo.git").name(), "foo");
}

#[test]
fn a_repository_below_another_is_one_segment_further() {
    let place = repository("https://h/rpms/");
    assert_eq!(place.join("bash").unwrap().as_str(), "https://h/rpms/bash");
    assert_eq!(repository("https://h/").join("bash").unwrap().as_str(), "https://h/bash");
    for segment in ["", "..", ".", "a/b", "-a", "a b", "a%2fb", "a?b", "a#b", "a\\b"] {
        assert!(place.join(segment).is_err(), "{segment:?}");
    }
}

#[test]
fn only_what_is_at_or_below_an_entry_is_permitted() {
    let list = AllowList::new([repository("https://git.example.org/modules/"), repository("file:///srv/git")]);
    for good in [
        "https://git.example.org/modules/foo",
        "git+https://GIT.example.org.:443/modules/a/foo.git",
        "https://git.example.org/modules",
        "file:///srv/git/foo",
    ] {
        assert!(list.permits(&repository(good)), "{good}");
    }
    for bad in [
        "https://git.example.org.evil.com/modules/foo",
        "https://git.example.org/modules-evil/foo",
        "https://git.example.org/Modules/foo",
        "https://git.example.org/rpms/foo",
        "https://git.example.org/",
        "https://git.example.org:8443/modules/foo",
        "http://git.example.org/modules/foo",
        "https://evil.git.example.org/modules/foo",
        "https://evil/git.example.org/modules/foo",
        "file:///srv/git2/foo",
        "file:///srv",
    ] {
        assert!(!list.permits(&repository(bad)), "{bad}");
    }
    assert!(!AllowList::default().permits(&repository("https://git.example.org/modules/foo")));
}

#[test]
fn values_travel_as_text_and_are_checked_when_read() {
    let url = ScmUrl::parse("git://h/m/foo?#main").unwrap();
    let json = serde_json::to_string(&url).unwrap();
    assert_eq!(json, r#""git://h/m/foo?#main""#);
    assert_eq!(serde_json::from_str::<ScmUrl>(&json).unwrap(), url);
    assert!(serde_json::from_str::<ScmUrl>(r#""--upload-pack=x""#).is_err());
    assert!(serde_json::from_str::<Repository>(r#""ext::sh""#).is_err());
}
