//! The names of the rules that a document can break.

use std::fmt;

/// Declares the rules with their stable ids and explanations.
macro_rules! rules {
    ($($(#[$doc:meta])* $variant:ident = $id:literal, $explanation:literal;)*) => {
        /// A rule that a modulemd document can break; its id never changes its meaning.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(
                #[doc = $explanation]
                $variant,
            )*
        }

        impl Rule {
            /// All rules.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Returns the id, such as `duplicate-key`.
            pub const fn id(self) -> &'static str {
                match self {
                    $(Self::$variant => $id,)*
                }
            }

            /// Returns what the rule demands, in a sentence.
            pub const fn explanation(self) -> &'static str {
                match self {
                    $(Self::$variant => $explanation,)*
                }
            }
        }
    };
}

rules! {
    TooLarge = "too-large", "A document is no larger than the limit.";
    TooDeep = "too-deep", "Mappings and lists are nested no deeper than the limit.";
    TooManyNodes = "too-many-nodes", "A document has no more keys, values and list items than the limit.";
    Encoding = "encoding", "A document is UTF-8 (or UTF-16 with a byte order mark) without control characters.";
    Syntax = "syntax", "A document is YAML.";
    Alias = "alias", "A document has no aliases (`*name`): every value is written out.";
    OneDocument = "one-document", "The text holds one document.";
    Envelope = "envelope", "A document is a mapping with the keys `document`, `version` and `data`.";
    DocumentType = "document-type", "`document` and `version` name a type and a version that exist.";
    Mapping = "mapping", "A field that holds named values is a mapping.";
    List = "list", "A field that holds several values is a list.";
    Text = "text", "A field that holds a text or a number is a single value.";
    Nul = "nul", "A text has no NUL character.";
    Key = "key", "A key is a text.";
    DuplicateKey = "duplicate-key", "A key occurs once in its mapping, where the format would take the last one.";
    RepeatedKey = "repeated-key", "A key occurs once in its mapping, where the format forbids a second.";
    UnknownKey = "unknown-key", "A key is one that the format defines.";
    Number = "number", "A number is written in decimal digits and is within the range of its field.";
    Boolean = "boolean", "A switch is exactly `true` or `false`.";
    Date = "date", "A date is a day of the calendar, written YYYY-MM-DD.";
    Time = "time", "A time is written YYYY-MM-DDThh:mmZ.";
    Required = "required", "What a document cannot do without is given.";
    StaticContext = "static-context", "A static context is 1 to 13 letters, digits and `_`.";
    MixedStreams = "mixed-streams", "The streams of a dependency are all wanted, or all excluded with `-`.";
    BuildAfterOrOrder = "buildafter-or-buildorder", "A module orders its components by `buildafter` or by `buildorder`.";
    BuildAfterUnknown = "buildafter-unknown", "`buildafter` names components of the same module.";
    ComponentArches = "component-arches", "The arches of a component are among those of `buildopts`.";
    Nevra = "nevra", "An artifact is written name-epoch:version-release.arch.";
    RpmMap = "rpm-map", "The `nevra` of an rpm-map entry is made of its other fields.";
    ConfigurationContext = "configuration-context", "The context of a configuration is 1 to 10 letters and digits, and its own.";
    SingleStream = "single-stream", "A configuration has exactly one stream of each module.";
    ObsoletesReset = "obsoletes-reset", "A reset has neither an end nor a successor.";
    ObsoletedBy = "obsoleted-by", "What takes a stream's place has a module and a stream.";
    NotInIndex = "not-in-index", "An index holds streams, defaults, obsoletes and translations.";
    IndexName = "index-name", "A document of an index names its module, and a stream its stream.";
    SameNsvca = "same-nsvca", "Two streams of an index with one name, stream, version, context and architecture are equal.";
    ModuleName = "module-name", "A module's name can be used in names of tags and packages.";
    StreamName = "stream-name", "A module's stream can be used in names of tags and packages.";
    ContextName = "context-name", "A module's context is 1 to 13 letters, digits and `_`.";
    ComponentName = "component-name", "A component's name is one that a source package can have.";
    ArchName = "arch-name", "An architecture is one word, as RPM writes it.";
    DependencyName = "dependency-name", "A dependency names a module and streams that can exist.";
    BaseModule = "base-module", "A module that stands for the distribution is not built.";
    ReservedXmd = "reserved-xmd", "`xmd.mbs` is left to the build service.";
    VersionSet = "version-set", "The build service gives the version.";
    DashInStream = "dash-in-stream", "A stream has no dash.";
    BuildAfterSelf = "buildafter-self", "A component is not built after itself.";
    BuildAfterCycle = "buildafter-cycle", "Components do not wait for each other in a circle.";
    TooManyComponents = "too-many-components", "A module has no more components than the limit.";
    ModuleComponents = "module-components", "A module has no modules as components.";
    CustomRepository = "custom-repository", "Components come from the service's own repositories.";
    CustomCache = "custom-cache", "Components come from the service's own lookaside cache.";
    StreamExpansion = "stream-expansion", "A static context leaves no choice of streams; any other choice has streams to choose from.";
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl serde::Serialize for Rule {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}
