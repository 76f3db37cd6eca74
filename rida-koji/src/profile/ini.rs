//! Koji's configuration files, taken apart as Python's `configparser` does it for Koji's own client: sections of
//! `key = value` or `key: value`, comments on lines of their own, values that go on in lines that are indented deeper,
//! a section `DEFAULT` for all others, and values that name others as `%(key)s`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// How long the values of a section may be together once what they name is in them, in bytes and names.
const LARGEST: usize = 1024 * 1024;
/// How deep values may name values.
const DEEPEST: u32 = 10;
/// The section whose settings all others have unless they say otherwise.
const DEFAULT: &str = "DEFAULT";

/// The settings of a section.
pub(super) type Values = BTreeMap<String, String>;

/// What files say together. What a later one says of a key goes before.
#[derive(Default)]
pub(super) struct Sections(BTreeMap<String, Values>);

/// A line that cannot be read.
pub(super) struct Unclear {
    /// Its number.
    pub(super) line: usize,
    /// What it is.
    pub(super) what: What,
}

/// What a line is that cannot be read.
pub(super) enum What {
    /// Neither a section nor a setting, or a setting before any section.
    Nothing,
    /// A section that the file has already.
    AgainSection(String),
    /// A setting that the section has already.
    AgainKey(String),
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("is neither a section nor a setting"),
            Self::AgainSection(name) => write!(f, "begins the section [{name}] a second time"),
            Self::AgainKey(key) => write!(f, "says {key} a second time"),
        }
    }
}

impl Sections {
    /// Adds what a file says.
    ///
    /// # Errors
    /// When a line cannot be read.
    pub(super) fn add(&mut self, text: &str) -> Result<(), Unclear> {
        let (mut seen, mut section, mut key) = (BTreeSet::new(), None, None);
        let mut depth = 0;
        for (line, whole) in (1_usize..).zip(text.lines()) {
            let unclear = |what| Unclear { line, what };
            let trimmed = whole.trim();
            if trimmed.starts_with(['#', ';']) {
                continue;
            }
            let here = whole.chars().take_while(|character| character.is_whitespace()).count();
            // A line without anything belongs to the value, if more of that follows.
            if trimmed.is_empty() || here > depth {
                if let Some(value) = self.value(section.as_ref(), key.as_ref()) {
                    value.push('\n');
                    value.push_str(trimmed);
                    continue;
                }
                if trimmed.is_empty() {
                    continue;
                }
            }
            depth = here;
            if let Some(name) = section_name(trimmed) {
                if name != DEFAULT && !seen.insert((name.to_owned(), None)) {
                    return Err(unclear(What::AgainSection(name.to_owned())));
                }
                self.0.entry(name.to_owned()).or_default();
                (section, key) = (Some(name.to_owned()), None);
                continue;
            }
            let place = trimmed.find(['=', ':']).filter(|place| *place > 0).ok_or_else(|| unclear(What::Nothing))?;
            let (name, value) = trimmed.split_at(place);
            let name = name.trim_end().to_lowercase();
            let known = section.clone().ok_or_else(|| unclear(What::Nothing))?;
            if !seen.insert((known.clone(), Some(name.clone()))) {
                return Err(unclear(What::AgainKey(name)));
            }
            let value = value.get(1..).unwrap_or_default().trim().to_owned();
            self.0.entry(known).or_default().insert(name.clone(), value);
            key = Some(name);
        }
        for value in self.0.values_mut().flat_map(BTreeMap::values_mut) {
            value.truncate(value.trim_end().len());
        }
        Ok(())
    }

    fn value(&mut self, section: Option<&String>, key: Option<&String>) -> Option<&mut String> {
        self.0.get_mut(section?)?.get_mut(key?)
    }

    /// Returns the settings of a section, each with what it names.
    ///
    /// # Errors
    /// With the key of a setting that cannot be resolved, and why.
    pub(super) fn section(&self, name: &str) -> Result<Option<Values>, (String, &'static str)> {
        let Some(own) = self.0.get(name).filter(|_| name != DEFAULT) else { return Ok(None) };
        let mut raw = self.0.get(DEFAULT).cloned().unwrap_or_default();
        raw.extend(own.clone());
        let mut resolving = Resolving { raw: &raw, left: LARGEST };
        let resolved = raw.iter().map(|(key, value)| {
            let mut text = String::new();
            match resolving.add(value, 1, &mut text) {
                Ok(()) => Ok((key.clone(), text)),
                Err(why) => Err((key.clone(), why)),
            }
        });
        resolved.collect::<Result<_, _>>().map(Some)
    }
}

fn section_name(line: &str) -> Option<&str> {
    let (name, _) = line.strip_prefix('[')?.rsplit_once(']')?;
    (!name.is_empty()).then_some(name)
}

/// Puts what values name into them.
struct Resolving<'a> {
    raw: &'a Values,
    left: usize,
}

impl Resolving<'_> {
    fn add(&mut self, value: &str, depth: u32, text: &mut String) -> Result<(), &'static str> {
        if depth > DEEPEST {
            return Err("names itself, or others too deep");
        }
        let mut rest = value;
        while let Some((before, after)) = rest.split_once('%') {
            self.push(before, text)?;
            if let Some(more) = after.strip_prefix('%') {
                self.push("%", text)?;
                rest = more;
                continue;
            }
            let named = after.strip_prefix('(').and_then(|after| after.split_once(")s"));
            let (name, more) = named
                .filter(|(name, _)| !name.is_empty() && !name.contains(')'))
                .ok_or("has a % that is neither %% nor %(key)s")?;
            let raw = self.raw;
            let value = raw.get(&name.to_lowercase()).ok_or("names a key that is not there")?;
            self.push("", text)?;
            self.add(value, depth + 1, text)?;
            rest = more;
        }
        self.push(rest, text)
    }

    fn push(&mut self, part: &str, text: &mut String) -> Result<(), &'static str> {
        self.left = self.left.checked_sub(part.len() + 1).ok_or("is too long with what it names")?;
        text.push_str(part);
        Ok(())
    }
}
