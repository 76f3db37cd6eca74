//! Values of XML-RPC, and how they are taken apart.

use std::collections::BTreeMap;

/// Named values.
pub type Struct = BTreeMap<String, Value>;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Nothing.
    Nil,
    /// Yes or no.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number.
    Double(f64),
    /// A text; also a time, as it was written.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A list.
    Array(Vec<Value>),
    /// Named values.
    Struct(Struct),
}

/// A value that is not what was expected.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place} is {found}, not {expected}")]
pub struct Shape {
    place: String,
    found: &'static str,
    expected: &'static str,
}

impl Value {
    /// Returns what kind of value it is, in words.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Nil => "nothing",
            Self::Bool(_) => "a boolean",
            Self::Int(_) => "a whole number",
            Self::Double(_) => "a number",
            Self::Text(_) => "a text",
            Self::Bytes(_) => "bytes",
            Self::Array(_) => "a list",
            Self::Struct(_) => "a struct",
        }
    }

    /// Returns the number.
    ///
    /// # Errors
    /// When it is none.
    pub fn int(&self, place: &str) -> Result<i64, Shape> {
        match self {
            Self::Int(number) => Ok(*number),
            other => Err(other.shape(place, "a whole number")),
        }
    }

    /// Returns the text.
    ///
    /// # Errors
    /// When it is none.
    pub fn text(&self, place: &str) -> Result<&str, Shape> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.shape(place, "a text")),
        }
    }

    /// Returns the list.
    ///
    /// # Errors
    /// When it is none.
    pub fn array(self, place: &str) -> Result<Vec<Self>, Shape> {
        match self {
            Self::Array(values) => Ok(values),
            other => Err(other.shape(place, "a list")),
        }
    }

    /// Returns the struct, to be taken apart.
    ///
    /// # Errors
    /// When it is none.
    pub fn fields(self, place: &str) -> Result<Fields, Shape> {
        match self {
            Self::Struct(members) => Ok(Fields { place: place.to_owned(), members }),
            other => Err(other.shape(place, "a struct")),
        }
    }

    /// Tells whether it is [`Nil`](Self::Nil).
    pub const fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    pub(crate) fn shape(&self, place: &str, expected: &'static str) -> Shape {
        Shape { place: place.to_owned(), found: self.kind(), expected }
    }
}

/// The members of a struct, taken one by one. What is not taken is kept.
#[derive(Clone, Debug)]
pub struct Fields {
    place: String,
    members: Struct,
}

impl Fields {
    fn place(&self, name: &str) -> String {
        format!("{}.{name}", self.place)
    }

    /// Takes a member; what is absent is [`Value::Nil`].
    pub fn take(&mut self, name: &str) -> Value {
        self.members.remove(name).unwrap_or(Value::Nil)
    }

    /// Takes a whole number.
    ///
    /// # Errors
    /// When there is none.
    pub fn int(&mut self, name: &str) -> Result<i64, Shape> {
        self.take(name).int(&self.place(name))
    }

    /// Takes a whole number that may be absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn maybe_int(&mut self, name: &str) -> Result<Option<i64>, Shape> {
        match self.take(name) {
            Value::Nil => Ok(None),
            value => value.int(&self.place(name)).map(Some),
        }
    }

    /// Takes a text.
    ///
    /// # Errors
    /// When there is none.
    pub fn text(&mut self, name: &str) -> Result<String, Shape> {
        match self.take(name) {
            Value::Text(text) => Ok(text),
            other => Err(other.shape(&self.place(name), "a text")),
        }
    }

    /// Takes a text that may be absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn maybe_text(&mut self, name: &str) -> Result<Option<String>, Shape> {
        match self.take(name) {
            Value::Nil => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            other => Err(other.shape(&self.place(name), "a text")),
        }
    }

    /// Takes a number that may be absent.
    ///
    /// # Errors
    /// When it is something else.
    pub fn maybe_double(&mut self, name: &str) -> Result<Option<f64>, Shape> {
        match self.take(name) {
            Value::Nil => Ok(None),
            Value::Double(number) => Ok(Some(number)),
            other => Err(other.shape(&self.place(name), "a number")),
        }
    }

    /// Takes yes or no; what is absent is no, and so is zero.
    ///
    /// # Errors
    /// When it is something else.
    pub fn flag(&mut self, name: &str) -> Result<bool, Shape> {
        match self.take(name) {
            Value::Nil => Ok(false),
            Value::Bool(flag) => Ok(flag),
            Value::Int(number) => Ok(number != 0),
            other => Err(other.shape(&self.place(name), "a boolean")),
        }
    }

    /// Returns what was not taken.
    pub fn rest(self) -> Struct {
        self.members
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Self {
        Self::Bool(flag)
    }
}

impl From<f64> for Value {
    fn from(number: f64) -> Self {
        Self::Double(number)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<Struct> for Value {
    fn from(members: Struct) -> Self {
        Self::Struct(members)
    }
}

impl<T: Into<Self>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::Array(values.into_iter().map(Into::into).collect())
    }
}

impl<T: Into<Self>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Nil, Into::into)
    }
}

impl<const N: usize> From<[(&str, Self); N]> for Value {
    fn from(members: [(&str, Self); N]) -> Self {
        Self::Struct(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }
}
