//! Judges documents beside libmodulemd's recorded verdicts, and holds every difference against the list of those that
//! are intended.
//!
//! By default these are the project's own fixtures; `RIDA_MODULEMD_CORPUS` names a folder with more of them. Both have
//! the folders `good` and `bad`, each with a `manifest.jsonl` whose lines have at least `file`, `doctype`, `mdversion`,
//! `accepted` and `canonical`.

use std::path::PathBuf;

use rida_core::modulemd;
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
        Err(problems) => {
            let mut rules: Vec<&str> = problems.iter().map(|problem| problem.rule.id()).collect();
            rules.sort_unstable();
            rules.dedup();
            accepted.then(|| format!("refused: {}", rules.join(", ")))
        }
        Ok(_) if !accepted => Some("accepted".to_owned()),
        // Some documents have a verdict alone.
        Ok(_) if case.manifest["canonical"].is_null() => None,
        Ok(document) => {
            let paths = canonical::unequal(&case.manifest["canonical"], &canonical::of(document.content()));
            (!paths.is_empty()).then(|| format!("content: {}", paths.join(", ")))
        }
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
