//! Tells what was found in a text: as compilers do, as plain lines, or as JSON.

use std::borrow::Cow;
use std::fmt::{self, Write as _};

use super::problem::{Position, Problem};
use super::source;

/// How much of a long line is shown.
const SHOWN: usize = 100;

/// What was found in one text, to be told.
///
/// ```
/// use rida_core::modulemd::{self, Options, Report, Rules};
///
/// let text = b"document: modulemd\nversion: 2\ndata:\n  summary: [a]\n  description: b\n  license: {module: MIT}\n";
/// let judged = modulemd::judge(text, &Options::default(), &Rules::default());
/// let report = Report::new("foo.yaml", text).errors(judged.problems.iter().flatten()).warnings(&judged.warnings);
/// assert_eq!(
///     report.human().to_string(),
///     "\
/// error[text]: summary: expected a single value, but this is a list
///   --> foo.yaml:4:12
///    |
///  4 |   summary: [a]
///    |            ^^^
///    = help: write one text or number
///
/// "
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Report<'a> {
    /// The name, without what would disturb the reader's terminal.
    name: String,
    text: Cow<'a, str>,
    entries: Vec<(Severity, &'a Problem)>,
    omitted: usize,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Error,
    Warning,
}

impl Severity {
    fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl<'a> Report<'a> {
    /// Starts a report of a text, which has that name, such as a file's.
    pub fn new(name: &str, bytes: &'a [u8]) -> Self {
        let text = source::decode(bytes).unwrap_or_else(|_| String::from_utf8_lossy(bytes));
        Self { name: name.chars().map(visible).collect(), text, entries: Vec::new(), omitted: 0 }
    }

    /// Adds what is wrong.
    #[must_use]
    pub fn errors(self, problems: impl IntoIterator<Item = &'a Problem>) -> Self {
        self.with(Severity::Error, problems)
    }

    /// Adds what is odd.
    #[must_use]
    pub fn warnings(self, problems: impl IntoIterator<Item = &'a Problem>) -> Self {
        self.with(Severity::Warning, problems)
    }

    /// Says how many problems there are beyond those that are told.
    #[must_use]
    pub fn omitted(mut self, omitted: usize) -> Self {
        self.omitted += omitted;
        self
    }

    fn with(mut self, severity: Severity, problems: impl IntoIterator<Item = &'a Problem>) -> Self {
        self.entries.extend(problems.into_iter().map(|problem| (severity, problem)));
        self.entries.sort_by_key(|(severity, problem)| (problem.position, *severity));
        self
    }

    /// Tells whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.omitted == 0 && self.entries.iter().all(|(severity, _)| *severity == Severity::Warning)
    }

    /// Returns what is told as compilers do: each problem with its line, a mark below the place, and what to write.
    pub fn human(&self) -> impl fmt::Display {
        let lines = Lines::new(&self.text);
        let mut told = String::new();
        for (severity, problem) in &self.entries {
            self.tell(&mut told, *severity, problem, &lines);
        }
        if self.omitted > 0 {
            told.push_str(&format!("error: and {} more problems in {}\n\n", self.omitted, self.name));
        }
        told
    }

    fn tell(&self, told: &mut String, severity: Severity, problem: &Problem, lines: &Lines<'_>) {
        let field = if problem.field.segments().is_empty() { String::new() } else { format!("{}: ", problem.field) };
        told.push_str(&format!("{}[{}]: {field}{}\n", severity.name(), problem.rule, problem.message));
        let margin = problem.position.map_or(1, |at| at.line.to_string().len().max(2));
        let Some(at) = problem.position else {
            told.push_str(&format!("  --> {}\n   = help: {}\n\n", self.name, problem.hint));
            return;
        };
        told.push_str(&format!("{:margin$}--> {}:{at}\n", "", self.name));
        if let Some(excerpt) = lines.excerpt(at) {
            let Excerpt { text, before, marked } = excerpt;
            let nothing = "";
            told.push_str(&format!("{nothing:margin$} |\n{:>margin$} | {text}\n", at.line));
            told.push_str(&format!("{nothing:margin$} | {nothing:before$}{nothing:^<marked$}\n"));
        }
        told.push_str(&format!("{:margin$} = help: {}\n\n", "", problem.hint));
    }

    /// Returns what is told as one line for each problem: `name:line:column: error: …; … [rule]`.
    pub fn lines(&self) -> impl fmt::Display {
        let mut told = String::new();
        for (severity, problem) in &self.entries {
            let name = &self.name;
            let place = problem.position.map(|at| format!("{at}: ")).unwrap_or_else(|| " ".to_owned());
            let field =
                if problem.field.segments().is_empty() { String::new() } else { format!("{}: ", problem.field) };
            let Problem { message, hint, rule, .. } = problem;
            told.push_str(&format!("{name}:{place}{}: {field}{message}; {hint} [{rule}]\n", severity.name()));
        }
        if self.omitted > 0 {
            told.push_str(&format!("{}: error: and {} more problems\n", self.name, self.omitted));
        }
        told
    }

    /// Returns what is told as one JSON object on one line: `name`, `good`, `problems` and `omitted`; a problem has
    /// `severity`, `rule`, `line`, `column`, `field`, `message`, `hint`, and in `text` what is at the place.
    pub fn json(&self) -> impl fmt::Display {
        let lines = Lines::new(&self.text);
        let mut told = format!("{{\"name\":{},\"good\":{},\"problems\":[", Json(&self.name), self.is_good());
        for (index, (severity, problem)) in self.entries.iter().enumerate() {
            let comma = if index > 0 { "," } else { "" };
            let Problem { rule, field, message, hint, .. } = problem;
            let (severity, field) = (severity.name(), field.to_string());
            told.push_str(&format!("{comma}{{\"severity\":\"{severity}\",\"rule\":\"{rule}\","));
            if let Some(at) = problem.position {
                let text = lines.excerpt(at).map(|excerpt| excerpt.at_place()).unwrap_or_default();
                told.push_str(&format!("\"line\":{},\"column\":{},\"text\":{},", at.line, at.column, Json(&text)));
            }
            told.push_str(&format!("\"field\":{},\"message\":{},", Json(&field), Json(message)));
            told.push_str(&format!("\"hint\":{}}}", Json(hint)));
        }
        told.push_str(&format!("],\"omitted\":{}}}", self.omitted));
        told
    }
}

/// The lines of a text.
struct Lines<'t>(Vec<&'t str>);

/// A line as it is shown, or a part of it.
struct Excerpt {
    text: String,
    /// How many characters are before what is marked.
    before: usize,
    /// How many characters are marked, at least one.
    marked: usize,
}

impl<'t> Lines<'t> {
    fn new(text: &'t str) -> Self {
        Self(text.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line)).collect())
    }

    fn excerpt(&self, at: Position) -> Option<Excerpt> {
        let line = self.0.get(usize::try_from(at.line).ok()?.checked_sub(1)?)?;
        let column = usize::try_from(at.column).ok()?.checked_sub(1)?;
        // Of a long line, the part around the place.
        let skipped = if column >= SHOWN { column - SHOWN / 2 } else { 0 };
        let visible: Vec<char> = line.chars().skip(skipped).take(SHOWN).map(visible).collect();
        let mut text = String::new();
        if skipped > 0 {
            text.push('…');
        }
        text.extend(&visible);
        if line.chars().nth(skipped + SHOWN).is_some() {
            text.push('…');
        }
        let here = column - skipped;
        let marked = extent(visible.get(here..).unwrap_or_default());
        Some(Excerpt { text, before: here + usize::from(skipped > 0), marked })
    }
}

impl Excerpt {
    fn at_place(&self) -> String {
        self.text.chars().skip(self.before).take(self.marked).collect()
    }
}

/// Keeps control characters, and those that change the direction or are not seen, from the reader's terminal.
fn visible(character: char) -> char {
    match character {
        '\t' => ' ',
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' => '·',
        _ if character.is_control() => '·',
        _ => character,
    }
}

/// Returns how many characters belong to what starts here: a quoted text, something in brackets, or a word.
fn extent(rest: &[char]) -> usize {
    let until = |closing: char| rest.iter().skip(1).position(|character| *character == closing).map(|end| end + 2);
    let found = match rest.first() {
        Some('"') => until('"'),
        Some('\'') => until('\''),
        Some('[') => until(']'),
        Some('{') => until('}'),
        Some(_) => {
            let mut previous = ' ';
            let end = rest.iter().position(|character| {
                let ends = matches!(character, ',' | ']' | '}') || (previous == ':' && *character == ' ');
                let comment = previous == ' ' && *character == '#';
                previous = *character;
                ends || comment
            });
            let word: String = rest.iter().take(end.unwrap_or(rest.len())).collect();
            let word = word.split(": ").next().unwrap_or_default().trim_end().trim_end_matches(':');
            Some(word.chars().count())
        }
        None => None,
    };
    found.unwrap_or(rest.len()).max(1)
}

/// A text in JSON.
struct Json<'a>(&'a str);

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\u{2028}' | '\u{2029}' | '\u{7f}'..='\u{9f}' | '\0'..='\u{1f}' => {
                    write!(f, "\\u{:04x}", u32::from(character))?;
                }
                _ => f.write_char(character)?,
            }
        }
        f.write_char('"')
    }
}
