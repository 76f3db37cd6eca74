//! The two ways in which clients speak to the interface: Rida's own, and that of the Module Build Service.

use std::fmt;
use std::str::FromStr;

/// Before every path of the Module Build Service, and followed by the version of its interface.
pub(crate) const SERVICE: &str = "/module-build-service/";

/// How a client speaks, which it says by the path that it asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Rida's own.
    Rida,
    /// That of the Module Build Service.
    Service(ServiceVersion),
}

/// The versions of the Module Build Service's interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ServiceVersion {
    /// A submission is answered with one build.
    One,
    /// A submission is answered with a list of builds.
    Two,
}

impl ServiceVersion {
    /// The newest.
    pub(crate) const NEWEST: u8 = 2;
}

impl Dialect {
    /// Returns what is before all paths of the dialect, without a slash at its end.
    pub(crate) fn prefix(self) -> String {
        match self {
            Self::Rida => "/rida".to_owned(),
            Self::Service(version) => format!("{SERVICE}{version}"),
        }
    }
}

impl fmt::Display for ServiceVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::One => "1",
            Self::Two => "2",
        })
    }
}

impl FromStr for ServiceVersion {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "1" => Ok(Self::One),
            "2" => Ok(Self::Two),
            _ => Err(()),
        }
    }
}
