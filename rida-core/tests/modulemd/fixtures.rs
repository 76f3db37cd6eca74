//! A document that breaks each rule, with what is told about it, and a document that keeps it.
//!
//! `bad` and `service/bad` have beside each document the lines that are printed; `UPDATE_GOLDEN=1` writes them anew.

use rida_core::context::declared_context;
use rida_core::modulemd::{self, Failure, Index, IndexOptions, Limits, Options, Problem, Rule, Rules};

use crate::{documents, fixtures};

/// Small enough for documents that a reader wants to see.
const OPTIONS: Options =
    Options { limits: Limits { bytes: 3000, depth: 9, nodes: 300 }, strict: true, overflowed_buildorder: false };

/// All the rules that there are, those that are off by default included.
fn all_rules() -> Rules {
    let mut rules = Rules::ALL.iter().fold(Rules::default(), |rules, rule| rules.with(*rule));
    rules.components = 5;
    rules
}

/// Judges by the format and by all the rules, in one go.
fn judge(text: &[u8]) -> Vec<Problem> {
    let judged = modulemd::judge(text, &OPTIONS, &all_rules());
    let mut problems: Vec<Problem> = judged.problems.into_iter().flatten().collect();
    if let Some((document, Err(problem))) =
        judged.document.as_ref().and_then(|document| Some((document, declared_context(document.stream()?))))
    {
        problems.push(document.located(problem));
    }
    problems
}

/// The rule that a fixture is about: its name up to two dashes.
fn rule_of(name: &str) -> Option<Rule> {
    let id = name.split("--").next().unwrap();
    Rule::ALL.iter().copied().find(|rule| rule.id() == id)
}

#[test]
fn what_breaks_a_rule_is_told_with_its_place_and_what_to_write() {
    for folder in ["bad", "service/bad"] {
        for (name, text) in documents(folder) {
            let problems = judge(&text);
            assert!(!problems.is_empty(), "nothing is wrong with {name}");
            if let Some(rule) = rule_of(&name) {
                assert!(
                    problems.iter().any(|problem| problem.rule == rule),
                    "{name} does not break its rule: {problems:?}"
                );
            }
            let told: String = problems.iter().map(|problem| format!("{problem} [{}]\n", problem.rule)).collect();
            golden(&format!("{folder}/{name}.txt"), &told);
        }
    }
}

/// Compares with a file of the fixtures, or writes it anew.
pub(crate) fn golden(name: &str, told: &str) {
    let golden = fixtures().join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, told).unwrap();
    }
    assert_eq!(told, std::fs::read_to_string(&golden).unwrap_or_default(), "{name}");
}

#[test]
fn what_is_wrong_with_an_index_is_told_document_by_document() {
    for (name, text) in documents("index/bad") {
        let read = Index::read(&text, &IndexOptions::default());
        if let Some(rule) = rule_of(&name) {
            let broken = |failure: &Failure| failure.problems.iter().any(|problem| problem.rule == rule);
            assert!(read.failures.iter().any(broken), "{name} does not break its rule: {:?}", read.failures);
        }
        let mut told = String::new();
        for failure in &read.failures {
            told.push_str(&format!("document from line {}\n", failure.line));
            failure.problems.iter().for_each(|problem| told.push_str(&format!("  {problem} [{}]\n", problem.rule)));
        }
        told.push_str("what is in the index\n");
        read.index.to_yaml().lines().for_each(|line| told.push_str(&format!("  {line}\n")));
        golden(&format!("index/bad/{name}.txt"), &told);
    }
    for (name, text) in documents("index/good") {
        let read = Index::read(&text, &IndexOptions::default());
        assert_eq!(read.failures, [], "{name}");
        assert!(!read.index.is_empty(), "{name}");
    }
}

#[test]
fn what_keeps_a_rule_is_accepted() {
    for (name, text) in documents("good") {
        modulemd::read_with(&text, &OPTIONS).unwrap_or_else(|problems| panic!("{name}: {problems}"));
    }
    for (name, text) in documents("service/good") {
        let rule = rule_of(&name).unwrap();
        let mut rules = Rules::none().with(rule);
        rules.components = 5;
        let document = modulemd::read(&text).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        document.check(&rules).unwrap_or_else(|problems| panic!("{name}: {problems}"));
    }
}

#[test]
fn every_rule_has_a_document_that_keeps_it_and_one_that_breaks_it() {
    let names = |folders: [&str; 3]| -> Vec<String> {
        folders.iter().flat_map(|folder| documents(folder)).map(|(name, _)| name).collect()
    };
    for (kind, names) in [
        ("keeps", names(["good", "service/good", "index/good"])),
        ("breaks", names(["bad", "service/bad", "index/bad"])),
    ] {
        for rule in Rule::ALL {
            assert!(names.iter().any(|name| rule_of(name) == Some(*rule)), "no document {kind} {rule}");
        }
    }
}

#[test]
fn a_rule_that_is_off_refuses_nothing() {
    for (name, text) in documents("service/bad") {
        if let Ok(document) = modulemd::read(&text) {
            document.check(&Rules::none()).unwrap_or_else(|problems| panic!("{name}: {problems}"));
        }
    }
}

#[test]
fn the_canonical_form_is_this() {
    let (_, text) = documents("good").into_iter().find(|(name, _)| name == "full").unwrap();
    let written = modulemd::read(&text).unwrap().stream().unwrap().to_yaml();
    golden("full.canonical.yaml", &written);
}

#[test]
fn problems_are_a_list_in_json() {
    let problems = modulemd::read(b"document: modulemd\nversion: 2\ndata: {summary: x, description: y}").unwrap_err();
    let json = serde_json::to_value(&problems).unwrap();
    let expected = serde_json::json!({
        "problems": [{
            "rule": "required",
            "line": 3,
            "column": 7,
            "field": "license",
            "message": "the module has no license",
            "hint": "add `license:` to the keys of data",
        }],
        "omitted": 0,
    });
    assert_eq!(json, expected);
}

#[test]
fn a_build_order_that_overflowed_is_read_when_asked_for() {
    let text = b"document: modulemd\nversion: 2\ndata:\n  summary: A\n  description: B\n  license: {module: MIT}\n  \
                 components: {rpms: {a: {buildorder: 18446744073709551615}}}\n";
    assert_eq!(modulemd::read(text).unwrap_err().first().rule, Rule::Number);
    let options = Options { overflowed_buildorder: true, ..Options::default() };
    let stream = modulemd::read_with(text, &options).unwrap().into_stream().unwrap();
    assert_eq!(stream.components.rpms["a"].buildorder, -1);
}
