//! Writing, as Python's `json.dumps` does with sorted keys and without spaces.

use std::fmt::Write as _;

use super::{Json, Text};

pub(super) fn canonical(value: &Json) -> String {
    let mut out = String::new();
    write(&mut out, value);
    out
}

fn write(out: &mut String, value: &Json) {
    match value {
        Json::Null => out.push_str("null"),
        Json::Bool(true) => out.push_str("true"),
        Json::Bool(false) => out.push_str("false"),
        Json::Integer(digits) => out.push_str(digits),
        Json::Float(number) => out.push_str(&float(*number)),
        Json::Text(text) => quote(out, text),
        Json::List(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(out, value);
            }
            out.push(']');
        }
        Json::Object(entries) => {
            out.push('{');
            for (index, (key, value)) in entries.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                quote(out, key);
                out.push(':');
                write(out, value);
            }
            out.push('}');
        }
    }
}

fn quote(out: &mut String, text: &Text) {
    out.push('"');
    let mut rest = text.0.as_slice();
    while !rest.is_empty() {
        let valid = match std::str::from_utf8(rest) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(rest.get(..error.valid_up_to()).unwrap_or_default()).unwrap_or_default(),
        };
        valid.chars().for_each(|character| escape(out, character));
        rest = rest.get(valid.len()..).unwrap_or_default();
        // What is no UTF-8 is a lone surrogate, in three bytes.
        if let [_, middle, last, tail @ ..] = rest {
            let code = 0xd000 | (u32::from(*middle & 0x3f) << 6) | u32::from(*last & 0x3f);
            unit(out, code);
            rest = tail;
        }
    }
    out.push('"');
}

fn escape(out: &mut String, character: char) {
    match character {
        '"' => out.push_str("\\\""),
        '\\' => out.push_str("\\\\"),
        '\u{8}' => out.push_str("\\b"),
        '\u{c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        ' '..='~' => out.push(character),
        _ => character.encode_utf16(&mut [0; 2]).iter().for_each(|code| unit(out, u32::from(*code))),
    }
}

fn unit(out: &mut String, code: u32) {
    // Writing to memory does not fail.
    let _ = write!(out, "\\u{code:04x}");
}

/// Writes a float as Python's `repr` does: the shortest digits that read back equal, with an exponent where it is
/// below -4 or above 15.
fn float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned();
    }
    // The digits are those of serde_json, whose choice between equally short ones is Python's; `format!` rounds other
    // ties than Python does. Only the layout differs.
    let text = serde_json::to_string(&number).unwrap_or_default();
    let (sign, text) = text.strip_prefix('-').map_or(("", text.as_str()), |text| ("-", text));
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.len() - all.trim_start_matches('0').len();
    let digits = all.trim_matches('0');
    if digits.is_empty() {
        return format!("{sign}0.0");
    }
    let length = |text: &str| i32::try_from(text.len()).unwrap_or(i32::MAX);
    // The number is 0.digits times ten to the power of `point`.
    let point = length(whole) - i32::try_from(leading).unwrap_or(0) + exponent;
    let count = length(digits);
    if !(-3..=16).contains(&point) {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        let power = point - 1;
        let minus = if power < 0 { '-' } else { '+' };
        return format!("{sign}{first}{dot}{rest}e{minus}{:02}", power.abs());
    }
    let zeros = |count: i32| "0".repeat(usize::try_from(count).unwrap_or(0));
    if point <= 0 {
        format!("{sign}0.{}{digits}", zeros(-point))
    } else if point >= count {
        format!("{sign}{digits}{}.0", zeros(point - count))
    } else {
        let (whole, fraction) = digits.split_at(usize::try_from(point).unwrap_or(0));
        format!("{sign}{whole}.{fraction}")
    }
}
