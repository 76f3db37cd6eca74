use super::agree::agree;
use super::{Cow, Flat};

#[test]
fn the_fast_reader_sees_what_the_complete_parser_sees() {
    let texts = [
        "a: b\n",
        "a: b",
        "---\na: b\n...\n",
        "# c\n\n--- # c\na: b # c\nc:\n  d: 'e''f'\n  \"g\": \"h\\\"\\n\"\n",
        "a:\n- b\n-   c: d\n    e: f\n- - g\n  - h\ni: [j, k: 1]\n",
        "a:\n- b\n- c: d\n  e:\n  - f\ng: h\n",
        "a: b\n  c\n\n  d # e\nf:\n",
        "a: [b, 'c', \"d\", [e, {f: g, h: }], ]\nb: {}\nc: []\n",
        "a: [b,\n  c,\nd]\ne: f\n",
        "a: |\n  b\n   c\n\n  d\n\ne: >\n  f\n  g\n\n   h\n  i\n\n\nj: |-\n  k\n",
        "a: |+\n  b\n\n\n",
        "a: >+\n  b\n\nc: d\n",
        "a: |\n\n  b",
        "a: |\n  b\n ",
        "a: |\nb: |\n\n\nc: d\n",
        "a: |\n  b\n# c\n  # d\nf: g\n",
        "a: >\n  b\n    \n  c\n\td\n",
        "a: 'b\n  c\n\n  d'\n",
        "a: \"b  \n   c\"\n",
        "a: b:c\nd#e: f #g\nh: i#j\nk: -l\nm: --- n\n",
        "a:\n  - |\n    b\n  - >-\n    c\n    d\n",
        "\u{fef7}: a\n",
        "é: ü # ß\nö: [é, ü]\n",
        "? a\n: b\n",
        "a: &b c\n",
        "a\n",
        "",
        "a: b\n--- \nc: d\n",
        "a:  b: c\n",
        "a: {b: [c}\n",
        " a: b\n c: d\n",
        "a: b\n c: d\n",
        "- a\n",
        "a:\n    b: c\n  d: e\n",
        "a: |2\n  b\n",
        "a:\n-\n-\n  b\nc: d\n",
        "a: [b #c\n]\n",
        "a: 5:6\nb: ['7:8', 9:10]\n",
        "a : b\n",
        "a: \"b\": c\n",
        "[a]: b\n",
        "a: b\n...\nc: d\n",
        "a: |\n  b\n...\n",
        "a: \"b\\n\\\n  \\ c \\\n\n   d\\ \n e\"\n",
        "a: \"b\\t\\/\\x41\"\n",
    ];
    let answered = texts.iter().filter(|text| agree(text)).count();
    assert!(answered > 20, "only {answered} are read fast");
}

#[test]
fn the_fast_reader_reads_nearly_all_documents_of_this_project() {
    let fixtures = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/modulemd/good");
    let (mut fast, mut all) = (0, 0);
    for entry in std::fs::read_dir(fixtures).unwrap() {
        let Ok(text) = std::fs::read_to_string(entry.unwrap().path()) else { continue };
        if !text.contains("document:") || text.starts_with('{') {
            continue;
        }
        all += 1;
        fast += usize::from(agree(&text));
    }
    assert!(fast * 10 > all * 8, "{fast} of {all}");
}

#[test]
fn a_flat_node_is_small() {
    assert!(size_of::<Flat<'_>>() <= 32);
    assert_eq!(size_of::<Cow<'_, str>>(), 24);
}

mod laws {
    use proptest::prelude::*;

    /// Pieces of which texts are made that are nearly YAML.
    fn piece() -> impl Strategy<Value = &'static str> {
        prop::sample::select(vec![
            "a", "b: ", ":", " ", "  ", "\n", "\n  ", "\n    ", "- ", "-", "#", " # c", "[", "]", "{", "}", ", ", ",",
            "'", "\"", "\\", "\\n", "|", "|\n", ">\n  ", "|-", "+", "---", "...", "\n---\n", "?", "&a", "*a", "!", "%",
            "@", "`", "\t", "é", "0", "x: y\n", "k:\n", "k:\n- ", "k: [", "k: {v: ", "k: |\n  ", "k: 'x", "k: \"",
            "\\\n", "\\ ", "\\t", "\\\"", "''", "~", "=", "<<", "\u{85}", "\r", "\u{2028}", "\u{feff}",
        ])
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4000))]

        #[test]
        fn both_readers_agree(pieces in prop::collection::vec(piece(), 0..24)) {
            super::super::agree::agree(&pieces.concat());
        }

        #[test]
        fn both_readers_agree_on_mappings(pieces in prop::collection::vec(piece(), 0..16)) {
            super::super::agree::agree(&format!("k: {}", pieces.concat()));
            super::super::agree::agree(&format!("k:\n  l:\n  - {}\n", pieces.concat()));
            super::super::agree::agree(&format!("k: [{}]\n", pieces.concat()));
        }
    }
}
