//! From bytes to text: the encoding, what a text may hold, and where its documents start.

use std::borrow::Cow;

use super::options::Limits;
use super::problem::{FieldPath, Position, Problem};
use super::rule::Rule;
use super::tree::START;

const HINT: &str = "save the file as UTF-8, without control characters";

pub(super) fn problem(rule: Rule, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(rule, FieldPath::default(), message, hint)
}

/// Refuses a text that is larger than the limit.
pub(super) fn within(bytes: usize, limits: &Limits) -> Result<(), Problem> {
    if bytes <= limits.bytes {
        return Ok(());
    }
    let message = format!("the document has {bytes} bytes, more than {}", limits.bytes);
    Err(problem(Rule::TooLarge, message, "make it smaller").at(START))
}

/// Makes text of the bytes, without a byte order mark: UTF-8, or UTF-16 when a byte order mark says so.
pub(super) fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Problem> {
    let units = |from: fn([u8; 2]) -> u16| {
        let pairs = bytes.get(2..).unwrap_or_default().as_chunks::<2>();
        let text: Option<String> = char::decode_utf16(pairs.0.iter().copied().map(from)).map(Result::ok).collect();
        let text = text.filter(|_| pairs.1.is_empty()).map(Cow::Owned);
        text.ok_or_else(|| problem(Rule::Encoding, "the text is not the UTF-16 that it starts as", HINT).at(START))
    };
    match bytes {
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        [0xef, 0xbb, 0xbf, text @ ..] => utf8(text),
        _ => utf8(bytes),
    }
}

fn utf8(bytes: &[u8]) -> Result<Cow<'_, str>, Problem> {
    std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
        let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
        let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
        let message = format!("the byte 0x{byte:02x} is not UTF-8");
        let at = position_after(&String::from_utf8_lossy(good), START);
        problem(Rule::Encoding, message, HINT).at(at)
    })
}

/// Finds the place of a character that the parser refused without telling where.
pub(super) fn refused_character(text: &str, start: Position, told: &str) -> Problem {
    let Some((index, character)) = text.char_indices().find(|(_, character)| is_refused(*character)) else {
        return problem(Rule::Encoding, told, HINT).at(start);
    };
    let message = format!("the character U+{:04X} may not be in a document", u32::from(character));
    problem(Rule::Encoding, message, HINT).at(position_after(text.get(..index).unwrap_or_default(), start))
}

/// The characters that YAML keeps out of a text.
fn is_refused(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{fffe}' | '\u{ffff}' | '\u{feff}' => true,
        _ => character.is_control(),
    }
}

/// Returns the place of what follows a text that starts at a place.
pub(super) fn position_after(text: &str, start: Position) -> Position {
    let bytes = text.as_bytes();
    let lines = bytes.iter().filter(|byte| **byte == b'\n').count();
    let last = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    let columns = text.get(last..).unwrap_or_default().chars().count();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let from = if lines == 0 { start.column } else { 1 };
    Position { line: start.line.saturating_add(count(lines)), column: from.saturating_add(count(columns)) }
}

/// A part of a text that holds the documents between two boundaries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part<'t> {
    pub(super) text: &'t str,
    /// How many lines are before it.
    pub(super) lines: u32,
}

/// Splits a text before each `---` and behind each `...`, which stand at the start of a line: YAML ends whatever is open
/// there. Parts without a document are left out.
pub(super) fn parts(text: &str) -> Parts<'_> {
    Parts { rest: text, lines: 0 }
}

pub(super) struct Parts<'t> {
    rest: &'t str,
    lines: u32,
}

impl<'t> Iterator for Parts<'t> {
    type Item = Part<'t>;

    fn next(&mut self) -> Option<Part<'t>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let (part, has_document, lines) = first_part(self.rest);
            let found = Part { text: part, lines: self.lines };
            self.rest = self.rest.get(part.len()..).unwrap_or_default();
            self.lines = self.lines.saturating_add(lines);
            if has_document {
                return Some(found);
            }
        }
    }
}

/// Returns the part up to the first boundary, whether there is a document in it, and how many lines it has.
fn first_part(text: &str) -> (&str, bool, u32) {
    let bytes = text.as_bytes();
    let (mut line, mut lines, mut content) = (0, 0_u32, false);
    while line < bytes.len() {
        let rest = bytes.get(line..).unwrap_or_default();
        let (shown, broken) = first_line(rest);
        let end = line + shown + broken.len();
        let shown = rest.get(..shown).unwrap_or_default();
        let marker = |mark: &[u8]| {
            shown.strip_prefix(mark).is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t')))
        };
        // Editors do not count the line breaks that are none in most formats, and neither do places.
        let counted = u32::from(matches!(broken, b"\n" | b"\r" | b"\r\n"));
        if marker(b"---") {
            if content {
                return (text.get(..line).unwrap_or_default(), true, lines);
            }
            content = true;
        } else if marker(b"...") {
            return (text.get(..end).unwrap_or_default(), content, lines.saturating_add(counted));
        } else if !content {
            let first = shown.iter().find(|byte| **byte != b' ');
            let directive = shown.first() == Some(&b'%');
            content = first.is_some_and(|byte| *byte != b'#') && !directive;
        }
        lines = lines.saturating_add(counted);
        line = end;
    }
    (text, content, lines)
}

/// Returns how long the first line is, and the line break behind it: YAML has some that other formats do not have.
fn first_line(bytes: &[u8]) -> (usize, &'static [u8]) {
    const BREAKS: [&[u8]; 6] =
        [b"\r\n", b"\n", b"\r", "\u{85}".as_bytes(), "\u{2028}".as_bytes(), "\u{2029}".as_bytes()];
    let mut from = 0;
    while let Some(found) =
        bytes.get(from..).and_then(|rest| rest.iter().position(|byte| matches!(byte, b'\n' | b'\r' | 0xc2 | 0xe2)))
    {
        let rest = bytes.get(from + found..).unwrap_or_default();
        if let Some(broken) = BREAKS.into_iter().find(|broken| rest.starts_with(broken)) {
            return (from + found, broken);
        }
        from += found + 1;
    }
    (bytes.len(), b"")
}
