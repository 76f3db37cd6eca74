//! The complete parser, which reads all of YAML that libyaml does, and tells what is wrong.

use std::panic::AssertUnwindSafe;

use libyaml_safer::{Encoding, Event, EventData, Mark, Parser, ScalarStyle};

use super::{Flat, FlatKind, Places, Tree};
use crate::modulemd::options::Limits;
use crate::modulemd::problem::{Collector, Position, Problem, Shown};
use crate::modulemd::rule::Rule;
use crate::modulemd::source::{problem, refused_character};

pub(super) fn read<'t>(
    text: &str,
    start: Position,
    limits: &Limits,
    problems: &mut Collector,
) -> Result<Tree<'t>, Problem> {
    let builder = Builder { start, limits, problems, open: Vec::new(), nodes: Vec::new(), marks: Vec::new() };
    builder.build(text)
}

struct Builder<'t, 'a> {
    start: Position,
    limits: &'a Limits,
    problems: &'a mut Collector,
    /// The containers whose end has not come yet.
    open: Vec<usize>,
    nodes: Vec<Flat<'t>>,
    marks: Vec<Position>,
}

impl<'t> Builder<'t, '_> {
    fn build(mut self, text: &str) -> Result<Tree<'t>, Problem> {
        if text.starts_with('\u{feff}') {
            // The one that may be there is gone.
            return Err(refused_character(text, self.start, "a byte order mark may only start the text"));
        }
        few_directives(text, self.start)?;
        no_tag_before_a_comma(text, self.start)?;
        // The parser panics when the text ends within a line of a block scalar.
        let unended = !text.ends_with(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']);
        let ended = unended.then(|| format!("{text}\n"));
        let mut parser = Parser::new();
        // What it is otherwise looks for takes some other characters for a damaged byte order mark.
        parser.set_encoding(Encoding::Utf8);
        parser.set_input(ended.as_deref().unwrap_or(text).as_bytes());
        let mut documents = 0_usize;
        let mut last_is_block = false;
        loop {
            let event = next(&mut parser, self.start)?.map_err(|error| syntax(text, self.start, &error))?;
            match event.data {
                EventData::StreamEnd => break,
                EventData::DocumentStart { .. } => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a second document starts here";
                        let hint = "write one document, and each further one in a file of its own";
                        return Err(
                            problem(Rule::OneDocument, message, hint).at(position(self.start, event.start_mark))
                        );
                    }
                }
                _ => {
                    if let EventData::Scalar { style, .. } = &event.data {
                        let to_the_end = usize::try_from(event.end_mark.index).is_ok_and(|end| end > text.len());
                        last_is_block = matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) && to_the_end;
                    }
                    self.take(event)?;
                }
            }
        }
        if unended && last_is_block {
            self.unend(text);
        }
        if self.nodes.is_empty() {
            let hint = "write a mapping with the keys document, version and data";
            return Err(problem(Rule::Envelope, "there is no document in the text", hint).at(self.start));
        }
        Ok(Tree { nodes: self.nodes, places: Places::Marks(self.marks) })
    }

    /// Takes back the line break that was only put there to end the text. After a last line of blanks alone, how many of
    /// them are indentation is not known here; but who writes such a text, and in YAML that only this parser knows?
    fn unend(&mut self, text: &str) {
        let last = self.nodes.iter_mut().rev().find_map(|flat| match &mut flat.kind {
            FlatKind::Scalar(text) => Some(text),
            FlatKind::List | FlatKind::Map | FlatKind::Refused => None,
        });
        let Some(value) = last else { return };
        let blank = text.rsplit('\n').next().is_some_and(|line| line.trim().is_empty());
        if value.ends_with("\n\n") || (!blank && value.ends_with('\n')) {
            value.to_mut().pop();
        }
    }

    fn take(&mut self, event: Event) -> Result<(), Problem> {
        let at = position(self.start, event.start_mark);
        match event.data {
            EventData::Scalar { value, .. } => self.add(at, FlatKind::Scalar(value.into())),
            EventData::Alias { anchor } => {
                let message = format!("`*{}` refers to another part of the document", Shown(&anchor));
                self.problems.push(problem(Rule::Alias, message, "write the value out here").at(at));
                self.add(at, FlatKind::Refused)
            }
            EventData::SequenceStart { .. } => self.open(at, FlatKind::List),
            EventData::MappingStart { .. } => self.open(at, FlatKind::Map),
            EventData::SequenceEnd | EventData::MappingEnd => {
                let end = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
                if let Some(open) = self.open.pop().and_then(|index| self.nodes.get_mut(index)) {
                    open.end = end;
                }
                Ok(())
            }
            EventData::StreamStart { .. }
            | EventData::StreamEnd
            | EventData::DocumentStart { .. }
            | EventData::DocumentEnd { .. } => Ok(()),
        }
    }

    fn open(&mut self, at: Position, kind: FlatKind<'t>) -> Result<(), Problem> {
        if self.open.len() >= self.limits.depth {
            let message = format!("more than {} mappings and lists are nested", self.limits.depth);
            return Err(problem(Rule::TooDeep, message, "nest them less deeply").at(at));
        }
        self.open.push(self.nodes.len());
        self.add(at, kind)
    }

    fn add(&mut self, at: Position, kind: FlatKind<'t>) -> Result<(), Problem> {
        let index = self.nodes.len();
        let number = |index: usize| u32::try_from(index).unwrap_or(u32::MAX);
        if index >= self.limits.nodes {
            let message = format!("the document has more than {} keys, values and list items", self.limits.nodes);
            return Err(problem(Rule::TooManyNodes, message, "make it smaller").at(at));
        }
        self.marks.push(at);
        self.nodes.push(Flat { at: number(index), end: number(index + 1), kind });
        Ok(())
    }
}

/// Reads on. The parser has panicked at texts before; should there be one more, the text is refused.
fn next(parser: &mut Parser<&[u8]>, start: Position) -> Result<libyaml_safer::Result<Event>, Problem> {
    std::panic::catch_unwind(AssertUnwindSafe(|| parser.parse())).map_err(|_| {
        problem(Rule::Syntax, "this YAML cannot be read", "write it more simply, without tags and directives").at(start)
    })
}

/// Refuses a tag that a comma follows at once (`[!a, b]`), where the parser panics. Whether a `!` starts a tag or is in a
/// text is asked of the parser itself, with another letter in its place: then a plain text starts there.
fn no_tag_before_a_comma(text: &str, start: Position) -> Result<(), Problem> {
    let mut found = Vec::new();
    // Backwards: whether a comma comes before the next blank.
    let mut comma = false;
    let mut mark = None;
    for (index, character) in text.char_indices().rev() {
        found.extend(mark.take().filter(|_| !character.is_alphanumeric()));
        match character {
            ',' => comma = true,
            '!' if comma => mark = Some(index),
            _ if character.is_whitespace() => comma = false,
            _ => {}
        }
    }
    found.extend(mark);
    found.reverse();
    if found.is_empty() {
        return Ok(());
    }
    let mut harmless = text.as_bytes().to_vec();
    for index in &found {
        if let Some(byte) = harmless.get_mut(*index) {
            *byte = b'x';
        }
    }
    harmless.push(b'\n');
    let mut parser = Parser::new();
    parser.set_encoding(Encoding::Utf8);
    parser.set_input(harmless.as_slice());
    loop {
        let event = next(&mut parser, start)?.map_err(|error| syntax(text, start, &error))?;
        let at = usize::try_from(event.start_mark.index).unwrap_or(usize::MAX);
        match event.data {
            EventData::StreamEnd => return Ok(()),
            EventData::Scalar { .. } if found.binary_search(&at).is_ok() => {
                let hint = "put a space behind the tag, or quotes around the text";
                let message = "a comma follows a tag at once";
                return Err(problem(Rule::Syntax, message, hint).at(position(start, event.start_mark)));
            }
            _ => {}
        }
    }
}

fn position(start: Position, mark: Mark) -> Position {
    // A text within the limits has fewer lines than would overflow.
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    Position { line: start.line.saturating_add(count(mark.line)), column: count(mark.column).saturating_add(1) }
}

/// Puts the parser's error into words for who wrote the text.
fn syntax(text: &str, start: Position, error: &libyaml_safer::Error) -> Problem {
    let Some(mark) = error.problem_mark() else {
        return refused_character(text, start, error.problem());
    };
    let place = position(start, mark);
    let hint = match error.problem() {
        "found character that cannot start any token" => {
            "indent with spaces, not tabs, and put quotes around a text that starts with @, %, ` or a tab"
        }
        "mapping values are not allowed in this context" => {
            "put quotes around a text that has a colon and a space in it, and indent the keys of a mapping alike"
        }
        "could not find expected ':'" => "write `key: value`",
        "did not find expected key" => "indent the keys of a mapping alike",
        "did not find expected '-' indicator" => "indent the items of a list alike, each starting with `- `",
        "found unexpected end of stream" => "close the quote or bracket",
        "did not find expected ',' or ']'" => "close the list with ]",
        "did not find expected ',' or '}'" => "close the mapping with }",
        _ => "correct the YAML here",
    };
    let message = match error.context().zip(error.context_mark()) {
        Some((context, mark)) => {
            format!("this is not YAML: {} {context} that starts at {}", error.problem(), position(start, mark))
        }
        None => format!("this is not YAML: {}", error.problem()),
    };
    problem(Rule::Syntax, message, hint).at(place)
}

/// Refuses texts with many directives (`%TAG`): the parser compares each with all before it.
fn few_directives(text: &str, start: Position) -> Result<(), Problem> {
    const MOST: usize = 16;
    const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut lines = text.split(BREAKS).filter(|line| line.starts_with('%'));
    match lines.nth(MOST) {
        None => Ok(()),
        Some(_) => {
            let message = format!("more than {MOST} lines start with `%`");
            Err(problem(Rule::Syntax, message, "leave the directives out, and indent other lines").at(start))
        }
    }
}
