//! Contexts: what tells builds of one module stream against different dependencies apart.
//!
//! The hashes are those that the Module Build Service computes, and others after it: SHA-1 over JSON as Python's `json`
//! module writes it, keys sorted, with a space after each comma and colon.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use sha1::{Digest as _, Sha1};

use crate::id::Context;
use crate::modulemd::{Dependencies, FieldPath, ModuleStream, Problem, Rule};

/// Returns the hash of the modules that a module is built against, each with its stream.
///
/// These are all of them, those that the build requires need included, where they were resolved.
pub fn build_context(buildrequires: &BTreeMap<String, String>) -> String {
    let mut json = String::from("{");
    for (index, (module, stream)) in buildrequires.iter().enumerate() {
        separate(&mut json, index);
        quote(&mut json, module);
        json.push_str(": ");
        quote(&mut json, stream);
    }
    json.push('}');
    hash(&json)
}

/// Returns the hash of the modules that a module needs at run time, each with its streams.
pub fn runtime_context(requires: &BTreeMap<String, BTreeSet<String>>) -> String {
    let mut json = String::from("{");
    for (index, (module, streams)) in requires.iter().enumerate() {
        separate(&mut json, index);
        quote(&mut json, module);
        json.push_str(": [");
        for (index, stream) in streams.iter().enumerate() {
            separate(&mut json, index);
            quote(&mut json, stream);
        }
        json.push(']');
    }
    json.push('}');
    hash(&json)
}

/// Returns the context that the two hashes make.
pub fn context(build_context: &str, runtime_context: &str) -> Context {
    let digest = hash(&format!("{build_context}:{runtime_context}"));
    // Eight hexadecimal digits are a context.
    Context::new(&digest.chars().take(8).collect::<String>()).expect("eight hexadecimal digits are a context")
}

/// Returns the context of the `number`th scratch build of a module: `<context>_<number>`, with as much of the context as
/// there is room for. Absent when there is no room for the number.
pub(crate) fn scratch_context(context: &Context, number: u32) -> Option<Context> {
    const LONGEST: usize = 13;
    let suffix = format!("_{number}");
    let room = LONGEST.checked_sub(suffix.len()).filter(|room| *room > 0)?;
    let kept: String = context.as_str().chars().take(room).collect();
    Context::new(&format!("{kept}{suffix}")).ok()
}

/// Returns the number of a scratch build by its context; absent when it is one of another context.
pub(crate) fn scratch_number(of: &Context, context: &Context) -> Option<u32> {
    let (_, number) = context.as_str().rsplit_once('_')?;
    let number = number.parse().ok()?;
    (scratch_context(of, number).as_ref() == Some(context)).then_some(number)
}

/// Returns the context of a stream that needs no expansion: each module that it depends on has exactly one stream.
///
/// A static context is returned as it is; it does not make a choice of streams either.
///
/// # Errors
/// When a dependency leaves a choice, which only stream expansion could make, or when the static context is none.
pub fn declared_context(stream: &ModuleStream) -> Result<Context, Problem> {
    if stream.dependencies.len() > 1 {
        let message = "the module has more than one block of dependencies, which makes a choice of streams";
        let hint = "keep one block";
        let field = FieldPath::new(["dependencies", "1"]);
        return Err(Problem::new(Rule::StreamExpansion, field, message, hint));
    }
    let none = Dependencies::default();
    let block = stream.dependencies.first().unwrap_or(&none);
    let mut built_with = BTreeMap::new();
    for (module, streams) in &block.buildrequires {
        built_with.insert(module.clone(), only_stream("buildrequires", module, streams)?.to_owned());
    }
    for (module, streams) in &block.requires {
        only_stream("requires", module, streams)?;
    }
    if let Some(given) = stream.context.as_deref().filter(|_| stream.static_context) {
        return Context::new(given).map_err(|error| {
            let hint = format!("write {}", error.rule());
            Problem::new(Rule::StaticContext, FieldPath::new(["context"]), error.to_string(), hint)
        });
    }
    Ok(context(&build_context(&built_with), &runtime_context(&block.requires)))
}

fn only_stream<'a>(kind: &str, module: &str, streams: &'a BTreeSet<String>) -> Result<&'a str, Problem> {
    let problem = |found: &str| {
        let message = format!("there is a choice of streams: {found}");
        let hint = format!("write exactly one stream, such as `{module}: [f42]`");
        let field = FieldPath::new(["dependencies", "0", kind, module]);
        Problem::new(Rule::StreamExpansion, field, message, hint)
    };
    let mut each = streams.iter();
    match (each.next(), each.next()) {
        (None, _) => Err(problem("an empty list means any stream")),
        (Some(_), Some(_)) => Err(problem("several streams are listed")),
        (Some(excluded), None) if excluded.starts_with('-') => Err(problem("`-` excludes a stream, which leaves many")),
        (Some(stream), None) => Ok(stream),
    }
}

fn hash(text: &str) -> String {
    Sha1::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn separate(json: &mut String, index: usize) {
    if index > 0 {
        json.push_str(", ");
    }
}

/// Writes a text as Python does: ASCII alone, with surrogate pairs.
fn quote(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        match character {
            '"' => json.push_str("\\\""),
            '\\' => json.push_str("\\\\"),
            '\n' => json.push_str("\\n"),
            '\r' => json.push_str("\\r"),
            '\t' => json.push_str("\\t"),
            '\u{8}' => json.push_str("\\b"),
            '\u{c}' => json.push_str("\\f"),
            ' '..='\u{7f}' => json.push(character),
            _ => {
                for unit in character.encode_utf16(&mut [0; 2]) {
                    // Writing to a String cannot fail.
                    let _ = write!(json, "\\u{unit:04x}");
                }
            }
        }
    }
    json.push('"');
}

#[cfg(test)]
mod tests;
