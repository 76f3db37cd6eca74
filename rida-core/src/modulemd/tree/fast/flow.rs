//! Lists and mappings in brackets.

use std::borrow::Cow;

use super::{FlatKind, LONGEST_KEY, Reader};

impl<'t> Reader<'t, '_> {
    /// Reads a list or mapping in brackets, and stops behind it.
    pub(super) fn flow(&mut self) -> Option<()> {
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
