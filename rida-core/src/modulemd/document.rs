//! A document: the envelope, and what is in it.

use super::decode::{Decoder, Repeat, unsigned};
use super::defaults::Defaults;
use super::obsoletes::Obsoletes;
use super::options::Options;
use super::packager::Packager;
use super::problem::{Collector, FieldPath, Position, Problem, Problems, Shown};
use super::rule::Rule;
use super::service::Rules;
use super::source;
use super::stream::{self, ModuleStream, Version};
use super::translations::Translations;
use super::tree::{Kind, Node, START, Tree};

/// What a document says, by its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A stream, version 1 or 2, or a packager document, version 2: `modulemd` or `modulemd-packager`.
    Stream(Box<ModuleStream>),
    /// A packager document, version 3: `modulemd-packager`.
    Packager(Box<Packager>),
    /// The defaults of a module: `modulemd-defaults`.
    Defaults(Defaults),
    /// The end of a stream: `modulemd-obsoletes`.
    Obsoletes(Obsoletes),
    /// The texts of a stream in other languages: `modulemd-translations`.
    Translations(Translations),
}

impl Content {
    /// Returns the name of the type, as `document` has it.
    pub fn document(&self) -> &'static str {
        match self {
            Self::Stream(_) => "modulemd",
            Self::Packager(_) => "modulemd-packager",
            Self::Defaults(_) => "modulemd-defaults",
            Self::Obsoletes(_) => "modulemd-obsoletes",
            Self::Translations(_) => "modulemd-translations",
        }
    }

    /// Returns the document in canonical form. Reading it gives equal content, to libmodulemd too.
    pub fn to_yaml(&self) -> String {
        match self {
            Self::Stream(stream) => stream.to_yaml(),
            Self::Packager(packager) => packager.to_yaml(),
            Self::Defaults(defaults) => defaults.to_yaml(),
            Self::Obsoletes(obsoletes) => obsoletes.to_yaml(),
            Self::Translations(translations) => translations.to_yaml(),
        }
    }

    fn check(&self, problems: &mut Collector) {
        match self {
            Self::Stream(stream) => stream.check(problems),
            Self::Obsoletes(obsoletes) => obsoletes.check(problems),
            Self::Translations(translations) => translations.check(problems),
            Self::Packager(_) | Self::Defaults(_) => {}
        }
    }
}

/// A document that was read, and found good by the rules of the format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    content: Content,
    warnings: Vec<Problem>,
    text: Box<str>,
    options: Options,
}

impl Document {
    /// Returns what the document says.
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Returns what the document says, without the places of its fields.
    pub fn into_content(self) -> Content {
        self.content
    }

    /// Returns the stream; none when the document is of another type.
    pub fn stream(&self) -> Option<&ModuleStream> {
        match &self.content {
            Content::Stream(stream) => Some(stream),
            _ => None,
        }
    }

    /// Returns the stream, without the places of its fields; none when the document is of another type.
    pub fn into_stream(self) -> Option<ModuleStream> {
        match self.content {
            Content::Stream(stream) => Some(*stream),
            _ => None,
        }
    }

    /// Returns the one stream that is built of the document. A packager document of version 3 has one when it has one
    /// configuration, whose context is static.
    ///
    /// # Errors
    /// When the document is of another type, has several configurations, or lacks what a stream needs.
    pub fn to_source(&self) -> Result<ModuleStream, Problems> {
        let found = match &self.content {
            Content::Stream(stream) => return Ok(stream.as_ref().clone()),
            Content::Packager(packager) if packager.configurations.len() <= 1 => {
                let stream = packager.to_stream();
                return stream.map(|stream| ModuleStream { static_context: true, ..stream }).map_err(|problems| {
                    let mut located = Collector::default();
                    problems.into_iter().for_each(|problem| located.push(self.located(problem)));
                    failed(located)
                });
            }
            Content::Packager(_) => {
                let message = "the module has more than one configuration, each of which is a build of its own";
                let hint = "keep one configuration, or give each a document of its own";
                Problem::new(Rule::StreamExpansion, FieldPath::new(["configurations"]), message, hint)
            }
            Content::Defaults(_) | Content::Obsoletes(_) | Content::Translations(_) => {
                let message = format!("a {} document describes nothing to build", self.content.document());
                let hint = "write `document: modulemd` and `version: 2`";
                return Err(source::problem(Rule::DocumentType, message, hint).at(START).into());
            }
        };
        Err(self.located(found).into())
    }

    /// Returns what is odd, but no reason to refuse the document: keys that the format does not define, and keys that
    /// occur twice.
    pub fn warnings(&self) -> &[Problem] {
        &self.warnings
    }

    /// Checks the rules of a build service.
    ///
    /// # Errors
    /// All the rules that are broken, with their places in the text.
    pub fn check(&self, rules: &Rules) -> Result<(), Problems> {
        let mut problems = Collector::default();
        rules.apply_to(&self.content, &mut problems);
        if !problems.is_empty() {
            self.with_tree(|data| locate(&mut problems, data));
        }
        for warning in self.warnings.iter().filter(|warning| rules.has(warning.rule)) {
            problems.push(warning.clone());
        }
        problems.finish(())
    }

    /// Adds the place in the text to a problem that was found in the content.
    #[must_use]
    pub fn located(&self, mut problem: Problem) -> Problem {
        self.with_tree(|data| locate_one(&mut problem, data));
        problem
    }

    /// Reads the text once more, which is cheaper than keeping its tree for the rare document with a problem.
    fn with_tree(&self, look: impl FnOnce(Node<'_>)) {
        let tree = Tree::read(&self.text, START, &self.options.limits, &mut Collector::default());
        if let Some(data) = tree.as_ref().and_then(|tree| tree.root().first("data")) {
            look(data);
        }
    }
}

fn failed(problems: Collector) -> Problems {
    match problems.finish(()) {
        Err(problems) => problems,
        Ok(()) => source::problem(Rule::Envelope, "the document cannot be read", "write a modulemd").into(),
    }
}

fn locate(problems: &mut Collector, data: Node<'_>) {
    for problem in problems.iter_mut() {
        locate_one(problem, data);
    }
}

fn locate_one(problem: &mut Problem, data: Node<'_>) {
    if problem.position.is_none() {
        problem.position = Some(data.locate(problem.field.segments()));
    }
}

/// A judgement: what a text says, and all that is wrong with it by the format and by the rules of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The document, when it is good by the format.
    pub document: Option<Document>,
    /// All that is wrong, in the text's order.
    pub problems: Option<Problems>,
    /// What is odd, but no reason to refuse the document.
    pub warnings: Vec<Problem>,
}

/// Judges a document by the format and, together with it, by the rules of a service.
pub(super) fn judge(bytes: &[u8], options: &Options, rules: &Rules) -> Judged {
    let text = source::within(bytes.len(), &options.limits).and_then(|()| source::decode(bytes));
    let text = match text {
        Ok(text) => text,
        Err(problem) => return Judged { document: None, problems: Some(problem.into()), warnings: Vec::new() },
    };
    let Outcome { content, format, service, warnings, .. } = outcome(&text, START, options, rules);
    let warnings = warnings.into_sorted().0;
    let document = content.filter(|_| format.is_empty()).map(|content| Document {
        content,
        warnings: warnings.clone(),
        text: text.as_ref().into(),
        options: *options,
    });
    let (problems, odd) = joined(format, service, warnings, rules);
    Judged { document, problems: problems.finish(()).err(), warnings: odd }
}

/// Puts together all that is wrong, which what is odd may be by the rules of the service.
fn joined(format: Collector, service: Collector, odd: Vec<Problem>, rules: &Rules) -> (Collector, Vec<Problem>) {
    let mut problems = format;
    problems.append_unrelated(service);
    let (broken, odd): (Vec<_>, Vec<_>) = odd.into_iter().partition(|warning| rules.has(warning.rule));
    broken.into_iter().for_each(|problem| problems.push(problem));
    (problems, odd)
}

/// What was found in a text.
pub(super) struct Outcome {
    /// It is a packager document, whatever it was read to.
    pub(super) is_packager: bool,
    /// What it says, as far as it could be read.
    pub(super) content: Option<Content>,
    /// What breaks rules of the format.
    pub(super) format: Collector,
    /// What breaks rules of the service.
    pub(super) service: Collector,
    /// What is odd.
    pub(super) warnings: Collector,
}

impl Outcome {
    /// Takes the rules of the service, which it was read with, for rules of the format.
    pub(super) fn held_to(mut self, rules: &Rules) -> Self {
        let odd = self.warnings.into_sorted().0;
        let (problems, odd) = joined(self.format, self.service, odd, rules);
        self.warnings = Collector::default();
        odd.into_iter().for_each(|problem| self.warnings.push(problem));
        Self { format: problems, service: Collector::default(), ..self }
    }
}

/// Reads the text of one document, which starts at a place of a longer one.
pub(super) fn outcome(text: &str, start: Position, options: &Options, rules: &Rules) -> Outcome {
    let mut problems = Collector::default();
    let Some(tree) = Tree::read(text, start, &options.limits, &mut problems) else {
        return Outcome {
            is_packager: false,
            content: None,
            format: problems,
            service: Collector::default(),
            warnings: Collector::default(),
        };
    };
    let mut decoder = Decoder::new(options, problems);
    let envelope = envelope(&mut decoder, tree.root());
    let is_packager = matches!(envelope, Some((Type::Packager | Type::Stream(Version::Packager2), _)));
    let read = envelope.map(|(kind, data)| (kind.read(&mut decoder, data), data));
    let Decoder { problems: mut format, warnings, .. } = decoder;
    let mut service = Collector::default();
    let content = read.map(|(content, data)| {
        let mut further = Collector::default();
        content.check(&mut further);
        locate(&mut further, data);
        format.append_unrelated(further);
        rules.apply_to(&content, &mut service);
        locate(&mut service, data);
        content
    });
    Outcome { is_packager, content, format, service, warnings }
}

/// A type and version that documents can have.
#[derive(Clone, Copy)]
enum Type {
    Stream(Version),
    Packager,
    Defaults,
    Obsoletes,
    Translations,
}

impl Type {
    /// Tells whether a document is of a type that is always read strictly.
    fn is_strict(root: Node<'_>) -> bool {
        let text = |key| root.get(key).and_then(Node::as_text);
        text("document") == Some("modulemd-packager") && text("version").and_then(unsigned) == Some(3)
    }

    fn read<'n>(self, decoder: &mut Decoder<'n>, data: Node<'n>) -> Content {
        match self {
            Self::Stream(version) => Content::Stream(Box::new(stream::read(decoder, data, version))),
            Self::Packager => Content::Packager(Box::new(Packager::read(decoder, data))),
            Self::Defaults => Content::Defaults(Defaults::read(decoder, data)),
            Self::Obsoletes => Content::Obsoletes(Obsoletes::read(decoder, data)),
            Self::Translations => Content::Translations(Translations::read(decoder, data)),
        }
    }
}

/// Reads `document` and `version`, and finds `data`.
fn envelope<'n>(decoder: &mut Decoder<'n>, root: Node<'n>) -> Option<(Type, Node<'n>)> {
    const KEYS: &[&str] = &["document", "version", "data"];
    let (mut document, mut version, mut data) = (None, None, None);
    if root.kind() != Kind::Map {
        let hint = "write a mapping with the keys document, version and data";
        decoder.problem(Rule::Envelope, root.position(), "the document is not a mapping", hint);
        return None;
    }
    let repeat = Repeat::RefusedFor(&["document", "version"]);
    let field = |decoder: &mut Decoder<'n>, key: &'n str, value: Node<'n>| {
        match key {
            "document" => document = decoder.text(value).map(|text| (text, value)),
            "version" => version = decoder.text(value).map(|text| (text, value)),
            // Of two, the first holds: the reference stops there.
            "data" => data = data.or(Some(value)),
            _ => return false,
        }
        true
    };
    if Type::is_strict(root) {
        decoder.strictly(|decoder| decoder.fields_with(root, KEYS, repeat, field));
    } else {
        decoder.fields_with(root, KEYS, repeat, field);
    }
    for key in KEYS.iter().filter(|key| root.get(key).is_none()) {
        let hint = match *key {
            "document" => "add `document: modulemd`",
            "version" => "add `version: 2`",
            _ => "add `data:`, and the module's fields below it",
        };
        decoder.problem(Rule::Envelope, root.position(), format!("the document has no `{key}`"), hint);
    }
    let kind = kind(decoder, document?, version?)?;
    Some((kind, data?))
}

fn kind(decoder: &mut Decoder<'_>, document: (&str, Node<'_>), version: (&str, Node<'_>)) -> Option<Type> {
    let (name, at) = document;
    let Some(number) = unsigned(version.0) else {
        let message = format!("the version `{}` is not a whole number", Shown(version.0));
        decoder.problem(Rule::DocumentType, version.1.position(), message, "write `version: 2`");
        return None;
    };
    let streams = matches!(name, "modulemd" | "modulemd-stream");
    let versions = match (name, number) {
        _ if streams && number == 1 => return Some(Type::Stream(Version::Stream1)),
        _ if streams && number == 2 => return Some(Type::Stream(Version::Stream2)),
        ("modulemd-packager", 2) => return Some(Type::Stream(Version::Packager2)),
        ("modulemd-packager", 3) => return Some(Type::Packager),
        ("modulemd-defaults", 1) => return Some(Type::Defaults),
        ("modulemd-obsoletes", 1) => return Some(Type::Obsoletes),
        ("modulemd-translations", 1..) => return Some(Type::Translations),
        _ if streams && number == 3 => {
            "write `version: 2`; streams of version 3 were given up, `document: modulemd-packager` has its configurations"
        }
        _ if streams => "write `version: 2`",
        ("modulemd-packager", _) => "write `version: 2` or `version: 3`",
        ("modulemd-defaults" | "modulemd-obsoletes" | "modulemd-translations", _) => "write `version: 1`",
        _ => {
            let message = format!("`{}` is not a type of document", Shown(name));
            decoder.problem(Rule::DocumentType, at.position(), message, "write `document: modulemd`");
            return None;
        }
    };
    let message = format!("{name} has no version {number}");
    decoder.problem(Rule::DocumentType, version.1.position(), message, versions);
    None
}
