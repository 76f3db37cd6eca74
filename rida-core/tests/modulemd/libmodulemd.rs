//! libmodulemd reads what is written here, to the same content.

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use rida_core::modulemd::{self, Content, ModuleStream, Xmd};
use serde_json::Value;

use crate::generated::stream;
use crate::{canonical, documents, fixtures};

/// Asks libmodulemd what it reads in the documents: for each its content, or why it refuses it.
fn ask(texts: &[String]) -> Vec<Value> {
    let script = fixtures().join("libmodulemd.py");
    let mut python = Command::new("/usr/bin/python3")
        .args(["-W", "ignore"])
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is installed; see the README for what the tests need");
    let mut input = python.stdin.take().unwrap();
    let request = serde_json::to_vec(texts).unwrap();
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

/// Leaves out what libmodulemd itself reads wrongly: it keeps the items of a list in xmd only when all are of one type.
fn without_defects(mut stream: ModuleStream) -> ModuleStream {
    fn texts_alone(value: &mut Xmd) {
        match value {
            Xmd::List(items) => items.retain(|item| matches!(item, Xmd::Text(_))),
            Xmd::Map(entries) => entries.values_mut().for_each(texts_alone),
            Xmd::Bool(_) | Xmd::Text(_) => {}
        }
    }
    texts_alone(&mut stream.xmd);
    stream
}
