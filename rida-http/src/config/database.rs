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
            let scheme: String = scheme.chars().take_while(char::is_ascii_alphanumeric).collect();
            let message = format!("{scheme:?} is no database that is known; write a file's path, or postgresql://…");
            return Err(D::Error::custom(message));
        }
        if is_no_path(&text) {
            // Not shown: it may have a password.
            let message = "it looks like the address of a database that is not complete; write postgresql://…, \
                           or a file's path, which may begin with ./";
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

/// Tells whether a text is more likely an address, or what libpq calls a connection string, than a file's path: it would
/// be shown as a path, and may have a password.
fn is_no_path(text: &str) -> bool {
    if text.starts_with(['/', '.']) {
        return false;
    }
    let first = text.split('/').next().unwrap_or_default();
    first.contains(':') || first.contains('@') || text.contains("=")
}

/// Writes where a database is, without a password.
pub(crate) fn shown(location: &Location) -> String {
    match location {
        Location::Sqlite(file) => file.display().to_string(),
        Location::Postgres(url) => url.to_string(),
        _ => "elsewhere".to_owned(),
    }
}
