use super::*;
use crate::ports::DefaultsFile;

fn document(module: &str, rest: &str) -> String {
    format!("---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: {module}\n{rest}...\n")
}

/// Files, each with the path and the text; those of the folder `overrides` by their path.
fn read(files: &[(&str, &str)]) -> Result<Vec<String>, String> {
    let file = |(path, text): &(&str, &str)| DefaultsFile {
        path: (*path).to_owned(),
        overrides: path.starts_with("overrides/"),
        bytes: text.as_bytes().to_vec(),
    };
    let commit = "0123456789abcdef0123456789abcdef01234567".parse().unwrap();
    let streams = default_streams(&FetchedDefaults { commit, files: files.iter().map(file).collect() });
    let streams = streams.map_err(|error| error.message().to_owned())?;
    Ok(streams.iter().map(|(module, stream)| format!("{module}:{stream}")).collect())
}

#[test]
fn each_module_has_the_stream_that_its_document_says() {
    let perl = document("perl", "  stream: '5.26'\n  profiles: {'5.26': [common]}\n");
    let none = document("ruby", "  profiles: {'2': [common]}\n");
    let both = document("httpd", "  stream: \"2.4\"\n") + &document("nginx", "  stream: 1.10\n");
    let files = [("perl.yaml", perl.as_str()), ("ruby.yaml", &none), ("web.yaml", &both)];
    assert_eq!(read(&files).unwrap(), ["httpd:2.4", "nginx:1.10", "perl:5.26"]);
    assert!(read(&[]).unwrap().is_empty());
    // What overrides says goes before, also when the other is newer.
    let newer = document("perl", "  modified: 9\n  stream: '5.26'\n");
    let over = document("perl", "  modified: 1\n  stream: '5.30'\n");
    assert_eq!(read(&[("overrides/perl.yaml", &over), ("perl.yaml", &newer)]).unwrap(), ["perl:5.30"]);
    // Of two in one folder, the one that was modified later.
    assert_eq!(read(&[("a.yaml", &newer), ("b.yaml", &over)]).unwrap(), ["perl:5.26"]);
}

#[test]
fn what_cannot_be_is_told_with_its_place() {
    let good = document("perl", "  stream: '5.26'\n");
    let other = document("perl", "  stream: '5.30'\n");
    let refused = |files: &[(&str, &str)]| read(files).unwrap_err();
    assert!(refused(&[("a.yaml", &good), ("b.yaml", &other)]).contains("the defaults of module perl conflict"));
    let unknown = document("perl", "  streem: '5.26'\n");
    let told = refused(&[("a.yaml", &good), ("perl.yaml", &unknown), ("x.yaml", "[")]);
    assert!(told.contains("perl.yaml:6:") && told.contains("streem") && told.contains("x.yaml:"), "{told}");
    let name = document("'a b'", "  stream: '1'\n");
    assert!(refused(&[("a.yaml", &name)]).contains("\"a b\" is not a module name"));
    let bomb = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(refused(&[("bomb.yaml", &bomb)]).contains("bomb.yaml:"));
    let many: String = (0..=MOST).map(|number| document(&format!("m{number}"), "  stream: '1'\n")).collect();
    assert!(refused(&[("many.yaml", &many)]).contains("there are 251 default modules, and at most 250"));
    let broken: Vec<(String, &str)> = (0..50).map(|number| (format!("{number}.yaml"), "]")).collect();
    let broken: Vec<(&str, &str)> = broken.iter().map(|(path, text)| (path.as_str(), *text)).collect();
    assert!(refused(&broken).contains("and 30 more problems"), "{}", refused(&broken));
}
