//! Reads the part of YAML that modulemd is written in, fast, and leaves the rest to the complete parser.
//!
//! Everything here is a plain subset: block mappings and lists, flow ones without surprises, plain texts, quoted texts
//! and block texts. At the first thing outside of it — an anchor, a tag, a tab where it could matter, any error — `read`
//! gives up without a verdict, and the complete parser reads the text from the start. So this reader has to agree with
//! that one only where it answers, which a fuzz target and a test over all fixtures hold against it.

use std::borrow::Cow;

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

/// Where a plain text on one line ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// At a colon that makes it a key.
    Colon,
    /// At a comment.
    Comment,
    /// With the line.
    Line,
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

    fn is_plain_start(&self, pos: usize) -> bool {
        match self.at(pos) {
            None => false,
            Some(b'-') => !self.is_blank_or_end(pos + 1) && self.at(pos + 1) != Some(b'\t'),
            Some(byte) => !b"?:,[]{}#&*!|>'\"%@` \t\n".contains(&byte),
        }
    }

    /// Finds the end of a plain text on its line, without the blanks behind it.
    fn plain_line(&self, start: usize) -> Option<(usize, Stop)> {
        let mut pos = start;
        let stop = loop {
            match self.at(pos) {
                None | Some(b'\n') => break Stop::Line,
                Some(b':') if self.is_blank_or_end(pos + 1) => {
                    // A blank before the colon is for the complete parser.
                    return (self.at(pos.wrapping_sub(1)) != Some(b' ')).then_some((pos, Stop::Colon));
                }
                Some(b'#') if self.at(pos.wrapping_sub(1)) == Some(b' ') => break Stop::Comment,
                Some(b'\t') => return None,
                Some(_) => pos += 1,
            }
        };
        while pos > start && self.at(pos - 1) == Some(b' ') {
            pos -= 1;
        }
        Some((pos, stop))
    }

    /// Reads a plain text whose first line is known, with the lines that continue it.
    fn plain(&mut self, parent: isize, start: usize, end: usize, stop: Stop) -> Option<()> {
        self.pos = end;
        let mut text = Cow::Borrowed(self.slice(start, end)?);
        let mut stop = stop;
        while stop == Stop::Line {
            self.pos = self.line_end(self.pos);
            let mut breaks = 0_usize;
            let mut line = self.pos;
            let mut pos = self.pos;
            while self.at(pos) == Some(b'\n') {
                breaks += 1;
                line = pos + 1;
                pos = line;
                while self.at(pos) == Some(b' ') {
                    pos += 1;
                }
            }
            let column = isize::try_from(pos - line).ok()?;
            let continues = match self.at(pos) {
                None | Some(b'#') => false,
                Some(b'\t') => return None,
                Some(_) => column > parent && !(column == 0 && self.is_marker(line)),
            };
            if !continues {
                break;
            }
            let (end, next) = self.plain_line(pos)?;
            (next != Stop::Colon).then_some(())?;
            let owned = text.to_mut();
            if breaks > 1 {
                owned.extend(std::iter::repeat_n('\n', breaks - 1));
            } else {
                owned.push(' ');
            }
            owned.push_str(self.slice(pos, end)?);
            self.pos = end;
            stop = next;
        }
        self.scalar(start, text)?;
        self.end_line()?;
        // What is deeper than the text's own place is an error that the complete parser explains.
        (self.column <= parent).then_some(())
    }

    /// Reads a quoted text, and stops behind it.
    fn quoted(&mut self) -> Option<Cow<'t, str>> {
        let quote = self.at(self.pos)?;
        let start = self.pos + 1;
        let mut pos = start;
        loop {
            match self.at(pos)? {
                b'\n' | b'\\' | b'\t' => break,
                byte if byte == quote => {
                    if quote == b'\'' && self.at(pos + 1) == Some(b'\'') {
                        break;
                    }
                    self.pos = pos + 1;
                    return self.slice(start, pos).map(Cow::Borrowed);
                }
                _ => pos += 1,
            }
        }
        let text = self.long_quoted(quote, start, pos)?;
        // Keys are on one line.
        (self.at(self.pos) != Some(b':')).then_some(Cow::Owned(text))
    }

    /// Reads a quoted text that has escapes or several lines, from `pos` on.
    fn long_quoted(&mut self, quote: u8, start: usize, mut pos: usize) -> Option<String> {
        let mut text = String::from(self.slice(start, pos)?);
        let mut from = pos;
        // What escapes wrote is no blank that the end of a line drops.
        let mut kept = 0;
        loop {
            match self.at(pos)? {
                b'\t' => return None,
                b'\n' => {
                    text.push_str(self.slice(from, pos)?);
                    text.truncate(text.trim_end_matches(' ').len().max(kept));
                    let breaks = self.blank_lines(&mut pos)?;
                    if breaks > 1 {
                        text.extend(std::iter::repeat_n('\n', breaks - 1));
                    } else {
                        text.push(' ');
                    }
                    (from, kept) = (pos, text.len());
                }
                b'\\' if quote == b'"' => {
                    text.push_str(self.slice(from, pos)?);
                    pos += 2;
                    match self.at(pos - 1)? {
                        byte @ (b'"' | b'\\' | b' ' | b'/') => text.push(char::from(byte)),
                        b'n' => text.push('\n'),
                        b't' => text.push('\t'),
                        b'\n' => {
                            // The line goes on; what was left empty in between counts.
                            pos -= 1;
                            let breaks = self.blank_lines(&mut pos)?;
                            text.extend(std::iter::repeat_n('\n', breaks - 1));
                        }
                        _ => return None,
                    }
                    (from, kept) = (pos, text.len());
                }
                b'\'' if quote == b'\'' && self.at(pos + 1) == Some(b'\'') => {
                    text.push_str(self.slice(from, pos + 1)?);
                    pos += 2;
                    (from, kept) = (pos, text.len());
                }
                byte if byte == quote => {
                    text.push_str(self.slice(from, pos)?);
                    self.pos = pos + 1;
                    return Some(text);
                }
                _ => pos += 1,
            }
        }
    }

    /// Skips line ends and indentation within quotes; returns the number of line ends.
    fn blank_lines(&self, pos: &mut usize) -> Option<usize> {
        let mut breaks = 0;
        while self.at(*pos)? == b'\n' {
            breaks += 1;
            *pos += 1;
            if self.is_marker(*pos) {
                return None;
            }
            while self.at(*pos)? == b' ' {
                *pos += 1;
            }
        }
        Some(breaks)
    }

    /// Reads a text that starts with `|` or `>`.
    fn block_text(&mut self, parent: isize) -> Option<()> {
        let start = self.pos;
        let literal = self.at(start)? == b'|';
        self.pos += 1;
        let keep = match self.at(self.pos) {
            Some(b'-') => Some(false),
            Some(b'+') => Some(true),
            _ => None,
        };
        self.pos += usize::from(keep.is_some());
        // An indentation indicator is for the complete parser.
        (self.is_blank_or_end(self.pos)).then_some(())?;
        let header = self.pos;
        while self.at(self.pos) == Some(b' ') {
            self.pos += 1;
        }
        match self.at(self.pos) {
            None => {}
            Some(b'\n') => self.pos += 1,
            Some(b'#') if self.pos > header => self.pos = (self.line_end(self.pos) + 1).min(self.bytes.len()),
            Some(_) => return None,
        }
        let least = usize::try_from(parent + 1).ok()?.max(1);
        let (mut breaks, seen) = self.breaks(None)?;
        let indent = seen.max(least);
        let mut text = String::new();
        let (mut leading_break, mut leading_blank) = (false, false);
        while self.line_column() == indent && self.at(self.pos).is_some() {
            let blank = matches!(self.at(self.pos), Some(b' ' | b'\t'));
            if !literal && leading_break && !leading_blank && !blank {
                if breaks == 0 {
                    text.push(' ');
                }
            } else if leading_break {
                text.push('\n');
            }
            text.extend(std::iter::repeat_n('\n', breaks));
            leading_blank = blank;
            let end = self.line_end(self.pos);
            text.push_str(self.slice(self.pos, end)?);
            leading_break = self.at(end).is_some();
            self.pos = if leading_break { end + 1 } else { end };
            (breaks, _) = self.breaks(Some(indent))?;
        }
        if keep != Some(false) && leading_break {
            text.push('\n');
        }
        if keep == Some(true) {
            text.extend(std::iter::repeat_n('\n', breaks));
        }
        self.scalar(start, text)?;
        if self.at(self.pos).is_some() {
            self.pos = self.line_start(self.pos);
            self.next_line()?;
        } else {
            self.column = -1;
        }
        (self.column <= parent).then_some(())
    }

    /// Skips indentation and empty lines; returns the number of these, and the indentation that was seen.
    fn breaks(&mut self, indent: Option<usize>) -> Option<(usize, usize)> {
        let (mut breaks, mut most) = (0, 0);
        loop {
            let line = self.pos;
            let within = |pos: usize| indent.is_none_or(|indent| pos - line < indent);
            while within(self.pos) && self.at(self.pos) == Some(b' ') {
                self.pos += 1;
            }
            most = most.max(self.pos - line);
            match self.at(self.pos) {
                Some(b'\t') if within(self.pos) => return None,
                Some(b'\n') => {
                    breaks += 1;
                    self.pos += 1;
                }
                Some(_) | None => return Some((breaks, most)),
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

    /// Reads a list or mapping in brackets, and stops behind it.
    fn flow(&mut self) -> Option<()> {
        let start = self.pos;
        let is_list = self.at(start)? == b'[';
        let (kind, closing) = if is_list { (FlatKind::List, b']') } else { (FlatKind::Map, b'}') };
        let flow = self.open(start, kind)?;
        self.pos += 1;
        loop {
            self.flow_blanks()?;
            if self.at(self.pos)? == closing {
                break;
            }
            if is_list {
                self.flow_value()?;
            } else {
                self.flow_entry()?;
            }
            self.flow_blanks()?;
            match self.at(self.pos)? {
                b',' => self.pos += 1,
                byte if byte == closing => break,
                _ => return None,
            }
        }
        self.pos += 1;
        self.close(flow)
    }

    fn flow_blanks(&mut self) -> Option<()> {
        loop {
            match self.at(self.pos)? {
                b' ' => self.pos += 1,
                b'\n' => {
                    self.pos += 1;
                    if self.is_marker(self.pos) {
                        return None;
                    }
                }
                b'\t' | b'#' => return None,
                _ => return Some(()),
            }
        }
    }

    fn flow_value(&mut self) -> Option<()> {
        let start = self.pos;
        match self.at(start)? {
            b'[' | b'{' => self.flow(),
            b'"' | b'\'' => {
                let text = self.quoted()?;
                self.scalar(start, text)
            }
            _ => {
                let text = self.flow_plain()?;
                self.scalar(start, text)
            }
        }
    }

    fn flow_entry(&mut self) -> Option<()> {
        let start = self.pos;
        let key = match self.at(start)? {
            b'"' | b'\'' => self.quoted()?,
            _ => Cow::Borrowed(self.flow_plain()?),
        };
        let short = key.len() <= LONGEST_KEY;
        (short && self.at(self.pos)? == b':' && self.is_blank_or_end(self.pos + 1)).then_some(())?;
        self.scalar(start, key)?;
        self.pos += 1;
        self.flow_blanks()?;
        match self.at(self.pos)? {
            b',' | b'}' => self.scalar(self.pos, ""),
            _ => self.flow_value(),
        }
    }

    /// Reads a plain text on one line in brackets.
    fn flow_plain(&mut self) -> Option<&'t str> {
        let start = self.pos;
        let follows = self.at(start + 1).unwrap_or_default();
        if !self.is_plain_start(start) || (self.at(start) == Some(b'-') && b",[]{}".contains(&follows)) {
            return None;
        }
        let mut pos = start;
        loop {
            match self.at(pos)? {
                b'\n' | b',' | b']' | b'}' => break,
                b'[' | b'{' | b'?' | b'\t' => return None,
                b':' if self.is_blank_or_end(pos + 1) => {
                    if self.at(pos - 1) == Some(b' ') {
                        return None;
                    }
                    break;
                }
                b':' if b",?[]{}\t".contains(&self.at(pos + 1)?) => return None,
                b'#' if self.at(pos - 1) == Some(b' ') => return None,
                _ => pos += 1,
            }
        }
        self.pos = pos;
        Some(self.slice(start, pos)?.trim_end_matches(' '))
    }
}
