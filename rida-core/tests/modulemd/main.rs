//! modulemd documents at the boundary: a text goes in, problems or a stream come out.

#![expect(clippy::unwrap_used, reason = "in a test it is the assertion")]

mod canonical;
mod corpus;
mod differences;
mod documented;
mod explained;
mod fixtures;
mod generated;
mod hostile;
mod index;
mod laws;
mod libmodulemd;
mod reported;

use std::path::{Path, PathBuf};

/// Returns the folder of the project's own documents.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/modulemd")
}

/// Returns the documents in a folder of the fixtures, by name, in order.
fn documents(folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut documents = Vec::new();
    for entry in std::fs::read_dir(fixtures().join(folder)).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
            documents.push((name, std::fs::read(&path).unwrap()));
        }
    }
    documents.sort();
    documents
}
