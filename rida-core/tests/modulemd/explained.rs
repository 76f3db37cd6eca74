//! What is explained of each rule is true: the part of a document that is said to break it does, the other keeps it.

use rida_core::context::declared_context;
use rida_core::modulemd::{self, Index, IndexOptions, Options, Rule, Rules};

/// The parts that the explanation of a rule shows: what breaks it, and what keeps it.
fn parts(explained: &str) -> Option<(String, String)> {
    let part = |title: &str| {
        let (_, rest) = explained.split_once(&format!("\n{title}\n\n"))?;
        let lines = rest.lines().map_while(|line| line.strip_prefix("    "));
        Some(lines.map(|line| format!("{line}\n")).collect::<String>())
    };
    Some((part("Instead of")?, part("write")?))
}

/// Makes a document of a part: of fields of `data`, with those that every module has.
fn document(part: &str) -> String {
    if part.lines().any(|line| line.starts_with("document:")) {
        return part.to_owned();
    }
    let mut text = "document: modulemd\nversion: 2\ndata:\n".to_owned();
    part.lines().for_each(|line| text.push_str(&format!("  {line}\n")));
    for (key, line) in
        [("summary", "summary: A"), ("description", "description: B"), ("license", "license: {module: MIT}")]
    {
        if !part.lines().any(|own| own.starts_with(&format!("{key}:"))) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text
}

/// Returns the rules that a document breaks.
fn broken(text: &str) -> Vec<Rule> {
    if text.starts_with("---") {
        let read = Index::read(text.as_bytes(), &IndexOptions::default());
        return read.failures.iter().flat_map(|failure| &failure.problems).map(|problem| problem.rule).collect();
    }
    let rules = Rules::ALL.iter().fold(Rules::default(), |rules, rule| rules.with(*rule));
    let judged = modulemd::judge(text.as_bytes(), &Options::default(), &rules);
    let mut broken: Vec<Rule> = judged.problems.iter().flatten().map(|problem| problem.rule).collect();
    let stream = judged.document.as_ref().and_then(|document| document.stream());
    broken.extend(stream.and_then(|stream| declared_context(stream).err()).map(|problem| problem.rule));
    broken
}

#[test]
fn the_parts_that_are_shown_break_and_keep_the_rule() {
    let mut shown = 0;
    for rule in Rule::ALL {
        let explained = rule.explain();
        assert!(explained.starts_with(&format!("{rule}: {}\n\n", rule.explanation())), "{explained}");
        let Some((breaks, keeps)) = parts(&explained) else { continue };
        shown += 1;
        let (breaks, keeps) = (document(&breaks), document(&keeps));
        assert!(broken(&breaks).contains(rule), "{rule} is not broken by\n{breaks}\nbut {:?}", broken(&breaks));
        let mut others = broken(&keeps);
        // What is off in most services may be shown where it is not the subject.
        others.retain(|other| *other == *rule || ![Rule::StreamExpansion, Rule::VersionSet].contains(other));
        assert_eq!(others, [], "{rule} is not kept by\n{keeps}");
    }
    assert!(shown + 5 >= Rule::ALL.len(), "only {shown} rules are shown");
}

#[test]
fn every_rule_is_found_by_its_id() {
    for rule in Rule::ALL {
        assert_eq!(Rule::from_id(rule.id()), Some(*rule));
    }
    assert_eq!(Rule::from_id("no-such-rule"), None);
}
