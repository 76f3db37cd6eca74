//! Texts that are made to cost much.

use std::time::{Duration, Instant};

use rida_core::modulemd::{self, Limits, Rule, Rules};

/// Far more than a debug build on a busy machine takes, far less than a reader without limits does.
const SOON: Duration = Duration::from_secs(10);

const HEAD: &str = "document: modulemd\nversion: 2\ndata:\n  summary: a\n  description: b\n  license: {module: MIT}\n";

/// Returns the rules that a text breaks, which must be told soon.
fn refused(text: &[u8]) -> Vec<Rule> {
    let start = Instant::now();
    let problems = modulemd::read(text).expect_err("the text is refused");
    assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
    assert!(problems.iter().count() <= 100, "the list of problems is bounded");
    problems.iter().map(|problem| problem.rule).collect()
}

#[test]
fn brackets() {
    assert_eq!(refused("[".repeat(100_000).as_bytes()), [Rule::TooDeep]);
    assert_eq!(refused("{".repeat(100_000).as_bytes()), [Rule::TooDeep]);
    assert_eq!(refused("- ".repeat(100_000).as_bytes()), [Rule::TooDeep]);
    assert_eq!(refused("? ".repeat(100_000).as_bytes()), [Rule::TooDeep]);
    assert_eq!(refused("[\n".repeat(100_000).as_bytes()), [Rule::TooDeep]);
}

#[test]
fn aliases() {
    let mut bomb = format!("{HEAD}  xmd:\n    a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for level in 1..20 {
        let before = vec![format!("*a{}", level - 1); 9].join(", ");
        bomb.push_str(&format!("    a{level}: &a{level} [{before}]\n"));
    }
    assert!(refused(bomb.as_bytes()).iter().all(|rule| *rule == Rule::Alias));
    let quadratic = format!("{HEAD}  xmd:\n    a: &a [{}]\n    b: [{}]\n", "x, ".repeat(10_000), "*a, ".repeat(10_000));
    assert!(refused(quadratic.as_bytes()).iter().all(|rule| *rule == Rule::Alias));
    let merge = format!("{HEAD}  xmd:\n    a: &a {{b: c}}\n    d: {{<<: *a}}\n");
    assert_eq!(refused(merge.as_bytes()), [Rule::Alias]);
}

#[test]
fn directives() {
    let many: String = (0..60_000).map(|number| format!("%TAG !{number}! x\n")).collect();
    assert_eq!(refused(many.as_bytes()), [Rule::Syntax]);
    assert_eq!(refused(many.replace('\n', "\r").as_bytes()), [Rule::Syntax]);
    let some = format!("%YAML 1.1\n%TAG !a! x\n---\n{HEAD}");
    modulemd::read(some.as_bytes()).unwrap();
}

#[test]
fn many_keys() {
    let keys: String = (0..1_000_000).map(|number| format!("k{number}: a\n")).collect();
    assert_eq!(refused(keys.as_bytes()), [Rule::TooLarge]);
    let keys: String = (0..90_000).map(|number| format!("k{number}: a\n")).collect();
    assert_eq!(refused(keys.as_bytes()), [Rule::TooManyNodes]);
    let same = format!("{HEAD}{}", "  summary: a\n".repeat(40_000));
    assert!(modulemd::read(same.as_bytes()).unwrap().warnings().iter().all(|odd| odd.rule == Rule::DuplicateKey));
    let unknown: String = (0..40_000).map(|number| format!("  k{number}: a\n")).collect();
    let start = Instant::now();
    let document = modulemd::read(format!("{HEAD}{unknown}").as_bytes()).unwrap();
    assert_eq!(document.warnings().len(), 100);
    assert!(start.elapsed() < SOON);
}

#[test]
fn bytes() {
    assert_eq!(refused(&vec![b'a'; 10 << 20]), [Rule::TooLarge]);
    assert_eq!(refused(b""), [Rule::Envelope]);
    assert_eq!(refused(b"\0"), [Rule::Encoding]);
    assert_eq!(refused(format!("{HEAD}  name: a\0b\n").as_bytes()), [Rule::Encoding]);
    assert_eq!(refused(b"\xff"), [Rule::Encoding]);
    assert_eq!(refused(b"\xef\xbb"), [Rule::Encoding]);
    assert_eq!(refused(b"document: \xc3\x28"), [Rule::Encoding]);
    assert_eq!(refused(b"\xed\xa0\x80"), [Rule::Encoding]);
    assert_eq!(refused(b"\xfe\xff\xd8\x00"), [Rule::Encoding]);
}

#[test]
fn one_long_text() {
    let long = format!("{HEAD}  name: {}\n", "a".repeat(1_000_000));
    let start = Instant::now();
    let stream = modulemd::read(long.as_bytes()).unwrap().into_stream().unwrap();
    assert_eq!(stream.name.map(|name| name.len()), Some(1_000_000));
    let key = format!("{HEAD}  {}: a\n", "k".repeat(2000));
    assert_eq!(refused(key.as_bytes()), [Rule::Syntax]);
    assert!(start.elapsed() < SOON);
}

#[test]
fn a_byte_order_mark_and_line_ends_of_all_kinds() {
    let expected = modulemd::read(HEAD.as_bytes()).unwrap().into_stream().unwrap();
    let utf16 = |mark: u16, bytes: fn(u16) -> [u8; 2]| -> Vec<u8> {
        std::iter::once(mark).chain(HEAD.encode_utf16()).flat_map(bytes).collect()
    };
    let variants = [
        format!("\u{feff}{HEAD}").into_bytes(),
        HEAD.replace('\n', "\r\n").into_bytes(),
        HEAD.replace('\n', "\r").into_bytes(),
        utf16(0xfeff, u16::to_be_bytes),
        utf16(0xfeff, u16::to_le_bytes),
    ];
    for text in variants {
        assert_eq!(modulemd::read(&text).unwrap().into_stream().unwrap(), expected);
    }
}

#[test]
fn components_that_all_wait_for_each_other() {
    let names: Vec<String> = (0..300).map(|number| format!("p{number}")).collect();
    let all = names.join(", ");
    let rpms: String = names.iter().map(|name| format!("      {name}: {{buildafter: [{all}]}}\n")).collect();
    let text = format!("{HEAD}  components:\n    rpms:\n{rpms}");
    let start = Instant::now();
    let document = modulemd::read(text.as_bytes()).unwrap();
    let problems = document.check(&Rules::none().with(Rule::BuildAfterCycle)).unwrap_err();
    assert!(start.elapsed() < SOON);
    assert!(problems.iter().count() <= 100, "the list of problems is bounded");
}

#[test]
fn a_long_chain_of_components() {
    let rpms: String =
        (0..9_000).map(|number| format!("      p{number}: {{buildafter: [p{}]}}\n", (number + 1) % 9_000)).collect();
    let text = format!("{HEAD}  components:\n    rpms:\n{rpms}");
    let start = Instant::now();
    let document = modulemd::read(text.as_bytes()).unwrap();
    let problems = document.check(&Rules::default()).unwrap_err();
    assert!(start.elapsed() < SOON);
    let rules: Vec<Rule> = problems.iter().map(|problem| problem.rule).collect();
    assert_eq!(rules, [Rule::TooManyComponents, Rule::BuildAfterCycle]);
}

#[test]
fn texts_that_end_anywhere() {
    let full = crate::documents("good").into_iter().find(|(name, _)| name == "full").unwrap().1;
    let scalars = "\n  name: |\n    a\n  stream: >+\n    b\n\n  arch: \"c\\\n    d\"\n  context: 'e\n    f'\n";
    for text in [full, format!("{HEAD}{scalars}").into_bytes()] {
        for end in 0..text.len() {
            let start = text.get(..end).unwrap();
            drop(modulemd::read(start));
            drop(modulemd::read(&[start, b"\r"].concat()));
        }
    }
}

#[test]
fn the_limits_are_what_they_say() {
    let options = |limits| modulemd::Options { limits, ..modulemd::Options::default() };
    let exact = Limits { bytes: HEAD.len(), depth: 3, nodes: 15 };
    modulemd::read_with(HEAD.as_bytes(), &options(exact)).unwrap();
    for less in [
        Limits { bytes: exact.bytes - 1, ..exact },
        Limits { depth: exact.depth - 1, ..exact },
        Limits { nodes: exact.nodes - 1, ..exact },
    ] {
        modulemd::read_with(HEAD.as_bytes(), &options(less)).unwrap_err();
    }
}

/// An index of one module's streams, the last one first.
fn descending(streams: u32) -> String {
    let stream = |number| {
        format!(
            "---\n{}  name: a\n  stream: s{number:05}\n  version: 1\n",
            HEAD.replace("modulemd\n", "modulemd-stream\n")
        )
    };
    (0..streams).rev().map(stream).collect()
}

/// An index of obsoletes that differ in their contexts alone.
fn obsoletes(documents: u32) -> String {
    let one = |number| {
        format!(
            "---\ndocument: modulemd-obsoletes\nversion: 1\ndata: {{modified: 2020-01-01T00:00Z, module: a, stream: b, \
             context: c{number:05}, message: d}}\n"
        )
    };
    (0..documents).map(one).collect()
}

#[test]
fn problems_may_be_told_in_any_order() {
    let configurations = "{platform: []}, ".repeat(32_000);
    let rpms: String = (0..24_000).map(|number| format!("a{number}: {{name: []}}, ")).collect();
    // Each entry has a problem behind its start, and then one at its start.
    let texts = [
        format!("document: modulemd-packager\nversion: 3\ndata: {{configurations: [{configurations}]}}\n"),
        format!("{HEAD}  artifacts: {{rpm-map: {{sha256: {{{rpms}}}}}}}\n").replace("modulemd\n", "modulemd-stream\n"),
    ];
    for text in texts {
        let rules = refused(text.as_bytes());
        assert_eq!(rules.len(), 100, "{rules:?}");
    }
}

#[test]
fn documents_of_one_module_are_many_and_in_a_bad_order() {
    for text in [descending(20_000), obsoletes(20_000)] {
        let start = Instant::now();
        let read = modulemd::Index::read(text.as_bytes(), &modulemd::IndexOptions::default());
        assert!(start.elapsed() < SOON, "it took {:?}", start.elapsed());
        let module = read.index.module("a").expect("its documents are read");
        assert_eq!(module.streams().count() + module.obsoletes().count(), 20_000, "{:?}", read.failures.first());
    }
}

#[test]
fn what_is_told_of_an_index_is_bounded() {
    let bad = format!("---\n{HEAD}  dependencies: [{}]\n", "a, ".repeat(100)).repeat(1_280);
    let read = modulemd::Index::read(bad.as_bytes(), &modulemd::IndexOptions::default());
    let told: usize = read.failures.iter().map(|failure| failure.problems.iter().count()).sum();
    assert!(read.failures.len() + read.omitted == 1_280 && told <= 64 * 600, "{told} problems are told");
    assert!(read.failures.iter().all(|failure| failure.problems.iter().count() + failure.problems.omitted() >= 100));
    let odd = format!("---\n{HEAD}  name: a\n  stream: b\n{}", "  tracker: a\n".repeat(100)).repeat(1_280);
    let read = modulemd::Index::read(odd.as_bytes(), &modulemd::IndexOptions::default());
    assert_eq!((read.failures.len(), read.warnings.len()), (0, 100));
}

/// What the limits are for: on an idle machine a release build takes less than a tenth of this.
#[test]
fn hostile_texts_end_at_once() {
    const AT_ONCE: Duration = Duration::from_secs(2);
    let texts = [
        "[".repeat(100_000),
        "{a: ".repeat(25_000),
        "- ".repeat(50_000),
        format!("{HEAD}  xmd:\n    a: &a [{}]\n    b: [{}]\n", "x,".repeat(25_000), "*a,".repeat(17_000)),
        (0..1_000_000).map(|number| format!("key{number}: x\n")).collect(),
        format!("{HEAD}  xmd: \"{}\"\n", "\\\n".repeat(100_000)),
        format!("{HEAD}  xmd: {}\n", "a\n".repeat(100_000)),
        format!("{HEAD}  xmd: |\n{}", "   \n".repeat(100_000)),
        "---\n".repeat(100_000),
        "...\n".repeat(100_000),
    ];
    for text in texts {
        let shown = text.chars().take(40).collect::<String>();
        let start = Instant::now();
        let judged = modulemd::judge(text.as_bytes(), &modulemd::Options::default(), &Rules::default());
        let index = modulemd::Index::read(text.as_bytes(), &modulemd::IndexOptions::default());
        assert!(start.elapsed() < AT_ONCE, "it took {:?}: {shown}", start.elapsed());
        assert!(judged.problems.into_iter().flatten().count() <= 100, "{shown}");
        assert!(index.failures.len() <= 6401, "{shown}");
    }
}

/// libyaml reads these, and the parser that is used here panics; no published document has one.
#[test]
fn a_comma_that_follows_a_tag_is_refused_and_in_a_text_it_is_not() {
    for tagged in ["[!a,b]", "{a: !b,c: d}", "[!<a>,b]", "[!,]", "[!!str,a]", "[ a, !b,\n c]"] {
        let text = format!("{HEAD}  xmd: {{a: {tagged}}}\n");
        assert_eq!(refused(text.as_bytes()), [Rule::Syntax], "{tagged}");
    }
    for text in ["|\n      a !b, c\n", "\"a !b,\\x41\"\n", "a !b, c\n", "'!b, c'\n      # !d, e\n"] {
        modulemd::read(format!("{HEAD}  xmd:\n    !x a: {text}").as_bytes()).unwrap();
    }
    // Many of them cost no more than a few.
    let many = format!("{HEAD}  xmd: \"{}\\x41\"\n", "!a,".repeat(100_000));
    let start = Instant::now();
    modulemd::read(many.as_bytes()).unwrap();
    assert!(start.elapsed() < SOON);
}
