//! Indexes: reading, merging, what users are led to, and compressed texts.

use std::num::NonZeroUsize;

use proptest::prelude::*;
use rida_core::modulemd::{Index, IndexOptions, Limits, Merger, Minute, ReadIndex, Rule, Rules, decompress};

use crate::{documents, fixtures, generated};

fn read(text: &str) -> ReadIndex {
    Index::read(text.as_bytes(), &IndexOptions::default())
}

/// Reads an index that is good.
fn index(text: &str) -> Index {
    let read = read(text);
    assert_eq!(read.failures, []);
    read.index
}

fn stream(module: &str, stream: &str, version: u64, context: &str) -> String {
    format!(
        "---\ndocument: modulemd\nversion: 2\ndata: {{name: {module}, stream: '{stream}', version: {version}, \
         context: {context}, summary: A, description: B, license: {{module: MIT}}}}\n"
    )
}

fn defaults(module: &str, modified: u64, rest: &str) -> String {
    format!("---\ndocument: modulemd-defaults\nversion: 1\ndata: {{module: {module}, modified: {modified}, {rest}}}\n")
}

fn obsoletes(modified: &str, stream: &str, rest: &str) -> String {
    format!(
        "---\ndocument: modulemd-obsoletes\nversion: 1\ndata: {{modified: {modified}, module: a, stream: '{stream}', \
         message: m, {rest}}}\n"
    )
}

fn minute(text: &str) -> Minute {
    Minute::parse(text).unwrap()
}

#[test]
fn documents_are_found_at_every_kind_of_boundary() {
    let one = "document: modulemd-defaults\nversion: 1\ndata: {module: a}\n";
    let two = "document: modulemd-defaults\nversion: 1\ndata: {module: b}\n";
    let texts = [
        format!("{one}---\n{two}"),
        format!("--- # c\n{one}---\n{two}...\n"),
        format!("\u{feff}%YAML 1.1\n---\n{one}...\n%YAML 1.2\n---\n{two}"),
        format!("# c\n\n{one}...\n{two}"),
        format!("{one}...\n...\n# c\n...\n---\n{two}"),
        format!("---\n{one}---\n{two}").replace('\n', "\r\n"),
        format!("---\n{one}---\n{two}").replace('\n', "\r"),
    ];
    for text in texts {
        let read = read(&text);
        assert_eq!(read.failures, [], "{text}");
        assert_eq!(read.documents, 2, "{text}");
        assert_eq!(read.index.modules().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b"], "{text}");
    }
    let block = format!("---\n{}", one.replace("{module: a}", "\n  module: |\n    a\n    --- b\n  modified: 1"));
    assert_eq!(read(&block).documents, 1);
}

/// YAML has line breaks that other formats do not have; libyaml ends documents behind them.
#[test]
fn documents_are_found_behind_every_line_break_of_yaml() {
    for broken in ["\u{85}", "\u{2028}", "\u{2029}"] {
        let text = format!("{}{broken}{}", stream("a", "1", 1, "c").trim_end(), stream("b", "1", 1, "c"));
        let text = format!("{text}{broken}---{broken}document: modulemd-defaults\nversion: 1\ndata: {{module: c}}\n");
        assert_eq!(index(&text).modules().map(|(name, _)| name).collect::<Vec<_>>(), ["a", "b", "c"], "{text:?}");
    }
}

#[test]
fn what_is_wrong_is_told_with_places_in_the_whole_text() {
    let text = format!("# c\n{}---\n\n- a\n---\na: 'b\n{}", stream("a", "1", 1, "c"), stream("a", "1", 2, "c"));
    let read = read(&text);
    let places: Vec<_> =
        read.failures.iter().map(|failure| (failure.line, failure.problems.first().position)).collect();
    let lines: Vec<_> = places.iter().map(|(line, at)| (*line, at.unwrap().line)).collect();
    assert_eq!(lines, [(6, 8), (9, 11)]);
    assert_eq!(read.index.module("a").unwrap().streams().count(), 2);
    assert_eq!(read.documents, 4);
}

#[test]
fn limits_hold_for_the_whole_and_for_each_document() {
    let text = format!("{}{}{}", stream("a", "1", 1, "c"), stream("a", "1", 2, "c"), stream("a", "1", 3, "c"));
    let few = IndexOptions { documents: 2, ..IndexOptions::default() };
    let read = Index::read(text.as_bytes(), &few);
    assert_eq!(read.failures.len(), 1);
    assert_eq!(read.failures[0].problems.first().rule, Rule::TooManyNodes);
    assert_eq!(read.index.module("a").unwrap().streams().count(), 2);
    let small = IndexOptions { bytes: 100, ..IndexOptions::default() };
    assert_eq!(Index::read(text.as_bytes(), &small).failures[0].problems.first().rule, Rule::TooLarge);
    let mut narrow = IndexOptions::default();
    narrow.document.limits = Limits { bytes: 100, ..Limits::default() };
    let read = Index::read(text.as_bytes(), &narrow);
    assert!(read.failures.iter().all(|failure| failure.problems.first().rule == Rule::TooLarge));
    assert_eq!(read.failures.len(), 3);
}

#[test]
fn many_bad_documents_are_counted() {
    let text = "---\n- a\n".repeat(15_000);
    let read = read(&text);
    assert!(read.failures.len() <= 6400, "{} failures are told", read.failures.len());
    assert_eq!(read.failures.len() + read.omitted, 15_000);
}

#[test]
fn documents_that_break_rules_of_a_service_are_left_out_when_asked_for() {
    let twice = stream("b", "x", 1, "c").replace("summary: A", "summary: A, summary: B");
    let text = format!("{}{}{twice}", stream("a", "x-y", 1, "c"), stream("a", "x", 1, "c"));
    let judge = |rules: &Rules| Index::judge(text.as_bytes(), &IndexOptions::default(), rules);
    assert_eq!(judge(&Rules::none()), read(&text));
    assert_eq!(read(&text).warnings.len(), 1);

    let judged = judge(&Rules::none().with(Rule::DashInStream));
    assert_eq!(judged.index.module("a").unwrap().streams().count(), 1);
    assert_eq!(judged.failures.iter().map(|failure| failure.line).collect::<Vec<_>>(), [1]);
    let problem = judged.failures[0].problems.first();
    assert_eq!((problem.rule, problem.position.unwrap().line), (Rule::DashInStream, 4));
    assert_eq!(judged.warnings.len(), 1);

    let judged = judge(&Rules::none().with(Rule::DuplicateKey));
    assert!(judged.index.module("b").is_none());
    let problem = judged.failures[0].problems.first();
    assert_eq!((problem.rule, problem.position.unwrap().line), (Rule::DuplicateKey, 12));
    assert_eq!(judged.warnings, []);
}

#[test]
fn threads_read_the_same() {
    let mut text = String::new();
    for number in 0..400 {
        text.push_str(&stream("a", &number.to_string(), number, "c"));
        if number % 7 == 0 {
            text.push_str("---\n- a\n");
        }
    }
    let alone = read(&text);
    let threads = NonZeroUsize::new(3).unwrap();
    assert_eq!(Index::read(text.as_bytes(), &IndexOptions { threads, ..IndexOptions::default() }), alone);
    assert_eq!(alone.index.module("a").unwrap().streams().count(), 400);
}

#[test]
fn the_latest_version_has_all_its_contexts() {
    let text =
        [stream("a", "1", 9, "x"), stream("a", "1", 10, "x"), stream("a", "1", 10, "y"), stream("a", "2", 11, "z")];
    let index = index(&text.concat());
    let latest = index.module("a").unwrap().latest("1");
    let found: Vec<_> = latest.iter().map(|stream| (stream.version, stream.context.as_deref())).collect();
    assert_eq!(found, [(Some(10), Some("x")), (Some(10), Some("y"))]);
    assert_eq!(latest[0].nsvca(), "a:1:10:x");
    assert!(index.module("a").unwrap().latest("3").is_empty());
}

#[test]
fn defaults_are_applied_by_intent() {
    let rest =
        "stream: '1', profiles: {'1': [p]}, intents: {none: {stream: ''}, own: {stream: '2', profiles: {'1': [q]}}}";
    let index = index(&format!("{}{}{}", defaults("a", 1, rest), defaults("b", 1, ""), stream("a", "1", 1, "c")));
    let module = index.module("a").unwrap();
    assert_eq!(module.default_stream(None), Some("1"));
    assert_eq!(module.default_stream(Some("other")), Some("1"));
    assert_eq!(module.default_stream(Some("own")), Some("2"));
    assert_eq!(index.default_streams(Some("own")).into_iter().collect::<Vec<_>>(), [("a", "2")]);
    let stream = module.streams().next().unwrap();
    let profiles = |intent| module.default_profiles(stream, intent).into_iter().collect::<Vec<_>>();
    assert_eq!(profiles(None), ["p"]);
    assert_eq!(profiles(Some("own")), ["q"]);
    assert_eq!(profiles(Some("none")), ["p"]);
}

#[test]
fn obsoletes_lead_to_the_successor() {
    let by = |stream: &str| format!("obsoleted_by: {{module: a, stream: '{stream}'}}");
    let text = [
        obsoletes("2024-01-01T00:00Z", "1", &by("2")),
        obsoletes("2024-01-01T00:00Z", "2", &format!("eol_date: 2024-06-01T00:00Z, {}", by("3"))),
        obsoletes("2024-01-01T00:00Z", "4", ""),
        obsoletes("2024-01-01T00:00Z", "5", &by("3")),
        obsoletes("2024-02-01T00:00Z", "5", "reset: true"),
        obsoletes("2024-01-01T00:00Z", "6", &by("7")),
        obsoletes("2024-01-01T00:00Z", "7", &by("6")),
        obsoletes("2024-01-01T00:00Z", "8", &by("1")),
        obsoletes("2024-01-01T00:00Z", "8", &format!("context: c, {}", by("9"))),
    ];
    let index = index(&text.concat());
    let led = |stream: &str, context, now: &str| {
        index.successor("a", stream, context, minute(now)).map(|successor| successor.stream)
    };
    assert_eq!(led("1", None, "2024-05-31T23:59Z").as_deref(), Some("2"));
    assert_eq!(led("1", None, "2024-06-01T00:00Z").as_deref(), Some("3"));
    assert_eq!(led("4", None, "2024-06-01T00:00Z"), None);
    assert_eq!(led("5", None, "2024-06-01T00:00Z").as_deref(), Some("5"));
    assert_eq!(led("6", None, "2024-06-01T00:00Z"), None);
    assert_eq!(led("8", Some("c"), "2024-01-01T00:00Z").as_deref(), Some("9"));
    assert_eq!(led("8", Some("d"), "2024-01-01T00:00Z").as_deref(), Some("2"));
    assert_eq!(led("new", None, "2024-01-01T00:00Z").as_deref(), Some("new"));
}

/// Merges indexes of given priorities.
fn merge(indexes: &[(i32, String)], strict: bool) -> Result<Index, String> {
    let mut merger = Merger::default();
    merger.strict_default_streams = strict;
    indexes.iter().for_each(|(priority, text)| merger.add(index(text), *priority));
    merger.merge().map_err(|conflict| conflict.to_string())
}

#[test]
fn of_defaults_the_later_one_holds_and_conflicts_leave_none() {
    let default = |indexes: &[(i32, String)]| {
        merge(indexes, false).unwrap().module("a").unwrap().default_stream(None).map(str::to_owned)
    };
    let one = |modified, stream| defaults("a", modified, &format!("stream: '{stream}'"));
    assert_eq!(default(&[(0, one(1, "1")), (0, one(2, "2"))]).as_deref(), Some("2"));
    assert_eq!(default(&[(0, one(2, "1")), (0, one(1, "2"))]).as_deref(), Some("1"));
    assert_eq!(default(&[(0, one(1, "1")), (0, one(1, "2"))]), None);
    assert_eq!(default(&[(0, one(1, "1")), (0, one(1, "2")), (0, one(1, "1"))]), None);
    assert_eq!(default(&[(5, one(1, "1")), (0, one(2, "2"))]).as_deref(), Some("1"), "a priority holds over a time");
    assert_eq!(default(&[(0, one(1, "1")), (0, one(1, "1"))]).as_deref(), Some("1"));
    let strict = merge(&[(0, one(1, "1")), (0, one(1, "2"))], true).unwrap_err();
    assert_eq!(strict, "the defaults of module a conflict: the default stream is 1 and 2");
    let profiles = |profile: &str| (0, defaults("a", 1, &format!("profiles: {{'1': [{profile}]}}")));
    let conflict = merge(&[profiles("x"), profiles("y")], false).unwrap_err();
    assert_eq!(conflict, "the defaults of module a conflict: the default profiles of stream 1 differ");
}

#[test]
fn streams_are_merged_and_of_translations_the_newest_holds() {
    let translations = |modified: u64, text: &str| {
        format!(
            "---\ndocument: modulemd-translations\nversion: 1\ndata: {{module: a, stream: '1', modified: {modified}, \
             translations: {{de: {{summary: {text}}}}}}}\n"
        )
    };
    let one = format!("{}{}", stream("a", "1", 1, "c"), translations(1, "alt"));
    let two = format!("{}{}{}", stream("a", "1", 1, "c"), stream("b", "1", 1, "c"), translations(2, "neu"));
    let merged = merge(&[(0, one.clone()), (0, two)], false).unwrap();
    assert_eq!(
        merged.modules().map(|(name, module)| (name, module.streams().count())).collect::<Vec<_>>(),
        [("a", 1), ("b", 1)]
    );
    let translated = &merged.module("a").unwrap().translations("1").unwrap().translations["de"];
    assert_eq!(translated.summary.as_deref(), Some("neu"));
    assert_eq!(merge(&[(0, one.clone()), (0, one.clone())], true).unwrap(), index(&one));
}

#[test]
fn compressed_indexes_are_recognised() {
    let text = std::fs::read(fixtures().join("index/good/not-in-index.yaml")).unwrap();
    let limit = text.len();
    assert_eq!(decompress(&text, limit).unwrap(), text.as_slice());
    for name in ["index.yaml.gz", "index.yaml.xz", "sha256.yaml.xz", "index.yaml.zst"] {
        let compressed = std::fs::read(fixtures().join("index/compressed").join(name)).unwrap();
        assert_eq!(decompress(&compressed, limit).unwrap(), text.as_slice(), "{name}");
        assert!(decompress(&compressed, limit - 1).unwrap_err().to_string().contains("more than"), "{name}");
        // Nothing that is cut off or damaged makes it panic or loop.
        for end in 8..compressed.len() {
            assert!(decompress(&compressed[..end], limit).is_err(), "{name} cut off at {end}");
            let mut damaged = compressed.clone();
            damaged[end] ^= 0x55;
            let _ = decompress(&damaged, limit);
        }
    }
    let other = std::fs::read(fixtures().join("index/compressed/index.yaml.bz2")).unwrap();
    assert!(decompress(&other, limit).unwrap_err().to_string().contains("gzip, xz or zstd"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_written_of_an_index_reads_back_equal(contents in prop::collection::vec(generated::content(), 0..6)) {
        let mut index = Index::default();
        for content in contents {
            // What is there already, or has no place in an index, is left out.
            let _ = index.add(content);
        }
        let written = index.to_yaml();
        let again = read(&written);
        prop_assert_eq!(&again.failures, &[], "{}", written);
        prop_assert_eq!(&again.index, &index, "{}", written);
    }

    #[test]
    fn merging_with_itself_changes_nothing(contents in prop::collection::vec(generated::content(), 0..6)) {
        let mut index = Index::default();
        for content in contents {
            let _ = index.add(content);
        }
        let mut merger = Merger::default();
        merger.add(index.clone(), 1);
        merger.add(index.clone(), 1);
        merger.add(index.clone(), 2);
        prop_assert_eq!(merger.merge(), Ok(index));
    }
}

#[test]
fn every_good_document_is_in_its_index() {
    for (name, text) in documents("index/good") {
        let read = Index::read(&text, &IndexOptions::default());
        assert_eq!(read.failures, [], "{name}");
        let contents = read.index.modules().map(|(_, module)| module.streams().count()).sum::<usize>();
        assert!(contents > 0, "{name}");
    }
}
