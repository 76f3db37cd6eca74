use super::*;

const MACHINE: &str = "\
; what the distribution ships
[koji]
server = https://koji.example.org/kojihub
weburl: https://koji.example.org/koji
cert = ~/.koji/client.pem
serverca =
timeout = 43200
# a value in several lines
pkgurl = http://a
  http://b

[other]
server = http://127.0.0.1/kojihub
authtype = password
user = rida
password = se=cr:et
";

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { folder: tempfile::tempdir().unwrap() };
        world.write("etc/koji.conf", MACHINE);
        world
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn load(&self, name: &str) -> Result<Profile, KojiError> {
        let at = |name: &str| self.folder.path().join(name);
        let home = at("home");
        let places = [at("etc/koji.conf"), at("etc/koji.conf.d"), home.join(".koji/config")];
        Profile::load(name, &places, Some(&home))
    }
}

#[test]
fn a_profile_says_how_the_hub_is_reached() {
    let world = World::new();
    let profile = world.load("koji").unwrap();
    assert_eq!(profile.get("pkgurl"), Some("http://a\nhttp://b"));
    assert_eq!(profile.get("weburl"), Some("https://koji.example.org/koji"));
    let config = profile.client().unwrap();
    assert_eq!(config.server.as_str(), "https://koji.example.org/kojihub");
    assert_eq!(config.login, Login::Anonymous, "there is no certificate");
    assert_eq!((config.server_ca, config.timeout), (None, Duration::from_secs(3600)));
    world.write("home/.koji/client.pem", "");
    let expected = world.folder.path().join("home/.koji/client.pem");
    assert_eq!(world.load("koji").unwrap().client().unwrap().login, Login::Certificate { file: expected });
    let other = world.load("other").unwrap().client().unwrap();
    assert_eq!(other.login, Login::Password { user: "rida".to_owned(), password: "se=cr:et".to_owned() });
    let profile = world.load("other").unwrap();
    for shown in [format!("{other:?}"), format!("{profile:?}")] {
        assert!(shown.contains("rida") && !shown.contains("se=cr"), "a password is not shown: {shown}");
    }
}

#[test]
fn later_files_add_to_earlier_ones() {
    let world = World::new();
    world.write("etc/koji.conf.d/b.conf", "[koji]\nserver = https://b.example.org/kojihub\n");
    world.write("etc/koji.conf.d/a.conf", "[koji]\nserver = https://a.example.org/kojihub\nuser = a\n");
    world.write("etc/koji.conf.d/c.conf.rpmsave", "[koji]\nserver = https://c.example.org/kojihub\n");
    world.write("home/.koji/config", "[koji]\nauthtype = password\nuser = mine\npassword = x\n");
    let config = world.load("koji").unwrap().client().unwrap();
    assert_eq!(config.server.host_str(), Some("b.example.org"));
    assert_eq!(config.login, Login::Password { user: "mine".to_owned(), password: "x".to_owned() });
}

#[test]
fn what_cannot_be_used_is_told() {
    let world = World::new();
    let told = |name: &str| match world.load(name).and_then(|profile| profile.client()) {
        Ok(config) => panic!("{config:?}"),
        Err(error) => error.to_string(),
    };
    assert!(told("nothing").starts_with("Koji's profile \"nothing\" is in none of /"), "{}", told("nothing"));
    for (text, expected) in [
        ("server = x\n", "no address"),
        ("cert = x\n", "names no server"),
        ("server = http://x/\nauthtype = magic\n", "by \"magic\""),
        ("server = http://x/\nauthtype = ssl\n", "has no cert"),
        ("server = http://x/\ntimeout = soon\n", "no number of seconds"),
        ("server = http://rida:se%%cret@x/\n", "\"x\" has a user or a password in its address, which is not used"),
        ("server = http://se%%cret@x/\n", "\"x\" has a user or a password in its address"),
        ("server = http://x/?se%%cret\n", "\"x\" has more after its path"),
        ("server = http://x/#se%%cret\n", "\"x\" has more after its path"),
        ("server = http://x/\nserver = http://y/\n", "line 3 of"),
        ("server = http://x/\n[x]\n", "begins the section [x] a second time"),
        ("user = %(se)s%s\nse = cret\n", "user of Koji's profile \"x\" has a % that is neither"),
        ("user = %(no)s\n", "user of Koji's profile \"x\" names a key that is not there"),
        ("user = a%(user)s\n", "user of Koji's profile \"x\" names itself"),
        ("= x\n", "line 2 of"),
        ("server = http://x/\nno_ssl_verify = True\n", "not done here"),
        ("server = http://x/\nrunas = alice\n", "as \"alice\" (runas), which is not done here"),
        ("nonsense\n", "line 2 of"),
    ] {
        world.write("etc/koji.conf.d/x.conf", &format!("[x]\n{text}"));
        assert!(told("x").contains(expected), "{text}: {}", told("x"));
        assert!(!told("x").contains("cret"), "what may be secret is not repeated: {}", told("x"));
        if let Ok(profile) = world.load("x") {
            assert!(!format!("{profile:?}").contains("cret"), "{profile:?}");
        }
    }
    world.write("etc/koji.conf.d/x.conf", "server = before any section\n");
    assert!(told("x").contains("line 1 of"), "{}", told("x"));
}

#[test]
fn no_call_and_no_login_takes_longer_than_an_hour() {
    let world = World::new();
    for (said, expected) in [("0", None), ("30", Some(30)), ("3601", Some(3600)), ("18446744073709551615", Some(3600))]
    {
        let text = format!("[t]\nserver = http://x/\ntimeout = {said}\nauth_timeout = {said}\n");
        world.write("etc/koji.conf.d/t.conf", &text);
        let config = world.load("t").unwrap().client().unwrap();
        let expected = |or: u64| Duration::from_secs(expected.unwrap_or(or));
        assert_eq!((config.timeout, config.login_timeout), (expected(600), expected(60)), "{said}");
    }
}

#[test]
fn values_that_name_each_other_do_not_grow_without_limit() {
    let world = World::new();
    let mut text = "[x]\nserver = http://x/\na0 =\n".to_owned();
    for number in 1..9 {
        text.push_str(&format!("a{number} = {}\n", format!("%(a{})s", number - 1).repeat(1000)));
    }
    world.write("etc/koji.conf.d/x.conf", &text);
    let told = world.load("x").unwrap_err().to_string();
    assert!(told.contains("is too long with what it names"), "{told}");
}

#[test]
fn the_places_are_those_of_kojis_own_client_in_its_order() {
    let places: Vec<String> =
        Profile::places(Some(Path::new("/home/rida"))).iter().map(|p| p.display().to_string()).collect();
    assert_eq!(places, ["/etc/koji.conf.d", "/etc/koji.conf", "/home/rida/.koji/config.d", "/home/rida/.koji/config"]);
}

#[test]
fn a_ticket_is_shown_when_the_profile_says_so_or_has_a_principal_or_a_keytab() {
    let world = World::new();
    let login = |text: &str, has_kerberos: bool| {
        world.write("etc/koji.conf.d/k.conf", &format!("[k]\nserver = https://k.example.org/kojihub\n{text}"));
        world.load("k").unwrap().login(has_kerberos)
    };
    let home = world.folder.path().join("home");
    let principal = Some("rida/builder@EXAMPLE.ORG".to_owned());
    for (text, expected) in [
        ("authtype = kerberos\n", Kerberos::default()),
        (
            "authtype = gssapi\nccache = KEYRING:user:rida\n",
            Kerberos { ccache: Some("KEYRING:user:rida".to_owned()), ..Kerberos::default() },
        ),
        ("keytab = FILE:~/rida.keytab\n", Kerberos { keytab: Some(home.join("rida.keytab")), ..Kerberos::default() }),
        (
            "principal = rida/builder@EXAMPLE.ORG\nkeytab = /etc/rida.keytab\nkrb_rdns = False\n",
            Kerberos {
                principal: principal.clone(),
                keytab: Some(PathBuf::from("/etc/rida.keytab")),
                canonical: Some(Canonical::Written),
                ..Kerberos::default()
            },
        ),
        (
            "principal = rida/builder@EXAMPLE.ORG\nkrb_canon_host = yes\nkrb_rdns = no\n",
            Kerberos { principal, canonical: Some(Canonical::Forward), ..Kerberos::default() },
        ),
        (
            "authtype = kerberos\nkrb_rdns = true\n",
            Kerberos { canonical: Some(Canonical::Reverse), ..Kerberos::default() },
        ),
    ] {
        assert_eq!(login(text, true).unwrap(), Login::Kerberos(expected), "{text}");
        let error = login(text, false).unwrap_err();
        assert!(error.to_string().contains("built without"), "{text}: {error}");
    }
    // What goes before is Koji's: a certificate that is there, then a password.
    let user = "user = rida\npassword = x\nkeytab = /etc/rida.keytab\n";
    assert!(matches!(login(user, true), Ok(Login::Password { .. })));
    let file = world.folder.path().join("client.pem");
    fs::write(&file, "").unwrap();
    assert_eq!(login(&format!("cert = {}\n{user}", file.display()), true).unwrap(), Login::Certificate { file });
    assert_eq!(login("", true).unwrap(), Login::Anonymous);
}

#[test]
fn a_certificate_and_an_authority_have_kojis_own_places() {
    let world = World::new();
    world.write("etc/koji.conf.d/d.conf", "[d]\nserver = https://d.example.org/kojihub\n");
    let config = world.load("d").unwrap().client().unwrap();
    assert_eq!((config.login, config.server_ca), (Login::Anonymous, None));
    world.write("home/.koji/client.crt", "");
    world.write("home/.koji/serverca.crt", "");
    let at = |name: &str| world.folder.path().join("home/.koji").join(name);
    let config = world.load("d").unwrap().client().unwrap();
    assert_eq!(config.login, Login::Certificate { file: at("client.crt") });
    assert_eq!(config.server_ca, Some(at("serverca.crt")));
    // What the profile names goes before.
    world.write("etc/koji.conf.d/d.conf", "[d]\nserver = https://d.example.org/kojihub\ncert = /nowhere\n");
    assert_eq!(world.load("d").unwrap().client().unwrap().login, Login::Anonymous);
}
