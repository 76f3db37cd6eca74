//! What can be said of a spec file without evaluating it.
//!
//! Evaluating a spec runs programs, for ever if its author wants. Here only the `Name:` tag is looked at, and macros
//! that are plainly defined in the file itself; whatever cannot be told that way is accepted, and the build will tell.

use std::collections::BTreeMap;

use rida_core::ComponentName;

/// How deep macros are looked up in macros.
const DEPTH: usize = 8;

/// The longest text that macros may make.
const LONGEST: usize = 1024;

/// Sections end the part that the tags of the package are in.
const SECTIONS: &[&str] = &[
    "%package",
    "%description",
    "%prep",
    "%generate_buildrequires",
    "%conf",
    "%build",
    "%install",
    "%check",
    "%clean",
    "%files",
    "%changelog",
    "%pre",
    "%post",
    "%preun",
    "%postun",
    "%pretrans",
    "%posttrans",
    "%trigger",
    "%verifyscript",
];

/// Checks that a spec is that of a package; says what is wrong otherwise, in words that follow the file's name.
pub(crate) fn check_name(spec: &[u8], expected: &ComponentName) -> Result<(), String> {
    let text = String::from_utf8_lossy(spec);
    let preamble = Preamble::read(&text);
    if preamble.names.is_empty() && !preamble.is_dynamic {
        return Err(format!("has no Name tag; add \"Name: {expected}\""));
    }
    let names: Option<Vec<String>> = preamble.names.iter().map(|name| preamble.expand(name, DEPTH)).collect();
    match names.as_deref() {
        None => Ok(()),
        Some(names) if names.iter().any(|name| name == expected.as_str()) => Ok(()),
        Some([]) => Ok(()),
        Some([other, ..]) => {
            let other: String = other.chars().take(80).collect();
            Err(format!(
                "is the spec of {other:?}; its Name tag must be {expected}, or the component be called otherwise"
            ))
        }
    }
}

/// The part of a spec before its first section.
#[derive(Default)]
struct Preamble<'a> {
    names: Vec<&'a str>,
    macros: BTreeMap<&'a str, Option<&'a str>>,
    /// A line may bring in or leave out others.
    is_dynamic: bool,
}

impl<'a> Preamble<'a> {
    fn read(text: &'a str) -> Self {
        let mut preamble = Self::default();
        let mut conditions = 0_usize;
        for line in text.lines().map(str::trim) {
            let word = line.split_whitespace().next().unwrap_or_default();
            let rest = line.strip_prefix(word).unwrap_or_default().trim();
            match word {
                "%global" | "%define" => preamble.define(rest, conditions == 0),
                _ if SECTIONS.iter().any(|section| word.starts_with(section)) => break,
                _ if word.starts_with('%') => {
                    preamble.is_dynamic = true;
                    if word.starts_with("%if") {
                        conditions += 1;
                    } else if word == "%endif" {
                        conditions = conditions.saturating_sub(1);
                    }
                }
                _ => preamble.names.extend(tag(line, "name")),
            }
        }
        preamble
    }

    fn define(&mut self, definition: &'a str, is_certain: bool) {
        let (name, body) = definition.split_once(char::is_whitespace).unwrap_or((definition, ""));
        let is_plain = is_certain && !name.ends_with(')') && !body.ends_with('\\');
        let body = is_plain.then(|| body.trim());
        // Of two definitions it cannot be told here which one counts.
        self.macros.entry(name.split('(').next().unwrap_or(name)).and_modify(|known| *known = None).or_insert(body);
    }

    /// Replaces macros; nothing when one is not plainly defined.
    fn expand(&self, text: &str, depth: usize) -> Option<String> {
        let mut expanded = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            expanded.push_str(before);
            let (name, after) = match after.strip_prefix('{') {
                Some(inner) => inner.split_once('}')?,
                None => after.split_at(after.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(after.len())),
            };
            let body = (*self.macros.get(name)?)?;
            expanded.push_str(&self.expand(body, depth.checked_sub(1)?)?);
            if expanded.len() > LONGEST {
                return None;
            }
            rest = after;
        }
        expanded.push_str(rest);
        Some(expanded)
    }
}

/// Returns the value of a tag when the line is one.
fn tag<'a>(line: &'a str, tag: &str) -> Option<&'a str> {
    let (name, value) = line.split_once(':')?;
    name.trim_end().eq_ignore_ascii_case(tag).then(|| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spec: &str, expected: Result<(), &str>) {
        match (check_name(spec.as_bytes(), &ComponentName::new("foo").unwrap()), expected) {
            (Ok(()), Ok(())) => {}
            (Err(problem), Err(part)) => assert!(problem.contains(part), "{problem}"),
            (outcome, _) => panic!("{spec:?}: {outcome:?}"),
        }
    }

    #[test]
    fn plain_names_are_compared() {
        check("Name: foo\nVersion: 1\n", Ok(()));
        check("  name\t:foo  \r\n", Ok(()));
        check("Name: bar\n", Err("spec of \"bar\""));
        check("# Name: foo\nVersion: 1\n", Err("no Name tag"));
        check("", Err("no Name tag"));
        check("%description\nName: foo\n", Err("no Name tag"));
        check("%package libs\nName: foo\n", Err("no Name tag"));
    }

    #[test]
    fn plain_macros_are_looked_up() {
        check("%global base foo\nName: %{base}\n", Ok(()));
        check("%define a f\n%define b %{a}oo\nName: %b\n", Ok(()));
        check("%global base bar\nName: %{base}\n", Err("spec of \"bar\""));
        check("%global base foo\nName: %{base}-devel\n", Err("spec of \"foo-devel\""));
    }

    #[test]
    fn what_cannot_be_told_is_accepted() {
        check("Name: %{unknown}\n", Ok(()));
        check("Name: %(echo bar)\n", Ok(()));
        check("Name: %{lua:print('bar')}\n", Ok(()));
        check("Name: %{?scl_prefix}bar\n", Ok(()));
        check("%global a %{a}\nName: %{a}\n", Ok(()));
        check("%global a 1\n%global a 2\nName: %{a}\n", Ok(()));
        check("%include other\n", Ok(()));
        check("%if 0\nName: bar\n%else\nName: foo\n%endif\n", Ok(()));
        check("%if 0\n%global a bar\n%endif\nName: %{a}\n", Ok(()));
        check("Name: %\n", Ok(()));
        check("Name: %{\n", Ok(()));
    }

    #[test]
    fn macros_cannot_blow_up() {
        let mut spec = "%global m0 xxxxxxxxxx\n".to_owned();
        for n in 1..40 {
            let below = format!("%{{m{}}}", n - 1).repeat(10);
            spec.push_str(&format!("%global m{n} {below}\n"));
        }
        for n in 0..40 {
            check(&format!("{spec}Name: %{{m{n}}}\n"), if n < 3 { Err("spec of") } else { Ok(()) });
        }
    }
}
