//! The document as written: a tree of raw texts with their places.
//!
//! Scalars keep the text that is in the document: nothing decides that `5.30` is a number or `no` a boolean.
//! The tree is built event by event, so that a hostile text is refused as soon as it breaks a limit.

use std::borrow::Cow;

use libyaml_safer::{Event, EventData, Mark, Parser};

use super::options::Limits;
use super::problem::{Collector, FieldPath, Position, Problem, Shown};
use super::rule::Rule;

/// A node of the document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    pub(crate) position: Position,
    pub(crate) kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(Node, Node)>),
    /// An alias, which has been reported already.
    Refused,
}

impl Node {
    /// Returns the text of a scalar.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            Kind::List(_) | Kind::Map(_) | Kind::Refused => None,
        }
    }

    /// Makes a mapping without entries.
    pub(crate) fn empty(position: Position) -> Self {
        Self { position, kind: Kind::Map(Vec::new()) }
    }

    /// Takes the first value of that key.
    pub(crate) fn into_value(self, key: &str) -> Option<Self> {
        match self.kind {
            Kind::Map(entries) => {
                entries.into_iter().find(|(name, _)| name.as_text() == Some(key)).map(|(_, value)| value)
            }
            Kind::Scalar(_) | Kind::List(_) | Kind::Refused => None,
        }
    }

    /// Returns the first value of that key.
    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, value)| value)
    }

    fn entry(&self, key: &str) -> Option<&(Node, Node)> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(name, _)| name.as_text() == Some(key)),
            Kind::Scalar(_) | Kind::List(_) | Kind::Refused => None,
        }
    }

    /// Returns the place of the field that a path leads to, or of the nearest field before it.
    pub(crate) fn locate(&self, path: &[String]) -> Position {
        let mut position = self.position;
        let mut node = self;
        for segment in path {
            let next = match &node.kind {
                Kind::Map(_) => node.entry(segment).map(|(key, value)| {
                    let at = if matches!(value.kind, Kind::Scalar(_)) { value.position } else { key.position };
                    (at, value)
                }),
                Kind::List(items) => {
                    let by_text = items.iter().find(|item| item.as_text() == Some(segment));
                    let item = by_text.or_else(|| items.get(segment.parse::<usize>().ok()?));
                    item.map(|item| (item.position, item))
                }
                Kind::Scalar(_) | Kind::Refused => None,
            };
            // A v1 document has no list of dependencies; the path of its v2 form names an item of one.
            if let Some((at, next)) = next {
                position = at;
                node = next;
            }
        }
        position
    }
}

/// A container whose end has not come yet.
enum Open {
    List { position: Position, items: Vec<Node> },
    Map { position: Position, entries: Vec<(Node, Node)>, key: Option<Node> },
}

/// Reads one document. What is wrong goes to `problems`; without a tree, nothing more can be said.
pub(crate) fn read(bytes: &[u8], limits: &Limits, problems: &mut Collector) -> Option<Node> {
    match Builder::new(limits, problems).build(bytes) {
        Ok(root) => Some(root),
        Err(problem) => {
            problems.push(problem);
            None
        }
    }
}

struct Builder<'a> {
    limits: &'a Limits,
    problems: &'a mut Collector,
    open: Vec<Open>,
    root: Option<Node>,
    nodes: usize,
}

impl<'a> Builder<'a> {
    fn new(limits: &'a Limits, problems: &'a mut Collector) -> Self {
        Self { limits, problems, open: Vec::new(), root: None, nodes: 0 }
    }

    fn build(mut self, bytes: &[u8]) -> Result<Node, Problem> {
        if bytes.len() > self.limits.bytes {
            let message = format!("the document has {} bytes, more than {}", bytes.len(), self.limits.bytes);
            return Err(problem(Rule::TooLarge, message, "make it smaller").at(START));
        }
        let mut text = decode(bytes)?;
        if !text.ends_with('\n') {
            // The parser panics when the text ends within a line of a block scalar.
            text.to_mut().push('\n');
        }
        few_directives(&text)?;
        let mut parser = Parser::new();
        parser.set_input(text.as_bytes());
        let mut documents = 0_usize;
        loop {
            let event = parser.parse().map_err(|error| syntax(&text, &error))?;
            match event.data {
                EventData::StreamEnd => break,
                EventData::DocumentStart { .. } => {
                    documents += 1;
                    if documents > 1 {
                        let message = "a second document starts here";
                        let hint = "write one document, and each further one in a file of its own";
                        return Err(problem(Rule::OneDocument, message, hint).at(position(event.start_mark)));
                    }
                }
                _ => self.take(event)?,
            }
        }
        self.root.ok_or_else(|| {
            let hint = "write a mapping with the keys document, version and data";
            problem(Rule::Envelope, "there is no document in the text", hint).at(START)
        })
    }

    fn take(&mut self, event: Event) -> Result<(), Problem> {
        let at = position(event.start_mark);
        match event.data {
            EventData::Scalar { value, .. } => self.add(Node { position: at, kind: Kind::Scalar(value) }),
            EventData::Alias { anchor } => {
                let message = format!("`*{}` refers to another part of the document", Shown(&anchor));
                self.problems.push(problem(Rule::Alias, message, "write the value out here").at(at));
                self.add(Node { position: at, kind: Kind::Refused })
            }
            EventData::SequenceStart { .. } => self.open(at, Open::List { position: at, items: Vec::new() }),
            EventData::MappingStart { .. } => self.open(at, Open::Map { position: at, entries: Vec::new(), key: None }),
            EventData::SequenceEnd | EventData::MappingEnd => match self.open.pop() {
                Some(Open::List { position, items }) => self.add(Node { position, kind: Kind::List(items) }),
                Some(Open::Map { position, entries, .. }) => self.add(Node { position, kind: Kind::Map(entries) }),
                None => Ok(()),
            },
            EventData::StreamStart { .. }
            | EventData::StreamEnd
            | EventData::DocumentStart { .. }
            | EventData::DocumentEnd { .. } => Ok(()),
        }
    }

    fn open(&mut self, at: Position, open: Open) -> Result<(), Problem> {
        if self.open.len() >= self.limits.depth {
            let message = format!("more than {} mappings and lists are nested", self.limits.depth);
            return Err(problem(Rule::TooDeep, message, "nest them less deeply").at(at));
        }
        self.open.push(open);
        Ok(())
    }

    fn add(&mut self, node: Node) -> Result<(), Problem> {
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let message = format!("the document has more than {} keys, values and list items", self.limits.nodes);
            return Err(problem(Rule::TooManyNodes, message, "make it smaller").at(node.position));
        }
        match self.open.last_mut() {
            None => self.root = Some(node),
            Some(Open::List { items, .. }) => items.push(node),
            Some(Open::Map { entries, key, .. }) => match key.take() {
                None => *key = Some(node),
                Some(key) => entries.push((key, node)),
            },
        }
        Ok(())
    }
}

/// Where a text starts.
pub(crate) const START: Position = Position { line: 1, column: 1 };

fn problem(rule: Rule, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem::new(rule, FieldPath::default(), message, hint)
}

fn position(mark: Mark) -> Position {
    // A text within the limits has fewer lines than would overflow.
    let count = |number: u64| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
    Position { line: count(mark.line), column: count(mark.column) }
}

/// Puts the parser's error into words for who wrote the text.
fn syntax(text: &str, error: &libyaml_safer::Error) -> Problem {
    let Some(mark) = error.problem_mark() else {
        return refused_character(text, error);
    };
    let place = position(mark);
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
            format!("this is not YAML: {} {context} that starts at {}", error.problem(), position(mark))
        }
        None => format!("this is not YAML: {}", error.problem()),
    };
    problem(Rule::Syntax, message, hint).at(place)
}

/// Finds the place of a character that the parser refused without telling where.
fn refused_character(text: &str, error: &libyaml_safer::Error) -> Problem {
    let Some((index, character)) = text.char_indices().find(|(_, character)| is_refused(*character)) else {
        return problem(Rule::Encoding, error.problem(), ENCODING_HINT).at(START);
    };
    let message = format!("the character U+{:04X} may not be in a document", u32::from(character));
    problem(Rule::Encoding, message, ENCODING_HINT).at(place_after(text.get(..index).unwrap_or_default()))
}

/// The characters that YAML keeps out of a text.
fn is_refused(character: char) -> bool {
    match character {
        '\t' | '\n' | '\r' | '\u{85}' => false,
        '\u{fffe}' | '\u{ffff}' => true,
        _ => character.is_control(),
    }
}

const ENCODING_HINT: &str = "save the file as UTF-8, without control characters";

/// Makes text of the bytes: UTF-8, or UTF-16 when a byte order mark says so.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Problem> {
    let units = |from: fn([u8; 2]) -> u16| {
        let pairs = bytes.get(2..).unwrap_or_default().as_chunks::<2>();
        let text: Option<String> = char::decode_utf16(pairs.0.iter().copied().map(from)).map(Result::ok).collect();
        let text = text.filter(|_| pairs.1.is_empty()).map(Cow::Owned);
        text.ok_or_else(|| {
            problem(Rule::Encoding, "the text is not the UTF-16 that it starts as", ENCODING_HINT).at(START)
        })
    };
    match bytes {
        [0xfe, 0xff, ..] => units(u16::from_be_bytes),
        [0xff, 0xfe, ..] => units(u16::from_le_bytes),
        _ => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|error| {
            let good = bytes.get(..error.valid_up_to()).unwrap_or_default();
            let byte = bytes.get(error.valid_up_to()).copied().unwrap_or_default();
            let message = format!("the byte 0x{byte:02x} is not UTF-8");
            problem(Rule::Encoding, message, ENCODING_HINT).at(place_after(&String::from_utf8_lossy(good)))
        }),
    }
}

/// Refuses texts with many directives (`%TAG`): the parser compares each with all before it.
fn few_directives(text: &str) -> Result<(), Problem> {
    const MOST: usize = 16;
    const BREAKS: [char; 5] = ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'];
    let mut lines = text.split(BREAKS).filter(|line| line.starts_with('%'));
    match lines.nth(MOST) {
        None => Ok(()),
        Some(_) => {
            let message = format!("more than {MOST} lines start with `%`");
            Err(problem(Rule::Syntax, message, "leave the directives out, and indent other lines").at(START))
        }
    }
}

/// Returns the place of what follows a text.
fn place_after(text: &str) -> Position {
    let line = text.matches('\n').count();
    let column = text.rsplit('\n').next().map_or(0, |last| last.chars().count());
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX).saturating_add(1);
    Position { line: count(line), column: count(column) }
}
