//! The reasons of the rules, and what to write instead.

use super::rule::Rule;

/// Why a rule is there, with a part of a document that breaks it and one that keeps it.
///
/// The parts are fields of `data`, or whole documents; a test reads both.
pub(super) struct Reason {
    pub(super) why: &'static str,
    pub(super) breaks: Option<&'static str>,
    pub(super) keeps: Option<&'static str>,
}

impl Rule {
    /// Returns the rule of that id.
    pub fn from_id(id: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|rule| rule.id() == id)
    }

    /// Explains the rule at length: what it demands, why, and what to write instead.
    pub fn explain(self) -> String {
        let Reason { why, breaks, keeps } = self.reason();
        let mut text = format!("{self}: {}\n\n", self.explanation());
        wrap(&mut text, why);
        for (title, part) in [("Instead of", breaks), ("write", keeps)] {
            if let Some(part) = part {
                text.push_str(&format!("\n{title}\n\n"));
                part.lines().for_each(|line| text.push_str(&format!("    {line}\n")));
            }
        }
        text
    }

    pub(super) fn reason(self) -> Reason {
        let (why, breaks, keeps) = reason(self);
        Reason {
            why,
            breaks: Some(breaks).filter(|part| !part.is_empty()),
            keeps: Some(keeps).filter(|part| !part.is_empty()),
        }
    }
}

/// Writes a paragraph in lines of a readable length.
fn wrap(text: &mut String, paragraph: &str) {
    const WIDTH: usize = 100;
    let mut column = 0;
    for word in paragraph.split(' ') {
        if column > 0 {
            let breaks = column + 1 + word.len() > WIDTH;
            text.push(if breaks { '\n' } else { ' ' });
            column = if breaks { 0 } else { column + 1 };
        }
        text.push_str(word);
        column += word.len();
    }
    text.push('\n');
}

/// Why, what breaks it, what keeps it.
fn reason(rule: Rule) -> (&'static str, &'static str, &'static str) {
    match rule {
        Rule::TooLarge => (
            "A document is read into memory, on behalf of whoever sent it. The limit is ten times what distributions \
             publish; who reads documents can set another.",
            "",
            "",
        ),
        Rule::TooDeep => (
            "Each level costs memory, and readers of YAML take long for thousands of them. Documents have about eight.",
            "xmd: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[a]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
            "xmd: {list: [a]}",
        ),
        Rule::TooManyNodes => (
            "Small values take more memory than their text. The limit is ten times what distributions publish; an index \
             also has a limit of documents.",
            "",
            "",
        ),
        Rule::Encoding => (
            "Other encodings and control characters are read differently by different programs. Escapes within double \
             quotes, such as \"\\x01\", may stand for characters that a text needs.",
            "",
            "",
        ),
        Rule::Syntax => (
            "Most often a text with a colon or a quote in it needs quotes around it, a bracket or quote is not closed, \
             lines are not indented alike, or a tab stands where spaces must.",
            "summary: Perl: a language",
            "summary: \"Perl: a language\"",
        ),
        Rule::Alias => (
            "An alias repeats another part of the document. The reference implementation reads none, a few lines of them \
             can grow to gigabytes, and no published document has one. Put quotes around a text that starts with *.",
            "xmd:\n  a: &a [x]\n  b: *a",
            "xmd:\n  a: [x]\n  b: [x]",
        ),
        Rule::OneDocument => (
            "A file of sources describes one module. Several documents in one text are an index, which is read as such.",
            "document: modulemd\nversion: 2\ndata: {summary: A, description: B, license: {module: MIT}}\n---\na: b",
            "document: modulemd\nversion: 2\ndata: {summary: A, description: B, license: {module: MIT}}",
        ),
        Rule::Envelope => (
            "`document` and `version` say how `data` is to be read, and nothing else counts at the top.",
            "name: foo\nsummary: A module\nversion: 2\ndocument: modulemd",
            "document: modulemd\nversion: 2\ndata:\n  name: foo\n  summary: A module\n  description: A module.\n  license: {module: MIT}",
        ),
        Rule::DocumentType => (
            "There are modulemd and modulemd-stream (versions 1 and 2), modulemd-packager (2 and 3), modulemd-defaults, \
             modulemd-obsoletes and modulemd-translations (1). Streams of version 3 existed for one release, and were \
             given up.",
            "document: modulemd\nversion: 4\ndata: {}",
            "document: modulemd\nversion: 2\ndata: {summary: A, description: B, license: {module: MIT}}",
        ),
        Rule::Mapping => (
            "Where the format names things, such as profiles and components, it wants `name: value`, or `{}` for none; a \
             key with nothing behind it is an empty text.",
            "profiles:",
            "profiles: {}",
        ),
        Rule::List => (
            "Sets may be lists, or a single text; dependencies are a list of blocks.",
            "dependencies:\n  requires: {platform: [f40]}",
            "dependencies:\n- requires: {platform: [f40]}",
        ),
        Rule::Text => (
            "The field holds one text or number, which needs no quotes unless YAML gives its first character a meaning.",
            "summary: [A module]",
            "summary: A module",
        ),
        Rule::Nul => (
            "C programs end a text at a NUL, so that they and others would read different documents.",
            "summary: \"A\\0B\"",
            "summary: AB",
        ),
        Rule::Key => {
            ("YAML allows lists and mappings as keys; the format has none.", "xmd:\n  ? [a]\n  : b", "xmd:\n  a: b")
        }
        Rule::DuplicateKey => (
            "The format takes the last one, or both where they list dependencies. Which one was meant, only the author \
             knows; a build of the wrong one costs more than the question. Readers only warn, a build service refuses.",
            "xmd:\n  a: b\n  a: c",
            "xmd:\n  a: c",
        ),
        Rule::RepeatedKey => (
            "Here the reference implementation refuses a second one.",
            "dependencies:\n- requires:\n    perl: [5.30]\n    perl: [5.32]",
            "dependencies:\n- requires:\n    perl: [5.30, 5.32]",
        ),
        Rule::UnknownKey => (
            "Readers skip keys that they do not know, so that a misspelt one silently does nothing. Strict reading, and \
             packager documents of version 3 always, refuse them.",
            "document: modulemd-packager\nversion: 3\ndata: {licence: MIT}",
            "document: modulemd-packager\nversion: 3\ndata: {license: MIT}",
        ),
        Rule::Number => (
            "Numbers are decimal digits, with or without quotes. Versions are below 2^64, build orders below 2^31, \
             epochs below 2^32; libmodulemd takes larger orders for small or negative ones.",
            "version: 0x10",
            "version: 16",
        ),
        Rule::Boolean => (
            "Other words that YAML 1.1 takes for booleans are texts to the reference implementation, which refuses them.",
            "static_context: yes",
            "static_context: true",
        ),
        Rule::Date => (
            "A service level ends on a day. libmodulemd crashes on days that the calendar does not have.",
            "servicelevels: {stable: {eol: 2030-02-30}}",
            "servicelevels: {stable: {eol: 2030-02-28}}",
        ),
        Rule::Time => (
            "Times are in UTC and to the minute, without seconds.",
            "document: modulemd-obsoletes\nversion: 1\ndata: {modified: 2030-02-28, module: a, stream: b, message: c}",
            "document: modulemd-obsoletes\nversion: 1\ndata: {modified: 2030-02-28T00:00Z, module: a, stream: b, message: c}",
        ),
        Rule::Required => (
            "A stream has a summary, a description and at least one licence of the document itself; the other types have \
             the module and stream that they speak of, and when they were modified.",
            "license: {content: [MIT]}",
            "license: {module: [MIT], content: [MIT]}",
        ),
        Rule::StaticContext => (
            "A static context becomes a part of versions and tags as it is.",
            "static_context: true\ncontext: a-b",
            "static_context: true\ncontext: a_b",
        ),
        Rule::MixedStreams => (
            "`-f40` means any stream but f40, so that others beside it say nothing.",
            "dependencies:\n- requires: {platform: [-f40, f41]}",
            "dependencies:\n- requires: {platform: [f41]}",
        ),
        Rule::BuildAfterOrOrder => (
            "Batches of `buildorder` and a graph of `buildafter` would have to be merged, which nothing defines.",
            "components:\n  rpms:\n    a: {buildorder: 1}\n    b: {buildafter: [a]}",
            "components:\n  rpms:\n    a: {}\n    b: {buildafter: [a]}",
        ),
        Rule::BuildAfterUnknown => (
            "`buildafter` has keys of components.rpms, not names that a component has of its own.",
            "components:\n  rpms:\n    a: {buildafter: [c]}",
            "components:\n  rpms:\n    a: {buildafter: [b]}\n    b: {}",
        ),
        Rule::ComponentArches => (
            "A component cannot be built where the module is not.",
            "buildopts: {arches: [x86_64]}\ncomponents: {rpms: {a: {arches: [s390x]}}}",
            "buildopts: {arches: [x86_64, s390x]}\ncomponents: {rpms: {a: {arches: [s390x]}}}",
        ),
        Rule::Nevra => (
            "Package managers match artifacts by their whole identity, the epoch included, also when it is 0.",
            "artifacts: {rpms: [bash-5.2-1.el9.x86_64]}",
            "artifacts: {rpms: ['bash-0:5.2-1.el9.x86_64']}",
        ),
        Rule::RpmMap => (
            "An entry says the same twice; when the two differ, one is wrong.",
            "artifacts: {rpm-map: {sha256: {ab: {name: a, epoch: 0, version: 1, release: 1, arch: src, nevra: 'a-1:1-1.src'}}}}",
            "artifacts: {rpm-map: {sha256: {ab: {name: a, epoch: 0, version: 1, release: 1, arch: src, nevra: 'a-0:1-1.src'}}}}",
        ),
        Rule::ConfigurationContext => (
            "The context names the build, and becomes a part of its version.",
            "document: modulemd-packager\nversion: 3\ndata: {configurations: [{context: a-b, platform: f40}]}",
            "document: modulemd-packager\nversion: 3\ndata: {configurations: [{context: AB, platform: f40}]}",
        ),
        Rule::SingleStream => (
            "A configuration is one build; of each module it is built against, it has one stream.",
            "document: modulemd-packager\nversion: 3\ndata:\n  configurations:\n  - {context: A, platform: f40, requires: {perl: [5.30, 5.32]}}",
            "document: modulemd-packager\nversion: 3\ndata:\n  configurations:\n  - {context: A, platform: f40, requires: {perl: [5.30]}}\n  - {context: B, platform: f40, requires: {perl: [5.32]}}",
        ),
        Rule::ObsoletesReset => (
            "A reset takes back all that was said of the stream before, and says nothing else.",
            "document: modulemd-obsoletes\nversion: 1\ndata: {modified: 2030-02-28T00:00Z, module: a, stream: b, message: c, reset: true, eol_date: 2031-02-28T00:00Z}",
            "document: modulemd-obsoletes\nversion: 1\ndata: {modified: 2030-02-28T00:00Z, module: a, stream: b, message: c, reset: true}",
        ),
        Rule::ObsoletedBy => (
            "Users are led to a stream, which has both names.",
            "document: modulemd-obsoletes\nversion: 1\ndata: {modified: 2030-02-28T00:00Z, module: a, stream: b, message: c, obsoleted_by: {module: d}}",
            "document: modulemd-obsoletes\nversion: 1\ndata: {modified: 2030-02-28T00:00Z, module: a, stream: b, message: c, obsoleted_by: {module: d, stream: e}}",
        ),
        Rule::NotInIndex => (
            "Packager documents are sources; an index has what was built of them.",
            "---\ndocument: modulemd-packager\nversion: 2\ndata: {summary: A, description: B, license: {module: MIT}}",
            "---\ndocument: modulemd\nversion: 2\ndata: {name: a, stream: b, summary: A, description: B, license: {module: MIT}}",
        ),
        Rule::IndexName => (
            "An index is searched by the names of modules and streams.",
            "---\ndocument: modulemd\nversion: 2\ndata: {summary: A, description: B, license: {module: MIT}}",
            "---\ndocument: modulemd\nversion: 2\ndata: {name: a, stream: b, summary: A, description: B, license: {module: MIT}}",
        ),
        Rule::SameNsvca => (
            "The five name a build; two different documents of one build cannot both be true.",
            "---\ndocument: modulemd\nversion: 2\ndata: {name: a, stream: b, summary: A, description: B, license: {module: MIT}}\n---\ndocument: modulemd\nversion: 2\ndata: {name: a, stream: b, summary: C, description: B, license: {module: MIT}}",
            "---\ndocument: modulemd\nversion: 2\ndata: {name: a, stream: b, version: 1, summary: A, description: B, license: {module: MIT}}\n---\ndocument: modulemd\nversion: 2\ndata: {name: a, stream: b, version: 2, summary: C, description: B, license: {module: MIT}}",
        ),
        Rule::ModuleName => (
            "Names become parts of tags, packages and paths, on which a colon, a slash or a leading dash has a meaning.",
            "name: foo:bar",
            "name: foo-bar",
        ),
        Rule::StreamName => (
            "Streams become parts of tags, packages and paths, on which a colon, a slash or a leading dash has a meaning.",
            "stream: ../1",
            "stream: 1.10",
        ),
        Rule::ContextName => ("Contexts become parts of tags and versions.", "context: a:b", "context: c0ffee42"),
        Rule::ComponentName => (
            "The name is looked up as a git repository and as a source package; module-build-macros is made by the \
             service.",
            "components: {rpms: {../etc: {}}}",
            "components: {rpms: {perl-libs: {}}}",
        ),
        Rule::ArchName => (
            "Architectures become parts of tags and of arguments of programs.",
            "buildopts: {arches: ['x86 64']}",
            "buildopts: {arches: [x86_64]}",
        ),
        Rule::DependencyName => (
            "What no module or stream can be called is never found.",
            "dependencies:\n- requires: {'a:b': [c]}",
            "dependencies:\n- requires: {a: [c]}",
        ),
        Rule::BaseModule => (
            "Modules such as platform stand for the distribution; they are imported, not built.",
            "name: platform",
            "name: foo",
        ),
        Rule::ReservedXmd => (
            "The build service records there what it built from what.",
            "xmd: {mbs: {koji_tag: a}}",
            "xmd: {own: {koji_tag: a}}",
        ),
        Rule::VersionSet => (
            "Versions grow with the time of the commit; one from the sources would repeat itself, or never be reached.",
            "version: 1",
            "name: foo",
        ),
        Rule::DashInStream => (
            "Some services put name, stream and version together with dashes between them.",
            "stream: f40-beta",
            "stream: f40_beta",
        ),
        Rule::BuildAfterSelf => {
            ("It would wait for ever.", "components: {rpms: {a: {buildafter: [a]}}}", "components: {rpms: {a: {}}}")
        }
        Rule::BuildAfterCycle => (
            "All of them would wait for ever.",
            "components: {rpms: {a: {buildafter: [b]}, b: {buildafter: [a]}}}",
            "components: {rpms: {a: {}, b: {buildafter: [a]}}}",
        ),
        Rule::TooManyComponents => {
            ("Every component is a build; the limit keeps one module from taking all of the builders.", "", "")
        }
        Rule::ModuleComponents => (
            "Building other modules' components along is not supported.",
            "components: {modules: {other: {}}}",
            "dependencies:\n- requires: {other: [a]}",
        ),
        Rule::CustomRepository => (
            "A service that builds from its own repositories alone knows what it built from.",
            "components: {rpms: {a: {repository: https://example.org/a}}}",
            "components: {rpms: {a: {}}}",
        ),
        Rule::CustomCache => (
            "A service that takes sources from its own lookaside cache alone knows what it built from.",
            "components: {rpms: {a: {cache: https://example.org/cache}}}",
            "components: {rpms: {a: {}}}",
        ),
        Rule::StreamExpansion => (
            "A module with a choice of streams is a build for each combination, and a static context is one build alone.",
            "static_context: true\ncontext: a_b\ndependencies:\n- buildrequires: {platform: [f40, f41]}",
            "static_context: true\ncontext: a_b\ndependencies:\n- buildrequires: {platform: [f40]}",
        ),
    }
}
