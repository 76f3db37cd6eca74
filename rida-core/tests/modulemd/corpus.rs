//! Judges documents beside libmodulemd's recorded verdicts, and holds every difference against the list of those that
//! are intended.
//!
//! By default these are the project's own fixtures; `RIDA_MODULEMD_CORPUS` names a folder with more of them. Both have
//! the folders `good` and `bad`, each with a `manifest.jsonl` whose lines have at least `file`, `doctype`, `mdversion`,
//! `accepted`, `canonical` and `verdicts`.

use std::path::PathBuf;

use rida_core::modulemd::{self, Options, Problems};
use serde_json::Value;

use crate::differences::Differences;
use crate::{canonical, fixtures};

/// A document with the reference's verdict.
struct Case {
    file: String,
    text: Vec<u8>,
    manifest: Value,
}

fn corpus() -> PathBuf {
    std::env::var_os("RIDA_MODULEMD_CORPUS").map_or_else(fixtures, PathBuf::from)
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for part in ["good", "bad"] {
        let folder = corpus().join(part);
        let manifest = std::fs::read_to_string(folder.join("manifest.jsonl")).unwrap();
        for line in manifest.lines() {
            let manifest: Value = serde_json::from_str(line).unwrap();
            let name = manifest["file"].as_str().unwrap().to_owned();
            let text = std::fs::read(folder.join(&name)).unwrap();
            cases.push(Case { file: format!("{part}/{name}"), text, manifest });
        }
    }
    cases
}

/// Returns how a document is judged other than by the reference.
fn difference(case: &Case) -> Option<String> {
    let accepted = case.manifest["accepted"].as_bool().unwrap();
    match modulemd::read(&case.text) {
        Err(problems) => accepted.then(|| refused(&problems)),
        Ok(_) if !accepted => Some("accepted".to_owned()),
        // Some documents have a verdict alone.
        Ok(_) if case.manifest["canonical"].is_null() => None,
        Ok(document) => {
            let paths = canonical::unequal(&case.manifest["canonical"], &canonical::of(document.content()));
            (!paths.is_empty()).then(|| format!("content: {}", paths.join(", ")))
        }
    }
}

fn refused(problems: &Problems) -> String {
    let mut rules: Vec<&str> = problems.iter().map(|problem| problem.rule.id()).collect();
    rules.sort_unstable();
    rules.dedup();
    format!("refused: {}", rules.join(", "))
}

/// Tells whether the reference takes a document when unknown keys are errors to it. Nothing is known of those that it
/// crashes at.
fn strictly_accepted(manifest: &Value) -> Option<bool> {
    let accepted = manifest["accepted"].as_bool().unwrap();
    // Packager documents of version 3 have no other way of being read; the strict reader of streams makes streams of them.
    if manifest["doctype"] == "modulemd-packager" && manifest["mdversion"] == "3" {
        return Some(accepted);
    }
    let verdicts = &manifest["verdicts"];
    // Only streams can be read alone.
    let strict = verdicts["strict"].as_str().or_else(|| verdicts["index_strict"].as_str())?;
    // Its strict reader of streams does not validate, and where it gives nothing it tells no error.
    Some(accepted && strict == "ok")
}

/// Returns how a document is judged other than by the reference when both are strict.
fn strict_difference(case: &Case) -> Option<String> {
    let accepted = strictly_accepted(&case.manifest)?;
    match modulemd::read_with(&case.text, &Options { strict: true, ..Options::default() }) {
        Err(problems) => accepted.then(|| refused(&problems)),
        Ok(_) => (!accepted).then(|| "accepted".to_owned()),
    }
}

#[test]
fn every_document_is_judged_as_by_the_reference() {
    let cases = cases();
    assert!(cases.len() >= 20, "the corpus has only {} documents", cases.len());
    let mut intended = Differences::read(&fixtures().join("DIFFERENCES.md"));
    let mut unexpected = Vec::new();
    for case in &cases {
        let found = difference(case);
        let listed = intended.take(&case.file);
        if found != listed {
            let error = case.manifest["error"].as_str().unwrap_or("-");
            unexpected.push(format!("{} | {found:?} | listed: {listed:?} | reference: {error}", case.file));
        }
    }
    assert!(
        unexpected.is_empty(),
        "{} of {} documents are judged in another way than DIFFERENCES.md says:\n{}",
        unexpected.len(),
        cases.len(),
        unexpected.join("\n")
    );
}

/// A difference that shows in both ways of reading is listed once.
#[test]
fn every_document_is_judged_as_by_the_reference_when_unknown_keys_are_errors() {
    let cases = cases();
    let mut intended = Differences::read_strict(&fixtures().join("DIFFERENCES.md"));
    let mut unexpected = Vec::new();
    let mut compared = [0, 0];
    for case in &cases {
        if let Some(accepted) = strictly_accepted(&case.manifest) {
            compared[usize::from(accepted)] += 1;
        }
        let found = strict_difference(case).filter(|found| difference(case).as_ref() != Some(found));
        let listed = intended.take(&case.file);
        if found != listed {
            let verdicts = &case.manifest["verdicts"];
            unexpected.push(format!("{} | {found:?} | listed: {listed:?} | reference: {verdicts}", case.file));
        }
    }
    assert!(compared.iter().all(|count| *count >= 20), "only {compared:?} documents have a strict verdict");
    assert!(
        unexpected.is_empty(),
        "{} of {} documents are strictly judged in another way than DIFFERENCES.md says:\n{}",
        unexpected.len(),
        cases.len(),
        unexpected.join("\n")
    );
}
