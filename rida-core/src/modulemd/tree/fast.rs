//! Reads the part of YAML that modulemd is written in, fast, and leaves the rest to the complete parser.
//!
//! Everything here is a plain subset: block mappings and lists, flow ones without surprises, plain texts, quoted texts
//! and block texts. At the first thing outside of it — an anchor, a tag, a tab where it could matter, any error — `read`
//! gives up without a verdict, and the complete parser reads the text from the start. So this reader has to agree with
//! that one only where it answers, which a fuzz target and a test over all fixtures hold against it.

mod flow;
mod text;

use std::borrow::Cow;

use self::text::Stop;
use super::{Flat, FlatKind};
use crate::modulemd::options::Limits;

/// The longest text of a key that is read here. YAML gives up looking for the colon after 1024 characters.
const LONGEST_KEY: usize = 1000;

/// Reads the only document of a text, or says nothing about it.
pub(super) fn read<'t>(text: &'t str, limits: &Limits) -> Option<Vec<Flat<'t>>> {
    if u32::try_from(text.len()).is_err() || !is_ordinary(text) {
        return None;
    }
    let mut reader = Reader {
        text,
        bytes: text.as_bytes(),
        pos: 0,
        // -1 is the end of the document.
        column: -1,
        nodes: Vec::with_capacity((text.len() / 24).min(limits.nodes)),
        depth: 0,
        limits,
    };
    reader.document()?;
    Some(reader.nodes)
}

/// Tells whether a text has only characters that need no thought, and lines that end with a line feed.
fn is_ordinary(text: &str) -> bool {
    let (mut odd, mut beyond_ascii) = (false, false);
    for byte in text.bytes() {
        odd |= (byte < 0x20 && byte != b'\n' && byte != b'\t') || byte == 0x7f;
        beyond_ascii |= byte >= 0x80;
    }
    let printable = |character: char| {
        !matches!(character, '\u{80}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
    };
    !odd && (!beyond_ascii || text.chars().all(printable))
}

struct Reader<'t, 'l> {
    text: &'t str,
    bytes: &'t [u8],
    pos: usize,
    /// The column of what is at `pos`, once a new line was begun.
    column: isize,
    nodes: Vec<Flat<'t>>,
    depth: usize,
    limits: &'l Limits,
}

impl<'t> Reader<'t, '_> {
    fn at(&self, pos: usize) -> Option<u8> {
        self.bytes.get(pos).copied()
    }

    fn slice(&self, from: usize, to: usize) -> Option<&'t str> {
        self.text.get(from..to)
    }

    fn is_blank_or_end(&self, pos: usize) -> bool {
        matches!(self.at(pos), None | Some(b' ' | b'\n'))
    }

    /// Tells whether a line starts with `---` or `...`, whatever follows.
    fn is_marker(&self, line: usize) -> bool {
        self.bytes.get(line..).is_some_and(|rest| rest.starts_with(b"---") || rest.starts_with(b"..."))
    }

    fn document(&mut self) -> Option<()> {
        self.next_line()?;
        if self.column < 0 && self.bytes.get(self.pos..)?.starts_with(b"---") {
            self.pos += 3;
            self.end_line()?;
        }
        let column = self.column;
        if column < 0 {
            return None;
        }
        self.block(-1, column)?;
        if self.column >= 0 {
            return None;
        }
        let rest = self.bytes.get(self.pos..)?;
        let rest = rest.strip_prefix(b"...").unwrap_or(rest);
        rest.iter().all(|byte| matches!(byte, b' ' | b'\n')).then_some(())
    }

    /// Goes from the start of a line to the next thing that is neither blank nor a comment.
    fn next_line(&mut self) -> Option<()> {
        loop {
            let line = self.pos;
            let mut pos = line;
            while self.at(pos) == Some(b' ') {
                pos += 1;
            }
            match self.at(pos) {
                None => {
                    (self.pos, self.column) = (pos, -1);
                    return Some(());
                }
                Some(b'\n') => self.pos = pos + 1,
                Some(b'#') => self.pos = self.line_end(pos) + 1,
                Some(b'\t') => return None,
                Some(b'-' | b'.' | b'%') if pos == line && (self.at(pos) == Some(b'%') || self.is_marker(pos)) => {
                    (self.pos, self.column) = (pos, -1);
                    return (self.at(pos) != Some(b'%')).then_some(());
                }
                Some(_) => {
                    (self.pos, self.column) = (pos, isize::try_from(pos - line).ok()?);
                    return Some(());
                }
            }
            if self.pos > self.bytes.len() {
                self.pos = self.bytes.len();
            }
        }
    }

    fn line_end(&self, from: usize) -> usize {
        let rest = self.bytes.get(from..).unwrap_or_default();
        from + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())
    }

    /// Goes from the end of a value to what follows it: nothing but a comment may be left on the line.
    fn end_line(&mut self) -> Option<()> {
        let from = self.pos;
        while self.at(self.pos) == Some(b' ') {
            self.pos += 1;
        }
        match self.at(self.pos) {
            None => {}
            Some(b'\n') => self.pos += 1,
            Some(b'#') if self.pos > from => self.pos = (self.line_end(self.pos) + 1).min(self.bytes.len()),
            Some(_) => return None,
        }
        self.next_line()
    }

    fn push(&mut self, at: usize, kind: FlatKind<'t>) -> Option<usize> {
        let index = self.nodes.len();
        if index >= self.limits.nodes {
            return None;
        }
        let end = u32::try_from(index + 1).ok()?;
        self.nodes.push(Flat { at: u32::try_from(at).ok()?, end, kind });
        Some(index)
    }

    fn open(&mut self, at: usize, kind: FlatKind<'t>) -> Option<usize> {
        if self.depth >= self.limits.depth {
            return None;
        }
        self.depth += 1;
        self.push(at, kind)
    }

    fn close(&mut self, index: usize) -> Option<()> {
        self.depth -= 1;
        let end = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.get_mut(index)?.end = end;
        Some(())
    }

    fn scalar(&mut self, at: usize, text: impl Into<Cow<'t, str>>) -> Option<()> {
        self.push(at, FlatKind::Scalar(text.into())).map(|_| ())
    }

    /// Reads what starts here, on a line of its own or after a dash; `parent` is the column of what it is in.
    fn block(&mut self, parent: isize, column: isize) -> Option<()> {
        let start = self.pos;
        match self.at(start)? {
            b'-' if self.is_blank_or_end(start + 1) => self.list(column, false),
            b'"' | b'\'' => {
                let text = self.quoted()?;
                if self.at(self.pos) == Some(b':') && self.is_blank_or_end(self.pos + 1) {
                    return self.mapping(column, start, text);
                }
                self.scalar(start, text)?;
                self.end_line()
            }
            _ => {
                if !self.is_plain_start(start) {
                    return self.value_of(parent);
                }
                let (end, stop) = self.plain_line(start)?;
                if stop == Stop::Colon {
                    self.pos = end;
                    return self.mapping(column, start, Cow::Borrowed(self.slice(start, end)?));
                }
                self.plain(parent, start, end, stop)
            }
        }
    }

    /// Reads a mapping whose keys are in that column; the first one is read already, up to its colon.
    fn mapping(&mut self, column: isize, start: usize, key: Cow<'t, str>) -> Option<()> {
        let mapping = self.open(start, FlatKind::Map)?;
        let mut next = Some((start, key));
        loop {
            let (at, key) = match next.take() {
                Some(first) => first,
                None => self.key()?,
            };
            if key.len() > LONGEST_KEY || self.at(self.pos) != Some(b':') {
                return None;
            }
            self.scalar(at, key)?;
            self.pos += 1;
            self.value(column)?;
            if self.column != column {
                break;
            }
        }
        (self.column < column).then_some(())?;
        self.close(mapping)
    }

    fn key(&mut self) -> Option<(usize, Cow<'t, str>)> {
        let start = self.pos;
        if matches!(self.at(start)?, b'"' | b'\'') {
            let key = self.quoted()?;
            return self.is_blank_or_end(self.pos + 1).then_some((start, key));
        }
        if !self.is_plain_start(start) {
            return None;
        }
        let (end, stop) = self.plain_line(start)?;
        self.pos = end;
        (stop == Stop::Colon).then_some(())?;
        Some((start, Cow::Borrowed(self.slice(start, end)?)))
    }

    /// Reads the value of a key, from behind its colon.
    fn value(&mut self, column: isize) -> Option<()> {
        let colon = self.pos;
        while self.at(self.pos) == Some(b' ') {
            self.pos += 1;
        }
        match self.at(self.pos) {
            None | Some(b'\n' | b'#') => {
                self.pos = colon;
                self.end_line()?;
                if self.column > column {
                    self.block(column, self.column)
                } else if self.column == column && self.is_dash() {
                    self.list(column, true)
                } else {
                    self.scalar(colon, "")
                }
            }
            Some(_) => self.value_of(column),
        }
    }

    fn is_dash(&self) -> bool {
        self.at(self.pos) == Some(b'-') && self.is_blank_or_end(self.pos + 1)
    }

    /// Reads a list whose dashes are in that column, which may be that of the mapping around it (`compact`).
    fn list(&mut self, column: isize, compact: bool) -> Option<()> {
        let list = self.open(self.pos, FlatKind::List)?;
        loop {
            let dash = self.pos;
            let mut pos = dash + 1;
            while self.at(pos) == Some(b' ') {
                pos += 1;
            }
            match self.at(pos) {
                None | Some(b'\n' | b'#') => {
                    self.pos = dash + 1;
                    self.end_line()?;
                    if self.column > column {
                        self.block(column, self.column)?;
                    } else {
                        self.scalar(dash + 1, "")?;
                    }
                }
                Some(_) => {
                    self.pos = pos;
                    self.block(column, column + isize::try_from(pos - dash).ok()?)?;
                }
            }
            if self.column != column || !self.is_dash() {
                break;
            }
        }
        (self.column < column || (compact && self.column == column)).then_some(())?;
        self.close(list)
    }

    /// Reads a value that is no block mapping or list.
    fn value_of(&mut self, parent: isize) -> Option<()> {
        let start = self.pos;
        match self.at(start)? {
            b'"' | b'\'' => {
                let text = self.quoted()?;
                self.scalar(start, text)?;
                self.end_line()
            }
            b'[' | b'{' => {
                self.flow()?;
                self.end_line()
            }
            b'|' | b'>' => self.block_text(parent),
            _ => {
                self.is_plain_start(start).then_some(())?;
                let (end, stop) = self.plain_line(start)?;
                (stop != Stop::Colon).then_some(())?;
                self.plain(parent, start, end, stop)
            }
        }
    }

    fn line_start(&self, pos: usize) -> usize {
        let before = self.bytes.get(..pos).unwrap_or_default();
        before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1)
    }

    fn line_column(&self) -> usize {
        self.pos - self.line_start(self.pos)
    }
}
