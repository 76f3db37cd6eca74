//! Obsoletes: that a stream ends, and what comes after it.

use super::decode::{Decoder, Repeat};
use super::problem::{Collector, FieldPath, Problem, Problems};
use super::rule::Rule;
use super::time::Minute;
use super::tree::Node;
use super::yaml::Writer;

/// The end of a stream: a `modulemd-obsoletes` document, version 1.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Obsoletes {
    /// When the document was changed; of two, the later one holds.
    pub modified: Option<Minute>,
    /// It takes back what was said before.
    pub reset: bool,
    /// The module.
    pub module: String,
    /// The stream.
    pub stream: String,
    /// The context; absent means all of the stream's.
    pub context: Option<String>,
    /// When the stream ends; absent means at once.
    pub eol_date: Option<Minute>,
    /// What users are told.
    pub message: String,
    /// What to use instead.
    pub obsoleted_by: Option<Successor>,
}

/// The stream that takes the place of another.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Successor {
    /// The module.
    pub module: String,
    /// The stream.
    pub stream: String,
}

impl Obsoletes {
    /// Tells whether the stream has ended by now.
    pub fn is_active(&self, now: Minute) -> bool {
        self.eol_date.is_none_or(|eol| eol <= now)
    }

    /// Checks the rules between the fields; what was read from a text has passed them.
    ///
    /// # Errors
    /// All the rules that are broken.
    pub fn validate(&self) -> Result<(), Problems> {
        let mut problems = Collector::default();
        self.check(&mut problems);
        problems.finish(())
    }

    pub(super) fn check(&self, problems: &mut Collector) {
        let given = [
            ("modified", self.modified.is_none()),
            ("module", self.module.is_empty()),
            ("stream", self.stream.is_empty()),
            ("message", self.message.is_empty()),
        ];
        for (key, _) in given.into_iter().filter(|(_, missing)| *missing) {
            let message = format!("the document has no {key}");
            let hint = format!("add `{key}:` to the keys of data");
            problems.push(Problem::new(Rule::Required, FieldPath::new([key]), message, hint));
        }
        let excluded = [("eol_date", self.eol_date.is_some()), ("obsoleted_by", self.obsoleted_by.is_some())];
        for (key, _) in excluded.into_iter().filter(|(_, given)| self.reset && *given) {
            let message = format!("a reset takes back what was said, and so has no {key}");
            let hint = format!("leave `{key}` or `reset` out");
            problems.push(Problem::new(Rule::ObsoletesReset, FieldPath::new([key]), message, hint));
        }
    }

    pub(super) fn read<'n>(decoder: &mut Decoder<'n>, data: Node<'n>) -> Self {
        const KNOWN: &[&str] =
            &["modified", "reset", "module", "stream", "context", "eol_date", "message", "obsoleted_by"];
        let mut obsoletes = Self::default();
        let repeat = Repeat::RefusedFor(&["module", "stream", "context", "message", "obsoleted_by"]);
        decoder.fields_with(data, KNOWN, repeat, |decoder, key, value| {
            match key {
                "modified" => obsoletes.modified = decoder.time(value),
                "reset" => obsoletes.reset = decoder.boolean(value).unwrap_or_default(),
                "module" => obsoletes.module = decoder.string(value).unwrap_or_default(),
                "stream" => obsoletes.stream = decoder.string(value).unwrap_or_default(),
                "context" => obsoletes.context = decoder.string(value),
                "eol_date" => obsoletes.eol_date = decoder.time(value),
                "message" => obsoletes.message = decoder.string(value).unwrap_or_default(),
                "obsoleted_by" => obsoletes.obsoleted_by = successor(decoder, value),
                _ => return false,
            }
            true
        });
        obsoletes
    }

    /// Returns the document in canonical form.
    pub fn to_yaml(&self) -> String {
        Writer::document("modulemd-obsoletes", 1, |w| {
            if let Some(modified) = self.modified {
                w.key("modified").bare(&modified.to_string());
            }
            if self.reset {
                w.key("reset").bare("true");
            }
            w.key("module").text(&self.module);
            w.key("stream").quoted(&self.stream);
            if let Some(context) = &self.context {
                w.key("context").text(context);
            }
            if let Some(eol) = self.eol_date {
                w.key("eol_date").bare(&eol.to_string());
            }
            w.key("message").text(&self.message);
            if let Some(successor) = &self.obsoleted_by {
                w.key("obsoleted_by").map(|w| {
                    w.key("module").text(&successor.module);
                    w.key("stream").quoted(&successor.stream);
                });
            }
        })
    }
}

fn successor<'n>(decoder: &mut Decoder<'n>, node: Node<'n>) -> Option<Successor> {
    let (mut module, mut stream) = (None, None);
    decoder.fields_with(node, &["module", "stream"], Repeat::Refused, |decoder, key, value| {
        match key {
            "module" => module = decoder.string(value),
            "stream" => stream = decoder.string(value),
            _ => return false,
        }
        true
    });
    match (module, stream) {
        (Some(module), Some(stream)) => Some(Successor { module, stream }),
        (None, None) => None,
        _ => {
            let message = "what takes the stream's place has a module and a stream";
            let hint = "write `obsoleted_by: {module: …, stream: …}`";
            decoder.problem(Rule::ObsoletedBy, node.position(), message, hint);
            None
        }
    }
}
