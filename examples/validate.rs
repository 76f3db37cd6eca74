//! Checks modulemd files: `cargo run --example validate -- FILE…`.
//!
//! Prints everything that is wrong, each with its place and what to write instead, and ends with 1 when anything is.

use std::process::ExitCode;

use rida::modulemd::{self, Document, Problems, Rules};

fn main() -> ExitCode {
    let files: Vec<_> = std::env::args_os().skip(1).collect();
    if files.is_empty() {
        eprintln!("usage: validate FILE…");
        return ExitCode::from(2);
    }
    let mut all_good = true;
    for file in files {
        let name = file.to_string_lossy();
        match std::fs::read(&file).map_err(|error| vec![error.to_string()]).and_then(|bytes| check(&bytes)) {
            Ok(document) => {
                document.warnings().iter().for_each(|warning| println!("{name}: warning: {warning}"));
                println!("{name}: good");
            }
            Err(lines) => {
                all_good = false;
                lines.iter().for_each(|line| println!("{name}: {line}"));
            }
        }
    }
    if all_good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Reads a document and applies the rules of a build service.
fn check(bytes: &[u8]) -> Result<Document, Vec<String>> {
    let lines = |problems: Problems| problems.lines();
    let document = modulemd::read(bytes).map_err(lines)?;
    document.check(&Rules::default()).map_err(lines)?;
    Ok(document)
}
