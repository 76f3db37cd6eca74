//! Takes typed values from the tree, and notes everything that is wrong on the way.

use std::collections::{BTreeMap, BTreeSet};

use super::options::Options;
use super::problem::{Collector, FieldPath, Position, Problem, Shown};
use super::rule::Rule;
use super::time::Minute;
use super::tree::{Kind, Node};

/// Walks a tree; after a problem it goes on with a default value, so that all problems are told at once.
pub(crate) struct Decoder<'n> {
    strict: bool,
    overflowed_buildorder: bool,
    path: Vec<Segment<'n>>,
    pub(crate) problems: Collector,
    pub(crate) warnings: Collector,
}

/// What is thought of a key that occurs again in its mapping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// The last one holds.
    Warned,
    /// The format forbids it.
    Refused,
    /// The format forbids it for these keys.
    RefusedFor(&'static [&'static str]),
}

/// The keys of a mapping so far: most mappings have few.
#[derive(Default)]
struct Seen<'n> {
    few: Vec<&'n str>,
    many: BTreeSet<&'n str>,
}

impl<'n> Seen<'n> {
    fn insert(&mut self, name: &'n str) -> bool {
        const FEW: usize = 16;
        if self.few.len() < FEW {
            let new = !self.few.contains(&name);
            if new {
                self.few.push(name);
            }
            return new;
        }
        !self.few.contains(&name) && self.many.insert(name)
    }
}

#[derive(Clone, Copy)]
enum Segment<'n> {
    Key(&'n str),
    Index(usize),
}

impl<'n> Decoder<'n> {
    pub(crate) fn new(options: &Options, problems: Collector) -> Self {
        let Options { strict, overflowed_buildorder, .. } = *options;
        Self { strict, overflowed_buildorder, path: Vec::new(), problems, warnings: Collector::default() }
    }

    /// Reads on with unknown keys being problems.
    pub(crate) fn strictly(&mut self, read: impl FnOnce(&mut Self)) {
        let before = std::mem::replace(&mut self.strict, true);
        read(self);
        self.strict = before;
    }

    /// Notes a problem with the field being read.
    pub(crate) fn problem(&mut self, rule: Rule, at: Position, message: impl Into<String>, hint: impl Into<String>) {
        if self.problems.is_full() {
            self.problems.omit();
            return;
        }
        let problem = Problem::new(rule, self.field(), message, hint).at(at);
        self.problems.push(problem);
    }

    /// Notes a problem with a key of the field being read.
    pub(crate) fn problem_of(&mut self, key: &'n str, rule: Rule, at: Position, message: String, hint: String) {
        self.within(Segment::Key(key), |decoder| decoder.problem(rule, at, message, hint));
    }

    fn field(&self) -> FieldPath {
        FieldPath::new(self.path.iter().map(|segment| match segment {
            Segment::Key(key) => (*key).to_owned(),
            Segment::Index(index) => index.to_string(),
        }))
    }

    fn within<T>(&mut self, segment: Segment<'n>, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(segment);
        let value = read(self);
        self.path.pop();
        value
    }

    /// Reads a mapping with keys of the document's own choice. A key that occurs again is passed on again, with a warning:
    /// the last one holds.
    pub(crate) fn entries(&mut self, node: Node<'n>, each: impl FnMut(&mut Self, Node<'n>, &'n str, Node<'n>)) {
        self.entries_with(node, Repeat::Warned, each);
    }

    /// Reads a mapping with keys of the document's own choice.
    pub(crate) fn entries_with(
        &mut self,
        node: Node<'n>,
        repeat: Repeat,
        mut each: impl FnMut(&mut Self, Node<'n>, &'n str, Node<'n>),
    ) {
        if node.kind() != Kind::Map {
            self.wrong_kind(node, Rule::Mapping, "a mapping", "write `key: value` lines below it, or `{}` for none");
            return;
        }
        let mut seen = Seen::default();
        for (key, value) in node.entries() {
            let Some(name) = self.key(key) else { continue };
            self.within(Segment::Key(name), |decoder| {
                if !seen.insert(name) {
                    decoder.repeated(key, name, repeat);
                }
                each(decoder, key, name, value);
            });
        }
    }

    fn repeated(&mut self, key: Node<'n>, name: &str, repeat: Repeat) {
        let refused = match repeat {
            Repeat::Refused => true,
            Repeat::RefusedFor(keys) => keys.contains(&name),
            Repeat::Warned => false,
        };
        let (told, rule) = match refused {
            true => (&mut self.problems, Rule::RepeatedKey),
            false => (&mut self.warnings, Rule::DuplicateKey),
        };
        if told.is_full() {
            told.omit();
            return;
        }
        let message = "the key occurs a second time in its mapping";
        let problem = Problem::new(rule, self.field(), message, "keep one of the two").at(key.position());
        if refused { self.problems.push(problem) } else { self.warnings.push(problem) }
    }

    /// Reads a mapping with keys that the format defines. `each` tells whether it knows the key.
    pub(crate) fn fields(
        &mut self,
        node: Node<'n>,
        known: &[&str],
        each: impl FnMut(&mut Self, &'n str, Node<'n>) -> bool,
    ) {
        self.fields_with(node, known, Repeat::Warned, each);
    }

    /// Reads a mapping with keys that the format defines. `each` tells whether it knows the key.
    pub(crate) fn fields_with(
        &mut self,
        node: Node<'n>,
        known: &[&str],
        repeat: Repeat,
        mut each: impl FnMut(&mut Self, &'n str, Node<'n>) -> bool,
    ) {
        self.entries_with(node, repeat, |decoder, key, name, value| {
            if !each(decoder, name, value) {
                decoder.unknown(key, name, known);
            }
        });
    }

    fn unknown(&mut self, key: Node<'n>, name: &str, known: &[&str]) {
        let told = if self.strict { &mut self.problems } else { &mut self.warnings };
        if told.is_full() {
            told.omit();
            return;
        }
        let hint = match nearest(name, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "leave it out".to_owned(),
            None => format!("leave it out, or write one of: {}", known.join(", ")),
        };
        let problem =
            Problem::new(Rule::UnknownKey, self.field(), "the format has no such key", hint).at(key.position());
        if self.strict { self.problems.push(problem) } else { self.warnings.push(problem) }
    }

    fn key(&mut self, key: Node<'n>) -> Option<&'n str> {
        if matches!(key.kind(), Kind::List | Kind::Map) {
            self.problem(Rule::Key, key.position(), "the key is not a text", "write `key: value`");
        }
        self.checked(key)
    }

    /// Reads a list.
    pub(crate) fn items(&mut self, node: Node<'n>, mut each: impl FnMut(&mut Self, Node<'n>)) {
        if node.kind() != Kind::List {
            self.wrong_kind(node, Rule::List, "a list", "write `- value` lines below it, or `[]` for none");
            return;
        }
        for (index, item) in node.children().enumerate() {
            self.within(Segment::Index(index), |decoder| each(decoder, item));
        }
    }

    /// Reads a text, exactly as written.
    pub(crate) fn text(&mut self, node: Node<'n>) -> Option<&'n str> {
        if node.as_text().is_none() {
            self.wrong_kind(node, Rule::Text, "a single value", "write one text or number");
        }
        self.checked(node)
    }

    /// Reads a text that is owned.
    pub(crate) fn string(&mut self, node: Node<'n>) -> Option<String> {
        self.text(node).map(str::to_owned)
    }

    fn checked(&mut self, node: Node<'n>) -> Option<&'n str> {
        let text = node.as_text()?;
        if text.contains('\0') {
            self.problem(Rule::Nul, node.position(), "the text has a NUL character", "leave `\\0` out");
            return None;
        }
        Some(text)
    }

    /// Reads a set of texts: a list, or one text alone. An empty value is the empty set.
    pub(crate) fn set(&mut self, node: Node<'n>) -> BTreeSet<String> {
        match node.kind() {
            Kind::Scalar("") => BTreeSet::new(),
            Kind::Scalar(_) => self.string(node).into_iter().collect(),
            Kind::List => {
                let mut texts = Vec::with_capacity(node.size());
                self.items(node, |decoder, item| texts.extend(decoder.string(item)));
                texts.into_iter().collect()
            }
            Kind::Map | Kind::Refused => {
                self.wrong_kind(node, Rule::List, "a list of texts", "write `- value` lines below it");
                BTreeSet::new()
            }
        }
    }

    /// Reads a mapping of names to sets.
    pub(crate) fn sets(&mut self, node: Node<'n>, repeat: Repeat) -> BTreeMap<String, BTreeSet<String>> {
        let mut sets = BTreeMap::new();
        self.entries_with(node, repeat, |decoder, _, name, value| {
            sets.insert(name.to_owned(), decoder.set(value));
        });
        sets
    }

    /// Reads a number from 0.
    pub(crate) fn unsigned(&mut self, node: Node<'n>) -> Option<u64> {
        let text = self.text(node)?;
        let number = unsigned(text);
        if number.is_none() {
            self.not_a_number(node, text, "a whole number from 0 to 2^64-1");
        }
        number
    }

    /// Reads the epoch of a package.
    pub(crate) fn epoch(&mut self, node: Node<'n>) -> Option<u32> {
        let text = self.text(node)?;
        let number = unsigned(text).and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            self.not_a_number(node, text, "a whole number from 0 to 2^32-1");
        }
        number
    }

    /// Reads a build order, which may be negative.
    pub(crate) fn build_order(&mut self, node: Node<'n>) -> Option<i32> {
        let text = self.text(node)?;
        if self.overflowed_buildorder && text == "18446744073709551615" {
            return Some(-1);
        }
        let number = signed(text);
        if number.is_none() {
            self.not_a_number(node, text, "a whole number between -2^31 and 2^31-1");
        }
        number
    }

    fn not_a_number(&mut self, node: Node<'_>, text: &str, what: &str) {
        let message = format!("`{}` is not {what}", Shown(text));
        self.problem(Rule::Number, node.position(), message, "write decimal digits only");
    }

    /// Reads a time to the minute.
    pub(crate) fn time(&mut self, node: Node<'n>) -> Option<Minute> {
        let text = self.text(node)?;
        let minute = Minute::parse(text);
        if minute.is_none() {
            let message = format!("`{}` is not a time in UTC", Shown(text));
            self.problem(
                Rule::Time,
                node.position(),
                message,
                "write it as YYYY-MM-DDThh:mmZ, such as 2030-06-30T00:00Z",
            );
        }
        minute
    }

    /// Reads `true` or `false`, quoted or not.
    pub(crate) fn boolean(&mut self, node: Node<'n>) -> Option<bool> {
        let text = self.text(node)?;
        let hint = match text {
            "true" => return Some(true),
            "false" => return Some(false),
            "True" | "TRUE" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" | "1" => "write true",
            "False" | "FALSE" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" | "0" => "write false",
            _ => "write true or false",
        };
        let message = format!("`{}` is neither true nor false", Shown(text));
        self.problem(Rule::Boolean, node.position(), message, hint);
        None
    }

    fn wrong_kind(&mut self, node: Node<'_>, rule: Rule, wanted: &str, hint: &str) {
        let found = match node.kind() {
            // It has been reported.
            Kind::Refused => return,
            Kind::Scalar("") => "empty".to_owned(),
            Kind::Scalar(text) => format!("the text `{}`", Shown(text)),
            Kind::List => "a list".to_owned(),
            Kind::Map => "a mapping".to_owned(),
        };
        self.problem(rule, node.position(), format!("expected {wanted}, but this is {found}"), hint);
    }
}

/// Reads a number as C's `strtoull` does, save for signs: blanks and a plus may come first, then digits alone.
pub(crate) fn unsigned(text: &str) -> Option<u64> {
    let text = text.trim_start_matches(is_c_space);
    digits(text.strip_prefix('+').unwrap_or(text))?.parse().ok()
}

fn signed(text: &str) -> Option<i32> {
    let text = text.trim_start_matches(is_c_space);
    digits(text.strip_prefix(['+', '-']).unwrap_or(text))?;
    text.parse().ok()
}

/// Returns the text when it is decimal digits and nothing else.
pub(crate) fn digits(text: &str) -> Option<&str> {
    (!text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())).then_some(text)
}

fn is_c_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\u{b}' | '\u{c}' | '\r')
}

/// Returns the known key that a misspelt one was probably meant to be.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    const LONGEST: usize = 32;
    if name.len() > LONGEST {
        return None;
    }
    let plain = |text: &str| text.to_ascii_lowercase().replace('_', "-");
    let wanted = plain(name);
    let near = known.iter().map(|key| (distance(&wanted, &plain(key)), *key)).min()?;
    let most = if name.len() < 4 { 1 } else { 2 };
    (near.0 <= most).then_some(near.1)
}

/// Returns how many letters must be added, removed or changed to make one word of another.
fn distance(from: &str, to: &str) -> usize {
    let to: Vec<char> = to.chars().collect();
    let mut row: Vec<usize> = (0..=to.len()).collect();
    for (index, letter) in from.chars().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (cell, other) in row.iter_mut().skip(1).zip(&to) {
            let above = *cell;
            left = (diagonal + usize::from(letter != *other)).min(above + 1).min(left + 1);
            diagonal = above;
            *cell = left;
        }
    }
    row.last().copied().unwrap_or_default()
}
