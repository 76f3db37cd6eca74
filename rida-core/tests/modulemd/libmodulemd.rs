//! libmodulemd reads what is written here, to the same content.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::{prop, prop_oneof};
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rida_core::modulemd::{self, Content, Index, IndexOptions, Merger, ModuleStream, Packager, Xmd};
use serde_json::Value;

use crate::generated::{packager, stream};
use crate::{canonical, documents, fixtures};

/// Asks libmodulemd what it reads in the documents: for each its content, or why it refuses it.
fn ask(texts: &[String]) -> Vec<Value> {
    run(&[], &texts)
}

fn run(arguments: &[&str], request: &impl serde::Serialize) -> Vec<Value> {
    let script = fixtures().join("libmodulemd.py");
    let mut python = Command::new("/usr/bin/python3")
        .args(["-W", "ignore"])
        .arg(script)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed; see the README for what the tests need");
    let mut input = python.stdin.take().unwrap();
    let request = serde_json::to_vec(request).unwrap();
    let writer = std::thread::spawn(move || input.write_all(&request));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "libmodulemd could not be asked (python3-gi and gir1.2-modulemd-2.0 are needed)");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn agrees(contents: &[Content]) {
    let texts: Vec<String> = contents.iter().map(Content::to_yaml).collect();
    let answers = ask(&texts);
    assert_eq!(answers.len(), contents.len());
    for ((content, text), answer) in contents.iter().zip(&texts).zip(&answers) {
        let unequal = canonical::unequal(answer, &canonical::of(content));
        assert!(unequal.is_empty(), "{unequal:?}\n{text}\nlibmodulemd: {answer}\n{content:?}");
    }
}

#[test]
fn it_reads_every_good_document_as_written_here() {
    let contents: Vec<Content> =
        documents("good").iter().map(|(_, text)| modulemd::read(text).unwrap().into_content()).collect();
    assert!(contents.len() > 20);
    agrees(&contents);
}

#[test]
fn it_reads_generated_streams_as_written_here() {
    let mut runner = TestRunner::deterministic();
    let strategy = stream();
    let streams: Vec<Content> = (0..100)
        .map(|_| without_defects(strategy.new_tree(&mut runner).unwrap().current()))
        .map(|stream| Content::Stream(Box::new(stream)))
        .collect();
    agrees(&streams);
}

/// Leaves out what libmodulemd itself reads wrongly.
fn without_defects(mut stream: ModuleStream) -> ModuleStream {
    texts_alone(&mut stream.xmd);
    stream
}

/// libmodulemd keeps the items of a list in xmd only when all are of one type.
fn texts_alone(value: &mut Xmd) {
    match value {
        Xmd::List(items) => items.retain(|item| matches!(item, Xmd::Text(_))),
        Xmd::Map(entries) => entries.values_mut().for_each(texts_alone),
        Xmd::Bool(_) | Xmd::Text(_) => {}
    }
}

/// Holds what merging gives here against what it gives there.
fn merges_alike(cases: &[Vec<(i32, String)>]) -> usize {
    let answers = run(&["--merge"], &cases);
    assert_eq!(answers.len(), cases.len());
    let mut merged_both = 0;
    for (case, answer) in cases.iter().zip(&answers) {
        let mut merger = Merger::default();
        for (priority, text) in case {
            merger.add(Index::read(text.as_bytes(), &options()).index, *priority);
        }
        match (merger.merge(), answer["index"].as_str()) {
            (Ok(own), Some(theirs)) => {
                let read = Index::read(theirs.as_bytes(), &options());
                assert_eq!(read.failures, []);
                let (own, theirs) = (parts(&own), parts(&read.index));
                let only = |one: &BTreeSet<String>, other: &BTreeSet<String>| one.difference(other).cloned().collect();
                let (here, there): (Vec<String>, Vec<String>) = (only(&own, &theirs), only(&theirs, &own));
                // DIFFERENCES.md has it: an empty value is a set with an empty text to libmodulemd 2.14.
                let known = here.len() == there.len() && there.iter().all(|part| part.contains("- \"\"\n"));
                assert!(known, "only here:\n{}\nonly in libmodulemd's:\n{}", here.join("\n"), there.join("\n"));
                merged_both += 1;
            }
            // It does not write an index without modules.
            (Ok(own), None) => assert!(own.is_empty(), "{case:?}\nlibmodulemd: {answer}"),
            (Err(_), None) => {}
            (Err(conflict), Some(theirs)) => panic!("{conflict}\n{case:?}\nlibmodulemd: {theirs}"),
        }
    }
    merged_both
}

fn options() -> IndexOptions {
    IndexOptions::default()
}

/// The documents of an index.
fn parts(index: &Index) -> BTreeSet<String> {
    index.to_yaml().split("---\n").map(str::to_owned).collect()
}

/// Small indexes whose documents speak of the same few things. Intents have a stream: libmodulemd does not write the
/// profiles of one without.
fn indexes() -> impl Strategy<Value = Vec<(i32, String)>> {
    let name = || prop::sample::select(vec!["a", "b"]);
    let stream = (name(), name(), 1..3).prop_map(|(module, stream, version)| {
        format!(
            "---\ndocument: modulemd\nversion: 2\ndata: {{name: {module}, stream: {stream}, version: {version}, context: c, \
             arch: x, summary: A, description: B, license: {{module: MIT}}}}\n"
        )
    });
    let intent = prop::sample::select(vec![
        "",
        ", intents: {i: {stream: a}}",
        ", intents: {i: {stream: b, profiles: {a: [p]}}}",
    ]);
    let profiles = prop::sample::select(vec!["", ", profiles: {a: [p]}", ", profiles: {a: [q], b: [p]}"]);
    let default = prop::sample::select(vec!["", ", stream: a", ", stream: b"]);
    let defaults = (name(), 1..3, default, profiles, intent).prop_map(|(module, modified, default, profiles, intent)| {
        format!(
            "---\ndocument: modulemd-defaults\nversion: 1\ndata: {{module: {module}, modified: {modified}{default}{profiles}{intent}}}\n"
        )
    });
    let obsoletes = (name(), name(), 1..3).prop_map(|(module, stream, day)| {
        format!(
            "---\ndocument: modulemd-obsoletes\nversion: 1\ndata: {{module: {module}, stream: {stream}, \
             modified: 2024-01-0{day}T00:00Z, message: m}}\n"
        )
    });
    let translations = (name(), name(), 1..3, name()).prop_map(|(module, stream, modified, text)| {
        format!(
            "---\ndocument: modulemd-translations\nversion: 1\ndata: {{module: {module}, stream: {stream}, \
             modified: {modified}, translations: {{de: {{summary: {text}}}}}}}\n"
        )
    });
    let document = prop_oneof![2 => stream, 3 => defaults, 1 => obsoletes, 2 => translations];
    let index = prop::collection::vec(document, 0..5).prop_map(|documents| documents.concat());
    prop::collection::vec((0..2, index), 1..4)
}

#[test]
fn it_merges_indexes_as_here() {
    let mut runner = TestRunner::deterministic();
    let strategy = indexes();
    let cases: Vec<_> = (0..300).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    let merged = merges_alike(&cases);
    assert!(merged > 150, "only {merged} could be merged");
}

/// Every index of the fixtures, and with `RIDA_MODULEMD_CORPUS` those of its folder `index`, has the same documents here
/// and there, but where a document ends the reading there.
#[test]
fn it_reads_indexes_as_here() {
    let mut texts: Vec<String> =
        documents("index/good").into_iter().map(|(_, text)| String::from_utf8(text).unwrap()).collect();
    if let Some(corpus) = std::env::var_os("RIDA_MODULEMD_CORPUS") {
        for entry in std::fs::read_dir(std::path::Path::new(&corpus).join("index")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "yaml") {
                texts.push(std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let cases: Vec<_> = texts.into_iter().map(|text| vec![(0, text)]).collect();
    assert_eq!(merges_alike(&cases), cases.len());
}

#[test]
fn it_converts_packager_documents_as_here() {
    let mut runner = TestRunner::deterministic();
    let strategy = packager();
    let mut packagers: Vec<Packager> = (0..60).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect();
    for packager in &mut packagers {
        // Names are needed by indexes, and by defaults; what is left out is refused by libmodulemd 2.14 with a crash.
        packager.name.get_or_insert_with(|| "a".to_owned());
        packager.stream.get_or_insert_with(|| "b".to_owned());
        texts_alone(&mut packager.xmd);
    }
    let texts: Vec<String> = packagers.iter().map(Packager::to_yaml).collect();
    let answers = run(&["--convert"], &texts);
    let mut converted = 0;
    for ((packager, text), answer) in packagers.iter().zip(&texts).zip(&answers) {
        match (packager.to_streams(), answer["index"].as_str()) {
            (Ok(streams), Some(theirs)) => {
                let mut own = Index::default();
                streams.into_iter().for_each(|stream| own.add(Content::Stream(Box::new(stream))).unwrap());
                if let Some(defaults) = packager.to_defaults().unwrap() {
                    own.add(Content::Defaults(defaults)).unwrap();
                }
                let read = Index::read(theirs.as_bytes(), &options());
                assert_eq!(read.failures, []);
                assert_eq!(parts(&own), parts(&read.index), "{text}\nlibmodulemd: {theirs}");
                converted += 1;
            }
            (Err(_), None) => {}
            (own, theirs) => panic!("{own:?}\n{text}\nlibmodulemd: {theirs:?} {answer}"),
        }
    }
    assert!(converted > 10, "only {converted} could be converted");
}

#[test]
fn a_packager_document_becomes_one_stream_with_a_block_for_each_configuration() {
    let (_, text) = documents("good").into_iter().find(|(name, _)| name == "configuration-context").unwrap();
    let Content::Packager(packager) = modulemd::read(&text).unwrap().into_content() else { panic!("it is one") };
    let stream = packager.to_stream().unwrap();
    assert_eq!((stream.dependencies.len(), stream.context.as_deref()), (2, None));
    assert_eq!(packager.to_streams().unwrap().len(), 2);
    let defaults = packager.to_defaults().unwrap().unwrap();
    assert_eq!(defaults.base.profiles["1.10"].iter().collect::<Vec<_>>(), ["common"]);
}
