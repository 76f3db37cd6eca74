//! Where the database is, as it is written.

use std::fmt;
use std::path::PathBuf;

use rida_store::{Location, PostgresUrl};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The file or the address of a database.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct DatabasePlace(pub(super) Location);

impl<'de> Deserialize<'de> for DatabasePlace {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if PostgresUrl::is_meant(&text) {
            return text.parse().map(|url| Self(Location::Postgres(url))).map_err(D::Error::custom);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            let message = format!("{scheme:?} is no database that is known; write a file's path, or postgresql://…");
            return Err(D::Error::custom(message));
        }
        Ok(Self(Location::Sqlite(PathBuf::from(text))))
    }
}

impl Serialize for DatabasePlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown(&self.0))
    }
}

impl fmt::Debug for DatabasePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DatabasePlace({self})")
    }
}

/// Writes where a database is, without a password.
pub(crate) fn shown(location: &Location) -> String {
    match location {
        Location::Sqlite(file) => file.display().to_string(),
        Location::Postgres(url) => url.to_string(),
        _ => "elsewhere".to_owned(),
    }
}
