//! Arguments, by position and by keyword, as Python binds them.

use super::answer::{Result, fault, parameter};
use crate::xmlrpc::{Call, Struct, Value};

/// The arguments of a call.
pub(super) struct Args {
    values: Struct,
    more: Struct,
}

impl Args {
    /// Binds the arguments of a call to names. Keywords that are not named are kept where `open`, and refused otherwise.
    pub(super) fn bind(call: Call, names: &[&str], open: bool) -> Result<Self> {
        let Call { method, arguments, keywords } = call;
        if arguments.len() > names.len() {
            let (most, given) = (names.len(), arguments.len());
            return Err(parameter(format!(
                "Invalid parameters for {method}: takes {most} positional arguments but {given} were given"
            )));
        }
        let mut values: Struct = names.iter().map(|name| (*name).to_owned()).zip(arguments).collect();
        let mut more = Struct::new();
        for (name, value) in keywords {
            if names.contains(&name.as_str()) {
                if values.insert(name.clone(), value).is_some() {
                    return Err(parameter(format!("multiple values for argument '{name}'")));
                }
            } else if open {
                more.insert(name, value);
            } else {
                return Err(parameter(format!("got an unexpected keyword argument '{name}'")));
            }
        }
        Ok(Self { values, more })
    }

    pub(super) fn take(&mut self, name: &str) -> Value {
        self.values.remove(name).unwrap_or(Value::Nil)
    }

    pub(super) fn text(&mut self, name: &str) -> Result<String> {
        match self.take(name) {
            Value::Text(text) => Ok(text),
            other => Err(wrong(name, &other)),
        }
    }

    pub(super) fn maybe_text(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            Value::Nil => Ok(None),
            Value::Text(text) => Ok(Some(text)),
            other => Err(wrong(name, &other)),
        }
    }

    pub(super) fn int(&mut self, name: &str) -> Result<i64> {
        match self.take(name) {
            Value::Int(number) => Ok(number),
            other => Err(wrong(name, &other)),
        }
    }

    pub(super) fn maybe_int(&mut self, name: &str) -> Result<Option<i64>> {
        match self.take(name) {
            Value::Nil => Ok(None),
            Value::Int(number) => Ok(Some(number)),
            other => Err(wrong(name, &other)),
        }
    }

    pub(super) fn flag(&mut self, name: &str, default: bool) -> bool {
        match self.take(name) {
            Value::Nil => default,
            Value::Bool(flag) => flag,
            Value::Int(number) => number != 0,
            _ => true,
        }
    }

    pub(super) fn members(&mut self, name: &str) -> Result<Struct> {
        match self.take(name) {
            Value::Nil => Ok(Struct::new()),
            Value::Struct(members) => Ok(members),
            other => Err(wrong(name, &other)),
        }
    }

    /// Returns the keywords that have no name among the arguments.
    pub(super) fn more(self) -> Struct {
        self.more
    }
}

fn wrong(name: &str, value: &Value) -> crate::xmlrpc::Fault {
    fault(crate::error::fault::PARAMETER, format!("Invalid type for {name}: {}", value.kind()))
}

/// Returns the flag of a member.
pub(super) fn flag(members: &Struct, name: &str) -> bool {
    matches!(members.get(name), Some(Value::Bool(true)))
}

/// Returns the number of a member.
pub(super) fn int(members: &Struct, name: &str) -> Option<i64> {
    match members.get(name) {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

/// Returns the text of a member.
pub(super) fn text<'a>(members: &'a Struct, name: &str) -> Option<&'a str> {
    match members.get(name) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}
