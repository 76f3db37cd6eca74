//! Documents like those that distributions publish, the same ones every time.

use std::fmt::Write as _;

/// Numbers without a pattern, from a seed.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }

    fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(u32::try_from(self.next(16)).unwrap_or(0), 16).unwrap_or('0')).collect()
    }

    fn name(&mut self) -> String {
        const PARTS: [&str; 16] = [
            "perl", "lib", "python", "net", "html", "parser", "devel", "test", "xml", "core", "data", "http", "json",
            "time", "utils", "common",
        ];
        let parts = 2 + self.next(3);
        let words: Vec<&str> =
            (0..parts).filter_map(|_| PARTS.get(usize::try_from(self.next(16)).unwrap_or(0)).copied()).collect();
        format!("{}{}", words.join("-"), self.next(100))
    }
}

/// What a packager writes, of about 1 KB.
pub(crate) fn packager() -> String {
    let mut numbers = Numbers(1);
    let mut text = "document: modulemd-packager\nversion: 2\n".to_owned();
    text.push_str("data:\n  summary: A language and its libraries\n  description: >-\n    ");
    text.push_str("The language, what it is compiled with, and the libraries that most programs need.\n");
    text.push_str("  license:\n    module: [MIT]\n  dependencies:\n  - buildrequires:\n      platform: [f40]\n");
    text.push_str("    requires:\n      platform: [f40]\n  profiles:\n    common:\n      rpms:\n      - perl\n");
    components(&mut text, &mut numbers, 4);
    text
}

/// A stream as a repository has it, of about that many bytes.
pub(crate) fn stream(seed: u64, bytes: usize) -> String {
    let mut numbers = Numbers(seed);
    let (name, context) = (numbers.name(), numbers.hex(8));
    let mut text = format!(
        "---\ndocument: modulemd\nversion: 2\ndata:\n  name: {name}\n  stream: \"{}.{}\"\n  version: {}\n  \
         context: {context}\n  arch: x86_64\n  summary: What {name} is, on one line\n  description: >-\n    At length, \
         {name} is a\n    module with some packages, and a description that\n    goes on for three lines.\n  license:\n    \
         module:\n    - MIT\n    content:\n    - GPL+ or Artistic\n    - MIT\n  xmd:\n    mbs:\n      buildrequires:\n",
        numbers.next(9),
        numbers.next(30),
        20_180_000_000_000 + numbers.next(99_999_999),
    );
    for module in ["platform", "perl", "python"] {
        let _ = writeln!(
            text,
            "        {module}:\n          context: {}\n          filtered_rpms: []\n          ref: {}\n          \
             stream: f40\n          version: \"{}\"",
            numbers.hex(8),
            numbers.hex(40),
            numbers.next(99_999_999)
        );
    }
    text.push_str("  dependencies:\n  - buildrequires:\n      platform: [f40]\n    requires:\n      platform: [f40]\n");
    text.push_str("  profiles:\n    common:\n      rpms:\n      - perl\n  api:\n    rpms:\n");
    for _ in 0..bytes / 500 {
        let _ = writeln!(text, "    - {}", numbers.name());
    }
    components(&mut text, &mut numbers, bytes / 900);
    text.push_str("  artifacts:\n    rpms:\n");
    while text.len() < bytes {
        let (name, build) = (numbers.name(), numbers.hex(8));
        let (epoch, major, minor) = (numbers.next(5), numbers.next(20), numbers.next(500));
        let _ = writeln!(text, "    - {name}-{epoch}:{major}.{minor}-1.module_f40+{minor}+{build}.x86_64");
    }
    text.push_str("...\n");
    text
}

fn components(text: &mut String, numbers: &mut Numbers, count: usize) {
    text.push_str("  components:\n    rpms:\n");
    for _ in 0..count.max(1) {
        let _ = writeln!(
            text,
            "      {}:\n        rationale: Needed by {}.\n        ref: {}\n        buildorder: {}\n        arches: [aarch64, x86_64]",
            numbers.name(),
            numbers.name(),
            numbers.hex(40),
            numbers.next(9)
        );
    }
}

/// An index of so many streams, of about that many bytes, with defaults.
pub(crate) fn index(streams: u64, bytes: usize) -> String {
    let each = bytes / usize::try_from(streams.max(1)).unwrap_or(1);
    let mut text = String::with_capacity(bytes);
    for number in 0..streams {
        // Documents are of very different sizes; their mean is what was asked for.
        let share = each / 2 + each * usize::try_from(number % 11).unwrap_or(0) / 10;
        text.push_str(&stream(1000 + number, share));
        if number % 4 == 0 {
            let _ = writeln!(
                text,
                "---\ndocument: modulemd-defaults\nversion: 1\ndata:\n  module: module{number}\n  stream: \"1.{number}\"\n  \
                 profiles:\n    \"1.{number}\": [common]\n..."
            );
        }
    }
    text
}
