//! A document: the envelope, and what is in it.

use super::decode::{Decoder, unsigned};
use super::options::Options;
use super::problem::{Collector, FieldPath, Position, Problem, Problems, Shown};
use super::rule::Rule;
use super::service::Rules;
use super::stream::{self, ModuleStream, Version};
use super::tree::{self, Kind, Node, START};

/// A document that was read, and found good by the rules of the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    content: ModuleStream,
    warnings: Vec<Problem>,
    data: Node,
}

impl Document {
    /// Returns the stream.
    pub fn stream(&self) -> &ModuleStream {
        &self.content
    }

    /// Returns the stream, without the places of its fields.
    pub fn into_stream(self) -> ModuleStream {
        self.content
    }

    /// Returns what is odd, but no reason to refuse the document: keys that the format does not define.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Checks the rules of a build service.
    ///
    /// # Errors
    /// All the rules that are broken, with their places in the text.
    pub fn check(&self, rules: &Rules) -> Result<(), Problems> {
        let mut problems = Collector::default();
        rules.apply(&self.content, &mut problems);
        locate(&mut problems, &self.data);
        problems.finish(())
    }

    /// Adds the place in the text to a problem that was found in the stream.
    #[must_use]
    pub fn located(&self, mut problem: Problem) -> Problem {
        locate_one(&mut problem, &self.data);
        problem
    }
}

fn locate(problems: &mut Collector, data: &Node) {
    for problem in problems.iter_mut() {
        locate_one(problem, data);
    }
}

fn locate_one(problem: &mut Problem, data: &Node) {
    if problem.position.is_none() {
        problem.position = Some(data.locate(problem.field.segments()));
    }
}

pub(super) fn read(bytes: &[u8], options: &Options) -> Result<Document, Problems> {
    let mut problems = Collector::default();
    let Some(root) = tree::read(bytes, &options.limits, &mut problems) else {
        return Err(failed(problems));
    };
    let mut decoder = Decoder::new(options.strict, problems);
    let Some((version, data)) = envelope(&mut decoder, &root) else {
        return Err(failed(decoder.problems));
    };
    let content = stream::read(&mut decoder, data, version);
    let Decoder { mut problems, warnings, .. } = decoder;
    let mut further = Collector::default();
    content.check(&mut further);
    locate(&mut further, data);
    problems.append_unrelated(further);
    problems.finish(())?;
    let data = root.into_value("data").unwrap_or_else(|| Node::empty(START));
    Ok(Document { content, warnings: warnings.into_sorted().0, data })
}

/// Turns what was collected into an error; the collector has the reason why there is nothing to return.
fn failed(problems: Collector) -> Problems {
    match problems.finish(()) {
        Err(problems) => problems,
        Ok(()) => {
            let hint = "write a mapping with the keys document, version and data";
            Problem::new(Rule::Envelope, FieldPath::default(), "the document cannot be read", hint).into()
        }
    }
}

/// Reads `document` and `version`, and finds `data`.
fn envelope<'n>(decoder: &mut Decoder<'n>, root: &'n Node) -> Option<(Version, &'n Node)> {
    const KEYS: &[&str] = &["document", "version", "data"];
    let (mut document, mut version, mut data) = (None, None, None);
    if !matches!(root.kind, Kind::Map(_)) {
        let hint = "write a mapping with the keys document, version and data";
        decoder.problem(Rule::Envelope, root.position, "the document is not a mapping", hint);
        return None;
    }
    decoder.fields(root, KEYS, |decoder, key, value| {
        match key {
            "document" => document = decoder.text(value).map(|text| (text, value.position)),
            "version" => version = decoder.text(value).map(|text| (text, value.position)),
            "data" => data = Some(value),
            _ => return false,
        }
        true
    });
    for key in KEYS.iter().filter(|key| root.get(key).is_none()) {
        let hint = match *key {
            "document" => "add `document: modulemd`",
            "version" => "add `version: 2`",
            _ => "add `data:`, and the module's fields below it",
        };
        decoder.problem(Rule::Envelope, root.position, format!("the document has no `{key}`"), hint);
    }
    let version = kind(decoder, document?, version?)?;
    Some((version, data?))
}

fn kind(decoder: &mut Decoder<'_>, document: (&str, Position), version: (&str, Position)) -> Option<Version> {
    let (name, at) = document;
    let Some(number) = unsigned(version.0) else {
        let message = format!("the version `{}` is not a whole number", Shown(version.0));
        decoder.problem(Rule::DocumentType, version.1, message, "write `version: 2`");
        return None;
    };
    let unsupported = |decoder: &mut Decoder<'_>, what: &str| {
        let message = format!("not supported yet: {what}");
        decoder.problem(Rule::Unsupported, at, message, "write `document: modulemd` and `version: 2`");
    };
    let streams = matches!(name, "modulemd" | "modulemd-stream");
    match (name, number) {
        _ if streams && number == 1 => return Some(Version::Stream1),
        _ if streams && number == 2 => return Some(Version::Stream2),
        ("modulemd-packager", 2) => return Some(Version::Packager2),
        ("modulemd-packager", 3) => unsupported(decoder, "packager documents of version 3"),
        ("modulemd-defaults", 1) => unsupported(decoder, "defaults of a module"),
        ("modulemd-obsoletes", 1) => unsupported(decoder, "obsoletes of a module"),
        ("modulemd-translations", _) => unsupported(decoder, "translations of a module"),
        ("modulemd-packager" | "modulemd-defaults" | "modulemd-obsoletes", _) => {
            decoder.problem(Rule::DocumentType, version.1, format!("{name} has no version {number}"), "correct it");
        }
        _ if streams => {
            let message = format!("{name} has no version {number}");
            decoder.problem(Rule::DocumentType, version.1, message, "write `version: 2`");
        }
        _ => {
            let message = format!("`{}` is not a type of document", Shown(name));
            decoder.problem(Rule::DocumentType, at, message, "write `document: modulemd`");
        }
    }
    None
}
