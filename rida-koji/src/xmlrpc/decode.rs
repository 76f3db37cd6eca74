//! Reads documents. Nothing that is read can make it panic, or take more than its limits.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use quick_xml::Reader;
use quick_xml::events::Event;

use super::{Answer, Call, Fault, Struct, Value};

/// How deep values may be in each other.
const DEPTH: u32 = 64;
/// How many values a document may have. Koji's longest lists have some hundred thousand.
const VALUES: u32 = 4_000_000;

/// A document is not one of XML-RPC.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// It is not XML.
    #[error("it is not XML: {0}")]
    Syntax(String),
    /// It is XML, but not XML-RPC.
    #[error("it is not XML-RPC: {0}")]
    Grammar(String),
    /// It goes beyond a limit.
    #[error("it has {0}")]
    Limit(&'static str),
}

/// Reads the answer to a call.
///
/// # Errors
/// When the document is none.
pub fn decode_response(document: &[u8]) -> Result<Answer, DecodeError> {
    let mut parser = Parser::new(document)?;
    parser.start("methodResponse")?;
    let answer = match parser.any_start()?.as_str() {
        "fault" => {
            parser.start("value")?;
            let value = parser.value(0)?;
            parser.end()?;
            let fault = Fault::from_value(&value);
            Err(fault.ok_or_else(|| DecodeError::Grammar("the fault has no code".to_owned()))?)
        }
        "params" => Ok(parser.params()?.into_iter().next().unwrap_or(Value::Nil)),
        other => return Err(unexpected(other)),
    };
    parser.end()?;
    Ok(answer)
}

/// Reads a call.
///
/// # Errors
/// When the document is none.
pub fn decode_call(document: &[u8]) -> Result<Call, DecodeError> {
    let mut parser = Parser::new(document)?;
    parser.start("methodCall")?;
    parser.start("methodName")?;
    let method = parser.text()?;
    let parameters = match parser.next()? {
        Token::End => return Ok(Call::new(&method, [])),
        Token::Start(name) if name == "params" => parser.params()?,
        other => return Err(other.unexpected()),
    };
    parser.end()?;
    Ok(Call::from_parameters(method, parameters))
}

/// A part of a document; white space between elements, comments and the like are left out.
enum Token {
    Start(String),
    End,
    Text(String),
}

impl Token {
    fn unexpected(&self) -> DecodeError {
        match self {
            Self::Start(name) => unexpected(name),
            Self::End => DecodeError::Grammar("an element ends too early".to_owned()),
            Self::Text(_) => DecodeError::Grammar("there is text between elements".to_owned()),
        }
    }
}

fn unexpected(name: &str) -> DecodeError {
    let name: String = name.chars().take(40).collect();
    DecodeError::Grammar(format!("there is an element {name:?} where it has no place"))
}

struct Parser<'a> {
    reader: Reader<&'a [u8]>,
    values: u32,
}

impl<'a> Parser<'a> {
    fn new(document: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(document).map_err(|_| DecodeError::Syntax("it is not UTF-8".to_owned()))?;
        let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
        reader.config_mut().expand_empty_elements = true;
        Ok(Self { reader, values: VALUES })
    }

    /// Returns the next part, text as it stands.
    fn raw(&mut self) -> Result<Token, DecodeError> {
        loop {
            let event = self.reader.read_event().map_err(|error| DecodeError::Syntax(short(&error.to_string())))?;
            return Ok(match event {
                Event::Start(start) => Token::Start(local(start.name().as_ref())),
                Event::End(_) => Token::End,
                Event::Text(text) => Token::Text(text.xml10_content().into_owned()),
                Event::CData(data) => Token::Text(data.xml10_content().into_owned()),
                Event::GeneralRef(reference) => {
                    let character =
                        reference.resolve_char_ref().map_err(|error| DecodeError::Syntax(short(&error.to_string())))?;
                    Token::Text(match (character, &*reference.xml10_content()) {
                        (Some(character), _) => character.to_string(),
                        (None, "amp") => "&".to_owned(),
                        (None, "lt") => "<".to_owned(),
                        (None, "gt") => ">".to_owned(),
                        (None, "quot") => "\"".to_owned(),
                        (None, "apos") => "'".to_owned(),
                        (None, _) => return Err(DecodeError::Syntax("an entity is not known".to_owned())),
                    })
                }
                Event::DocType(_) => return Err(DecodeError::Syntax("a document type is not allowed".to_owned())),
                Event::Eof => return Err(DecodeError::Syntax("it is cut off".to_owned())),
                Event::Decl(_) | Event::Comment(_) | Event::PI(_) => continue,
                Event::Empty(start) => Token::Start(local(start.name().as_ref())),
            });
        }
    }

    /// Returns the next part between elements, where only white space may stand.
    fn next(&mut self) -> Result<Token, DecodeError> {
        loop {
            match self.raw()? {
                Token::Text(text) if text.trim_ascii().is_empty() => {}
                token => return Ok(token),
            }
        }
    }

    fn any_start(&mut self) -> Result<String, DecodeError> {
        match self.next()? {
            Token::Start(name) => Ok(name),
            other => Err(other.unexpected()),
        }
    }

    fn start(&mut self, name: &str) -> Result<(), DecodeError> {
        let found = self.any_start()?;
        if found == name { Ok(()) } else { Err(unexpected(&found)) }
    }

    fn end(&mut self) -> Result<(), DecodeError> {
        match self.next()? {
            Token::End => Ok(()),
            other => Err(other.unexpected()),
        }
    }

    /// Reads text up to the end of its element.
    fn text(&mut self) -> Result<String, DecodeError> {
        let mut all = String::new();
        loop {
            match self.raw()? {
                Token::Text(text) => all.push_str(&text),
                Token::End => return Ok(all),
                other @ Token::Start(_) => return Err(other.unexpected()),
            }
        }
    }

    fn params(&mut self) -> Result<Vec<Value>, DecodeError> {
        let mut params = Vec::new();
        loop {
            match self.next()? {
                Token::Start(name) if name == "param" => {
                    self.start("value")?;
                    params.push(self.value(0)?);
                    self.end()?;
                }
                Token::End => return Ok(params),
                other => return Err(other.unexpected()),
            }
        }
    }

    /// Reads a value, from behind its start to behind its end.
    fn value(&mut self, depth: u32) -> Result<Value, DecodeError> {
        if depth >= DEPTH {
            return Err(DecodeError::Limit("values too deep in each other"));
        }
        self.values = self.values.checked_sub(1).ok_or(DecodeError::Limit("too many values"))?;
        let mut text = String::new();
        let kind = loop {
            match self.raw()? {
                Token::Text(more) => text.push_str(&more),
                // A value without a type is a text.
                Token::End => return Ok(Value::Text(text)),
                Token::Start(_) if !text.trim_ascii().is_empty() => {
                    return Err(Token::Text(String::new()).unexpected());
                }
                Token::Start(kind) => break kind,
            }
        };
        let value = match kind.as_str() {
            "array" => self.array(depth)?,
            "struct" => self.members(depth)?,
            _ => scalar(&kind, self.text()?)?,
        };
        self.end()?;
        Ok(value)
    }

    fn array(&mut self, depth: u32) -> Result<Value, DecodeError> {
        self.start("data")?;
        let mut values = Vec::new();
        loop {
            match self.next()? {
                Token::Start(name) if name == "value" => values.push(self.value(depth + 1)?),
                Token::End => break,
                other => return Err(other.unexpected()),
            }
        }
        self.end()?;
        Ok(Value::Array(values))
    }

    fn members(&mut self, depth: u32) -> Result<Value, DecodeError> {
        let mut members = Struct::new();
        loop {
            match self.next()? {
                Token::Start(name) if name == "member" => {
                    self.start("name")?;
                    let name = self.text()?;
                    self.start("value")?;
                    let value = self.value(depth + 1)?;
                    members.insert(name, value);
                    self.end()?;
                }
                Token::End => return Ok(Value::Struct(members)),
                other => return Err(other.unexpected()),
            }
        }
    }
}

fn scalar(kind: &str, text: String) -> Result<Value, DecodeError> {
    let wrong = || DecodeError::Grammar(format!("{:?} is not of the type {kind}", short(&text)));
    Ok(match kind {
        "string" | "dateTime.iso8601" => Value::Text(text),
        "nil" => Value::Nil,
        "boolean" => Value::Bool(match text.trim_ascii() {
            "0" => false,
            "1" => true,
            _ => return Err(wrong()),
        }),
        "int" | "i1" | "i2" | "i4" | "i8" | "biginteger" => Value::Int(text.trim_ascii().parse().map_err(|_| wrong())?),
        "double" | "float" => Value::Double(text.trim_ascii().parse().map_err(|_| wrong())?),
        "base64" => {
            let packed: String = text.split_ascii_whitespace().collect();
            Value::Bytes(lenient().decode(packed).map_err(|_| wrong())?)
        }
        other => return Err(unexpected(other)),
    })
}

/// Base64 whose padding may be absent.
pub(crate) const fn lenient() -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(&alphabet::STANDARD, config)
}

/// Returns the name of an element without the prefix of its namespace: `nil` and `ex:nil` are the same.
fn local(name: impl AsRef<[u8]>) -> String {
    let name = String::from_utf8_lossy(name.as_ref());
    name.rsplit(':').next().unwrap_or_default().to_owned()
}

/// Keeps an error from repeating a document.
fn short(text: &str) -> String {
    text.chars().take(120).collect()
}
