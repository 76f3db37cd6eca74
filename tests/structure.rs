//! The structure of the workspace: which way the arrows point, and what embedding the core costs.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Every crate that `rida` with default features needs, in all. A new one is a decision: it is named here.
const EMBEDDED: &[&str] = &[
    "async-trait",
    "block-buffer",
    "cfg-if",
    "cpufeatures",
    "crypto-common",
    "deranged",
    "digest",
    "displaydoc",
    "form_urlencoded",
    "generic-array",
    "icu_collections",
    "icu_locale_core",
    "icu_normalizer",
    "icu_normalizer_data",
    "icu_properties",
    "icu_properties_data",
    "icu_provider",
    "idna",
    "idna_adapter",
    "libyaml-safer",
    "litemap",
    "num-conv",
    "percent-encoding",
    "potential_utf",
    "powerfmt",
    "proc-macro2",
    "quote",
    "rida-core",
    "serde",
    "serde_core",
    "serde_derive",
    "sha1",
    "smallvec",
    "stable_deref_trait",
    "syn",
    "synstructure",
    "thiserror",
    "thiserror-impl",
    "time",
    "time-core",
    "time-macros",
    "tinystr",
    "typenum",
    "unicode-ident",
    "url",
    "utf8_iter",
    "utf_types",
    "version_check",
    "writeable",
    "yoke",
    "yoke-derive",
    "zerofrom",
    "zerofrom-derive",
    "zerotrie",
    "zerovec",
    "zerovec-derive",
];

/// What each crate of the workspace may depend on, of the workspace.
const ARROWS: &[(&str, &[&str])] = &[
    ("rida", &["rida-core", "rida-fedmsg", "rida-http", "rida-koji", "rida-local", "rida-store", "rida-test-postgres"]),
    ("rida-core", &[]),
    ("rida-fedmsg", &["rida-core", "rida-test-keeper"]),
    (
        "rida-http",
        &[
            "rida-core",
            "rida-fedmsg",
            "rida-koji",
            "rida-local",
            "rida-store",
            "rida-test-keeper",
            "rida-test-postgres",
        ],
    ),
    ("rida-koji", &["rida-core", "rida-test-keeper"]),
    ("rida-local", &["rida-core"]),
    ("rida-store", &["rida-core", "rida-test-postgres"]),
    ("rida-test-keeper", &[]),
    ("rida-test-postgres", &["rida-test-keeper"]),
];

#[test]
fn embedding_the_core_costs_a_handful_of_small_crates() {
    let tree = cargo(&["tree", "--package", "rida", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
    let crates: BTreeSet<&str> = tree.lines().filter_map(|line| line.split(' ').next()).collect();
    let expected: BTreeSet<&str> = EMBEDDED.iter().copied().chain(["rida"]).collect();
    let new: Vec<_> = crates.difference(&expected).collect();
    let gone: Vec<_> = expected.difference(&crates).collect();
    assert!(new.is_empty() && gone.is_empty(), "new: {new:?}; gone: {gone:?}");
    for heavy in ["tokio", "warp", "hyper", "sea-orm", "sqlx", "openssl"] {
        assert!(!crates.contains(heavy), "{heavy} has no place in the core");
    }
}

#[test]
fn the_arrows_point_to_the_core() {
    let allowed: BTreeMap<&str, &[&str]> = ARROWS.iter().copied().collect();
    let metadata = metadata();
    let packages = metadata["packages"].as_array().expect("metadata has packages");
    assert_eq!(packages.len(), allowed.len(), "a new crate needs its row");
    for package in packages {
        let name = text(&package["name"]);
        let allowed = allowed.get(name).unwrap_or_else(|| panic!("{name} has no row"));
        for dependency in package["dependencies"].as_array().expect("a package has dependencies") {
            let to = text(&dependency["name"]);
            let inside = to == "rida" || to.starts_with("rida-");
            // A crate may depend on itself to switch a feature on in its tests.
            if inside && to != name {
                assert!(allowed.contains(&to), "{name} must not depend on {to}");
            }
        }
    }
}

#[test]
fn the_door_has_no_default_features_and_every_version_stands_in_one_place() {
    let metadata = metadata();
    for package in metadata["packages"].as_array().expect("metadata has packages") {
        let name = text(&package["name"]);
        let defaults = package["features"]["default"].as_array().map_or(0, Vec::len);
        // The deployable program has every build system and bus that it can; who embeds it chooses.
        assert!(defaults == 0 || name == "rida-http", "{name} has default features");
        let manifest = std::fs::read_to_string(text(&package["manifest_path"])).expect("the manifest can be read");
        let members = name != "rida";
        let versions = manifest.lines().filter(|line| line.contains("version = \"")).count();
        assert!(!members || versions == 0, "{name} names a version; all stand in the workspace's manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{name} does not share the workspace's lints");
    }
}

fn metadata() -> Value {
    let json = cargo(&["metadata", "--no-deps", "--format-version", "1"]);
    serde_json::from_str(&json).expect("cargo writes JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is a text")
}

/// Runs cargo in the workspace, without touching the network or the lock file.
fn cargo(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .args(["--locked", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("cargo writes UTF-8")
}
