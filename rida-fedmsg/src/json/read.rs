//! Reading, as Python's `json.loads` does, within limits.

use std::collections::BTreeMap;

use super::{Json, JsonLimits, Text};

/// The most digits that Python makes an integer of.
const INTEGER_DIGITS: usize = 4300;

/// What was read is not JSON, or too much.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct JsonError {
    what: &'static str,
    at: usize,
}

pub(super) fn read(bytes: &[u8], limits: JsonLimits) -> Result<Json, JsonError> {
    if bytes.len() > limits.bytes {
        return Err(JsonError { what: "too many bytes", at: limits.bytes });
    }
    if let Err(error) = std::str::from_utf8(bytes) {
        return Err(JsonError { what: "no UTF-8", at: error.valid_up_to() });
    }
    let mut reader = Reader { bytes, at: 0, values: limits.values };
    let value = reader.value(limits.depth)?;
    reader.space();
    if reader.at < bytes.len() { Err(reader.error("more after the value")) } else { Ok(value) }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    /// How many more values may come.
    values: usize,
}

impl Reader<'_> {
    fn error(&self, what: &'static str) -> JsonError {
        JsonError { what, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let found = rest.starts_with(word.as_bytes());
        if found {
            self.at += word.len();
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.values = self.values.checked_sub(1).ok_or_else(|| self.error("too many values"))?;
        self.space();
        let Some(first) = self.peek() else { return Err(self.error("the end where a value should be")) };
        let deeper = depth.checked_sub(1);
        match first {
            b'"' => Ok(Json::Text(self.text()?)),
            b'[' => self.list(deeper.ok_or_else(|| self.error("too deep"))?),
            b'{' => self.object(deeper.ok_or_else(|| self.error("too deep"))?),
            b'-' | b'0'..=b'9' if !self.bytes.get(self.at..).unwrap_or_default().starts_with(b"-I") => self.number(),
            _ => {
                let words = [
                    ("null", Json::Null),
                    ("true", Json::Bool(true)),
                    ("false", Json::Bool(false)),
                    ("NaN", Json::Float(f64::NAN)),
                    ("Infinity", Json::Float(f64::INFINITY)),
                    ("-Infinity", Json::Float(f64::NEG_INFINITY)),
                ];
                let found = words.into_iter().find(|(word, _)| self.take(word));
                found.map(|(_, value)| value).ok_or_else(|| self.error("no value"))
            }
        }
    }

    fn list(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut list = Vec::new();
        self.space();
        if self.take("]") {
            return Ok(Json::List(list));
        }
        loop {
            list.push(self.value(depth)?);
            self.space();
            if self.take("]") {
                return Ok(Json::List(list));
            }
            if !self.take(",") {
                return Err(self.error("neither a comma nor the end of a list"));
            }
        }
    }

    fn object(&mut self, depth: usize) -> Result<Json, JsonError> {
        self.at += 1;
        let mut object = BTreeMap::new();
        self.space();
        if self.take("}") {
            return Ok(Json::Object(object));
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err(self.error("no key"));
            }
            let key = self.text()?;
            self.space();
            if !self.take(":") {
                return Err(self.error("no colon after a key"));
            }
            let value = self.value(depth)?;
            object.insert(key, value);
            self.space();
            if self.take("}") {
                return Ok(Json::Object(object));
            }
            if !self.take(",") {
                return Err(self.error("neither a comma nor the end of an object"));
            }
        }
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    fn number(&mut self) -> Result<Json, JsonError> {
        let start = self.at;
        self.take("-");
        let integer = if self.take("0") { 1 } else { self.digits() };
        if integer == 0 {
            return Err(self.error("no digit"));
        }
        let end = self.at;
        let fraction = if self.take(".") { self.digits() } else { 0 };
        if fraction == 0 {
            // As Python does: what follows the number is not a part of it.
            self.at = end;
        }
        let before_exponent = self.at;
        let exponent = if self.take("e") || self.take("E") {
            let _ = self.take("+") || self.take("-");
            self.digits()
        } else {
            0
        };
        if exponent == 0 {
            self.at = before_exponent;
        }
        let text = self.bytes.get(start..self.at).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default();
        if fraction > 0 || exponent > 0 {
            return text.parse().map(Json::Float).map_err(|_| self.error("no number"));
        }
        if integer > INTEGER_DIGITS {
            return Err(self.error("too many digits"));
        }
        Ok(Json::Integer(if text == "-0" { "0".into() } else { text.into() }))
    }

    fn text(&mut self) -> Result<Text, JsonError> {
        self.at += 1;
        let mut text = Vec::new();
        loop {
            let Some(byte) = self.peek() else { return Err(self.error("the end within a text")) };
            self.at += 1;
            match byte {
                b'"' => return Ok(Text(text)),
                b'\\' => self.escape(&mut text)?,
                0..=0x1f => return Err(self.error("a control character within a text")),
                _ => text.push(byte),
            }
        }
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), JsonError> {
        let Some(byte) = self.peek() else { return Err(self.error("the end within a text")) };
        self.at += 1;
        text.push(match byte {
            b'"' | b'\\' | b'/' => byte,
            b'b' => 0x08,
            b'f' => 0x0c,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let first = self.hex()?;
                let after = self.at;
                // A pair of surrogates is one character; a surrogate without its partner stands for itself.
                if (0xd800..0xdc00).contains(&first) && self.take("\\u") {
                    match self.hex() {
                        Ok(second) if (0xdc00..0xe000).contains(&second) => {
                            push(text, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
                            return Ok(());
                        }
                        Ok(_) => self.at = after,
                        Err(error) => return Err(error),
                    }
                }
                push(text, first);
                return Ok(());
            }
            _ => return Err(self.error("an unknown escape")),
        });
        Ok(())
    }

    fn hex(&mut self) -> Result<u32, JsonError> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let number = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        let number = number.filter(|digits| digits.len() == 4).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let number = number.ok_or_else(|| self.error("no four hexadecimal digits"))?;
        self.at += 4;
        Ok(number)
    }
}

/// Appends a code point, surrogates included.
fn push(text: &mut Vec<u8>, code: u32) {
    match char::from_u32(code) {
        Some(character) => text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        None => {
            let low = |bits: u32| u8::try_from(bits & 0x3f).unwrap_or(0);
            text.extend_from_slice(&[0xed, 0x80 | low(code >> 6), 0x80 | low(code)]);
        }
    }
}
