//! A document that breaks each rule, with what is told about it, and a document that keeps it.
//!
//! `bad` and `service/bad` have beside each document the lines that are printed; `UPDATE_GOLDEN=1` writes them anew.

use rida_core::context::declared_context;
use rida_core::modulemd::{self, Limits, Options, Problems, Rule, Rules};

use crate::{documents, fixtures};

/// Small enough for documents that a reader wants to see.
const OPTIONS: Options = Options { limits: Limits { bytes: 3000, depth: 9, nodes: 300 }, strict: true };

/// Judges by all the rules that there are, those that are off by default included.
fn judge(text: &[u8]) -> Result<(), Problems> {
    let document = modulemd::read_with(text, &OPTIONS)?;
    let mut rules = Rules::ALL.iter().fold(Rules::default(), |rules, rule| rules.with(*rule));
    rules.components = 5;
    document.check(&rules)?;
    declared_context(document.stream()).map_err(|problem| document.located(problem))?;
    Ok(())
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
            let problems = judge(&text).expect_err(&name);
            if let Some(rule) = rule_of(&name) {
                assert!(
                    problems.iter().any(|problem| problem.rule == rule),
                    "{name} does not break its rule: {problems}"
                );
            }
            let told: String = problems.iter().map(|problem| format!("{problem} [{}]\n", problem.rule)).collect();
            let golden = fixtures().join(folder).join(format!("{name}.txt"));
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                std::fs::write(&golden, &told).unwrap();
            }
            assert_eq!(told, std::fs::read_to_string(&golden).unwrap_or_default(), "{folder}/{name}");
        }
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
    let names = |folders: [&str; 2]| -> Vec<String> {
        folders.iter().flat_map(|folder| documents(folder)).map(|(name, _)| name).collect()
    };
    for (kind, names) in [("keeps", names(["good", "service/good"])), ("breaks", names(["bad", "service/bad"]))] {
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
    let written = modulemd::read(&text).unwrap().stream().to_yaml();
    let golden = fixtures().join("full.canonical.yaml");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &written).unwrap();
    }
    assert_eq!(written, std::fs::read_to_string(&golden).unwrap());
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
