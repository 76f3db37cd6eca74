//! What is wrong with a document, where, and what to write instead.

use std::fmt;

use serde::Serialize;

use super::rule::Rule;

/// How many problems are told one by one; further ones are counted.
const TOLD: usize = 100;

/// A place in a document, counted from 1; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Position {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// One thing that is wrong with a document.
///
/// Printed, it is one line: `12:7: components.rpms.foo: …; write …`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The rule that is broken.
    pub rule: Rule,
    /// Where; absent when what was checked did not come from a text.
    #[serde(flatten)]
    pub position: Option<Position>,
    /// The field, such as `components.rpms.foo`; empty for the document itself.
    pub field: FieldPath,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub hint: String,
}

/// The way from `data` to a field.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FieldPath(Vec<String>);

impl FieldPath {
    /// Makes a path of its segments.
    pub fn new(segments: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self(segments.into_iter().map(Into::into).collect())
    }

    /// Returns the segments.
    pub fn segments(&self) -> &[String] {
        &self.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, segment) in self.0.iter().enumerate() {
            let dot = if index == 0 { "" } else { "." };
            write!(f, "{dot}{}", Shown(segment))?;
        }
        Ok(())
    }
}

impl Serialize for FieldPath {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Problem {
    pub(crate) fn new(rule: Rule, field: FieldPath, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { rule, position: None, field, message: message.into(), hint: hint.into() }
    }

    pub(crate) fn at(mut self, position: Position) -> Self {
        self.position = Some(position);
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.position {
            write!(f, "{position}: ")?;
        }
        if !self.field.0.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        write!(f, "{}; {}", self.message, self.hint)
    }
}

impl std::error::Error for Problem {}

/// All that is wrong with a document, in the document's order; never empty.
///
/// Printed, it is one line for each problem.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problems {
    problems: Vec<Problem>,
    /// How many more there are than are listed.
    omitted: usize,
}

impl Problems {
    /// Returns the first problem.
    pub fn first(&self) -> &Problem {
        // `Collector::finish` and `From<Problem>` are the only makers, and neither makes an empty one.
        self.problems.first().expect("problems are never empty")
    }

    /// Iterates over the problems.
    pub fn iter(&self) -> std::slice::Iter<'_, Problem> {
        self.problems.iter()
    }

    /// Returns how many more there are than are listed.
    pub fn omitted(&self) -> usize {
        self.omitted
    }

    /// Returns the lines that it prints.
    pub fn lines(&self) -> Vec<String> {
        let more = (self.omitted > 0).then(|| format!("and {} more problems", self.omitted));
        self.problems.iter().map(Problem::to_string).chain(more).collect()
    }
}

impl<'a> IntoIterator for &'a Problems {
    type Item = &'a Problem;
    type IntoIter = std::slice::Iter<'a, Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Problems {
    type Item = Problem;
    type IntoIter = std::vec::IntoIter<Problem>;

    fn into_iter(self) -> Self::IntoIter {
        self.problems.into_iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { problems: vec![problem], omitted: 0 }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines().join("\n"))
    }
}

impl std::error::Error for Problems {}

/// Gathers problems, bounded.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    problems: Vec<Problem>,
    omitted: usize,
}

impl Collector {
    pub(crate) fn push(&mut self, problem: Problem) {
        if self.is_full() { self.omit() } else { self.problems.push(problem) }
    }

    /// Counts a problem that is not told.
    pub(crate) fn omit(&mut self) {
        self.omitted += 1;
    }

    pub(crate) fn is_full(&self) -> bool {
        self.problems.len() >= TOLD
    }

    /// Returns how many problems there are, told and counted.
    pub(crate) fn count(&self) -> usize {
        self.problems.len() + self.omitted
    }

    /// Tells whether a rule was told to be broken at a place.
    pub(crate) fn has(&self, rule: Rule, at: Position) -> bool {
        self.problems.iter().any(|problem| problem.rule == rule && problem.position == Some(at))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.problems.is_empty()
    }

    /// Keeps the first problems only, and counts the others.
    pub(crate) fn keep(&mut self, most: usize) {
        self.omitted += self.problems.len().saturating_sub(most);
        self.problems.truncate(most);
        self.problems.shrink_to_fit();
    }

    /// Returns how many problems are told one by one.
    pub(crate) fn told(&self) -> usize {
        self.problems.len()
    }

    /// Adds further problems.
    pub(crate) fn append(&mut self, further: Self) {
        further.problems.into_iter().for_each(|problem| self.push(problem));
        self.omitted += further.omitted;
    }

    /// Adds further problems, but none with a field that has one already, or with a field in or around such a field:
    /// they would only tell what follows from the first.
    pub(crate) fn append_unrelated(&mut self, further: Self) {
        let known = self.problems.len();
        for problem in further.problems {
            let related = |known: &Problem| {
                let (known, new) = (known.field.segments(), problem.field.segments());
                !known.is_empty() && (new.starts_with(known) || known.starts_with(new))
            };
            if !self.problems.iter().take(known).any(related) {
                self.push(problem);
            }
        }
        self.omitted += further.omitted;
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, Problem> {
        self.problems.iter_mut()
    }

    /// Returns the problems found so far, in the document's order.
    pub(crate) fn into_sorted(mut self) -> (Vec<Problem>, usize) {
        self.problems.sort_by_key(|problem| problem.position);
        (self.problems, self.omitted)
    }

    /// Returns `value` when nothing is wrong.
    pub(crate) fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.is_empty() {
            return Ok(value);
        }
        let (problems, omitted) = self.into_sorted();
        Err(Problems { problems, omitted })
    }
}

/// Shows a text of a document within a message: short, on one line, without control characters.
pub(crate) struct Shown<'a>(pub(crate) &'a str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MOST: usize = 60;
        for (index, character) in self.0.chars().enumerate() {
            if index == MOST {
                return f.write_str("…");
            }
            // Besides control characters, those that change the direction or are not seen.
            let hidden = matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
            if character.is_control() || hidden {
                write!(f, "{}", character.escape_default())?;
            } else {
                write!(f, "{character}")?;
            }
        }
        Ok(())
    }
}
