//! Every example runs and prints what it promises.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

#[test]
fn the_states_are_printed() {
    let output = example("states", &[]);
    assert!(output.status.success());
    assert_eq!(
        text(&output.stdout),
        "0 init    then wait or failed\n1 wait    then build or failed\n2 build   then done or failed\n\
         3 done    then ready\n4 failed  then init or wait\n5 ready   then the end\n"
    );
}

#[test]
fn a_good_modulemd_is_called_good() {
    let output = example("validate", &[module("hello.yaml")]);
    assert!(output.status.success(), "{output:?}");
    assert!(text(&output.stdout).ends_with("hello.yaml: good\n"), "{output:?}");
}

#[test]
fn a_bad_modulemd_is_told_with_places() {
    let output = example("validate", &[module("broken.yaml")]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let told = text(&output.stdout);
    for part in ["description", "zlib", "broken.yaml:"] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
}

#[test]
fn problems_are_told_as_compilers_do_in_lines_and_as_json() {
    let told = |format: &str| {
        let output = example("validate", &["--format".into(), format.into(), module("broken.yaml")]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        text(&output.stdout).to_owned()
    };
    assert!(told("human").contains("error[buildafter-unknown]"), "{}", told("human"));
    assert!(told("human").contains(" ^^^^\n   = help: "), "{}", told("human"));
    assert!(
        told("lines").lines().all(|line| line.contains("broken.yaml:") && line.ends_with(']')),
        "{}",
        told("lines")
    );
    let json: serde_json::Value = serde_json::from_str(&told("json")).expect("it is JSON");
    assert_eq!(json["problems"][0]["rule"], "required");
}

#[test]
fn rules_are_explained_listed_and_switched() {
    let output = example("validate", &["--explain".into(), "alias".into()]);
    assert!(output.status.success() && text(&output.stdout).contains("Instead of"), "{output:?}");
    let output = example("validate", &["--explain".into(), "none".into()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let output = example("validate", &["--rules".into()]);
    assert!(text(&output.stdout).lines().count() > 50, "{output:?}");
    let output = example("validate", &["--with".into(), "custom-repository".into(), module("hello.yaml")]);
    assert!(output.status.success(), "{output:?}");
    let output = example("validate", &["no-such-file".into()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

#[test]
fn a_compressed_index_is_told_document_by_document() {
    let index = |name: &str| {
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("rida-core/tests/fixtures/modulemd/index");
        example("validate", &[fixtures.join(name)])
    };
    let output = index("bad/good-and-bad.yaml");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(text(&output.stdout).matches("error[").count(), 5, "{output:?}");
    if cfg!(feature = "compression") {
        let output = index("compressed/index.yaml.xz");
        assert!(output.status.success() && text(&output.stdout).ends_with(": 4 documents\n"), "{output:?}");
    }
}

#[test]
fn documents_of_an_index_are_held_to_the_rules_that_are_asked_for() {
    let index =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("rida-core/tests/fixtures/modulemd/index/good/index-name.yaml");
    let with = |rule: &str| example("validate", &["--with".into(), rule.into(), index.clone()]);
    assert!(with("dash-in-stream").status.success());
    let output = with("version-set");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(text(&output.stdout).contains("error[version-set]"), "{output:?}");
    assert_eq!(text(&output.stdout).matches("error[").count(), 1, "{output:?}");
}

#[test]
fn a_plan_is_printed_in_batches() {
    let output = example("plan", &[module("hello.yaml")]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text(&output.stdout), "batch 1: module-build-macros\nbatch 2: greeting\nbatch 3: hello\n");
}

#[test]
fn an_embedder_builds_a_module_with_a_build_system_of_its_own() {
    let output = example("embed", &[]);
    assert!(output.status.success(), "{output:?}");
    let told = text(&output.stdout);
    assert!(told.starts_with("building module-build-macros\nbuilding greeting\nbuilding hello\nhello:rolling:"));
    assert!(told.ends_with(" is ready\n"), "{told}");
}

#[test]
fn embedding_takes_less_than_sixty_lines() {
    let source = include_str!("../examples/embed.rs");
    assert!(source.lines().count() < 60);
}

/// Runs an example that was built together with this test.
fn example(name: &str, arguments: &[PathBuf]) -> Output {
    let test = std::env::current_exe().expect("a test knows itself");
    let folder = test.ancestors().nth(2).expect("a test is in target/<profile>/deps");
    Command::new(folder.join("examples").join(name)).args(arguments).output().expect("the example is built")
}

fn module(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/modules").join(name)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("examples print UTF-8")
}
