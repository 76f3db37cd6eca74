//! Writes documents.

use std::fmt::Write as _;

use base64::Engine;

use super::{Call, Fault, STARSTAR, Value};

/// A value that XML-RPC, or Koji, cannot be sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// XML has no way to write it; Koji would answer with a syntax error.
    #[error("a text has the character {0:?}, which XML cannot hold")]
    Character(char),
    /// There is no such number in XML-RPC.
    #[error("{0} cannot be sent as a number")]
    Number(String),
    /// It would be taken for keyword arguments.
    #[error("the last argument has a member __starstar, which marks keyword arguments")]
    Starstar,
}

/// Writes a call.
///
/// # Errors
/// When an argument cannot be sent.
pub fn encode_call(call: &Call) -> Result<String, EncodeError> {
    if let Some(Value::Struct(members)) = call.arguments.last()
        && members.contains_key(STARSTAR)
    {
        return Err(EncodeError::Starstar);
    }
    let mut out = String::from("<?xml version='1.0'?>\n<methodCall>\n<methodName>");
    text(&mut out, &call.method)?;
    out.push_str("</methodName>\n<params>\n");
    for parameter in call.parameters() {
        out.push_str("<param>\n");
        value(&mut out, &parameter)?;
        out.push_str("</param>\n");
    }
    out.push_str("</params>\n</methodCall>\n");
    Ok(out)
}

/// Writes the answer to a call.
///
/// # Errors
/// When the result cannot be sent.
pub fn encode_response(result: &Value) -> Result<String, EncodeError> {
    let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>\n<params>\n<param>\n");
    value(&mut out, result)?;
    out.push_str("</param>\n</params>\n</methodResponse>\n");
    Ok(out)
}

/// Writes a fault as the answer to a call.
///
/// # Errors
/// When its text cannot be sent.
pub fn encode_fault(fault: &Fault) -> Result<String, EncodeError> {
    let mut out = String::from("<?xml version='1.0'?>\n<methodResponse>\n<fault>\n");
    let members = [("faultCode", Value::Int(fault.code)), ("faultString", Value::from(fault.message.as_str()))];
    value(&mut out, &Value::from(members))?;
    out.push_str("</fault>\n</methodResponse>\n");
    Ok(out)
}

fn value(out: &mut String, what: &Value) -> Result<(), EncodeError> {
    out.push_str("<value>");
    match what {
        Value::Nil => out.push_str("<nil/>"),
        Value::Bool(flag) => out.push_str(if *flag { "<boolean>1</boolean>" } else { "<boolean>0</boolean>" }),
        Value::Int(number) => {
            let kind = if i32::try_from(*number).is_ok() { "int" } else { "i8" };
            // Writing to memory does not fail.
            let _ = write!(out, "<{kind}>{number}</{kind}>");
        }
        Value::Double(number) if number.is_finite() => {
            let _ = write!(out, "<double>{number:?}</double>");
        }
        Value::Double(number) => return Err(EncodeError::Number(number.to_string())),
        Value::Text(content) => {
            out.push_str("<string>");
            text(out, content)?;
            out.push_str("</string>");
        }
        Value::Bytes(bytes) => {
            out.push_str("<base64>");
            base64::engine::general_purpose::STANDARD.encode_string(bytes, out);
            out.push_str("</base64>");
        }
        Value::Array(values) => {
            out.push_str("<array><data>\n");
            for each in values {
                value(out, each)?;
            }
            out.push_str("</data></array>");
        }
        Value::Struct(members) => {
            out.push_str("<struct>\n");
            for (name, each) in members {
                out.push_str("<member>\n<name>");
                text(out, name)?;
                out.push_str("</name>\n");
                value(out, each)?;
                out.push_str("</member>\n");
            }
            out.push_str("</struct>");
        }
    }
    out.push_str("</value>\n");
    Ok(())
}

fn text(out: &mut String, content: &str) -> Result<(), EncodeError> {
    for character in content.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // Readers turn a bare one into a line feed.
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(character),
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => return Err(EncodeError::Character(character)),
            _ => out.push(character),
        }
    }
    Ok(())
}
