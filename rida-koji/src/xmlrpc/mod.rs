//! XML-RPC as Koji speaks it.
//!
//! Beside the standard there are `nil` and `i8`, keyword arguments as a last struct that is marked by `__starstar`, and
//! times as texts. Everything that is read is bounded: depth, number of values, and (by who reads the bytes) length.

mod decode;
mod encode;
mod value;

pub(crate) use self::decode::lenient;
pub use self::decode::{DecodeError, decode_call, decode_response};
pub use self::encode::{EncodeError, encode_call, encode_fault, encode_response};
pub use self::value::{Fields, Shape, Struct, Value};

/// The member that marks a last struct as keyword arguments.
pub(crate) const STARSTAR: &str = "__starstar";

/// How many characters of a fault's message are kept: it is logged, and told to who asks for a build.
const LONGEST_MESSAGE: usize = 8000;

/// Cuts a text that is too long, and shows that it did.
pub(crate) fn cut(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A call of a method of the hub.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The method's name.
    pub method: String,
    /// The arguments by position.
    pub arguments: Vec<Value>,
    /// The arguments by keyword.
    pub keywords: Struct,
}

impl Call {
    /// Makes a call of a method with arguments by position.
    pub fn new(method: &str, arguments: impl IntoIterator<Item = Value>) -> Self {
        Self { method: method.to_owned(), arguments: arguments.into_iter().collect(), keywords: Struct::new() }
    }

    /// Adds an argument by keyword.
    #[must_use]
    pub fn with(mut self, keyword: &str, value: impl Into<Value>) -> Self {
        self.keywords.insert(keyword.to_owned(), value.into());
        self
    }

    /// Returns the arguments as they are sent: those by keyword in a last struct, when there are any.
    pub fn parameters(&self) -> Vec<Value> {
        let mut parameters = self.arguments.clone();
        if !self.keywords.is_empty() {
            let mut keywords = self.keywords.clone();
            keywords.insert(STARSTAR.to_owned(), Value::Bool(true));
            parameters.push(Value::Struct(keywords));
        }
        parameters
    }

    /// Takes arguments apart that were sent as parameters.
    pub fn from_parameters(method: String, mut parameters: Vec<Value>) -> Self {
        let mut keywords = Struct::new();
        let marked = |value: &Value| matches!(value, Value::Struct(members) if members.contains_key(STARSTAR));
        if parameters.last().is_some_and(marked)
            && let Some(Value::Struct(members)) = parameters.pop()
        {
            keywords = members;
            keywords.remove(STARSTAR);
        }
        Self { method, arguments: parameters, keywords }
    }

    /// Makes one call of several, each of which is done or undone by itself.
    pub fn several(calls: &[Self]) -> Self {
        let each = calls.iter().map(|call| {
            let members = [
                ("methodName".to_owned(), Value::from(call.method.as_str())),
                ("params".to_owned(), Value::Array(call.parameters())),
            ];
            Value::Struct(members.into_iter().collect())
        });
        Self::new("multiCall", [Value::Array(each.collect())])
    }
}

/// What a hub answers when it refuses a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message} (fault {code})")]
pub struct Fault {
    /// Koji's number of the kind of fault, such as 1000 for one that has no kind of its own.
    pub code: i64,
    /// What is wrong, in Koji's words.
    pub message: String,
}

impl Fault {
    /// Reads a fault from the struct that it is sent as, with whatever else is in it.
    pub fn from_value(value: &Value) -> Option<Self> {
        let Value::Struct(members) = value else { return None };
        let code = match members.get("faultCode")? {
            Value::Int(code) => *code,
            Value::Text(text) => text.trim().parse().unwrap_or(1),
            _ => return None,
        };
        let message = match members.get("faultString") {
            Some(Value::Text(text)) => cut(text, LONGEST_MESSAGE),
            _ => String::new(),
        };
        Some(Self { code, message })
    }
}

/// A method's answer: its result, or the fault that it ended with.
pub type Answer = Result<Value, Fault>;

#[cfg(test)]
mod tests;
