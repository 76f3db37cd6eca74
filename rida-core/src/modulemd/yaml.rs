//! Writes YAML that every reader understands alike.

use libyaml_safer::{Emitter, Encoding, Event, MappingStyle, ScalarStyle, SequenceStyle};

/// How a list is laid out.
#[derive(Clone, Copy)]
pub(super) enum Flow {
    /// An item a line.
    Block,
    /// `[a, b]`
    Line,
}

/// Collects the events of one document.
pub(super) struct Writer {
    events: Vec<Event>,
}

impl Writer {
    fn new() -> Self {
        Self { events: vec![Event::stream_start(Encoding::Utf8), Event::document_start(None, &[], false)] }
    }

    /// Writes a document of a type.
    pub(super) fn document(document: &str, version: u8, data: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self::new();
        writer.map(|w| {
            w.key("document").bare(document);
            w.key("version").bare(&version.to_string());
            w.key("data").map(data);
        });
        writer.finish()
    }

    /// Writes a list of texts.
    pub(super) fn texts<'a>(&mut self, flow: Flow, texts: impl IntoIterator<Item = &'a String>) {
        self.list(flow, |w| texts.into_iter().for_each(|text| w.text(text)));
    }

    pub(super) fn map(&mut self, content: impl FnOnce(&mut Self)) {
        self.events.push(Event::mapping_start(None, None, true, MappingStyle::Block));
        content(self);
        self.events.push(Event::mapping_end());
    }

    pub(super) fn list(&mut self, flow: Flow, content: impl FnOnce(&mut Self)) {
        let style = match flow {
            Flow::Block => SequenceStyle::Block,
            Flow::Line => SequenceStyle::Flow,
        };
        self.events.push(Event::sequence_start(None, None, true, style));
        content(self);
        self.events.push(Event::sequence_end());
    }

    /// Writes a key; the value follows.
    pub(super) fn key(&mut self, key: &str) -> &mut Self {
        let quote = is_ambiguous(key) || key.chars().any(is_special) || key.contains('\n');
        self.scalar(key, if quote { ScalarStyle::DoubleQuoted } else { ScalarStyle::Plain });
        self
    }

    /// Writes a text that any reader shall see as a text.
    pub(super) fn text(&mut self, text: &str) {
        let style = if is_ambiguous(text) || text.chars().any(is_special) {
            ScalarStyle::DoubleQuoted
        } else if text.contains('\n') {
            block(text, ScalarStyle::Literal)
        } else {
            ScalarStyle::Plain
        };
        self.scalar(text, style);
    }

    /// Writes a long text, with its lines folded.
    pub(super) fn paragraphs(&mut self, text: &str) {
        // The emitter folds a paragraph well, and loses breaks between several.
        let folds = !text.trim_end_matches('\n').contains('\n');
        let style = match text.chars().any(is_special) {
            true => ScalarStyle::DoubleQuoted,
            false => block(text, if folds { ScalarStyle::Folded } else { ScalarStyle::Literal }),
        };
        self.scalar(text, style);
    }

    /// Writes a text in double quotes, always.
    pub(super) fn quoted(&mut self, text: &str) {
        self.scalar(text, ScalarStyle::DoubleQuoted);
    }

    /// Writes a number or a switch.
    pub(super) fn bare(&mut self, text: &str) {
        self.scalar(text, ScalarStyle::Plain);
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle) {
        self.events.push(Event::scalar(None, None, text, true, true, style));
    }

    fn finish(mut self) -> String {
        self.events.push(Event::document_end(false));
        self.events.push(Event::stream_end());
        let mut output = Vec::new();
        let mut emitter = Emitter::new();
        emitter.set_unicode(true);
        emitter.set_output(&mut output);
        for event in self.events {
            // The methods above open and close in pairs, and a Vec takes every byte.
            emitter.emit(event).expect("the events are balanced");
        }
        drop(emitter);
        // The emitter writes what it was given as `str`, and ASCII.
        String::from_utf8(output).expect("the emitter writes UTF-8")
    }
}

/// Uses a block style for texts that it keeps.
fn block(text: &str, style: ScalarStyle) -> ScalarStyle {
    // Blanks at the start of the text or the end of a line are easily lost, by readers and by editors.
    let kept =
        !text.starts_with([' ', '\n']) && text.trim_end_matches('\n') == text.trim_end() && !text.contains(" \n");
    if kept && !text.is_empty() { style } else { ScalarStyle::DoubleQuoted }
}

/// Tells whether some reader of YAML, 1.1 or 1.2, would see another thing than this text if it had no quotes.
fn is_ambiguous(text: &str) -> bool {
    const WORDS: &[&str] = &["~", "null", "true", "false", "yes", "no", "on", "off", "y", "n", "=", "<<"];
    let number = |byte: u8| byte.is_ascii_hexdigit() || b"xXoO_.,:+-TtZz ".contains(&byte);
    let bytes = text.as_bytes();
    let numeric_start = match bytes {
        [] => return true,
        [first, ..] if first.is_ascii_digit() => true,
        [b'+' | b'-' | b'.', second, ..] => second.is_ascii_digit() || *second == b'.',
        _ => false,
    };
    let dotted = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    text.trim_end_matches('\n').trim() != text.trim_end_matches('\n')
        || (numeric_start && bytes.iter().copied().all(number))
        || WORDS.iter().any(|word| text.eq_ignore_ascii_case(word))
        || matches!(dotted.as_str(), ".inf" | ".nan")
}

/// Tells whether a character is one that is seen or read differently by different programs.
fn is_special(character: char) -> bool {
    match character {
        '\n' => false,
        '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => true,
        _ => character.is_control(),
    }
}
