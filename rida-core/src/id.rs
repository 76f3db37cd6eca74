//! Newtypes for every id and for every string with a grammar.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A text is not of the form that its use demands.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {what}: {rule}")]
pub struct GrammarError {
    what: &'static str,
    text: String,
    rule: &'static str,
}

impl GrammarError {
    pub(crate) fn new(what: &'static str, text: &str, rule: &'static str) -> Self {
        Self { what, text: text.chars().take(80).collect(), rule }
    }

    /// Returns what the text should have been, such as `stream`.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// Returns the rule that the text breaks, in words.
    pub fn rule(&self) -> &'static str {
        self.rule
    }
}

/// Declares a newtype over shared text with a grammar.
macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident, $what:literal, $rule:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            #[doc = concat!("Reads a ", $what, ": ", $rule, ".")]
            ///
            /// # Errors
            /// When the text breaks that rule.
            pub fn new(text: &str) -> Result<Self, $crate::GrammarError> {
                let check: fn(&str) -> bool = $check;
                if check(text) { Ok(Self(text.into())) } else { Err($crate::GrammarError::new($what, text, $rule)) }
            }

            /// Returns the text as written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::GrammarError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::new(text)
            }
        }

        impl std::borrow::Borrow<str> for $name {
            fn borrow(&self) -> &str {
                &self.0
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str> as serde::Deserialize<'de>>::deserialize(deserializer)?;
                Self::new(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use text_newtype;

fn is_word(text: &str, max: usize, extra: &[u8]) -> bool {
    let bytes = text.as_bytes();
    let starts_well = bytes.first().is_some_and(u8::is_ascii_alphanumeric);
    starts_well && bytes.len() <= max && bytes.iter().all(|b| b.is_ascii_alphanumeric() || extra.contains(b))
}

text_newtype!(
    /// The name of a module, such as `nodejs`.
    ModuleName,
    "module name",
    "letters, digits and . _ + -, first a letter or digit, at most 128",
    |text| is_word(text, 128, b"._+-")
);

text_newtype!(
    /// A stream of a module, such as `10` or `rhel8`.
    StreamName,
    "stream",
    "letters, digits and . _ + -, first a letter or digit, at most 128",
    |text| is_word(text, 128, b"._+-")
);

text_newtype!(
    /// A module's context, such as `9edba152`.
    Context,
    "context",
    "1 to 13 letters, digits and _",
    |text| (1..=13).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
);

text_newtype!(
    /// The name of a source package that is a component of a module.
    ComponentName,
    "component name",
    "letters, digits and . _ + -, first a letter, digit or _, at most 128",
    |text| is_word(text.strip_prefix('_').filter(|rest| !rest.is_empty()).unwrap_or(text), 127, b"._+-")
);

text_newtype!(
    /// A processor architecture as RPM names it, such as `x86_64`.
    Arch,
    "architecture",
    "letters, digits and _, at most 32",
    |text| is_word(text, 32, b"_")
);

text_newtype!(
    /// Who submitted a build.
    Owner,
    "user name",
    "1 to 128 characters without control characters",
    |text| (1..=128).contains(&text.chars().count()) && !text.chars().any(char::is_control)
);

text_newtype!(
    /// The value of RPM's `%dist` macro for a module's packages, such as `.module+el8+2+39d2f818`.
    DistTag,
    "dist tag",
    "a dot, then letters, digits and . _ + ~ ^, at most 128",
    |text| text.strip_prefix('.').is_some_and(|rest| is_word(rest, 127, b"._+~^"))
);

text_newtype!(
    /// The name of a tag in the build system, such as `module-nodejs-10-20180920144631-9edba152`.
    TagName,
    "tag name",
    "letters, digits and . _ + -, first a letter or digit, at most 256",
    |text| is_word(text, 256, b"._+-")
);

impl ComponentName {
    /// Returns `module-build-macros`, the component that every module builds first.
    pub fn macros() -> Self {
        Self("module-build-macros".into())
    }
}

/// The number of a module build in this service, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct BuildId(i64);

impl BuildId {
    /// Makes a build id of a positive number.
    pub const fn new(number: i64) -> Option<Self> {
        if number > 0 { Some(Self(number)) } else { None }
    }

    /// Returns the number.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl<'de> Deserialize<'de> for BuildId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(i64::deserialize(deserializer)?).ok_or_else(|| serde::de::Error::custom("a build id is positive"))
    }
}

impl fmt::Display for BuildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BuildId {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let number = if digits { text.parse().ok() } else { None };
        number.and_then(Self::new).ok_or_else(|| GrammarError::new("build id", text, "a positive number below 2^63"))
    }
}

/// Identifies a component of a build, among those of all builds. Outside it is one number, which no other component has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ComponentId {
    /// The build.
    pub build: BuildId,
    /// The component's index in the plan.
    pub index: u32,
}

impl ComponentId {
    /// More components than a module can have.
    const OF_A_BUILD: i64 = 65_536;

    /// Returns the component that a number is of.
    pub fn new(number: i64) -> Option<Self> {
        let before = number.checked_sub(1)?;
        let build = BuildId::new(before.div_euclid(Self::OF_A_BUILD))?;
        Some(Self { build, index: u32::try_from(before.rem_euclid(Self::OF_A_BUILD)).ok()? })
    }

    /// Returns the number.
    pub fn get(self) -> i64 {
        self.build.get().saturating_mul(Self::OF_A_BUILD).saturating_add(i64::from(self.index)).saturating_add(1)
    }
}

/// The number of a task in the build system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TaskId(pub i64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Identifies an instruction: the build, and the instruction's number within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectId {
    /// The build that issued it.
    pub build: BuildId,
    /// Counts the instructions of that build, from 1.
    pub number: u32,
}

impl fmt::Display for EffectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.build, self.number)
    }
}

/// Name, stream, version and context: what identifies a module build in the world.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Nsvc {
    /// The module's name.
    pub name: ModuleName,
    /// The stream.
    pub stream: StreamName,
    /// The version; by custom a time as `YYYYMMDDHHMMSS`, after a platform's prefix.
    pub version: u64,
    /// The context, which tells builds against different dependencies apart.
    pub context: Context,
}

impl fmt::Display for Nsvc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}:{}", self.name, self.stream, self.version, self.context)
    }
}

impl FromStr for Nsvc {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const RULE: &str = "name:stream:version:context";
        let parts: Vec<&str> = text.splitn(5, ':').collect();
        let &[name, stream, version, context] = parts.as_slice() else {
            return Err(GrammarError::new("NSVC", text, RULE));
        };
        let digits = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
        let version = digits.then(|| version.parse().ok()).flatten();
        Ok(Self {
            name: ModuleName::new(name)?,
            stream: StreamName::new(stream)?,
            version: version.ok_or_else(|| GrammarError::new("NSVC", text, RULE))?,
            context: Context::new(context)?,
        })
    }
}

/// Name, version and release of a built source package.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Nvr {
    /// The package's name.
    pub name: Arc<str>,
    /// The upstream version.
    pub version: Arc<str>,
    /// The release, with the dist tag.
    pub release: Arc<str>,
}

impl fmt::Display for Nvr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.name, self.version, self.release)
    }
}

impl FromStr for Nvr {
    type Err = GrammarError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let good =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-~^".contains(&b));
        let parts = text.rsplit_once('-').and_then(|(rest, release)| {
            let (name, version) = rest.rsplit_once('-')?;
            (text.len() <= 512 && name.split('-').all(good) && good(version) && good(release)).then(|| Self {
                name: name.into(),
                version: version.into(),
                release: release.into(),
            })
        });
        parts.ok_or_else(|| GrammarError::new("NVR", text, "name-version-release"))
    }
}

impl Serialize for Nvr {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Nvr {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
