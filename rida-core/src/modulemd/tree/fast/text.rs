//! Plain, quoted and block texts.

use std::borrow::Cow;

use super::Reader;

/// Where a plain text on one line ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// At a colon that makes it a key.
    Colon,
    /// At a comment.
    Comment,
    /// With the line.
    Line,
}

impl<'t> Reader<'t, '_> {
    pub(super) fn is_plain_start(&self, pos: usize) -> bool {
        match self.at(pos) {
            None => false,
            Some(b'-') => !self.is_blank_or_end(pos + 1) && self.at(pos + 1) != Some(b'\t'),
            Some(byte) => !b"?:,[]{}#&*!|>'\"%@` \t\n".contains(&byte),
        }
    }

    /// Finds the end of a plain text on its line, without the blanks behind it.
    pub(super) fn plain_line(&self, start: usize) -> Option<(usize, Stop)> {
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
    pub(super) fn plain(&mut self, parent: isize, start: usize, end: usize, stop: Stop) -> Option<()> {
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
    pub(super) fn quoted(&mut self) -> Option<Cow<'t, str>> {
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
    pub(super) fn block_text(&mut self, parent: isize) -> Option<()> {
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
}
