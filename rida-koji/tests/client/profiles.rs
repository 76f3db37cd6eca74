//! Profiles are read as Koji's own client reads them.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use rida_koji::Profile;
use serde_json::Value;

/// What is compared: settings that Koji's client leaves as they are written.
const KEYS: [&str; 6] = ["server", "weburl", "topurl", "pkgurl", "topdir", "principal"];

/// Files, each with profiles in it that begin with `rida-test`.
const GOOD: &[&str] = &[
    // Values below all sections, which a section says otherwise.
    "[DEFAULT]\nhost = koji.example.org\nprincipal = default\n[rida-test-a]\nserver = https://%(host)s/kojihub\n",
    "[rida-test-b]\nprincipal = mine\nhost = b.example.org\nweburl = https://%(HOST)s/\n",
    // What is named is named in turn.
    "[rida-test-c]\ntopdir = /mnt/%%koji\ntopurl = %(pkgurl)s/%(topdir)s\npkgurl = http://%(host)s\n",
    // Sections that are indented, and values that go on.
    "  [rida-test-d]\n  server = https://d.example.org/kojihub\n  weburl : https://d.example.org/koji\n\n    more\n# no\n    still\n  topdir=\n",
    "[rida-test-e]\nPrincipal=E@E=E:E\ntopdir =\n  /mnt\npkgurl = a ; b # c\n\n\n[rida-test-f]\n;no\n\ttopurl: f\r\n",
    "[rida-test-b]\ntopdir = later\n",
];

/// Files that Koji's client refuses.
const REFUSED: &[&str] = &[
    "[rida-test-a]\nserver = https://a%example.org/\n",
    "[rida-test-a]\nserver = %(nothing)s\n",
    "[rida-test-a]\nserver = %(server)s\n",
    "[rida-test-a]\nserver = %(server)\n",
    "[rida-test-a]\nserver = a\nSERVER = b\n",
    "[rida-test-a]\nserver = a\n[rida-test-a]\n",
    "[rida-test-a]\nserver\n",
    "[rida-test-a]\n= server\n",
    "server = a\n[rida-test-a]\n",
];

/// Reads profiles by Koji's own client, from one home after the other.
fn kojis(homes: &[&Path]) -> Vec<BTreeMap<String, Value>> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let python = here.parent().unwrap().join("target/python/koji/bin/python");
    assert!(python.exists(), "{} is not there; scripts/setup.sh test makes it", python.display());
    let mut command = Command::new(python);
    let output = command.arg(here.join("tests/python/koji_profile.py")).args(homes).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn profiles_are_read_as_kojis_own_client_reads_them() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(".koji/config.d");
    fs::create_dir_all(&folder).unwrap();
    for (number, text) in GOOD.iter().enumerate() {
        fs::write(folder.join(format!("{number}.conf")), text).unwrap();
    }
    let places = Profile::places(Some(home.path()));
    for (name, read) in kojis(&[home.path()]).remove(0) {
        let profile = Profile::load(&name, &places, Some(home.path())).unwrap();
        let read = read.as_object().unwrap_or_else(|| panic!("Koji's client refuses {name}"));
        for key in KEYS {
            // Koji's client has values of its own for what is not said.
            if let Some(said) = profile.get(key) {
                assert_eq!(read[key].as_str(), Some(said), "{key} of {name}");
            } else {
                let own = ["", "http://localhost/kojihub", "http://localhost/koji", "/mnt/koji"];
                assert!(own.contains(&read[key].as_str().unwrap_or_default()), "{key} of {name}: {}", read[key]);
            }
        }
    }
}

#[test]
fn profiles_that_kojis_own_client_refuses_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let homes: Vec<_> = (0..REFUSED.len()).map(|number| folder.path().join(number.to_string())).collect();
    for (home, text) in homes.iter().zip(REFUSED) {
        fs::create_dir_all(home.join(".koji")).unwrap();
        fs::write(home.join(".koji/config"), text).unwrap();
    }
    let paths: Vec<&Path> = homes.iter().map(|home| home.as_path()).collect();
    let read = kojis(&paths);
    assert_eq!(read.len(), REFUSED.len());
    for ((home, text), read) in homes.iter().zip(REFUSED).zip(read) {
        assert_eq!(read["rida-test-a"], Value::Null, "{text}");
        assert!(Profile::load("rida-test-a", &Profile::places(Some(home)), Some(home)).is_err(), "{text}");
    }
}
